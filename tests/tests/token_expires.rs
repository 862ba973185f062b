//! `Hallpass-Token-Expires`: a response to a live token says when the token expires.

use serde_json::json;
use tests::{api::bearer, basic, client::Reply, system::System};

const HEADER: &str = "hallpass-token-expires";

fn expires(reply: &Reply) -> Option<&str> {
    reply.headers.get(HEADER).map(|at| at.to_str().unwrap())
}

async fn created(system: &System, caller: &str, body: &serde_json::Value) -> (String, String) {
    let token = system.json("POST", "/tokens", caller, body).await.body_of(201);
    let text = |name: &str| token[name].as_str().unwrap_or_default().to_owned();
    (bearer(&text("token")), text("expires_at"))
}

#[tokio::test]
async fn every_response_to_a_live_token_says_when_it_expires() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let system = System::start(&[]).await;
    let admin = bearer(&system.token_of("admin", "letmein").await);
    let (token, at) = created(&system, &admin, &json!({"name": "a", "expires_in": "1d"})).await;
    assert!(at.ends_with('Z'), "{at}");
    let json = "application/json";
    for (method, path, media_type, body, status) in [
        ("GET", "/tokens", json, "", 200),
        ("HEAD", "/tokens", json, "", 200),
        ("GET", "/tokens/current", json, "", 200),
        ("GET", "/tokens/current/usage", json, "", 200),
        ("GET", "/tokens?wrong=1", json, "", 400),
        ("GET", "/tokens/1.AAAAAAAAAAAAAAAAAAAAAA", json, "", 404),
        ("DELETE", "/tokens/1.AAAAAAAAAAAAAAAAAAAAAA", json, "", 404),
        ("GET", "/audit", json, "", 200),
        ("GET", "/api/user/1", json, "", 200),
        ("GET", "/rs/profile", json, "", 200),
        ("POST", "/tokens", json, r#"{"name":"b"}"#, 201),
        ("POST", "/tokens", json, r#"{"name":7}"#, 400),
        ("POST", "/explain", json, r#"{"token_id":"current"}"#, 200),
        ("POST", "/api/services_token/generate", json, "", 200),
        ("POST", "/oauth/introspect", FORM, "token=nonsense", 200),
        ("POST", "/oauth/introspect", FORM, "", 400),
        ("POST", "/tokens/current/rotate", json, "", 201),
    ] {
        let headers = [("Authorization", token.as_str()), ("Content-Type", media_type)];
        let reply = system.send(method, path, &headers, body).await;
        assert_eq!((reply.status, expires(&reply)), (status, Some(&*at)), "{method} {path}");
    }
}

#[tokio::test]
async fn a_response_without_a_live_token_has_no_expiry() {
    let system = System::start(&[]).await;
    let admin = bearer(&system.token_of("admin", "letmein").await);
    let (expiring, _) = created(&system, &admin, &json!({"name": "a", "expires_in": "1d"})).await;
    let revoked = system.ask("DELETE", "/tokens/current", &expiring).await;
    assert!(expires(&revoked).is_some());
    for (authorization, status) in [(&*expiring, 401), ("Bearer nonsense", 401), ("", 401)] {
        let reply = system.ask("GET", "/tokens", authorization).await;
        assert_eq!((reply.status, expires(&reply)), (status, None), "{authorization:.8}");
    }
    let login = basic("my_username", "topsecret");
    let reply = system.ask("POST", "/api/services_token/generate", &login).await;
    assert_eq!((reply.status, expires(&reply)), (200, None));
}
