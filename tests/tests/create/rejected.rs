//! Bodies that are rejected, each with the name of what is wrong.

use serde_json::{Value, json};
use tests::{World, api::bearer};

use super::{DAY, send};

fn list(values: Value) -> Vec<Value> {
    serde_json::from_value(values).unwrap()
}

/// Checks that a body with this change is rejected, and that the rejection names the member.
async fn is_named(world: &World, caller: &str, member: &str, change: &Value) {
    let mut body = json!({"name": "a"});
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let problem = world.create(&bearer(caller), &body).await.problem(400);
    assert_eq!(
        (&problem["error"], &problem["member"]),
        (&"invalid_request".into(), &member.into()),
        "{body}"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("{member}: ")), "{problem}");
}

#[tokio::test]
async fn a_wrong_member_is_named() {
    let world = World::new().await;
    let caller = world.token().await;
    let before = world.count_records("1").await;
    let check = async |member: &str, change: Value| {
        is_named(&world, &caller, member, &change).await;
    };
    let (long, longer) = ("x".repeat(101), "x".repeat(10_240));
    for name in list(json!([
        null,
        "",
        " \u{2003}",
        1,
        [],
        true,
        {},
        long,
        longer,
        "a\u{7}b",
        "a\nb",
        "a\u{85}b"
    ])) {
        check("name", json!({"name": name})).await;
    }
    for description in list(json!(["", 1, "x".repeat(1_001), "a\u{0}"])) {
        check("description", json!({"description": description})).await;
    }
    for scopes in list(json!([
        [],
        "ROLE_USER",
        {},
        1,
        [1],
        [null],
        ["ROLE_USER", ""],
        ["ROLE_USER", "a,b"],
        ["ROLE_USER", "a\"b"],
        ["ROLE_USER", "x".repeat(129)],
        [["ROLE_USER"]]
    ])) {
        check("scopes", json!({"scopes": scopes})).await;
    }
    let names = |count: usize| {
        (0..count).map(|number| format!("{number:03}{}", "p".repeat(96))).collect::<Vec<_>>()
    };
    check("scopes", json!({"scopes": names(15)})).await;
    check("scopes", json!({"scopes": ([names(14), vec!["q".to_owned()]].concat())})).await;
    for format in list(json!(["developer", "JWT", "", 1])) {
        check("format", json!({"format": format})).await;
    }
    for user_id in list(json!(["a b", "", 1, "x".repeat(65)])) {
        check("user_id", json!({"user_id": user_id})).await;
    }
    for unknown in ["scope", "expires", "Name", "token", "name "] {
        check(unknown, json!({unknown: "a"})).await;
    }
    check("id", json!({"id": null})).await;
    assert_eq!(world.count_records("1").await, before);
}

/// Checks that no token is created with this expiry, and that the rejection names the member.
async fn expiry_is_rejected(world: &World, caller: &str, member: &str, value: Value) {
    let problem =
        world.create(&bearer(caller), &json!({"name": "a", member: value})).await.problem(400);
    assert_eq!(
        (&problem["error"], &problem["member"]),
        (&"invalid_request".into(), &member.into()),
        "{value}"
    );
    assert_eq!(world.count_records("1").await, 1, "the caller's own");
}

#[tokio::test]
async fn a_malformed_expiry_is_rejected_and_the_right_form_is_named() {
    let world = World::new().await;
    let caller = world.token().await;
    for (member, form) in [
        ("expires_at", "expires_at: it is not an instant of RFC 3339"),
        ("expires_in", "expires_in: it is neither seconds nor a period such as \"1 month\""),
    ] {
        let problem = world
            .create(&bearer(&caller), &json!({"name": "a", member: "soon"}))
            .await
            .problem(400);
        assert_eq!(problem["detail"], form);
    }
}

#[tokio::test]
async fn an_invalid_period_is_named() {
    let world = World::new().await;
    let caller = world.token().await;
    for expires_in in list(json!([
        -1,
        0,
        1.5,
        -0.0,
        1e300,
        367 * DAY,
        u64::MAX,
        true,
        [],
        {},
        "",
        "soon",
        "month",
        "1  month",
        " 1 month",
        "1 month ",
        "-1 day",
        "+1 day",
        "1.5 days",
        "0 days",
        "1 fortnight",
        "1y",
        "P",
        "PT0S",
        "P13M",
        "1 monthss",
        "13 months",
        "2 years",
        "367 days",
        "4294967295 weeks",
        "4294967296 days",
        "999999999999999999999 years",
        "٣ days"
    ])) {
        expiry_is_rejected(&world, &caller, "expires_in", expires_in).await;
    }
}

#[tokio::test]
async fn an_invalid_instant_is_named() {
    let world = World::new().await;
    let caller = world.token().await;
    for expires_at in list(json!([
        "tomorrow",
        "",
        "2027-01-15T08:00:00Z",
        "2020-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2028-01-16T08:00:01Z",
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-02-01",
        "2027-02-01T00:00:00",
        1_800_000_060_u64,
        ["2027-02-01T00:00:00Z"]
    ])) {
        expiry_is_rejected(&world, &caller, "expires_at", expires_at).await;
    }
    let both = json!({"name": "a", "expires_in": 60, "expires_at": "2027-02-01T00:00:00Z"});
    assert_eq!(world.create(&bearer(&caller), &both).await.problem(400)["member"], "expires_in");
}

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_rejected() {
    let world = World::new().await;
    let caller = world.token().await;
    let json = Some("application/json");
    let deep = "[".repeat(60_000);
    for body in [
        r#"{"name":"#,
        r#"{"name":"a"} x"#,
        "[]",
        r#""a""#,
        "null",
        "1",
        "name=a",
        "{'name':'a'}",
        &deep,
    ] {
        let problem = send(&world, &caller, json, body).await.problem(400);
        assert_eq!(
            (&problem["error"], &problem["member"]),
            (&"invalid_request".into(), &Value::Null)
        );
    }
    for media_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonx"),
    ] {
        send(&world, &caller, media_type, r#"{"name":"a"}"#).await.problem(415);
    }
    for media_type in
        ["application/json", "Application/JSON; charset=utf-8", "application/json;x=y"]
    {
        assert_eq!(send(&world, &caller, Some(media_type), r#"{"name":"a"}"#).await.status, 201);
    }
    for (media_type, body) in [(json, ""), (None, ""), (json, "{}")] {
        assert_eq!(send(&world, &caller, media_type, body).await.problem(400)["member"], "name");
    }
}
