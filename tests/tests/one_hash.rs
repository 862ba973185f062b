//! A log-in that fails gets the same response and costs one hash for every reason. A request that
//! is no log-in costs none.
//!
//! The counter belongs to the process, so this file has one test.

use hallpass_password::password;
use tests::{Request, Response, World, api::text, basic};

/// Returns a `Basic` header value with these bytes.
fn raw(pair: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

/// Returns the response to a request with this header, and the number of hashes that it cost.
async fn cost(world: &World, method: &str, route: &str, authorization: &str) -> (Response, u64) {
    let request = Request::new(method, route)
        .authorization(authorization)
        .json(&serde_json::json!({"name": "a"}));
    let request = request.query("response_type", "token").query("client_id", "app");
    let before = password::checked();
    let response = world.send("Generate", request).await;
    // Consecutive failures must not hide the next response.
    world.advance(60);
    (response, password::checked() - before)
}

#[tokio::test]
async fn every_failed_log_in_costs_one_hash_and_gets_the_same_response() {
    const GENERATE: &str = "/api/services_token/generate";
    let world = World::with(&[("HALLPASS_APP_USER", "4")]).await;
    world.set_user("2", "status", Some(text("blocked"))).await;
    let (long_name, long_password) = ("n".repeat(600), "p".repeat(password::MAX_BYTES + 1));
    let rejected = [
        ("a wrong password", "my_username", "wrong"),
        ("an unknown user", "unknown", "topsecret"),
        ("a blocked user with the right password", "admin", "letmein"),
        ("a user without a password", "ldap_user", "topsecret"),
        ("a password that is longer than any", "my_username", &long_password),
        ("an application without one", "ci-bot", "topsecret"),
        ("a name that is longer than any", &long_name, "topsecret"),
        ("a name with an empty normal form", "\u{200b}", "topsecret"),
        ("white space behind the name", "my_username ", "topsecret"),
        ("white space before the password", "my_username", " topsecret"),
    ];
    let nothing = [
        ("bytes that are not UTF-8", raw(b"my_username:top\xffsecret")),
        ("a control character", raw(b"my_username:top\x01secret")),
        ("a DEL", raw(b"my_username:topsecret\x7f")),
        ("a NUL in the name", raw(b"my_user\0name:topsecret")),
        ("a C1 control character", basic("my_username", "top\u{85}secret")),
        ("no name", raw(b":topsecret")),
        ("no colon", raw(b"my_username")),
        ("more than the maximum length of a header", basic("my_username", &"p".repeat(6_144))),
        ("a token", "Bearer 1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU".to_owned()),
    ];
    for (method, route, kinds) in [
        ("POST", GENERATE, rejected.len()),
        ("GET", "/rs/authorise", 4),
        ("GET", "/rs/authorize-implicit", 4),
        ("POST", "/rest/pat/1.0/token/user/create", 4),
    ] {
        let mut responses = Vec::new();
        for (what, username, password) in &rejected[..kinds] {
            let (response, hashes) = cost(&world, method, route, &basic(username, password)).await;
            assert_eq!((response.status, hashes), (401, 1), "{route}: {what} {}", response.body);
            responses.push(response);
        }
        assert!(
            responses.iter().all(|response| *response == responses[0]),
            "{route}: {responses:#?}"
        );
        for (what, authorization) in &nothing {
            let (response, hashes) = cost(&world, method, route, authorization).await;
            assert_eq!((response.status, hashes), (401, 0), "{route}: {what} {}", response.body);
        }
    }
    let (response, hashes) =
        cost(&world, "POST", GENERATE, &basic("my_username", "topsecret")).await;
    assert_eq!((response.status, hashes), (200, 1));
}
