//! Every kind of event against the JSON Schema.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value as Json;

use super::*;
use crate::sample::image;

/// Returns why a value is not valid, for the keywords that the schema uses. Any other keyword is a
/// failure.
fn error(schema: &Json, value: &Json, path: &str) -> Option<String> {
    let members = schema.as_object().unwrap();
    members.iter().find_map(|(keyword, expected)| {
        let is_valid = match keyword.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => match expected.as_str().unwrap() {
                "object" => value.is_object(),
                "string" => value.is_string(),
                "integer" => value.is_u64() || value.is_i64(),
                "array" => value.is_array(),
                other => panic!("unknown type {other}"),
            },
            "pattern" => {
                let pattern = Regex::new(expected.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "minimum" => value.as_i64() >= expected.as_i64(),
            "enum" => expected.as_array().unwrap().contains(value),
            "required" => {
                let mut names = expected.as_array().unwrap().iter();
                names.all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "additionalProperties" => {
                assert_eq!(*expected, Json::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                value.as_object().unwrap().keys().all(|name| known.contains_key(name))
            }
            "anyOf" => expected.as_array().unwrap().iter().any(|s| error(s, value, path).is_none()),
            "items" => {
                return value.as_array()?.iter().find_map(|item| error(expected, item, path));
            }
            "properties" => {
                let properties = expected.as_object().unwrap().iter();
                return properties
                    .filter_map(|(name, schema)| Some((name, schema, value.get(name)?)))
                    .find_map(|(name, schema, value)| {
                        error(schema, value, &format!("{path}/{name}"))
                    });
            }
            other => panic!("unknown keyword {other}"),
        };
        (!is_valid).then(|| format!("{path} {keyword} {value}"))
    })
}

fn schema() -> Json {
    serde_json::from_str(SCHEMA).unwrap()
}

fn all() -> Vec<Event> {
    let mut all = Vec::new();
    let full = [
        ("changed_from", text("192.0.2.7")),
        ("changed_because", text("because")),
        ("request_id", text("r-1")),
        ("expires_at", number(3_000_000)),
        ("name", text("deploy")),
    ];
    for (old, new, _) in changes() {
        let old = with(&record(HASH, 4), &old);
        let new = with(&with(&record(HASH, 5), &new), &full);
        all.extend(events(Some(&old), Some(&new), written(NOW)).unwrap());
    }
    let record = with(&record(HASH, 1), &full);
    all.extend(events(None, Some(&record), written(NOW)).unwrap());
    for by_ttl in [false, true] {
        all.extend(events(Some(&record), None, Written { at: at(NOW), by_ttl }).unwrap());
    }
    let user = |status| image(&[("user_id", text("ada-1")), ("status", text(status))]);
    let (active, blocked) = (user("active"), user("blocked"));
    let changed = with(&active, &[("password_hash", text("x")), ("plan", text("gold"))]);
    for (old, new) in [
        (None, Some(&active)),
        (Some(&active), Some(&blocked)),
        (Some(&blocked), Some(&active)),
        (Some(&active), Some(&changed)),
        (Some(&active), None),
    ] {
        all.extend(user_events(old, new, written(NOW), "123").unwrap());
    }
    all
}

#[test]
fn every_kind_of_event_is_valid() {
    let (schema, all) = (schema(), all());
    let kinds: BTreeSet<Kind> = all.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, Kind::ALL.into_iter().collect());
    for event in all {
        assert_eq!(error(&schema, &event.detail(), ""), None);
    }
    assert_eq!(schema["properties"]["kind"]["enum"], serde_json::json!(KINDS));
}

#[test]
fn an_event_with_anything_else_is_invalid() {
    let schema = schema();
    let valid = all().remove(0).detail();
    let check = |change: fn(&mut Json)| {
        let mut detail = valid.clone();
        change(&mut detail);
        assert!(error(&schema, &detail, "").is_some(), "{detail}");
    };
    check(|detail| detail["kind"] = "token.unknown".into());
    check(|detail| detail["version"] = (-1).into());
    check(|detail| detail["version"] = "1".into());
    check(|detail| detail["at"] = "1970-01-24".into());
    check(|detail| detail["user_fingerprint"] = "x".into());
    check(|detail| drop(detail.as_object_mut().unwrap().remove("token_id")));
    check(|detail| drop(detail.as_object_mut().unwrap().remove("actor")));
}

#[test]
fn no_event_has_a_digest_or_the_value_of_a_users_attribute() {
    for event in all() {
        let detail = event.detail().to_string();
        // The fingerprint of the samples, and the values of the changed attributes.
        for hidden in ["BwcHBwcH", "fingerprint", "gold", "plan"] {
            assert!(!detail.contains(hidden), "{detail}");
        }
    }
}
