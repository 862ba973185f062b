//! Checks that users can log in. The application writes users, including the form of their names in
//! the index.

use std::collections::BTreeSet;

use hallpass_password::{NameKey, name, password};
use hallpass_store::{Failure, Store, management::Listed};
use hallpass_token::{
    User, Value,
    user::attribute::{USER_ID, USERNAME_KEY},
};

use super::{Finding, Verdict};
use crate::terminal::excerpt;

/// The number of users that are checked.
const SAMPLE: usize = 1_000;

/// The number of bad users that a finding names.
const NAMED: usize = 5;

pub(super) async fn check(store: &Store) -> Vec<Finding> {
    let sample = match store.some_users(SAMPLE).await {
        Ok(sample) => sample,
        Err(failure) => return vec![cannot_read(&failure)],
    };
    let users: Vec<&User> = sample.users.iter().filter_map(Listed::user).collect();
    let of_all = if sample.is_all { "all" } else { "the first" };
    let checked = format!("{of_all} {} users", sample.users.len());
    let report = |of: &str, bad: Vec<&User>, what: &str, advice| {
        if bad.is_empty() {
            return Finding::ok(of, format!("correct for {checked}"));
        }
        let ids: Vec<&str> = bad.iter().take(NAMED).map(|user| user.id.as_str()).collect();
        let more = if bad.len() > NAMED { " …" } else { "" };
        let detail = format!("of {checked}, {} {what}: {}{more}", bad.len(), ids.join(" "));
        Finding::new(of, Verdict::Error, detail, advice)
    };
    let (usable, unusable): (Vec<&User>, Vec<&User>) =
        users.iter().copied().partition(|user| name::check(&user.username).is_ok());
    let stale = usable.into_iter().filter(|user| !has_its_key(user)).collect();
    let (doubled, pointed) = sharing(&users);
    let odd = users
        .iter()
        .copied()
        .filter(|user| user.password_hash().is_some_and(|hash| password::check(hash).is_err()));
    let mut findings = vec![
        report(
            "usable names",
            unusable,
            "cannot log in because the name is empty, too long or has a character that no name has",
            "give the user another name: `hallpass user rename id:ID NAME`",
        ),
        report(
            "names in the index",
            stale,
            "cannot log in because username_key is missing or stale",
            "write NFKC_Casefold of the name to username_key: `hallpass doctor --fix`",
        ),
        report(
            "one name, one user",
            doubled,
            "cannot log in because another user has the same name",
            "rename one of them",
        ),
        report(
            "one entry in the index for each name",
            pointed,
            "cannot log in because another user has the same username_key",
            "`hallpass doctor --fix` writes the right username_key of the other",
        ),
        report(
            "password hashes",
            odd.collect(),
            "cannot log in because the hash is not supported",
            "set a new password; the algorithm, the format or the cost of the hash is not supported",
        ),
    ];
    findings.extend(unreadable(&sample.users, &checked));
    findings
}

/// Returns the users whose name another user has, and those whose right key in the index another
/// user has by mistake.
fn sharing<'a>(users: &[&'a User]) -> (Vec<&'a User>, Vec<&'a User>) {
    let name_key = |user: &User| NameKey::new(&user.username).as_str().to_owned();
    let (mut seen, mut doubled) = (BTreeSet::new(), Vec::new());
    for user in users {
        if !seen.insert(name_key(user)) {
            doubled.push(*user);
        }
    }
    let doubled_names: BTreeSet<String> = doubled.iter().map(|user| name_key(user)).collect();
    let by_key =
        |user: &User| users.iter().filter(|other| index_key(other) == index_key(user)).count();
    let pointed = users.iter().copied().filter(|user| {
        has_its_key(user) && by_key(user) > 1 && !doubled_names.contains(&name_key(user))
    });
    (doubled, pointed.collect())
}

pub(super) fn has_its_key(user: &User) -> bool {
    index_key(user) == Some(NameKey::new(&user.username).as_str())
}

fn index_key(user: &User) -> Option<&str> {
    match user.attributes.get(USERNAME_KEY) {
        Some(Value::Text(key)) => Some(key),
        _ => None,
    }
}

const UNREADABLE: &str = "write the types that docs/src/guides/users.md lists, or remove the item: \
                          `hallpass user remove id:KEY`";

/// Reports the items that cannot be read, each with its unreadable attributes.
fn unreadable(users: &[Listed], checked: &str) -> Option<Finding> {
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
    let detail = format!(
        "of {checked}, {} have an attribute of the wrong type: {}{more}",
        bad.len(),
        named.join(", ")
    );
    Some(Finding::new("users", Verdict::Error, detail, UNREADABLE))
}

fn cannot_read(failure: &Failure) -> Finding {
    Finding::new("users", Verdict::Error, failure.report(), super::SCAN)
}
