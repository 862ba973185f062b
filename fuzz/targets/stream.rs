//! Events of the user stream as Lambda hands them over, and what prune decides by them.
//!
//! Whatever the records say: a token of a user who is gone or another now is invalidated, one that was made after the change
//! from the user of now is not, and to hear of a change twice is as good as once.
#![no_main]

use std::{collections::BTreeMap, time::Duration};

use fuzz::now;
use libfuzzer_sys::fuzz_target;
use prune::{
    Event,
    stream::{Change, changes, why},
};
use serde_json::Value as Json;
use store::live::LiveRecord;
use token::{Binding, Format, Snapshot, Timestamp, TokenId, User, UserId, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Json>(data) else { return };
    let has_records = event.get("Records").is_some();
    let batch = || match serde_json::from_value::<Event>(event.clone()) {
        Ok(Event::Stream(event)) => changes(event.records, now()).ok(),
        Ok(Event::Schedule(_)) => {
            assert!(!has_records, "a batch of the stream was taken for the schedule");
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
    assert_eq!(why(&later, Some(&user), &changes), None, "a later token fell to an older change");
    for record in [&before, &later] {
        assert!(why(record, None, &changes).is_some(), "a removed user's token was spared");
        assert!(
            why(record, Some(&self::user(user_id, "bob")), &changes).is_some(),
            "a changed user's token was spared"
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
    let attributes: BTreeMap<_, _> = attributes.map(|(name, value)| (name.to_owned(), value)).into();
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
