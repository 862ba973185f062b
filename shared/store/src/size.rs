//! The size of a token's record as DynamoDB measures it
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>),
//! and its maximum while the token can be accepted. The reason with which a token was disabled or
//! revoked comes on top: a verification that rejects it can then cost one read unit more.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Actor, Origin, Reason, Record, Revocation, Timestamp, network::MAX_AGENT};

use crate::item::{self, Item};

/// The maximum size of a record, in bytes. A strongly consistent read of one costs one unit, of
/// four kilobytes.
pub const MAX_RECORD_BYTES: usize = 4_096;

/// The maximum length of a token's ID, in bytes.
const MAX_ID_LENGTH: usize = 87;

/// More changes than this many digits count are never made to one token.
const VERSION_DIGITS: usize = 10;

/// The size that the first ancestor of a family adds, in bytes. A rotation by another user's token
/// adds one.
const NEXT_ANCESTOR: usize = 32;

/// The number of bytes by which the record of a new token exceeds the maximum, now or after the
/// token was used, rotated, disabled and revoked. Returns `None` if it always fits.
pub fn excess(record: &Record) -> Option<usize> {
    let at = Timestamp::MAX;
    let longest = Reason::ALL.into_iter().max_by_key(|reason| reason.as_str().len());
    let mut item = item::from_record(&Record {
        issued_by: "x".repeat(record.issued_by.len().max(record.id.to_string().len())),
        expiry_cap: Some(at),
        disabled_at: Some(at),
        revoked: longest.map(|because| Revocation { at, because }),
        replaces: Some(record.id.hash),
        replaced_by: Some(record.id.hash),
        replaced_at: Some(at),
        last_used_at: Some(at),
        expiry_notified: Some(Duration::from_secs(at.unix())),
        reused_at: Some(at),
        purge_at: Some(at),
        ..record.clone()
    });
    item.entry(item::ISSUED_BY_FAMILY.to_owned())
        .or_insert_with(|| item::text("x".repeat(MAX_ID_LENGTH)));
    item.insert(item::VERSION.to_owned(), AttributeValue::N("9".repeat(VERSION_DIGITS)));
    let long = |length: usize| item::text("x".repeat(length));
    item.insert(item::LAST_USED_FROM.to_owned(), long(Origin::MAX_LENGTH));
    item.insert(item::LAST_USED_AGENT.to_owned(), long(MAX_AGENT));
    item.insert(item::REUSED_FROM.to_owned(), long(Origin::MAX_LENGTH));
    item.insert(item::REUSED_AGENT.to_owned(), long(MAX_AGENT));
    item.insert(item::CHANGED_AT.to_owned(), item::number(at));
    item.insert(item::CHANGED_BY.to_owned(), long(Actor::MAX_LENGTH));
    item.insert(item::CHANGED_FROM.to_owned(), long(Origin::MAX_LENGTH));
    item.insert(item::REQUEST_ID.to_owned(), long(Origin::MAX_LENGTH));
    // The revocation of a token removes this attribute.
    item.insert(item::LIVE_UNTIL.to_owned(), item::number(at));
    bytes_of(&item)
        .saturating_add(NEXT_ANCESTOR)
        .checked_sub(MAX_RECORD_BYTES)
        .filter(|excess| *excess > 0)
}

fn bytes_of(item: &Item) -> usize {
    item.iter().fold(0, |sum: usize, (name, value)| {
        sum.saturating_add(name.len()).saturating_add(bytes_of_value(value))
    })
}

/// The size of a value in bytes, for the types that records hold. DynamoDB rounds some of them
/// down.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a record holds no other type, and DynamoDB can add types"
)]
fn bytes_of_value(value: &AttributeValue) -> usize {
    const OVERHEAD: usize = 3;
    let all = |lengths: &mut dyn Iterator<Item = usize>| {
        lengths.fold(OVERHEAD, |sum, length| sum.saturating_add(length).saturating_add(1))
    };
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2).saturating_add(1),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(set) => all(&mut set.iter().map(String::len)),
        AttributeValue::L(list) => all(&mut list.iter().map(bytes_of_value)),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_sizes_that_dynamodb_documents() {
        let text = || item::text("abc");
        for (value, expected) in [
            (text(), 3),
            (AttributeValue::N("1800000000".to_owned()), 6),
            (AttributeValue::N("123".to_owned()), 3),
            (AttributeValue::B(vec![0; 32].into()), 32),
            (AttributeValue::Ss(vec!["a".to_owned(), "bc".to_owned()]), 8),
            (AttributeValue::L(vec![text(), text()]), 11),
            (AttributeValue::Bool(true), 1),
        ] {
            assert_eq!(bytes_of_value(&value), expected, "{value:?}");
            assert_eq!(bytes_of(&Item::from([("name".to_owned(), value)])), expected + 4);
        }
    }
}
