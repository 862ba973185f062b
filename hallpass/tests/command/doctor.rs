//! `hallpass doctor` finds nothing wrong with a healthy stack, and reports each problem with its
//! fix.

use aws_sdk_dynamodb::types::{AttributeValue, TimeToLiveSpecification};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::dev::{Dev, Ran};

impl Dev {
    /// Runs doctor, and returns its exit status and of each finding the subject, the verdict and
    /// the detail.
    pub(crate) async fn doctor(&self) -> (i32, Vec<(String, String, String)>) {
        let Ran { code, out, err } = self.ran(&["--json", "doctor"], "").await;
        let report: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}"));
        assert_eq!(report["ok"] == Value::Bool(true), code == 0);
        let text =
            |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        let findings = findings.map(|finding| {
            let verdict = text(finding, "verdict");
            assert!(
                (verdict == "ok") == text(finding, "advice").is_empty(),
                "no remedy: {finding}"
            );
            (text(finding, "of"), verdict, text(finding, "detail"))
        });
        (code, findings.collect())
    }

    /// Asserts that doctor finds exactly these problems.
    async fn assert_wrong(&self, expected: &[(&str, &str)]) {
        let (code, findings) = self.doctor().await;
        let wrong: Vec<_> = findings.iter().filter(|(_, verdict, _)| verdict == "error").collect();
        assert_eq!(code, i32::from(!expected.is_empty()), "{findings:?}");
        assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
        for ((of, _, detail), (expected_of, words)) in wrong.into_iter().zip(expected) {
            assert!(of == expected_of && detail.contains(words), "{of}: {detail}");
        }
    }
}

#[tokio::test]
async fn a_healthy_stack_has_no_problems_and_unavailable_facts_are_not_reported_as_ok() {
    let dev = Dev::fresh().await;
    dev.assert_wrong(&[]).await;
    let (_, findings) = dev.doctor().await;
    let verdict = |of: &str| {
        findings.iter().find(|(other, ..)| other == of).map(|(_, verdict, _)| verdict.as_str())
    };
    for of in [
        "settings",
        "users table",
        "index by name",
        "user stream",
        "tokens table",
        "index of live tokens",
        "TTL of tokens",
        "attempts table",
        "TTL of attempts",
        "clock",
        "keyring",
        "usable names",
        "names in the index",
        "one name, one user",
        "password hashes",
        "invalidating attributes",
        "administrators",
        "application account",
    ] {
        assert_eq!(verdict(of), Some("ok"), "{of}: {findings:?}");
    }
    for of in ["recovery of users", "recovery of tokens", "age of the key", "permissions"] {
        assert_eq!(verdict(of), Some("skipped"), "{of}");
    }
    let printed = dev.out(&["doctor"], "").await;
    assert!(
        printed.lines().all(|line| !line.contains('\u{1b}'))
            && printed.contains("skipped  recovery of users")
    );
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_table_without_ttl_and_a_missing_table_are_found() {
    let dev = Dev::fresh().await;
    let client = dev.connection().patient_dynamodb();
    let off = TimeToLiveSpecification::builder()
        .attribute_name("purge_at")
        .enabled(false)
        .build()
        .unwrap();
    client
        .update_time_to_live()
        .table_name("Tokens")
        .time_to_live_specification(off)
        .send()
        .await
        .unwrap();
    dev.assert_wrong(&[("TTL of tokens", "off")]).await;
    client.delete_table().table_name("Attempts").send().await.unwrap();
    dev.assert_wrong(&[("TTL of tokens", "off"), ("attempts table", "Attempts does not exist")])
        .await;
    let printed = dev.ran(&["doctor"], "").await;
    assert!(
        printed.out.contains("→ enable TTL on purge_at") && printed.err.contains("2 of"),
        "{printed:?}"
    );
    client.delete_table().table_name("Users").send().await.unwrap();
    let (code, findings) = dev.doctor().await;
    let gone = findings
        .iter()
        .any(|(of, _, detail)| of == "users table" && detail == "Users does not exist");
    assert!(code == 1 && gone, "{findings:?}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn users_who_cannot_log_in_are_found() {
    let dev = Dev::fresh().await;
    let client = dev.connection().patient_dynamodb();
    let put = async |attributes: &[(&str, &str)]| {
        let text = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), AttributeValue::S((*value).to_owned()))
        };
        let item = attributes.iter().map(text).collect();
        client.put_item().table_name("Users").set_item(Some(item)).send().await.unwrap();
    };
    put(&[("user_id", "7"), ("username", "ada")]).await;
    dev.assert_wrong(&[(
        "names in the index",
        "1 cannot log in because username_key is missing or stale: 7",
    )])
    .await;
    put(&[("user_id", "7"), ("username", "Ada"), ("username_key", "Ada")]).await;
    dev.assert_wrong(&[("names in the index", "missing or stale: 7")]).await;
    put(&[("user_id", "7"), ("username", "\u{200b}"), ("username_key", "ada")]).await;
    dev.assert_wrong(&[("usable names", "1 cannot log in because the name is empty, too long")])
        .await;
    put(&[("user_id", "7"), ("username", "a:b"), ("username_key", "a:b")]).await;
    dev.assert_wrong(&[("usable names", "has a character that no name has: 7")]).await;
    put(&[("user_id", "7"), ("username", "Admin"), ("username_key", "admin")]).await;
    dev.assert_wrong(&[("one name, one user", "another user has the same name: ")]).await;
    put(&[("user_id", "7"), ("username", "ada"), ("username_key", "admin")]).await;
    dev.assert_wrong(&[
        ("names in the index", "missing or stale: 7"),
        ("one entry in the index for each name", "another user has the same username_key: 2"),
    ])
    .await;
    put(&[
        ("user_id", "7"),
        ("username", "ada"),
        ("username_key", "ada"),
        ("password_hash", "$1$salt$x"),
    ])
    .await;
    dev.assert_wrong(&[("password hashes", "the hash is not supported: 7")]).await;
    // DynamoDB ends a page after a megabyte.
    let long = "x".repeat(300_000);
    for id in ["a", "b", "c", "d", "e", "f"] {
        let name = format!("name of {id}");
        put(&[("user_id", id), ("username", &name), ("username_key", &name), ("notes", &long)])
            .await;
    }
    dev.assert_wrong(&[("password hashes", "of all 11 users, 1 cannot log in")]).await;
    put(&[("user_id", "not an id")]).await;
    client
        .delete_item()
        .table_name("Users")
        .key("user_id", AttributeValue::S("7".to_owned()))
        .send()
        .await
        .unwrap();
    dev.assert_wrong(&[("users", "1 have an attribute of the wrong type")]).await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn an_application_account_or_administrator_who_does_not_exist_is_found() {
    let dev = Dev::fresh().await;
    let warned = async |of: &str, words: &str| {
        let (code, findings) = dev.doctor().await;
        let detail = findings.iter().find(|(other, ..)| other == of);
        let is_found = detail
            .is_some_and(|(_, verdict, detail)| verdict == "warning" && detail.contains(words));
        assert!(code == 0 && is_found, "{findings:?}");
    };
    let app = dev.json(&["user", "list"], "").await;
    let app = app.as_array().unwrap().iter().find(|user| user["kind"] == "app").unwrap()["id"]
        .as_str()
        .unwrap();
    let id = format!("id:{app}");
    dev.done(&["user", "block", &id], "").await;
    warned("application account", "is blocked").await;
    dev.done(&["user", "remove", &id], "").await;
    dev.assert_wrong(&[("application account", "there is no user")]).await;
    dev.done(&["user", "add", "a person", "--id", app, "--no-password"], "").await;
    warned("application account", "is a person").await;
    dev.done(&["user", "block", "admin"], "").await;
    warned("administrators", "no active user has ROLE_ADMIN").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn repairing_names_that_an_application_wrote_invalidates_no_token() {
    let dev = Dev::fresh().await;
    let client = dev.connection().patient_dynamodb();
    let put = async |id: &str, name: &str, key: Option<&str>| {
        let status = ("status", Some("active"));
        let attributes =
            [("user_id", Some(id)), ("username", Some(name)), ("username_key", key), status];
        let text = |(name, value): (&str, Option<&str>)| {
            Some((name.to_owned(), AttributeValue::S(value?.to_owned())))
        };
        let item = attributes.into_iter().filter_map(text).collect();
        client.put_item().table_name("Users").set_item(Some(item)).send().await.unwrap();
    };
    put("7", "Ada", Some("ada")).await;
    let token = dev.json(&["token", "issue", "id:7"], "").await;
    put("7", "Ada", None).await;
    put("8", "Bea", Some("bea")).await;
    put("9", "B\u{ff25}A", Some("stale")).await;
    put("10", " ", None).await;
    let printed = dev.ran(&["doctor", "--fix"], "").await;
    assert!(printed.err.contains("name of 7: repaired\n"), "{printed:?}");
    assert!(
        printed.err.contains("name of 9: not repaired: another user has this name\n"),
        "{printed:?}"
    );
    assert!(
        !printed.err.contains("name of 8") && !printed.err.contains("name of 10"),
        "{printed:?}"
    );
    assert_eq!(dev.json(&["user", "show", "ada"], "").await["id"], "7");
    let shown = dev.json(&["token", "show", token["id"].as_str().unwrap()], "").await;
    assert_eq!(shown["state"], "live", "{shown}");
    dev.rejected(&["user", "add", "ADA", "--no-password"], "", "the name ADA is taken").await;
    // A second run finds nothing to repair except the name that two users share.
    let again = dev.ran(&["doctor", "--fix"], "").await;
    assert!(!again.err.contains("name of 7") && again.err.contains("name of 9"), "{again:?}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_keyring_that_cannot_sign_or_cannot_be_read_is_found_and_so_are_settings() {
    let dev = Dev::fresh().await;
    let key = BASE64_URL_SAFE_NO_PAD
        .encode((0..32_u8).map(|at| at.wrapping_mul(at) ^ 0xa5).collect::<Vec<u8>>());
    let keyring = format!("[{{\"id\":\"late\",\"signs_from\":4000000000,\"key\":\"{key}\"}}]");
    let secrets = dev.connection().secrets();
    secrets.put_secret_value().secret_id("KeyRing").secret_string(keyring).send().await.unwrap();
    dev.assert_wrong(&[("keyring", "no key signs before 2096")]).await;
    let note = dev.data.path().join("stack.json");
    let good = std::fs::read_to_string(&note).unwrap();
    let mut stack: Value = serde_json::from_str(&good).unwrap();
    stack["environment"]["HALLPASS_SECRETS_ENDPOINT"] = "http://127.0.0.1:1".into();
    std::fs::write(&note, stack.to_string()).unwrap();
    dev.assert_wrong(&[("keyring", "no token can be issued or verified: reading the keyring")])
        .await;
    stack["environment"]["HALLPASS_LIFETIME"] = "soon".into();
    stack["environment"]["HALLPASS_INVALIDATE_ON"] = "username".into();
    std::fs::write(&note, stack.to_string()).unwrap();
    dev.assert_wrong(&[("settings", "HALLPASS_LIFETIME: it is not a duration"), ("keyring", "")])
        .await;
    stack["environment"]["HALLPASS_LIFETIME"] = "1d".into();
    std::fs::write(&note, stack.to_string()).unwrap();
    let (_, findings) = dev.doctor().await;
    let warned =
        findings.iter().filter(|(of, verdict, _)| of == "settings" && verdict == "warning").count();
    assert_eq!(warned, 6, "{findings:?}");
    std::fs::write(&note, good).unwrap();
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn an_invalidating_attribute_that_no_user_has_is_found() {
    let dev = Dev::fresh().await;
    let note = dev.data.path().join("stack.json");
    let mut stack: Value = serde_json::from_str(&std::fs::read_to_string(&note).unwrap()).unwrap();
    let check = async |expected: &[(&str, &str)]| {
        let (code, findings) = dev.doctor().await;
        let of = |(of, ..): &&(String, String, String)| of == "invalidating attributes";
        let found: Vec<_> = findings
            .iter()
            .filter(of)
            .map(|(_, verdict, detail)| (verdict.as_str(), detail.as_str()))
            .collect();
        assert_eq!((code, found.as_slice()), (0, expected), "{findings:?}");
    };
    let mut set = |name: &str, value: &str| {
        stack["environment"][name] = value.into();
        std::fs::write(&note, stack.to_string()).unwrap();
    };
    set("HALLPASS_INVALIDATE_ON", "username,password_hash,status,department,mail");
    let missing = [
        ("warning", "no user has the attribute department"),
        ("warning", "no user has the attribute mail"),
    ];
    check(&missing).await;
    let client = dev.connection().patient_dynamodb();
    let write =
        client.update_item().table_name("Users").key("user_id", AttributeValue::S("1".to_owned()));
    let write = write
        .update_expression("SET mail = :m")
        .expression_attribute_values(":m", AttributeValue::S("a@b".to_owned()));
    write.send().await.unwrap();
    check(&missing[..1]).await;
    // Each format can have its own attribute names.
    set("HALLPASS_INVALIDATE_ON", "username,password_hash,status");
    set("HALLPASS_INVALIDATE_ON_JWT", "username,password_hash,status,team");
    check(&[("warning", "no user has the attribute team")]).await;
    set("HALLPASS_INVALIDATE_ON_JWT", "");
    check(&[("ok", "users have all of them: password_hash, status, username")]).await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn permissions_that_no_route_uses_are_a_warning() {
    let data = tempfile::TempDir::new().unwrap();
    let rules = r#"[{"method":"GET","path":"/reports/*","permission":"ROLE_USER"}]"#;
    let mut command = crate::dev::hallpass(data.path());
    command.args(["dev", "--port", "0", "--no-prune"]).env("HALLPASS_ROUTES", rules);
    let (dev, _) = Dev::run_by(command, data).await;
    let check = async |verdict: &str, detail: &str| {
        let (code, findings) = dev.doctor().await;
        let finding = findings.iter().find(|(of, ..)| of == "permissions").unwrap();
        let expected = ("permissions".to_owned(), verdict.to_owned(), detail.to_owned());
        assert_eq!((code, finding), (0, &expected));
    };
    check("ok", "routes and users agree on 1").await;
    dev.done(&["user", "permission", "add", "admin", "wages"], "").await;
    check("warning", "no route uses wages").await;
    dev.stop("-TERM").await;
}
