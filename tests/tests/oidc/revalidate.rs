//! Tokens of users of the provider are accepted until the next sign-in is due.

use aws_sdk_dynamodb::types::AttributeValue;
use tests::{
    api::{bearer, text},
    basic,
    pages::OWN,
};

use super::{ADA, Setup};

const DAY: u64 = 86_400;

#[tokio::test]
async fn tokens_are_suspended_until_the_user_signs_in_again() {
    let setup = Setup::with(&[("HALLPASS_LIFETIME", "90d")]).await;
    let mut browser = setup.browser();
    assert_eq!(setup.sign_in(&mut browser, ADA, |_| {}).await.status, 200);
    browser.get(OWN).await;
    let token = browser.create_token(&[("name", "a"), ("limit", "all")]).await;
    let other = setup.system.token_of("admin", "letmein").await;
    setup.system.advance(30 * DAY - 1);
    assert_eq!(setup.system.verdict(&token).await, "allow");
    setup.system.advance(1);
    assert_eq!(setup.system.verdict(&token).await, "sign_in_required");
    assert_eq!(setup.system.verdict(&other).await, "allow", "this user has a password alone");
    let reply = setup.system.ask("GET", "/tokens", &bearer(&token)).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["reason"], "sign_in_required");
    // A password is not enough, and says why.
    let reply = setup
        .system
        .form("/api/services_token/generate", &basic("my_username", "topsecret"), "")
        .await;
    assert_eq!(reply.status, 403, "{}", reply.body);
    assert!(reply.body.contains("Sign in at the identity provider first"), "{}", reply.body);
    assert_eq!(setup.browser().sign_in("my_username", "topsecret").await.status, 403);
    let mut browser = setup.browser();
    assert_eq!(setup.sign_in(&mut browser, ADA, |_| {}).await.status, 200);
    assert_eq!(setup.system.verdict(&token).await, "allow");
    assert_eq!(browser.get(OWN).await.status, 200);
    setup.system.stop().await;
}

#[tokio::test]
async fn a_due_sign_in_ends_the_session_and_an_unreadable_time_counts_as_due() {
    let setup = Setup::new().await;
    let check = async |due: AttributeValue, status: u16| {
        setup.system.set_user("1", "sign_in_due_at", AttributeValue::Null(true)).await;
        let mut browser = setup.browser();
        assert_eq!(browser.sign_in("my_username", "topsecret").await.status, 303);
        setup.system.set_user("1", "sign_in_due_at", due.clone()).await;
        assert_eq!(browser.get(OWN).await.status, status, "{due:?}");
    };
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let now = setup.system.now().unix();
    check(number(&(now + 1).to_string()), 200).await;
    check(number(&now.to_string()), 401).await;
    check(number("1"), 401).await;
    check(number("-1"), 401).await;
    check(number("1.5"), 401).await;
    check(number("99999999999999999999"), 401).await;
    check(text("soon"), 401).await;
    check(text(""), 200).await;
    check(AttributeValue::Bool(false), 401).await;
    check(AttributeValue::Null(true), 200).await;
    setup.system.stop().await;
}

#[tokio::test]
async fn without_a_limit_a_sign_in_takes_the_time_away() {
    let settings = [("HALLPASS_OIDC_REVALIDATE", "off"), ("HALLPASS_LIFETIME", "90d")];
    let setup = Setup::with(&settings).await;
    let now = setup.system.now().unix();
    let due = AttributeValue::N(now.to_string());
    setup.system.set_user("1", "sign_in_due_at", due).await;
    let mut browser = setup.browser();
    assert_eq!(setup.sign_in(&mut browser, ADA, |_| {}).await.status, 200);
    browser.get(OWN).await;
    let token = browser.create_token(&[("name", "a"), ("limit", "all")]).await;
    setup.system.advance(31 * DAY);
    assert_eq!(setup.system.verdict(&token).await, "allow");
    let user = setup.system.store().user(&"1".parse().unwrap()).await.unwrap().unwrap();
    assert!(!user.attributes.contains_key("sign_in_due_at"));
    setup.system.stop().await;
}
