//! A restore from a backup, with the steps of `docs/src/guides/backup.md` that keep revoked tokens
//! from becoming live again.

use hallpass_token::Format;
use tests::{KEYS, Request, World, api::bearer};

#[tokio::test]
async fn a_restored_table_of_tokens_revives_tokens_revoked_since() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let backup = world.record_item(&token.record).await;
    assert_eq!(world.delete(&token.text, "current").await.status, 200);
    assert_eq!(world.verdict(&bearer(&token.text)).await, "revoked");
    world.put("Tokens", backup).await;
    assert_eq!(
        world.verdict(&bearer(&token.text)).await,
        "allow",
        "otherwise the warning of the guide is obsolete"
    );
    // The guide's step for a user whose tokens are in doubt.
    let admin = world.create_token(Format::Signed, "2", 2).await;
    let all = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1");
    let response = world.send("Revoke", all.authorization(&bearer(&admin.text))).await;
    assert!(response.status < 300, "{}", response.body);
    assert_eq!(world.verdict(&bearer(&token.text)).await, "revoked");
}

#[tokio::test]
async fn in_a_new_stack_no_token_of_the_old_one_is_accepted() {
    let old = World::new().await;
    let other = KEYS.replace("QsbwGHbg", "b3RoZXJz");
    let new = World::with(&[("HALLPASS_KEYS", &other)]).await;
    let restored_under_the_old_keyring = World::new().await;
    for (seed, format) in (1..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        let token = old.create_token(format, "1", seed).await;
        assert_eq!(old.verdict(&bearer(&token.text)).await, "allow");
        assert_eq!(new.verdict(&bearer(&token.text)).await, "malformed", "{format:?}");
        assert_eq!(
            restored_under_the_old_keyring.verdict(&bearer(&token.text)).await,
            "unknown",
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn a_restored_table_of_users_revives_no_token_that_prune_has_invalidated() {
    let world = World::new().await;
    let (invalidated, others) = (
        world.create_token(Format::Signed, "1", 1).await,
        world.create_token(Format::Signed, "2", 2).await,
    );
    let backup = world.user_item("1").await;
    world.set_user("1", "username", Some(tests::api::text("renamed"))).await;
    world.delivery.drain().await.unwrap();
    let since = world.create_token(Format::Signed, "1", 3).await;
    assert_eq!(world.verdict(&bearer(&since.text)).await, "allow");
    world.put("Users", backup).await;
    assert_eq!(world.verdict(&bearer(&invalidated.text)).await, "user_changed");
    assert_eq!(
        world.verdict(&bearer(&since.text)).await,
        "user_changed",
        "it was created for an earlier state of the user"
    );
    assert_eq!(world.verdict(&bearer(&others.text)).await, "allow");
}
