//! Whether users can log in: the form of their names in the index is the application's to write.

use std::collections::BTreeSet;

use login::{NameKey, password};
use store::{Failure, Store, management::Listed};
use token::{
    User, Value,
    user::attribute::{USER_ID, USERNAME_KEY},
};

use super::{Finding, Verdict};
use crate::terminal::excerpt;

/// How many users are looked at.
const SAMPLE: i32 = 1_000;

/// How many of the bad ones are named.
const NAMED: usize = 5;

pub(super) async fn check(store: &Store) -> Vec<Finding> {
    let sample = match store.some_users(SAMPLE).await {
        Ok(sample) => sample,
        Err(failure) => return vec![cannot_read(&failure)],
    };
    let users: Vec<&User> = sample.users.iter().filter_map(Listed::user).collect();
    let of_all = if sample.is_all { "all" } else { "the first" };
    let looked_at = format!("{of_all} {} users", sample.users.len());
    let mut findings = Vec::new();
    let mut report = |of: &str, bad: Vec<&User>, what: &str, advice| {
        if bad.is_empty() {
            findings.push(Finding::ok(of, format!("right for {looked_at}")));
            return;
        }
        let ids: Vec<&str> = bad.iter().take(NAMED).map(|user| user.id.as_str()).collect();
        let more = if bad.len() > NAMED { " …" } else { "" };
        let detail = format!("of {looked_at}, {} {what}: {}{more}", bad.len(), ids.join(" "));
        findings.push(Finding::new(of, Verdict::Wrong, detail, advice));
    };
    let stale = users.iter().copied().filter(|user| !has_its_key(user)).collect();
    report(
        "names in the index",
        stale,
        "cannot log in, for username_key is missing or stale",
        "`hallpass doctor --fix` writes NFKC_Casefold of the name to username_key",
    );
    let (mut seen, mut doubled) = (BTreeSet::new(), Vec::new());
    for user in &users {
        if !seen.insert(NameKey::new(&user.username).as_str().to_owned()) {
            doubled.push(*user);
        }
    }
    report("one name, one user", doubled, "cannot log in, for another has the same name", "rename one of them");
    let odd =
        users.iter().copied().filter(|user| user.password_hash().is_some_and(|hash| password::check(hash).is_err()));
    let advice = "set a new password, for log-in does not take the kind, the form or the cost of this one";
    report("password hashes", odd.collect(), "cannot log in, for the hash is not taken", advice);
    findings.extend(unreadable(&sample.users, &looked_at));
    findings
}

pub(super) fn has_its_key(user: &User) -> bool {
    let key = NameKey::new(&user.username);
    matches!(user.attributes.get(USERNAME_KEY), Some(Value::Text(written)) if written == key.as_str())
}

/// The items that cannot be read, each with the attributes that keep it from being read.
fn unreadable(users: &[Listed], looked_at: &str) -> Option<Finding> {
    let of = |listed: &Listed| match listed {
        Listed::Unreadable(key) => Some(format!("{} ({USER_ID})", excerpt(key))),
        Listed::User(user) if user.unreadable.is_empty() => None,
        Listed::User(user) => Some(format!("{} ({})", user.id, user.unreadable.join(" "))),
    };
    let bad: Vec<String> = users.iter().filter_map(of).collect();
    if bad.is_empty() {
        return None;
    }
    let (more, named) = (if bad.len() > NAMED { " …" } else { "" }, bad.iter().take(NAMED));
    let named: Vec<&str> = named.map(String::as_str).collect();
    let detail = format!("of {looked_at}, {} have an attribute of a wrong type: {}{more}", bad.len(), named.join(", "));
    Some(Finding::new("users", Verdict::Wrong, detail, "write the types that docs/src/guides/users.md names"))
}

fn cannot_read(failure: &Failure) -> Finding {
    Finding::new("users", Verdict::Wrong, failure.report(), "look at the permission dynamodb:Scan")
}
