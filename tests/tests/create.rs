//! `POST /tokens`: a token with a name, a scope and an expiry that the caller chooses.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, text},
    basic,
    tap::Fault,
};

mod rejected;

const DAY: u64 = 86_400;

async fn send(world: &World, token: &str, media_type: Option<&str>, body: &str) -> Response {
    let request = Request::new("POST", "/tokens").authorization(&bearer(token)).body(body);
    let request = media_type
        .into_iter()
        .fold(request, |request, value| request.header("Content-Type", value));
    world.send("Generate", request).await
}

#[tokio::test]
async fn a_token_is_created_as_requested_and_shown_once() {
    let world = World::new().await;
    let caller = world.token().await;
    let body = json!({
        "name": "backup of Zürich", "description": "nightly", "scopes": ["ROLE_USER"],
        "expires_in": 60,
    });
    let response = world.create(&bearer(&caller), &body).await;
    assert_eq!((response.status, response.header("content-type")), (201, "application/json"));
    assert_eq!(response.header("cache-control"), "no-store");
    let test_token = response.json();
    let id = test_token["id"].as_str().unwrap();
    assert_eq!(
        response.header("location"),
        format!("/v1/tokens/{id}"),
        "with the stage, so that the client finds it"
    );
    let issued_by = test_token["issued_by"].as_str().unwrap();
    assert!(issued_by.starts_with("1.") && issued_by != id, "{issued_by}");
    // The caller used a password, so the family begins with this token.
    let family = issued_by;
    let expected = json!({
        "id": id,
        "name": "backup of Zürich",
        "description": "nightly",
        "format": "signed",
        "user_id": "1",
        "scopes": ["ROLE_USER"],
        "state": "live",
        "issued_at": "2027-01-15T08:00:00Z",
        "issued_by": issued_by,
        "family_id": id,
        "issued_by_family": family,
        "expires_at": "2027-01-15T08:01:00Z",
        "last_used_at": null,
        "disabled": false,
        "token": test_token["token"],
    });
    assert_eq!(test_token, expected);
    let token = test_token["token"].as_str().unwrap();
    assert_eq!(world.verdict(&bearer(token)).await, "allow");
    world.advance(60);
    assert_eq!(world.verdict(&bearer(token)).await, "expired");
}

#[tokio::test]
async fn a_jwt_is_created_on_request() {
    let world = World::new().await;
    let body = world.created(&world.token().await, &json!({"name": "key", "format": "jwt"})).await;
    let token = body["token"].as_str().unwrap();
    let part = |index| -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({"alg": "HS256", "typ": "JWT", "kid": "test"}));
    let claims = part(1);
    let now = world.now().unix();
    let expected = json!({
        "iss": "hallpass", "sub": "1", "aud": "1", "iat": now, "exp": now + 30 * DAY,
        "name": "my_username",
        "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    let secret = claims["jti"].as_str().unwrap();
    assert_eq!(secret.len(), 22);
    assert!(!body["id"].as_str().unwrap().contains(secret), "the id does not give the secret away");
    assert_eq!(body["format"], "jwt");
    assert_eq!(world.verdict(&bearer(token)).await, "allow");
}

#[tokio::test]
async fn an_expiry_is_an_instant_or_seconds_or_a_calendar_period() {
    let world = World::new().await;
    let caller = world.token().await;
    let check = async |members: Value, expires_at: &str| {
        let mut body = json!({"name": "a"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_eq!(world.created(&caller, &body).await["expires_at"], expires_at, "{body}");
    };
    check(json!({}), "2027-02-14T08:00:00Z").await;
    check(json!({"expires_in": null, "expires_at": null}), "2027-02-14T08:00:00Z").await;
    check(json!({"expires_in": 1}), "2027-01-15T08:00:01Z").await;
    check(json!({"expires_in": 366 * DAY}), "2028-01-16T08:00:00Z").await;
    check(json!({"expires_in": "60"}), "2027-01-15T08:01:00Z").await;
    check(json!({"expires_in": "15m"}), "2027-01-15T08:15:00Z").await;
    check(json!({"expires_in": "PT15M"}), "2027-01-15T08:15:00Z").await;
    check(json!({"expires_in": "P1M"}), "2027-02-15T08:00:00Z").await;
    check(json!({"expires_in": "2w"}), "2027-01-29T08:00:00Z").await;
    check(json!({"expires_in": "1 hour"}), "2027-01-15T09:00:00Z").await;
    check(json!({"expires_in": "2 days"}), "2027-01-17T08:00:00Z").await;
    check(json!({"expires_in": "3 weeks"}), "2027-02-05T08:00:00Z").await;
    check(json!({"expires_in": "1 month"}), "2027-02-15T08:00:00Z").await;
    check(json!({"expires_in": "12 months"}), "2028-01-15T08:00:00Z").await;
    check(json!({"expires_in": "1 year"}), "2028-01-15T08:00:00Z").await;
    check(json!({"expires_at": "2027-02-01T00:00:00Z"}), "2027-02-01T00:00:00Z").await;
    check(json!({"expires_at": "2027-02-01T00:00:00.999+01:00"}), "2027-01-31T23:00:00Z").await;
    check(json!({"expires_at": "2028-01-16T08:00:00Z"}), "2028-01-16T08:00:00Z").await;
    // The thirty-first of January.
    world.advance(16 * DAY);
    check(json!({"expires_in": "1 month"}), "2027-02-28T08:00:00Z").await;
}

#[tokio::test]
async fn scopes_that_cannot_be_granted_are_left_out_and_an_empty_rest_is_rejected() {
    let world = World::new().await;
    let admin = world.token_of("admin", "letmein").await;
    let limited =
        world.created(&admin, &json!({"name": "a", "scopes": ["ROLE_USER"]})).await["token"]
            .clone();
    let (user, limited) = (world.token().await, limited.as_str().unwrap());
    let check = async |caller: &str, members: Value, granted: Option<Value>| {
        let response =
            world.create(&bearer(caller), &json!({"name": "a", "scopes": members})).await;
        match granted {
            Some(granted) => assert_eq!(
                (response.status, &response.json()["scopes"]),
                (201, &granted),
                "{members}"
            ),
            None => assert_eq!(response.problem(400)["member"], "scopes", "{members}"),
        }
    };
    check(&admin, json!(["ROLE_ADMIN", "root", "ROLE_ADMIN"]), Some(json!(["ROLE_ADMIN"]))).await;
    check(&admin, json!(["root"]), None).await;
    check(&admin, json!(["role_user"]), None).await;
    check(&user, json!(["ROLE_ADMIN", "ROLE_USER"]), Some(json!(["ROLE_USER"]))).await;
    check(&user, json!(["ROLE_ADMIN"]), None).await;
    check(limited, json!(["ROLE_ADMIN", "ROLE_USER"]), Some(json!(["ROLE_USER"]))).await;
    check(limited, json!(["ROLE_ADMIN"]), None).await;
    check(&user, json!(null), Some(json!(null))).await;
    check(limited, json!(null), Some(json!(["ROLE_USER"]))).await;
    world.set_user("2", "permissions", None).await;
    let nothing = world.create(&bearer(limited), &json!({"name": "a"})).await;
    assert_eq!(nothing.problem(403)["error"], "insufficient_scope");
}

#[tokio::test]
async fn an_administrator_creates_tokens_for_other_users_within_their_permissions() {
    let world = World::new().await;
    let admin = world.token_of("admin", "letmein").await;
    let ask = async |members: Value| world.create(&bearer(&admin), &members).await;
    // An external user, who has no password.
    let token = ask(json!({"name": "a", "user_id": "3", "scopes": ["ROLE_ADMIN", "ROLE_USER"]}))
        .await
        .json();
    assert_eq!((&token["user_id"], &token["scopes"]), (&json!("3"), &json!(["ROLE_USER"])));
    assert!(
        token["id"].as_str().unwrap().starts_with("3.")
            && token["issued_by"].as_str().unwrap().starts_with("2.")
    );
    assert_eq!(world.verdict(&bearer(token["token"].as_str().unwrap())).await, "allow");
    let token = ask(json!({"name": "a", "user_id": "3", "format": "jwt"})).await.json();
    assert_eq!((&token["user_id"], &token["scopes"]), (&json!("3"), &json!(null)));
    let other = token["token"].as_str().unwrap();
    assert_eq!(world.verdict(&bearer(other)).await, "allow");
    let denied = ask(json!({"name": "a", "user_id": "3", "scopes": ["ROLE_ADMIN"]})).await;
    assert_eq!(denied.problem(400)["member"], "scopes");
    assert_eq!(ask(json!({"name": "a", "user_id": "99"})).await.problem(400)["member"], "user_id");
    world.set_user("4", "status", Some(text("blocked"))).await;
    ask(json!({"name": "a", "user_id": "4"})).await.problem(409);

    let user = world.token().await;
    let limited =
        world.created(&admin, &json!({"name": "a", "scopes": ["ROLE_USER"]})).await["token"]
            .clone();
    for caller in [&user, other, limited.as_str().unwrap()] {
        let rejected = world.create(&bearer(caller), &json!({"name": "a", "user_id": "4"})).await;
        assert_eq!(rejected.problem(403)["error"], "insufficient_scope");
        let unknown = world.create(&bearer(caller), &json!({"name": "a", "user_id": "99"})).await;
        assert_eq!(
            unknown, rejected,
            "a user without the permission does not learn which users exist"
        );
    }
    let own = world.created(&user, &json!({"name": "a", "user_id": "1"})).await;
    assert_eq!(own["user_id"], "1");
}

#[tokio::test]
async fn an_administrator_who_loses_the_role_during_the_request_creates_nothing() {
    let (world, tap) = World::tapped(&[]).await;
    let admin = world.token_of("admin", "letmein").await;
    world
        .set_user("2", "permissions", Some(AttributeValue::Ss(vec!["ROLE_USER".to_owned()])))
        .await;
    // The first read of the caller precedes the change; the check after the write does not.
    let before = |response: &mut Value| {
        response["Responses"]["Users"][0]["permissions"] =
            json!({"SS": ["ROLE_USER", "ROLE_ADMIN"]});
    };
    tap.inject("BatchGetItem", 0, 1, Fault::Change(before));
    let response = world.create(&bearer(&admin), &json!({"name": "a", "user_id": "3"})).await;
    assert_eq!(response.problem(403)["error"], "insufficient_scope");
    assert_eq!(world.count_records("3").await, 0);
}

#[tokio::test]
async fn the_limit_of_live_named_tokens_holds_for_a_user() {
    let world = World::with(&[("HALLPASS_MAX_TOKENS", "2")]).await;
    let caller = world.token().await;
    let make = async |expires_in: u64| {
        world.create(&bearer(&caller), &json!({"name": "a", "expires_in": expires_in})).await
    };
    assert_eq!(make(60).await.status, 201);
    let second = make(DAY).await.json()["id"].as_str().unwrap().to_owned();
    let before = world.count_records("1").await;
    make(DAY).await.problem(409);
    assert_eq!(world.count_records("1").await, before, "the written record is deleted again");
    assert_eq!(
        world.generate(&bearer(&caller)).await.status,
        200,
        "a token without a name does not count"
    );

    assert_eq!(world.delete(&caller, &second).await.status, 200);
    assert_eq!(make(DAY).await.status, 201, "a revoked one does not count");
    make(DAY).await.problem(409);
    world.advance(60);
    assert_eq!(make(DAY).await.status, 201, "an expired one does not count");
    make(DAY).await.problem(409);
    let admin = world.token_of("admin", "letmein").await;
    world.create(&bearer(&admin), &json!({"name": "a", "user_id": "1"})).await.problem(409);
}

#[tokio::test]
async fn a_password_creates_no_named_token() {
    let world = World::new().await;
    for authorization in [basic("my_username", "topsecret"), basic("my_username", "wrong")] {
        let response = world.create(&authorization, &json!({"name": "a"})).await;
        assert_eq!(response.problem(401)["detail"], "Invalid credentials.");
        assert_eq!(response.challenge(), r#"Bearer realm="hallpass""#);
    }
    let anonymous =
        world.send("Generate", Request::new("POST", "/tokens").json(&json!({"name": "a"}))).await;
    assert_eq!(anonymous.problem(401)["error"], json!(null));
    assert_eq!(world.count_records("1").await, 0);
}
