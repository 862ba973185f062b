//! A small log in memory, with its table.

use std::{collections::BTreeMap, time::Duration};

use hallpass_token::{Timestamp, TokenId, Value};

use crate::{
    Digest, Entry, Finding, Hour, Image, Listed, LocalSigner, Object, Options, PublicKey, Report,
    Signer as _, Sum, Verifier, Written,
    digest::{self, Link},
    object::Area,
    sample::{at, number, ready, record, signer, text, with},
};

pub(super) const HOUR: u64 = 3600;

/// The beginning of the log, which is that of an hour.
pub(super) const START: u64 = 500_000 * HOUR;

pub(super) const LAG: u64 = 300;

/// The token of [`Log::add_versions`].
pub(super) const ADDED: &str = "DDDDDDDDDDDDDDDDDDDDDA";

pub(super) const fn a() -> &'static str {
    "AAAAAAAAAAAAAAAAAAAAAA"
}

pub(super) const fn b() -> &'static str {
    "BBBBBBBBBBBBBBBBBBBBBA"
}

pub(super) const fn c() -> &'static str {
    "CCCCCCCCCCCCCCCCCCCCCA"
}

pub(super) fn id(hash: &str) -> TokenId {
    format!("1.{hash}").parse().unwrap()
}

pub(super) fn hour(count: u64) -> Hour {
    Hour::of(at(START + count * HOUR))
}

/// The key of the digest of this hour of the log.
pub(super) fn key(count: u64) -> String {
    digest::key(hour(count))
}

/// The bucket, with the contents of each object and the time at which it was written, and the
/// table.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) bucket: BTreeMap<String, (Vec<u8>, Timestamp)>,
    pub(super) table: BTreeMap<String, Image>,
    pub(super) signer: LocalSigner,
    pub(super) now: u64,
}

/// The record of a token of this log.
fn image(hash: &str, version: u64, at: u64, more: &[(&str, Value)]) -> Image {
    let own = [("issued_at", number(START + 60)), ("changed_at", number(at))];
    with(&with(&record(hash, version), &own), more)
}

impl Log {
    /// A bucket and a table without contents.
    pub(super) fn empty() -> Self {
        let signer = signer("key-1");
        let now = START + 4 * HOUR + 1800;
        Self { bucket: BTreeMap::new(), table: BTreeMap::new(), signer, now }
    }

    /// Four hours. A and B are issued in the first; the second has no change; in the third A is
    /// disabled and enabled, B is revoked and C is issued; in the fourth C is renamed and B is
    /// purged.
    pub(super) fn new() -> Self {
        let mut log = Self::empty();
        let time = |hour: u64| START + hour * HOUR + 1800;
        let ends = [
            ("revoked_at", number(time(2))),
            ("revoked_because", text("revoked")),
            ("purge_at", number(time(3))),
        ];
        let disabled = [("disabled_at", number(time(2)))];
        let a = [1, 2, 3].map(|version| {
            let more = if version == 2 { &disabled[..] } else { &[] };
            image(a(), version, time(2), more)
        });
        let b = [image(b(), 1, time(0), &[]), image(b(), 2, time(2), &ends)];
        let c = [image(c(), 1, time(2), &[]), image(c(), 2, time(3), &[("name", text("n"))])];
        log.write(0, &[(None, Some(&a[0])), (None, Some(&b[0]))]);
        log.write(
            2,
            &[
                (Some(&a[0]), Some(&a[1])),
                (Some(&a[1]), Some(&a[2])),
                (Some(&b[0]), Some(&b[1])),
                (None, Some(&c[0])),
            ],
        );
        log.write(3, &[(Some(&c[0]), Some(&c[1])), (Some(&b[1]), None)]);
        let user = crate::sample::image(&[("user_id", text("1")), ("status", text("active"))]);
        let written = Written { at: at(time(1)), by_ttl: false };
        let entries = Entry::of_user(None, Some(&user), written, "7").unwrap();
        log.put(Object::of_entries(Area::Users, written.at, &entries).unwrap(), time(1));
        let unread = serde_json::json!({"dynamodb": {"SequenceNumber": "8"}});
        log.put(Object::of_unreadable(at(time(1)), "8", &unread), time(1));
        log.insert(a[2].clone());
        log.insert(c[1].clone());
        log.sign_from(0);
        log
    }

    fn put(&mut self, object: Object, written_at: u64) {
        self.bucket.insert(object.key, (object.bytes, at(written_at)));
    }

    /// Writes a batch of changes in the middle of this hour.
    pub(super) fn write(&mut self, hour: u64, changes: &[(Option<&Image>, Option<&Image>)]) {
        let time = START + hour * HOUR + 1800;
        let written = Written { at: at(time), by_ttl: false };
        let entries = changes.iter().zip(1 + hour * 100..).flat_map(|((old, new), number)| {
            Entry::of_token(*old, *new, written, &number.to_string()).unwrap()
        });
        let entries: Vec<Entry> = entries.collect();
        self.put(Object::of_entries(Area::Tokens, written.at, &entries).unwrap(), time);
    }

    /// Puts an object into this hour.
    pub(super) fn add_object(&mut self, count: u64, number: &str, bytes: &[u8]) -> String {
        let prefix = Area::Tokens.prefix();
        let key = format!("{prefix}{}/{number:0>40}-added.jsonl", hour(count).path());
        self.bucket.insert(key.clone(), (bytes.to_vec(), at(START + count * HOUR)));
        key
    }

    /// Adds an object with these versions of a token to the third hour, and the record of the
    /// highest version.
    pub(super) fn add_versions(&mut self, versions: &[u64]) -> String {
        let written = Written { at: at(START + 2 * HOUR), by_ttl: false };
        let mut bytes = Vec::new();
        for version in versions {
            let new = image(ADDED, *version, START, &[]);
            let entry = Entry::of_token(None, Some(&new), written, "5").unwrap().remove(0);
            bytes.extend_from_slice(format!("{}\n", entry.line()).as_bytes());
        }
        self.insert(image(ADDED, *versions.iter().max().unwrap(), START, &[]));
        let key = self.add_object(2, "999", &bytes);
        self.sign_from(2);
        key
    }

    /// The key of the only object with entries of tokens in this hour.
    pub(super) fn object(&self, count: u64) -> String {
        let prefix = format!("{}{}/", Area::Tokens.prefix(), hour(count).path());
        self.bucket.keys().find(|key| key.starts_with(&prefix)).unwrap().clone()
    }

    /// Writes the digests from this hour on with the log's own key.
    pub(super) fn sign_from(&mut self, first: u64) {
        let mut previous: Option<Link> =
            first.checked_sub(1).and_then(|before| digest::link(&self.bucket.get(&key(before))?.0));
        for count in first..4 {
            let digest = self.digest(count, previous.clone());
            let signed = ready(digest.sign(&self.signer)).unwrap();
            previous = Some(signed.link());
            self.bucket.insert(signed.key, (signed.bytes, at(START + (count + 1) * HOUR)));
        }
    }

    /// The digest of an hour, with the objects that the bucket has.
    pub(super) fn digest(&self, count: u64, previous: Option<Link>) -> Digest {
        let objects = self
            .bucket
            .iter()
            .filter(|(key, _)| Area::of_key(key).is_some_and(|(_, of)| of == hour(count)));
        let listed = objects.map(|(key, (bytes, _))| Listed {
            key: key.clone(),
            sha256: Sum::of(bytes),
            bytes: u64::try_from(bytes.len()).unwrap(),
            entries: 1,
        });
        Digest::new(hour(count), listed.collect(), previous)
    }

    pub(super) fn insert(&mut self, record: Image) {
        self.table.insert(record.token_id().unwrap().to_string(), record);
    }

    /// Changes a record behind the log's back.
    pub(super) fn change(&mut self, hash: &str, attributes: &[(&str, Value)]) {
        let record = self.table.get_mut(&id(hash).to_string()).unwrap();
        *record = with(record, attributes);
    }

    pub(super) fn verify(&self) -> (Report, Vec<Finding>) {
        self.verify_with(|_| {})
    }

    pub(super) fn options(&self) -> Options {
        let key = PublicKey::from_spki(&self.signer.public_key()).unwrap();
        Options {
            keys: BTreeMap::from([(self.signer.key_id().to_owned(), key)]),
            now: at(self.now),
            lag: Duration::from_secs(LAG),
            expected_digest: None,
            from: None,
            has_table: true,
        }
    }

    /// Reads the log and the table, as the documentation of the verifier says.
    pub(super) fn verify_with(&self, change: impl Fn(&mut Options)) -> (Report, Vec<Finding>) {
        let mut options = self.options();
        change(&mut options);
        let mut verifier = self.read(options);
        self.table.values().for_each(|record| verifier.record(record));
        let mut findings = verifier.findings();
        let (report, rest) = verifier.finish();
        findings.extend(rest);
        assert_eq!(u64::try_from(findings.len()), Ok(report.findings));
        (report, findings)
    }

    /// Reads the log alone.
    pub(super) fn read(&self, options: Options) -> Verifier {
        let hours =
            |key: &String| digest::hour_of(key).or_else(|| Area::of_key(key).map(|(_, hour)| hour));
        let from = options.from;
        let first = self.bucket.keys().filter_map(hours).min();
        let mut verifier = Verifier::new(options);
        let Some(mut hour) = from.or(first) else { return verifier };
        while hour.start() < at(self.now) {
            if let Some((bytes, _)) = self.bucket.get(&digest::key(hour)) {
                for listed in verifier.digest(&digest::key(hour), bytes) {
                    let bytes = self.bucket.get(&listed.key);
                    verifier.object(&listed, bytes.map(|(bytes, _)| bytes.as_slice()));
                }
            }
            for area in Area::ALL {
                let prefix = format!("{}{}/", area.prefix(), hour.path());
                let objects = self.bucket.iter().filter(|(key, _)| key.starts_with(&prefix));
                objects.for_each(|(key, (_, written_at))| verifier.seen(key, *written_at));
            }
            hour = hour.next();
        }
        for key in verifier.without_digest() {
            verifier.object_without_digest(&key, &self.bucket[&key].0);
        }
        verifier
    }
}
