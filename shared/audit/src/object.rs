//! The objects of the audit log.

use hallpass_token::Timestamp;
use serde_json::Value as Json;

use crate::{
    entry::{Entry, MAX_SEQUENCE_NUMBER},
    hour::Hour,
    sum::Sum,
};

/// The part of the log that an object belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Entries of tokens.
    Tokens,
    /// Entries of users.
    Users,
    /// Records of a stream that cannot be read, unchanged.
    Unread,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 3] = [Self::Tokens, Self::Users, Self::Unread];

    /// The beginning of the keys of its objects.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Tokens => "audit/tokens/",
            Self::Users => "audit/users/",
            Self::Unread => "audit/unread/",
        }
    }

    /// The area and the hour of an object. Returns `None` if the key is not that of an object.
    pub fn of_key(key: &str) -> Option<(Self, Hour)> {
        let area = Self::ALL.into_iter().find(|area| key.starts_with(area.prefix()))?;
        let rest = key.strip_prefix(area.prefix())?;
        let (path, _) = rest.rsplit_once('/')?;
        Some((area, Hour::from_path(path)?))
    }
}

/// An object of the audit log, before it is written.
///
/// The same batch of the stream always gives the same key and the same bytes. Write it with
/// `If-None-Match: *`; the status 412 then means that an earlier attempt has written it. See
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key, `<area>YYYY/MM/DD/HH/<sequence number>-<16 characters of the SHA-256>.jsonl`. The
    /// sequence number has zeros in front, so that the order of keys is that of changes.
    pub key: String,
    /// The contents.
    pub bytes: Vec<u8>,
    /// The SHA-256 of the contents.
    pub sum: Sum,
    /// The number of entries.
    pub entries: u64,
}

impl Object {
    /// The object of a batch of entries, in the order of the stream. `first_at` is the approximate
    /// time of the first change, from the stream, which gives the hour. Returns `None` if there are
    /// no entries.
    pub fn of_entries(area: Area, first_at: Timestamp, entries: &[Entry]) -> Option<Self> {
        let first = entries.first()?;
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend_from_slice(entry.line().as_bytes());
            bytes.push(b'\n');
        }
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        Some(Self::new(area, first_at, &first.sequence_number, "jsonl", bytes, count))
    }

    /// The object of one record of a stream that cannot be read. `at` is its approximate time, or
    /// the time of its delivery if that cannot be read either.
    pub fn of_unreadable(at: Timestamp, sequence_number: &str, record: &Json) -> Self {
        let digits = sequence_number.bytes().filter(u8::is_ascii_digit).take(MAX_SEQUENCE_NUMBER);
        let digits: String = digits.map(char::from).collect();
        Self::new(Area::Unread, at, &digits, "json", record.to_string().into_bytes(), 1)
    }

    fn new(
        area: Area,
        at: Timestamp,
        sequence_number: &str,
        extension: &str,
        bytes: Vec<u8>,
        entries: u64,
    ) -> Self {
        let sum = Sum::of(&bytes);
        let (prefix, hour) = (area.prefix(), Hour::of(at).path());
        let key = format!("{prefix}{hour}/{sequence_number:0>40}-{:016x}.{extension}", sum.short());
        Self { key, bytes, sum, entries }
    }
}

#[cfg(test)]
mod tests;
