//! Optional route rules: the permissions that routes require (`HALLPASS_ROUTES`).
//!
//! A rule has a method, or `*` for each of [`METHODS`], and a path. The path is compared byte by
//! byte, without decoding, to the one that the client sent. A `*` at its end matches any text,
//! including slashes. In an IAM resource, `*` matches slashes in any position, so methods are
//! always written out.

use hallpass_token::{Permission, Scope};
use serde::Deserialize;

/// The route rules. Every policy made from them is small enough for API Gateway.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Rule>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    method: String,
    path: String,
    /// The required permission. `None` permits every accepted token.
    permission: Option<String>,
}

/// The assumed length of the ARN of a stage, in bytes, with some reserve. A response for a stage
/// with a longer name is measured again when it is built.
const STAGE_ARN: usize = 100;

/// The number of bytes around a rule in a policy: the quotes, the comma and the slash.
const AROUND_RULE: usize = 4;

/// The maximum size of all resources of a policy, in bytes. The rest of the 8 KB that API Gateway
/// accepts is for the other parts of the policy and a context without its scope.
const MAX_RESOURCES: usize = 5_600;

/// The maximum length of a path in bytes. A resource has at most 512.
const MAX_PATH: usize = 256;

/// The methods of a REST API, which `*` expands to.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Routes {
    /// Parses `[{"method","path","permission"?}]`.
    ///
    /// # Errors
    /// Returns a message that names the invalid rule, or explains how to shorten rules that do not
    /// fit into a policy.
    pub fn parse(json: &str) -> Result<Self, String> {
        let rules: Vec<Rule> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for (index, rule) in rules.iter().enumerate() {
            let number = index.saturating_add(1);
            rule.check().map_err(|wrong| format!("rule {number}: {wrong}"))?;
        }
        let needed = rules.iter().map(Rule::length).fold(0, usize::saturating_add);
        if needed > MAX_RESOURCES {
            return Err(format!(
                "the rules need {needed} bytes of a policy, and {MAX_RESOURCES} fit; replace * by \
                 the methods that are used, because it counts as {}, or replace several rules by \
                 one that ends in /*",
                METHODS.len()
            ));
        }
        Ok(Self(rules))
    }

    /// Returns the resources of a policy: the routes that this scope permits.
    pub fn permitted(&self, stage_arn: &str, scope: &Scope) -> Vec<String> {
        let permitting = self.0.iter().filter(|rule| rule.permits(scope));
        permitting.flat_map(|rule| rule.resources(stage_arn)).collect()
    }

    /// Returns whether a policy for this scope allows a request. The path is the one that the
    /// client sends, without the stage and the query.
    pub fn permits(&self, method: &str, path: &str, scope: &Scope) -> bool {
        self.matching(method, path).any(|rule| rule.permits(scope))
    }

    /// Returns the permissions of the rules that match a request, of which a scope must hold one.
    /// `None` is a rule that permits every accepted token.
    pub fn required(&self, method: &str, path: &str) -> Vec<Option<&str>> {
        self.matching(method, path).map(|rule| rule.permission.as_deref()).collect()
    }

    /// Returns the rules with a resource that IAM matches with a request.
    fn matching(&self, method: &str, path: &str) -> impl Iterator<Item = &Rule> {
        let request = format!("/{method}{path}");
        let matches = move |resource: &String| match resource.strip_suffix('*') {
            Some(begin) => request.starts_with(begin),
            None => request == *resource,
        };
        self.0.iter().filter(move |rule| rule.resources("").iter().any(&matches))
    }
}

impl Rule {
    fn check(&self) -> Result<(), &'static str> {
        if self.methods().next().is_none() {
            return Err("method must be *, GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
        }
        if !is_pattern(&self.path) {
            return Err(
                "path must be /… of at most 256 URL characters, with * only at its end, and \
                 without ?, $, empty segments, the segments . and .., encoded slashes and encoded \
                 dots",
            );
        }
        if self.permission.as_ref().is_some_and(|name| name.parse::<Permission>().is_err()) {
            return Err("permission must be the name of a permission");
        }
        Ok(())
    }

    fn permits(&self, scope: &Scope) -> bool {
        self.permission.as_ref().is_none_or(|name| scope.holds(name))
    }

    /// Returns the resources of the rule in a policy.
    fn resources(&self, stage_arn: &str) -> Vec<String> {
        self.methods().map(|method| format!("{stage_arn}/{method}{}", self.path)).collect()
    }

    /// Returns the methods that the rule applies to. Empty if its method is invalid.
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        METHODS.into_iter().filter(|method| self.method == "*" || self.method == *method)
    }

    /// Returns the maximum length of the rule in a policy, in bytes.
    fn length(&self) -> usize {
        let around = STAGE_ARN.saturating_add(AROUND_RULE).saturating_add(self.path.len());
        self.methods()
            .map(|method| around.saturating_add(method.len()))
            .fold(0, usize::saturating_add)
    }
}

/// Returns whether a path is a valid pattern. `*` is allowed only at the end; `?` and `$` have a
/// meaning in IAM. Paths that a server behind the gateway may normalize to another path are
/// invalid.
fn is_pattern(path: &str) -> bool {
    let literal = path.strip_suffix('*').unwrap_or(path);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!&'()+,;=:@%/".contains(&byte);
    let is_usual =
        path.len() <= MAX_PATH && literal.starts_with('/') && literal.bytes().all(allowed);
    is_usual
        && !literal.contains("//")
        && !literal.split('/').any(|segment| matches!(segment, "." | ".."))
        && literal.split('%').skip(1).all(is_harmless_escape)
}

/// Returns whether the text after a `%` encodes a character that does not change the path when
/// decoded.
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
            let json = serde_json::json!([{"method": method, "path": path, "permission": "a"}])
                .to_string();
            assert_eq!(Routes::parse(&json).is_ok(), good, "{method} {path}");
        };
        for path in ["/", "/a", "/a/", "/*", "/a/*", "/a*", "/a.b/..c/.d.", "/a%20b", "/%c3%A9"] {
            check("GET", path, true);
            check("*", path, true);
        }
        for path in [
            "", "a", "*", "/a/*/b", "/*a", "/**", "/a/**", "/a?", "/${x}", "/$", "/a b", "/a\"",
            "/é", "/a\\b",
        ] {
            check("GET", path, false);
        }
        for path in [
            "//", "//a", "/a//b", "/a//*", "/.", "/..", "/a/../b", "/a/./b", "/a/..", "/../*",
            "/#", "/{id}",
        ] {
            check("GET", path, false);
        }
        for path in [
            "/a%2Fb",
            "/a%2fb",
            "/%2e%2e/a",
            "/%2E",
            "/%5c",
            "/%2a",
            "/%00",
            "/%",
            "/%4",
            "/%zz",
            "/%2",
            "/%25",
        ] {
            check("GET", path, false);
        }
        for method in [
            "get", "Get", "", "GET ", "**", "G*", "?", "GE?", "CONNECT", "TRACE", "ANY", "GET/v1",
            "$connect",
        ] {
            check(method, "/a", false);
        }
        assert!(Routes::parse("{}").is_err());
        assert!(Routes::parse(r#"[{"method":"GET","path":"/a","extra":1}]"#).is_err());
    }

    #[test]
    fn a_request_is_permitted_by_a_rule_that_matches_its_method_and_path() {
        let routes = Routes::parse(
            r#"[{"method":"GET","path":"/reports/*","permission":"read"},
                {"method":"*","path":"/reports/a","permission":"write"},
                {"method":"GET","path":"/me"}]"#,
        );
        let routes = routes.unwrap();
        let check = |method: &str, path: &str, required: &[Option<&str>]| {
            assert_eq!(routes.required(method, path), required, "{method} {path}");
            for names in [&[][..], &["read"], &["write"], &["read", "write"]] {
                let scope = names.iter().map(|name| name.parse().unwrap()).collect();
                let expected = required
                    .iter()
                    .any(|required| required.is_none_or(|name| names.contains(&name)));
                assert_eq!(routes.permits(method, path, &scope), expected, "{method} {path}");
            }
        };
        check("GET", "/me", &[None]);
        check("HEAD", "/me", &[]);
        check("GET", "/me/", &[]);
        check("GET", "/m", &[]);
        check("GET", "/reports/", &[Some("read")]);
        check("GET", "/reports/2026/1", &[Some("read")]);
        check("GET", "/reports", &[]);
        check("GET", "/Reports/1", &[]);
        check("GET", "/reports/a", &[Some("read"), Some("write")]);
        check("DELETE", "/reports/a", &[Some("write")]);
        check("TRACE", "/reports/a", &[]);
        check("GET", "/reports/*", &[Some("read")]);
    }

    #[test]
    fn rules_that_do_not_fit_are_rejected_with_the_remedy() {
        let check = |method: &str, count: usize, good: bool| {
            let rule =
                |number| serde_json::json!({"method": method, "path": format!("/{number:02}")});
            let rules: Vec<_> = (0..count).map(rule).collect();
            let outcome = Routes::parse(&serde_json::to_string(&rules).unwrap());
            assert_eq!(outcome.is_ok(), good, "{count} {method}");
            let remedy = outcome.err().unwrap_or_default();
            assert!(
                good || (remedy.contains("replace * by the methods that are used")
                    && remedy.contains("/*"))
            );
        };
        check("GET", 50, true);
        check("GET", 51, false);
        check("*", 7, true);
        check("*", 8, false);
    }

    #[test]
    fn rules_can_fill_a_policy_exactly() {
        let check = |length: usize, good: bool| {
            let path = |index| {
                if index == 0 {
                    format!("/{}", "a".repeat(length - 1))
                } else {
                    format!("/{index:02}")
                }
            };
            let rules: Vec<_> = (0..50)
                .map(|index| serde_json::json!({"method": "GET", "path": path(index)}))
                .collect();
            assert_eq!(
                Routes::parse(&serde_json::to_string(&rules).unwrap()).is_ok(),
                good,
                "{length}"
            );
        };
        // 49 rules of 110 bytes, and one of 107 and its path.
        check(103, true);
        check(104, false);
    }
}
