//! The options of `hallpass user list` and `hallpass token list`.

use crate::dev::Dev;

#[tokio::test]
async fn a_list_of_users_is_filtered_sorted_and_cut() {
    let dev = Dev::fresh().await;
    let add =
        ["user", "add", "Ada", "--id", "9", "--full-name", "Countess Lovelace", "--no-password"];
    dev.done(&add, "").await;
    dev.done(&["user", "block", "ldap_user"], "").await;
    let check = async |arguments: &[&str], expected: &[&str]| {
        let listed = dev.json(&[&["user", "list"], arguments].concat(), "").await;
        let ids: Vec<&str> =
            listed.as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{arguments:?}");
    };
    check(&[], &["9", "2", "4", "3", "1"]).await;
    check(&["--sort", "name"], &["9", "2", "4", "3", "1"]).await;
    check(&["--sort", "id"], &["1", "2", "3", "4", "9"]).await;
    check(&["--sort", "state"], &["9", "2", "4", "1", "3"]).await;
    check(&["--state", "blocked"], &["3"]).await;
    check(&["--state", "active", "--sort", "id", "--limit", "2"], &["1", "2"]).await;
    check(&["--state", "unreadable"], &[]).await;
    check(&["--search", "ADA"], &["9"]).await;
    check(&["--search", "lovelace"], &["9"]).await;
    check(&["--search", "user"], &["3", "1"]).await;
    check(&["--search", "unknown"], &[]).await;
    let ran = dev.ran(&["user", "list", "--limit", "2"], "").await;
    assert_eq!((ran.code, ran.out.lines().count()), (0, 3), "{ran:?}");
    assert_eq!(ran.err, "hallpass: 2 of 5 users; --limit cut the list\n");
    for (arguments, words) in [
        (["--state", "gone"], "possible values: active, blocked, unreadable"),
        (["--limit", "0"], "must be a whole number of at least 1"),
        (["--sort", "age"], "possible values: id, name, state"),
    ] {
        let (code, printed) = dev.run(&[&["user", "list"], &arguments[..]].concat(), "").await;
        assert!(code == 2 && printed.contains(words), "{arguments:?}: {printed}");
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_list_of_tokens_is_filtered_sorted_and_cut() {
    let dev = Dev::start(tempfile::TempDir::new().unwrap(), &["--no-prune"]).await;
    let mut ids = Vec::new();
    for (name, description, period) in
        [("beta", "for Backups", "3d"), ("Alpha", "ci", "1d"), ("gamma", "x", "2d")]
    {
        let issue = ["token", "issue", "my_username", "--expires-in", period, "--name", name];
        let token = dev.json(&[&issue[..], &["--description", description]].concat(), "").await;
        ids.push((token["id"].as_str().unwrap().to_owned(), name));
    }
    dev.done(&["token", "revoke", &ids[2].0], "").await;
    let check = async |arguments: &[&str], expected: &[&str]| {
        let listed = dev.json(&[&["token", "list", "my_username"], arguments].concat(), "").await;
        let names: Vec<&str> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{arguments:?}");
    };
    check(&["--sort", "name"], &["Alpha", "beta", "gamma"]).await;
    check(&["--sort", "expires"], &["Alpha", "gamma", "beta"]).await;
    check(&["--sort", "expires", "--limit", "1"], &["Alpha"]).await;
    check(&["--sort", "name", "--state", "live"], &["Alpha", "beta"]).await;
    check(&["--state", "revoked"], &["gamma"]).await;
    check(&["--state", "expired"], &[]).await;
    check(&["--search", "BACKUP"], &["beta"]).await;
    check(&["--search", "PHA"], &["Alpha"]).await;
    check(&["--search", &ids[0].0], &["beta"]).await;
    let two = dev.json(&["token", "list", "my_username", "--limit", "2"], "").await;
    assert_eq!(two.as_array().unwrap().len(), 2);
    let (code, printed) = dev.run(&["token", "list", "my_username", "--state", "gone"], "").await;
    assert!(code == 2 && printed.contains("possible values: live, expired, revoked"), "{printed}");
    dev.stop("-TERM").await;
}
