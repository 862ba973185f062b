//! Secrets in the wrong place: no command prints input that it rejects, and a token that cannot be
//! delivered is deleted.

use std::process::Stdio;

use serde_json::json;

use crate::dev::{Dev, Ran, hallpass, ran};

const PASSWORD: &str = "topsecret2";

/// Arguments with a position, `@`, where a secret could be typed or expanded from a variable. Every
/// one is rejected.
const PLACES: [&[&str]; 53] = [
    &["@"],
    &["--@"],
    &["--json=@"],
    &["--unknown=@"],
    &["--unknown", "@"],
    &["user", "@"],
    &["user", "list", "@"],
    // The form of `curl -u`.
    &["user", "passwd", "my_username:@"],
    &["user", "show", "my_username:@"],
    &["token", "issue", "my_username:@"],
    &["token", "list", "my_username:@"],
    &["user", "list", "--@"],
    &["user", "passwd", "my_username", "@"],
    &["user", "passwd", "my_username", "--password", "@"],
    &["user", "passwd", "my_username", "--password=@"],
    &["user", "add", "ada", "@"],
    &["user", "add", "ada", "--id", "@@@ @"],
    &["user", "add", "ada", "--permission", "\"@"],
    &["user", "rename", "my_username", "you", "@"],
    &["user", "link", "my_username", "@"],
    &["user", "block", "my_username", "@"],
    &["user", "maintainer", "add", "ci-bot", "my_username", "@"],
    &["user", "permission", "add", "my_username", "\"@"],
    &["user", "permission", "remove", "my_username", "a", "@"],
    &["user", "import", "--format", "@", "-"],
    &["token", "@"],
    &["token", "show", "@"],
    &["token", "revoke", "@"],
    &["token", "revoke", "--all", "my_username", "@"],
    &["token", "revoke", "--issued-by", "@"],
    &["token", "revoke", "--issued-by=@"],
    &["token", "revoke", "--family", "@"],
    &["token", "revoke", "@", "--descendants"],
    &["token", "revoke", "--family=@", "1.AAAAAAAAAAAAAAAAAAAAAA"],
    &["token", "rotate", "@"],
    &["token", "inspect", "@"],
    &["token", "explain", "@"],
    &["token", "explain", "-", "--method", "GET", "--path", "@"],
    &["token", "list", "my_username", "@"],
    &["token", "issue", "my_username", "@"],
    &["token", "issue", "my_username", "--scope", "\"@"],
    &["token", "issue", "my_username", "--expires-in", "@"],
    &["token", "issue", "my_username", "--expires-at", "@"],
    &["key", "@"],
    &["key", "list", "@"],
    &["key", "rotate", "@"],
    &["key", "export", "--jwt", "a", "@"],
    &["key", "retire", "a", "@"],
    &["prune", "@"],
    &["doctor", "@"],
    &["dev", "--port", "@"],
    &["dev", "--authorizer-cache", "@"],
    &["completions", "@"],
];

/// Arguments with a name, `@`, which the error message repeats unless it looks like a token.
const NAMES: [&[&str]; 16] = [
    &["user", "show", "@"],
    &["user", "show", "id:@"],
    &["user", "passwd", "@"],
    &["user", "rename", "@", "you"],
    &["user", "link", "@", "--subject=1", "--issuer=https://a"],
    &["user", "unlink", "@"],
    &["user", "block", "@"],
    &["user", "remove", "@"],
    &["user", "permission", "add", "@", "a"],
    &["user", "maintainer", "add", "@", "my_username"],
    &["user", "maintainer", "remove", "ci-bot", "@"],
    &["user", "import", "@.csv"],
    &["token", "list", "@"],
    &["token", "issue", "@"],
    &["token", "revoke", "--all", "@"],
    &["key", "retire", "@"],
];

#[tokio::test]
async fn no_command_prints_a_secret_that_it_rejects() {
    let dev = Dev::fresh().await;
    let token = dev.token("my_username", "topsecret").await;
    let jwt = dev.out(&["token", "issue", "my_username", "--jwt"], "").await;
    let key = dev.out(&["key", "export", "--jwt"], "").await;
    let check = async |place: &[&str], secret: &str| {
        let words: Vec<String> = place.iter().map(|word| word.replace('@', secret)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for json in [&[][..], &["--json"]] {
            let Ran { code, out, err } = dev.ran(&[json, &words].concat(), "").await;
            let printed = format!("{out}{err}");
            let end = &secret[secret.len().saturating_sub(20)..];
            assert!(code == 1 || code == 2, "{place:?}: {code}");
            assert!(!printed.contains(end) && !err.is_empty(), "{place:?}: {printed}");
            if !json.is_empty() {
                let error: serde_json::Value = serde_json::from_str(err.trim()).unwrap();
                assert_eq!(error["status"], code, "{place:?}");
            }
        }
    };
    for place in PLACES {
        for secret in [token.as_str(), PASSWORD] {
            check(place, secret).await;
        }
    }
    for place in NAMES {
        for secret in [token.as_str(), jwt.trim(), key.trim()] {
            check(place, secret).await;
        }
    }
    for name in ["--stack", "--profile", "--region", "--endpoint"] {
        check(&[name, "@", "user", "list"], &token).await;
    }
    assert_eq!(dev.verdict(&token).await, "allow");
    dev.stop("-TERM").await;
}

/// A command that would need a stack must not get that far.
#[tokio::test]
async fn a_token_in_place_of_an_id_or_a_name_is_answered_with_its_id() {
    const TOKEN: &str = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";
    const ADVICE: &str = "this is a token; its ID is 1.24LZRCIrYYNTCeRZ6quIqQ";
    let nowhere = tempfile::TempDir::new().unwrap();
    let check = async |place: &[&str], begin: &str| {
        let words: Vec<String> = place.iter().map(|word| word.replace('@', TOKEN)).collect();
        for json in [&[][..], &["--json"]] {
            let mut command = hallpass(nowhere.path());
            let Ran { code, out, err } = ran(command.args(&words).args(json), "").await;
            assert_eq!((code, out.as_str()), (2, ""), "{place:?}: {err}");
            let said = err.contains(&format!("{begin}: {ADVICE}"));
            assert!(said && !err.contains("RJG0"), "{place:?}: {err}");
        }
    };
    for place in [
        &["user", "show", "@"][..],
        &["user", "show", "id:@"],
        &["user", "show", "@:"],
        &["user", "block", "Bearer @"],
        &["user", "add", "@"],
        &["user", "permission", "add", "@", "a"],
    ] {
        check(place, "<NAME>").await;
    }
    check(&["user", "rename", "@", "you"], "<OLD>").await;
    check(&["user", "rename", "ada", "@"], "<NEW>").await;
    check(&["user", "add", "ada", "--id", "@"], "--id <ID>").await;
    check(&["user", "add", "ada", "--full-name", "@"], "--full-name <FULL_NAME>").await;
    check(&["user", "permission", "add", "ada", "@"], "<PERMISSION>").await;
    check(&["user", "maintainer", "add", "@", "ada"], "<ACCOUNT>").await;
    check(&["user", "maintainer", "add", "ci-bot", "@"], "<USER>").await;
    check(&["user", "link", "ada", "--subject", "@"], "--subject <SUBJECT>").await;
    check(&["user", "link", "ada", "--subject=1", "--issuer", "@"], "--issuer <URL>").await;
    check(&["token", "list", "@"], "<USER>").await;
    check(&["token", "issue", "@"], "<USER>").await;
    check(&["token", "issue", "ada", "--scope", "@"], "--scope <PERMISSION>").await;
    check(&["token", "show", "@"], "<ID>").await;
    check(&["token", "rotate", "@"], "<ID>").await;
    check(&["token", "revoke", "@"], "[ID]").await;
    check(&["token", "revoke", "--all=@"], "--all <USER>").await;
    check(&["token", "revoke", "--issued-by", "@"], "--issued-by <FAMILY_OR_TOKEN>").await;
    check(&["key", "retire", "@"], "<ID>").await;
    check(&["key", "export", "--jwt", "@"], "[ID]").await;
    check(&["--stack", "@", "user", "list"], "--stack <NAME>").await;
    check(&["--endpoint", "@", "user", "list"], "--endpoint <URL>").await;
    // The name of the program is no argument, and the data directory is two.
    check(&["token", "inspect", "@"], "argument 5").await;
    check(&["user", "list", "--unknown=@"], "argument 5").await;
    check(&["@"], "argument 3").await;
    check(&["user", "passwd", "ada", "@"], "argument 6").await;
}

#[tokio::test]
async fn the_value_of_a_rejected_setting_is_not_printed() {
    let data = tempfile::TempDir::new().unwrap();
    for name in [
        "HALLPASS_KEYS",
        "HALLPASS_PREFIX",
        "HALLPASS_REALM",
        "HALLPASS_LIFETIME",
        "HALLPASS_MAX_TOKENS",
        "HALLPASS_SUNSET",
        "HALLPASS_APP_USER",
    ] {
        let mut command = hallpass(data.path());
        let secret = format!("{PASSWORD} \"{PASSWORD}");
        command.args(["dev", "--port", "0"]).env(name, &secret);
        let Ran { code, out, err } = ran(&mut command, "").await;
        assert!(
            code != 0 && !format!("{out}{err}").contains(PASSWORD),
            "{name}: {code} {out}{err}"
        );
        let mut command = hallpass(data.path());
        command.args(["token", "inspect"]).env(name, &secret);
        let Ran { out, err, .. } = ran(&mut command, "x\n").await;
        assert!(!format!("{out}{err}").contains(PASSWORD), "{name}: {out}{err}");
    }
}

#[tokio::test]
async fn invalid_numbers_are_explained() {
    let data = tempfile::TempDir::new().unwrap();
    for (arguments, words) in [
        (&["dev", "--port", "x"][..], "must be a port number from 0 to 65535"),
        (&["dev", "--port", "65536"], "must be a port number from 0 to 65535"),
        (&["dev", "--authorizer-cache", "-1s"], ""),
        (&["dev", "--authorizer-cache", "2h"], "must be a duration of at most an hour"),
        (&["dev", "--authorizer-cache", "1 month"], "must be a duration of at most an hour"),
    ] {
        let Ran { code, err, .. } = ran(hallpass(data.path()).args(arguments), "").await;
        assert!(
            code == 2 && err.contains(words) && !err.contains("invalid digit"),
            "{arguments:?}: {err}"
        );
    }
}

/// Covers a closed pipe, a full disk, and a closed standard output.
#[tokio::test]
async fn a_token_that_cannot_be_written_is_deleted_and_the_command_fails() {
    let dev = Dev::fresh().await;
    let binary = env!("CARGO_BIN_EXE_hallpass");
    let failing = async |arguments: &str, redirect: &str| {
        let line =
            format!("exec {binary} --data {} {arguments} {redirect}", dev.data.path().display());
        ran(tokio::process::Command::new("sh").arg("-c").arg(line), "").await
    };
    let gone = async |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = hallpass(dev.data.path());
        command.args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let output = child.wait_with_output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for redirect in [">/dev/full", ">&-"] {
        let Ran { code, err, .. } = failing("token issue my_username", redirect).await;
        assert!(
            code == 2 && err.contains("could not be written and was deleted"),
            "{redirect}: {code} {err}"
        );
        let Ran { code, err, .. } = failing("key export --jwt", redirect).await;
        assert!(
            code == 2 && err.contains("the key could not be written"),
            "{redirect}: {code} {err}"
        );
    }
    for arguments in [
        &["token", "issue", "my_username"][..],
        &["--json", "token", "issue", "my_username", "--jwt"],
    ] {
        let (code, err) = gone(arguments).await;
        assert!(code == 2 && err.contains("was deleted"), "{arguments:?}: {code} {err}");
    }
    assert_eq!(gone(&["key", "export", "--jwt"]).await.0, 2);
    assert_eq!(gone(&["user", "list"]).await.0, 0, "the reader of a list may stop early");
    assert_eq!(dev.json(&["token", "list", "my_username"], "").await, json!([]));
    // A rotation whose token was not delivered is undone.
    let old = dev.json(&["token", "issue", "my_username"], "").await;
    let (id, text) = (old["id"].as_str().unwrap(), old["token"].as_str().unwrap());
    let Ran { code, err, .. } = failing(&format!("token rotate {id}"), ">/dev/full").await;
    assert!(code == 2 && err.contains("is unchanged"), "{code} {err}");
    assert_eq!(gone(&["token", "rotate", id]).await.0, 2);
    assert_eq!(dev.json(&["token", "list", "my_username"], "").await.as_array().unwrap().len(), 1);
    let new = dev.json(&["token", "rotate", id], "").await;
    assert_eq!(dev.verdict(new["token"].as_str().unwrap()).await, "allow");
    assert_eq!(dev.verdict(text).await, "replaced");
    dev.stop("-TERM").await;
}
