//! Signing out at the provider, and sessions that the provider ends.

use serde_json::{Value, json};
use tests::{
    client::Reply,
    pages::{OWN, WebClient},
};

use super::{ADA, SESSION, Setup};

const BACK_CHANNEL: &str = "/sign-in/oidc/back-channel-logout";

impl Setup {
    /// Signs in as the user 1 in a session of the provider.
    async fn signed_in(&self, sid: &str) -> WebClient<'_> {
        let mut browser = self.browser();
        let reply = self.sign_in(&mut browser, ADA, |grant| {
            if !sid.is_empty() {
                grant.claims["sid"] = json!(sid);
            }
        });
        assert_eq!(reply.await.status, 200);
        browser
    }

    async fn log_out(&self, change: impl FnOnce(&mut Value)) -> Reply {
        let token = self.provider.logout_token(ADA, self.system.now().unix(), change);
        self.system.form(BACK_CHANNEL, "", &format!("logout_token={token}")).await
    }
}

#[tokio::test]
async fn the_provider_ends_the_sessions_that_began_there() {
    let setup = Setup::new().await;
    let check = async |claims: Value, expected: [u16; 4]| {
        let mut browsers = [
            setup.signed_in("a").await,
            setup.signed_in("b").await,
            setup.signed_in("").await,
            WebClient::signed_in(&setup.system, "my_username", "topsecret").await,
        ];
        let reply = setup.log_out(|all| {
            for (name, value) in claims.as_object().unwrap() {
                all[name] = value.clone();
            }
        });
        let reply = reply.await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{claims}");
        assert_eq!(reply.header("cache-control"), "no-store");
        for (browser, expected) in browsers.iter_mut().zip(expected) {
            assert_eq!(browser.get(OWN).await.status, expected, "{claims}");
        }
    };
    check(json!({}), [401, 401, 401, 200]).await;
    check(json!({"sid": "a"}), [401, 200, 401, 200]).await;
    check(json!({"sid": "other"}), [200, 200, 401, 200]).await;
    check(json!({"sub": "other"}), [200, 200, 200, 200]).await;
    // A logout token that was sent before does not end later sessions.
    let old = setup.system.now().unix() - 61;
    check(json!({"iat": old}), [200, 200, 200, 200]).await;
    setup.system.stop().await;
}

#[tokio::test]
async fn tokens_survive_the_end_of_the_session() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in("a").await;
    browser.get(OWN).await;
    let token = browser.create_token(&[("name", "a"), ("limit", "all")]).await;
    assert_eq!(setup.log_out(|_| {}).await.status, 200);
    assert_eq!(browser.get(OWN).await.status, 401);
    assert_eq!(setup.system.verdict(&token).await, "allow");
    setup.system.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_a_logout_of_the_provider_ends_nothing() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in("a").await;
    let check = async |change: &dyn Fn(&mut Value)| {
        let reply = setup.log_out(change).await;
        assert_eq!(reply.status, 400, "{}", reply.body);
        assert_eq!(reply.json()["member"], "logout_token");
    };
    check(&|claims| claims["iss"] = json!("https://id.example.com")).await;
    check(&|claims| claims["aud"] = json!("other")).await;
    check(&|claims| claims["nonce"] = json!("n")).await;
    check(&|claims| claims["events"] = json!({})).await;
    check(&|claims| claims["sub"] = json!(null)).await;
    check(&|claims| claims["exp"] = json!(1)).await;
    for body in ["", "logout_token=", "logout_token=a.b.c", "other=1"] {
        assert_eq!(setup.system.form(BACK_CHANNEL, "", body).await.status, 400, "{body}");
    }
    assert_eq!(browser.get(OWN).await.status, 200);
    setup.system.stop().await;
}

#[tokio::test]
async fn keys_are_looked_up_at_most_once_a_minute_for_a_logout() {
    let setup = Setup::new().await;
    setup.signed_in("a").await;
    setup.provider.rotate();
    setup.provider.asked();
    // Anyone can send a token with an unknown key.
    for _ in 0..3 {
        assert_eq!(setup.log_out(|_| {}).await.status, 400);
    }
    assert!(setup.provider.asked().is_empty());
    setup.system.advance(61);
    assert_eq!(setup.log_out(|_| {}).await.status, 200);
    setup.system.stop().await;
}

#[tokio::test]
async fn signing_out_offers_to_sign_out_at_the_provider_too() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in("a").await;
    browser.get(OWN).await;
    let page = browser.post_and_follow("/sign-out", &[]).await;
    assert!(!browser.cookies.contains_key(SESSION));
    assert!(page.body.contains("You are signed out of Hallpass."), "{}", page.body);
    assert!(page.body.contains("href=\"/sign-in/oidc/sign-out\""), "{}", page.body);
    // Without an endpoint for it, the provider cannot end its session.
    let reply = browser.get("/sign-in/oidc/sign-out").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/sign-in"));
    let endpoint = format!("{}/logout?tenant=acme", setup.provider.issuer);
    setup.provider.set_metadata("end_session_endpoint", json!(endpoint));
    setup.system.advance(3_601);
    let reply = browser.get("/sign-in/oidc/sign-out").await;
    let expected = format!(
        "{endpoint}&client_id=hallpass&post_logout_redirect_uri=https%3A%2F%2Flocalhost%3A8080%2Fsign-in"
    );
    assert_eq!((reply.status, reply.header("location")), (303, expected.as_str()));
    // A session that began with a password says nothing about the provider.
    let mut other = WebClient::signed_in(&setup.system, "admin", "letmein").await;
    other.get(OWN).await;
    let page = other.post_and_follow("/sign-out", &[]).await;
    assert!(page.body.contains("You are signed out."), "{}", page.body);
    assert!(!page.body.contains("/sign-in/oidc/sign-out"), "{}", page.body);
    setup.system.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_at_most_once_a_minute_for_a_logout() {
    let setup = Setup::new().await;
    setup.provider.set_metadata("jwks_uri", json!("http://127.0.0.1:9/jwks"));
    assert_eq!(setup.log_out(|_| {}).await.status, 503);
    assert!(!setup.provider.asked().is_empty());
    for _ in 0..3 {
        assert_eq!(setup.log_out(|_| {}).await.status, 503);
    }
    assert!(setup.provider.asked().is_empty());
    setup.system.stop().await;
}
