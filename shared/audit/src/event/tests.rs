//! Tests of the events of tokens.

use hallpass_token::Value;
use serde_json::json;

use super::*;
use crate::{
    sample::{HASH, OTHER_HASH, at, developer, number, record, text, with, without, written},
    user_event::user_events,
};

mod schema;

const NOW: u64 = 2_000_000;

/// Checks the kinds and IDs of the events.
fn check(old: Option<&Image>, new: Option<&Image>, expected: &[(&str, &str)]) {
    let found = events(old, new, written(NOW)).unwrap();
    let found: Vec<_> =
        found.iter().map(|event| (event.kind.as_str(), event.id.as_str())).collect();
    assert_eq!(found, expected);
}

/// Checks the event of a change from version 4 to version 5 that adds these attributes.
fn check_change(old: &[(&str, Value)], new: &[(&str, Value)], expected: &str) {
    let (old, new) = (with(&record(HASH, 4), old), with(&record(HASH, 5), new));
    check(Some(&old), Some(&new), &[(expected, "1.AAAAAAAAAAAAAAAAAAAAAA#5")]);
}

type Attributes = Vec<(&'static str, Value)>;

/// Every change with its event.
fn changes() -> Vec<(Attributes, Attributes, &'static str)> {
    let revoked = |because| vec![("revoked_at", number(9)), ("revoked_because", text(because))];
    vec![
        (vec![], vec![("replaced_by", text(OTHER_HASH))], "token.rotated"),
        (vec![("replaced_by", text(OTHER_HASH))], vec![], "token.rotation_undone"),
        (vec![("replaces", text(OTHER_HASH))], vec![], "token.rotation_completed"),
        (vec![], revoked("replaced"), "token.replaced"),
        (vec![("replaced_by", text(OTHER_HASH))], revoked("replaced"), "token.replaced"),
        (vec![], revoked("revoked"), "token.revoked"),
        (vec![("disabled_at", number(3))], revoked("revoked"), "token.revoked"),
        (vec![], revoked("later"), "token.revoked"),
        (vec![], revoked("user_blocked"), "token.invalidated"),
        (vec![], revoked("user_changed"), "token.invalidated"),
        (vec![], revoked("user_removed"), "token.invalidated"),
        (vec![], revoked("leaked"), "token.leaked"),
        (vec![], vec![("disabled_at", number(3))], "token.disabled"),
        (vec![("disabled_at", number(3))], vec![], "token.enabled"),
        (vec![], vec![("expiry_notified", number(86_400))], "token.expiring"),
        (
            vec![("expiry_notified", number(1_209_600))],
            vec![("expiry_notified", number(259_200))],
            "token.expiring",
        ),
        (
            revoked("replaced"),
            [revoked("replaced"), vec![("reused_at", number(9))]].concat(),
            "token.replaced_token_used",
        ),
        (vec![], vec![("name", text("n"))], "token.changed"),
        (vec![], vec![], "token.changed"),
    ]
}

#[test]
fn every_change_has_one_event() {
    for (old, new, expected) in changes() {
        check_change(&old, &new, expected);
    }
    check(None, Some(&record(HASH, 1)), &[("token.issued", "1.AAAAAAAAAAAAAAAAAAAAAA#1")]);
}

#[test]
fn a_use_has_no_event() {
    let old = record(HASH, 3);
    check(Some(&old), Some(&with(&old, &[("last_used_at", number(7))])), &[]);
    check(Some(&old), Some(&old), &[]);
    check(None, None, &[]);
}

#[test]
fn other_items_have_no_event() {
    for (user, token) in [("1", "#session#x"), ("name#ada", "name"), ("developer#x", "pointer")] {
        let item = with(&record(HASH, 1), &[("user_id", text(user)), ("token", text(token))]);
        check(None, Some(&item), &[]);
        check(Some(&item), None, &[]);
    }
}

#[test]
fn a_removal_is_a_purge_once_it_is_due() {
    let check_removal = |purge_at: Option<u64>, by_ttl, expected: &str| {
        let record = record(HASH, 3);
        let old = purge_at.map_or(record.clone(), |at| with(&record, &[("purge_at", number(at))]));
        let found = events(Some(&old), None, Written { at: at(NOW), by_ttl }).unwrap();
        let [event] = &found[..] else { panic!("{found:?}") };
        assert_eq!((event.kind.as_str(), event.actor.as_str()), (expected, "system"));
        assert_eq!((event.id.as_str(), event.at), ("1.AAAAAAAAAAAAAAAAAAAAAA#4", at(NOW)));
    };
    check_removal(Some(NOW), false, "token.purged");
    check_removal(Some(NOW + 60), false, "token.purged");
    check_removal(Some(NOW + 61), false, "token.withdrawn");
    check_removal(None, false, "token.withdrawn");
    check_removal(None, true, "token.purged");
}

#[test]
fn a_regenerated_developer_token_ends_its_predecessor() {
    let (old, new) = (developer(HASH, 1), developer(OTHER_HASH, 1));
    let expected = [
        ("token.replaced", "1.AAAAAAAAAAAAAAAAAAAAAA#2"),
        ("token.issued", "1.BBBBBBBBBBBBBBBBBBBBBA#1"),
    ];
    check(Some(&old), Some(&new), &expected);
    check(Some(&developer(HASH, 3)), Some(&developer(HASH, 3)), &[]);
}

#[test]
fn a_record_from_before_versions_counts_as_version_0() {
    let old = without(&record(HASH, 1), "version");
    check(Some(&old), Some(&record(HASH, 1)), &[("token.changed", "1.AAAAAAAAAAAAAAAAAAAAAA#1")]);
    check(Some(&old), None, &[("token.withdrawn", "1.AAAAAAAAAAAAAAAAAAAAAA#1")]);
    check(Some(&old), Some(&with(&old, &[("last_used_at", number(7))])), &[]);
}

#[test]
fn an_event_says_who_why_and_from_where() {
    let new = with(
        &record(HASH, 2),
        &[
            ("changed_by", text("operator:ada")),
            ("changed_at", number(1_999_999)),
            ("changed_from", text("192.0.2.7")),
            ("changed_because", text("lost laptop")),
            ("request_id", text("r-1")),
            ("expires_at", number(3_000_000)),
            ("name", text("deploy")),
            ("revoked_at", number(1_999_999)),
            ("revoked_because", text("revoked")),
        ],
    );
    let found = events(Some(&record(HASH, 1)), Some(&new), written(NOW)).unwrap();
    let expected = json!({
        "id": "1.AAAAAAAAAAAAAAAAAAAAAA#2", "kind": "token.revoked",
        "token_id": "1.AAAAAAAAAAAAAAAAAAAAAA", "user_id": "1", "version": 2,
        "at": "1970-01-24T03:33:19Z", "actor": "operator:ada", "source": "192.0.2.7",
        "because": "lost laptop", "reason": "revoked", "request_id": "r-1",
        "expires_at": "1970-02-04T17:20:00Z", "name": "deploy",
    });
    assert_eq!(found[0].detail(), expected);
    let read: Event = serde_json::from_value(expected).unwrap();
    assert_eq!(read, found[0]);
}

#[test]
fn a_use_of_a_replaced_token_has_its_own_source() {
    let reused = [
        ("reused_at", number(5)),
        ("reused_from", text("198.51.100.1")),
        ("reused_agent", text("curl")),
        ("changed_from", text("192.0.2.7")),
    ];
    let new = with(&record(HASH, 2), &reused);
    let found = events(Some(&record(HASH, 1)), Some(&new), written(NOW)).unwrap();
    assert_eq!(found[0].source.as_deref(), Some("198.51.100.1"));
    assert_eq!(found[0].agent.as_deref(), Some("curl"));
}

#[test]
fn an_unknown_actor_and_time_lose_no_event() {
    let new = without(&without(&record(HASH, 1), "changed_by"), "changed_at");
    let found = events(None, Some(&new), written(NOW)).unwrap();
    assert_eq!((found[0].actor.as_str(), found[0].at), ("unknown", at(NOW)));
}

#[test]
fn an_unreadable_attribute_is_named() {
    let check = |attribute: (&'static str, Value)| {
        let new = with(&record(HASH, 2), std::slice::from_ref(&attribute));
        let found = events(Some(&record(HASH, 1)), Some(&new), written(NOW));
        assert_eq!(found, Err(Unreadable(attribute.0)));
    };
    check(("version", text("1")));
    check(("version", Value::Number("-1".into())));
    check(("version", Value::Number("1.5".into())));
    check(("token", text("short")));
    check(("user_id", text("a b")));
    check(("revoked_at", text("x")));
    check(("replaced_by", number(1)));
    check(("changed_by", number(1)));
    check(("changed_at", Value::Number("99999999999999".into())));
    check(("expires_at", Value::Null));
}

#[test]
fn every_kind_is_read_from_its_name() {
    for (kind, name) in Kind::ALL.into_iter().zip(KINDS) {
        assert_eq!(kind.as_str(), name);
        assert_eq!(Kind::try_from(name.to_owned()), Ok(kind));
    }
    assert!(Kind::try_from("token.unknown".to_owned()).is_err());
}
