//! Route rules, and the policy resources made from them.
//!
//! Accepted rules give only resources of this stage, with a `*` only where IAM supports it, and
//! small enough for API Gateway. Removing a permission from a scope never adds a route.
#![no_main]

use hallpass_token::{Permission, Scope};
use hallpass_verify_authorizer::Routes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/v1";

fuzz_target!(|data: &[u8]| {
    let Ok(json) = std::str::from_utf8(data) else { return };
    let Ok(routes) = Routes::parse(json) else { return };
    let rules: Value = serde_json::from_str(json).expect("accepted rules");
    let rules = rules.as_array().expect("a list");
    let named: Vec<Permission> = rules
        .iter()
        .filter_map(|rule| rule["permission"].as_str())
        .map(|name| name.parse().expect("a name"))
        .collect();
    let all = routes.permitted(STAGE, &named.iter().cloned().collect());
    assert_eq!(all.len(), rules.iter().map(methods).sum::<usize>());
    assert!(serde_json::to_string(&all).expect("texts").len() < 5_700, "too large for a policy");
    for resource in &all {
        is_of_the_stage(resource);
    }
    let nothing = routes.permitted(STAGE, &Scope::default());
    assert!(
        nothing.len()
            == rules.iter().filter(|rule| rule["permission"].is_null()).map(methods).sum::<usize>()
    );
    for some in (0..named.len()).map(|end| named[..end].iter().cloned().collect()) {
        let some = routes.permitted(STAGE, &some);
        assert!(some.len() <= all.len() && some.iter().all(|resource| all.contains(resource)));
        assert!(nothing.iter().all(|resource| some.contains(resource)));
    }
});

/// Returns the number of resources of a rule. A `*` as the method would also match other paths.
fn methods(rule: &Value) -> usize {
    if rule["method"] == "*" { 7 } else { 1 }
}

fn is_of_the_stage(resource: &str) {
    let route = resource
        .strip_prefix(STAGE)
        .and_then(|rest| rest.strip_prefix('/'))
        .expect("a route of the stage");
    let (method, path) = route.split_once('/').expect("a method and a path");
    assert!(method.bytes().all(|byte| byte.is_ascii_uppercase()), "{route}");
    let literal = path.strip_suffix('*').unwrap_or(path);
    assert!(
        literal.is_ascii()
            && !literal.contains(|c: char| "*?$\"\\{}".contains(c) || c.is_whitespace()),
        "{route}"
    );
    assert!(!literal.chars().any(char::is_control), "{route}");
}
