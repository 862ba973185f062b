//! The clients of Vanilla: issue with an expiry and a scope, verify, revoke; and a rejection that
//! says why.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tests::{
    Response, World,
    api::{bearer, forged},
    client::Reply,
    system::System,
};

const DAY: u64 = 86_400;

fn permissions(names: &[&str]) -> AttributeValue {
    AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect())
}

fn text_of(body: &Value) -> &str {
    body["token"].as_str().unwrap()
}

/// Creates a token of this format that lives for this many seconds.
async fn issue(world: &World, format: &str, seconds: u64) -> Value {
    let token = world.token().await;
    world
        .created(&token, &json!({"name": "vanilla", "format": format, "expires_in": seconds}))
        .await
}

async fn sweep(world: &World) {
    world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
}

/// Checks for a rejection by the gateway or a function: 401, with the specific information in
/// `X-WWW-Authenticate`.
fn rejected(reply: &Reply, description: &str) {
    let challenge = format!(
        r#"Bearer realm="hallpass", error="invalid_token", error_description="{description}""#
    );
    assert_eq!(
        (reply.status, reply.header("x-www-authenticate")),
        (401, challenge.as_str()),
        "{}",
        reply.body
    );
    assert_eq!(reply.json()["detail"], description);
}

#[tokio::test]
async fn a_token_is_issued_for_a_month_verified_and_revoked_by_itself_or_by_its_id() {
    let system = System::start(&[]).await;
    let session = system.token_of("my_username", "topsecret").await;
    let issue = async || {
        let body = json!({"name": "sso", "expires_in": "1 month", "scopes": ["ROLE_USER"]});
        let issued = system.created(&session, &body).await;
        assert_eq!(issued["expires_at"], system.now().after_months(1).unwrap().to_string());
        assert_eq!(issued["scopes"], json!(["ROLE_USER"]));
        issued
    };
    let verify = async |token: &str| {
        let form = format!("token={token}");
        system.form("/oauth/introspect", &bearer(&session), &form).await.body_of(200)
    };
    let (by_token, by_id) = (issue().await, issue().await);
    for issued in [&by_token, &by_id] {
        let user = system.ask("GET", "/api/user/1", &bearer(text_of(issued))).await.body_of(200);
        assert_eq!((&user["uid"], &user["name"]), (&json!("1"), &json!("my_username")));
        let row = verify(text_of(issued)).await;
        assert_eq!(
            (&row["active"], &row["sub"], &row["scope"]),
            (&json!(true), &json!("1"), &json!("ROLE_USER"))
        );
    }
    let form = format!("token={}", text_of(&by_token));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let reply = system.send("POST", "/oauth/revoke", &headers, &form).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let path = format!("/tokens/{}", by_id["id"].as_str().unwrap());
    system.ask("DELETE", &path, &bearer(&session)).await.body_of(200);
    for issued in [&by_token, &by_id] {
        assert_eq!(verify(text_of(issued)).await, json!({"active": false}));
        rejected(
            &system.ask("GET", "/api/user/1", &bearer(text_of(issued))).await,
            "The access token was revoked",
        );
        rejected(
            &system.ask("GET", "/tokens", &bearer(text_of(issued))).await,
            "The access token was revoked",
        );
    }
    system.stop().await;
}

#[tokio::test]
async fn a_rejection_gives_its_reason_in_the_header() {
    let system = System::start(&[]).await;
    let session = system.token_of("my_username", "topsecret").await;
    let short = system.created(&session, &json!({"name": "short", "expires_in": 60})).await;
    system.advance(60);
    for (token, description) in [
        (text_of(&short), "The access token expired"),
        (&forged(&session), "The access token is not valid"),
        ("va.not-a-token", "The access token is not valid"),
    ] {
        for path in
            ["/api/user/1", "/rs/profile", "/tokens", "/tokens/current", "/rest/pat/1.0/token"]
        {
            rejected(&system.ask("GET", path, &bearer(token)).await, description);
        }
    }
    for path in ["/api/user/1", "/tokens"] {
        let reply = system.send("GET", path, &[], "").await;
        assert_eq!(
            (reply.status, reply.header("x-www-authenticate")),
            (401, r#"Bearer realm="hallpass""#),
            "{path}"
        );
    }
    system.stop().await;
}

#[tokio::test]
async fn a_scope_never_exceeds_the_user_s_permissions_and_the_rest_is_reported() {
    let world = World::new().await;
    world.set_user("1", "permissions", Some(permissions(&["a", "b", "c"]))).await;
    let session = world.token().await;
    let check = async |token: &str, scopes: Value, granted: Value| {
        let mut body = json!({"name": "scoped", "scopes": scopes});
        if body["scopes"].is_null() {
            body.as_object_mut().unwrap().shift_remove("scopes");
        }
        let issued = world.created(token, &body).await;
        assert_eq!(issued["scopes"], granted, "{body}");
        text_of(&issued).to_owned()
    };
    let narrow =
        check(&session, json!(["a", "b", "Garden.Settings.Manage"]), json!(["a", "b"])).await;
    check(&narrow, json!(["a", "c"]), json!(["a"])).await;
    check(&narrow, Value::Null, json!(["a", "b"])).await;
    let whole = check(&session, Value::Null, Value::Null).await;
    for (scopes, detail) in [
        (json!([]), "scopes: it must not be empty"),
        (json!(["d"]), "scopes: none of these permissions can be granted"),
        (json!("a"), "scopes: it must be a list of names"),
        (json!(["a", 7]), "scopes: every element must be the name of a permission"),
    ] {
        let response =
            world.create(&bearer(&session), &json!({"name": "scoped", "scopes": scopes})).await;
        let problem = response.problem(400);
        assert_eq!((&problem["member"], &problem["detail"]), (&json!("scopes"), &json!(detail)));
    }
    let effective = async |token: &str| {
        let response = introspect(&world, token).await;
        response["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (effective(&narrow).await.as_str(), effective(&whole).await.as_str()),
        ("a b", "a b c")
    );
    world.set_user("1", "permissions", Some(permissions(&["b", "d"]))).await;
    assert_eq!((effective(&narrow).await.as_str(), effective(&whole).await.as_str()), ("b", "b d"));
    world.set_user("1", "permissions", Some(permissions(&["d"]))).await;
    assert_eq!(effective(&narrow).await, "", "it is accepted and permitted nothing");
}

async fn introspect(world: &World, token: &str) -> Value {
    let request = tests::Request::new("POST", "/oauth/introspect").authorization(&bearer(token));
    let request = request
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(&format!("token={token}"));
    let response: Response = world.send("Console", request).await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

#[tokio::test]
async fn an_expired_token_is_always_reported_as_expired_and_costs_no_read() {
    let (world, tap) = World::tapped(&[]).await;
    for format in ["signed", "jwt"] {
        let issued = issue(&world, format, 3_600).await;
        let token = bearer(text_of(&issued));
        assert_eq!(world.verdict(&token).await, "allow");
        world.advance(3_600);
        for later in [0, DAY, 400 * DAY, 40_000 * DAY] {
            world.advance(later);
            sweep(&world).await;
            tap.seen();
            assert_eq!(world.verdict(&token).await, "expired", "{format} {later}");
            assert_eq!(world.generate(&token).await.problem(401)["reason"], "expired");
            assert_eq!(tap.operations(), Vec::<String>::new(), "{format} {later}");
        }
        assert_eq!(world.count_records("1").await, 0, "its record was pruned long ago");
    }
}

#[tokio::test]
async fn a_revoked_token_is_reported_for_the_retention_and_then_unknown() {
    for (settings, retention) in [(&[][..], DAY), (&[("HALLPASS_RECORD_RETENTION", "2h")], 7_200)] {
        let world = World::with(settings).await;
        for format in ["signed", "jwt"] {
            let issued = issue(&world, format, 30 * DAY).await;
            let token = bearer(text_of(&issued));
            world.advance(60);
            assert_eq!(world.delete(text_of(&issued), "current").await.status, 200);
            for (seconds, verdict) in
                [(0, "revoked"), (retention - 1, "revoked"), (1, "unknown"), (DAY, "unknown")]
            {
                world.advance(seconds);
                sweep(&world).await;
                assert_eq!(world.verdict(&token).await, verdict, "{format} {seconds}");
            }
        }
    }
}

#[tokio::test]
async fn a_dead_token_stays_in_the_table_for_the_retention_and_no_longer() {
    let world = World::new().await;
    let session = issue(&world, "jwt", 300 * DAY).await;
    let short = issue(&world, "signed", 3_600).await;
    world.advance(3_600 + DAY - 1);
    sweep(&world).await;
    let listed = async || {
        let list = world.list(text_of(&session), &[]).await.json();
        list["tokens"].as_array().unwrap().iter().find(|one| one["id"] == short["id"]).cloned()
    };
    assert_eq!(listed().await.unwrap()["state"], "expired");
    world.advance(1);
    sweep(&world).await;
    assert_eq!(listed().await, None);
    assert_eq!(world.verdict(&bearer(text_of(&session))).await, "allow");
}

#[tokio::test]
async fn a_period_is_counted_by_the_calendar_in_utc() {
    // 2027-01-15T08:00:00Z, moved to the end of January for the shorter months.
    let world = World::new().await;
    world.advance(16 * DAY);
    let token = world.token().await;
    let check = async |period: &str, ends: Option<&str>| {
        let response =
            world.create(&bearer(&token), &json!({"name": "period", "expires_in": period})).await;
        match ends {
            Some(ends) => {
                assert_eq!(
                    (response.status, &response.json()["expires_at"]),
                    (201, &json!(ends)),
                    "{period}"
                );
            }
            None => assert_eq!(response.problem(400)["member"], "expires_in", "{period}"),
        }
    };
    assert_eq!(world.now(), "2027-01-31T08:00:00Z".parse().unwrap());
    check("1 minute", Some("2027-01-31T08:01:00Z")).await;
    check("1 hour", Some("2027-01-31T09:00:00Z")).await;
    check("36 hours", Some("2027-02-01T20:00:00Z")).await;
    check("1 day", Some("2027-02-01T08:00:00Z")).await;
    check("2 weeks", Some("2027-02-14T08:00:00Z")).await;
    check("1 month", Some("2027-02-28T08:00:00Z")).await;
    check("3 months", Some("2027-04-30T08:00:00Z")).await;
    check("1 year", Some("2028-01-31T08:00:00Z")).await;
    for wrong in [
        "2 years",
        "month",
        "1month",
        "1  month",
        "+1 month",
        "-1 month",
        "1.5 days",
        "0 days",
        "1 fortnight",
        "",
    ] {
        check(wrong, None).await;
    }
}
