//! Which names and passwords are accepted.

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_password::{NameKey, password};
use hallpass_token::Format;
use tests::{World, api::text, basic};

use super::CHALLENGE;

#[tokio::test]
async fn every_failed_log_in_gets_the_same_response() {
    let world = World::new().await;
    let token = world.token().await;
    world.set_user("2", "status", Some(text("blocked"))).await;
    let wrong = world.generate(&basic("my_username", "wrong")).await;
    assert_eq!(wrong.problem(401)["detail"], "Invalid credentials.");
    assert_eq!(wrong.challenge(), CHALLENGE);
    let check = async |what: &str, username: &str, password: &str| {
        let response = world.generate(&basic(username, password)).await;
        assert_eq!(response, wrong, "{what}");
    };
    check("an unknown user", "unknown", "topsecret").await;
    check("a blocked user with the right password", "admin", "letmein").await;
    check("an external user", "ldap_user", "topsecret").await;
    check("an application's account", "ci-bot", "topsecret").await;
    check("a token as a user name with a password", &token, "topsecret").await;
    check("a name that ends in invisible characters", "\u{200b}", "topsecret").await;
    check("a name longer than any key", &"x".repeat(3_000), "topsecret").await;
    check("a password longer than any", "my_username", &"x".repeat(1_025)).await;
    check("an id instead of a name", "1", "topsecret").await;
}

#[tokio::test]
async fn a_password_is_everything_after_the_first_colon() {
    let world = World::new().await;
    let check = async |set: &str, sent: &[u8], status: u16| {
        let hash = password::hash(set, [1; 16]).unwrap();
        world.set_user("1", "password_hash", Some(text(&hash))).await;
        let pair = [b"my_username:".as_slice(), sent].concat();
        let response = world.generate(&format!("Basic {}", BASE64_STANDARD.encode(&pair))).await;
        assert_eq!(response.status, status, "{set} {}", response.body);
        // Consecutive failures must not slow down the next case.
        world.advance(60);
    };
    check("a:b:c", b"a:b:c", 200).await;
    check(":", b":", 200).await;
    check(" a ", b" a ", 200).await;
    check("a", b" a", 401).await;
    check("A", b"a", 401).await;
    check("müsli", "müsli".as_bytes(), 200).await;
    check("müsli", "mu\u{308}sli".as_bytes(), 401).await;
    check("müsli", b"m\xfcsli", 401).await;
    check("a", b"a\t", 401).await;
    check("a", b"a\0", 401).await;
    check("a", b"a\n", 401).await;
}

#[tokio::test]
async fn a_user_is_found_by_every_spelling_of_the_name() {
    let world = World::new().await;
    let check = async |stored: &str, typed: &str, status: u16| {
        world.set_user("1", "username", Some(text(stored))).await;
        world.set_user("1", "username_key", Some(text(NameKey::new(stored).as_str()))).await;
        let response = world.generate(&basic(typed, "topsecret")).await;
        assert_eq!(response.status, status, "{stored} {typed} {}", response.body);
    };
    check("my_username", "MY_UserName", 200).await;
    check("bigbird", "ᴮᴵᴳᴮᴵᴿᴰ", 200).await;
    check("ᴮᴵᴳᴮᴵᴿᴰ", "bigbird", 200).await;
    check("José", "jose\u{301}", 200).await;
    check("Jose\u{301}", "JOSÉ", 200).await;
    check("straße", "STRASSE", 200).await;
    check("jose", "josé", 401).await;
    check("my_username", "my_username ", 401).await;
}

#[tokio::test]
async fn a_wrong_index_logs_no_one_in() {
    let world = World::new().await;
    let check = async |what: &str, username: &str, status: u16| {
        assert_eq!(world.generate(&basic(username, "topsecret")).await.status, status, "{what}");
        world.advance(60);
    };
    let key = |name: &str| Some(text(name));
    check("as it should be", "my_username", 200).await;
    world.set_user("3", "username_key", key("my_username")).await;
    check("two users under one key", "my_username", 401).await;
    world.set_user("3", "username_key", key("ldap_user")).await;
    check("one again", "my_username", 200).await;
    world.set_user("1", "username", key("renamed")).await;
    check("the old name, which the index still has", "my_username", 401).await;
    check("the new name, which the index has not", "renamed", 401).await;
    world.set_user("1", "username_key", key("renamed")).await;
    check("the new name in the index", "renamed", 200).await;
    world.set_user("1", "username_key", None).await;
    check("no key at all", "renamed", 401).await;
}

#[tokio::test]
async fn passwords_can_be_left_out() {
    let world = World::with(&[("HALLPASS_GENERATE_PASSWORD", "off")]).await;
    for authorization in [basic("my_username", "topsecret"), basic("my_username", "wrong")] {
        let response = world.generate(&authorization).await;
        assert_eq!(response.problem(401)["detail"], "Invalid credentials.");
        assert_eq!(response.challenge(), r#"Bearer realm="hallpass""#);
    }
    assert_eq!(
        world.dump("Attempts").await,
        Vec::<String>::new(),
        "no password was checked, so none is counted"
    );
    let token = world.create_token(Format::Signed, "1", 9).await;
    assert_eq!(world.generate(&basic(&token.text, "")).await.status, 200);
}
