//! How a stack starts: again with its data, afresh, or not at all and with a reason.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use hallpass_dev::{Options, StartError};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::api::bearer;

use super::{Running, fresh, options, rejected, running};

#[tokio::test]
async fn data_survives_a_restart_and_not_a_fresh_start() {
    let stack = fresh().await;
    let (token, revoked) = (stack.token().await, stack.token().await);
    stack.client.ask("DELETE", "/tokens/current", &bearer(&revoked)).await;
    let keyring = stack.data.path().join("keys.json");
    assert_eq!(fs::metadata(&keyring).unwrap().permissions().mode() & 0o777, 0o600);
    let authority = fs::read(stack.data.path().join("ca.pem")).unwrap();
    let Running { data, dev, client } = stack;
    dev.stop().await;
    assert!(client.is_rejected().await, "the port is closed");
    assert!(!data.path().join("stack.json").exists(), "no command finds it any more");

    let stack = running(data, |_| {}).await;
    assert_eq!(stack.show(&bearer(&token)).await.status, 200);
    rejected(&stack.show(&bearer(&revoked)).await, "revoked", "The access token was revoked");
    let Running { data, dev, .. } = stack;
    dev.stop().await;

    let stack = running(data, |options| options.fresh = true).await;
    assert_eq!(
        fs::read(stack.data.path().join("ca.pem")).unwrap(),
        authority,
        "clients trust it still"
    );
    rejected(&stack.show(&bearer(&token)).await, "malformed", "The access token is not valid");
    assert_eq!(stack.show(&bearer(&stack.token().await)).await.status, 200);
    stack.dev.stop().await;
}

/// Changes the data directory and the options of a stack, and checks that it does not start and
/// that its message has these words.
async fn fails(words: &[&str], prepare: &dyn Fn(&Path), adjust: &dyn Fn(&mut Options)) {
    let data = TempDir::new().unwrap();
    prepare(data.path());
    let mut options = options(data.path());
    adjust(&mut options);
    let error: StartError = hallpass_dev::start(options).await.map(|dev| dev.url).unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("{ ") && line.len() < 300, "{line}");
    for word in words {
        assert!(line.contains(word), "{line} does not name {word}");
    }
    assert!(!line.contains("c2hvcnQ"), "{line} shows a key");
}

#[tokio::test]
async fn a_failed_start_is_explained_in_one_line() {
    let keyring = |json: Value| {
        move |data: &Path| fs::write(data.join("keys.json"), json.to_string()).unwrap()
    };
    let nothing = |_: &Path| {};
    let as_it_is = |_: &mut Options| {};
    let set = |name: &'static str, value: &'static str| {
        move |options: &mut Options| {
            options.settings.insert(name.to_owned(), value.to_owned());
        }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    fails(&["cannot listen on port", &port.to_string()], &nothing, &|options| options.port = port)
        .await;

    let short = json!([{"id": "first", "key": "c2hvcnQ", "signs_from": 0}]);
    fails(&["keyring", "keys.json", "first"], &keyring(short.clone()), &as_it_is).await;
    fails(&["keyring", "keys.json"], &keyring(json!([])), &as_it_is).await;
    fails(&["keyring", "keys.json"], &keyring(json!("c2hvcnQ")), &as_it_is).await;
    fails(
        &["keyring", "keys.json"],
        &|data| fs::create_dir(data.join("keys.json")).unwrap(),
        &as_it_is,
    )
    .await;
    fails(&["HALLPASS_KEYS"], &nothing, &|options| {
        options.keys = Some(hallpass_token::Text::new(short.to_string()));
    })
    .await;
    fails(&["HALLPASS_PREFIX"], &nothing, &set("HALLPASS_PREFIX", "a b")).await;
    fails(&["HALLPASS_LIFETIME"], &nothing, &set("HALLPASS_LIFETIME", "soon")).await;
    fails(&["HALLPASS_ROUTES"], &nothing, &set("HALLPASS_ROUTES", "c2hvcnQ")).await;

    fails(
        &["dynamodb.sqlite"],
        &|data| fs::write(data.join("dynamodb.sqlite"), "not a database").unwrap(),
        &as_it_is,
    )
    .await;
    fails(
        &["certificates", "ca.pem"],
        &|data| {
            for file in ["ca.pem", "ca-key.pem"] {
                fs::write(data.join(file), "not a certificate").unwrap();
            }
        },
        &as_it_is,
    )
    .await;
    let file = |data: &Path| fs::write(data.join("file"), "").unwrap();
    fails(&["cannot use", "file"], &file, &|options| options.data = options.data.join("file"))
        .await;
}

#[tokio::test]
async fn a_data_directory_serves_one_stack_at_a_time() {
    let stack = fresh().await;
    let line = hallpass_dev::start(options(stack.data.path()))
        .await
        .map(|dev| dev.url)
        .unwrap_err()
        .to_string();
    assert!(line.contains("cannot use") && line.contains("another"), "{line}");
    assert_eq!(
        stack.show(&bearer(&stack.token().await)).await.status,
        200,
        "the first one continues"
    );
    stack.dev.stop().await;
}
