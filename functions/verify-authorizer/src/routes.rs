//! Optional route rules: which permission which routes of the stage ask for (`HALLPASS_ROUTES`).

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

/// The length of the ARN of a stage, with some to spare. Where a stage has a longer name, a policy that grew too long
/// is refused by API Gateway, which answers 500: closed.
const STAGE_ARN: usize = 100;

/// The quotes, the comma and the slash around a rule in a policy.
const AROUND_RULE: usize = 4;

/// API Gateway takes 8 KB with the context, which may have 3 KB: the scope, a name, and a user id three times.
const LONGEST_POLICY: usize = 5_000;

const METHODS: [&str; 8] = ["*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Routes {
    /// Reads `[{"method","path","permission"?}]`.
    ///
    /// # Errors
    /// Says which rule is wrong and why.
    pub fn parse(json: &str) -> Result<Self, String> {
        let rules: Vec<Rule> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for (index, rule) in rules.iter().enumerate() {
            let number = index.saturating_add(1);
            let wrong = |what: &str| Err(format!("rule {number}: {what}"));
            if !METHODS.contains(&rule.method.as_str()) {
                return wrong("the method is neither * nor an HTTP method in capitals");
            }
            if !is_pattern(&rule.path) {
                return wrong("the path is not /… with * at its end only");
            }
            if rule.permission.as_ref().is_some_and(|name| name.parse::<Permission>().is_err()) {
                return wrong("the permission is not the name of one");
            }
        }
        let length = |rule: &Rule| [STAGE_ARN, AROUND_RULE, rule.method.len(), rule.path.len()].iter().sum::<usize>();
        if rules.iter().map(length).sum::<usize>() > LONGEST_POLICY {
            return Err("there are more rules than a policy can hold".to_owned());
        }
        Ok(Self(rules))
    }

    /// The resources of a policy: the routes that this scope permits.
    pub fn permitted(&self, stage_arn: &str, scope: &Scope) -> Vec<String> {
        let permits = |rule: &&Rule| rule.permission.as_ref().is_none_or(|name| scope.holds(name));
        self.0.iter().filter(permits).map(|rule| format!("{stage_arn}/{}{}", rule.method, rule.path)).collect()
    }
}

/// `*` stands at the end only and means the subtree, as IAM has it; `?` and `$` would mean something to IAM too.
fn is_pattern(path: &str) -> bool {
    let literal = path.strip_suffix('*').unwrap_or(path);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!&'()+,;=:@%/".contains(&byte);
    path.len() <= 256 && literal.starts_with('/') && literal.bytes().all(allowed)
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
        check(&["ROLE_ADMIN"], &["arn:x/v1/*/admin/*", "arn:x/v1/GET/me"]);
    }

    #[test]
    fn a_rule_that_could_mean_something_else_is_refused() {
        let check = |method: &str, path: &str, good: bool| {
            let json = serde_json::json!([{"method": method, "path": path, "permission": "a"}]).to_string();
            assert_eq!(Routes::parse(&json).is_ok(), good, "{method} {path}");
        };
        check("GET", "/a", true);
        check("*", "/*", true);
        for path in ["", "a", "*", "/a/*/b", "/a?", "/${x}", "/a b", "/a\"", "/é"] {
            check("GET", path, false);
        }
        check("get", "/a", false);
        check("", "/a", false);
        assert!(Routes::parse("{}").is_err());
        assert!(Routes::parse(r#"[{"method":"GET","path":"/a","extra":1}]"#).is_err());
        let many: Vec<_> = (0..100).map(|i| serde_json::json!({"method": "GET", "path": format!("/{i}")})).collect();
        assert!(Routes::parse(&serde_json::to_string(&many).unwrap()).is_err());
    }
}
