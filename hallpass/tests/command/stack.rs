//! The stack: a change of a user takes effect at the next request, data is kept, keys rotate, and
//! errors at the start are reported.

use std::io::Write;

use tempfile::TempDir;

use crate::dev::{Dev, run};

/// After each change, earlier tokens get 401 at the next request, and stay invalid when the change
/// is undone.
async fn every_change_invalidates(arguments: &[&str]) {
    let dev = Dev::start(TempDir::new().unwrap(), arguments).await;
    dev.done(&["user", "passwd", "my_username"], "open sesame\n").await;
    let check =
        async |change: &[&str], input: &str, reason: &str, back: &[&str], back_input: &str| {
            let token = dev.token("my_username", "open sesame").await;
            assert_eq!(dev.verdict(&token).await, "allow", "{change:?}");
            dev.done(change, input).await;
            assert_eq!(dev.verdict(&token).await, reason, "{change:?}");
            dev.done(back, back_input).await;
            assert_ne!(dev.verdict(&token).await, "allow", "{back:?}");
        };
    let me = "my_username";
    check(
        &["user", "passwd", me],
        "other room\n",
        "user_changed",
        &["user", "passwd", me],
        "open sesame\n",
    )
    .await;
    check(&["user", "rename", me, "you"], "", "user_changed", &["user", "rename", "you", me], "")
        .await;
    check(&["user", "block", me], "", "user_blocked", &["user", "unblock", me], "").await;
    let again = ["user", "add", me, "--id", "1", "--permission", "ROLE_USER"];
    check(&["user", "remove", me], "", "user_removed", &again, "open sesame\n").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_change_of_the_user_invalidates_every_earlier_token() {
    every_change_invalidates(&[]).await;
}

#[tokio::test]
async fn a_change_of_the_user_invalidates_every_earlier_token_without_prune_too() {
    every_change_invalidates(&["--no-prune"]).await;
}

#[tokio::test]
async fn data_survives_a_restart_and_not_a_fresh_start() {
    let dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let token = dev.token("my_username", "topsecret").await;
    let dev = Dev::start(dev.stop("-INT").await, &[]).await;
    assert_eq!(dev.verdict(&token).await, "allow");
    let (code, printed) = run(dev.data.path(), &["dev", "--port", "0"], "").await;
    assert_eq!((code, printed.lines().count()), (2, 1), "{printed}");
    let dev = Dev::start(dev.stop("-TERM").await, &["--fresh"]).await;
    assert_eq!(dev.verdict(&token).await, "malformed");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_new_key_verifies_at_once_and_the_old_one_keeps_signing() {
    let dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let token = dev.token("my_username", "topsecret").await;
    dev.done(&["key", "rotate"], "").await;
    assert_eq!(dev.verdict(&token).await, "allow");
    let listed = dev.done(&["key", "list"], "").await;
    assert!(listed.contains("signs") && listed.contains("verifies, will sign"), "{listed}");
    let (code, printed) = dev.run(&["key", "retire", "first"], "").await;
    assert_eq!(code, 1, "{printed}");
    let keyring = dev.data.path().join("ring.json");
    dev.done(&["key", "new", "--out", keyring.to_str().unwrap()], "").await;
    assert!(hallpass_token::Keyring::parse(&std::fs::read_to_string(keyring).unwrap()).is_ok());
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn errors_at_the_start_are_one_line() {
    let data = TempDir::new().unwrap();
    let check = async |arguments: &[&str], word: &str| {
        let (code, printed) = run(data.path(), arguments, "").await;
        assert_eq!((code, printed.lines().count()), (2, 1), "{printed}");
        assert!(printed.contains(word) && !printed.contains("panicked"), "{printed}");
    };
    check(&["user", "list"], "no development stack is running").await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    check(
        &["dev", "--port", &taken.local_addr().unwrap().port().to_string()],
        "cannot listen on port",
    )
    .await;
    let mut keyring = std::fs::File::create(data.path().join("keys.json")).unwrap();
    keyring.write_all(b"[]").unwrap();
    check(&["dev", "--port", "0"], "keyring").await;
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (code, printed) = run(&file, &["dev", "--port", "0"], "").await;
    assert_eq!((code, printed.lines().count()), (2, 1), "{printed}");
}
