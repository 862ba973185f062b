//! The keyring in Secrets Manager: it is refreshed, kept for a while if that fails, and then no
//! longer trusted.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_dev::secrets::Secrets;
use hallpass_store::{
    Keys,
    connect::{self, Connection, Trust},
    keys,
};
use hallpass_token::{Format, Keyring, Text, Timestamp};
use serde_json::{Value, json};
use tests::{
    KEYS, Request, START, World,
    api::bearer,
    basic,
    tap::{ALWAYS, Fault, Tap},
};

/// The refresh period of the keyring, in seconds.
const REFRESH: u64 = 300;

/// How long the last good keyring is trusted, in seconds.
const TRUSTED: u64 = 12 * REFRESH;

/// A keyring in a stand-in for Secrets Manager, behind a tap.
struct Kept {
    secrets: Secrets,
    tap: Tap,
    keys: Keys,
}

async fn kept() -> Kept {
    let secrets =
        Secrets::start("local".to_owned(), &Keyring::parse(KEYS).unwrap(), None).await.unwrap();
    let tap = Tap::start(&secrets.endpoint()).await;
    let client = connection(&tap.endpoint()).secrets();
    Kept {
        keys: Keys::secret(client, "KeyRing".to_owned(), Duration::from_secs(REFRESH)),
        tap,
        secrets,
    }
}

fn connection(endpoint: &str) -> Connection {
    Connection {
        region: "local".to_owned(),
        dynamodb_endpoint: None,
        secrets_endpoint: Some(endpoint.to_owned()),
        use_fips: false,
        use_dual_stack: false,
        access_key_id: "local".to_owned(),
        secret_access_key: Text::new("local"),
        session_token: None,
        http: connect::http_client(Trust::amazon().unwrap()).unwrap(),
    }
}

/// Returns a keyring with these keys, the last of which signs.
fn keyring(ids: &[&str]) -> Keyring {
    let known: Value = serde_json::from_str(KEYS).unwrap();
    let key = |(index, id): (u8, &&str)| match *id {
        "test" => known[0].clone(),
        id => {
            let bytes: Vec<u8> = (0..32)
                .map(|byte: u8| byte.wrapping_mul(byte).wrapping_mul(37).wrapping_add(index))
                .collect();
            json!({"id": id, "key": BASE64_URL_SAFE_NO_PAD.encode(&bytes), "signs_from": START})
        }
    };
    Keyring::parse(&Value::Array((0..).zip(ids).map(key).collect()).to_string()).unwrap()
}

impl Kept {
    /// Creates functions that fetch this keyring.
    async fn world(&self) -> World {
        let endpoint = self.tap.endpoint();
        let settings = [
            ("HALLPASS_KEYS", ""),
            ("HALLPASS_KEYS_SECRET", "KeyRing"),
            ("HALLPASS_SECRETS_ENDPOINT", &endpoint),
        ];
        World::with(&settings).await
    }

    /// Returns the key IDs of the keyring this many seconds after the start, and the number of
    /// fetches.
    async fn at(&self, seconds: u64) -> (Option<Vec<String>>, usize) {
        let keyring = self.keys.current(Timestamp::from_unix(START + seconds).unwrap()).await;
        let ids = keyring
            .ok()
            .map(|keyring| keyring.keys().iter().map(|key| key.id().to_owned()).collect());
        (ids, self.tap.operations().len())
    }

    /// Replaces the keyring in Secrets Manager, past the tap.
    async fn put(&self, keyring: &Keyring) {
        let client = connection(&self.secrets.endpoint()).secrets();
        let version = keys::fetch(&client, "KeyRing").await.unwrap().version_id;
        assert!(keys::replace(&client, "KeyRing", &version, keyring).await.unwrap());
    }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn a_keyring_is_fetched_once_and_again_after_the_refresh_period() {
    let kept = kept().await;
    assert_eq!(kept.at(0).await, (Some(ids(&["test"])), 1));
    kept.put(&keyring(&["test", "other"])).await;
    assert_eq!(kept.at(1).await, (Some(ids(&["test"])), 0));
    assert_eq!(kept.at(REFRESH - 1).await, (Some(ids(&["test"])), 0));
    assert_eq!(kept.at(REFRESH).await, (Some(ids(&["other", "test"])), 1));
    assert_eq!(kept.at(2 * REFRESH - 1).await, (Some(ids(&["other", "test"])), 0));
    assert_eq!(kept.at(2 * REFRESH).await, (Some(ids(&["other", "test"])), 1));
}

#[tokio::test]
async fn the_last_good_keyring_serves_for_twelve_periods_and_no_second_more() {
    let kept = kept().await;
    assert_eq!(kept.at(0).await, (Some(ids(&["test"])), 1));
    kept.put(&keyring(&["other"])).await;
    kept.tap.inject("GetSecretValue", 0, ALWAYS, Fault::Drop);
    // The SDK tries three times, followed by a pause.
    assert_eq!(kept.at(REFRESH).await, (Some(ids(&["test"])), 3));
    assert_eq!(kept.at(REFRESH + 9).await, (Some(ids(&["test"])), 0));
    assert_eq!(kept.at(REFRESH + 10).await, (Some(ids(&["test"])), 3));
    assert_eq!(kept.at(TRUSTED - 1).await, (Some(ids(&["test"])), 3));
    for seconds in [TRUSTED, TRUSTED + 1, 100 * TRUSTED] {
        assert_eq!(kept.at(seconds).await, (None, 3), "{seconds}");
    }
    kept.tap.heal();
    assert_eq!(kept.at(TRUSTED + 2).await, (Some(ids(&["other"])), 1));
}

#[tokio::test]
async fn a_malformed_keyring_is_rejected() {
    let empty = |response: &mut Value| response["SecretString"] = json!("[]");
    let nothing = |response: &mut Value| *response = json!({"Name": "KeyRing"});
    let weak = |response: &mut Value| {
        let key = "A".repeat(43);
        response["SecretString"] = json!(format!(r#"[{{"id":"a","key":"{key}","signs_from":0}}]"#));
    };
    for fault in [
        Fault::Change(empty),
        Fault::Change(nothing),
        Fault::Change(weak),
        Fault::Halve,
        Fault::Reject(400, "ResourceNotFoundException"),
        Fault::Reject(400, "AccessDeniedException"),
    ] {
        let kept = kept().await;
        kept.tap.inject("GetSecretValue", 0, 1, fault);
        assert_eq!(kept.at(0).await, (None, 1), "{fault:?}");
        assert_eq!(kept.at(0).await, (Some(ids(&["test"])), 1));
        kept.tap.inject("GetSecretValue", 0, 1, fault);
        assert_eq!(kept.at(REFRESH).await, (Some(ids(&["test"])), 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_token_of_a_retired_key_is_rejected_once_the_keyring_was_fetched() {
    let kept = kept().await;
    let world = kept.world().await;
    let token = world.create_token(Format::Developer, "1", 1).await;
    let check =
        async |expected: &str| assert_eq!(world.verdict(&bearer(&token.text)).await, expected);
    check("allow").await;
    kept.put(&keyring(&["test", "other"])).await;
    world.advance(REFRESH);
    check("allow").await;
    // The new key signs, the old one verifies.
    let fresh = world.token().await;
    let records = world.store.records_of(&"1".parse().unwrap()).await.unwrap();
    let signers: Vec<&str> = records.iter().map(|record| record.key_id.as_str()).collect();
    assert!(signers.len() == 2 && signers.contains(&"other"), "{signers:?}");
    kept.put(&keyring(&["x", "other"])).await;
    world.advance(REFRESH);
    check("malformed").await;
    assert_eq!(world.verdict(&bearer(&fresh)).await, "allow");
}

#[tokio::test]
async fn functions_serve_with_the_last_good_keyring_for_a_while_and_then_reject_everyone() {
    let kept = kept().await;
    let world = kept.world().await;
    let token = bearer(&world.token().await);
    let check = async |verdict: &str, status: u16| {
        assert_eq!(world.verdict(&token).await, verdict);
        assert_eq!(world.generate(&token).await.status, status);
    };
    check("allow", 200).await;
    kept.tap.inject("GetSecretValue", 0, ALWAYS, Fault::Reject(500, "InternalServiceError"));
    for seconds in [REFRESH, REFRESH, TRUSTED - 2 * REFRESH - 1] {
        world.advance(seconds);
        check("allow", 200).await;
    }
    for seconds in [1, REFRESH] {
        world.advance(seconds);
        check("error: the token could not be verified", 503).await;
    }
    kept.tap.heal();
    check("allow", 200).await;
}

#[tokio::test]
async fn without_a_keyring_nothing_is_verified_and_nothing_is_created() {
    let kept = kept().await;
    let world = kept.world().await;
    let token = world.create_token(Format::Developer, "1", 1).await;
    kept.tap.inject("GetSecretValue", 0, ALWAYS, Fault::Drop);
    assert_eq!(world.verdict(&bearer(&token.text)).await, "error: the token could not be verified");
    let with_token =
        |method: &str, route: &str| Request::new(method, route).authorization(&bearer(&token.text));
    let login = Request::new("POST", "/api/services_token/generate");
    for (function, request) in [
        ("Generate", login.authorization(&basic("my_username", "topsecret"))),
        ("Generate", with_token("POST", "/tokens").json(&json!({"name": "a"}))),
        ("Revoke", with_token("DELETE", "/tokens/{id}").parameter("id", "current")),
        ("Console", with_token("GET", "/tokens")),
        ("Console", Request::new("GET", "/healthz")),
    ] {
        world.send(function, request).await.problem(503);
    }
    assert_eq!(world.dump("Tokens").await.len(), 2);
    kept.tap.heal();
    assert_eq!(world.verdict(&bearer(&token.text)).await, "allow");
}

/// Two commands that read the same keyring cannot both replace it.
#[tokio::test]
async fn a_keyring_is_replaced_only_while_it_is_the_one_that_was_read() {
    let kept = kept().await;
    let client = connection(&kept.tap.endpoint()).secrets();
    let read = keys::fetch(&client, "KeyRing").await.unwrap().version_id;
    let ids = async || {
        let keyring = keys::fetch(&client, "KeyRing").await.unwrap().keyring;
        keyring.keys().iter().map(|key| key.id().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(keys::replace(&client, "KeyRing", &read, &keyring(&["test", "first"])).await.unwrap());
    assert!(
        !keys::replace(&client, "KeyRing", &read, &keyring(&["test", "second"])).await.unwrap()
    );
    assert_eq!(ids().await, ["first", "test"].map(str::to_owned).into());
    // The response to the write is lost, and the SDK repeats it.
    let read = keys::fetch(&client, "KeyRing").await.unwrap().version_id;
    kept.tap.inject("UpdateSecretVersionStage", 0, 1, Fault::Lose);
    assert!(keys::replace(&client, "KeyRing", &read, &keyring(&["test", "third"])).await.unwrap());
    assert_eq!(ids().await, ["test", "third"].map(str::to_owned).into());
    // A write that fails for another reason is an error, and not a keyring that someone else
    // replaced.
    let read = keys::fetch(&client, "KeyRing").await.unwrap().version_id;
    kept.tap.inject(
        "UpdateSecretVersionStage",
        0,
        ALWAYS,
        Fault::Reject(400, "AccessDeniedException"),
    );
    assert!(keys::replace(&client, "KeyRing", &read, &keyring(&["test", "fourth"])).await.is_err());
    assert_eq!(ids().await, ["test", "third"].map(str::to_owned).into());
}
