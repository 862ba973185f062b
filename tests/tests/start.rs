//! The start of a function: it is ready for its first caller, or fails with one line that names the
//! variable, the secret or the table.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_dev::secrets::Secrets;
use hallpass_prune::Prune;
use hallpass_runtime::{
    log,
    settings::{ConfigError, Lookup},
};
use hallpass_service::{Service, service};
use hallpass_token::{Keyring, Timestamp};
use serde_json::{Value, json};
use tests::{
    KEYS, World,
    lines::Lines,
    tap::{ALWAYS, Fault, Tap},
};

/// A complete environment, with the engine and the secret each behind a tap.
struct Around {
    world: World,
    _secrets: Secrets,
    tables: Tap,
    keyring: Tap,
    environment: BTreeMap<&'static str, String>,
}

impl Around {
    async fn new() -> Self {
        let (world, tables) = World::tapped(&[]).await;
        let secrets =
            Secrets::start("local".to_owned(), &Keyring::parse(KEYS).unwrap(), None).await.unwrap();
        let keyring = Tap::start(&secrets.endpoint()).await;
        let environment = [
            ("AWS_REGION", "local"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("HALLPASS_USERS_TABLE", &world.table("Users")),
            ("HALLPASS_TOKENS_TABLE", &world.table("Tokens")),
            ("HALLPASS_ATTEMPTS_TABLE", &world.table("Attempts")),
            ("HALLPASS_KEYS_SECRET", "KeyRing"),
            ("HALLPASS_DYNAMODB_ENDPOINT", &tables.endpoint()),
            ("HALLPASS_SECRETS_ENDPOINT", &keyring.endpoint()),
        ];
        let environment = environment.map(|(name, value)| (name, value.to_owned())).into();
        tables.seen();
        Self { world, _secrets: secrets, tables, keyring, environment }
    }

    /// Starts with one variable changed; an empty value removes it.
    async fn start(&self, name: &str, value: &str) -> Result<Service, ConfigError> {
        let lookup = |variable: &str| {
            if variable == name {
                Some(value.to_owned())
            } else {
                self.environment.get(variable).cloned()
            }
        };
        Service::start(&lookup, self.world.now()).await
    }

    async fn rejected(&self, name: &str, value: &str, expected: &str) -> String {
        let error = self.start(name, value).await.map(drop).unwrap_err().to_string();
        assert!(error.starts_with(expected) && !error.contains('\n'), "{name}={value}: {error}");
        error
    }
}

#[tokio::test]
async fn a_service_is_ready_for_its_first_caller() {
    let around = Around::new().await;
    let service = around.start("", "").await.unwrap();
    // One call each.
    assert_eq!(around.tables.operations(), ["BatchGetItem"]);
    assert_eq!(around.keyring.operations(), ["GetSecretValue"]);
    service.keyring(around.world.now()).await.unwrap();
    assert!(around.keyring.operations().is_empty(), "the first caller fetched the keyring again");
}

/// Returns the log lines of the start of a function at this time.
async fn logged_at_start(around: &Around, prune: bool, now: Timestamp) -> Vec<Value> {
    let lines = Lines::default();
    let writer = lines.clone();
    let _until_the_end =
        tracing::subscriber::set_default(log::subscriber(move || writer.clone(), None));
    let lookup = |variable: &str| around.environment.get(variable).cloned();
    if prune {
        Prune::start(&lookup, now).await.unwrap();
    } else {
        Service::start(&lookup, now).await.unwrap();
    }
    let written = lines.0.lock().unwrap();
    written.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_function_reports_a_clock_that_differs_from_dynamodb_s_at_its_start_without_further_requests()
 {
    const DAY: u64 = 86_400;
    let around = Around::new().await;
    for prune in [false, true] {
        for (seconds, warns) in
            [(0, false), (5, false), (15, true), (3_600, true), (800 * DAY, true)]
        {
            let away = Duration::from_secs(seconds);
            let real = hallpass_runtime::clock::now();
            for now in [real.after(away), real.before(away)] {
                around.tables.seen();
                let lines = logged_at_start(&around, prune, now).await;
                let case = format!("prune {prune}, {seconds} s: {lines:?}");
                assert_eq!(lines.len(), usize::from(warns), "{case}");
                for line in &lines {
                    assert_eq!(
                        (&line["level"], &line["clock"]),
                        (&json!("WARN"), &json!(now.to_string())),
                        "{case}"
                    );
                    assert_eq!(line["message"], "the clock differs from DynamoDB's", "{case}");
                    let difference = line["seconds"].as_u64().unwrap();
                    assert!(difference.abs_diff(seconds) <= 5, "{case}");
                    assert!(
                        line["dynamodb"].as_str().unwrap().parse::<Timestamp>().is_ok(),
                        "{case}"
                    );
                }
                let calls = around.tables.operations();
                assert_eq!(
                    calls,
                    if prune { vec!["GetItem"; 3] } else { vec!["BatchGetItem"] },
                    "{case}"
                );
            }
        }
    }
}

/// All functions are wired in one of the two tested ways.
#[test]
fn each_of_the_five_functions_starts_in_a_tested_way() {
    for (function, main) in [
        ("console", include_str!("../../functions/console/src/main.rs")),
        ("generate", include_str!("../../functions/generate/src/main.rs")),
        ("prune", include_str!("../../functions/prune/src/main.rs")),
        ("revoke", include_str!("../../functions/revoke/src/main.rs")),
        ("verify-authorizer", include_str!("../../functions/verify-authorizer/src/main.rs")),
    ] {
        let start = if function == "prune" { "Prune::start(" } else { "Service::start(" };
        assert_eq!(main.matches(start).count(), 1, "{function}");
    }
}

#[test]
fn clocks_are_compared_by_more_than_ten_seconds_either_way() {
    let now = Timestamp::from_unix(1_800_000_000).unwrap();
    let check = |dynamodb: Option<Timestamp>, warns: usize| {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = log::subscriber(move || writer.clone(), Some("F".to_owned()));
        tracing::subscriber::with_default(subscriber, || log::compare_clocks(now, dynamodb));
        assert_eq!(lines.0.lock().unwrap().len(), warns, "{dynamodb:?}");
    };
    check(None, 0);
    for (seconds, warns) in [(0, 0), (1, 0), (10, 0), (11, 1), (60, 1), (u64::MAX, 1)] {
        check(Some(now.after(Duration::from_secs(seconds))), warns);
        check(Some(now.before(Duration::from_secs(seconds))), warns);
    }
}

#[tokio::test]
async fn a_missing_or_malformed_value_is_named() {
    let around = Around::new().await;
    around.rejected("HALLPASS_TOKENS_TABLE", "", "HALLPASS_TOKENS_TABLE: it is not set").await;
    around.rejected("HALLPASS_LIFETIME", "soon", "HALLPASS_LIFETIME: ").await;
    around.rejected("HALLPASS_KEYS_SECRET", "", "HALLPASS_KEYS_SECRET: ").await;
    around
        .rejected("HALLPASS_DYNAMODB_ENDPOINT", "localhost:8000", "HALLPASS_DYNAMODB_ENDPOINT: ")
        .await;
    for variable in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        around.rejected(variable, "yes", &format!("{variable}: must be true or false")).await;
        let combined = format!("{variable}: must not be combined with an endpoint of its own");
        around.rejected(variable, "true", &combined).await;
    }
    for variable in ["HALLPASS_USERS_TABLE", "HALLPASS_TOKENS_TABLE"] {
        // A missing table, and one with other keys.
        for table in ["Nowhere", "Attempts"].map(|table| around.world.table(table)) {
            let error =
                around.rejected(variable, &table, &format!("{variable}: reading a table: ")).await;
            assert!(error.ends_with(&format!(": {table}")), "{error}");
        }
    }
}

/// The endpoint of a service would be used in place of the one with FIPS 140 cryptography.
#[test]
fn the_endpoint_of_any_service_excludes_the_variants_of_the_region() {
    for service in ["DYNAMODB", "SECRETS", "S3", "KMS", "EVENTS"] {
        let endpoint = format!("HALLPASS_{service}_ENDPOINT");
        for variable in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
            let lookup = |name: &str| match name {
                "AWS_REGION" => Some("eu-west-1".to_owned()),
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("key".to_owned()),
                name if name == variable => Some("true".to_owned()),
                name if name == endpoint => Some("https://localhost:8000".to_owned()),
                _ => None,
            };
            let connection = service::connection(&lookup);
            assert_eq!(connection.unwrap_err().name, variable, "{endpoint}");
        }
    }
}

#[tokio::test]
async fn a_missing_secret_and_a_malformed_keyring_are_named() {
    let around = Around::new().await;
    let changes: [fn(&mut Value); 4] = [
        |response| response["SecretString"] = json!("[]"),
        |response| {
            response["SecretString"] =
                json!(KEYS.replace("QsbwGHbgB93-JeQMiQPdWLWwL05TquTtANsX6niLpWY", "c2hvcnQ"));
        },
        |response| response["SecretString"] = json!("not JSON"),
        |response| response["SecretString"] = Value::Null,
    ];
    for change in changes {
        around.keyring.inject("GetSecretValue", 0, 1, Fault::Change(change));
        around
            .rejected("", "", "HALLPASS_KEYS_SECRET: reading the keyring: the secret KeyRing: ")
            .await;
    }
    around.keyring.inject(
        "GetSecretValue",
        0,
        ALWAYS,
        Fault::Reject(400, "ResourceNotFoundException"),
    );
    around
        .rejected("", "", "HALLPASS_KEYS_SECRET: reading the keyring: the secret KeyRing: ")
        .await;
}

/// The keyring that the secret contains instead of its own.
static OFFERED: Mutex<String> = Mutex::new(String::new());

fn offer(response: &mut Value) {
    response["SecretString"] = json!(*OFFERED.lock().unwrap());
}

/// Returns a keyring whose keys have these IDs and bytes.
fn keyring(keys: &[(&str, &[u8])]) -> Value {
    let key = |(id, bytes): &(&str, &[u8])| {
        json!({
            "id": id, "key": BASE64_URL_SAFE_NO_PAD.encode(bytes), "signs_from": 0,
        })
    };
    keys.iter().map(key).collect()
}

#[tokio::test]
async fn a_keyring_with_an_unsafe_or_ambiguous_key_starts_nothing_from_any_source() {
    let around = Around::new().await;
    let [one, two] = [7_u8, 9].map(|step| {
        (0..32).map(|place: u8| place.wrapping_mul(place).wrapping_mul(step)).collect::<Vec<u8>>()
    });
    let mut with_more = keyring(&[("a", &one)]);
    with_more[0]["kty"] = json!("oct");
    for (bad, why) in [
        (keyring(&[]), "it has 0"),
        (keyring(&[("a", b"")]), "at least 32 bytes"),
        (keyring(&[("a", &one[..31])]), "at least 32 bytes"),
        (keyring(&[("a", &one), ("b", b"")]), "at least 32 bytes"),
        (keyring(&[("a", &one), ("a", &two)]), "two keys with the ID a"),
        (keyring(&[("a", &one), ("b", &one)]), "repeats another key"),
        (keyring(&[("a", &[7; 32])]), "can be guessed"),
        (keyring(&[("a", b"a-string-secret-at-least-256-bits-long")]), "can be guessed"),
        (keyring(&[("a", b"tests only: not a secret of anybody 12")]), "can be guessed"),
        (keyring(&[("a", &(0..32).collect::<Vec<u8>>())]), "can be guessed"),
        (keyring(&[("a", &one), ("b", &[one.as_slice(), &one].concat())]), "can be guessed"),
        (keyring(&[("", &one)]), "the key ID"),
        (with_more, "the keyring must be JSON"),
        (json!([{"id": "a", "key": "not base64!", "signs_from": 0}]), "must be base64url"),
        (json!([{"id": "a", "signs_from": 0}]), "the keyring must be JSON"),
    ] {
        let json = bad.to_string();
        OFFERED.lock().unwrap().clone_from(&json);
        around.keyring.inject("GetSecretValue", 0, 1, Fault::Change(offer));
        let mut errors =
            vec![around.rejected("", "", "HALLPASS_KEYS_SECRET: reading the keyring: ").await];
        let lookup = |variable: &str| match variable {
            "HALLPASS_KEYS" => Some(json.clone()),
            "HALLPASS_KEYS_SECRET" => None,
            variable => around.environment.get(variable).cloned(),
        };
        errors.push(
            Service::start(&lookup, around.world.now()).await.map(drop).unwrap_err().to_string(),
        );
        for error in errors {
            assert!(error.starts_with("HALLPASS_KEYS") && error.contains(why), "{json}: {error}");
        }
    }
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_named() {
    let around = Around::new().await;
    around.tables.inject("BatchGetItem", 0, ALWAYS, Fault::Reject(400, "AccessDeniedException"));
    around.rejected("", "", "HALLPASS_TOKENS_TABLE: reading a table: ").await;
}

#[tokio::test]
async fn generate_and_prune_check_the_table_of_attempts_too() {
    let around = Around::new().await;
    let nowhere = |name: &str| match name {
        "HALLPASS_ATTEMPTS_TABLE" => Some("Nowhere".to_owned()),
        name => around.environment.get(name).cloned(),
    };
    let store = |lookup: Lookup<'_>| service::store(lookup).unwrap();
    let present = store(&|name| around.environment.get(name).cloned());
    present.check_as_limiter().await.unwrap();
    present.check_as_pruner().await.unwrap();
    for absent in [
        store(&nowhere).check_as_limiter().await,
        store(&nowhere).check_as_pruner().await.map(drop),
    ] {
        let error = ConfigError::from(absent.unwrap_err()).to_string();
        assert!(
            error.starts_with("HALLPASS_ATTEMPTS_TABLE: ") && error.ends_with(": Nowhere"),
            "{error}"
        );
    }
}
