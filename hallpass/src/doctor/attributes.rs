//! Checks that users have the attributes whose change invalidates tokens. An attribute that no user
//! has never does.

use std::collections::BTreeSet;

use hallpass_runtime::Settings;
use hallpass_store::{Store, management::Listed};
use hallpass_token::Format;

use super::{Finding, Verdict};

/// The number of users that are checked.
const SAMPLE: usize = 1_000;

const OF: &str = "invalidating attributes";

const ADVICE: &str =
    "correct the name in HALLPASS_INVALIDATE_ON, or add the attribute to every user";

pub(super) async fn check(store: &Store, settings: &Settings) -> Vec<Finding> {
    let sample = match store.some_users(SAMPLE).await {
        Ok(sample) => sample,
        Err(failure) => {
            return vec![Finding::new(OF, Verdict::Skipped, failure.report(), super::SCAN)];
        }
    };
    let users: Vec<_> = sample.users.iter().filter_map(Listed::user).collect();
    if users.is_empty() {
        return Vec::new();
    }
    let formats = Format::ALL;
    let names: BTreeSet<&str> = formats
        .iter()
        .flat_map(|format| settings.binding(*format).names())
        .map(String::as_str)
        .collect();
    let of_all = if sample.is_all { "no user" } else { "none of the first users" };
    let missing: Vec<Finding> = names
        .iter()
        .filter(|name| !users.iter().any(|user| user.attributes.contains_key(**name)))
        .map(|name| {
            Finding::new(OF, Verdict::Warning, format!("{of_all} has the attribute {name}"), ADVICE)
        })
        .collect();
    if missing.is_empty() {
        let all: Vec<&str> = names.into_iter().collect();
        return vec![Finding::ok(OF, format!("users have all of them: {}", all.join(", ")))];
    }
    missing
}
