//! The attributes of an item before or after a change, as a stream delivers them.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_token::{Timestamp, TokenId, UserId, Value, user::attribute::USER_ID};
use serde_json::{Map, Value as Json, json};

use crate::sum::Sum;

pub use hallpass_token::record::attribute;

/// The attributes that a use changes. They are no part of the lifecycle image.
const OF_USE: [&str; 3] =
    [attribute::LAST_USED_AT, attribute::LAST_USED_FROM, attribute::LAST_USED_AGENT];

use attribute::{ATTRIBUTE_DIGESTS, DEVELOPER, FINGERPRINT, TOKEN, TOKEN_HASH, VERSION};

/// The attributes of one item. `Debug` omits them, because a user's include the password hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(BTreeMap<String, Value>);

/// An item or a record of the stream that cannot be read. Holds the name of the attribute that is
/// missing or of the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {0} is missing or cannot be read")]
pub struct Unreadable(pub &'static str);

impl Image {
    /// An image with these attributes.
    pub const fn new(attributes: BTreeMap<String, Value>) -> Self {
        Self(attributes)
    }

    /// Reads the JSON form of DynamoDB, such as `{"user_id": {"S": "1"}}`; see
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_AttributeValue.html>.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if the value is not an object of attributes of known types.
    pub fn from_dynamodb_json(json: &Json) -> Result<Self, Unreadable> {
        attributes(json).map(Self).ok_or(Unreadable("of an unknown type"))
    }

    /// The attributes.
    pub const fn attributes(&self) -> &BTreeMap<String, Value> {
        &self.0
    }

    /// Whether the item is no record but a session, a pointer, a marker or the like: all of their
    /// keys have a `#`, which no key of a record has.
    pub fn is_other_item(&self) -> bool {
        let has_mark =
            |name| matches!(self.0.get(name), Some(Value::Text(key)) if key.contains('#'));
        has_mark(USER_ID) || has_mark(TOKEN)
    }

    /// The ID of the token whose record this is.
    ///
    /// # Errors
    /// Returns [`Unreadable`] with the name of the attribute that is not part of a token ID.
    pub fn token_id(&self) -> Result<TokenId, Unreadable> {
        let sort_key = self.text(TOKEN)?.ok_or(Unreadable(TOKEN))?;
        let (name, hash) = if sort_key == DEVELOPER {
            (TOKEN_HASH, self.text(TOKEN_HASH)?.ok_or(Unreadable(TOKEN_HASH))?)
        } else {
            (TOKEN, sort_key)
        };
        let hash = hash.parse().map_err(|_| Unreadable(name))?;
        Ok(TokenId { user_id: self.user_id()?, hash })
    }

    /// The ID of the user.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if the attribute is not a user ID.
    pub fn user_id(&self) -> Result<UserId, Unreadable> {
        self.text(USER_ID)?.and_then(|id| id.parse().ok()).ok_or(Unreadable(USER_ID))
    }

    /// The number of changes of a record. A record from before versions counts as 0.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if the attribute is not a count.
    pub fn version(&self) -> Result<u64, Unreadable> {
        self.count(VERSION).map(Option::unwrap_or_default)
    }

    /// The image without the attributes that a use changes.
    #[must_use]
    pub fn lifecycle(&self) -> Self {
        self.without(&OF_USE)
    }

    /// The canonical form: the JSON form of DynamoDB without white space, sorted by name, with
    /// sorted sets, numbers in plain decimal notation and binaries in Base64 (RFC 4648 section 4).
    /// Equal items have equal canonical forms.
    pub fn canonical(&self) -> String {
        let members = self.0.iter().map(|(name, value)| (name.clone(), canonical(value)));
        Json::Object(members.collect()).to_string()
    }

    /// The SHA-256 of the canonical form of the lifecycle image.
    pub fn lifecycle_sum(&self) -> Sum {
        Sum::of(self.lifecycle().canonical().as_bytes())
    }

    /// The lifecycle image as plain JSON for people, without the digests of the user's attributes.
    /// Binaries are in Base64.
    pub fn readable(&self) -> Json {
        let shown = self.without(&OF_USE).without(&[FINGERPRINT, ATTRIBUTE_DIGESTS]);
        Json::Object(shown.0.iter().map(|(name, value)| (name.clone(), readable(value))).collect())
    }

    fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// A text that can be absent.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Unreadable(name)),
        }
    }

    /// A whole number that can be absent.
    pub(crate) fn count(&self, name: &'static str) -> Result<Option<u64>, Unreadable> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                normal(number).parse().map(Some).map_err(|_| Unreadable(name))
            }
            Some(_) => Err(Unreadable(name)),
        }
    }

    /// An instant that can be absent.
    pub(crate) fn instant(&self, name: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        let at = |seconds| Timestamp::from_unix(seconds).ok_or(Unreadable(name));
        self.count(name)?.map(at).transpose()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").finish_non_exhaustive()
    }
}

fn attributes(json: &Json) -> Option<BTreeMap<String, Value>> {
    json.as_object()?.iter().map(|(name, member)| Some((name.clone(), value(member)?))).collect()
}

fn value(json: &Json) -> Option<Value> {
    let mut members = json.as_object()?.iter();
    let ((kind, value), None) = (members.next()?, members.next()) else { return None };
    let bytes = |text: &str| BASE64_STANDARD.decode(text).ok();
    Some(match kind.as_str() {
        "S" => Value::Text(value.as_str()?.to_owned()),
        "N" => Value::Number(value.as_str()?.to_owned()),
        "BOOL" => Value::Flag(value.as_bool()?),
        "NULL" => value.as_bool().map(|_| Value::Null)?,
        "B" => Value::Bytes(bytes(value.as_str()?)?),
        "SS" => Value::TextSet(texts(value)?),
        "NS" => Value::NumberSet(texts(value)?),
        "BS" => Value::BytesSet(texts(value)?.iter().map(|b| bytes(b)).collect::<Option<_>>()?),
        "L" => Value::List(value.as_array()?.iter().map(self::value).collect::<Option<_>>()?),
        "M" => Value::Map(attributes(value)?),
        _ => return None,
    })
}

fn texts(json: &Json) -> Option<Vec<String>> {
    json.as_array()?.iter().map(|member| member.as_str().map(str::to_owned)).collect()
}

/// The members of a set as sorted texts.
fn set<T>(members: &[T], text: impl Fn(&T) -> String) -> Vec<String> {
    let mut sorted: Vec<String> = members.iter().map(text).collect();
    sorted.sort_unstable();
    sorted
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

pub(crate) fn canonical(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({"S": text}),
        Value::Number(number) => json!({"N": normal(number)}),
        Value::Flag(flag) => json!({"BOOL": flag}),
        Value::Null => json!({"NULL": true}),
        Value::Bytes(bytes) => json!({"B": base64(bytes)}),
        Value::TextSet(members) => json!({"SS": set(members, Clone::clone)}),
        Value::NumberSet(members) => json!({"NS": set(members, |number| normal(number))}),
        Value::BytesSet(members) => json!({"BS": set(members, |bytes| base64(bytes))}),
        Value::List(list) => json!({"L": list.iter().map(canonical).collect::<Vec<_>>()}),
        Value::Map(map) => {
            let members = map.iter().map(|(name, value)| (name.clone(), canonical(value)));
            json!({"M": members.collect::<Map<_, _>>()})
        }
    }
}

fn readable(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => {
            let number = normal(number);
            number.parse::<i64>().map_or_else(|_| json!(number), |whole| json!(whole))
        }
        Value::Flag(flag) => json!(flag),
        Value::Null => Json::Null,
        Value::Bytes(bytes) => json!(base64(bytes)),
        Value::TextSet(members) => json!(set(members, Clone::clone)),
        Value::NumberSet(members) => json!(set(members, |number| normal(number))),
        Value::BytesSet(members) => json!(set(members, |bytes| base64(bytes))),
        Value::List(list) => json!(list.iter().map(readable).collect::<Vec<_>>()),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(name, value)| (name.clone(), readable(value))).collect())
        }
    }
}

/// The maximum exponent that is written out. DynamoDB's numbers end at 126.
const MAX_EXPONENT: u32 = 200;

/// A number in plain decimal notation, without zeros at either end. Anything else is left
/// unchanged.
fn normal(number: &str) -> String {
    decimal(number).unwrap_or_else(|| number.to_owned())
}

fn decimal(number: &str) -> Option<String> {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let number = if sign.is_empty() { number.strip_prefix('+').unwrap_or(number) } else { number };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || exponent.unsigned_abs() > MAX_EXPONENT {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let zeros = digits.len().checked_sub(significant.len())?;
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    // The position of the point, counted from the first significant digit.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let point = point.checked_sub(i32::try_from(zeros).ok()?)?;
    let Some(before) = usize::try_from(point).ok().filter(|before| *before > 0) else {
        let zeros = "0".repeat(usize::try_from(point.unsigned_abs()).ok()?);
        return Some(format!("{sign}0.{zeros}{significant}"));
    };
    match significant.split_at_checked(before) {
        Some((whole, "")) => Some(format!("{sign}{whole}")),
        Some((whole, fraction)) => Some(format!("{sign}{whole}.{fraction}")),
        None => {
            let zeros = "0".repeat(before.checked_sub(significant.len())?);
            Some(format!("{sign}{significant}{zeros}"))
        }
    }
}

#[cfg(test)]
mod tests;
