//! Converts values to and from those of DynamoDB, and reads the attributes of items.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use hallpass_token::{Timestamp, Value};

use super::Item;
use crate::failure::Corrupt;

pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.unix().to_string())
}

/// A duration in whole seconds.
pub(crate) fn seconds(duration: Duration) -> AttributeValue {
    AttributeValue::N(duration.as_secs().to_string())
}

/// Reads the values of all attributes.
pub(crate) fn to_values(item: Item) -> Result<BTreeMap<String, Value>, Corrupt> {
    item.into_iter().map(|(name, value)| Ok((name, to_value(value)?))).collect()
}

/// Converts a value to that of an attribute.
pub(crate) fn from_value(value: Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(number) => AttributeValue::N(number),
        Value::Flag(flag) => AttributeValue::Bool(flag),
        Value::Null => AttributeValue::Null(true),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
        Value::TextSet(set) => AttributeValue::Ss(set),
        Value::NumberSet(set) => AttributeValue::Ns(set),
        Value::BytesSet(set) => AttributeValue::Bs(set.into_iter().map(Blob::new).collect()),
        Value::List(list) => AttributeValue::L(list.into_iter().map(from_value).collect()),
        Value::Map(map) => AttributeValue::M(
            map.into_iter().map(|(name, value)| (name, from_value(value))).collect(),
        ),
    }
}

/// Whether two items are equal. DynamoDB returns the members of a set in any order.
pub(crate) fn is_same(one: &Item, other: &Item) -> bool {
    let same = |(name, value): (&String, &AttributeValue)| {
        other.get(name).is_some_and(|found| is_same_value(value, found))
    };
    one.len() == other.len() && one.iter().all(same)
}

/// Whether two values are equal. The order of a set of strings is ignored.
pub(crate) fn is_same_value(one: &AttributeValue, other: &AttributeValue) -> bool {
    match (one, other) {
        (AttributeValue::Ss(one), AttributeValue::Ss(other)) => {
            one.len() == other.len() && one.iter().all(|name| other.contains(name))
        }
        (one, other) => one == other,
    }
}

pub(crate) fn required<T: std::str::FromStr>(
    item: &Item,
    name: &'static str,
) -> Result<T, Corrupt> {
    optional(item, name)?.ok_or(Corrupt(name))
}

pub(crate) fn optional<T: std::str::FromStr>(
    item: &Item,
    name: &'static str,
) -> Result<Option<T>, Corrupt> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => text.parse().map(Some).map_err(|_| Corrupt(name)),
        Some(_) => Err(Corrupt(name)),
    }
}

pub(crate) fn instant(item: &Item, name: &'static str) -> Result<Option<Timestamp>, Corrupt> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(text)) => {
            text.parse().ok().and_then(Timestamp::from_unix).map(Some).ok_or(Corrupt(name))
        }
        Some(_) => Err(Corrupt(name)),
    }
}

pub(crate) fn duration(item: &Item, name: &'static str) -> Result<Option<Duration>, Corrupt> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(text)) => {
            text.parse().ok().map(Duration::from_secs).map(Some).ok_or(Corrupt(name))
        }
        Some(_) => Err(Corrupt(name)),
    }
}

/// Bytes as a value. No bytes are stored as an absent attribute.
pub(crate) fn bytes(bytes: &[u8]) -> Option<AttributeValue> {
    (!bytes.is_empty()).then(|| AttributeValue::B(Blob::new(bytes)))
}

pub(crate) fn optional_bytes<'a>(item: &'a Item, name: &'static str) -> Result<&'a [u8], Corrupt> {
    match item.get(name) {
        None => Ok(&[]),
        Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref()),
        Some(_) => Err(Corrupt(name)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "DynamoDB can add types")]
fn to_value(value: AttributeValue) -> Result<Value, Corrupt> {
    Ok(match value {
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::N(number) => Value::Number(number),
        AttributeValue::Bool(flag) => Value::Flag(flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::B(bytes) => Value::Bytes(bytes.into_inner()),
        AttributeValue::Ss(set) => Value::TextSet(set),
        AttributeValue::Ns(set) => Value::NumberSet(set),
        AttributeValue::Bs(set) => Value::BytesSet(set.into_iter().map(Blob::into_inner).collect()),
        AttributeValue::L(list) => {
            Value::List(list.into_iter().map(to_value).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(map) => Value::Map(
            map.into_iter()
                .map(|(name, value)| Ok((name, to_value(value)?)))
                .collect::<Result<_, Corrupt>>()?,
        ),
        _ => return Err(Corrupt("of an unknown type")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_with_the_same_elements_in_any_order_are_equal() {
        let set = |names: &[&str]| {
            AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let pair = set(&["a", "b"]);
        for (other, expected) in [
            (set(&["a", "b"]), true),
            (set(&["b", "a"]), true),
            (set(&["a", "c"]), false),
            (set(&["a"]), false),
            (set(&["a", "b", "c"]), false),
            (text("a"), false),
        ] {
            assert_eq!(is_same_value(&pair, &other), expected, "{other:?}");
            assert_eq!(is_same_value(&other, &pair), expected, "{other:?}");
        }
    }
}
