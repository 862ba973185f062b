//! A conditional write whose first response was lost meets its own effect at the second attempt.
//! The response says that the work was done once.

use hallpass_store::{
    attempts::RateLimit,
    changes::Change,
    management::{Added, NewUser, Renamed},
    rotation::Rotated,
    sessions::Session,
    tokens::Marked,
    users::Written,
};
use hallpass_token::{
    Binding, Format, Origin, Reason, Revocation, UserId, UserKind, secret::Digest,
};
use serde_json::json;
use tests::{
    World,
    api::bearer,
    capability::{Capability, lacks},
    tap::{Fault, Tap},
};

const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

fn user(id: &str, name: &str) -> NewUser {
    NewUser {
        id: id.parse().unwrap(),
        username: name.to_owned(),
        full_name: Some("Ada".to_owned()),
        kind: UserKind::Person,
        password_hash: None,
        permissions: ["b".parse().unwrap(), "a".parse().unwrap()].into_iter().collect(),
        token_generation: 5,
    }
}

async fn generation(world: &World) -> String {
    world.user_item("1").await["token_generation"].as_n().unwrap().clone()
}

#[tokio::test]
async fn a_user_is_added_renamed_and_removed_once_though_the_first_response_was_lost() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let lose = || tap.inject("TransactWriteItems", 0, 1, Fault::Lose);
    lose();
    assert_eq!(store.add_user(&user("9", "ada"), &tests::CAUSE).await.unwrap(), Added::Now);
    lose();
    assert_eq!(
        store
            .rename_user(&"9".parse().unwrap(), "eve", Some(tests::invalidate(7)), &tests::CAUSE)
            .await
            .unwrap(),
        Renamed::Now
    );
    if !lacks(Capability::Idempotency, "both attempts raise the generation").await {
        assert_eq!(
            world.user_item("9").await["token_generation"].as_n().unwrap(),
            "6",
            "raised once"
        );
    }
    lose();
    assert_eq!(
        store.remove_user(&"9".parse().unwrap(), &tests::CAUSE).await.unwrap(),
        Written::Now
    );
    assert_eq!(
        store.remove_user(&"9".parse().unwrap(), &tests::CAUSE).await.unwrap(),
        Written::Unknown
    );
    tap.inject("DeleteItem", 0, 1, Fault::Lose);
    assert_eq!(
        store.remove_user(&"1".parse().unwrap(), &tests::CAUSE).await.unwrap(),
        Written::Now
    );
}

#[tokio::test]
async fn a_user_is_changed_once_though_the_first_response_was_lost() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let id: UserId = "1".parse().unwrap();
    let permission = || "reports".parse().unwrap();
    for (change, expected) in [
        (Change::Block, "6"),
        (Change::Unblock, "7"),
        (Change::Password("hash".to_owned()), "8"),
        (Change::Grant(permission()), "9"),
        (Change::Deny(permission()), "10"),
    ] {
        tap.inject("UpdateItem", 0, 1, Fault::Lose);
        assert_eq!(
            store
                .change_user(&id, &change, Some(tests::invalidate(7)), &tests::CAUSE)
                .await
                .unwrap(),
            Written::Now,
            "{change:?}"
        );
        assert_eq!(generation(&world).await, expected, "{change:?}");
        tap.inject("UpdateItem", 0, 1, Fault::Lose);
        assert_eq!(
            store.change_user(&id, &change, None, &tests::CAUSE).await.unwrap(),
            Written::Now,
            "{change:?}"
        );
        assert_eq!(generation(&world).await, expected, "{change:?}");
    }
    tap.inject("UpdateItem", 0, 1, Fault::Lose);
    assert_eq!(
        store.raise_generation(&id, tests::invalidate(7), &tests::CAUSE).await.unwrap(),
        Written::Now
    );
    // Both attempts raise it, which has no other effect.
    assert_eq!(generation(&world).await, "12");
}

#[tokio::test]
async fn a_token_is_revoked_disabled_and_withdrawn_once_though_the_first_response_was_lost() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let revocation = Revocation { at: world.now(), because: Reason::Revoked };
    for (seed, format) in (1..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        let record = world.create_token(format, "1", seed).await.record;
        let lose = || tap.inject("UpdateItem", 0, 1, Fault::Lose);
        lose();
        assert_eq!(
            store.set_disabled(&record, Some(world.now()), &tests::CAUSE).await.unwrap(),
            Marked::Now
        );
        lose();
        assert_eq!(store.set_disabled(&record, None, &tests::CAUSE).await.unwrap(), Marked::Now);
        lose();
        assert!(
            !store.record_last_used(&record, world.now(), Origin::default()).await.unwrap(),
            "noted within the hour, by this very call"
        );
        assert_eq!(world.record(&record.id).await.last_used_at, Some(world.now()));
        lose();
        assert_eq!(
            store.revoke_one(&record.id, format, (revocation, None), &tests::CAUSE).await.unwrap(),
            Marked::Now,
            "{format}"
        );
        assert_eq!(
            store.revoke_one(&record.id, format, (revocation, None), &tests::CAUSE).await.unwrap(),
            Marked::Before,
            "{format}"
        );
        lose();
        assert_eq!(store.set_disabled(&record, None, &tests::CAUSE).await.unwrap(), Marked::Before);
        tap.inject("DeleteItem", 0, 1, Fault::Lose);
        store.withdraw(&record, &tests::CAUSE).await.unwrap();
        assert!(store.record(&record.id).await.unwrap().is_none());
    }
}

/// An undone rotation leaves the old token in its present state, and no new one.
#[tokio::test]
async fn a_rotation_is_undone_once_in_any_state_of_the_old_token() {
    type Meanwhile = fn(&Tap);
    let check = async |seed: u8, name: &str, expected: &str, fault: Meanwhile| {
        let (world, tap) = World::tapped(&[]).await;
        let store = world.service().store;
        let old = world.create_token(Format::Signed, "1", seed).await;
        let before = world.record_item(&old.record).await;
        let mut new = world.unwritten(Format::Signed, "1", seed + 100).await;
        new.record.replaces = Some(old.record.id.hash);
        let window = world.now().after(HOUR / 60);
        assert_eq!(
            store.rotate(&new.record, &old.record, window, None, &tests::CAUSE).await.unwrap(),
            Rotated::Now,
            "{name}"
        );
        match expected {
            "revoked" => {
                let revocation = Revocation { at: world.now(), because: Reason::Revoked };
                store
                    .revoke_one(&old.record.id, Format::Signed, (revocation, None), &tests::CAUSE)
                    .await
                    .unwrap();
            }
            "disabled" => {
                store.set_disabled(&old.record, Some(world.now()), &tests::CAUSE).await.unwrap();
            }
            "unknown" => store.withdraw(&old.record, &tests::CAUSE).await.unwrap(),
            _ => {}
        }
        fault(&tap);
        for _ in 0..2 {
            store.withdraw(&new.record, &tests::CAUSE).await.unwrap();
            assert!(store.record(&new.record.id).await.unwrap().is_none(), "{name}");
        }
        if expected == "allow" {
            let mut after = world.record_item(&old.record).await;
            after.insert("version".to_owned(), before["version"].clone());
            assert_eq!(after, before, "{name}");
        }
        world.advance(120);
        assert_eq!(world.verdict(&bearer(&old.text)).await, expected, "{name}");
        assert_eq!(world.verdict(&bearer(&new.text)).await, "unknown", "{name}");
    };
    let (nothing, lost): (Meanwhile, Meanwhile) =
        (|_| {}, |tap| tap.inject("TransactWriteItems", 0, 1, Fault::Lose));
    check(1, "it stays live", "allow", nothing).await;
    check(2, "the response was lost", "allow", lost).await;
    check(3, "another transaction holds it", "allow", |tap| {
        tap.inject("TransactWriteItems", 0, 2, Fault::Cancel(&["TransactionConflict", "None"]));
    })
    .await;
    check(4, "it was revoked", "revoked", nothing).await;
    check(5, "it was disabled", "disabled", nothing).await;
    check(6, "it was deleted", "unknown", nothing).await;
    check(7, "it was disabled, and the response was lost", "disabled", lost).await;
}

#[tokio::test]
async fn a_session_and_a_flow_end_once_though_the_first_response_was_lost() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let owner = world.store.user(&"1".parse().unwrap()).await.unwrap().unwrap();
    let session = Session::of(
        &owner,
        Binding::new(["status".to_owned()]),
        world.now(),
        world.now().after(HOUR),
    );
    let id = Digest::of(b"session");
    tap.inject("PutItem", 0, 1, Fault::Lose);
    store.begin_session(&id, &session).await.unwrap();
    tap.inject("UpdateItem", 0, 1, Fault::Lose);
    store.end_session(&owner.id, &id, world.now()).await.unwrap();
    let ended = store.session(&owner.id, &id).await.unwrap().unwrap();
    assert!(
        ended.expires_at.after(HOUR) < world.now(),
        "it has expired for a function whose clock is an hour late"
    );
    let flow = hallpass_store::flows::Flow {
        session,
        client_id: "c".to_owned(),
        authenticity: Digest::of(b"form"),
    };
    tap.inject("PutItem", 0, 1, Fault::Lose);
    store.begin_flow(&id, &flow).await.unwrap();
    if !lacks(Capability::Idempotency, "the response to the end of a flow is not lost").await {
        tap.inject("TransactWriteItems", 0, 1, Fault::Lose);
    }
    assert!(store.end_flow(&owner.id, &id).await.unwrap());
    assert!(!store.end_flow(&owner.id, &id).await.unwrap());
}

#[tokio::test]
async fn of_many_requests_that_end_a_flow_one_is_the_first() {
    let world = World::new().await;
    let owner = world.store.user(&"1".parse().unwrap()).await.unwrap().unwrap();
    let session = Session::of(&owner, Binding::new([]), world.now(), world.now().after(HOUR));
    let flow = hallpass_store::flows::Flow {
        session,
        client_id: "c".to_owned(),
        authenticity: Digest::of(b"form"),
    };
    let id = Digest::of(b"flow");
    world.store.begin_flow(&id, &flow).await.unwrap();
    let ending = (0..8).map(|_| world.store.end_flow(&owner.id, &id));
    let ended = futures_util::future::join_all(ending).await;
    assert_eq!(ended.into_iter().filter(|first| *first.as_ref().unwrap()).count(), 1);
}

/// A write by another client is not mistaken for the caller's own.
#[tokio::test]
async fn a_write_by_another_client_is_not_mistaken_for_the_caller_s() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    assert_eq!(store.add_user(&user("1", "ada"), &tests::CAUSE).await.unwrap(), Added::IdTaken);
    assert_eq!(
        store.add_user(&user("9", "MY_USERNAME"), &tests::CAUSE).await.unwrap(),
        Added::NameTaken
    );
    let mut other = world.create_token(Format::Signed, "2", 2).await.record;
    store.insert(&other, &tests::CAUSE).await.unwrap();
    other.description = Some("another".to_owned());
    assert!(store.insert(&other, &tests::CAUSE).await.is_err());
    let old = world.create_token(Format::Developer, "2", 3).await.record.id;
    let new = world.create_token(Format::Developer, "2", 4).await;
    let revocation = Revocation { at: world.now(), because: Reason::Revoked };
    assert_eq!(
        store.revoke_one(&old, Format::Developer, (revocation, None), &tests::CAUSE).await.unwrap(),
        Marked::Unknown
    );
    assert_eq!(world.verdict(&bearer(&new.text)).await, "allow");
    let token = world.create_token(Format::Signed, "2", 1).await;
    let earlier = Revocation { at: world.now(), because: Reason::Revoked };
    world
        .store
        .revoke_one(&token.record.id, Format::Signed, (earlier, None), &tests::CAUSE)
        .await
        .unwrap();
    world.advance(1);
    let later = Revocation { at: world.now(), because: Reason::Revoked };
    tap.inject("UpdateItem", 0, 1, Fault::Lose);
    assert_eq!(
        store
            .revoke_one(&token.record.id, Format::Signed, (later, None), &tests::CAUSE)
            .await
            .unwrap(),
        Marked::Before
    );
    assert_eq!(world.verdict(&bearer(&token.text)).await, "revoked");
    assert_eq!(
        json!(world.record(&token.record.id).await.revoked.map(|revocation| revocation.at.unix())),
        json!(earlier.at.unix())
    );
}

#[tokio::test]
async fn an_attempt_is_counted_once_though_the_first_response_was_lost() {
    let (world, tap) = World::tapped(&[]).await;
    let (store, now) = (world.service().store, world.now());
    let reserve = async |id: &str| store.reserve("counter", id, 1, now).await.unwrap();
    tap.inject("UpdateItem", 0, 1, Fault::Lose);
    assert_eq!(reserve("first").await, RateLimit::Allowed);
    assert!(matches!(reserve("second").await, RateLimit::RetryAfter(_)));
}
