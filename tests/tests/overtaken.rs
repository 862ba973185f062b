//! Another writer changes the same items between the reads and the write of a call.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_store::{
    changes::Change,
    management::{Added, NewUser, Renamed},
    users::Written,
};
use hallpass_token::{Format, Reason, Revocation, UserId, UserKind};
use tests::{
    World,
    api::text,
    tap::{Fault, Tap},
};

const GENERATION: &str = "token_generation";

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn set(names: &[&str]) -> AttributeValue {
    AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect())
}

fn id() -> UserId {
    "1".parse().unwrap()
}

/// Runs a call, and lets another writer act before its first request of this operation.
fn overtaken<T>(
    tap: &Tap,
    operation: &'static str,
    call: impl Future<Output = T>,
    other: impl Future<Output = ()>,
) -> impl Future<Output = T> {
    let (call, other) = (Box::pin(call), Box::pin(other));
    async move {
        let (outcome, was_held) = tap.meanwhile(operation, 0, call, other).await;
        assert!(was_held, "no {operation}");
        outcome
    }
}

#[tokio::test]
async fn a_change_is_made_though_another_writer_raises_the_generation_to_the_same_value() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    world.set_user("1", "status", None).await;
    world.set_user("1", GENERATION, Some(number("5"))).await;
    let id = id();
    let change = store.change_user(&id, &Change::Block, Some(tests::invalidate(7)), &tests::CAUSE);
    let written =
        overtaken(&tap, "UpdateItem", change, world.set_user("1", GENERATION, Some(number("6"))))
            .await;
    assert_eq!(written.unwrap(), Written::Now);
    let item = world.user_item("1").await;
    assert_eq!((&item["status"], &item[GENERATION]), (&text("blocked"), &number("7")));
}

#[tokio::test]
async fn a_permission_is_removed_though_another_writer_adds_one() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    world.set_user("1", "permissions", Some(set(&["a"]))).await;
    let (id, deny) = (id(), Change::Deny("a".parse().unwrap()));
    let change = store.change_user(&id, &deny, None, &tests::CAUSE);
    let written = overtaken(
        &tap,
        "UpdateItem",
        change,
        world.set_user("1", "permissions", Some(set(&["a", "b"]))),
    );
    assert_eq!(written.await.unwrap(), Written::Now);
    assert_eq!(world.user_item("1").await["permissions"], set(&["b"]));
}

#[tokio::test]
async fn a_user_who_is_removed_meanwhile_is_unknown_and_stays_removed() {
    let (world, tap) = World::tapped(&[]).await;
    let (store, id) = (world.service().store, id());
    let item = world.user_item("1").await;
    let deny = Change::Deny("ROLE_USER".parse().unwrap());
    for how in [None, Some(tests::invalidate(7))] {
        for change in [&deny, &Change::Block, &Change::Password("hash".to_owned())] {
            world.put("Users", item.clone()).await;
            let written = overtaken(
                &tap,
                "UpdateItem",
                store.change_user(&id, change, how, &tests::CAUSE),
                world.remove_user("1"),
            );
            assert_eq!(written.await.unwrap(), Written::Unknown, "{change:?}");
            assert!(world.store.user(&id).await.unwrap().is_none(), "{change:?}");
        }
        world.put("Users", item.clone()).await;
        let renamed = store.rename_user(&id, "ada", how, &tests::CAUSE);
        let renamed = overtaken(&tap, "TransactWriteItems", renamed, world.remove_user("1")).await;
        assert_eq!(renamed.unwrap(), Renamed::Unknown);
        assert!(world.store.user(&id).await.unwrap().is_none());
    }
    world.put("Users", item).await;
    let raised = store.raise_generation(&id, tests::invalidate(7), &tests::CAUSE);
    assert_eq!(
        overtaken(&tap, "UpdateItem", raised, world.remove_user("1")).await.unwrap(),
        Written::Unknown
    );
}

#[tokio::test]
async fn a_user_without_room_for_a_password_who_is_removed_meanwhile_is_unknown() {
    let (world, tap) = World::tapped(&[]).await;
    let (store, id) = (world.service().store, id());
    tap.inject("UpdateItem", 0, 2, Fault::Reject(400, "ValidationException"));
    let change = Change::Password("hash".to_owned());
    let written =
        Box::pin(store.change_user(&id, &change, Some(tests::invalidate(7)), &tests::CAUSE));
    let (written, was_held) =
        tap.meanwhile("UpdateItem", 2, written, Box::pin(world.remove_user("1"))).await;
    assert_eq!((written.unwrap(), was_held), (Written::Unknown, true));
}

#[tokio::test]
async fn a_rename_is_made_though_another_writer_raises_the_generation() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    world.set_user("1", GENERATION, Some(number("5"))).await;
    let id = id();
    let renamed = store.rename_user(&id, "ada", Some(tests::invalidate(7)), &tests::CAUSE);
    let other = world.set_user("1", GENERATION, Some(number("6")));
    assert_eq!(overtaken(&tap, "TransactWriteItems", renamed, other).await.unwrap(), Renamed::Now);
    let item = world.user_item("1").await;
    assert_eq!((&item["username"], &item[GENERATION]), (&text("ada"), &number("7")));
}

#[tokio::test]
async fn a_name_is_not_repaired_if_the_user_is_renamed_meanwhile() {
    let world = World::new().await;
    world.set_user("1", "username_key", None).await;
    let user = world.store.user(&id()).await.unwrap().unwrap();
    world.set_user("1", "username", Some(text("ada"))).await;
    let before = (world.user_item("1").await, world.dump("Tokens").await);
    assert_eq!(world.store.repair_name(&user).await.unwrap(), Renamed::Unknown);
    assert_eq!((world.user_item("1").await, world.dump("Tokens").await), before);
}

#[tokio::test]
async fn a_user_whose_name_another_user_gets_afterwards_was_added() {
    let world = World::new().await;
    let user = |id: &str, name: &str| NewUser {
        id: id.parse().unwrap(),
        username: name.to_owned(),
        full_name: None,
        kind: UserKind::Person,
        password_hash: None,
        permissions: hallpass_token::Scope::default(),
        token_generation: 5,
    };
    let add = async |user: NewUser| world.store.add_user(&user, &tests::CAUSE).await.unwrap();
    assert_eq!(add(user("9", "ada")).await, Added::Now);
    assert_eq!(add(user("9", "ada")).await, Added::Now, "the same call again");
    world.store.put_user(&user("10", "ADA")).await.unwrap();
    assert_eq!(add(user("9", "ada")).await, Added::Now);
    assert_eq!(add(user("9", "my_username")).await, Added::IdTaken);
    assert_eq!(add(user("11", "ada")).await, Added::NameTaken);
}

#[tokio::test]
async fn a_token_that_is_issued_while_a_user_s_tokens_are_revoked_is_revoked_too() {
    let (world, tap) = World::tapped(&[]).await;
    let (store, id) = (world.service().store, id());
    world.create_token(Format::Signed, "1", 1).await;
    let mark = (Revocation { at: world.now(), because: Reason::Revoked }, None);
    let revoked = store.revoke_of_user(&id, |_| true, mark, &tests::CAUSE);
    let other = async { drop(world.create_token(Format::Signed, "1", 2).await) };
    assert_eq!(
        overtaken(&tap, "UpdateItem", revoked, other).await.unwrap().map(|ids| ids.len()),
        Some(2)
    );
    assert!(
        world.store.records_of(&id).await.unwrap().iter().all(|record| record.revoked.is_some())
    );
}
