//! `hallpass token revoke` after a leak: a token, its family, everything the family issued, and
//! everything a session issued.

use std::time::Duration;

use hallpass_token::{Cause, Family, Record, Timestamp, TokenId, User, secret::Digest};
use serde_json::Value;
use tempfile::TempDir;

use crate::dev::Dev;

/// The tokens of one leak. The family ID is that of a token whose record was purged.
struct Leak {
    family: TokenId,
    records: [(&'static str, Record); 5],
}

impl Leak {
    /// Writes the records: tokens of the administrator and of other users.
    async fn write(dev: &Dev, template: &Record, number: usize, family: Option<Family>) -> Self {
        let id = |user: &str, letter: char| -> TokenId {
            TokenId {
                user_id: user.parse().unwrap(),
                hash: format!("{number:02}{letter}{}A", "0".repeat(18)).parse().unwrap(),
            }
        };
        let family = family.unwrap_or_else(|| Family::new(id("2", 'F')));
        let record = |id: TokenId, family: Family, issued_by: &str| Record {
            id,
            family,
            issued_by: issued_by.to_owned(),
            ..template.clone()
        };
        let (stolen, second) = (id("2", 'a'), id("2", 'b'));
        let child = record(id("1", 'c'), family.issue(id("1", 'c')).unwrap(), &stolen.to_string());
        let grandchild = child.family.issue(id("3", 'd')).unwrap();
        let records = [
            ("stolen", record(stolen, family.clone(), "2")),
            ("second", record(second, family.clone(), &stolen.to_string())),
            ("grandchild", record(id("3", 'd'), grandchild, &child.id.to_string())),
            ("child", child),
            ("other", record(id("1", 'e'), Family::new(id("1", 'e')), "1")),
        ];
        for (_, record) in &records {
            dev.store().insert(record, &Cause::system(Timestamp::EPOCH)).await.unwrap();
        }
        Self { family: family.id, records }
    }

    fn id(&self, name: &str) -> String {
        let record = self.records.iter().find(|(other, _)| *other == name);
        record.map_or_else(|| self.family.to_string(), |(_, record)| record.id.to_string())
    }

    async fn revoked(&self, dev: &Dev) -> Vec<&'static str> {
        let mut revoked = Vec::new();
        for (name, record) in &self.records {
            if dev.store().record(&record.id).await.unwrap().unwrap().revoked.is_some() {
                revoked.push(*name);
            }
        }
        revoked
    }
}

/// Returns a record written by the stack.
async fn template(dev: &Dev) -> Record {
    let id =
        dev.json(&["token", "issue", "admin"], "").await["id"].as_str().unwrap().parse().unwrap();
    dev.store().record(&id).await.unwrap().unwrap()
}

/// Arguments, and the tokens they revoke. An argument that starts with `@` is replaced by the ID of
/// that token or of the family.
const CASES: [(&[&str], &[&str]); 12] = [
    (&["@stolen"], &["stolen"]),
    (&["@stolen", "--family"], &["stolen", "second"]),
    (&["@second", "--family"], &["stolen", "second"]),
    (&["@family", "--family"], &["stolen", "second"]),
    (&["@stolen", "--descendants"], &["stolen", "second", "grandchild", "child"]),
    (&["@family", "--descendants"], &["stolen", "second", "grandchild", "child"]),
    (&["--issued-by", "@stolen"], &["grandchild", "child"]),
    (&["--issued-by", "@second"], &["grandchild", "child"]),
    (&["--issued-by", "@family"], &["grandchild", "child"]),
    (&["--issued-by", "@child"], &["grandchild"]),
    (&["--issued-by", "@family", "--family"], &["stolen", "second", "grandchild", "child"]),
    (&["--issued-by", "@stolen", "--descendants"], &["stolen", "second", "grandchild", "child"]),
];

#[tokio::test]
async fn a_token_its_family_and_the_tokens_they_issued_are_revoked() {
    let dev = Dev::start(TempDir::new().unwrap(), &["--no-prune"]).await;
    let template = template(&dev).await;
    for (number, (words, revoked)) in CASES.into_iter().enumerate() {
        let leak = Leak::write(&dev, &template, number, None).await;
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                word.strip_prefix('@').map_or_else(|| (*word).to_owned(), |name| leak.id(name))
            })
            .collect();
        let arguments =
            [&["token", "revoke"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]]
                .concat();
        let printed = dev.json(&arguments, "").await;
        assert_eq!(leak.revoked(&dev).await, revoked, "{words:?}");
        assert!(printed["effective_at"].is_string(), "{printed}");
        if words.len() > 1 {
            assert_eq!(printed["revoked"], revoked.len(), "{words:?}: {printed}");
            assert_eq!(
                dev.json(&arguments, "").await["revoked"],
                0,
                "{words:?}: a second run has nothing left"
            );
        }
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn tokens_issued_by_a_session_are_revoked_with_and_without_the_session() {
    let dev = Dev::start(TempDir::new().unwrap(), &["--no-prune"]).await;
    let (template, store) = (template(&dev).await, dev.store());
    let admin: User = store.user(&"2".parse().unwrap()).await.unwrap().unwrap();
    let digest = Digest::of(b"2.session");
    let (now, hour) = (template.issued_at, Duration::from_secs(3_600));
    let session = hallpass_store::sessions::Session::of(
        &admin,
        template.binding.clone(),
        now,
        now.after(hour),
    );
    store.begin_session(&digest, &session).await.unwrap();
    let family = Family::of_session(admin.id, &digest);
    let lives = async || {
        store.session(&admin.id, &digest).await.unwrap().unwrap().expires_at == session.expires_at
    };

    let leak = Leak::write(&dev, &template, 1, Some(family.clone())).await;
    dev.json(&["token", "revoke", "--issued-by", &family.id.to_string()], "").await;
    assert_eq!((leak.revoked(&dev).await, lives().await), (vec!["grandchild", "child"], true));
    let leak = Leak::write(&dev, &template, 2, Some(family.clone())).await;
    let ran = dev.ran(&["token", "revoke", &family.id.to_string(), "--descendants"], "").await;
    assert!(ran.code == 0 && ran.err.contains("session"), "{ran:?}");
    assert_eq!((leak.revoked(&dev).await.len(), lives().await), (4, false));
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn invalid_combinations_of_arguments_revoke_nothing() {
    let dev = Dev::fresh().await;
    let leak = Leak::write(&dev, &template(&dev).await, 1, None).await;
    let id = leak.id("stolen");
    for (words, why) in [
        (&["--family"][..], "required"),
        (&["--descendants"], "required"),
        (&[id.as_str(), "--issued-by", &id], "cannot be used with"),
        (&["--all", "admin", "--family"], "cannot be used with"),
        (&["--all", "admin", "--descendants"], "cannot be used with"),
        (&["--all", "admin", "--issued-by", &id], "cannot be used with"),
        (&["--issued-by", "admin"], "not a valid ID"),
        (&["--issued-by", "2."], "not a valid ID"),
        (&["--issued-by"], "needs a value"),
        (&["admin", "--family"], "not a valid ID"),
    ] {
        let (code, printed) = dev.run(&[&["token", "revoke"], words].concat(), "").await;
        assert!(code == 2 && printed.contains(why), "{words:?}: {code} {printed}");
    }
    assert_eq!(leak.revoked(&dev).await, [""; 0]);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn effective_at_includes_the_authorizer_cache_in_every_response_that_invalidates_tokens() {
    const CACHE: u64 = 300;
    let dev =
        Dev::start(TempDir::new().unwrap(), &["--no-prune", "--authorizer-cache", "300"]).await;
    let issued = async || dev.json(&["token", "issue", "my_username"], "").await;
    let check = |response: &Value, before: &Value, more: u64| {
        let instant = |value: &Value| value.as_str().unwrap_or_default().parse::<Timestamp>().ok();
        let (at, before) =
            (instant(&response["effective_at"]).unwrap(), instant(&before["issued_at"]).unwrap());
        let seconds = at.since(before).as_secs();
        assert!((CACHE + more..CACHE + more + 60).contains(&seconds), "{response}: {seconds}");
    };
    let first = issued().await;
    let id = first["id"].as_str().unwrap();
    for words in [
        &["token", "revoke", id][..],
        &["token", "revoke", id],
        &["token", "revoke", id, "--family"],
        &["token", "revoke", id, "--descendants"],
        &["token", "revoke", "--issued-by", id],
        &["token", "revoke", "--all", "my_username"],
        &["user", "block", "my_username"],
    ] {
        check(&dev.json(words, "").await, &first, 0);
    }
    for words in [
        &["user", "unblock", "my_username"][..],
        &["user", "permission", "add", "my_username", "a"],
    ] {
        assert_eq!(dev.json(words, "").await.get("effective_at"), None, "{words:?}");
    }
    check(&dev.json(&["user", "passwd", "my_username"], "open sesame\n").await, &first, 0);
    let token = issued().await;
    let response =
        dev.send("DELETE", "/tokens/current", token["token"].as_str().unwrap(), "").await;
    check(&serde_json::from_str(&response.body).unwrap(), &first, 0);
    let ran = dev.ran(&["token", "revoke", id], "").await;
    assert!(
        ran.err.contains(
            "an API that caches authorizer responses can accept tokens that end now until"
        ),
        "{ran:?}"
    );
    check(&dev.json(&["user", "rename", "my_username", "ada"], "").await, &first, 0);
    check(&dev.json(&["user", "remove", "ada"], "").await, &first, 0);
    let added = dev.json(&["key", "rotate"], "").await;
    // The functions fetch the keyring every five seconds.
    check(&dev.json(&["key", "retire", added["id"].as_str().unwrap()], "").await, &first, 5);
    dev.stop("-TERM").await;
}
