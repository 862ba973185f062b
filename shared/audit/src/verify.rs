//! Verifies the audit log and compares the table with it.
//!
//! The caller reads the log once, in order, and the [`Verifier`] keeps only a small state of fixed
//! size for each token that has not ended, so that memory does not grow with the number of changes:
//!
//! 1. For each hour, in order: [`Verifier::digest`], then [`Verifier::object`] for each object that
//!    it returns, in order, then [`Verifier::seen`] for each key of this hour that a listing of the
//!    bucket has.
//! 2. [`Verifier::seen`] for each key of the hours that have no digest yet.
//! 3. [`Verifier::object_without_digest`] for each object of [`Verifier::without_digest`].
//! 4. [`Verifier::record`] for each item of the table, which must be read after the log.
//! 5. [`Verifier::finish`].
//!
//! After any step, [`Verifier::findings`] returns what was found since the last time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hallpass_token::{Timestamp, TokenId};

use crate::{
    digest::{self, Link, Listed, Unverified},
    finding::Finding,
    hour::Hour,
    image::Image,
    object::Area,
    signature::PublicKey,
    sum::Sum,
};

mod line;
mod tokens;

use line::Line;
use tokens::Tokens;

/// The time in which an hour's digest must be written, and in which a digest must list an object.
pub const DIGEST_TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// What a verifier needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The public keys, by the key IDs that digests have.
    pub keys: BTreeMap<String, PublicKey>,
    /// The current time.
    pub now: Timestamp,
    /// How far the log can be behind the table.
    pub lag: Duration,
    /// The SHA-256 of a digest that must be in the log. Without it, nothing in the bucket can show
    /// that a log was replaced from its first digest on with a signature of the right key.
    pub expected_digest: Option<Sum>,
    /// The hour of the first digest, to verify the end of a log. Tokens that were issued before it
    /// are then known only from their first entry on. `None` verifies the whole log.
    pub from: Option<Hour>,
    /// Whether the table is compared.
    pub has_table: bool,
}

/// What was verified. All numbers are counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Digests.
    pub digests: u64,
    /// Objects that digests list.
    pub objects: u64,
    /// Objects that no digest lists yet, because they are new.
    pub objects_without_digest: u64,
    /// Records of the stream that could not be read and are kept unchanged.
    pub unread: u64,
    /// Entries of tokens, without repeats.
    pub entries: u64,
    /// Entries of users.
    pub user_entries: u64,
    /// Identical entries that the stream delivered again.
    pub repeats: u64,
    /// Entries that the stream delivered again after eight later ones of the same token. They are
    /// not compared.
    pub old_repeats: u64,
    /// Tokens that have not ended in the log.
    pub live: u64,
    /// Records of the table.
    pub records: u64,
    /// Records that are equal to the log's last image.
    pub equal: u64,
    /// Records whose last change is too new to be in the log, or that were due to be purged.
    pub pending: u64,
    /// Records without an entry that were issued and last changed before the log began, by their
    /// own account: the log has nothing to compare them with.
    pub predating: u64,
    /// Findings.
    pub findings: u64,
}

/// A verification of a log.
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    tokens: Tokens,
    report: Report,
    findings: Vec<Finding>,
    /// The hour of the first digest.
    began: Option<Hour>,
    /// The hour of the last digest, and the link that the next one must have.
    last: Option<(Hour, Link)>,
    is_expected_found: bool,
    /// The objects that the last digest lists, and those of earlier ones whose hour comes later.
    listed: BTreeSet<String>,
    /// The objects that no digest lists, and the time at which each was written.
    unlisted: BTreeMap<String, Timestamp>,
}

impl Verifier {
    /// Begins a verification.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            tokens: Tokens::default(),
            report: Report::default(),
            findings: Vec::new(),
            began: None,
            last: None,
            is_expected_found: false,
            listed: BTreeSet::new(),
            unlisted: BTreeMap::new(),
        }
    }

    /// Verifies the digest of the next hour: its signature, its hour and its link to the one
    /// before. Returns the objects that it lists, which are read next.
    ///
    /// The objects of a digest with a wrong signature are verified as well. Those of a digest under
    /// the key of another hour are not.
    pub fn digest(&mut self, key: &str, bytes: &[u8]) -> Vec<Listed> {
        // What has a later hour has not been seen yet: clocks differ a little.
        let named = digest::hour_of(key);
        self.listed.retain(|key| Area::of_key(key).map(|(_, hour)| hour) >= named);
        self.report.digests = self.report.digests.saturating_add(1);
        let expected = self.last.as_ref().map(|(last, _)| last.next()).or(self.options.from);
        if let Some((expected, hour)) = expected.zip(named) {
            self.find_missing(expected, hour);
        }
        let sum = Sum::of(bytes);
        self.is_expected_found |= self.options.expected_digest == Some(sum);
        let Some((hour, read)) = named.zip(digest::read(bytes)) else {
            self.find(Finding::DigestUnreadable(key.to_owned()));
            return self.pass(key, sum);
        };
        self.check_signature(key, &read);
        if read.digest.hour != hour {
            let contents = digest::key(read.digest.hour);
            self.find(Finding::DigestReplayed(key.to_owned(), contents));
            return self.pass(key, sum);
        }
        self.check_link(key, hour, read.digest.previous.as_ref());
        self.pass(key, sum);
        for object in &read.digest.objects {
            self.unlisted.remove(&object.key);
            self.listed.insert(object.key.clone());
        }
        self.tokens.advance(hour);
        read.digest.objects
    }

    /// Takes the digest under this key as the last one.
    fn pass(&mut self, key: &str, sum: Sum) -> Vec<Listed> {
        if let Some(hour) = digest::hour_of(key) {
            self.began = self.began.or(Some(hour));
            self.last = Some((hour, Link { key: key.to_owned(), sha256: sum }));
        }
        Vec::new()
    }

    fn check_signature(&mut self, key: &str, read: &Unverified<'_>) {
        let (key, key_id) = (key.to_owned(), read.key_id.clone());
        match self.options.keys.get(&key_id) {
            None => self.find(Finding::KeyUnknown(key, key_id)),
            Some(public) if !public.verifies(read.message, &read.signature) => {
                self.find(Finding::SignatureWrong(key, key_id));
            }
            Some(_) => {}
        }
    }

    /// Checks that a digest links to the last one.
    fn check_link(&mut self, key: &str, hour: Hour, previous: Option<&Link>) {
        let Some((last, link)) = self.last.clone() else {
            let missing = previous.filter(|_| self.options.from.is_none());
            if let Some(missing) = missing {
                self.find(Finding::DigestMissing(missing.key.clone()));
            }
            return;
        };
        // The contents of a missing digest are unknown.
        let is_after_gap = hour.since(last) > 1
            && previous
                .and_then(|link| digest::hour_of(&link.key))
                .is_some_and(|named| named > last && named.next() == hour);
        if hour <= last || (previous != Some(&link) && !is_after_gap) {
            self.find(Finding::ChainBroken(key.to_owned(), link.key));
        }
    }

    /// Names the digest of every hour from `first` to the one before `end`.
    fn find_missing(&mut self, first: Hour, end: Hour) {
        let mut hour = first;
        // A forged digest far in the future adds no findings for the time until then.
        while hour < end && hour.start() < self.options.now {
            self.find(Finding::DigestMissing(digest::key(hour)));
            hour = hour.next();
        }
    }

    /// Verifies an object that the last digest lists. `bytes` is `None` if it does not exist.
    pub fn object(&mut self, listed: &Listed, bytes: Option<&[u8]>) {
        self.report.objects = self.report.objects.saturating_add(1);
        let digest = self.last.as_ref().map(|(_, link)| link.key.clone()).unwrap_or_default();
        let key = listed.key.clone();
        let Some(bytes) = bytes else {
            return self.find(Finding::ObjectMissing(digest, key));
        };
        if u64::try_from(bytes.len()).is_ok_and(|length| length < listed.bytes) {
            self.find(Finding::ObjectTruncated(digest, key));
        } else if Sum::of(bytes) != listed.sha256 {
            self.find(Finding::ObjectChanged(digest, key));
        }
        self.entries(&listed.key, bytes);
    }

    /// Takes an object of the bucket into account, with the time at which it was last written.
    /// Those that digests list are included.
    pub fn seen(&mut self, key: &str, written_at: Timestamp) {
        if !self.listed.contains(key) {
            self.unlisted.insert(key.to_owned(), written_at);
        }
    }

    /// The objects that no digest lists because they are new, in order.
    pub fn without_digest(&self) -> Vec<String> {
        let new = self.unlisted.iter().filter(|(_, at)| !self.is_overdue(**at));
        new.map(|(key, _)| key.clone()).collect()
    }

    /// Verifies the entries of an object that no digest lists yet.
    pub fn object_without_digest(&mut self, key: &str, bytes: &[u8]) {
        self.entries(key, bytes);
    }

    fn is_overdue(&self, written_at: Timestamp) -> bool {
        written_at.after(DIGEST_TIMEOUT).has_passed(self.options.now)
    }

    fn entries(&mut self, key: &str, bytes: &[u8]) {
        if Area::of_key(key).is_some_and(|(area, _)| area == Area::Unread) {
            self.report.unread = self.report.unread.saturating_add(1);
            return;
        }
        let began = self.began.map(Hour::start);
        let mut rest = bytes;
        let mut number = 0_u64;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            number = number.saturating_add(1);
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            rest = after.strip_prefix(b"\n").unwrap_or_default();
            match line::read(line) {
                None => self.find(Finding::LineUnreadable(key.to_owned(), number)),
                Some(Line::User) => {
                    self.report.user_entries = self.report.user_entries.saturating_add(1);
                }
                Some(Line::Token(read)) => {
                    let content = Sum::of(line).short();
                    let found = self.tokens.take(&read, content, began, &mut self.report);
                    if let Some(place) = found {
                        self.find(place.finding(key, number, &read));
                    }
                }
            }
        }
        if !rest.is_empty() {
            self.find(Finding::LineUnreadable(key.to_owned(), number.saturating_add(1)));
        }
    }

    /// Compares an item of the table with the log. Items that are no records are ignored.
    pub fn record(&mut self, item: &Image) {
        if item.is_other_item() {
            return;
        }
        self.report.records = self.report.records.saturating_add(1);
        let (began, options) = (self.began.map(Hour::start), &self.options);
        if let Some(finding) = self.tokens.compare(item, began, options, &mut self.report) {
            self.find(finding);
        }
    }

    /// Returns the findings since the last call, in the order in which they were found.
    pub fn findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    fn find(&mut self, finding: Finding) {
        self.report.findings = self.report.findings.saturating_add(1);
        self.findings.push(finding);
    }

    /// The tokens that have not ended in the log, each with the version and the SHA-256 of the last
    /// lifecycle image, in no order. After the whole log, these are the records that the table must
    /// have.
    pub fn live(&self) -> impl Iterator<Item = (TokenId, u64, Sum)> {
        self.tokens.live()
    }

    /// Ends the verification, and returns the remaining findings.
    pub fn finish(mut self) -> (Report, Vec<Finding>) {
        if let Some((last, _)) = self.last {
            let mut hour = last.next();
            while hour.end() < self.options.now && self.is_overdue(hour.end()) {
                self.find(Finding::DigestMissing(digest::key(hour)));
                hour = hour.next();
            }
        }
        for (key, written_at) in std::mem::take(&mut self.unlisted) {
            if self.is_overdue(written_at) {
                self.find(Finding::ObjectNotListed(key));
            } else {
                self.report.objects_without_digest =
                    self.report.objects_without_digest.saturating_add(1);
            }
        }
        if let Some(sum) = self.options.expected_digest.filter(|_| !self.is_expected_found) {
            self.find(Finding::ExpectedDigestMissing(sum));
        }
        self.report.live = u64::try_from(self.tokens.live().count()).unwrap_or(u64::MAX);
        if self.options.has_table {
            for finding in self.tokens.missing(&self.options, &mut self.report) {
                self.find(finding);
            }
        }
        (self.report, self.findings)
    }
}

#[cfg(test)]
mod tests;
