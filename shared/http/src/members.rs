//! Deserializes the members of a JSON object and the fields of a form. An error names the member
//! and never quotes its value, which can be a secret in the wrong place.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use hallpass_token::redact::redact;
use serde::{
    Deserialize,
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer,
        MapAccess, Unexpected, Visitor, value::SeqDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, map};

use crate::Problem;

/// A value that a client writes as text, in the form that its type parses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String", bound = "T: FromStr<Err: Display>")]
pub struct Parsed<T>(pub T);

impl<T: FromStr> TryFrom<String> for Parsed<T> {
    type Error = T::Err;

    fn try_from(text: String) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

/// The longest part of a client's own name for a member that a response repeats, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// Deserializes the members of an object. `null` counts as absent.
///
/// The type chooses which members exist (`deny_unknown_fields`) and what is wrong with a value: the
/// errors of its own `TryFrom` implementations are shown to the client.
///
/// # Errors
/// Returns 400 that names the member.
pub fn read<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, Problem> {
    T::deserialize(Member(Value::Object(members)))
        .map_err(|error| Problem::invalid_member(&error.member, &error.wrong))
}

/// Deserializes one text, such as the field of a form.
///
/// # Errors
/// Returns 400 that names the member.
pub fn read_text<T: DeserializeOwned>(member: &str, text: &str) -> Result<T, Problem> {
    T::deserialize(Member(Value::from(text)))
        .map_err(|error| Problem::invalid_member(member, &error.wrong))
}

/// Returns the beginning of a name that a client chose, for a response that repeats it. It can be a
/// secret in the wrong place.
pub(crate) fn short(name: &str) -> String {
    redact(name).chars().take(MAX_NAME_LENGTH).collect()
}

/// What is wrong with which member.
#[derive(Debug, thiserror::Error)]
#[error("{member}: {wrong}")]
struct Error {
    member: String,
    wrong: Cow<'static, str>,
}

impl Error {
    fn new(wrong: impl Into<Cow<'static, str>>) -> Self {
        Self { member: String::new(), wrong: wrong.into() }
    }

    /// Names the member, unless a member inside it is named.
    fn of(mut self, member: &str) -> Self {
        if self.member.is_empty() {
            member.clone_into(&mut self.member);
        }
        self
    }
}

/// The messages of serde quote the value; these do not.
impl de::Error for Error {
    fn custom<T: Display>(wrong: T) -> Self {
        Self::new(wrong.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(match expected.to_string().as_str() {
            "a boolean" => "it must be true or false".to_owned(),
            "a sequence" => "it must be a list".to_owned(),
            "u64" => "it must be a whole number".to_owned(),
            expected => format!("it must be {expected}"),
        })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let expected: Vec<_> = expected.iter().map(|name| format!("\"{name}\"")).collect();
        Self::new(format!("must be {}", expected.join(" or ")))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new("there is no such member").of(&short(field))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("it is missing").of(field)
    }
}

/// A value.
struct Member(Value);

/// The members of an object, of which one was named and its value not yet read.
struct Object {
    members: map::IntoIter,
    named: Option<(String, Value)>,
}

impl<'de> Deserializer<'de> for Member {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => Err(Error::new("it is missing")),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(values) => {
                visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Member)))
            }
            Value::Object(members) => {
                visitor.visit_map(Object { members: members.into_iter(), named: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(name.into_deserializer()),
            Value::Null => Err(Error::new("it is missing")),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(de::Error::unknown_variant("", variants))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for Member {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> MapAccess<'de> for Object {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        let key = seed.deserialize(name.as_str().into_deserializer())?;
        self.named = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self.named.take().unwrap_or_default();
        seed.deserialize(Member(value)).map_err(|error| error.of(&name))
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::UserId;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Small,
        Large,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        kind: Option<Kind>,
        on: Option<bool>,
        seconds: Option<u64>,
        user_id: Option<Parsed<UserId>>,
        list: Option<Vec<String>>,
    }

    fn check(body: &Value, expected: Result<Body, &str>) {
        let members = body.as_object().unwrap().clone();
        let read = read::<Body>(members).map_err(|problem| problem.detail().to_owned());
        assert_eq!(read, expected.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn null_counts_as_absent() {
        let body = |kind| Body {
            name: "a".to_owned(),
            kind,
            on: None,
            seconds: None,
            user_id: None,
            list: None,
        };
        check(&json!({"name": "a"}), Ok(body(None)));
        check(&json!({"name": "a", "kind": null, "on": null, "user_id": null}), Ok(body(None)));
        check(&json!({"name": "a", "kind": "large"}), Ok(body(Some(Kind::Large))));
        check(&json!({"name": null}), Err("name: it is missing"));
        check(&json!({}), Err("name: it is missing"));
        check(&json!({"name": "a", "other": null}), Err("other: there is no such member"));
    }

    #[test]
    fn an_error_names_the_member_and_not_its_value() {
        let wrong = |member: &str, value: Value, expected: &str| {
            check(&json!({"name": "a", member: value}), Err(&format!("{member}: {expected}")));
        };
        wrong("name", json!(7), "it must be a string");
        wrong("name", json!({"a": 1}), "it must be a string");
        wrong("on", json!("topsecret"), "it must be true or false");
        wrong("seconds", json!("topsecret"), "it must be a whole number");
        wrong("seconds", json!(-1), "it must be a whole number");
        wrong("kind", json!("topsecret"), "must be \"small\" or \"large\"");
        wrong("kind", json!(["topsecret"]), "must be \"small\" or \"large\"");
        wrong("user_id", json!("top secret"), "not a valid ID");
        wrong("user_id", json!(1.5), "it must be a string");
        wrong("list", json!(["a", 1]), "it must be a string");
        wrong("list", json!("topsecret"), "it must be a list");
    }

    #[test]
    fn one_text_is_read_as_a_type() {
        assert_eq!(read_text::<Kind>("kind", "small").ok(), Some(Kind::Small));
        let wrong = read_text::<Kind>("kind", "topsecret").unwrap_err();
        assert_eq!(wrong.detail(), "kind: must be \"small\" or \"large\"");
    }
}
