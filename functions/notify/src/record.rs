//! The records of the stream
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html>), as
//! Lambda delivers them.

use hallpass_audit::{Image, Unreadable, Written};
use hallpass_token::Timestamp;
use serde_json::Value;

/// A record of the stream.
#[derive(Debug)]
pub(crate) struct Delivered<'a> {
    /// The record, as it was delivered.
    pub(crate) raw: &'a Value,
    pub(crate) sequence_number: &'a str,
    pub(crate) at: Timestamp,
    /// The change, if it can be read.
    pub(crate) change: Result<Change, Unreadable>,
}

/// A change of an item.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) old: Option<Image>,
    pub(crate) new: Option<Image>,
    pub(crate) written: Written,
}

/// Reads a record. Returns `None` without a sequence number, which names it.
pub(crate) fn read(raw: &Value, now: Timestamp) -> Option<Delivered<'_>> {
    let sequence_number = raw.pointer("/dynamodb/SequenceNumber")?.as_str()?;
    let at = raw.pointer("/dynamodb/ApproximateCreationDateTime").and_then(seconds).unwrap_or(now);
    let principal = raw.pointer("/userIdentity/principalId").and_then(Value::as_str);
    let by_ttl = principal == Some(Written::TTL);
    let image = |name: &str| raw.pointer(name).map(Image::from_dynamodb_json).transpose();
    let images =
        image("/dynamodb/OldImage").and_then(|old| Ok((old, image("/dynamodb/NewImage")?)));
    let change = images.map(|(old, new)| Change { old, new, written: Written { at, by_ttl } });
    Some(Delivered { raw, sequence_number, at, change })
}

/// Reads a time in seconds, with or without a fraction.
fn seconds(value: &Value) -> Option<Timestamp> {
    let text = value.as_number()?.to_string();
    text.split('.').next()?.parse().ok().and_then(Timestamp::from_unix)
}
