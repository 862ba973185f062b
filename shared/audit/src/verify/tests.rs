//! Tests of verification: a small log that is tampered with, and random logs.

#![expect(clippy::arithmetic_side_effects, reason = "a test fails by a panic")]

use super::*;
use crate::{
    finding::{Found, Place},
    sample::{number, text, with},
};

mod entries;
mod log;
mod million;
mod random;
mod tampering;

use log::{HOUR, Log, START, a, b, c, id, key};

#[test]
fn a_log_that_was_not_changed_verifies() {
    let log = Log::new();
    let (report, findings) = log.verify();
    assert_eq!(findings, []);
    let expected = Report {
        digests: 4,
        objects: 5,
        entries: 8,
        user_entries: 1,
        unread: 1,
        live: 2,
        records: 2,
        equal: 2,
        ..Report::default()
    };
    assert_eq!(report, expected);
}

#[test]
fn an_empty_log_and_an_empty_table_verify() {
    let mut log = Log::new();
    log.bucket.clear();
    log.table.clear();
    assert_eq!(log.verify(), (Report::default(), vec![]));
}

#[test]
fn new_objects_are_counted_until_two_hours_have_passed() {
    let mut log = Log::new();
    log.bucket.remove(&key(3));
    log.now = START + 4 * HOUR + 60;
    let (report, findings) = log.verify();
    assert_eq!((report.objects_without_digest, report.equal, findings), (1, 2, vec![]));
    // The object was written in the middle of its hour.
    log.now = START + 5 * HOUR + HOUR / 2 + 60;
    let (report, findings) = log.verify();
    let object = log.object(3);
    assert_eq!(report.objects_without_digest, 0);
    assert!(findings.contains(&Finding::ObjectNotListed(object)), "{findings:?}");
    assert!(!findings.contains(&Finding::DigestMissing(key(3))), "{findings:?}");
    log.now = START + 6 * HOUR;
    let (_, findings) = log.verify();
    assert!(findings.contains(&Finding::DigestMissing(key(3))), "{findings:?}");
}

#[test]
fn a_change_that_is_not_in_the_log_is_pending_while_the_stream_lags() {
    let check = |change: fn(&mut Log, u64), finding: Finding| {
        for (age, is_pending) in [(0, true), (log::LAG - 1, true), (log::LAG, false)] {
            let mut log = Log::new();
            let at = log.now - age;
            change(&mut log, at);
            let (report, findings) = log.verify();
            assert_eq!(report.pending, u64::from(is_pending), "{finding} {age}");
            assert_eq!(findings, if is_pending { vec![] } else { vec![finding.clone()] });
        }
    };
    let found = |token, version| Found { token_id: id(token), version };
    check(
        |log, at| log.change(a(), &[("version", number(4)), ("changed_at", number(at))]),
        Finding::RecordAhead(found(a(), 4), 3),
    );
    check(
        |log, at| {
            log.insert(with(
                &crate::sample::record("DDDDDDDDDDDDDDDDDDDDDA", 1),
                &[("changed_at", number(at)), ("issued_at", number(at))],
            ));
        },
        Finding::RecordUnknown(found("DDDDDDDDDDDDDDDDDDDDDA", 1)),
    );
}

#[test]
fn a_developer_token_that_is_overwritten_while_the_stream_lags_is_pending() {
    let developer = |hash, at| {
        let own = [("issued_at", number(at)), ("changed_at", number(at))];
        with(&crate::sample::developer(hash, 1), &own)
    };
    let mut log = Log::new();
    let old = developer(log::ADDED, START);
    log.write(2, &[(None, Some(&old))]);
    log.sign_from(2);
    let missing = Finding::RecordMissing(Found { token_id: id(log::ADDED), version: 1 });
    assert_eq!(log.verify().1, std::slice::from_ref(&missing));
    log.insert(developer("EEEEEEEEEEEEEEEEEEEEEA", log.now));
    let (report, findings) = log.verify();
    assert_eq!((report.pending, findings), (2, vec![]));
    // A new token of another format says nothing about it.
    let mut log = Log::new();
    log.write(2, &[(None, Some(&old))]);
    log.sign_from(2);
    let new = [("issued_at", number(log.now)), ("changed_at", number(log.now))];
    log.insert(with(&crate::sample::record("EEEEEEEEEEEEEEEEEEEEEA", 1), &new));
    assert_eq!(log.verify().1, [missing]);
}

#[test]
fn a_record_that_changed_after_the_log_began_must_be_in_it() {
    for (changed_at, is_predating) in [(START - 1, true), (START, false)] {
        let mut log = Log::new();
        let own = [("issued_at", number(5)), ("changed_at", number(changed_at))];
        log.insert(with(&crate::sample::record(log::ADDED, 7), &own));
        let (report, findings) = log.verify();
        let unknown = Finding::RecordUnknown(Found { token_id: id(log::ADDED), version: 7 });
        assert_eq!(report.predating, u64::from(is_predating));
        assert_eq!(findings, if is_predating { vec![] } else { vec![unknown] });
    }
}

#[test]
fn an_object_that_an_earlier_digest_lists_is_known() {
    let mut log = Log::new();
    let digest = log.digest(2, digest::link(&log.bucket[&key(1)].0));
    let mut objects = digest.objects;
    objects.extend(log.digest(3, None).objects);
    let digest = crate::Digest::new(log::hour(2), objects, digest.previous);
    let signed = crate::sample::ready(digest.sign(&log.signer)).unwrap();
    let last = crate::Digest::new(log::hour(3), vec![], Some(signed.link()));
    log.bucket.get_mut(&key(2)).unwrap().0 = signed.bytes;
    let signed = crate::sample::ready(last.sign(&log.signer)).unwrap();
    log.bucket.get_mut(&key(3)).unwrap().0 = signed.bytes;
    let (report, findings) = log.verify();
    assert_eq!((report.objects, report.equal, findings), (5, 2, vec![]));
    assert_eq!((report.objects_without_digest, report.repeats), (0, 0));
}

#[test]
fn a_record_that_was_due_to_be_purged_can_be_missing() {
    let mut log = Log::new();
    // The last purge is not in the log.
    let object = log.object(3);
    let last = log.bucket[&object].0.iter().rev().skip(1).position(|b| *b == b'\n').unwrap();
    let length = log.bucket[&object].0.len() - last - 1;
    log.bucket.get_mut(&object).unwrap().0.truncate(length);
    log.sign_from(3);
    let (report, findings) = log.verify();
    assert_eq!((report.pending, findings), (1, vec![]));
    assert_eq!((report.live, report.equal), (3, 2));
}

#[test]
fn tokens_from_before_the_log_are_no_gap() {
    let mut log = Log::new();
    // The log begins with its third hour.
    for hour in 0..2 {
        log.bucket.remove(&key(hour));
    }
    let first = log.object(0);
    log.bucket.retain(|object, _| *object != first && !object.contains("/09/"));
    log.sign_from(2);
    let (report, findings) = log.verify();
    assert_eq!(findings, []);
    assert_eq!((report.equal, report.digests), (2, 2));
    // And with its fourth, in which A does not change.
    log.bucket.remove(&key(2));
    let third = log.object(2);
    log.bucket.retain(|object, _| *object != third);
    log.sign_from(3);
    let (report, findings) = log.verify();
    assert_eq!((report.equal, report.predating, findings), (1, 1, vec![]));
}

#[test]
fn the_end_of_a_log_is_verified_by_itself() {
    let log = Log::new();
    let from = log.verify_with(|options| options.from = Some(log::hour(2)));
    assert_eq!(from.1, []);
    assert_eq!((from.0.digests, from.0.equal), (2, 2));
    let mut log = Log::new();
    log.bucket.remove(&key(2));
    let (_, findings) = log.verify_with(|options| options.from = Some(log::hour(2)));
    assert!(findings.contains(&Finding::DigestMissing(key(2))), "{findings:?}");
}

#[test]
fn an_identical_entry_that_is_delivered_again_is_counted() {
    let mut log = Log::new();
    let bytes = log.bucket[&log.object(2)].0.clone();
    log.add_object(2, "999", &bytes);
    log.sign_from(2);
    let (report, findings) = log.verify();
    assert_eq!((report.repeats, report.entries, findings), (4, 8, vec![]));
}

#[test]
fn an_ended_token_is_kept_for_as_long_as_a_stream_repeats() {
    let log = Log::new();
    let mut verifier = log.read(log.options());
    // A and C are live, and B was purged in the fourth hour.
    for (hour, expected) in [(3, 3), (28, 3), (29, 2), (500, 2)] {
        verifier.tokens.advance(log::hour(hour));
        assert_eq!(verifier.tokens.len(), expected, "{hour}");
    }
}

#[test]
fn old_repeats_are_counted() {
    let mut log = Log::new();
    let versions: Vec<u64> = (1..=12).chain([1, 3, 4]).collect();
    log.add_versions(&versions);
    let (report, findings) = log.verify();
    // The first three are more than eight versions back.
    assert_eq!((report.old_repeats, report.repeats, findings), (3, 0, vec![]));
    let mut log = Log::new();
    log.add_versions(&(1..=12).chain([5, 12]).collect::<Vec<_>>());
    let (report, findings) = log.verify();
    assert_eq!((report.old_repeats, report.repeats, findings), (0, 2, vec![]));
}

#[test]
fn every_order_of_versions_is_named() {
    let check = |versions: &[u64], expected: &[(u64, u64, bool)]| {
        let mut log = Log::new();
        let object = log.add_versions(versions);
        let place = |line| {
            let version = versions[usize::try_from(line).unwrap() - 1];
            Place { object: object.clone(), line, token_id: id(log::ADDED), version }
        };
        let expected = expected.iter().map(|(line, other, is_gap)| {
            if *is_gap {
                Finding::VersionGap(place(*line), *other)
            } else {
                Finding::VersionBackwards(place(*line), *other)
            }
        });
        let expected: Vec<Finding> = expected.collect();
        assert_eq!(log.verify().1, expected, "{versions:?}");
    };
    check(&[1, 2, 3], &[]);
    check(&[1, 3], &[(2, 2, true)]);
    check(&[1, 3, 2], &[(2, 2, true), (3, 3, false)]);
    check(&[1, 3, 2, 2, 3], &[(2, 2, true), (3, 3, false)]);
    check(&[2], &[(1, 1, true)]);
    check(&[2, 1], &[(1, 1, true), (2, 2, false)]);
    check(&[5, 20, 1], &[(1, 1, true), (2, 6, true), (3, 20, false)]);
    check(&[1, 1, 2, 2], &[]);
}
