//! What an error of a write means: an outcome, another attempt, an item without room, or a failure.
//! The tap rejects the write, so that the codes are DynamoDB's on every engine.

use std::time::Duration;

use hallpass_store::{
    Store,
    changes::Change,
    developer::Replaced,
    flows::Flow,
    management::{Added, NewUser, Renamed},
    rotation::Rotated,
    sessions::Session,
    users::Written,
};
use hallpass_token::{
    Binding, Format, Origin, Record, Timestamp, UserId, UserKind, secret::Digest,
};
use tests::{
    World,
    api::{bearer, text},
    tap::{ALWAYS, Fault, Tap},
};

const DENIED: Fault = Fault::Reject(400, "AccessDeniedException");
const NO_ROOM: Fault = Fault::Reject(400, "ValidationException");
const NO_ROOM_IN_TRANSACTION: Fault = Fault::Cancel(&["ValidationError", "None"]);
const CONFLICT: Fault = Fault::Cancel(&["TransactionConflict", "None"]);

const UNMET: &str = "ConditionalCheckFailed";

fn ada() -> NewUser {
    NewUser {
        id: "9".parse().unwrap(),
        username: "ada".to_owned(),
        full_name: None,
        kind: UserKind::Person,
        password_hash: None,
        permissions: hallpass_token::Scope::default(),
        token_generation: 9,
    }
}

/// Returns a world with a user whose name has a marker, a tap, and a store that writes through it.
async fn world() -> (World, Tap, Store, UserId) {
    let (world, tap) = World::tapped(&[]).await;
    assert_eq!(world.store.add_user(&ada(), &tests::CAUSE).await.unwrap(), Added::Now);
    let store = world.service().store;
    (world, tap, store, ada().id)
}

/// The outcome of replacing one token with another.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Replacing {
    Now,
    Lost,
    ParentEnded,
    Failure,
}

async fn rotate(store: &Store, new: &Record, old: &Record, parent: Option<&Record>) -> Replacing {
    let ends_at = new.issued_at.after(Duration::from_secs(60));
    store.rotate(new, old, ends_at, parent, &tests::CAUSE).await.map_or(
        Replacing::Failure,
        |rotated| match rotated {
            Rotated::Now => Replacing::Now,
            Rotated::Lost => Replacing::Lost,
            Rotated::ParentEnded => Replacing::ParentEnded,
        },
    )
}

async fn regenerate(store: &Store, new: &Record, parent: Option<&Record>) -> Replacing {
    store.replace_developer(new, None, parent, Timestamp::MAX, &tests::CAUSE).await.map_or(
        Replacing::Failure,
        |replaced| match replaced {
            Replaced::Now => Replacing::Now,
            Replaced::Lost => Replacing::Lost,
            Replaced::ParentEnded => Replacing::ParentEnded,
        },
    )
}

#[tokio::test]
async fn a_cancelled_replacement_was_lost_unless_the_condition_of_the_parent_was_not_met() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let parent = world.create_token(Format::Signed, "1", 1).await.record;
    let old = world.create_token(Format::Signed, "1", 2).await.record;
    let new = world.unwritten(Format::Signed, "1", 3).await.record;
    let developer = world.unwritten(Format::Developer, "1", 4).await.record;
    let check = async |fault: Fault, with_parent: Replacing, without: Replacing| {
        tap.inject("TransactWriteItems", 0, ALWAYS, fault);
        for (parent, expected) in [(Some(&parent), with_parent), (None, without)] {
            assert_eq!(rotate(&store, &new, &old, parent).await, expected, "rotate: {fault:?}");
            assert_eq!(
                regenerate(&store, &developer, parent).await,
                expected,
                "regenerate: {fault:?}"
            );
        }
        tap.heal();
    };
    check(Fault::Cancel(&[UNMET, "None", "None"]), Replacing::Lost, Replacing::Lost).await;
    check(Fault::Cancel(&["None", "None", UNMET]), Replacing::ParentEnded, Replacing::Lost).await;
    check(Fault::Cancel(&[UNMET, "None", UNMET]), Replacing::ParentEnded, Replacing::Lost).await;
    check(
        Fault::Cancel(&["TransactionConflict", "None", "None"]),
        Replacing::Lost,
        Replacing::Lost,
    )
    .await;
    check(
        Fault::Cancel(&["None", "None", "TransactionConflict"]),
        Replacing::Lost,
        Replacing::Lost,
    )
    .await;
    check(
        Fault::Cancel(&["None", "None", "ThrottlingError"]),
        Replacing::Failure,
        Replacing::Failure,
    )
    .await;
    check(DENIED, Replacing::Failure, Replacing::Failure).await;
    assert_eq!(rotate(&store, &new, &old, Some(&parent)).await, Replacing::Now);
    assert_eq!(regenerate(&store, &developer, Some(&parent)).await, Replacing::Now);
}

#[tokio::test]
async fn only_a_parent_that_is_live_replaces_a_token() {
    let world = World::new().await;
    let store = &world.store;
    let parent = world.create_token(Format::Signed, "1", 1).await;
    let old = world.create_token(Format::Signed, "1", 2).await.record;
    let new = world.unwritten(Format::Signed, "1", 3).await.record;
    let developer = world.unwritten(Format::Developer, "1", 4).await.record;
    let before = world.dump("Tokens").await.len();
    world.delete(&parent.text, "current").await;
    assert_eq!(rotate(store, &new, &old, Some(&parent.record)).await, Replacing::ParentEnded);
    assert_eq!(regenerate(store, &developer, Some(&parent.record)).await, Replacing::ParentEnded);
    assert_eq!(world.dump("Tokens").await.len(), before);
}

#[tokio::test]
async fn undoing_a_rotation_is_repeated_only_after_a_conflict() {
    let check = async |fault: Fault, is_undone: bool| {
        let (world, tap) = World::tapped(&[]).await;
        let store = world.service().store;
        let old = world.create_token(Format::Signed, "1", 1).await.record;
        let mut new = world.unwritten(Format::Signed, "1", 2).await.record;
        new.replaces = Some(old.id.hash);
        assert_eq!(rotate(&store, &new, &old, None).await, Replacing::Now);
        tap.inject("TransactWriteItems", 0, 1, fault);
        assert_eq!(store.withdraw(&new, &tests::CAUSE).await.is_ok(), is_undone, "{fault:?}");
        assert_eq!(store.record(&new.id).await.unwrap().is_none(), is_undone, "{fault:?}");
    };
    check(CONFLICT, true).await;
    check(DENIED, false).await;
}

#[tokio::test]
async fn removing_a_user_is_repeated_only_after_a_conflict() {
    let check = async |fault: Fault, expected: Option<Written>| {
        let (world, tap, store, id) = world().await;
        tap.inject("TransactWriteItems", 0, 1, fault);
        assert_eq!(store.remove_user(&id, &tests::CAUSE).await.ok(), expected, "{fault:?}");
        assert_eq!(world.store.user(&id).await.unwrap().is_none(), expected.is_some(), "{fault:?}");
    };
    check(CONFLICT, Some(Written::Now)).await;
    check(DENIED, None).await;
}

#[tokio::test]
async fn renaming_a_user_is_repeated_after_a_conflict_and_without_room_for_a_generation() {
    let check = async |fault: Fault, expected: Option<Renamed>, generation: &str| {
        let (world, tap, store, id) = world().await;
        let token = world.create_token(Format::Signed, "9", 1).await.record.id;
        tap.inject("TransactWriteItems", 0, 1, fault);
        assert_eq!(
            store.rename_user(&id, "eve", Some(tests::invalidate(7)), &tests::CAUSE).await.ok(),
            expected,
            "{fault:?}"
        );
        let item = world.user_item("9").await;
        assert_eq!(item["username"] == text("eve"), expected.is_some(), "{fault:?}");
        assert_eq!(item["token_generation"].as_n().unwrap(), generation, "{fault:?}");
        let is_revoked = world.record(&token).await.revoked.is_some();
        assert_eq!(is_revoked, expected.is_some() && generation == "9", "{fault:?}");
    };
    check(CONFLICT, Some(Renamed::Now), "10").await;
    check(NO_ROOM_IN_TRANSACTION, Some(Renamed::Now), "9").await;
    check(NO_ROOM, Some(Renamed::Now), "9").await;
    check(DENIED, None, "9").await;
}

#[tokio::test]
async fn a_name_that_another_transaction_holds_is_left_to_the_next_sweep() {
    let check = async |fault: Option<Fault>, expected: Option<bool>| {
        let (world, tap, store, id) = world().await;
        world.set_user("9", "username", Some(text("eve"))).await;
        let user = world.store.user(&id).await.unwrap();
        if let Some(fault) = fault {
            tap.inject("TransactWriteItems", 0, 1, fault);
        }
        assert_eq!(
            store.drop_stale_name("ada", &id, user.as_ref()).await.ok(),
            expected,
            "{fault:?}"
        );
        assert_eq!(world.dump("Tokens").await.is_empty(), expected == Some(true), "{fault:?}");
    };
    check(None, Some(true)).await;
    check(Some(CONFLICT), Some(false)).await;
    check(Some(DENIED), None).await;
}

#[tokio::test]
async fn a_flow_that_another_transaction_holds_is_ended_by_the_next_attempt() {
    let check = async |fault: Fault, expected: Option<bool>| {
        let (world, tap) = World::tapped(&[]).await;
        let store = world.service().store;
        let owner = world.store.user(&"1".parse().unwrap()).await.unwrap().unwrap();
        let session = Session::of(
            &owner,
            Binding::new([]),
            world.now(),
            world.now().after(Duration::from_secs(60)),
        );
        let flow = Flow { session, client_id: "c".to_owned(), authenticity: Digest::of(b"form") };
        let id = Digest::of(b"flow");
        store.begin_flow(&id, &flow).await.unwrap();
        tap.inject("TransactWriteItems", 0, 1, fault);
        assert_eq!(store.end_flow(&owner.id, &id).await.ok(), expected, "{fault:?}");
    };
    check(CONFLICT, Some(true)).await;
    check(Fault::Cancel(&[UNMET]), Some(false)).await;
    check(DENIED, None).await;
}

/// A user whose item has no room is changed without a generation, and the tokens are revoked one by
/// one.
#[tokio::test]
async fn an_update_without_room_revokes_the_tokens_and_any_other_error_changes_nothing() {
    let check = async |change: Option<Change>, fault: Fault, expected: Option<Written>| {
        let (world, tap, store, id) = world().await;
        let token = world.create_token(Format::Signed, "9", 1).await;
        let before = world.user_item("9").await;
        // An update without room is first tried again without the cause.
        let times = if change.is_none() && expected.is_some() { 2 } else { 1 };
        tap.inject("UpdateItem", 0, times, fault);
        let how = tests::invalidate(7);
        let written = match &change {
            Some(change) => store.change_user(&id, change, Some(how), &tests::CAUSE).await,
            None => store.raise_generation(&id, how, &tests::CAUSE).await,
        };
        assert_eq!(written.ok(), expected, "{change:?} {fault:?}");
        let mut after = world.user_item("9").await;
        if expected.is_some() && change.is_some() {
            assert_eq!(
                after.insert("status".to_owned(), text("active")),
                Some(text("blocked")),
                "{fault:?}"
            );
        }
        assert_eq!(after, before, "{change:?} {fault:?}: no generation was raised");
        world.put("Users", after).await;
        let verdict = world.verdict(&bearer(&token.text)).await;
        assert_eq!(verdict == "allow", expected.is_none(), "{change:?} {fault:?}: {verdict}");
    };
    check(Some(Change::Block), NO_ROOM, Some(Written::Now)).await;
    check(Some(Change::Block), DENIED, None).await;
    check(None, NO_ROOM, Some(Written::Now)).await;
    check(None, DENIED, None).await;
}

#[tokio::test]
async fn a_write_that_is_denied_is_a_failure_and_not_an_unmet_condition() {
    let (world, tap) = World::tapped(&[]).await;
    let (store, now) = (world.service().store, world.now());
    let record = world.create_token(Format::Signed, "1", 1).await.record;
    for operation in ["UpdateItem", "DeleteItem"] {
        tap.inject(operation, 0, ALWAYS, DENIED);
    }
    assert!(store.record_last_used(&record, now, Origin::default()).await.is_err());
    assert!(store.withdraw(&record, &tests::CAUSE).await.is_err());
    tap.heal();
    assert!(store.record_last_used(&record, now, Origin::default()).await.unwrap());
    assert!(
        !store.record_last_used(&record, now, Origin::default()).await.unwrap(),
        "within the hour"
    );
    store.withdraw(&record, &tests::CAUSE).await.unwrap();
    store.withdraw(&record, &tests::CAUSE).await.unwrap();
}
