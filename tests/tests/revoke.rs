//! Revoking tokens: by ID, by text, or all tokens of a user.

use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, forged},
    basic,
};

const FORM: &str = "application/x-www-form-urlencoded";

async fn revoke_all(world: &World, token: &str, user_id: &str) -> Response {
    let request = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", user_id);
    world.send("Revoke", request.authorization(&bearer(token))).await
}

/// Creates a named token for this caller, and returns its ID and text.
async fn named(world: &World, caller: &str, body: Value) -> (String, String) {
    let token = world.created(caller, &body).await;
    let text = |member: &str| token[member].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

#[tokio::test]
async fn a_token_revoked_by_its_id_is_rejected_at_the_very_next_request() {
    let world = World::new().await;
    let caller = world.token().await;
    let (id, text) = named(&world, &caller, json!({"name": "a"})).await;
    assert_eq!(world.verdict(&bearer(&text)).await, "allow");
    let response = world.delete(&caller, &id).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(
        response.json(),
        json!({"id": id, "revoked": 1, "effective_at": "2027-01-15T08:00:00Z"})
    );
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(world.verdict(&bearer(&text)).await, "revoked");
    assert_eq!(world.verdict(&bearer(&caller)).await, "allow");
}

#[tokio::test]
async fn a_response_says_when_no_cache_accepts_the_token_any_more() {
    let world = World::with(&[("HALLPASS_AUTHORIZER_CACHE_TTL", "5m")]).await;
    let caller = world.token().await;
    let (id, _) = named(&world, &caller, json!({"name": "a"})).await;
    assert_eq!(world.delete(&caller, &id).await.json()["effective_at"], "2027-01-15T08:05:00Z");
    assert_eq!(
        revoke_all(&world, &caller, "1").await.json()["effective_at"],
        "2027-01-15T08:05:00Z"
    );
}

#[tokio::test]
async fn revoking_twice_changes_nothing_more() {
    let world = World::new().await;
    let caller = world.token().await;
    for format in ["signed", "jwt"] {
        let (id, text) = named(&world, &caller, json!({"name": "a", "format": format})).await;
        world.delete(&caller, &id).await;
        let before = world.dump("Tokens").await;
        world.advance(1);
        assert_eq!(world.delete(&caller, &id).await.status, 200);
        assert_eq!(world.revoke(&text).await.status, 200);
        assert_eq!(world.dump("Tokens").await, before);
    }
}

#[tokio::test]
async fn a_token_revokes_itself_as_current() {
    let world = World::new().await;
    let token = world.token().await;
    let response = world.delete(&token, "current").await;
    assert_eq!(response.status, 200);
    assert!(response.json()["id"].as_str().unwrap().starts_with("1."));
    assert_eq!(world.delete(&token, "current").await.problem(401)["reason"], "revoked");
}

#[tokio::test]
async fn the_token_of_another_looks_like_an_absent_one() {
    let world = World::new().await;
    let (user, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let (other, text) = named(&world, &admin, json!({"name": "a"})).await;
    let absent = world.delete(&user, "1.AAAAAAAAAAAAAAAAAAAAAA").await;
    absent.problem(404);
    let own = world.unwritten(Format::Signed, "1", 9).await.record.id.to_string();
    for id in [
        other.as_str(),
        &own,
        "",
        "1",
        "1.",
        "nonsense",
        "1.AAAAAAAAAAAAAAAAAAAAAB",
        "1.AAAAAAAAAAAAAAAAAAAAAA.",
        "1/AAAAAAAAAAAAAAAAAAAAAA",
        "Current",
        &"x".repeat(10_240),
        &text,
    ] {
        assert_eq!(world.delete(&user, id).await, absent, "{id}");
        let of_admin = world.delete(&admin, id).await;
        assert!(id == other || of_admin == absent, "{id}");
    }
    assert_eq!(
        world.verdict(&bearer(&text)).await,
        "revoked",
        "its owner took it back, last of all"
    );
}

#[tokio::test]
async fn an_administrator_revokes_tokens_of_all_formats_of_all_users() {
    let world = World::new().await;
    let admin = world.token_of("admin", "letmein").await;
    for (format, seed) in [(Format::Signed, 1), (Format::Developer, 2), (Format::Jwt, 3)] {
        let token = world.create_token(format, "1", seed).await;
        assert_eq!(world.verdict(&bearer(&token.text)).await, "allow");
        assert_eq!(world.delete(&admin, &token.record.id.to_string()).await.status, 200);
        assert_eq!(world.verdict(&bearer(&token.text)).await, "revoked");
    }
}

#[tokio::test]
async fn a_token_with_a_scope_manages_itself_and_the_tokens_it_created() {
    let world = World::new().await;
    world
        .set_user(
            "1",
            "permissions",
            Some(aws_sdk_dynamodb::types::AttributeValue::Ss(
                ["ROLE_USER", "tokens"].map(str::to_owned).to_vec(),
            )),
        )
        .await;
    let whole = world.token().await;
    let (limited_id, limited) =
        named(&world, &whole, json!({"name": "a", "scopes": ["ROLE_USER"]})).await;
    let (sister_id, sister) =
        named(&world, &whole, json!({"name": "b", "scopes": ["ROLE_USER"]})).await;
    let (_, manager) = named(&world, &whole, json!({"name": "c", "scopes": ["tokens"]})).await;
    let (child_id, child) = named(&world, &limited, json!({"name": "d"})).await;
    let (grandchild_id, grandchild) = named(&world, &child, json!({"name": "e"})).await;

    world.delete(&limited, &sister_id).await.problem(404);
    world.delete(&limited, &grandchild_id).await.problem(404);
    assert_eq!(world.delete(&child, &grandchild_id).await.status, 200);
    assert_eq!(world.delete(&limited, &child_id).await.status, 200);
    assert_eq!(world.delete(&limited, &limited_id).await.status, 200);
    assert_eq!(world.delete(&manager, &sister_id).await.status, 200);
    for (token, verdict) in [
        (&whole, "allow"),
        (&limited, "revoked"),
        (&sister, "revoked"),
        (&child, "revoked"),
        (&grandchild, "revoked"),
    ] {
        assert_eq!(world.verdict(&bearer(token)).await, verdict);
    }
}

#[tokio::test]
async fn the_holder_of_a_token_can_revoke_it_by_its_text() {
    let world = World::new().await;
    for (format, seed) in [(Format::Signed, 1), (Format::Developer, 2), (Format::Jwt, 3)] {
        let token = world.create_token(format, "1", seed).await;
        let response = world.revoke(&token.text).await;
        assert_eq!(
            (response.status, response.body.as_str(), response.header("cache-control")),
            (200, "", "no-store")
        );
        assert_eq!(world.verdict(&bearer(&token.text)).await, "revoked");
    }
}

#[tokio::test]
async fn an_old_developer_token_does_not_revoke_the_new_one() {
    let world = World::new().await;
    let old = world.create_token(Format::Developer, "1", 1).await;
    let new = world.create_token(Format::Developer, "1", 2).await;
    let user = world.token().await;
    assert_eq!(world.revoke(&old.text).await.status, 200);
    world.delete(&user, &old.record.id.to_string()).await.problem(404);
    assert_eq!(world.verdict(&bearer(&new.text)).await, "allow");
}

#[tokio::test]
async fn every_text_that_is_not_a_live_token_gets_the_same_response() {
    let world = World::new().await;
    let token = world.token().await;
    let stray = world.unwritten(Format::Signed, "1", 9).await.text;
    let developer = world.unwritten(Format::Developer, "1", 9).await.text;
    let of_nobody = stray.replacen("1.", "77.", 1);
    let before = world.dump("Tokens").await;
    let dots = ".".repeat(10_240);
    for text in
        ["nonsense", "", &dots, &forged(&token), &stray, &developer, &of_nobody, "%FF%FE", "%00"]
    {
        let response = world.revoke(text).await;
        assert_eq!((response.status, response.body.as_str()), (200, ""), "{text}");
    }
    world.advance(31 * 86_400);
    assert_eq!(world.revoke(&token).await.status, 200);
    assert_eq!(world.dump("Tokens").await, before, "not even an expired one is written to");
    assert_eq!(world.dump("Users").await.len(), 4);
}

#[tokio::test]
async fn a_revocation_needs_a_form_with_one_token() {
    let world = World::new().await;
    let token = world.token().await;
    let post = |media_type: &str, body: &str| {
        Request::new("POST", "/oauth/revoke").header("Content-Type", media_type).body(body)
    };
    let one = format!("token={token}");
    for body in [
        "",
        "token_type_hint=access_token",
        "Token=a",
        "token%20=a",
        &format!("{one}&{one}"),
        "token=a&token=",
    ] {
        let problem = world.send("Revoke", post(FORM, body)).await.problem(400);
        assert_eq!(
            (&problem["error"], &problem["member"]),
            (&"invalid_request".into(), &"token".into()),
            "{body}"
        );
    }
    world.send("Revoke", Request::new("POST", "/oauth/revoke").body(&one)).await.problem(415);
    for media_type in ["application/json", "text/plain", "multipart/form-data"] {
        world.send("Revoke", post(media_type, &one)).await.problem(415);
    }
    assert_eq!(world.verdict(&bearer(&token)).await, "allow");
    let hinted = format!("token_type_hint=refresh_token&{one}&x=y");
    let charset = "application/x-www-form-urlencoded; charset=UTF-8";
    assert_eq!(world.send("Revoke", post(charset, &hinted)).await.status, 200);
    assert_eq!(world.verdict(&bearer(&token)).await, "revoked");
}

#[tokio::test]
async fn one_write_invalidates_all_tokens_of_a_user() {
    let (world, tap) = World::tapped(&[]).await;
    let mut tokens = vec![world.token().await, world.token().await];
    for (format, seed) in [(Format::Signed, 1), (Format::Developer, 2), (Format::Jwt, 3)] {
        tokens.push(world.create_token(format, "1", seed).await.text);
    }
    tap.seen();
    let response = revoke_all(&world, &tokens[0], "1").await;
    assert_eq!(tap.operations(), ["BatchGetItem", "UpdateItem"]);
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"));
    assert_eq!(response.json(), json!({"user_id": "1", "effective_at": "2027-01-15T08:00:00Z"}));
    for token in &tokens {
        assert_eq!(world.verdict(&bearer(token)).await, "revoked");
    }
    assert_eq!(revoke_all(&world, &tokens[0], "1").await.problem(401)["reason"], "revoked");
    assert_eq!(
        world.generate(&basic("my_username", "topsecret")).await.status,
        200,
        "the user can create tokens again"
    );
}

#[tokio::test]
async fn only_the_user_or_an_administrator_revokes_all_tokens_of_a_user() {
    let world = World::new().await;
    let (user, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let absent = revoke_all(&world, &user, "99").await;
    absent.problem(404);
    for id in ["2", "", "a b", "1.x", &"x".repeat(65)] {
        assert_eq!(revoke_all(&world, &user, id).await, absent, "{id}");
    }
    assert_eq!(revoke_all(&world, &admin, "99").await, absent);
    let (_, limited) = named(&world, &user, json!({"name": "a", "scopes": ["ROLE_USER"]})).await;
    let (_, limited_admin) =
        named(&world, &admin, json!({"name": "a", "scopes": ["ROLE_USER"]})).await;
    for (caller, own) in [(&limited, "1"), (&limited_admin, "2")] {
        assert_eq!(
            revoke_all(&world, caller, own).await.problem(403)["error"],
            "insufficient_scope"
        );
    }
    assert_eq!(revoke_all(&world, &limited_admin, "1").await, absent);
    assert_eq!(world.verdict(&bearer(&user)).await, "allow");
    assert_eq!(revoke_all(&world, &admin, "1").await.status, 200);
    assert_eq!(world.verdict(&bearer(&user)).await, "revoked");
    assert_eq!(world.verdict(&bearer(&admin)).await, "allow");
}

#[tokio::test]
async fn a_password_revokes_nothing_and_other_methods_are_rejected() {
    let world = World::new().await;
    let login = basic("my_username", "topsecret");
    let by_id = |method: &str| {
        Request::new(method, "/tokens/{id}").parameter("id", "current").authorization(&login)
    };
    let of_user = |method: &str| {
        Request::new(method, "/users/{user_id}/tokens")
            .parameter("user_id", "1")
            .authorization(&login)
    };
    for request in [by_id("DELETE"), of_user("DELETE")] {
        let response = world.send("Revoke", request).await;
        assert_eq!(response.problem(401)["detail"], "Invalid credentials.");
    }
    for (request, allow) in [
        (by_id("POST"), "GET, HEAD, PATCH, DELETE"),
        (by_id("PUT"), "GET, HEAD, PATCH, DELETE"),
        (of_user("GET"), "DELETE"),
        (of_user("HEAD"), "DELETE"),
        (Request::new("GET", "/oauth/revoke"), "POST"),
        (Request::new("DELETE", "/oauth/revoke"), "POST"),
    ] {
        let response = world.send("Revoke", request).await;
        assert_eq!((response.status, response.header("allow")), (405, allow));
    }
}
