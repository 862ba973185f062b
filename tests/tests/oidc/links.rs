//! Links between users and identities: both sides, and what ends with them.

use std::time::Duration;

use hallpass_service::users;
use hallpass_store::{
    links::{Linked, Unlinked},
    management::NewUser,
    marking::Invalidate,
};
use hallpass_token::{Scope, UserKind};
use tests::{api::text, pages::OWN};

use super::{ADA, Setup};

#[tokio::test]
async fn a_link_has_two_sides_and_is_the_only_way_in() {
    let setup = Setup::new().await;
    let store = setup.system.store();
    let status = async || {
        let mut browser = setup.browser();
        setup.sign_in(&mut browser, ADA, |_| {}).await.status
    };
    assert_eq!(setup.link("1", ADA).await, Linked::Now, "a repeated call changes nothing");
    assert_eq!(setup.link("1", "another").await, Linked::ToAnother);
    assert_eq!(setup.link("2", ADA).await, Linked::TakenBy("1".parse().unwrap()));
    assert_eq!(setup.link("unknown", "another").await, Linked::UnknownUser);
    assert_eq!(status().await, 200);
    setup.system.set_user("1", "status", text("blocked")).await;
    assert_eq!(status().await, 403);
    setup.system.set_user("1", "status", text("active")).await;
    // An application took the user's side away, or gave the user another.
    setup.system.set_user("1", "oidc_identity", text("x")).await;
    assert_eq!(status().await, 403);
    assert_eq!(setup.link("2", ADA).await, Linked::Now, "a link with one side is none");
    let how = Invalidate { fresh: 7, retention: Duration::ZERO };
    assert_eq!(
        store.unlink(&"2".parse().unwrap(), how, &tests::CAUSE).await.unwrap(),
        Unlinked::Now
    );
    assert_eq!(
        store.unlink(&"2".parse().unwrap(), how, &tests::CAUSE).await.unwrap(),
        Unlinked::Before
    );
    assert_eq!(status().await, 403);
    setup.system.stop().await;
}

#[tokio::test]
async fn a_user_who_is_removed_and_added_again_is_not_linked() {
    let setup = Setup::new().await;
    let store = setup.system.store();
    let id = "1".parse().unwrap();
    let user = store.user(&id).await.unwrap().unwrap();
    users::remove(&store, &user, &tests::CAUSE).await.unwrap();
    assert_eq!(setup.sign_in(&mut setup.browser(), ADA, |_| {}).await.status, 403);
    let again = NewUser {
        id,
        username: user.username,
        full_name: None,
        kind: UserKind::Person,
        password_hash: None,
        permissions: Scope::default(),
        token_generation: 3,
    };
    store.add_user(&again, &tests::CAUSE).await.unwrap();
    assert_eq!(setup.sign_in(&mut setup.browser(), ADA, |_| {}).await.status, 403);
    setup.system.stop().await;
}

#[tokio::test]
async fn unlinking_ends_sessions_and_tokens() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    assert_eq!(setup.sign_in(&mut browser, ADA, |_| {}).await.status, 200);
    assert_eq!(browser.get(OWN).await.status, 200);
    let token = browser.create_token(&[("name", "a"), ("limit", "all")]).await;
    assert_eq!(setup.system.verdict(&token).await, "allow");
    let how = Invalidate { fresh: 7, retention: Duration::ZERO };
    let unlinked =
        setup.system.store().unlink(&"1".parse().unwrap(), how, &tests::CAUSE).await.unwrap();
    assert_eq!(unlinked, Unlinked::Now);
    assert_eq!(browser.get(OWN).await.status, 401);
    assert_ne!(setup.system.verdict(&token).await, "allow");
    setup.system.stop().await;
}
