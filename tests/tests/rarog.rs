//! The clients of Rarog: `Authorization: Token`, and named tokens with fewer authorities than their
//! user.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Timestamp;
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::bearer,
    basic,
    system::{System, members},
};

const USER: &str = "/rest/pat/1.0/token/user/create";
const APP: &str = "/rest/pat/1.0/token/app/create";
const TOKENS: &str = "/rest/pat/1.0/token";

/// Returns an instant some days from now, as the original's clients write it and as the response
/// has it.
fn in_days(now: Timestamp, days: u64) -> (String, String) {
    let whole = now.after(std::time::Duration::from_secs(days * 86_400)).to_string();
    (whole.replace('Z', ".999Z"), whole.replace('Z', ".000Z"))
}

fn body_for(now: Timestamp, authorities: &[&str]) -> Value {
    json!({"name": "Token name", "expiration": in_days(now, 30).0, "authorities": authorities})
}

fn token(text: &str) -> String {
    format!("Token {text}")
}

fn text_of(body: &Value) -> String {
    body["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_example_of_the_original_works_with_a_password_and_with_a_token() {
    let system = System::start(&[]).await;
    let by_password = basic("my_username", "topsecret");
    let body = body_for(system.now(), &["ROLE_USER"]);
    let reply = system.json("POST", USER, &by_password, &body).await;
    let first = reply.body_of(200);
    assert_eq!(members(&first), ["name", "expiration", "value", "id", "authorities"]);
    assert_eq!(
        (&first["name"], &first["authorities"]),
        (&json!("Token name"), &json!(["ROLE_USER"]))
    );
    assert_eq!(first["expiration"], in_days(system.now(), 30).1, "rounded down to whole seconds");
    assert_eq!(reply.header("set-cookie"), "", "no session");

    let shown = system.ask("GET", "/api/user/1", &token(&text_of(&first))).await.body_of(200);
    assert_eq!(shown["name"], "my_username");
    let second = system.json("POST", USER, &token(&text_of(&first)), &body).await.body_of(200);
    assert_ne!(second["value"], first["value"]);
    assert_eq!(system.verdict(&text_of(&second)).await, "allow");
    let id = second["id"].as_str().unwrap();
    let reply = system.ask("DELETE", &format!("{TOKENS}/{id}"), &token(&text_of(&first))).await;
    assert_eq!(
        (reply.status, reply.body.as_str(), reply.header("cache-control")),
        (204, "", "no-store")
    );
    assert_eq!(system.verdict(&text_of(&second)).await, "revoked");
    assert_eq!(system.verdict(&text_of(&first)).await, "allow");
    system.advance(30 * 86_400);
    assert_eq!(system.verdict(&text_of(&first)).await, "expired");
    system.stop().await;
}

#[tokio::test]
async fn a_missing_or_wrong_credential_creates_nothing() {
    let system = System::start(&[]).await;
    let body = body_for(system.now(), &["ROLE_USER"]).to_string();
    let json = ("Content-Type", "application/json");
    for path in [USER, APP] {
        for (headers, detail) in [
            (vec![json], "An access token is required"),
            (vec![json, ("Authorization", &*basic("admin", "wrong"))], "Invalid credentials."),
            (vec![json, ("Authorization", "Token nonsense")], "The access token is not valid"),
        ] {
            let reply = system.send("POST", path, &headers, &body).await;
            assert_eq!(reply.body_of(401)["detail"], detail, "{path}");
            assert_eq!(reply.challenges().len(), 1, "{path}");
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn a_list_has_the_live_named_tokens_of_the_caller() {
    let system = System::start(&[]).await;
    let (admin, user) =
        (basic("admin", "letmein"), system.token_of("my_username", "topsecret").await);
    let (soon, later) = (in_days(system.now(), 1), in_days(system.now(), 2));
    for (name, expiration, authorities) in
        [("a", &soon.0, json!(["ROLE_USER"])), ("b", &later.0, json!(["ROLE_ADMIN", "ROLE_USER"]))]
    {
        let body = json!({"name": name, "expiration": expiration, "authorities": authorities});
        system.json("POST", USER, &admin, &body).await.body_of(200);
    }
    let session = system.token_of("admin", "letmein").await;
    let mut list = system.ask("GET", TOKENS, &token(&session)).await.body_of(200);
    let list = list.as_array_mut().unwrap();
    list.sort_by_key(|one| one["name"].to_string());
    assert!(
        list.iter().all(|one| members(one) == ["id", "name", "expiration", "authorities"]),
        "{list:?}"
    );
    assert_eq!((&list[0]["name"], &list[0]["expiration"]), (&json!("a"), &json!(soon.1)));
    assert_eq!((&list[0]["authorities"], list.len()), (&json!(["ROLE_USER"]), 2));
    assert_eq!((&list[1]["name"], &list[1]["expiration"]), (&json!("b"), &json!(later.1)));
    assert_eq!(list[1]["authorities"], json!(["ROLE_ADMIN", "ROLE_USER"]));
    assert_eq!(system.ask("GET", TOKENS, &token(&user)).await.body_of(200), json!([]));
    system.advance(86_400);
    let list = system.ask("GET", TOKENS, &token(&session)).await.body_of(200);
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["name"]),
        (1, &json!("b")),
        "dead tokens are not listed"
    );
    system.stop().await;
}

#[tokio::test]
async fn an_app_token_belongs_to_the_application_and_is_created_by_administrators() {
    let system = System::start(&[]).await;
    let body = body_for(system.now(), &["ROLE_USER", "ROLE_ADMIN", "deploy"]);
    let user = system.token_of("my_username", "topsecret").await;
    for authorization in [basic("my_username", "topsecret"), token(&user)] {
        let reply = system.json("POST", APP, &authorization, &body).await;
        assert_eq!(reply.body_of(403)["detail"], "The user is not permitted to do this");
        assert_eq!(reply.challenges(), Vec::<&str>::new());
    }
    let admin = system.token_of("admin", "letmein").await;
    for authorization in [basic("admin", "letmein"), token(&admin)] {
        let test_token = system.json("POST", APP, &authorization, &body).await.body_of(200);
        assert_eq!(
            test_token["authorities"],
            json!(["ROLE_USER"]),
            "no more than the account's own, as the response says"
        );
        assert!(test_token["id"].as_str().unwrap().starts_with("4."), "{}", test_token["id"]);
        let profile =
            system.ask("GET", "/rs/profile", &token(&text_of(&test_token))).await.body_of(200);
        assert_eq!(
            (&profile["username"], &profile["permissions"]),
            (&json!("ci-bot"), &json!(["ROLE_USER"]))
        );
    }
    let beyond = body_for(system.now(), &["ROLE_ADMIN"]);
    assert_eq!(
        system.json("POST", APP, &token(&admin), &beyond).await.body_of(400)["member"],
        "authorities"
    );
    // The account's permissions count, not the administrator's.
    system.set_user("4", "permissions", AttributeValue::Ss(vec!["deploy".to_owned()])).await;
    let test_token = system.json("POST", APP, &token(&admin), &body).await.body_of(200);
    assert_eq!(test_token["authorities"], json!(["deploy"]));
    let id = test_token["id"].as_str().unwrap();
    assert_eq!(system.ask("DELETE", &format!("{TOKENS}/{id}"), &token(&user)).await.status, 404);
    assert_eq!(system.ask("DELETE", &format!("{TOKENS}/{id}"), &token(&admin)).await.status, 204);
    assert_eq!(system.verdict(&text_of(&test_token)).await, "revoked");
    system.stop().await;
}

#[tokio::test]
async fn without_an_application_account_no_app_tokens_can_be_created() {
    for settings in [&[][..], &[("HALLPASS_APP_USER", "99")]] {
        let world = World::with(settings).await;
        let body = body_for(world.now(), &["ROLE_USER"]);
        let request =
            Request::new("POST", APP).authorization(&basic("admin", "letmein")).json(&body);
        let response = world.send("Generate", request).await;
        assert_eq!(response.problem(409)["detail"], "There is no application account");
    }
}

#[tokio::test]
async fn a_token_has_the_granted_authorities_that_its_user_still_has() {
    let system = System::start(&[]).await;
    let admin = basic("admin", "letmein");
    let check = async |authorities: &[&str], granted: Value| {
        let body = system
            .json("POST", USER, &admin, &body_for(system.now(), authorities))
            .await
            .body_of(200);
        assert_eq!(body["authorities"], granted, "{authorities:?}");
        let profile = system.ask("GET", "/rs/profile", &token(&text_of(&body))).await.body_of(200);
        assert_eq!(profile["permissions"], granted, "{authorities:?}");
        text_of(&body)
    };
    check(&["ROLE_USER"], json!(["ROLE_USER"])).await;
    check(&["ROLE_USER", "ROLE_ROOT"], json!(["ROLE_USER"])).await;
    let both =
        check(&["ROLE_USER", "ROLE_ADMIN", "ROLE_ADMIN"], json!(["ROLE_ADMIN", "ROLE_USER"])).await;
    system.set_user("2", "permissions", AttributeValue::Ss(vec!["ROLE_USER".to_owned()])).await;
    let profile = system.ask("GET", "/rs/profile", &token(&both)).await.body_of(200);
    assert_eq!(profile["permissions"], json!(["ROLE_USER"]));
    system.stop().await;
}

#[tokio::test]
async fn without_role_admin_an_administrator_s_token_cannot_administer() {
    let system = System::start(&[]).await;
    let admin = basic("admin", "letmein");
    let user = system.token_of("my_username", "topsecret").await;
    let other = system.created(&user, &json!({"name": "theirs"})).await;
    let (other, other_text) = (other["id"].as_str().unwrap(), other["token"].as_str().unwrap());
    let limited = system
        .json("POST", USER, &admin, &body_for(system.now(), &["ROLE_USER"]))
        .await
        .body_of(200);
    let full = system
        .json("POST", USER, &admin, &body_for(system.now(), &["ROLE_ADMIN"]))
        .await
        .body_of(200);
    let (limited, full) = (token(&text_of(&limited)), token(&text_of(&full)));
    let create = body_for(system.now(), &["ROLE_USER"]);
    for (method, path, body, rejected, done) in [
        ("POST", APP, &create, 403, 200),
        ("POST", "/tokens", &json!({"name": "for another", "user_id": "1"}), 403, 201),
        ("GET", "/api/user/1", &Value::Null, 403, 200),
        ("GET", "/tokens?user_id=1", &Value::Null, 403, 200),
        ("GET", &format!("/tokens/{other}"), &Value::Null, 404, 200),
        ("PATCH", &format!("/tokens/{other}"), &json!({"disabled": false}), 404, 200),
        ("POST", &format!("/tokens/{other}/rotate"), &Value::Null, 404, 201),
        ("DELETE", &format!("{TOKENS}/{other}"), &Value::Null, 404, 204),
        ("DELETE", &format!("/tokens/{other}"), &Value::Null, 404, 200),
        ("DELETE", "/users/1/tokens", &Value::Null, 404, 200),
    ] {
        let send = async |authorization: &str| match body {
            Value::Null => system.ask(method, path, authorization).await,
            body => system.json(method, path, authorization, body).await,
        };
        let before = system.verdict(other_text).await;
        let reply = send(&limited).await;
        assert_eq!(reply.status, rejected, "{method} {path} {}", reply.body);
        assert_eq!(system.verdict(other_text).await, before, "{method} {path}");
        let reply = send(&full).await;
        assert_eq!(reply.status, done, "{method} {path} {}", reply.body);
    }
    // A token that it creates lacks the same authorities.
    let body = body_for(system.now(), &["ROLE_USER", "ROLE_ADMIN"]);
    let child = system.json("POST", USER, &limited, &body).await.body_of(200);
    assert_eq!(child["authorities"], json!(["ROLE_USER"]));
    let beyond = body_for(system.now(), &["ROLE_ADMIN"]);
    assert_eq!(
        system.json("POST", USER, &limited, &beyond).await.body_of(400)["member"],
        "authorities"
    );
    system.stop().await;
}

#[tokio::test]
async fn a_token_needs_no_session_and_a_cookie_alone_is_forbidden() {
    let system = System::start(&[]).await;
    let test_token = system
        .json(
            "POST",
            USER,
            &basic("admin", "letmein"),
            &body_for(system.now(), &["ROLE_ADMIN", "ROLE_USER"]),
        )
        .await;
    let test_token = test_token.body_of(200);
    let (text, id) = (token(&text_of(&test_token)), test_token["id"].as_str().unwrap());
    let body = body_for(system.now(), &["ROLE_USER"]).to_string();
    let (json, cookie) =
        (("Content-Type", "application/json"), ("Cookie", "JSESSIONID=0; session=1"));
    for (method, path, done) in [
        ("POST", USER, 200),
        ("POST", APP, 200),
        ("GET", TOKENS, 200),
        // Last, because it revokes the caller's own token.
        ("DELETE", &format!("{TOKENS}/{id}"), 204),
    ] {
        let reply = system.send(method, path, &[json, cookie], &body).await;
        assert_eq!(
            reply.body_of(403)["detail"],
            "The user is not permitted to do this",
            "{method} {path}"
        );
        assert_eq!(reply.challenges(), Vec::<&str>::new(), "{method} {path}");
        let reply =
            system.send(method, path, &[json, cookie, ("Authorization", &text)], &body).await;
        assert_eq!(
            (reply.status, reply.header("set-cookie")),
            (done, ""),
            "{method} {path} {}",
            reply.body
        );
    }
    system.stop().await;
}

#[tokio::test]
async fn a_missing_or_wrong_member_is_named() {
    let world = World::with(&[("HALLPASS_APP_USER", "4")]).await;
    let admin = world.token_of("admin", "letmein").await;
    let good = body_for(world.now(), &["ROLE_USER"]);
    let check = async |member: &str, value: Option<Value>| {
        let mut body = good.clone();
        let members = body.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(member.to_owned(), value),
            None => members.shift_remove(member),
        };
        for path in [USER, APP] {
            let request = Request::new("POST", path).authorization(&token(&admin)).json(&body);
            let problem = world.send("Generate", request).await.problem(400);
            assert_eq!(
                (&problem["member"], &problem["error"]),
                (&json!(member), &json!("invalid_request")),
                "{body}"
            );
        }
    };
    for member in ["name", "expiration", "authorities"] {
        for wrong in [None, Some(Value::Null), Some(json!(7)), Some(json!({}))] {
            check(member, wrong).await;
        }
    }
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        check("name", Some(json!(name))).await;
    }
    for expiration in [
        "",
        "tomorrow",
        "2027-01-01",
        "2026-01-01T00:00:00.000Z",
        "2027-01-15T08:00:00.999Z",
        "2100-01-01T00:00:00Z",
    ] {
        check("expiration", Some(json!(expiration))).await;
    }
    for authorities in [
        json!([]),
        json!("ROLE_USER"),
        json!([7]),
        json!([""]),
        json!(["a,b"]),
        json!(["ROLE_ROOT"]),
    ] {
        check("authorities", Some(authorities)).await;
    }
    check("authority", Some(json!(["ROLE_USER"]))).await;
}

#[tokio::test]
async fn the_limit_of_named_tokens_holds_for_a_password_too() {
    let world = World::with(&[("HALLPASS_MAX_TOKENS", "2")]).await;
    let create = async || {
        let request = Request::new("POST", USER).authorization(&basic("my_username", "topsecret"));
        world.send("Generate", request.json(&body_for(world.now(), &["ROLE_USER"]))).await
    };
    let first = create().await.json();
    assert_eq!((create().await.status, create().await.status), (200, 409));
    assert_eq!(world.count_records("1").await, 2, "the one too many is taken away again");
    let id = first["id"].as_str().unwrap();
    let request = Request::new("DELETE", "/rest/pat/1.0/token/{id}").parameter("id", id);
    assert_eq!(
        world.send("Revoke", request.authorization(&bearer(&text_of(&first)))).await.status,
        204
    );
    assert_eq!(create().await.status, 200);
}

#[tokio::test]
async fn the_application_account_gives_no_more_than_the_token_that_it_shows() {
    let world = World::with(&[("HALLPASS_APP_USER", "2")]).await;
    let admin = world.token_of("admin", "letmein").await;
    let narrow = world.created(&admin, &json!({"name": "narrow", "scopes": ["ROLE_ADMIN"]})).await;
    let narrow = narrow["token"].as_str().unwrap();
    for (authorities, status) in [(&["ROLE_USER"][..], 400), (&["ROLE_ADMIN", "ROLE_USER"], 200)] {
        let body = body_for(world.now(), authorities);
        let request = Request::new("POST", APP).json(&body).authorization(&bearer(narrow));
        let response = world.send("Generate", request).await;
        assert_eq!(response.status, status, "{}", response.body);
        if status == 200 {
            assert_eq!(response.json()["authorities"], json!(["ROLE_ADMIN"]));
        }
    }
}
