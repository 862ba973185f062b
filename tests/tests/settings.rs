//! What a variable says when it is there and empty: nothing. A template and SAM local can declare one, not leave it out.

use std::collections::{BTreeMap, BTreeSet};

use edge::{
    Settings, service,
    settings::{BadSetting, Lookup},
};
use tests::KEYS;
use verify_authorizer::Authorizer;

const README: &str = include_str!("../../README.md");

/// Without these no function starts.
const NEEDED: [(&str, &str); 7] = [
    ("AWS_REGION", "local"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("HALLPASS_USERS_TABLE", "Users"),
    ("HALLPASS_TOKENS_TABLE", "Tokens"),
    ("HALLPASS_ATTEMPTS_TABLE", "Attempts"),
    ("HALLPASS_KEYS", KEYS),
];

/// Every variable that README.md's table lists.
fn listed() -> BTreeSet<&'static str> {
    let rows = README.lines().filter(|line| line.starts_with("| `HALLPASS_"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`')).filter(|word| word.starts_with("HALLPASS_")).collect()
}

/// All that the functions read, as they have it in the end.
fn started(lookup: Lookup<'_>) -> Result<String, BadSetting> {
    let connection = service::connection(lookup)?;
    let endpoints = (connection.dynamodb_endpoint, connection.secrets_endpoint, connection.session_token.is_some());
    let keys = service::keys(lookup, service::connection)?;
    let authorizer = format!("{:?}", Authorizer::new(edge::Service::new(lookup)?, lookup)?);
    // The clients before it hold random numbers.
    let own = &authorizer[authorizer.rfind("routes: ").unwrap()..];
    Ok(format!("{endpoints:?} {keys:?} {:?} {own}", Settings::read(lookup)?))
}

fn with(changes: &[(&'static str, &str)]) -> Result<String, BadSetting> {
    let mut environment: BTreeMap<&str, &str> = NEEDED.into();
    environment.extend(changes.iter().copied());
    started(&|name| environment.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn an_empty_value_counts_as_absent_whatever_the_variable() {
    let absent = with(&[]).unwrap();
    let optional: Vec<&str> =
        listed().into_iter().filter(|name| NEEDED.iter().all(|(needed, _)| needed != name)).collect();
    assert!(optional.len() > 20, "{optional:?}");
    for name in optional {
        assert_eq!(with(&[(name, "")]).as_ref(), Ok(&absent), "{name}");
    }
    assert_eq!(with(&[("AWS_SESSION_TOKEN", "")]).unwrap(), absent);
    for (name, _) in NEEDED {
        let named = with(&[(name, "")]).unwrap_err().name;
        assert!(named == name || named == "HALLPASS_KEYS_SECRET", "{name} is empty, and {named} is named");
    }
}

#[test]
fn the_settings_of_the_authorizer_are_looked_at() {
    let absent = with(&[]).unwrap();
    assert_ne!(with(&[("HALLPASS_AUTHORIZER_ANSWER", "policy")]).unwrap(), absent);
    assert_ne!(with(&[("HALLPASS_ROUTES", "[]")]).unwrap(), absent);
}

#[test]
fn an_endpoint_is_a_url_with_its_scheme() {
    for name in ["HALLPASS_DYNAMODB_ENDPOINT", "HALLPASS_SECRETS_ENDPOINT"] {
        assert_ne!(with(&[(name, "http://172.17.0.1:8000")]).unwrap(), with(&[]).unwrap(), "{name} is read");
        assert_eq!(with(&[(name, "172.17.0.1:8000")]).unwrap_err().name, name);
    }
}
