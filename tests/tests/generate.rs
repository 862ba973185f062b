//! `POST /api/services_token/generate`: creates a token for a password or a live token.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use http::Method;
use serde_json::json;
use tests::{
    Request, World,
    api::{bearer, forged, text},
    basic,
    tap::Fault,
};

mod log_ins;

const GENERATE: &str = "/api/services_token/generate";

const DAY: u64 = 86_400;

/// The challenge of a rejection on routes that accept a password or a token.
const CHALLENGE: &str = r#"Bearer realm="hallpass""#;

#[tokio::test]
async fn a_password_gives_two_members_in_their_order() {
    let world = World::new().await;
    let response = world.generate(&basic("my_username", "topsecret")).await;
    let token = response.json()["token"].as_str().unwrap().to_owned();
    // Thirty days after the start time of every test.
    let expires = "2027-02-14T08:00:00+0000";
    assert_eq!(response.status, 200);
    assert_eq!(response.body, format!(r#"{{"expires":"{expires}","token":"{token}"}}"#));
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");

    let [user_id, ends, sign] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((user_id, ends), ("1", format!("{:x}", world.now().unix() + 30 * DAY).as_str()));
    assert!(
        sign.len() == 43
            && sign.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "{sign}"
    );
    assert_eq!(world.verdict(&bearer(&token)).await, "allow");
}

#[tokio::test]
async fn a_live_token_gives_a_new_one_and_stays_valid() {
    let world = World::new().await;
    let first = world.token().await;
    let mut seen = vec![first.clone()];
    for authorization in [
        basic(&first, ""),
        bearer(&first),
        format!("bearer {first}"),
        format!("Token {first}"),
        format!("TOKEN {first}"),
        first.clone(),
    ] {
        let response = world.generate(&authorization).await;
        assert_eq!(response.status, 200, "{}", response.body);
        let token = response.json()["token"].as_str().unwrap().to_owned();
        assert!(!seen.contains(&token), "every token is new");
        assert_eq!(world.verdict(&bearer(&token)).await, "allow");
        seen.push(token);
    }
    assert_eq!(world.verdict(&bearer(&first)).await, "allow");
}

#[tokio::test]
async fn no_token_outlives_the_maximum_lifetime() {
    let world = World::with(&[("HALLPASS_MAX_LIFETIME", "1d")]).await;
    let expires =
        world.generate(&basic("my_username", "topsecret")).await.json()["expires"].clone();
    assert_eq!(expires, "2027-01-16T08:00:00+0000");
}

#[tokio::test]
async fn a_missing_credential_gets_a_challenge_and_a_doubled_one_is_a_bad_request() {
    let (world, tap) = World::tapped(&[]).await;
    let (token, request) = (world.token().await, Request::new("POST", GENERATE));
    tap.seen();
    for request in [request.clone(), request.clone().authorization("")] {
        let response = world.send("Generate", request).await;
        assert_eq!(response.problem(401)["error"], json!(null));
        assert_eq!(response.challenge(), CHALLENGE);
    }
    let (bearer, login) = (bearer(&token), basic("my_username", "topsecret"));
    for request in [
        request.clone().authorization(&bearer).authorization(&bearer),
        request.clone().authorization(&bearer).authorization(&login),
        request.clone().authorization(&bearer).header("authorization", &login),
        request.clone().authorization(&format!("{bearer}, {login}")),
        request.clone().authorization(&format!("{bearer},{bearer}")),
    ] {
        let response = world.send("Generate", request).await;
        assert_eq!(response.problem(400)["error"], "invalid_request");
        assert!(
            response.challenge().contains(r#"error="invalid_request""#),
            "{}",
            response.challenge()
        );
    }
    assert_eq!(tap.operations(), Vec::<String>::new(), "none of these cost a read");
}

#[tokio::test]
async fn a_bad_token_is_rejected_on_every_route_without_a_read() {
    let (world, tap) = World::tapped(&[]).await;
    let (good, later) = (world.unwritten(Format::Signed, "1", 9).await.text, 7_200);
    let jwt = world.unwritten(Format::Jwt, "1", 9).await.text;
    let (dots, long) = (".".repeat(10_240), "x".repeat(5_000));
    let routes = [
        ("Generate", GENERATE, Request::new("POST", GENERATE)),
        ("Generate", "/tokens", Request::new("POST", "/tokens").json(&json!({"name": "a"}))),
        (
            "Revoke",
            "/tokens/{id}",
            Request::new("DELETE", "/tokens/{id}").parameter("id", "current"),
        ),
        (
            "Revoke",
            "all",
            Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1"),
        ),
        ("Console", "/tokens", Request::new("GET", "/tokens")),
    ];
    let check = async |authorization: &str, reason: &str, description: &str| {
        for (function, _route, request) in &routes {
            let response = world.send(function, request.clone().authorization(authorization)).await;
            let problem = response.problem(401);
            assert_eq!(
                (&problem["error"], &problem["reason"]),
                (&"invalid_token".into(), &reason.into())
            );
            let challenge = format!(
                r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token {description}""#
            );
            assert_eq!(response.challenge(), challenge, "{authorization}");
        }
    };
    for bad in [
        &dots,
        &bearer(&dots),
        &bearer(&long),
        "Bearer",
        "Bearer a b",
        "Digest x",
        "Basic !",
        "Basic Og==",
    ] {
        check(bad, "malformed", "is not valid").await;
    }
    for bad in [
        "my_username",
        "ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "eyJhbGciOiJub25lIn0.e30.",
        &forged(&good),
    ] {
        check(&bearer(bad), "malformed", "is not valid").await;
    }
    check(&basic(&forged(&jwt), ""), "malformed", "is not valid").await;
    world.advance(later);
    check(&bearer(&good), "expired", "expired").await;
    check(&bearer(&jwt), "expired", "expired").await;
    assert_eq!(tap.operations(), Vec::<String>::new(), "none of these cost a read");
}

#[tokio::test]
async fn other_methods_are_rejected_and_the_right_ones_named() {
    let world = World::new().await;
    let authorization = basic("my_username", "topsecret");
    for method in
        [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
    {
        let response = world
            .send("Generate", Request::new(method.as_str(), GENERATE).authorization(&authorization))
            .await;
        assert_eq!((response.status, response.header("allow")), (405, "POST"), "{method}");
    }
}

#[tokio::test]
async fn a_token_with_a_scope_creates_nothing_wider() {
    let world = World::new().await;
    let admin = world.token_of("admin", "letmein").await;
    let limited = world.created(&admin, &json!({"name": "limited", "scopes": ["ROLE_USER"]})).await;
    let limited = limited["token"].as_str().unwrap();
    let child = world.generate(&bearer(limited)).await.json()["token"].as_str().unwrap().to_owned();
    let grandchild = world.generate(&bearer(&child)).await;
    assert_eq!(grandchild.status, 200);
    let records = world.store.records_of(&"2".parse().unwrap()).await.unwrap();
    let scopes = records.iter().map(|record| record.scope.as_ref().map(ToString::to_string));
    assert_eq!(scopes.filter(|scope| scope.as_deref() == Some("ROLE_USER")).count(), 3);

    world
        .set_user("2", "permissions", Some(AttributeValue::Ss(vec!["ROLE_ADMIN".to_owned()])))
        .await;
    let nothing_left = world.generate(&bearer(&child)).await;
    assert_eq!(nothing_left.problem(403)["error"], "insufficient_scope");
    assert!(nothing_left.challenge().contains(r#"error="insufficient_scope""#));
    assert_eq!(world.count_records("2").await, records.len());
}

#[tokio::test]
async fn renewals_of_a_family_are_limited() {
    let world = World::with(&[("HALLPASS_MAX_AUTHENTICATION_AGE", "40d")]).await;
    let generate = async |authorization: &str| {
        let response = world.generate(authorization).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    };
    let first = generate(&basic("my_username", "topsecret")).await;
    assert_eq!(
        first["expires"], "2027-02-14T08:00:00+0000",
        "the lifetime is shorter than the chain"
    );
    world.advance(29 * DAY);
    let second = generate(&bearer(first["token"].as_str().unwrap())).await;
    assert_eq!(
        second["expires"], "2027-02-24T08:00:00+0000",
        "the chain is shorter than the lifetime"
    );
    let named = world
        .created(second["token"].as_str().unwrap(), &json!({"name": "a", "expires_in": "2 months"}))
        .await;
    assert_eq!(named["expires_at"], "2027-02-24T08:00:00Z");
    world.advance(11 * DAY);
    let third = world.generate(&bearer(second["token"].as_str().unwrap())).await;
    assert_eq!(third.problem(401)["reason"], "expired");

    // A family that began before the limit was set or lowered creates no more tokens, however long
    // its token lives.
    let began_at = world.now().before(std::time::Duration::from_secs(40 * DAY));
    let old = world
        .create_token_with(Format::Signed, "1", 9, |record| record.authenticated_at = began_at)
        .await;
    assert_eq!(world.generate(&bearer(&old.text)).await.problem(401)["reason"], "expired");
    assert_eq!(
        generate(&basic("my_username", "topsecret")).await["expires"],
        "2027-03-26T08:00:00+0000"
    );
}

#[tokio::test]
async fn a_revoked_token_creates_nothing() {
    let world = World::new().await;
    let check = async |token: &str, reason: &str| {
        let before = world.count_records("1").await;
        let response = world.generate(&bearer(token)).await;
        assert_eq!(response.problem(401)["reason"], reason);
        assert_eq!(world.count_records("1").await, before);
    };
    let (revoked, other) = (world.token().await, world.token().await);
    world.revoke(&revoked).await;
    check(&revoked, "revoked").await;
    let disabled = world
        .create_token_with(Format::Signed, "1", 9, |record| {
            record.disabled_at = Some(record.issued_at);
        })
        .await;
    check(&disabled.text, "disabled").await;
    check(&world.unwritten(Format::Signed, "1", 8).await.text, "unknown").await;
    world.set_user("1", "status", Some(text("blocked"))).await;
    check(&other, "user_blocked").await;
    world.set_user("1", "status", Some(text("active"))).await;
    world.set_user("1", "username", Some(text("renamed"))).await;
    check(&other, "user_changed").await;
    world.remove_user("1").await;
    check(&other, "user_removed").await;
}

#[tokio::test]
async fn a_token_revoked_during_the_request_creates_nothing() {
    let (world, tap) = World::tapped(&[]).await;
    let parent = world.token().await;
    world.revoke(&parent).await;
    let before = world.count_records("1").await;
    // The first read of the record precedes the revocation; the check after the write does not.
    tap.inject(
        "BatchGetItem",
        0,
        1,
        Fault::Change(|response| {
            let record = response["Responses"]["Tokens"][0].as_object_mut().unwrap();
            for attribute in ["revoked_at", "revoked_because"] {
                record.remove(attribute).unwrap();
            }
            record.insert("live_until".to_owned(), record["expires_at"].clone());
        }),
    );
    tap.seen();
    assert_eq!(world.generate(&bearer(&parent)).await.problem(401)["reason"], "revoked");
    assert_eq!(tap.operations(), ["BatchGetItem", "PutItem", "BatchGetItem", "DeleteItem"]);
    assert_eq!(world.count_records("1").await, before);
}

#[tokio::test]
async fn every_token_begins_with_the_prefix() {
    let world = World::with(&[("HALLPASS_PREFIX", "acme_")]).await;
    let token = world.token().await;
    assert!(token.starts_with("acme_1."), "{}", token.split('.').next().unwrap());
    assert_eq!(world.generate(&basic(&token, "")).await.status, 200);
    let bare = world.generate(&bearer(token.strip_prefix("acme_").unwrap())).await;
    assert_eq!(bare.problem(401)["reason"], "malformed");
}
