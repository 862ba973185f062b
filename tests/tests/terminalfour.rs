//! The clients of Terminalfour: temporary JWTs from a password, in one request or in the two of the
//! legacy flow, and keys that an administrator issues. `terminalfour_jwt` tests the exchange of
//! JWTs with other software.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{
    World,
    api::{bearer, text},
    basic,
    client::Reply,
    system::{System, members},
};

const BEGIN: &str = "/rs/authorize-implicit?client_id=app&response_type=token";
const HALF_AN_HOUR: u64 = 1_800;

/// Returns a part of a JWT, decoded without a key.
fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn access_token(body: &Value) -> String {
    assert_eq!(members(body), ["accessToken"]);
    body["accessToken"].as_str().unwrap().to_owned()
}

/// Checks that every response of the legacy flow says that it is deprecated and when it will be
/// removed.
fn deprecated(reply: &Reply) -> &Reply {
    let dates = (reply.header("deprecation"), reply.header("sunset"));
    assert_eq!(dates, ("@1767225600", "Fri, 31 Dec 2027 23:00:00 GMT"), "{}", reply.body);
    reply
}

async fn legacy() -> System {
    System::start(&[("HALLPASS_SUNSET", "2028-01-01T00:00:00+01:00")]).await
}

/// Begins the legacy flow, and returns the authenticity token and the cookie as a client sends it
/// back.
async fn begin(system: &System) -> (String, String) {
    let reply = system.ask("GET", BEGIN, &basic("my_username", "topsecret")).await;
    let body = deprecated(&reply).body_of(200);
    assert_eq!(members(&body), ["authenticityToken"]);
    let cookie = reply.header("set-cookie");
    let pair = cookie
        .strip_suffix("; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=600")
        .expect(cookie);
    let (session, authenticity) =
        (pair.strip_prefix("JSESSIONID=").unwrap(), body["authenticityToken"].as_str());
    let authenticity = authenticity.unwrap();
    let session = session.strip_prefix("1.").expect("the cookie names the user");
    for hex in [session, authenticity] {
        assert!(
            hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "{hex}"
        );
    }
    assert_ne!(session, authenticity);
    (authenticity.to_owned(), pair.to_owned())
}

/// Sends the second request of the legacy flow, with this cookie.
async fn decide(
    system: &System,
    decision: &str,
    authenticity: Option<&str>,
    cookie: &str,
) -> Reply {
    let shown = authenticity
        .map(|token| format!("&session_authenticity_token={token}"))
        .unwrap_or_default();
    let path =
        format!("/rs/authorize-implicit/decision?client_id=app&oauthDecision={decision}{shown}");
    let cookie = [("Cookie", cookie)];
    let reply =
        system.send("GET", &path, if cookie[0].1.is_empty() { &[] } else { &cookie }, "").await;
    deprecated(&reply);
    reply
}

fn is_wrong(reply: &Reply) {
    assert_eq!(reply.body_of(400)["member"], "session_authenticity_token");
}

#[tokio::test]
async fn a_password_gives_a_jwt_for_half_an_hour() {
    let system = System::start(&[("HALLPASS_REALM", "My T4")]).await;
    let reply = system.ask("GET", "/rs/authorise", &basic("my_username", "topsecret")).await;
    let jwt = access_token(&reply.body_of(200));
    assert_eq!(part(&jwt, 0).to_string(), r#"{"alg":"HS256","typ":"JWT","kid":"test"}"#);
    let (now, claims) = (system.now().unix(), part(&jwt, 1));
    assert_eq!(members(&claims), ["iss", "sub", "aud", "iat", "exp", "name", "jti"]);
    let expected = json!({
        "iss": "My T4", "sub": "1", "aud": "My T4", "iat": now, "exp": now + HALF_AN_HOUR,
        "name": "my_username",
        "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    for authorization in [jwt.clone(), bearer(&jwt), format!("bearer {jwt}")] {
        let profile = system.ask("GET", "/rs/profile", &authorization).await.body_of(200);
        assert_eq!((&profile["username"], &profile["id"]), (&json!("my_username"), &json!("1")));
    }
    system.set_user("1", "full_name", text("My Full Náme")).await;
    let again = system.ask("GET", "/rs/authorise", &basic("my_username", "topsecret")).await;
    let again = access_token(&again.body_of(200));
    assert_eq!(part(&again, 1)["name"], "My Full Náme");
    assert_eq!(system.ask("GET", "/rs/profile", &again).await.json()["fullName"], "My Full Náme");
    system.advance(HALF_AN_HOUR - 1);
    assert_eq!(system.verdict(&jwt).await, "allow");
    system.advance(1);
    assert_eq!(system.verdict(&jwt).await, "expired");
    system.stop().await;
}

#[tokio::test]
async fn without_the_right_password_no_jwt_is_issued() {
    let system = legacy().await;
    for path in ["/rs/authorise", BEGIN] {
        for authorization in [basic("my_username", "wrong"), basic("ldap_user", "topsecret")] {
            let reply = system.ask("GET", path, &authorization).await;
            assert_eq!(reply.body_of(401)["detail"], "Invalid credentials.");
            assert_eq!(reply.challenges(), [r#"Bearer realm="hallpass""#]);
            assert_eq!(reply.header("set-cookie"), "");
        }
        assert_eq!(system.send("GET", path, &[], "").await.status, 401);
    }
    let token = system.token_of("my_username", "topsecret").await;
    assert_eq!(
        deprecated(&system.ask("GET", BEGIN, &bearer(&token)).await).status,
        401,
        "the flow accepts a password"
    );
    for (query, member) in [
        ("", "response_type"),
        ("?response_type=code&client_id=app", "response_type"),
        ("?response_type=token", "client_id"),
        ("?response_type=token&client_id=", "client_id"),
    ] {
        let path = format!("/rs/authorize-implicit{query}");
        let reply = system.ask("GET", &path, &basic("my_username", "topsecret")).await;
        assert_eq!(deprecated(&reply).body_of(400)["member"], member, "{path}");
    }
    system.stop().await;
}

#[tokio::test]
async fn the_legacy_flow_gives_a_jwt_for_half_an_hour() {
    let system = legacy().await;
    let (authenticity, cookie) = begin(&system).await;
    let reply =
        decide(&system, "allow", Some(&authenticity), &format!("theme=dark; {cookie}; lang=en"))
            .await;
    let jwt = access_token(&reply.body_of(200));
    let claims = part(&jwt, 1);
    assert_eq!(
        (&claims["aud"], &claims["exp"]),
        (&json!("hallpass"), &json!(system.now().unix() + HALF_AN_HOUR))
    );
    let profile = system.ask("GET", "/rs/profile", &jwt).await.body_of(200);
    assert_eq!(profile["username"], "my_username");
    is_wrong(&decide(&system, "allow", Some(&authenticity), &cookie).await);
    system.stop().await;
}

#[tokio::test]
async fn a_missing_or_wrong_authenticity_token_is_rejected_and_leaves_the_flow_usable() {
    let system = legacy().await;
    let ((authenticity, cookie), (other, other_cookie)) =
        (begin(&system).await, begin(&system).await);
    let flipped =
        format!("{}{}", if authenticity.starts_with('0') { '1' } else { '0' }, &authenticity[1..]);
    let upper = authenticity.to_uppercase();
    for wrong in [
        None,
        Some(""),
        Some("x"),
        Some(&authenticity[..63]),
        Some(&flipped),
        Some(&upper),
        Some(&other),
    ] {
        for decision in ["allow", "deny"] {
            is_wrong(&decide(&system, decision, wrong, &cookie).await);
        }
    }
    is_wrong(&decide(&system, "allow", Some(&authenticity), "JSESSIONID=0").await);
    is_wrong(&decide(&system, "allow", Some(&authenticity), &other_cookie).await);
    for none in ["", "theme=dark", "jsessionid=1; JSESSIONIDS=2"] {
        let reply = decide(&system, "allow", Some(&authenticity), none).await;
        assert_eq!(reply.body_of(401)["detail"], "An access token is required", "{none}");
    }
    for client in ["", "client_id=&", "client_id=other&"] {
        let path = format!(
            "/rs/authorize-implicit/decision?{client}oauthDecision=allow&session_authenticity_token={authenticity}"
        );
        let reply = system.send("GET", &path, &[("Cookie", cookie.as_str())], "").await;
        assert_eq!(reply.body_of(400)["member"], "client_id", "{client}");
    }
    // Of two flows, the one with the authenticity token counts.
    let both = format!("{cookie}; {other_cookie}");
    access_token(&decide(&system, "allow", Some(&other), &both).await.body_of(200));
    access_token(&decide(&system, "allow", Some(&authenticity), &both).await.body_of(200));
    system.stop().await;
}

#[tokio::test]
async fn any_decision_but_allow_denies_access_and_ends_the_flow() {
    let system = legacy().await;
    for decision in ["deny", "", "Allow", "allow%20", "true"] {
        let (authenticity, cookie) = begin(&system).await;
        let reply = decide(&system, decision, Some(&authenticity), &cookie).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (403, r#"{"error":"access_denied"}"#),
            "{decision}"
        );
        is_wrong(&decide(&system, "allow", Some(&authenticity), &cookie).await);
    }
    system.stop().await;
}

#[tokio::test]
async fn a_flow_lives_for_ten_minutes_or_until_its_user_changes() {
    let system = legacy().await;
    let (first, second) = (begin(&system).await, begin(&system).await);
    system.advance(599);
    access_token(&decide(&system, "allow", Some(&first.0), &first.1).await.body_of(200));
    let third = begin(&system).await;
    system.advance(1);
    is_wrong(&decide(&system, "allow", Some(&second.0), &second.1).await);
    system
        .set_user(
            "1",
            "password_hash",
            text(&hallpass_password::password::hash("other", [9; 16]).unwrap()),
        )
        .await;
    let reply = decide(&system, "allow", Some(&third.0), &third.1).await;
    assert_eq!(reply.body_of(401)["detail"], "Invalid credentials.");
    system.stop().await;
}

#[tokio::test]
async fn of_many_decisions_at_once_one_gets_a_jwt() {
    let system = legacy().await;
    let (authenticity, cookie) = begin(&system).await;
    let decide = || decide(&system, "allow", Some(&authenticity), &cookie);
    let (a, b, c, d) = tokio::join!(decide(), decide(), decide(), decide());
    let mut statuses = [a, b, c, d].map(|reply| reply.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400]);
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_issues_a_key_for_an_external_user_and_manages_it() {
    let system = System::start(&[]).await;
    let (user, admin) = (
        system.token_of("my_username", "topsecret").await,
        system.token_of("admin", "letmein").await,
    );
    let expires_at = system.now().after(std::time::Duration::from_secs(90 * 86_400));
    let body = json!({
        "name": "CMS import", "format": "jwt", "user_id": "3", "expires_at": expires_at.to_string(),
    });
    system.json("POST", "/tokens", &bearer(&user), &body).await.body_of(403);
    let issued = system.created(&admin, &body).await;
    let (key, id) = (issued["token"].as_str().unwrap(), issued["id"].as_str().unwrap());
    let claims = part(key, 1);
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["name"]),
        (&json!("3"), &json!("3"), &json!("ldap_user"))
    );
    assert_eq!(claims["exp"], expires_at.unix());
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(claims["jti"].as_str().unwrap()).unwrap().len(), 16);
    let profile = system.ask("GET", "/rs/profile", key).await.body_of(200);
    assert_eq!(profile["username"], "ldap_user");

    // It is shown once, and then only listed.
    let list = system.ask("GET", "/tokens?user_id=3", &bearer(&admin)).await.body_of(200);
    let listed = &list["tokens"][0];
    let at = expires_at.to_string();
    assert_eq!(
        (&listed["id"], &listed["name"], &listed["expires_at"]),
        (&json!(id), &json!("CMS import"), &json!(at))
    );
    let shown = system.ask("GET", &format!("/tokens/{id}"), &bearer(&admin)).await;
    assert_eq!(&shown.body_of(200), listed);
    let secrets: BTreeSet<&str> = key.split('.').chain(claims["jti"].as_str()).collect();
    assert!(secrets.iter().all(|secret| !shown.body.contains(secret)), "{}", shown.body);

    let path = format!("/tokens/{id}");
    for (disabled, verdict) in
        [(true, "disabled"), (true, "disabled"), (false, "allow"), (true, "disabled")]
    {
        let body = json!({"disabled": disabled});
        let switched = system.json("PATCH", &path, &bearer(&admin), &body).await.body_of(200);
        assert_eq!(switched["disabled"], disabled);
        assert_eq!(system.verdict(key).await, verdict);
    }
    // Neither its holder nor another user can enable it: the holder is rejected, and the other user
    // does not find it.
    let on = json!({"disabled": false});
    assert_eq!(
        system.json("PATCH", &path, &bearer(key), &on).await.body_of(401)["reason"],
        "disabled"
    );
    system.json("PATCH", &path, &bearer(&user), &on).await.body_of(404);
    system.json("PATCH", &path, &bearer(&admin), &on).await.body_of(200);
    system.json("PATCH", &path, &bearer(key), &on).await.body_of(403);

    system.ask("DELETE", &path, &bearer(&admin)).await.body_of(200);
    assert_eq!(system.verdict(key).await, "revoked");
    assert_eq!(
        system.json("PATCH", &path, &bearer(&admin), &on).await.status,
        409,
        "which revives nothing"
    );
    assert_eq!(system.verdict(key).await, "revoked");
    system.stop().await;
}

#[tokio::test]
async fn a_password_change_invalidates_a_key_unless_configured_otherwise() {
    let check = async |settings: &[(&str, &str)], after_password: &str| {
        let world = World::with(settings).await;
        let token = world.token().await;
        let key = world.created(&token, &json!({"name": "key", "format": "jwt"})).await;
        let key = bearer(key["token"].as_str().unwrap());
        let hash = hallpass_password::password::hash("another", [9; 16]).unwrap();
        world.set_user("1", "password_hash", Some(text(&hash))).await;
        world.delivery.drain().await.unwrap();
        assert_eq!(world.verdict(&key).await, after_password);
        assert_eq!(world.verdict(&bearer(&token)).await, "user_changed", "that is for JWTs only");
        world.set_user("1", "status", Some(AttributeValue::S("blocked".to_owned()))).await;
        assert_ne!(world.verdict(&key).await, "allow");
    };
    check(&[], "user_changed").await;
    check(&[("HALLPASS_INVALIDATE_ON_JWT", "status")], "allow").await;
}
