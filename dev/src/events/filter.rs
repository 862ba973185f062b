//! The filters of an event source
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>), as far as the
//! template uses them: nested members, and at the leaves a list of rules, one of which must hold. A
//! rule is a text, or `{"exists": true}`.

use serde_json::Value;

use crate::template::TemplateError;

/// A pattern. Every member must match.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Value);

impl Pattern {
    /// Reads a pattern from its JSON text.
    ///
    /// # Errors
    /// Returns a [`TemplateError`] if it is not JSON, or has a rule that is not supported.
    pub fn parse(text: &str, place: &str) -> Result<Self, TemplateError> {
        let pattern: Value = serde_json::from_str(text)
            .map_err(|error| TemplateError::shape(place, error.to_string()))?;
        if is_supported(&pattern) {
            Ok(Self(pattern))
        } else {
            Err(TemplateError::shape(place, format!("the filter {text} is not supported")))
        }
    }

    /// Returns whether a record matches.
    pub fn matches(&self, record: &Value) -> bool {
        matches(&self.0, Some(record))
    }
}

fn is_supported(pattern: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.values().all(is_supported),
        Value::Array(rules) => rules.iter().all(|rule| rule.is_string() || exists(rule).is_some()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn exists(rule: &Value) -> Option<bool> {
    rule.as_object().filter(|rule| rule.len() == 1)?.get("exists")?.as_bool()
}

fn matches(pattern: &Value, value: Option<&Value>) -> bool {
    match pattern {
        Value::Object(members) => members
            .iter()
            .all(|(name, pattern)| matches(pattern, value.and_then(|value| value.get(name)))),
        Value::Array(rules) => rules.iter().any(|rule| match exists(rule) {
            Some(exists) => value.is_some() == exists,
            None => value == Some(rule),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_matches_if_every_member_has_a_rule_that_holds() {
        let check = |pattern: &str, record: Value, expected: bool| {
            let pattern = Pattern::parse(pattern, "place").unwrap();
            assert_eq!(pattern.matches(&record), expected, "{record}");
        };
        let version = r#"{"dynamodb":{"NewImage":{"version":{"N":[{"exists":true}]}}}}"#;
        check(version, json!({"dynamodb": {"NewImage": {"version": {"N": "1"}}}}), true);
        check(version, json!({"dynamodb": {"NewImage": {}}}), false);
        check(version, json!({"dynamodb": {"OldImage": {"version": {"N": "1"}}}}), false);
        let absent = r#"{"a":[{"exists":false}],"b":["x","y"]}"#;
        check(absent, json!({"b": "y"}), true);
        check(absent, json!({"b": "z"}), false);
        check(absent, json!({"a": 1, "b": "x"}), false);
        for pattern in ["", "1", r#"{"a":"x"}"#, r#"{"a":[{"prefix":"x"}]}"#, r#"{"a":[1]}"#] {
            assert!(Pattern::parse(pattern, "place").is_err(), "{pattern}");
        }
    }
}
