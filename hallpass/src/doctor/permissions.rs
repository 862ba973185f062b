//! Compares the permissions of users with those that the route rules and the settings name. A
//! misspelt one permits nothing.

use std::collections::BTreeSet;

use hallpass_runtime::{Settings, settings::Lookup};
use hallpass_store::{Store, management::Listed};
use serde_json::Value;

use super::{Finding, SCAN, Verdict};
use crate::terminal::excerpt;

/// The number of users that are checked.
const SAMPLE: usize = 1_000;

/// The number of permissions that a finding names.
const NAMED: usize = 5;

const OF: &str = "permissions";

pub(super) async fn check(
    store: &Store,
    settings: &Settings,
    lookup: Lookup<'_>,
) -> Option<Finding> {
    let Some(rules) = lookup("HALLPASS_ROUTES").filter(|rules| !rules.is_empty()) else {
        let detail = "no route rules: the application decides by the permissions";
        let advice = "to have them checked, set HALLPASS_ROUTES";
        return Some(Finding::new(OF, Verdict::Skipped, detail, advice));
    };
    // The authorizer does not start with other rules, and says so.
    let of_routes = of_routes(&rules)?;
    let sample = match store.some_users(SAMPLE).await {
        Ok(sample) => sample,
        Err(failure) => return Some(Finding::new(OF, Verdict::Skipped, failure.report(), SCAN)),
    };
    let users = sample.users.iter().filter_map(Listed::user);
    let held: BTreeSet<&str> = users.flat_map(|user| user.permissions.names()).collect();
    let of_settings = [
        Some(settings.admin_permission.as_str()),
        Some(settings.tokens_permission.as_str()),
        settings.generate_permission.as_deref(),
    ];
    let of_settings = of_settings.into_iter().flatten().collect();
    Some(compare(&of_routes, &of_settings, &held, sample.is_all))
}

/// Returns the permissions that route rules require.
fn of_routes(rules: &str) -> Option<BTreeSet<String>> {
    let rules: Vec<Value> = serde_json::from_str(rules).ok()?;
    let permission = |rule: &Value| rule.get("permission")?.as_str().map(str::to_owned);
    Some(rules.iter().filter_map(permission).collect())
}

fn compare(
    of_routes: &BTreeSet<String>,
    of_settings: &BTreeSet<&str>,
    held: &BTreeSet<&str>,
    is_all: bool,
) -> Finding {
    let is_used = |name: &&&str| of_routes.contains(**name) || of_settings.contains(**name);
    let unused: Vec<&str> = held.iter().filter(|name| !is_used(name)).copied().collect();
    if !unused.is_empty() {
        let advice = "correct the name in HALLPASS_ROUTES or at the users, unless the application \
                      decides by it: `hallpass user permission remove`";
        let detail = format!("no route uses {}", named(&unused));
        return Finding::new(OF, Verdict::Warning, detail, advice);
    }
    let missing: Vec<&str> =
        of_routes.iter().map(String::as_str).filter(|name| !held.contains(name)).collect();
    if !missing.is_empty() {
        let of_all = if is_all { "no user" } else { "none of the first users" };
        let advice = "correct the name in HALLPASS_ROUTES, or run `hallpass user permission add`";
        let detail = format!("{of_all} has {}, which a route requires", named(&missing));
        return Finding::new(OF, Verdict::Warning, detail, advice);
    }
    Finding::ok(OF, format!("routes and users agree on {}", of_routes.len()))
}

fn named(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| excerpt(name)).collect();
    format!("{}{}", shown.join(", "), if names.len() > NAMED { " …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_that_only_routes_or_only_users_have_is_a_warning() {
        let check = |routes: &[&str], held: &[&str], verdict: Verdict, detail: &str| {
            let routes = routes.iter().map(|name| (*name).to_owned()).collect();
            let settings = BTreeSet::from(["ROLE_ADMIN", "tokens"]);
            let held = held.iter().copied().collect();
            let finding = compare(&routes, &settings, &held, true);
            assert_eq!((finding.verdict, finding.detail.as_str()), (verdict, detail));
            assert_eq!(finding.advice.is_empty(), verdict == Verdict::Ok);
        };
        check(&["a", "b"], &["a", "b"], Verdict::Ok, "routes and users agree on 2");
        check(&["a"], &["a", "ROLE_ADMIN"], Verdict::Ok, "routes and users agree on 1");
        check(&["a"], &["a", "c", "d"], Verdict::Warning, "no route uses c, d");
        check(&["a", "b"], &["a"], Verdict::Warning, "no user has b, which a route requires");
        let many = ["a", "b", "c", "d", "e", "f"];
        check(&[], &many, Verdict::Warning, "no route uses a, b, c, d, e …");
    }

    #[test]
    fn the_permissions_of_rules_are_read_and_other_rules_are_left_to_the_authorizer() {
        let check = |rules: &str, expected: Option<&[&str]>| {
            let read = of_routes(rules);
            let names: Option<Vec<&str>> =
                read.as_ref().map(|read| read.iter().map(String::as_str).collect());
            assert_eq!(names.as_deref(), expected, "{rules}");
        };
        check(
            r#"[{"path":"/","permission":"b"},{"path":"/x"},{"permission":"a"}]"#,
            Some(&["a", "b"]),
        );
        check("[]", Some(&[]));
        check("{}", None);
        check("x", None);
    }
}
