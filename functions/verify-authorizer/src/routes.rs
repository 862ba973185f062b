//! Optional route rules: which permission which routes of the stage ask for (`HALLPASS_ROUTES`).
//!
//! A rule is a method, or `*` for each of [`METHODS`], and a path. The path is compared with what the client sent, byte
//! by byte and without decoding; only a `*` at its end stands for more, for any text that follows, slashes included.
//! In an IAM resource a `*` crosses slashes wherever it stands, so that a method is always written out there.

use serde::Deserialize;
use token::{Permission, Scope};

/// The rules, checked so that every policy made of them is small enough for API Gateway.
#[derive(Debug)]
pub struct Routes(Vec<Rule>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    method: String,
    path: String,
    /// What it asks for; without it, every admitted token may.
    permission: Option<String>,
}

/// The length of the ARN of a stage, with some to spare. An answer for a stage with a longer name is measured again when
/// it is made.
const STAGE_ARN: usize = 100;

/// The quotes, the comma and the slash around a rule in a policy.
const AROUND_RULE: usize = 4;

/// The most bytes of all resources of a policy. What remains of [`crate::answer::MAX_ANSWER`] holds the rest of the
/// policy and a context without its scope.
const MAX_RESOURCES: usize = 5_600;

/// The most bytes of a path: a resource has at most 512.
const MAX_PATH: usize = 256;

/// The methods of a REST API, for which `*` stands.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Routes {
    /// Reads `[{"method","path","permission"?}]`.
    ///
    /// # Errors
    /// Says which rule is wrong and why, or what to do about rules that are too many for a policy.
    pub fn parse(json: &str) -> Result<Self, String> {
        let rules: Vec<Rule> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for (index, rule) in rules.iter().enumerate() {
            let number = index.saturating_add(1);
            rule.check().map_err(|wrong| format!("rule {number}: {wrong}"))?;
        }
        let needed = rules.iter().map(Rule::length).fold(0, usize::saturating_add);
        if needed > MAX_RESOURCES {
            return Err(format!(
                "the rules need {needed} bytes of a policy, and {MAX_RESOURCES} fit; write the methods that are used in \
                 place of *, which counts as {}, or one rule that ends in /* in place of several",
                METHODS.len()
            ));
        }
        Ok(Self(rules))
    }

    /// The resources of a policy: the routes that this scope permits.
    pub fn permitted(&self, stage_arn: &str, scope: &Scope) -> Vec<String> {
        let permits = |rule: &&Rule| rule.permission.as_ref().is_none_or(|name| scope.holds(name));
        let resources = |rule: &Rule| {
            let resource = |method: &&str| format!("{stage_arn}/{method}{}", rule.path);
            rule.methods().map(|method| resource(&method)).collect::<Vec<_>>()
        };
        self.0.iter().filter(permits).flat_map(resources).collect()
    }
}

impl Rule {
    fn check(&self) -> Result<(), &'static str> {
        if self.methods().next().is_none() {
            return Err("the method is neither * nor one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS");
        }
        if !is_pattern(&self.path) {
            return Err(
                "the path is not /… of at most 256 characters of a URL, with * at its end only, and without ?, $, \
                        empty segments, . and .. as segments, and encoded slashes and dots",
            );
        }
        if self.permission.as_ref().is_some_and(|name| name.parse::<Permission>().is_err()) {
            return Err("the permission is not the name of one");
        }
        Ok(())
    }

    /// Every method that the rule is about; none, if it names none that there is.
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        METHODS.into_iter().filter(|method| self.method == "*" || self.method == *method)
    }

    /// What the rule takes of a policy, at most.
    fn length(&self) -> usize {
        let around = STAGE_ARN.saturating_add(AROUND_RULE).saturating_add(self.path.len());
        self.methods().map(|method| around.saturating_add(method.len())).fold(0, usize::saturating_add)
    }
}

/// `*` stands at the end only, as IAM has it; `?` and `$` would mean something to IAM too. What a server behind the
/// gateway would read as another path is no path of a rule.
fn is_pattern(path: &str) -> bool {
    let literal = path.strip_suffix('*').unwrap_or(path);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!&'()+,;=:@%/".contains(&byte);
    let is_usual = path.len() <= MAX_PATH && literal.starts_with('/') && literal.bytes().all(allowed);
    is_usual
        && !literal.contains("//")
        && !literal.split('/').any(|segment| matches!(segment, "." | ".."))
        && literal.split('%').skip(1).all(is_harmless_escape)
}

/// Whether what follows a `%` is the code of a character that changes no path where it is decoded.
fn is_harmless_escape(rest: &str) -> bool {
    let code = rest.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
    byte.is_some_and(|byte| !byte.is_ascii_control() && !b"/\\.%*?$".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_becomes_the_routes_it_permits() {
        let routes = Routes::parse(
            r#"[{"method":"GET","path":"/reports/*","permission":"read"},
                {"method":"*","path":"/admin/*","permission":"ROLE_ADMIN"},
                {"method":"GET","path":"/me"}]"#,
        );
        let routes = routes.unwrap();
        let check = |names: &[&str], expected: &[&str]| {
            let scope = names.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(routes.permitted("arn:x/v1", &scope), expected);
        };
        check(&[], &["arn:x/v1/GET/me"]);
        check(&["read"], &["arn:x/v1/GET/reports/*", "arn:x/v1/GET/me"]);
        check(
            &["ROLE_ADMIN"],
            &[
                "arn:x/v1/GET/admin/*",
                "arn:x/v1/HEAD/admin/*",
                "arn:x/v1/POST/admin/*",
                "arn:x/v1/PUT/admin/*",
                "arn:x/v1/PATCH/admin/*",
                "arn:x/v1/DELETE/admin/*",
                "arn:x/v1/OPTIONS/admin/*",
                "arn:x/v1/GET/me",
            ],
        );
    }

    #[test]
    fn a_rule_that_could_mean_something_else_is_rejected() {
        let check = |method: &str, path: &str, good: bool| {
            let json = serde_json::json!([{"method": method, "path": path, "permission": "a"}]).to_string();
            assert_eq!(Routes::parse(&json).is_ok(), good, "{method} {path}");
        };
        for path in ["/", "/a", "/a/", "/*", "/a/*", "/a*", "/a.b/..c/.d.", "/a%20b", "/%c3%A9"] {
            check("GET", path, true);
            check("*", path, true);
        }
        for path in ["", "a", "*", "/a/*/b", "/*a", "/**", "/a/**", "/a?", "/${x}", "/$", "/a b", "/a\"", "/é", "/a\\b"]
        {
            check("GET", path, false);
        }
        for path in ["//", "//a", "/a//b", "/a//*", "/.", "/..", "/a/../b", "/a/./b", "/a/..", "/../*", "/#", "/{id}"] {
            check("GET", path, false);
        }
        for path in
            ["/a%2Fb", "/a%2fb", "/%2e%2e/a", "/%2E", "/%5c", "/%2a", "/%00", "/%", "/%4", "/%zz", "/%2", "/%25"]
        {
            check("GET", path, false);
        }
        for method in
            ["get", "Get", "", "GET ", "**", "G*", "?", "GE?", "CONNECT", "TRACE", "ANY", "GET/v1", "$connect"]
        {
            check(method, "/a", false);
        }
        assert!(Routes::parse("{}").is_err());
        assert!(Routes::parse(r#"[{"method":"GET","path":"/a","extra":1}]"#).is_err());
    }

    #[test]
    fn rules_that_do_not_fit_are_rejected_with_the_remedy() {
        let check = |method: &str, count: usize, good: bool| {
            let rule = |number| serde_json::json!({"method": method, "path": format!("/{number:02}")});
            let rules: Vec<_> = (0..count).map(rule).collect();
            let outcome = Routes::parse(&serde_json::to_string(&rules).unwrap());
            assert_eq!(outcome.is_ok(), good, "{count} {method}");
            let remedy = outcome.err().unwrap_or_default();
            assert!(
                good || (remedy.contains("write the methods that are used in place of *") && remedy.contains("/*"))
            );
        };
        check("GET", 50, true);
        check("GET", 51, false);
        check("*", 7, true);
        check("*", 8, false);
    }

    #[test]
    fn rules_may_fill_what_a_policy_holds_and_no_more() {
        let check = |length: usize, good: bool| {
            let path = |index| if index == 0 { format!("/{}", "a".repeat(length - 1)) } else { format!("/{index:02}") };
            let rules: Vec<_> =
                (0..50).map(|index| serde_json::json!({"method": "GET", "path": path(index)})).collect();
            assert_eq!(Routes::parse(&serde_json::to_string(&rules).unwrap()).is_ok(), good, "{length}");
        };
        // 49 rules of 110 bytes, and one of 107 and its path.
        check(103, true);
        check(104, false);
    }
}
