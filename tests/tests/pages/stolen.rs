//! Everything that a stolen browser session issued, by any form and indirectly, is revoked together
//! with the session.

use serde_json::{Value, json};
use tests::{
    api::bearer,
    pages::{OWN, WebClient},
    system::System,
};

async fn shown(system: &System, token: &str) -> Value {
    system.ask("GET", "/tokens/current", &bearer(token)).await.body_of(200)
}

fn text_of<'a>(shown: &'a Value, member: &str) -> &'a str {
    shown[member].as_str().unwrap_or_else(|| panic!("{member}: {shown}"))
}

/// Revokes this family and its session, and returns the number of revoked tokens.
async fn end(system: &System, administrator: &str, family: &str) -> u64 {
    let path = format!("/tokens/{family}?descendants=true");
    let response = system.ask("DELETE", &path, &bearer(administrator)).await.body_of(200);
    assert_eq!(response["id"], family);
    response["revoked"].as_u64().unwrap()
}

#[tokio::test]
async fn a_stolen_session_is_revoked_with_everything_that_it_issued() {
    let system = System::start(&[]).await;
    let mut thief = WebClient::signed_in(&system, "admin", "letmein").await;
    let mut owner = WebClient::signed_in(&system, "admin", "letmein").await;
    let (old, good) = (
        owner.create_token(&[("name", "old"), ("limit", "all")]).await,
        owner.create_token(&[("name", "good"), ("limit", "all")]).await,
    );
    let password = system.token_of("admin", "letmein").await;

    let named = thief.create_token(&[("name", "named"), ("limit", "all")]).await;
    let developer = thief.post(OWN, &[("do", "regenerate")]).await.shown_token();
    let key =
        thief.post("/admin/users/1", &[("name", "key"), ("limit", "all")]).await.shown_token();
    let old_id = text_of(&shown(&system, &old).await, "id").to_owned();
    let rotated = thief.post(OWN, &[("do", "rotate"), ("id", &old_id)]).await.shown_token();
    let family = text_of(&shown(&system, &named).await, "issued_by_family").to_owned();
    for token in [&developer, &key, &rotated] {
        assert_eq!(text_of(&shown(&system, token).await, "issued_by_family"), family);
    }
    let by_named = system.created(&named, &json!({"name": "a", "user_id": "1"})).await;
    let by_key = system.created(&key, &json!({"name": "b"})).await;
    let tokens = [
        &named,
        &developer,
        &key,
        &rotated,
        text_of(&by_named, "token"),
        text_of(&by_key, "token"),
    ];
    let others = shown(&system, &good).await;
    assert_ne!(text_of(&others, "issued_by_family"), family, "another session has another family");
    assert_eq!(shown(&system, &password).await["issued_by_family"], Value::Null);

    // Only an administrator can revoke a session, and no other session ends.
    let user = system.token_of("my_username", "topsecret").await;
    system
        .ask("DELETE", &format!("/tokens/{family}?descendants=true"), &bearer(&user))
        .await
        .body_of(404);
    assert_eq!(end(&system, &password, "2.AAAAAAAAAAAAAAAAAAAAAA").await, 0);
    assert_eq!(thief.get(OWN).await.status, 200);

    assert_eq!(end(&system, &password, &family).await, u64::try_from(tokens.len()).unwrap());
    for token in tokens {
        assert_eq!(system.verdict(token).await, "revoked");
    }
    assert_eq!(thief.get(OWN).await.status, 401, "the session has ended");
    assert_eq!(
        thief.post(OWN, &[("do", "make"), ("name", "late"), ("limit", "all")]).await.status,
        401
    );
    assert_eq!(owner.get(OWN).await.status, 200);
    for token in [&good, &password] {
        assert_eq!(system.verdict(token).await, "allow");
    }
    assert_eq!(end(&system, &password, &family).await, 0, "the second time none is left");
    system.stop().await;
}
