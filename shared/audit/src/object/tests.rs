//! Tests of objects.

use serde_json::json;

use super::*;
use crate::sample::{HASH, OTHER_HASH, at, record, written};

fn entries(first: u64) -> Vec<Entry> {
    let entry = |(hash, number): (&str, u64)| {
        let new = record(hash, 1);
        Entry::of_token(None, Some(&new), written(3_600), &number.to_string()).unwrap().remove(0)
    };
    [HASH, OTHER_HASH].into_iter().zip(first..).map(entry).collect()
}

#[test]
fn the_same_batch_always_gives_the_same_object() {
    let object = Object::of_entries(Area::Tokens, at(3_600), &entries(99)).unwrap();
    assert_eq!(Object::of_entries(Area::Tokens, at(3_600), &entries(99)).as_ref(), Some(&object));
    let prefix = "audit/tokens/1970/01/01/01/0000000000000000000000000000000000000099-";
    let rest = object.key.strip_prefix(prefix).unwrap();
    assert_eq!(rest, format!("{}.jsonl", &object.sum.to_string()[..16]));
    assert_eq!(object.sum, Sum::of(&object.bytes));
    let text = String::from_utf8(object.bytes.clone()).unwrap();
    let lines: Vec<Entry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines, object.entries), (entries(99), 2));
    assert!(text.ends_with("}\n"));
}

#[test]
fn the_order_of_keys_is_that_of_changes() {
    let key = |first| Object::of_entries(Area::Tokens, at(3_600), &entries(first)).unwrap().key;
    assert!(key(9) < key(10) && key(99) < key(100) && key(u64::MAX / 2) < key(u64::MAX / 2 + 1));
}

#[test]
fn no_entries_have_no_object() {
    assert_eq!(Object::of_entries(Area::Users, at(0), &[]), None);
}

#[test]
fn an_unreadable_record_is_kept_unchanged() {
    let record = json!({"dynamodb": {"SequenceNumber": "5", "Keys": {"x": {"Y": "z"}}}});
    let object = Object::of_unreadable(at(0), "5", &record);
    assert_eq!(object.bytes, record.to_string().into_bytes());
    assert!(object.key.starts_with("audit/unread/1970/01/01/00/000000"), "{}", object.key);
    assert_eq!(object.key.rsplit('.').next(), Some("json"));
    // What it calls a sequence number cannot lead to another folder.
    let odd = Object::of_unreadable(at(0), "../../5/", &record);
    assert_eq!(odd.key, object.key);
}

#[test]
fn a_key_has_its_area_and_hour() {
    let hour = Some(Hour::of(at(3_600)));
    let check = |key: &str, expected: Option<Area>| {
        assert_eq!(Area::of_key(key), expected.zip(hour), "{key}");
    };
    check("audit/tokens/1970/01/01/01/1-a.jsonl", Some(Area::Tokens));
    check("audit/users/1970/01/01/01/1-a.jsonl", Some(Area::Users));
    check("audit/unread/1970/01/01/01/1-a.json", Some(Area::Unread));
    check("audit/tokens/1970/01/01/1/1-a.jsonl", None);
    check("audit/tokens/1970/01/01/01", None);
    check("audit/digests/1970/01/01/01.json", None);
    check("other/tokens/1970/01/01/01/1-a.jsonl", None);
    check("", None);
}
