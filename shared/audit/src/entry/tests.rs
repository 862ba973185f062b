//! Tests of entries.

use hallpass_token::Value;
use serde_json::json;

use super::*;
use crate::{
    event::Kind,
    sample::{HASH, OTHER_HASH, developer, image, number, record, text, with, written},
};

fn of_token(old: Option<&Image>, new: Option<&Image>) -> Vec<Entry> {
    Entry::of_token(old, new, written(1_000_000), "42").unwrap()
}

#[test]
fn the_form_of_a_line_is_fixed() {
    let new = with(&record(HASH, 1), &[("name", text("deploy"))]);
    let line = of_token(None, Some(&new))[0].line();
    let expected = [
        r#"{"event":{"id":"1.AAAAAAAAAAAAAAAAAAAAAA#1","kind":"token.issued","#,
        r#""token_id":"1.AAAAAAAAAAAAAAAAAAAAAA","user_id":"1","version":1,"#,
        r#""at":"1970-01-12T13:46:40Z","actor":"user:1","name":"deploy"},"#,
        r#""record":{"changed_at":1000000,"changed_by":"user:1","format":"signed","#,
        r#""issued_at":1000000,"name":"deploy","token":"AAAAAAAAAAAAAAAAAAAAAA","#,
        r#""user_id":"1","version":1},"image_sha256":""#,
        &new.lifecycle_sum().to_string(),
        r#"","sequence_number":"42"}"#,
    ];
    assert_eq!(line, expected.concat());
    assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), of_token(None, Some(&new))[0]);
}

#[test]
fn an_entry_has_the_image_after_the_change() {
    let (old, new) = (record(HASH, 1), with(&record(HASH, 2), &[("last_used_at", number(7))]));
    let entry = &of_token(Some(&old), Some(&new))[0];
    assert_eq!((&entry.record, entry.image_sha256), (&new.readable(), Some(new.lifecycle_sum())));
    // And before a removal.
    let entry = &of_token(Some(&old), None)[0];
    assert_eq!((&entry.record, entry.image_sha256), (&old.readable(), None));
    let (old, new) = (developer(HASH, 4), developer(OTHER_HASH, 1));
    let entries = of_token(Some(&old), Some(&new));
    assert_eq!((&entries[0].record, entries[0].image_sha256), (&old.readable(), None));
    assert_eq!(entries[1].image_sha256, Some(new.lifecycle_sum()));
}

#[test]
fn a_use_has_no_entry() {
    let old = record(HASH, 1);
    assert_eq!(of_token(Some(&old), Some(&with(&old, &[("last_used_at", number(7))]))), []);
}

#[test]
fn an_entry_of_a_user_has_no_attribute() {
    let old = image(&[("user_id", text("7")), ("password_hash", text("$argon2id$"))]);
    let new = with(&old, &[("password_hash", text("$scrypt$")), ("plan", text("gold"))]);
    let entries = Entry::of_user(Some(&old), Some(&new), written(9), "42").unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.event.kind, &entry.record), (Kind::UserChanged, &json!(null)));
    assert_eq!(entry.image_sha256, None);
    for hidden in ["argon2id", "scrypt", "gold", "plan"] {
        assert!(!entry.line().contains(hidden), "{hidden}");
    }
}

#[test]
fn an_entry_has_no_digest_of_the_users_attributes() {
    let new = with(&record(HASH, 1), &[("attribute_digests", Value::Bytes(vec![9; 8]))]);
    let line = of_token(None, Some(&new))[0].line();
    for hidden in ["BwcHBwcH", "CQkJCQkJ", "fingerprint", "digests"] {
        assert!(!line.contains(hidden), "{hidden}");
    }
}

#[test]
fn a_change_with_another_sequence_number_is_unreadable() {
    for number in ["", "x", "1.0", "-1", &"1".repeat(41)] {
        let found = Entry::of_token(None, Some(&record(HASH, 1)), written(9), number);
        assert_eq!(found, Err(Unreadable("SequenceNumber")), "{number}");
    }
}
