//! Every way to tamper with objects and digests, and what is found.

use super::*;
use crate::{
    digest::{Link, link},
    sample::{ready, signer},
};

/// Tampers with a log, and checks what is found, in any order.
pub(super) fn check(tamper: impl Fn(&mut Log), expected: impl Fn(&Log) -> Vec<Finding>) {
    let mut log = Log::new();
    let mut expected = expected(&log);
    tamper(&mut log);
    let (_, mut found) = log.verify();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

pub(super) fn found(hash: &str, version: u64) -> Found {
    Found { token_id: id(hash), version }
}

fn place(log: &Log, hour: u64, line: u64, hash: &str, version: u64) -> Place {
    Place { object: log.object(hour), line, token_id: id(hash), version }
}

/// The contents of the object of the third hour.
pub(super) fn contents(log: &mut Log) -> &mut Vec<u8> {
    let object = log.object(2);
    &mut log.bucket.get_mut(&object).unwrap().0
}

fn swap(log: &mut Log, one: u64, other: u64) {
    let (first, second) = (log.bucket[&key(one)].clone(), log.bucket[&key(other)].clone());
    log.bucket.insert(key(one), second);
    log.bucket.insert(key(other), first);
}

/// The findings when the entries of the third hour are not applied.
fn without_third_hour(log: &Log) -> Vec<Finding> {
    vec![
        Finding::VersionGap(place(log, 3, 1, c(), 2), 1),
        Finding::VersionGap(place(log, 3, 2, b(), 3), 2),
        Finding::RecordAhead(found(a(), 3), 1),
    ]
}

#[test]
fn a_changed_byte_of_an_object_is_found() {
    check(
        |log| {
            let contents = contents(log);
            let at = contents.windows(6).position(|part| part == b"user:1").unwrap();
            contents[at + 5] = b'2';
        },
        |log| vec![Finding::ObjectChanged(key(2), log.object(2))],
    );
}

#[test]
fn every_changed_byte_of_an_object_is_found() {
    let log = Log::new();
    let (object, keys) = (log.object(3), log.options().keys);
    for at in 0..log.bucket[&object].0.len() {
        let mut log = Log { bucket: log.bucket.clone(), table: log.table.clone(), ..Log::empty() };
        log.bucket.get_mut(&object).unwrap().0[at] ^= 1;
        let (_, found) = log.verify_with(|options| options.keys.clone_from(&keys));
        let changed = Finding::ObjectChanged(key(3), object.clone());
        assert!(found.contains(&changed), "{at} {found:?}");
    }
}

#[test]
fn a_dropped_object_is_found() {
    check(
        |log| {
            log.bucket.remove(&log.object(2));
        },
        |log| {
            let missing = Finding::ObjectMissing(key(2), log.object(2));
            [vec![missing], without_third_hour(log)].concat()
        },
    );
}

#[test]
fn reordered_lines_are_found() {
    check(
        |log| {
            let contents = contents(log);
            let text = String::from_utf8(contents.clone()).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            lines.swap(0, 1);
            *contents = (lines.join("\n") + "\n").into_bytes();
        },
        |log| {
            vec![
                Finding::ObjectChanged(key(2), log.object(2)),
                Finding::VersionGap(place(log, 2, 1, a(), 3), 2),
                Finding::VersionBackwards(place(log, 2, 2, a(), 2), 3),
            ]
        },
    );
}

#[test]
fn a_truncated_object_is_found() {
    let truncated = |log: &Log| Finding::ObjectTruncated(key(2), log.object(2));
    let gap = |log: &Log| Finding::VersionGap(place(log, 3, 1, c(), 2), 1);
    check(
        |log| {
            let contents = contents(log);
            contents.truncate(contents.len() - 9);
        },
        |log| vec![truncated(log), Finding::LineUnreadable(log.object(2), 4), gap(log)],
    );
    check(
        |log| {
            let contents = contents(log);
            contents.pop();
            let last = contents.iter().rposition(|byte| *byte == b'\n').unwrap();
            contents.truncate(last + 1);
        },
        |log| vec![truncated(log), gap(log)],
    );
}

#[test]
fn an_added_object_is_found() {
    let added = |log: &mut Log| log.add_object(1, "150", b"");
    check(|log| drop(added(log)), |_| vec![Finding::ObjectNotListed(added(&mut Log::new()))]);
}

#[test]
fn a_dropped_digest_is_found() {
    check(
        |log| drop(log.bucket.remove(&key(1))),
        |log| {
            let first = digest_objects(log, 1).into_iter().map(Finding::ObjectNotListed);
            first.chain([Finding::DigestMissing(key(1))]).collect()
        },
    );
    check(
        |log| drop(log.bucket.remove(&key(2))),
        |log| {
            let found = [Finding::DigestMissing(key(2)), Finding::ObjectNotListed(log.object(2))];
            [found.to_vec(), without_third_hour(log)].concat()
        },
    );
    // The first digest is named by the link of the second.
    check(
        |log| drop(log.bucket.remove(&key(0))),
        |log| vec![Finding::DigestMissing(key(0)), Finding::ObjectNotListed(log.object(0))],
    );
    // The last one must be written within two hours.
    check(
        |log| {
            log.bucket.remove(&key(3));
            log.now = START + 6 * HOUR;
        },
        |log| {
            vec![
                Finding::DigestMissing(key(3)),
                Finding::ObjectNotListed(log.object(3)),
                Finding::RecordAhead(found(c(), 2), 1),
            ]
        },
    );
}

fn digest_objects(log: &Log, hour: u64) -> Vec<String> {
    log.digest(hour, None).objects.into_iter().map(|listed| listed.key).collect()
}

#[test]
fn a_replayed_digest_is_found() {
    check(
        |log| {
            let first = log.bucket[&key(0)].clone();
            log.bucket.insert(key(1), first);
        },
        |log| {
            let unlisted = digest_objects(log, 1).into_iter().map(Finding::ObjectNotListed);
            let replayed = Finding::DigestReplayed(key(1), key(0));
            unlisted.chain([replayed, Finding::ChainBroken(key(2), key(1))]).collect()
        },
    );
}

#[test]
fn swapped_digests_are_found() {
    check(
        |log| swap(log, 1, 2),
        |log| {
            let unlisted = digest_objects(log, 1).into_iter().chain([log.object(2)]);
            let found = [
                Finding::DigestReplayed(key(1), key(2)),
                Finding::DigestReplayed(key(2), key(1)),
                Finding::ChainBroken(key(3), key(2)),
            ];
            unlisted
                .map(Finding::ObjectNotListed)
                .chain(found)
                .chain(without_third_hour(log))
                .collect()
        },
    );
}

/// Signs the digest of the second hour again, without its objects.
fn sign_again(log: &mut Log, key_id: &str) {
    let previous = link(&log.bucket[&key(0)].0);
    let digest = crate::Digest::new(log::hour(1), vec![], previous);
    let signed = ready(digest.sign(&signer(key_id))).unwrap();
    log.bucket.get_mut(&key(1)).unwrap().0 = signed.bytes;
}

#[test]
fn a_digest_that_is_signed_with_another_key_is_found() {
    let others = |log: &Log| {
        let unlisted = digest_objects(log, 1).into_iter().map(Finding::ObjectNotListed);
        unlisted.chain([Finding::ChainBroken(key(2), key(1))]).collect::<Vec<_>>()
    };
    check(
        |log| sign_again(log, "key-1"),
        |log| [vec![Finding::SignatureWrong(key(1), "key-1".into())], others(log)].concat(),
    );
    check(
        |log| sign_again(log, "key-2"),
        |log| [vec![Finding::KeyUnknown(key(1), "key-2".into())], others(log)].concat(),
    );
    // The whole log.
    check(
        |log| {
            let own = std::mem::replace(&mut log.signer, signer("key-1"));
            log.sign_from(0);
            log.signer = own;
        },
        |_| (0..4).map(|hour| Finding::SignatureWrong(key(hour), "key-1".into())).collect(),
    );
}

#[test]
fn a_changed_digest_is_found() {
    check(
        |log| {
            let bytes = &mut log.bucket.get_mut(&key(2)).unwrap().0;
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace("\"entries\":1", "\"entries\":2").into_bytes();
        },
        |_| {
            vec![
                Finding::SignatureWrong(key(2), "key-1".into()),
                Finding::ChainBroken(key(3), key(2)),
            ]
        },
    );
    check(
        |log| {
            log.bucket.get_mut(&key(3)).unwrap().0 = b"{}\n{}\n".to_vec();
            log.now = START + 6 * HOUR;
        },
        |log| {
            vec![
                Finding::DigestUnreadable(key(3)),
                Finding::ObjectNotListed(log.object(3)),
                Finding::RecordAhead(found(c(), 2), 1),
            ]
        },
    );
}

#[test]
fn a_missing_digest_before_an_unreadable_one_is_found() {
    let mut log = Log::new();
    log.bucket.remove(&key(1));
    log.bucket.get_mut(&key(2)).unwrap().0 = b"{}".to_vec();
    let (_, found) = log.verify();
    let expected = [Finding::DigestMissing(key(1)), Finding::DigestUnreadable(key(2))];
    assert_eq!(found[..2], expected);
}

#[test]
fn a_log_that_begins_again_is_found() {
    check(
        |log| {
            let digest = log.digest(2, None);
            let signed = ready(digest.sign(&log.signer)).unwrap();
            log.bucket.get_mut(&key(2)).unwrap().0 = signed.bytes;
            log.sign_from(3);
        },
        |_| vec![Finding::ChainBroken(key(2), key(1))],
    );
    check(
        |log| {
            let previous = Link { key: key(1), sha256: Sum::of(b"") };
            let digest = log.digest(2, Some(previous));
            log.bucket.get_mut(&key(2)).unwrap().0 = ready(digest.sign(&log.signer)).unwrap().bytes;
            log.sign_from(3);
        },
        |_| vec![Finding::ChainBroken(key(2), key(1))],
    );
}

#[test]
fn an_expected_digest_must_be_in_the_log() {
    let log = Log::new();
    let sum = Sum::of(&log.bucket[&key(1)].0);
    let expect = |sum| log.verify_with(|options| options.expected_digest = Some(sum)).1;
    assert_eq!(expect(sum), []);
    assert_eq!(expect(Sum::of(b"")), [Finding::ExpectedDigestMissing(Sum::of(b""))]);
    // A log that was written again from its beginning, by the holder of the key.
    let mut again = Log::new();
    again.bucket.retain(|key, _| !key.contains("/users/"));
    again.sign_from(0);
    assert_eq!(again.verify().1, []);
    let found = again.verify_with(|options| options.expected_digest = Some(sum)).1;
    assert_eq!(found, [Finding::ExpectedDigestMissing(sum)]);
}
