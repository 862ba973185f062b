//! Tests of the events of users.

use hallpass_token::Value;

use super::*;
use crate::sample::{image, number, text, with, without, written};

fn user(status: &str) -> Image {
    let permissions = Value::TextSet(vec!["a".into(), "b".into()]);
    image(&[
        ("user_id", text("7")),
        ("username", text("ada")),
        ("status", text(status)),
        ("permissions", permissions),
    ])
}

/// Checks the kind, the actor and the changed attributes of the event, if there is one.
fn check(old: Option<&Image>, new: Option<&Image>, expected: Option<(&str, &str, &[&str])>) {
    let found = user_events(old, new, written(9), "123").unwrap();
    assert!(found.iter().all(|event| event.id == "7#123"));
    let found: Vec<_> = found
        .iter()
        .map(|event| {
            let changed: Vec<&str> = event.changed.iter().map(String::as_str).collect();
            (event.kind.as_str(), event.actor.as_str(), changed)
        })
        .collect();
    let expected = expected.map(|(kind, actor, changed)| (kind, actor, changed.to_vec()));
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_change_of_a_user_has_one_event() {
    let (active, blocked) = (user("active"), user("blocked"));
    let application = "application";
    check(None, Some(&active), Some(("user.added", application, &[])));
    check(Some(&active), None, Some(("user.removed", application, &[])));
    check(Some(&active), Some(&blocked), Some(("user.blocked", application, &["status"])));
    check(Some(&blocked), Some(&active), Some(("user.unblocked", application, &["status"])));
    check(Some(&user("x")), Some(&user("y")), Some(("user.changed", application, &["status"])));
    check(Some(&active), Some(&active), None);
    let more = with(
        &active,
        &[
            ("password_hash", text("secret")),
            ("token_generation", number(2)),
            ("plan", text("gold")),
            ("address", text("1 Main St")),
        ],
    );
    let kinds = ["password_hash", "token_generation", "other"];
    check(Some(&active), Some(&more), Some(("user.changed", application, &kinds)));
    check(Some(&more), Some(&active), Some(("user.changed", application, &kinds)));
}

#[test]
fn a_change_that_changes_nothing_has_no_event() {
    let old = user("active");
    let swapped = Value::TextSet(vec!["b".into(), "a".into()]);
    check(Some(&old), Some(&with(&old, &[("permissions", swapped)])), None);
    check(Some(&old), Some(&with(&old, &[("changed_by", text("operator:eve"))])), None);
    check(Some(&old), Some(&with(&old, &[("username_key", text("ada"))])), None);
}

#[test]
fn only_a_note_that_changed_as_well_names_the_actor() {
    let noted =
        with(&user("active"), &[("changed_by", text("operator:ada")), ("changed_at", number(5))]);
    let blocked = with(&noted, &[("status", text("blocked"))]);
    let by = |actor| Some(("user.blocked", actor, &["status"][..]));
    check(Some(&user("active")), Some(&blocked), by("operator:ada"));
    check(Some(&noted), Some(&blocked), by("application"));
    let again = with(&blocked, &[("changed_at", number(6))]);
    check(Some(&noted), Some(&again), by("operator:ada"));
    check(Some(&noted), Some(&without(&blocked, "changed_by")), by("application"));
    check(None, Some(&noted), Some(("user.added", "operator:ada", &[])));
}

#[test]
fn a_removal_by_ttl_is_by_the_system() {
    let written = Written { by_ttl: true, ..written(9) };
    let found = user_events(Some(&user("active")), None, written, "1").unwrap();
    assert_eq!(found[0].actor, "system");
}

#[test]
fn an_item_that_is_no_user_has_no_event() {
    let item = with(&user("active"), &[("user_id", text("a b"))]);
    assert_eq!(user_events(None, Some(&item), written(9), "1"), Ok(Vec::new()));
    assert_eq!(user_events(None, None, written(9), "1"), Ok(Vec::new()));
}

#[test]
fn a_sequence_number_has_1_to_40_digits() {
    let check = |number: &str, good: bool| {
        let found = user_events(None, Some(&user("active")), written(9), number);
        assert_eq!(found.is_ok(), good, "{number}");
    };
    check("1", true);
    check(&"1".repeat(40), true);
    check(&"1".repeat(41), false);
    check("", false);
    check("1a", false);
    check("../1", false);
}
