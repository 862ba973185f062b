//! The additions of Hallpass to the five systems: tokens as a resource, introspection, revoking a
//! whole family, and no token from a stale cached response.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tests::{
    api::{bearer, forged},
    basic,
    system::{System, members},
};

fn text_of(body: &Value) -> &str {
    body["token"].as_str().unwrap()
}

fn path_of(body: &Value) -> String {
    format!("/tokens/{}", body["id"].as_str().unwrap())
}

async fn introspect(system: &System, caller: &str, token: &str) -> Value {
    system.form("/oauth/introspect", &bearer(caller), &format!("token={token}")).await.body_of(200)
}

#[tokio::test]
async fn a_token_is_created_listed_shown_disabled_enabled_and_deleted() {
    let system = System::start(&[("HALLPASS_AUTHORIZER_CACHE_TTL", "5m")]).await;
    // The first use in each hour of the clock is recorded.
    system.advance(3_600 - system.now().unix() % 3_600);
    let admin = system.token_of("admin", "letmein").await;
    let body = json!({
        "name": "backup", "description": "nightly", "scopes": ["ROLE_USER"], "expires_in": 600,
    });
    let reply = system.json("POST", "/tokens", &bearer(&admin), &body).await;
    let token = reply.body_of(201);
    assert!(reply.header("location").ends_with(&path_of(&token)), "{}", reply.header("location"));
    let issued_at = system.now().to_string();
    let expires_at = system.now().after(std::time::Duration::from_secs(600)).to_string();
    for (member, value) in [
        ("name", json!("backup")),
        ("description", json!("nightly")),
        ("scopes", json!(["ROLE_USER"])),
        ("issued_at", json!(issued_at)),
        ("expires_at", json!(expires_at)),
        ("format", json!("signed")),
        ("user_id", json!("2")),
        ("last_used_at", Value::Null),
    ] {
        assert_eq!(token[member], value, "{member}");
    }
    assert_eq!(system.verdict(text_of(&token)).await, "allow");
    let mut shown = token.clone();
    shown.as_object_mut().unwrap().shift_remove("token");
    shown["last_used_at"] = json!(issued_at);
    assert_eq!(system.ask("GET", &path_of(&token), &bearer(&admin)).await.body_of(200), shown);
    assert_eq!(
        system.ask("GET", "/tokens/current", &bearer(text_of(&token))).await.body_of(200),
        shown
    );
    let list = system.ask("GET", "/tokens", &bearer(&admin)).await.body_of(200);
    assert!(list["tokens"].as_array().unwrap().contains(&shown), "{list}");
    assert_eq!(list["next"], Value::Null);

    // A use within the hour is not recorded again, a later one is.
    system.advance(599);
    assert_eq!(system.verdict(text_of(&token)).await, "allow");
    assert_eq!(
        system.ask("GET", &path_of(&token), &bearer(&admin)).await.json()["last_used_at"],
        issued_at
    );
    let disabled = json!({"disabled": true});
    let switched =
        system.json("PATCH", &path_of(&token), &bearer(&admin), &disabled).await.body_of(200);
    assert_eq!((&switched["disabled"], &switched["state"]), (&json!(true), &json!("disabled")));
    let deleted = system.ask("DELETE", &path_of(&token), &bearer(&admin)).await.body_of(200);
    let effective_at = system.now().after(std::time::Duration::from_secs(300)).to_string();
    assert_eq!(deleted, json!({"id": token["id"], "revoked": 1, "effective_at": effective_at}));
    assert_eq!(system.verdict(text_of(&token)).await, "revoked");
    system.stop().await;
}

#[tokio::test]
async fn a_token_introspects_its_user_s_tokens_and_others_only_with_the_permission() {
    let system = System::start(&[]).await;
    let user = system.token_of("my_username", "topsecret").await;
    let admin = system.token_of("admin", "letmein").await;
    let body = json!({"name": "own", "expires_in": 60, "format": "jwt"});
    let own = system.created(&user, &body).await;
    let expected = json!({
        "active": true,
        "scope": "ROLE_USER",
        "scopes": ["ROLE_USER"],
        "username": "my_username",
        "token_type": "Bearer",
        "iat": system.now().unix(),
        "sub": "1",
        "iss": "hallpass",
        "token_id": own["id"],
        "format": "jwt",
        "exp": system.now().unix() + 60,
    });
    assert_eq!(introspect(&system, &user, text_of(&own)).await, expected);
    assert_eq!(introspect(&system, text_of(&own), text_of(&own)).await, expected, "of itself too");
    let inactive = json!({"active": false});
    assert_eq!(
        introspect(&system, &admin, text_of(&own)).await,
        inactive,
        "an administrator is not permitted either"
    );
    let names = ["ROLE_USER", "introspect"].map(str::to_owned).to_vec();
    system.set_user("2", "permissions", AttributeValue::Ss(names)).await;
    assert_eq!(introspect(&system, &admin, text_of(&own)).await, expected);
    let narrow = system.created(&admin, &json!({"name": "narrow", "scopes": ["ROLE_USER"]})).await;
    assert_eq!(
        introspect(&system, text_of(&narrow), text_of(&own)).await,
        inactive,
        "its scope leaves it out"
    );

    system
        .json("PATCH", &path_of(&own), &bearer(&user), &json!({"disabled": true}))
        .await
        .body_of(403);
    let revoked = system.created(&user, &body).await;
    system.ask("DELETE", &path_of(&revoked), &bearer(&user)).await.body_of(200);
    for (what, text) in [
        ("another's", admin.as_str()),
        ("a revoked one", text_of(&revoked)),
        ("a forged one", &forged(&user)),
        ("no token", "nonsense"),
        ("an empty text", ""),
    ] {
        let reply =
            system.form("/oauth/introspect", &bearer(&user), &format!("token={text}")).await;
        reply.body_of(200);
        assert_eq!(reply.body, r#"{"active":false}"#, "{what}");
    }
    system.advance(60);
    assert_eq!(introspect(&system, &user, text_of(&own)).await, inactive, "an expired one");
    system.stop().await;
}

#[tokio::test]
async fn introspection_requires_a_token_and_a_form() {
    let system = System::start(&[]).await;
    let user = system.token_of("my_username", "topsecret").await;
    let path = "/oauth/introspect";
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let body = format!("token={user}");
    assert_eq!(
        system.send("POST", path, &[form], &body).await.body_of(401)["detail"],
        "An access token is required"
    );
    let reply = system.form(path, &basic("my_username", "topsecret"), &body).await;
    assert_eq!(reply.body_of(401)["detail"], "Invalid credentials.");
    system.json("POST", path, &bearer(&user), &json!({"token": user})).await.body_of(415);
    for (body, detail) in [
        ("", "token: it is missing"),
        ("Token=a", "token: it is missing"),
        ("token=a&token=b", "token: it is given more than once"),
    ] {
        let problem = system.form(path, &bearer(&user), body).await.body_of(400);
        assert_eq!((&problem["member"], &problem["detail"]), (&json!("token"), &json!(detail)));
    }
    let reply =
        system.form(path, &bearer(&user), &format!("{body}&token_type_hint=refresh_token")).await;
    assert_eq!(reply.body_of(200)["active"], true, "a hint does not matter");
    system.stop().await;
}

#[tokio::test]
async fn the_holder_of_a_token_can_revoke_it_and_learns_nothing_about_others() {
    let system = System::start(&[]).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let revoke = async |body: &str| system.send("POST", "/oauth/revoke", &form, body).await;
    let token = system.token_of("my_username", "topsecret").await;
    for text in ["unknown", "", &forged(&token), &token, &token] {
        let reply = revoke(&format!("token={text}")).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{text}");
    }
    assert_eq!(system.verdict(&token).await, "revoked");
    assert_eq!(revoke("").await.body_of(400)["member"], "token");
    let json = [("Content-Type", "application/json")];
    assert_eq!(system.send("POST", "/oauth/revoke", &json, "{}").await.status, 415);
    system.stop().await;
}

#[tokio::test]
async fn a_family_is_revoked_with_every_generated_rotated_and_regenerated_token_and_nothing_else() {
    let system = System::start(&[]).await;
    let (first, other) = (
        system.token_of("my_username", "topsecret").await,
        system.token_of("my_username", "topsecret").await,
    );
    let renewed =
        system.ask("POST", "/api/services_token/generate", &bearer(&first)).await.body_of(200);
    let issued =
        system.created(text_of(&renewed), &json!({"name": "named", "format": "jwt"})).await;
    let rotated =
        system.ask("POST", "/tokens/current/rotate", &bearer(text_of(&renewed))).await.body_of(201);
    let developer =
        system.ask("POST", "/profile/developer", &bearer(text_of(&rotated))).await.body_of(201);
    let jwt = system.ask("GET", "/rs/authorise", &bearer(text_of(&developer))).await.body_of(200);
    let jwt = jwt["accessToken"].as_str().unwrap();
    let family = [first.as_str(), text_of(&rotated), text_of(&developer), jwt];
    for token in family {
        assert_eq!(system.verdict(token).await, "allow");
    }
    // The rotated token was used, on a route that manages tokens.
    assert_eq!(system.verdict(text_of(&renewed)).await, "replaced");
    let path = format!("{}?family=true", path_of(&rotated));
    for (query, member) in [
        ("family=1", "family"),
        ("descendants=", "descendants"),
        ("cursor=x&descendants=true", "cursor"),
        ("chain=true", "chain"),
        ("chain=false", "chain"),
    ] {
        let problem = system
            .ask("DELETE", &format!("{}?{query}", path_of(&rotated)), &bearer(&other))
            .await
            .body_of(400);
        assert_eq!(problem["member"], member, "{query}");
        assert!(
            member != "chain" || problem["detail"].as_str().unwrap().contains("family"),
            "{problem}"
        );
    }
    system
        .ask("DELETE", &path, &bearer(&system.token_of("admin", "letmein").await))
        .await
        .body_of(200);
    for token in family {
        assert_ne!(system.verdict(token).await, "allow", "{token}");
    }
    for token in [&other, text_of(&issued)] {
        assert_eq!(system.verdict(token).await, "allow");
    }
    system.stop().await;
}

#[tokio::test]
async fn one_request_revokes_all_tokens_of_a_user() {
    let system = System::start(&[]).await;
    let (user, admin) = (
        system.token_of("my_username", "topsecret").await,
        system.token_of("admin", "letmein").await,
    );
    let key = system.created(&user, &json!({"name": "key", "format": "jwt"})).await;
    let developer = system.ask("POST", "/profile/developer", &bearer(&user)).await.body_of(201);
    system.ask("DELETE", "/users/2/tokens", &bearer(&user)).await.body_of(404);
    let reply = system.ask("DELETE", "/users/1/tokens", &bearer(&user)).await.body_of(200);
    assert_eq!(members(&reply), ["user_id", "effective_at"]);
    for token in [&user, text_of(&key), text_of(&developer)] {
        assert_eq!(system.verdict(token).await, "revoked");
    }
    let again = system.token_of("my_username", "topsecret").await;
    system.ask("DELETE", "/users/1/tokens", &bearer(&admin)).await.body_of(200);
    assert_eq!(
        (system.verdict(&again).await, system.verdict(&admin).await),
        ("revoked".into(), "allow".into())
    );
    system.ask("DELETE", "/users/99/tokens", &bearer(&admin)).await.body_of(404);
    system.stop().await;
}

#[tokio::test]
async fn a_stale_acceptance_of_the_gateway_creates_no_token() {
    let system = System::start_with(&[], |options| options.authorizer_cache = Some(300)).await;
    let keeper = system.token_of("admin", "letmein").await;
    let developer = system.ask("POST", "/profile/developer", &bearer(&keeper)).await.body_of(201);
    let other = system.created(&keeper, &json!({"name": "other"})).await;
    let revoked = system.token_of("admin", "letmein").await;
    assert_eq!(system.verdict(&revoked).await, "allow");
    system.ask("DELETE", "/tokens/current", &bearer(&revoked)).await.body_of(200);
    assert_eq!(system.verdict(&revoked).await, "allow", "the stale yes of the gateway's cache");
    let rotate = format!("{}/rotate", path_of(&other));
    let expiration = system.now().after(std::time::Duration::from_secs(60)).to_string();
    let rarog = json!({"name": "r", "expiration": expiration, "authorities": ["ROLE_USER"]});
    for (method, path, body) in [
        ("POST", "/api/services_token/generate", &Value::Null),
        ("GET", "/rs/authorise", &Value::Null),
        ("POST", "/tokens", &json!({"name": "a"})),
        ("POST", "/tokens", &json!({"name": "a", "user_id": "1"})),
        ("POST", "/tokens/current/rotate", &Value::Null),
        ("POST", &rotate, &Value::Null),
        ("POST", "/profile/developer", &Value::Null),
        ("POST", "/rest/pat/1.0/token/user/create", &rarog),
        ("POST", "/rest/pat/1.0/token/app/create", &rarog),
    ] {
        let reply = match body {
            Value::Null => system.ask(method, path, &bearer(&revoked)).await,
            body => system.json(method, path, &bearer(&revoked), body).await,
        };
        assert_eq!(reply.body_of(401)["reason"], "revoked", "{method} {path}");
    }
    let list = async |user: &str| {
        let list = system
            .ask("GET", &format!("/tokens?user_id={user}"), &bearer(&keeper))
            .await
            .body_of(200);
        list["tokens"].as_array().unwrap().len()
    };
    assert_eq!(
        (list("2").await, list("1").await, list("4").await),
        (4, 0, 0),
        "no record of them was left"
    );
    assert_eq!(system.verdict(text_of(&developer)).await, "allow", "nothing was regenerated");
    assert_eq!(
        system.ask("POST", &rotate, &bearer(&keeper)).await.status,
        201,
        "nothing was rotated"
    );
    system.stop().await;
}
