//! `hallpass token`, `hallpass key` and `hallpass prune`.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_token::Timestamp;
use serde_json::{Value, json};

use crate::{
    dev::{Dev, run},
    interrupted::copy_the_token,
};

#[tokio::test]
async fn tokens_are_listed_inspected_and_revoked_and_never_shown() {
    let dev = Dev::fresh().await;
    let token = dev.token("my_username", "topsecret").await;
    let seen = dev.done(&["token", "inspect"], &format!("{token}\n")).await;
    let id = seen.lines().find_map(|line| line.strip_prefix("token id")).unwrap().trim().to_owned();
    let listed = dev.done(&["token", "list", "my_username"], "").await;
    assert!(listed.contains(&id), "{listed}");
    dev.done(&["token", "revoke", &id], "").await;
    assert_eq!(dev.verdict(&token).await, "revoked");
    assert!(dev.done(&["token", "list", "my_username"], "").await.contains("revoked"));
    let signature = token.rsplit_once('.').unwrap().1;
    assert!(!seen.contains(signature) && !listed.contains(signature));
    dev.stop("-TERM").await;
    // Inspecting needs no stack.
    let (code, printed) =
        run(Path::new("/nowhere"), &["token", "inspect"], &format!("{token}\n")).await;
    assert_eq!(code, 0, "{printed}");
    let (code, printed) = run(Path::new("/nowhere"), &["token", "inspect"], "nonsense\n").await;
    assert_eq!((code, printed.lines().count()), (1, 1), "{printed}");
}

#[tokio::test]
async fn the_tokens_of_a_removed_user_are_listed_by_id() {
    let dev = Dev::fresh().await;
    dev.token("my_username", "topsecret").await;
    dev.done(&["user", "remove", "my_username"], "").await;
    let listed = dev.json(&["token", "list", "id:1"], "").await;
    assert_eq!(
        (listed.as_array().map(Vec::len), &listed[0]["state"]),
        (Some(1), &json!("user_removed"))
    );
    dev.rejected(&["token", "list", "my_username"], "", "there is no user my_username").await;
    dev.rejected(&["token", "list", "id:99"], "", "there is no user id:99").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn inspect_ignores_text_pasted_around_a_token() {
    let token = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";
    let inspect =
        async |input: &str| run(Path::new("/nowhere"), &["token", "inspect"], input).await;
    let plain = inspect(token).await;
    assert_eq!(plain.0, 0, "{}", plain.1);
    for around in ["\n", "\r\n", "\r", " ", "\t", "\u{a0}", "\u{feff}", "\u{200b}", "\n\n"] {
        assert_eq!(inspect(&format!("{token}{around}")).await, plain, "{around:?} after the token");
        assert_eq!(
            inspect(&format!("{around}{token}\n")).await,
            plain,
            "{around:?} before the token"
        );
    }
    for pasted in [
        format!("Bearer {token}\n"),
        format!("  token\t{token} \n"),
        format!("Basic {}\n", BASE64_STANDARD.encode(format!("{token}:"))),
        format!("\"basic {}\"", BASE64_STANDARD.encode(format!("{token}:"))),
        format!("\"{token}\"\n"),
        format!("'{token}'"),
        format!("`{token}`"),
    ] {
        assert_eq!(inspect(&pasted).await, plain, "{pasted}");
    }
    for nothing in ["", "\n", " \r\n", "\u{feff}"] {
        let (code, printed) = inspect(nothing).await;
        assert!(code != 0 && printed.lines().count() == 1, "{nothing:?}: {printed}");
    }
}

#[tokio::test]
async fn an_operator_s_token_is_alone_on_standard_output_and_valid() {
    let dev = Dev::fresh().await;
    let ran = dev.ran(&["token", "issue", "my_username"], "").await;
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
    let token = ran.out.trim();
    assert!(!ran.err.contains(token) && ran.err.contains("issued 1."), "{}", ran.err);
    assert_eq!(dev.verdict(token).await, "allow");
    let issue = [
        "token",
        "issue",
        "id:1",
        "--jwt",
        "--name",
        "<b>n</b>",
        "--description",
        "d",
        "--expires-in",
        "90s",
    ];
    let jwt =
        dev.json(&[&issue[..], &["--scope", "ROLE_USER", "--scope", "nope"]].concat(), "").await;
    assert_eq!(dev.verdict(jwt["token"].as_str().unwrap()).await, "allow");
    assert_eq!(jwt["issued_by"], "operator");
    assert_eq!(
        (&jwt["format"], &jwt["name"], &jwt["description"], &jwt["scopes"]),
        (&json!("jwt"), &json!("<b>n</b>"), &json!("d"), &json!(["ROLE_USER"]))
    );
    for (period, seconds) in [("2w", 1_209_600), ("P1D", 86_400), ("PT1M", 60), ("1 hour", 3_600)] {
        let token = dev.json(&["token", "issue", "id:1", "--expires-in", period], "").await;
        let at = |name: &str| token[name].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(at("expires_at").since(at("issued_at")).as_secs(), seconds, "{period}");
        dev.done(&["token", "revoke", token["id"].as_str().unwrap()], "").await;
    }
    let left_out = dev
        .ran(&["token", "issue", "my_username", "--scope", "ROLE_USER", "--scope", "nope"], "")
        .await;
    assert!(left_out.err.contains("left out nope"), "{}", left_out.err);
    // The token is in the list and can be shown, without its text.
    let listed = dev.json(&["token", "list", "my_username"], "").await;
    assert_eq!(listed.as_array().unwrap().len(), 7);
    let id = jwt["id"].as_str().unwrap();
    let shown = dev.json(&["token", "show", id], "").await;
    assert_eq!((&shown["state"], shown.get("token")), (&json!("live"), None));
    assert!(dev.done(&["token", "show", id], "").await.contains("operator"));
    dev.done(&["user", "block", "my_username"], "").await;
    assert_eq!(dev.json(&["token", "show", id], "").await["state"], "user_blocked");
    dev.rejected(&["token", "issue", "my_username"], "", "The user is blocked").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn invalid_requests_are_rejected_and_print_no_token() {
    let dev = Dev::fresh().await;
    let long = "x".repeat(10_000);
    let no = async |arguments: &[&str], words: &str| {
        dev.rejected(&[&["token", "issue", "my_username"], arguments].concat(), "", words).await;
    };
    no(&["--scope", "ROLE_ADMIN"], "none of these permissions can be granted").await;
    no(&["--name", &long], "name: it must have 1 to 100 characters").await;
    no(&["--name", ""], "name: it must have 1 to 100 characters").await;
    no(&["--description", &long], "description: it must have 1 to 1000 characters").await;
    no(&["--expires-in", "soon"], "--expires-in: it is not a duration").await;
    no(&["--expires-in", "0"], "--expires-in: it is not a duration of at least a second").await;
    no(&["--expires-in", ""], "--expires-in needs a duration").await;
    no(&["--expires-in", "367d"], "--expires-in must be at most 366d").await;
    no(&["--expires-in", "13 months"], "--expires-in must be at most 366d").await;
    no(&["--expires-in", "1y"], "--expires-in: it is not a duration").await;
    no(&["--expires-at", "tomorrow"], "--expires-at must be an RFC 3339 timestamp").await;
    no(&["--expires-at", "2001-01-01T00:00:00Z"], "it is not in the future").await;
    let pasted = dev.token("my_username", "topsecret").await;
    no(&["--name", &pasted], "name: it must not contain a token").await;
    no(&["--description", &format!("for {pasted}")], "description: it must not contain a token")
        .await;
    let scopes: Vec<String> =
        (0..60).map(|number| format!("a-rather-long-name-of-a-permission-{number}")).collect();
    let scopes: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope.as_str()]).collect();
    no(&scopes, "scopes: it has more than 1,400 bytes").await;
    dev.done(&["token", "revoke", "--all", "my_username"], "").await;
    dev.rejected(&["token", "issue", "unknown"], "", "there is no user unknown").await;
    dev.rejected(&["token", "issue", &long], "", "there is no user xxx").await;
    let gone = "1.AAAAAAAAAAAAAAAAAAAAAA";
    dev.rejected(&["token", "rotate", gone], "", "there is no token").await;
    dev.rejected(&["token", "show", gone], "", "there is no token").await;
    dev.rejected(&["token", "revoke", gone], "", "there is no token").await;
    dev.rejected(&["token", "revoke", "--all", "unknown"], "", "there is no user unknown").await;
    let listed = dev.json(&["token", "list", "my_username"], "").await;
    assert_eq!(
        (listed.as_array().map(Vec::len), &listed[0]["state"]),
        (Some(1), &json!("revoked"))
    );
    for (arguments, words) in [
        (&["token", "show", "<script>"][..], "not a valid ID"),
        (&["token", "revoke"], "required"),
        (&["token", "revoke", gone, "--all", "my_username"], "cannot be used with"),
        (
            &["token", "issue", "my_username", "--expires-in", "1d", "--expires-at", "x"],
            "cannot be used with",
        ),
        (&["token", "issue", "my_username", "--scope", "a\"b"], "not a valid name of a permission"),
        (&["prune", "--now"], "not expected here"),
    ] {
        let (code, printed) = dev.run(arguments, "").await;
        assert!(code == 2 && printed.contains(words), "{arguments:?}: {code} {printed}");
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_rotated_token_expires_when_its_replacement_is_first_used() {
    let dev = Dev::fresh().await;
    let old = dev
        .json(&["token", "issue", "my_username", "--name", "ci", "--expires-in", "12h"], "")
        .await;
    let (old_id, old_text) = (old["id"].as_str().unwrap(), old["token"].as_str().unwrap());
    let ran = dev.ran(&["token", "rotate", old_id], "").await;
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
    assert!(ran.err.contains("expires when the new token is first used"), "{}", ran.err);
    assert_eq!(dev.verdict(old_text).await, "allow");
    dev.rejected(&["token", "rotate", old_id], "", "already being replaced").await;
    let shown = dev.json(&["token", "show", old_id], "").await;
    let (until, new_id) = (shown["replaced_at"].as_str().unwrap(), shown["replaced_by"].as_str());
    let printed = dev.done(&["token", "list", "my_username"], "").await;
    assert!(printed.contains(&format!("live, rotating until {until}")), "{printed}");
    assert_eq!(shown["state"], "live");
    let successor = dev.json(&["token", "show", new_id.unwrap()], "").await;
    assert_eq!((&successor["replaces"], successor.get("replaced_at")), (&old["id"], None));
    assert_eq!(dev.verdict(ran.out.trim()).await, "allow");
    assert_eq!(dev.verdict(old_text).await, "replaced");
    let listed = dev.json(&["token", "list", "my_username"], "").await;
    let live: Vec<&Value> =
        listed.as_array().unwrap().iter().filter(|token| token["state"] == "live").collect();
    assert_eq!(
        (live.len(), &live[0]["name"], &live[0]["issued_by"]),
        (1, &json!("ci"), &old["id"])
    );
    let again = dev.json(&["token", "rotate", live[0]["id"].as_str().unwrap()], "").await;
    assert_eq!(again["replaces"], live[0]["id"]);
    dev.rejected(&["token", "rotate", again["id"].as_str().unwrap()], "", "has not been used yet")
        .await;
    dev.rejected(&["token", "rotate", old_id], "", "The access token").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn all_tokens_of_a_user_are_revoked_at_once_and_prune_reports_in_json() {
    // Prune would mark some of them first because their user has changed.
    let dev = Dev::start(tempfile::TempDir::new().unwrap(), &["--no-prune"]).await;
    let one = dev.out(&["token", "issue", "my_username"], "").await;
    let two = dev.token("my_username", "topsecret").await;
    let other = dev.out(&["token", "issue", "admin"], "").await;
    let mut revoked = dev.json(&["token", "revoke", "--all", "my_username"], "").await;
    let effective_at = revoked.as_object_mut().and_then(|members| members.remove("effective_at"));
    assert!(
        effective_at.is_some_and(|at| at.as_str().is_some_and(|at| at.ends_with('Z'))),
        "{revoked}"
    );
    assert_eq!(revoked, json!({"done": "revoked", "user_id": "1", "revoked": 2, "of": 2}));
    for token in [one.trim(), &two] {
        assert_eq!(dev.verdict(token).await, "revoked");
    }
    assert_ne!(dev.verdict(other.trim()).await, "revoked");
    let printed = dev.done(&["token", "revoke", "--all", "my_username"], "").await;
    assert!(printed.contains("0 of 0 live tokens"), "{printed}");
    let swept = dev.json(&["prune"], "").await;
    assert_eq!((&swept["seen"], &swept["finished"]), (&json!(3), &json!(true)));
    assert!(dev.done(&["prune"], "").await.contains("3 items seen"));
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn inspect_in_json_shows_no_secret() {
    let dev = Dev::fresh().await;
    let token = dev.token("my_username", "topsecret").await;
    let seen = dev.json(&["token", "inspect"], &format!("{token}\n")).await;
    assert_eq!(
        (&seen["user_id"], &seen["is_expired"], &seen["signature_verified"]),
        (&json!("1"), &json!(false), &json!(false))
    );
    assert!(!seen.to_string().contains(token.rsplit_once('.').unwrap().1));
    let keys = dev.json(&["key", "list"], "").await;
    assert_eq!((&keys[0]["id"], &keys[0]["state"]), (&json!("first"), &json!("signs")));
    let rotated = dev.json(&["key", "rotate"], "").await;
    assert_eq!(rotated["done"], "added");
    let retired = dev.json(&["key", "retire", rotated["id"].as_str().unwrap()], "").await;
    assert_eq!(retired["ended"], 0);
    let exported = dev.json(&["key", "export", "--jwt"], "").await;
    assert_eq!(exported["jwt_key"].as_str().unwrap().len(), 43);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_list_of_many_pages_is_complete_and_has_one_head() {
    const COPIES: usize = 1_250;
    let dev = Dev::start(tempfile::TempDir::new().unwrap(), &["--no-prune"]).await;
    dev.json(&["token", "issue", "my_username", "--name", "n"], "").await;
    copy_the_token(&dev, COPIES, "").await;
    let listed = dev.json(&["token", "list", "my_username"], "").await;
    let ids: std::collections::BTreeSet<&str> =
        listed.as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap()).collect();
    assert_eq!((listed.as_array().unwrap().len(), ids.len()), (COPIES + 1, COPIES + 1));
    let printed = dev.out(&["token", "list", "my_username"], "").await;
    assert_eq!(printed.lines().count(), COPIES + 2);
    assert_eq!(printed.lines().filter(|line| line.starts_with("ID ")).count(), 1);
    assert!(
        printed
            .lines()
            .all(|line| line.find("  n ") == printed.lines().nth(1).unwrap().find("  n ")
                || line.starts_with("ID "))
    );
    assert_eq!(dev.json(&["token", "list", "admin"], "").await, json!([]));
    assert_eq!(
        dev.out(&["token", "list", "admin"], "").await,
        "ID  NAME  FORMAT  STATE  EXPIRES  LAST USED\n"
    );
    dev.stop("-TERM").await;
}

/// A command does not overwrite a keyring that another one changed in the meantime: no retired key
/// returns, and no new key is lost.
#[tokio::test]
async fn concurrent_changes_of_the_keyring_are_written_or_rejected() {
    let dev = Dev::fresh().await;
    let [first, second] =
        [dev.json(&["key", "rotate"], "").await, dev.json(&["key", "rotate"], "").await];
    let [first, second] = [&first, &second].map(|added| added["id"].as_str().unwrap().to_owned());
    let ids = async || -> Vec<String> {
        let keys = dev.json(&["key", "list"], "").await;
        keys.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };
    for _ in 0..5 {
        let retire = async |id: &str| dev.ran(&["key", "retire", id], "").await.code;
        let rotate = async || dev.ran(&["--json", "key", "rotate"], "").await;
        let (one, two, new) = tokio::join!(retire(&first), retire(&second), rotate());
        let left = ids().await;
        assert!(one != 0 || !left.contains(&first), "{left:?}");
        assert!(two != 0 || !left.contains(&second), "{left:?}");
        if new.code == 0 {
            let added: Value = serde_json::from_str(&new.out).unwrap();
            let id = added["id"].as_str().unwrap();
            assert!(left.iter().any(|key| key == id), "{left:?}");
            assert_eq!(dev.ran(&["key", "retire", id], "").await.code, 0);
        }
        assert!(one == 0 || two == 0 || new.code == 0 || left.len() < 3, "one of them counts");
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn explain_marks_the_check_that_decides() {
    let dev = Dev::fresh().await;
    let token = dev.json(&["token", "issue", "my_username"], "").await;
    let (id, text) = (token["id"].as_str().unwrap(), token["token"].as_str().unwrap());
    let input = format!("{text}\n");
    for (argument, input) in [(id, ""), ("-", input.as_str())] {
        let printed = dev.done(&["token", "explain", argument], input).await;
        assert!(printed.starts_with(&format!("{id} is accepted\n")), "{printed}");
        assert!(!printed.lines().any(|line| line.starts_with('>')), "{printed}");
    }
    // Explaining is no use of the token.
    assert_eq!(dev.json(&["token", "show", id], "").await["last_used_at"], Value::Null);
    dev.done(&["token", "revoke", id, "--reason", "lost laptop"], "").await;
    for (argument, input) in [(id, ""), ("-", input.as_str())] {
        let printed = dev.done(&["token", "explain", argument], input).await;
        let marked: Vec<&str> = printed.lines().filter(|line| line.starts_with('>')).collect();
        assert!(marked.len() == 1 && marked[0].contains("revocation"), "{printed}");
        assert!(printed.contains("lost laptop") && !printed.contains(&text[text.len() - 43..]));
        let json = dev.json(&["token", "explain", argument], input).await;
        assert_eq!(
            (&json["reason"], &json["decided_by"]),
            (&json!("revoked"), &json!("revocation"))
        );
    }
    dev.rejected(&["token", "explain", "1.AAAAAAAAAAAAAAAAAAAAAA"], "", "there is no token").await;
    for arguments in [
        &["token", "explain", "my_username"][..],
        &["token", "explain", id, "--method", "GET"],
        &["token", "explain", id, "--method", "get", "--path", "/"],
        &["token", "explain", id, "--method", "GET", "--path", "reports"],
    ] {
        let ran = dev.ran(arguments, "").await;
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    dev.stop("-TERM").await;
}
