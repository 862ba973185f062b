//! Tests of usage.

#![expect(clippy::arithmetic_side_effects, reason = "a test fails by a panic")]

use proptest::prelude::*;

use super::*;
use crate::sample::{HASH, OTHER_HASH, at, developer, number, record, text, with};

const DAY: u64 = 86_400;
const NOON: u64 = 20_000 * DAY + 12 * 3600;

fn hours(usage: &Usage) -> Vec<u64> {
    usage.hours().map(|hour| hour.unix() / 3600).collect()
}

fn of(uses: &[u64]) -> Usage {
    let mut usage = Usage::default();
    for unix in uses {
        usage.record(at(*unix), None, None);
    }
    usage
}

#[test]
fn a_use_is_two_images_of_one_version() {
    let old = record(HASH, 3);
    let used = with(
        &old,
        &[
            ("last_used_at", number(7_200)),
            ("last_used_from", text("192.0.2.77")),
            ("last_used_agent", text("curl/8.5.0")),
        ],
    );
    let found = usage(&old, &used).unwrap();
    assert_eq!(found.token_id.to_string(), "1.AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!((found.at, found.network.as_deref()), (at(7_200), Some("192.0.2.0/24")));
    assert_eq!(found.agent.as_deref(), Some("curl"));
    assert_eq!(usage(&used, &used), None);
    assert_eq!(usage(&used, &old), None);
    assert_eq!(usage(&old, &with(&used, &[("version", number(4))])), None);
    assert_eq!(usage(&old, &with(&used, &[("last_used_at", text("x"))])), None);
    let odd = usage(&old, &with(&used, &[("last_used_from", number(1))])).unwrap();
    assert_eq!(odd.network, None);
    let regenerated = with(&developer(OTHER_HASH, 1), &[("last_used_at", number(7_200))]);
    assert_eq!(usage(&developer(HASH, 1), &regenerated), None);
}

#[test]
fn uses_are_kept_for_90_days() {
    assert_eq!(hours(&of(&[NOON])), [NOON / 3600]);
    assert_eq!(hours(&of(&[NOON, NOON + 3599, NOON])), [NOON / 3600]);
    // In any order.
    let expected = [NOON / 3600, (NOON + 89 * DAY) / 3600];
    assert_eq!(hours(&of(&[NOON, NOON + 89 * DAY])), expected);
    assert_eq!(hours(&of(&[NOON + 89 * DAY, NOON])), expected);
    assert_eq!(hours(&of(&[NOON, NOON + 90 * DAY])), [(NOON + 90 * DAY) / 3600]);
    assert_eq!(hours(&of(&[NOON + 90 * DAY, NOON])), [(NOON + 90 * DAY) / 3600]);
    assert_eq!(hours(&of(&[NOON, 0, Timestamp::MAX.unix()])), [Timestamp::MAX.unix() / 3600]);
}

#[test]
fn the_five_last_networks_and_agents_are_kept() {
    let mut usage = Usage::default();
    for count in 0..7 {
        usage.record(at(NOON + count), Some(&format!("n{count}")), Some("curl"));
    }
    usage.record(at(NOON + 10), Some("n3"), None);
    usage.record(at(NOON), Some("n6"), Some("late"));
    let json = usage.to_json();
    let names: Vec<_> =
        json["networks"].as_array().unwrap().iter().map(|n| &n["network"]).collect();
    assert_eq!(names, ["n3", "n6", "n5", "n4", "n2"]);
    assert_eq!(json["networks"][1]["last_seen_at"], at(NOON + 6).to_string());
    assert_eq!(
        json["agents"],
        serde_json::json!([
            {"agent": "curl", "last_seen_at": at(NOON + 6).to_string()},
            {"agent": "late", "last_seen_at": at(NOON).to_string()},
        ])
    );
    assert_eq!(json["days"], serde_json::json!([{"date": "2024-10-04", "hours": [12]}]));
}

#[test]
fn what_is_90_days_old_is_dropped() {
    let mut usage = Usage::default();
    usage.record(at(NOON), Some("old"), Some("old"));
    usage.record(at(NOON + DAY), Some("new"), Some("new"));
    let after = |days: u64| {
        let mut usage = usage.clone();
        usage.prune(at(NOON + days * DAY));
        let names: Vec<String> = usage.networks.keys().cloned().collect();
        (hours(&usage).len(), names)
    };
    assert_eq!(after(89), (2, vec!["new".to_owned(), "old".to_owned()]));
    assert_eq!(after(90), (1, vec!["new".to_owned()]));
    assert_eq!(after(91), (0, vec![]));
    let mut empty = usage.clone();
    empty.prune(at(NOON + 91 * DAY));
    assert_eq!(empty, Usage::default());
}

#[test]
fn attributes_of_another_form_are_rejected() {
    let check = |name: &'static str, value: Value| {
        let attributes = BTreeMap::from([(name.to_owned(), value)]);
        assert_eq!(Usage::from_attributes(&attributes), Err(Unreadable(name)));
    };
    check("hours", Value::Bytes(vec![0; 4]));
    check("hours", Value::Bytes(vec![0; 273]));
    check("hours", Value::Null);
    check("first_day", text("1"));
    check("first_day", Value::Number("99999999".into()));
    check("networks", text("x"));
    check("agents", Value::Map(BTreeMap::from([("curl".into(), text("x"))])));
    assert_eq!(Usage::from_attributes(&BTreeMap::new()), Ok(Usage::default()));
}

#[test]
fn an_item_stays_small() {
    let mut usage = Usage::default();
    for hour in 0..90 * 24 {
        let name = format!("{hour:064}");
        usage.record(at(NOON + hour * 3600), Some(&name), Some(&name));
    }
    let Value::Bytes(bytes) = &usage.to_attributes()["hours"] else { panic!() };
    assert!(bytes.len() == 270 || bytes.len() == 267, "{}", bytes.len());
    assert_eq!((usage.networks.len(), usage.agents.len()), (MAX_SEEN, MAX_SEEN));
}

proptest! {
    #[test]
    fn usage_is_what_was_recorded_in_the_last_90_days_in_any_order(
        uses in prop::collection::vec((19_900_u64..20_100, 0_u64..24), 1..60)
    ) {
        let mut usage = Usage::default();
        let mut expected: Vec<u64> = Vec::new();
        for (day, hour) in uses {
            usage.record(at(day * DAY + hour * 3600), None, None);
            expected.push(day * 24 + hour);
            let last = expected.iter().max().unwrap() / 24;
            expected.retain(|hour| hour / 24 + 90 > last);
        }
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(hours(&usage), expected);
        prop_assert_eq!(Usage::from_attributes(&usage.to_attributes()), Ok(usage));
    }
}
