//! A JSON parser that rejects objects with repeated names. RFC 8259 section 4 leaves the meaning of
//! a repeated name to the parser, so two parsers can read different requests from one body. Here it
//! is an error that names the member.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The reason a text was rejected.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The text is not JSON. Holds the line and the column of the error, counted from 1.
    Syntax(usize, usize),
    /// This member is repeated in one object, possibly with different escapes.
    Repeated(String),
}

/// Parses a JSON text.
///
/// # Errors
/// Returns [`Rejected`] if the text is not JSON or an object repeats a name.
pub fn parse(text: &[u8]) -> Result<Value, Rejected> {
    let repeated = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = Strict(&repeated).deserialize(&mut deserializer);
    let whole = parsed.and_then(|value| deserializer.end().map(|()| value));
    whole.map_err(|error| match repeated.take() {
        Some(member) => Rejected::Repeated(member),
        None => Rejected::Syntax(error.line(), error.column()),
    })
}

/// Deserializes one value, and stores the first repeated name.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.contains_key(&name) {
                self.0.replace(Some(name));
                return Err(A::Error::custom("a member is repeated"));
            }
            members.insert(name, object.next_value_seed(self)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeated_member_is_named_at_any_depth_and_in_any_spelling() {
        let check = |text: &str, member: &str| {
            assert_eq!(
                parse(text.as_bytes()),
                Err(Rejected::Repeated(member.to_owned())),
                "{text}"
            );
        };
        check(r#"{"name":1,"name":2}"#, "name");
        check(r#"{"name":1,"other":0,"n\u0061me":1}"#, "name");
        check(r#"{"\u006eame":1,"name":1}"#, "name");
        check(r#"{"a":{"b":[{"c":1,"c":1}]}}"#, "c");
        check(r#"[[{"x":null,"x":null}]]"#, "x");
        check(r#"{"":1,"":1}"#, "");
        check(r#"{"\ud83d\ude00":1,"😀":2}"#, "😀");
    }

    #[test]
    fn other_json_parses_as_in_serde_json() {
        for text in [
            "{}",
            "[]",
            "null",
            r#"{"name":"a","Name":"b","name ":"c"}"#,
            r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#,
            r#"[0,-1,18446744073709551615,-9223372036854775808,1.5,1e300,true,false,"\u00e9\n"]"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(serde_json::from_str(text).unwrap()), "{text}");
        }
        assert_eq!(parse(br#" {"b":1,"a":2} "#), Ok(json!({"b": 1, "a": 2})));
    }

    #[test]
    fn a_syntax_error_has_a_line_and_a_column() {
        let deep = "[".repeat(200);
        for text in
            ["", "{", r#"{"a":1}x"#, r#"{"a":1,}"#, "nul", r#"{"a" 1}"#, "\u{feff}{}", &deep]
        {
            assert!(matches!(parse(text.as_bytes()), Err(Rejected::Syntax(_, _))), "{text}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(Rejected::Syntax(1, _))));
        assert_eq!(parse(b"{\n  x"), Err(Rejected::Syntax(2, 3)));
    }
}
