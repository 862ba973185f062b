//! Events of the user stream in Lambda's form, and prune's decisions.
//!
//! Prune invalidates tokens of a removed or changed user, but not tokens issued after the change
//! for the present user. Processing a change twice has the same result as once.
#![no_main]

use std::{collections::BTreeMap, time::Duration};

use fuzz::now;
use hallpass_prune::{
    Event,
    stream::{Change, changes, why},
};
use hallpass_store::live::LiveRecord;
use hallpass_token::{Binding, Format, Snapshot, Timestamp, TokenId, User, UserId, Value};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;

fuzz_target!(|data: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Json>(data) else { return };
    let has_records = event.get("Records").is_some();
    let batch = || match serde_json::from_value::<Event>(event.clone()) {
        Ok(Event::Stream(event)) => changes(event.records, now()).ok(),
        Ok(Event::Schedule(_)) => {
            assert!(!has_records, "a batch of the stream was read as a scheduled event");
            None
        }
        Err(error) => {
            assert_eq!(error.to_string(), "the records of the stream cannot be read");
            None
        }
    };
    let (Some(once), Some(again)) = (batch(), batch()) else { return };
    for ((user_id, changes), (_, repeated)) in once.into_iter().zip(again) {
        decide(user_id, changes, repeated);
    }
});

fn decide(user_id: UserId, mut changes: Vec<Change>, repeated: Vec<Change>) {
    let user = user(user_id, "ada");
    let before = record(&user, now().before(Duration::from_secs(1)));
    let later = record(&user, Timestamp::MAX);
    assert_eq!(why(&before, Some(&user), &[]), None);
    assert_eq!(
        why(&later, Some(&user), &changes),
        None,
        "an older change invalidates a later token"
    );
    for record in [&before, &later] {
        assert!(why(record, None, &changes).is_some(), "a removed user's token stays valid");
        assert!(
            why(record, Some(&self::user(user_id, "bob")), &changes).is_some(),
            "a changed user's token stays valid"
        );
    }
    let first = why(&before, Some(&user), &changes);
    changes.extend(repeated);
    assert_eq!(why(&before, Some(&user), &changes), first);
}

fn user(id: UserId, username: &str) -> User {
    let attributes = [
        ("user_id", Value::Text(id.to_string())),
        ("username", Value::Text(username.to_owned())),
        ("status", Value::Text("active".to_owned())),
    ];
    let attributes: BTreeMap<_, _> =
        attributes.map(|(name, value)| (name.to_owned(), value)).into();
    User::from_attributes(attributes).expect("a user")
}

fn record(user: &User, issued_at: Timestamp) -> LiveRecord {
    let binding = Binding::new(["username", "password_hash", "status"].map(str::to_owned));
    let id = TokenId { user_id: user.id, hash: "AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a hash") };
    LiveRecord {
        id,
        format: Format::Signed,
        is_named: false,
        issued_at,
        live_until: Timestamp::MAX,
        fingerprint: binding.fingerprint(user),
        snapshot: Snapshot::new(&id.hash, &binding, user),
        binding,
    }
}
