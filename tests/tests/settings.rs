//! Values of environment variables: an empty value counts as absent, because a template and SAM
//! local can declare a variable but not leave it out, and a value without a meaning is rejected.

use std::collections::{BTreeMap, BTreeSet};

use hallpass_notify::Notify;
use hallpass_prune::Prune;
use hallpass_revoke::Leaks;
use hallpass_runtime::{
    Settings,
    settings::{self, ConfigError, Lookup, reference::SETTINGS},
};
use hallpass_service::service;
use hallpass_verify_authorizer::Authorizer;
use tests::KEYS;

mod patterns;

/// The variables without which no function starts.
const NEEDED: [(&str, &str); 7] = [
    ("AWS_REGION", "local"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("HALLPASS_USERS_TABLE", "Users"),
    ("HALLPASS_TOKENS_TABLE", "Tokens"),
    ("HALLPASS_ATTEMPTS_TABLE", "Attempts"),
    ("HALLPASS_KEYS", KEYS),
];

/// The variables without which no identity provider can be used.
const WITH_PROVIDER: [(&str, &str); 2] = [
    ("HALLPASS_OIDC_CLIENT_ID", "hallpass"),
    ("HALLPASS_OIDC_REDIRECT_URI", "https://api.example.com/v1/sign-in/oidc/callback"),
];

/// The variables without which a function calls neither S3 nor KMS nor EventBridge.
const WITH_LOG: [(&str, &str); 3] = [
    ("HALLPASS_AUDIT_BUCKET", "audit"),
    ("HALLPASS_AUDIT_KEY", "arn:aws:kms:local:000000000000:key/audit"),
    ("HALLPASS_EVENT_BUS", "default"),
];

/// Returns every variable of Hallpass in the reference.
fn listed() -> BTreeSet<&'static str> {
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .filter(|name| name.starts_with("HALLPASS_"))
        .collect()
}

/// Returns everything that the functions read from the environment, parsed.
fn started(lookup: Lookup<'_>) -> Result<String, ConfigError> {
    let connection = service::connection(lookup)?;
    let endpoints = (
        connection.dynamodb_endpoint,
        connection.secrets_endpoint,
        connection.session_token.is_some(),
    );
    let keys = service::keys(lookup, service::connection)?;
    let authorizer =
        format!("{:?}", Authorizer::new(hallpass_service::Service::new(lookup)?, lookup)?);
    let provider = settings::oidc::read(lookup)?;
    let (prune, notify) =
        (format!("{:?}", Prune::new(lookup)?), format!("{:?}", Notify::new(lookup)?));
    let leaks = Leaks::read(lookup)?;
    // The clients before it contain random numbers.
    let own = [(authorizer, "routes: "), (prune, "notices: "), (notify, "on_reuse: ")]
        .map(|(all, first)| all[all.rfind(first).unwrap()..].to_owned());
    let settings = Settings::read(lookup)?;
    Ok(format!("{endpoints:?} {keys:?} {settings:?} {provider:?} {own:?} {leaks:?}"))
}

fn with(changes: &[(&'static str, &str)]) -> Result<String, ConfigError> {
    let mut environment: BTreeMap<&str, &str> = NEEDED.into();
    let needs_log = ["HALLPASS_S3_ENDPOINT", "HALLPASS_KMS_ENDPOINT", "HALLPASS_EVENTS_ENDPOINT"];
    if changes.iter().any(|(name, value)| needs_log.contains(name) && !value.is_empty()) {
        environment.extend(WITH_LOG);
    }
    if changes.iter().any(|(name, value)| *name == "HALLPASS_OIDC_ISSUER" && !value.is_empty()) {
        environment.extend(WITH_PROVIDER);
    }
    environment.extend(changes.iter().copied());
    started(&|name| environment.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn an_empty_value_counts_as_absent_for_every_variable() {
    let absent = with(&[]).unwrap();
    let optional: Vec<&str> = listed()
        .into_iter()
        .filter(|name| NEEDED.iter().all(|(needed, _)| needed != name))
        .collect();
    assert!(optional.len() > 20, "{optional:?}");
    for name in optional {
        assert_eq!(with(&[(name, "")]).as_ref(), Ok(&absent), "{name}");
    }
    assert_eq!(with(&[("AWS_SESSION_TOKEN", "")]).unwrap(), absent);
    for (name, _) in NEEDED {
        let named = with(&[(name, "")]).unwrap_err().name;
        assert!(
            named == name || named == "HALLPASS_KEYS_SECRET",
            "{name} is empty, and {named} is named"
        );
    }
}

#[test]
fn every_default_that_the_reference_states_is_that_of_the_code() {
    let absent = with(&[]).unwrap();
    let stated: Vec<_> = SETTINGS.iter().filter(|setting| !setting.default.is_empty()).collect();
    assert!(stated.len() > 15, "{stated:?}");
    for setting in stated {
        assert_eq!(
            with(&[(setting.name, setting.default)]).as_ref(),
            Ok(&absent),
            "{}",
            setting.name
        );
    }
}

#[test]
fn the_settings_of_the_authorizer_are_checked() {
    let absent = with(&[]).unwrap();
    assert_ne!(with(&[("HALLPASS_AUTHORIZER_RESPONSE", "policy")]).unwrap(), absent);
    assert_ne!(with(&[("HALLPASS_ROUTES", "[]")]).unwrap(), absent);
}

#[test]
fn an_endpoint_is_a_url_with_its_scheme() {
    for name in ["HALLPASS_DYNAMODB_ENDPOINT", "HALLPASS_SECRETS_ENDPOINT"] {
        assert_ne!(
            with(&[(name, "http://172.17.0.1:8000")]).unwrap(),
            with(&[]).unwrap(),
            "{name} is read"
        );
        assert_eq!(with(&[(name, "172.17.0.1:8000")]).unwrap_err().name, name);
    }
}

/// Values that no setting of a kind accepts.
const DURATIONS: [&str; 17] = [
    "-1",
    "-1d",
    " ",
    "1 d",
    " 1d",
    "1d ",
    "1d\n",
    "1.5h",
    "+1d",
    "soon",
    "1y",
    "1 fortnight",
    "1dd",
    "d",
    "999999999d",
    "0x10",
    "99999999999999999999",
];
/// Lengths that depend on the date, which only a lifetime can have.
const MONTHS: [&str; 4] = ["1 month", "2 years", "P1M", "P1Y"];
const NUMBERS: [&str; 13] = [
    "0",
    "00",
    "-1",
    "1.5",
    " ",
    "1 ",
    " 1",
    "+1",
    "x",
    "1e3",
    "0x10",
    "4294967296",
    "99999999999999999999",
];
const SWITCHES: [&str; 8] = ["ON", "On", "true", "1", "0", "on ", " ", "none"];
const PERMISSIONS: [&str; 8] = [" ", "a ", " a", "a,b", "a\"b", "a\\b", "\u{fc}", "a\tb"];
const ATTRIBUTES: [&str; 6] = [" ", ",", "status,", "none,status", "passwrod_hash", "Status"];
const ORIGINS: [&str; 7] =
    ["*", "null", "b.example", "https://a/b", "https://u@a", "https://a:0", " x"];
const ENDPOINTS: [&str; 6] =
    ["172.17.0.1:8000", "localhost", "http://", " ", "ftp://a", "http://a b"];
const ISSUERS: [&str; 5] =
    [" ", "id.example.com", "http://id.example.com", "https://", "https://id.example.com?x"];
const CALLBACKS: [&str; 4] =
    [" ", "https://a/", "http://a.b/sign-in/oidc/callback", "https://a/sign-in/oidc/callback?"];
const SCOPES: [&str; 5] = [" ", "profile", "openid,profile", "openid ", "openid  email"];
const RETURNS: [&str; 8] = [
    "app.example.com",
    "/account",
    "https://",
    "http://app.example.com/",
    "http://localhost.example.com/",
    "https://a.example.com;https://b.example.com",
    "https://u@a.example.com/",
    "https://a.example.com/\"",
];
const RULES: [&str; 7] = [" ", "a b", "a=b", "groups,", "groups,a", "groups,a=", "groups,=b"];
const TABLES: [&str; 3] = [" ", "Users ", "a\nb"];

/// Returns values that a variable about events rejects.
fn rejected_of_events(name: &str) -> Vec<&'static str> {
    match name {
        "HALLPASS_EXPIRY_NOTICES" => {
            // White space around a part is ignored, and a notice can be earlier than any token.
            let is_fine = |text: &str| ["1d", "999999999d"].contains(&text.trim());
            let parts = DURATIONS.into_iter().filter(|text| !is_fine(text));
            let odd =
                ["0", "none", "14", "14d,", ",3d", "14d;3d", "59m", "1h,1h,1h,1h,1h,1h,1h,1h,1h"];
            parts.chain(odd).chain(MONTHS).collect()
        }
        "HALLPASS_ON_REUSE" => vec!["Alarm", "alarm ", "revoke", "off", " "],
        "HALLPASS_LEAK_KEYS_URL" => {
            vec![" ", "http://a.example/keys", "a.example", "https://", "https://a b"]
        }
        other => panic!("{other} is not about events"),
    }
}

/// Returns values that the variable rejects.
fn rejected(name: &str) -> Vec<&'static str> {
    match name {
        "HALLPASS_AUTHORIZER_CACHE_TTL" => [&DURATIONS[..], &MONTHS].concat(),
        "HALLPASS_LIFETIME" | "HALLPASS_MAX_LIFETIME" | "HALLPASS_DEVELOPER_LIFETIME" => {
            [&DURATIONS[..], &["0", "0s", "0d"]].concat()
        }
        "HALLPASS_MAX_AUTHENTICATION_AGE"
        | "HALLPASS_ROTATION_WINDOW"
        | "HALLPASS_RECORD_RETENTION"
        | "HALLPASS_KEY_REFRESH" => [&DURATIONS[..], &["0", "0s", "0d"], &MONTHS].concat(),
        "HALLPASS_MAX_TOKENS" | "HALLPASS_MAX_TOKENS_TOTAL" => NUMBERS.to_vec(),
        "HALLPASS_LOGIN_NAME_BUDGET"
        | "HALLPASS_LOGIN_NETWORK_BUDGET"
        | "HALLPASS_LOGIN_SOURCE_BUDGET" => [&NUMBERS[..], &["1001"]].concat(),
        "HALLPASS_GENERATE_PASSWORD"
        | "HALLPASS_BASIC_CHALLENGE"
        | "HALLPASS_PASSWORD_SIGN_IN"
        | "HALLPASS_TOKEN_CHECKSUM"
        | "HALLPASS_OIDC_PROVISION" => SWITCHES.to_vec(),
        "HALLPASS_OIDC_LINK_BY" => vec![" ", "a b", "a,b", "a=b", "\u{fc}"],
        "HALLPASS_OIDC_PERMISSIONS" => RULES.to_vec(),
        "HALLPASS_OIDC_REVALIDATE" => [&DURATIONS[..], &["0", "0s", "0d", "on"], &MONTHS].concat(),
        "HALLPASS_OIDC_ISSUER" => ISSUERS.to_vec(),
        "HALLPASS_OIDC_REDIRECT_URI" => CALLBACKS.to_vec(),
        "HALLPASS_OIDC_CLIENT_ID" | "HALLPASS_OIDC_SECRET" => vec![" ", "a b", "a ", "\u{fc}"],
        "HALLPASS_OIDC_SCOPES" => SCOPES.to_vec(),
        "HALLPASS_AUTHORIZER_RESPONSE" => vec!["Policy", "policy ", "simple", " "],
        "HALLPASS_ADMIN_PERMISSION"
        | "HALLPASS_TOKENS_PERMISSION"
        | "HALLPASS_GENERATE_PERMISSION" => PERMISSIONS.to_vec(),
        "HALLPASS_APP_USER" => vec![" ", "4 ", "a b", "a#b", "\u{fc}"],
        "HALLPASS_REALM" => vec![" ", " a", "a ", "a\"b", "a\\b", "\u{fc}", "a\n"],
        "HALLPASS_PREFIX" => vec![" ", "a ", "a b", "a.b", "\u{fc}", "123456789012345678901"],
        "HALLPASS_SUNSET" => {
            vec![" ", "soon", "2028", "2028-01-01", "2028-13-01T00:00:00Z", "2028-01-01T00:00:00Z "]
        }
        "HALLPASS_CORS_ALLOWED_ORIGINS" => ORIGINS.to_vec(),
        "HALLPASS_PORTAL_RETURN_TO" => RETURNS.to_vec(),
        "HALLPASS_INVALIDATE_ON"
        | "HALLPASS_INVALIDATE_ON_SIGNED"
        | "HALLPASS_INVALIDATE_ON_DEVELOPER"
        | "HALLPASS_INVALIDATE_ON_JWT" => ATTRIBUTES.to_vec(),
        "HALLPASS_ROUTES" => vec![" ", "x", "{}", "[{}]", "[1]"],
        "HALLPASS_DYNAMODB_ENDPOINT"
        | "HALLPASS_SECRETS_ENDPOINT"
        | "HALLPASS_S3_ENDPOINT"
        | "HALLPASS_KMS_ENDPOINT"
        | "HALLPASS_EVENTS_ENDPOINT" => ENDPOINTS.to_vec(),
        "HALLPASS_USERS_TABLE" | "HALLPASS_TOKENS_TABLE" | "HALLPASS_ATTEMPTS_TABLE" => {
            TABLES.to_vec()
        }
        "HALLPASS_KEYS" => vec![" ", "x", "[]", "{}"],
        "HALLPASS_EXPIRY_NOTICES" | "HALLPASS_ON_REUSE" | "HALLPASS_LEAK_KEYS_URL" => {
            rejected_of_events(name)
        }
        // The first takes the place of the keyring itself. The template gives the next two the
        // names of its own resources, and every text can be a bus.
        "HALLPASS_KEYS_SECRET"
        | "HALLPASS_AUDIT_BUCKET"
        | "HALLPASS_AUDIT_KEY"
        | "HALLPASS_EVENT_BUS" => Vec::new(),
        other => panic!("{other} is in the reference, but this test has no invalid values for it"),
    }
}

#[test]
fn an_invalid_value_starts_nothing_and_is_named_with_the_right_form() {
    let mut checked = 0;
    for name in listed() {
        for value in rejected(name) {
            let outcome = with(&[(name, value)]).map(|_| ());
            let bad = outcome.expect_err(&format!("{name}={value:?} is rejected"));
            assert_eq!(bad.name, name, "{value:?}");
            assert!(
                !bad.wrong.is_empty() && !bad.to_string().contains('\n'),
                "{name}={value:?}: {bad}"
            );
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked}");
    for secret in [" ", "a b", "arn\n"] {
        let bad = with(&[("HALLPASS_KEYS", ""), ("HALLPASS_KEYS_SECRET", secret)])
            .map(|_| ())
            .unwrap_err();
        assert_eq!(bad.name, "HALLPASS_KEYS_SECRET", "{secret:?}");
    }
}

#[test]
fn the_smallest_and_the_largest_values_start() {
    for (name, value) in [
        ("HALLPASS_LIFETIME", "1"),
        ("HALLPASS_RECORD_RETENTION", "1s"),
        ("HALLPASS_MAX_LIFETIME", "366000d"),
        ("HALLPASS_AUTHORIZER_CACHE_TTL", "0"),
        ("HALLPASS_MAX_TOKENS", "1"),
        ("HALLPASS_MAX_TOKENS", "1000000"),
        ("HALLPASS_LOGIN_NAME_BUDGET", "1"),
        ("HALLPASS_LOGIN_SOURCE_BUDGET", "1000"),
        ("HALLPASS_INVALIDATE_ON", "department"),
    ] {
        assert!(with(&[(name, value)]).is_ok(), "{name}={value}");
    }
}

#[test]
fn a_keyring_may_be_surrounded_by_white_space() {
    let plain = with(&[]).unwrap();
    for framed in [
        format!("\u{feff}{KEYS}"),
        format!("{KEYS}\n"),
        format!(" {KEYS}\r\n"),
        format!("\t{KEYS}\u{a0}"),
    ] {
        assert_eq!(with(&[("HALLPASS_KEYS", &framed)]).as_ref(), Ok(&plain), "{framed:?}");
    }
}
