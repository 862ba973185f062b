//! JSON in which every member of an object has a name of its own. RFC 8259 section 4 leaves to the reader what a repeated
//! name means, so that two readers of one body may see two requests; here it is an error that names the member.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It is not JSON; line and column, counted from 1, where that shows.
    Syntax(usize, usize),
    /// This member stands twice in one object, however it is escaped.
    Repeated(String),
}

/// Reads a JSON text.
///
/// # Errors
/// See [`Rejected`].
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

/// Reads one value, and notes the name that stands twice.
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

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
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
    fn a_member_that_stands_twice_is_named_at_every_depth_and_in_every_spelling() {
        let check = |text: &str, member: &str| {
            assert_eq!(parse(text.as_bytes()), Err(Rejected::Repeated(member.to_owned())), "{text}");
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
    fn everything_else_is_read_as_serde_json_reads_it() {
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
    fn what_is_not_json_is_a_syntax_error_with_its_place() {
        let deep = "[".repeat(200);
        for text in ["", "{", r#"{"a":1}x"#, r#"{"a":1,}"#, "nul", r#"{"a" 1}"#, "\u{feff}{}", &deep] {
            assert!(matches!(parse(text.as_bytes()), Err(Rejected::Syntax(_, _))), "{text}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(Rejected::Syntax(1, _))));
        assert_eq!(parse(b"{\n  x"), Err(Rejected::Syntax(2, 3)));
    }
}
