//! The patterns of the template's parameters against what the functions accept: CloudFormation
//! rejects a value that would stop every function at its start, and permits those that it would
//! not.

use proptest::{
    strategy::{Strategy, ValueTree},
    string::string_regex,
    test_runner::TestRunner,
};
use regex::Regex;
use tests::TEMPLATE;
use yaml_serde::Value;

use super::{rejected, with};

/// The samples of each pattern.
const SAMPLES: usize = 100;

/// The variables whose patterns allow more, because no pattern can express a list of rules in JSON.
const UNCHECKED: [&str; 1] = ["HALLPASS_ROUTES"];

/// The number of parameters with a pattern whose values functions read.
const PATTERNS: usize = 44;

struct Parameter {
    variable: &'static str,
    pattern: String,
    /// The pattern, of the whole value.
    whole: Regex,
    longest: usize,
}

impl Parameter {
    /// Whether CloudFormation accepts the value: a pattern must match the whole of it.
    fn permits(&self, value: &str) -> bool {
        value.chars().count() <= self.longest && self.whole.is_match(value)
    }
}

/// Returns the parameters with a pattern that give their value to the variable of the same name.
fn parameters() -> Vec<Parameter> {
    let template: Value = yaml_serde::from_str(TEMPLATE).unwrap();
    let parameters = template["Parameters"].as_mapping().unwrap();
    let found = parameters.iter().filter_map(|(name, parameter)| {
        let variable = variable_of(name.as_str().unwrap());
        let variable = super::listed().into_iter().find(|listed| *listed == variable)?;
        let pattern = parameter["AllowedPattern"].as_str()?.to_owned();
        assert!(
            parameter["ConstraintDescription"].is_string()
                || UNCHECKED.contains(&variable)
                || is_obvious(&pattern)
        );
        let longest =
            parameter["MaxLength"].as_u64().and_then(|longest| usize::try_from(longest).ok());
        let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
        Some(Parameter { variable, pattern, whole, longest: longest.unwrap_or(usize::MAX) })
    });
    let found: Vec<Parameter> = found.collect();
    assert_eq!(found.len(), PATTERNS, "each parameter gives its value to the variable of its name");
    found
}

/// CloudFormation shows the pattern itself if it has no description, which one set of characters
/// needs none of.
fn is_obvious(pattern: &str) -> bool {
    pattern.len() < 40
}

/// Returns the variable of a parameter: `AppUser` is `HALLPASS_APP_USER`.
fn variable_of(parameter: &str) -> String {
    parameter.chars().fold("HALLPASS".to_owned(), |mut variable, letter| {
        if letter.is_ascii_uppercase() {
            variable.push('_');
        }
        variable.push(letter.to_ascii_uppercase());
        variable
    })
}

#[test]
fn a_value_that_the_template_permits_starts_the_functions() {
    let mut runner = TestRunner::deterministic();
    for parameter in
        parameters().iter().filter(|parameter| !UNCHECKED.contains(&parameter.variable))
    {
        let values = string_regex(&parameter.pattern).unwrap();
        let mut checked = 0;
        for _ in 0..SAMPLES {
            let value = values.new_tree(&mut runner).unwrap().current();
            // Without the name of a table, the stack creates it.
            let is_own = value.is_empty() && parameter.variable == "HALLPASS_USERS_TABLE";
            if value.chars().count() > parameter.longest || is_own {
                continue;
            }
            checked += 1;
            if let Err(error) = with(&[(parameter.variable, &value)]) {
                let is_list = parameter.variable.starts_with("HALLPASS_INVALIDATE_ON");
                let is_about_one_name = error.wrong.contains("close to") || value.contains("none");
                assert!(is_list && is_about_one_name, "{}={value:?}: {error}", parameter.variable);
            }
        }
        assert!(checked > SAMPLES / 10, "{}: {checked}", parameter.variable);
    }
}

#[test]
fn a_value_that_stops_the_functions_is_not_permitted() {
    for parameter in
        parameters().iter().filter(|parameter| !UNCHECKED.contains(&parameter.variable))
    {
        for value in rejected(parameter.variable) {
            // A pattern cannot tell a misspelt name from one of the application's.
            let is_a_name = ["none,status", "passwrod_hash", "Status"].contains(&value);
            assert!(is_a_name || !parameter.permits(value), "{}={value:?}", parameter.variable);
        }
    }
}

/// Values of each variable that the template has to permit and the functions have to accept.
const USUAL: [(&str, &[&str]); 37] = [
    ("HALLPASS_EXPIRY_NOTICES", &["", "off", "14d", "14d,3d", "30d,1w,24h"]),
    ("HALLPASS_LEAK_KEYS_URL", &["", "https://keys.example.com:8443/meta/public_keys"]),
    ("HALLPASS_EVENT_BUS", &["", "default", "partner/a.b-c_1"]),
    ("HALLPASS_LIFETIME", &LIFETIMES),
    ("HALLPASS_MAX_LIFETIME", &LIFETIMES),
    ("HALLPASS_MAX_AUTHENTICATION_AGE", &LIFETIMES),
    ("HALLPASS_DEVELOPER_LIFETIME", &LIFETIMES),
    ("HALLPASS_RECORD_RETENTION", &LIFETIMES),
    ("HALLPASS_ROTATION_WINDOW", &["1s", "3600", "1h", "7d"]),
    ("HALLPASS_AUTHORIZER_CACHE_TTL", &["", "0", "1", "300", "1h"]),
    ("HALLPASS_KEY_REFRESH", &["", "1d"]),
    (
        "HALLPASS_SUNSET",
        &["", "2028-01-01T00:00:00Z", "2027-12-31T23:59:59+01:00", "2029-04-30T12:00:00-05:30"],
    ),
    ("HALLPASS_REALM", &["a", "hallpass", "Example API", "https://api.example.com/", "it's, mine"]),
    ("HALLPASS_ADMIN_PERMISSION", &PERMISSIONS),
    ("HALLPASS_TOKENS_PERMISSION", &PERMISSIONS),
    ("HALLPASS_GENERATE_PERMISSION", &PERMISSIONS),
    ("HALLPASS_ADMIN_PERMISSION", &["use services_token", "a b"]),
    ("HALLPASS_GENERATE_PERMISSION", &["", "use services_token"]),
    ("HALLPASS_INVALIDATE_ON", &ATTRIBUTES),
    ("HALLPASS_INVALIDATE_ON_SIGNED", &ATTRIBUTES),
    ("HALLPASS_INVALIDATE_ON_DEVELOPER", &ATTRIBUTES),
    ("HALLPASS_INVALIDATE_ON_JWT", &ATTRIBUTES),
    ("HALLPASS_APP_USER", &["", "app", "2", "u_-9"]),
    ("HALLPASS_PREFIX", &["", "acme_", "a-b"]),
    (
        "HALLPASS_CORS_ALLOWED_ORIGINS",
        &[
            "https://b.example",
            "https://b.example:8443/",
            "http://localhost:3000",
            "http://127.0.0.1:3000",
        ],
    ),
    (
        "HALLPASS_CORS_ALLOWED_ORIGINS",
        &["", "https://a.example,https://b.example", "https://a.b.example, http://x"],
    ),
    (
        "HALLPASS_PORTAL_RETURN_TO",
        &[
            "",
            "https://app.example.com",
            "https://app.example.com/account?tab=tokens#new",
            "http://localhost:3000/account,http://127.0.0.1/",
            "https://app.example.com:8443/ https://a.b.example.com/x",
        ],
    ),
    (
        "HALLPASS_OIDC_ISSUER",
        &[
            "",
            "https://id.example.com",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "https://id.example.com:8443/realms/acme",
            "https://example.okta.com/oauth2/default",
        ],
    ),
    (
        "HALLPASS_OIDC_CLIENT_ID",
        &["", "hallpass", "6731de76-14a6-49ae-97bc-6eba6914391e", "1.apps@x"],
    ),
    (
        "HALLPASS_OIDC_SECRET",
        &["", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:hallpass/oidc-a1B2c3"],
    ),
    (
        "HALLPASS_OIDC_REDIRECT_URI",
        &[
            "",
            "https://abc123.execute-api.eu-west-1.amazonaws.com/v1/sign-in/oidc/callback",
            "https://api.example.com/sign-in/oidc/callback",
        ],
    ),
    ("HALLPASS_OIDC_SCOPES", &["openid", "openid profile email", "profile openid groups"]),
    ("HALLPASS_OIDC_LINK_BY", &["", "preferred_username", "https://example.com/employee"]),
    (
        "HALLPASS_OIDC_PERMISSIONS",
        &["", "groups", "realm_access.roles", "groups,eng=orders:read, Domain Users=reports"],
    ),
    ("HALLPASS_OIDC_REVALIDATE", &["", "off", "12h", "30d"]),
    ("HALLPASS_DYNAMODB_ENDPOINT", &ENDPOINTS),
    ("HALLPASS_SECRETS_ENDPOINT", &ENDPOINTS),
];

const LIFETIMES: [&str; 9] = ["", "1", "90s", "15m", "12h", "30d", "366d", "31536000", "36500d"];

const PERMISSIONS: [&str; 7] = ["a", "ROLE_ADMIN", "tokens:write", "urn:x/y", "a+b", "a-b", "[x]"];

const ATTRIBUTES: [&str; 6] =
    ["none", "status", "username,status", "username, status,permissions", "plan", "x:y-z.1"];

const ENDPOINTS: [&str; 5] = [
    "",
    "http://localhost:8000",
    "http://172.17.0.1:8000/",
    "https://dynamodb.example.com",
    "http://a/b",
];

#[test]
fn every_usual_value_is_permitted() {
    let parameters = parameters();
    let check = |name: &str, values: &[&str]| {
        let mut named = parameters.iter().filter(|parameter| parameter.variable == name);
        let parameter = named.next().unwrap();
        for value in values {
            assert!(with(&[(parameter.variable, value)]).is_ok(), "{name}={value}");
            assert!(parameter.permits(value), "{name}={value}");
        }
    };
    for (name, values) in USUAL {
        check(name, values);
    }
    for seconds in 1..=86_400 {
        if seconds % 997 == 0 || !(200..=86_300).contains(&seconds) {
            check("HALLPASS_KEY_REFRESH", &[&seconds.to_string()]);
        }
    }
    (1..=1_440)
        .step_by(7)
        .for_each(|minutes| check("HALLPASS_KEY_REFRESH", &[&format!("{minutes}m")]));
    (1..=24).for_each(|hours| check("HALLPASS_KEY_REFRESH", &[&format!("{hours}h")]));
    (0..=3_600)
        .step_by(11)
        .for_each(|seconds| check("HALLPASS_AUTHORIZER_CACHE_TTL", &[&format!("{seconds}s")]));
    (1..=60).for_each(|minutes| check("HALLPASS_AUTHORIZER_CACHE_TTL", &[&format!("{minutes}m")]));
}
