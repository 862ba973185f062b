//! Random changes, batched at random and delivered again at random.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_token::Value;
use proptest::prelude::*;

use super::*;
use crate::{
    Digest, Entry, Listed, Object, Written,
    digest::Link,
    sample::{at, ready, record},
};

/// A change in the stream.
#[derive(Clone, Debug)]
struct Change {
    old: Option<Image>,
    new: Option<Image>,
    at: u64,
}

fn hash(count: u128) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(count.to_be_bytes())
}

/// The new image of a change of this kind. `None` removes the record.
fn next(old: &Image, kind: u8, at: u64, count: u128) -> Option<Image> {
    let version = number(old.version().unwrap() + 1);
    let change = |more: &[(&str, Value)]| {
        with(&with(old, &[("version", version.clone()), ("changed_at", number(at))]), more)
    };
    match kind {
        0 => None,
        1 => Some(change(&[("name", text(&format!("n{count}")))])),
        2 => Some(change(&[("disabled_at", number(at))])),
        3 => Some(change(&[
            ("revoked_at", number(at)),
            ("revoked_because", text("revoked")),
            ("purge_at", number(at + 10 * HOUR)),
        ])),
        4 => Some(change(&[("replaced_by", text(&hash(count + 1)))])),
        5 => Some(change(&[("expiry_notified", number(u64::from(kind)))])),
        // A use.
        6 => Some(with(old, &[("last_used_at", number(at))])),
        // Another developer token.
        _ => {
            let new = with(&record("developer", 1), &[("token_hash", text(&hash(count)))]);
            Some(with(&new, &[("issued_at", number(at)), ("changed_at", number(at))]))
        }
    }
}

/// Makes changes from numbers: what, to which record, and how many seconds later.
fn changes(numbers: &[(u8, usize, u64)]) -> (Vec<Change>, Vec<Image>) {
    let (mut live, mut changes) = (Vec::<Image>::new(), Vec::new());
    let mut at = START;
    for ((kind, target, later), count) in numbers.iter().zip(0..) {
        at += later;
        let is_issue = *kind > 7 || live.is_empty();
        let change = if is_issue {
            let is_developer =
                !live.iter().any(|image| image.attributes().contains_key("token_hash"));
            let mut new = with(
                &record(&hash(count), 1),
                &[("issued_at", number(at)), ("changed_at", number(at))],
            );
            if is_developer {
                new =
                    with(&new, &[("token", text("developer")), ("token_hash", text(&hash(count)))]);
            }
            live.push(new.clone());
            Change { old: None, new: Some(new), at }
        } else {
            let target = target % live.len();
            let old = live[target].clone();
            let is_developer = old.attributes().contains_key("token_hash");
            let kind = if *kind == 7 && !is_developer { 1 } else { *kind };
            let new = next(&old, kind, at, count);
            match &new {
                Some(new) => live[target] = new.clone(),
                None => drop(live.remove(target)),
            }
            Change { old: Some(old), new, at }
        };
        changes.push(change);
    }
    (changes, live)
}

fn entries(changes: &[Change], first: usize) -> Vec<Entry> {
    let numbered = changes.iter().zip(first..);
    let entries = numbered.flat_map(|(change, number)| {
        let written = Written { at: at(change.at), by_ttl: false };
        Entry::of_token(change.old.as_ref(), change.new.as_ref(), written, &number.to_string())
            .unwrap()
    });
    entries.collect()
}

/// Writes batches: how many changes each has, how many of them are delivered again with the next
/// one, and how many seconds it is late. Signs the digests of all hours but the last two.
fn write(changes: &[Change], batches: &[(usize, usize, u64)]) -> Log {
    let mut log = Log::empty();
    let (mut from, mut done, mut now) = (0, 0, START);
    let mut batches = batches.iter().cycle();
    while done < changes.len() {
        let (length, again, late) = batches.next().unwrap();
        let end = (from + length).max(done + 1).min(changes.len());
        let batch = &changes[from..end];
        now = now.max(batch.last().unwrap().at + late);
        let entries = entries(batch, from + 1);
        if let Some(object) = Object::of_entries(Area::Tokens, at(batch[0].at), &entries) {
            // An object that exists is not written again.
            log.bucket.entry(object.key).or_insert((object.bytes, at(now)));
        }
        done = end;
        from = end.saturating_sub(*again);
    }
    log.now = now + HOUR + HOUR / 2;
    sign(&mut log);
    log
}

fn sign(log: &mut Log) {
    let mut previous: Option<Link> = None;
    let mut hour = log::hour(0);
    while hour.end().unix() + HOUR <= log.now {
        let written = log
            .bucket
            .iter()
            .filter(|(key, (_, at))| Area::of_key(key).is_some() && Hour::of(*at) == hour);
        let listed = written.map(|(key, (bytes, _))| Listed {
            key: key.clone(),
            sha256: Sum::of(bytes),
            bytes: u64::try_from(bytes.len()).unwrap(),
            entries: 1,
        });
        let digest = Digest::new(hour, listed.collect(), previous);
        let signed = ready(digest.sign(&log.signer)).unwrap();
        previous = Some(signed.link());
        log.bucket.insert(signed.key, (signed.bytes, hour.end()));
        hour = hour.next();
    }
}

fn numbers() -> impl Strategy<Value = Vec<(u8, usize, u64)>> {
    prop::collection::vec((0_u8..11, 0_usize..100, 0_u64..HOUR / 2), 1..80)
}

fn batches() -> impl Strategy<Value = Vec<(usize, usize, u64)>> {
    prop::collection::vec((1_usize..12, 0_usize..6, 0_u64..3 * HOUR), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_of_any_changes_verifies_and_replays_to_the_table(
        numbers in numbers(), batches in batches()
    ) {
        let (changes, live) = changes(&numbers);
        let mut log = write(&changes, &batches);
        live.iter().cloned().for_each(|record| log.insert(record));
        let (report, findings) = log.verify();
        prop_assert_eq!(findings, vec![]);
        prop_assert_eq!(report.equal, u64::try_from(live.len()).unwrap());
        prop_assert_eq!((report.live, report.pending, report.predating), (report.equal, 0, 0));

        let verifier = log.read(log.options());
        let mut replayed: Vec<_> = verifier.live().collect();
        replayed.sort();
        let mut expected: Vec<_> = live
            .iter()
            .map(|image| (image.token_id().unwrap(), image.version().unwrap(), image.lifecycle_sum()))
            .collect();
        expected.sort();
        prop_assert_eq!(replayed, expected);
    }

    #[test]
    fn other_contents_are_found(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let mut verifier = Log::empty().read(Log::empty().options());
        verifier.digest(&key(0), &bytes);
        verifier.digest(&key(1), text.as_bytes());
        verifier.digest(&text, &bytes);
        let unreadable = [key(0), key(1), text.clone()].map(Finding::DigestUnreadable);
        prop_assert_eq!(verifier.findings(), unreadable);
        let object = format!("{text}\n");
        verifier.object_without_digest("audit/tokens/x", object.as_bytes());
        prop_assert_eq!(verifier.findings().len(), object.matches('\n').count());
    }

    #[test]
    fn any_change_of_one_byte_of_the_bucket_is_found(
        numbers in numbers(), batches in batches(), object in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(), bit in 0_u32..8
    ) {
        let (changes, live) = changes(&numbers);
        let mut log = write(&changes, &batches);
        live.iter().cloned().for_each(|record| log.insert(record));
        // Nothing covers what no digest lists yet.
        let is_digest = |key: &str| digest::hour_of(key).is_some();
        let covered = |key: &&String| {
            let mut digests = log.bucket.iter().filter(|(digest, _)| is_digest(digest));
            is_digest(key) || digests.any(|(_, (bytes, _))| {
                bytes.windows(key.len()).any(|part| part == key.as_bytes())
            })
        };
        let keys: Vec<String> = log.bucket.keys().filter(covered).cloned().collect();
        prop_assume!(!keys.is_empty());
        let key = object.get(&keys);
        let bytes = &mut log.bucket.get_mut(key).unwrap().0;
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (_, findings) = log.verify();
        prop_assert!(findings.iter().any(|finding| finding.to_string().contains(&**key)), "{key} {findings:?}");
    }
}
