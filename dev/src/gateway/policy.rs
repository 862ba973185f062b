//! Evaluates the policy in an authorizer's response.
//!
//! Evaluation follows IAM: an explicit deny wins, and everything that no statement allows is denied
//! ([evaluation
//! logic](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html)).
//! `Action` and `Resource` can contain `*` and `?`. In policies of version 2012, `${*}`, `${?}` and
//! `${$}` stand for the characters themselves ([special
//! characters](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars)).
//! Of the
//! [conditions](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-iam-policies.html)
//! only `DateLessThan` on `aws:CurrentTime` is supported. A policy with any other condition is
//! rejected as a whole, so that no condition is ignored.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The maximum length of a statement's resource, in characters
/// ([quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)).
const MAX_RESOURCE: usize = 512;

const ACTION: &str = "execute-api:invoke";

/// A policy of an authorizer.
#[derive(Debug)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// The decision of a policy on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows the request and none denies it.
    Allow,
    /// No statement applies to the request.
    ImplicitDeny,
    /// A statement denies the request.
    ExplicitDeny,
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// This character.
    Literal(char),
    /// Any one character.
    One,
    /// Any number of characters.
    Any,
}

#[derive(Debug)]
struct Statement {
    denies: bool,
    /// Whether the action includes invoking an API.
    counts: bool,
    resources: Vec<Vec<Piece>>,
    /// The statement applies while the time is before each of these.
    until: Vec<OffsetDateTime>,
}

impl Policy {
    /// Parses a `policyDocument`. Returns `None` if any part is not supported.
    pub fn read(document: &Value) -> Option<Self> {
        let statements = document.get("Statement")?;
        let statements =
            statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice);
        let has_variables = document.get("Version").is_some_and(|version| version == "2012-10-17");
        let read = |statement| Statement::read(statement, has_variables);
        Some(Self { statements: statements.iter().map(read).collect::<Option<_>>()? })
    }

    /// Decides whether `arn` can be invoked at this Unix time, in seconds.
    pub fn decide(&self, arn: &str, at: u64) -> Decision {
        let at = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        let counts = |statement: &&Statement| {
            statement.counts
                && statement.resources.iter().any(|pattern| fits(pattern, arn))
                && statement.until.iter().all(|until| at.is_some_and(|at| at < *until))
        };
        let mut decision = Decision::ImplicitDeny;
        for statement in self.statements.iter().filter(counts) {
            if statement.denies {
                return Decision::ExplicitDeny;
            }
            decision = Decision::Allow;
        }
        decision
    }
}

impl Statement {
    /// Parses a statement. Returns `None` if any part is not supported.
    fn read(value: &Value, has_variables: bool) -> Option<Self> {
        let fields = value.as_object()?;
        if !fields
            .keys()
            .all(|key| ["Sid", "Effect", "Action", "Resource", "Condition"].contains(&key.as_str()))
        {
            return None;
        }
        let denies = match fields.get("Effect")?.as_str()? {
            "Allow" => false,
            "Deny" => true,
            _ => return None,
        };
        let resources = texts(fields.get("Resource")?)?;
        if resources.iter().any(|resource| resource.chars().count() > MAX_RESOURCE) {
            return None;
        }
        let until = match fields.get("Condition") {
            Some(condition) => deadlines(condition.as_object()?)?,
            None => Vec::new(),
        };
        let actions = texts(fields.get("Action")?)?;
        let counts =
            actions.iter().any(|action| fits(&pieces(&action.to_ascii_lowercase(), false), ACTION));
        let resources = resources.iter().map(|resource| pieces(resource, has_variables)).collect();
        Some(Self { denies, counts, resources, until })
    }
}

/// Parses the times of `{"DateLessThan": {"aws:CurrentTime": "…"}}`, each a string or a list of
/// strings. The names of condition keys are case-insensitive.
fn deadlines(condition: &Map<String, Value>) -> Option<Vec<OffsetDateTime>> {
    let mut until = Vec::new();
    for (operator, keys) in condition {
        for (key, value) in keys.as_object().filter(|_| operator == "DateLessThan")? {
            if !key.eq_ignore_ascii_case("aws:CurrentTime") {
                return None;
            }
            // One of several values is sufficient (IAM: condition keys with multiple values).
            let times = texts(value)?
                .iter()
                .map(|time| OffsetDateTime::parse(time, &Rfc3339).ok())
                .collect::<Option<Vec<_>>>();
            until.push(times?.into_iter().max()?);
        }
    }
    Some(until)
}

/// Returns a string or a list of strings as a list.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Parses a pattern. `*` matches any number of characters, including slashes, and `?` matches one.
fn pieces(pattern: &str, has_variables: bool) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), pattern);
    while let Some(next) = rest.chars().next() {
        let escaped = ["${*}", "${?}", "${$}"]
            .into_iter()
            .filter(|_| has_variables)
            .find(|escaped| rest.starts_with(escaped));
        let (piece, length) = match (escaped, next) {
            (Some(escaped), _) => {
                (Piece::Literal(escaped.chars().nth(2).unwrap_or(next)), escaped.len())
            }
            (None, '*') => (Piece::Any, 1),
            (None, '?') => (Piece::One, 1),
            (None, other) => (Piece::Literal(other), other.len_utf8()),
        };
        pieces.push(piece);
        rest = rest.get(length..).unwrap_or_default();
    }
    pieces
}

/// Returns whether a text matches a pattern.
fn fits(pattern: &[Piece], text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.iter(), text.chars());
    // Where to backtrack to after a mismatch: behind the last `*`, which then matches one more
    // character.
    let mut retry = None;
    loop {
        let (expected, found) = (pattern.clone().next(), text.clone().next());
        if expected == Some(&Piece::Any) {
            pattern.next();
            retry = Some((pattern.clone(), text.clone()));
        } else if expected.is_none() && found.is_none() {
            return true;
        } else if found.is_some()
            && (expected == Some(&Piece::One) || expected == found.map(Piece::Literal).as_ref())
        {
            pattern.next();
            text.next();
        } else {
            let Some((behind, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, text) = (behind.clone(), from.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const ARN: &str = "arn:aws:execute-api:local:000000000000:hallpass/v1/GET/tokens/7";

    /// Checks the decision of a policy with these statements.
    fn check(statements: &Value, expected: Option<Decision>) {
        let policy = Policy::read(&json!({ "Version": "2012-10-17", "Statement": statements }));
        assert_eq!(policy.map(|policy| policy.decide(ARN, NOW)), expected, "{statements}");
    }

    fn statement(effect: &str, resource: &Value) -> Value {
        json!({ "Effect": effect, "Action": "execute-api:Invoke", "Resource": resource })
    }

    #[test]
    fn an_explicit_deny_wins_and_no_statement_is_an_implicit_deny() {
        let (allow, deny) = (statement("Allow", &json!("*")), statement("Deny", &json!(ARN)));
        check(&json!([allow]), Some(Decision::Allow));
        check(&allow, Some(Decision::Allow));
        check(&json!([allow, deny]), Some(Decision::ExplicitDeny));
        check(&json!([deny, allow]), Some(Decision::ExplicitDeny));
        check(&json!([]), Some(Decision::ImplicitDeny));
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        for (resource, expected) in [
            (json!("arn:aws:execute-api:*:*:hallpass/v1/*"), Decision::Allow),
            (json!("*/GET/tokens/?"), Decision::Allow),
            (json!(["x", "*/GET/*"]), Decision::Allow),
            (json!("*/GET/tokens/??"), Decision::ImplicitDeny),
            (json!("*/POST/*"), Decision::ImplicitDeny),
            (
                json!("arn:aws:execute-api:local:000000000000:hallpass/v1/GET/tokens"),
                Decision::ImplicitDeny,
            ),
            (json!(""), Decision::ImplicitDeny),
        ] {
            check(&json!([statement("Allow", &resource)]), Some(expected));
        }
    }

    /// Checks whether a resource matches a text.
    fn check_fit(resource: &str, text: &str, expected: bool) {
        assert_eq!(fits(&pieces(resource, true), text), expected, "{resource} {text}");
    }

    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>
    #[test]
    fn the_examples_of_wildcards_in_the_documentation_match() {
        let tested = "arn:aws:s3:::amzn-s3-demo-bucket/*/test/*";
        for object in [
            "1/test/object.jpg",
            "1/2/test/object.jpg",
            "1/2/test/3/object.jpg",
            "1/2/3/test/4/object.jpg",
            "1///test///object.jpg",
            "1/test/.jpg",
            "/test/object.jpg",
            "1/test/",
        ] {
            check_fit(tested, &format!("arn:aws:s3:::amzn-s3-demo-bucket/{object}"), true);
        }
        for object in ["1-test/object.jpg", "test/object.jpg", "1/2/test.jpg"] {
            check_fit(tested, &format!("arn:aws:s3:::amzn-s3-demo-bucket/{object}"), false);
        }
        check_fit(
            "arn:aws:iam::account-ID-without-hyphens:user/Bob",
            "arn:aws:iam::account-ID-without-hyphens:user/bob",
            false,
        );
        check_fit(
            "arn:aws:s3:::amzn-s3-demo-bucket/${*}",
            "arn:aws:s3:::amzn-s3-demo-bucket/*",
            true,
        );
        check_fit(
            "arn:aws:s3:::amzn-s3-demo-bucket/${*}",
            "arn:aws:s3:::amzn-s3-demo-bucket/a",
            false,
        );
        check_fit("a/${?}/${$}{", "a/?/${", true);
        assert!(!fits(&pieces("a/${*}", false), "a/*"), "a policy of 2008 has no variables");
    }

    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html>
    #[test]
    fn the_examples_of_execute_api_resources_in_the_documentation_match() {
        let api = "arn:aws:execute-api:us-east-1:123456789012:api-id";
        for (resource, path, expected) in [
            ("arn:aws:execute-api:*:*:*", "/test/GET/mydemoresource/1", true),
            ("arn:aws:execute-api:us-east-1:*:*", "/test/GET/mydemoresource/1", true),
            ("arn:aws:execute-api:eu-west-1:*:*", "/test/GET/mydemoresource/1", false),
            ("arn:aws:execute-api:us-east-1:*:api-id/*", "/test/GET/", true),
            ("arn:aws:execute-api:us-east-1:*:api-id/test/*", "/test/GET/mydemoresource/1", true),
            ("arn:aws:execute-api:us-east-1:*:api-id/test/*", "/prod/GET/mydemoresource/1", false),
            (
                "arn:aws:execute-api:us-east-1:*:api-id/test/*/mydemoresource/*",
                "/test/POST/mydemoresource/a/b",
                true,
            ),
            (
                "arn:aws:execute-api:us-east-1:*:api-id/test/*/mydemoresource/*",
                "/test/DELETE/x/mydemoresource/a",
                true,
            ),
            (
                "arn:aws:execute-api:us-east-1:*:api-id/test/GET/mydemoresource/*",
                "/test/GET/mydemoresource/a",
                true,
            ),
            (
                "arn:aws:execute-api:us-east-1:*:api-id/test/GET/mydemoresource/*",
                "/test/POST/mydemoresource/a",
                false,
            ),
            (
                "arn:aws:execute-api:us-east-1:*:api-id/test/GET/mydemoresource/*",
                "/test/GET/mydemoresource",
                false,
            ),
        ] {
            check_fit(resource, &format!("{api}{path}"), expected);
        }
    }

    #[test]
    fn a_statement_about_another_action_does_not_apply() {
        for (action, expected) in [
            (json!("execute-api:*"), Decision::Allow),
            (json!(["s3:GetObject", "EXECUTE-API:invoke"]), Decision::Allow),
            (json!("execute-api:ManageConnections"), Decision::ImplicitDeny),
        ] {
            check(
                &json!([{ "Effect": "Allow", "Action": action, "Resource": "*" }]),
                Some(expected),
            );
        }
    }

    #[test]
    fn an_allow_expires_at_the_time_of_its_condition() {
        for (time, expected) in [
            ("2027-01-15T08:00:01Z", Some(Decision::Allow)),
            ("2027-01-15T08:00:00Z", Some(Decision::ImplicitDeny)),
            ("2027-01-15T10:00:00+02:00", Some(Decision::ImplicitDeny)),
            ("soon", None),
        ] {
            let mut allow = statement("Allow", &json!("*"));
            allow["Condition"] = json!({ "DateLessThan": { "aws:CurrentTime": time } });
            check(&json!([allow]), expected);
            allow["Condition"] = json!({ "DateLessThan": { "aws:CurrentTime": [time] } });
            check(&json!([allow]), expected);
        }
    }

    #[test]
    fn a_policy_with_an_unsupported_part_is_rejected() {
        let allow = statement("Allow", &json!("*"));
        for (field, value) in [
            ("Condition", json!({ "IpAddress": { "aws:SourceIp": "127.0.0.1/32" } })),
            (
                "Condition",
                json!({ "DateLessThan": { "aws:TokenIssueTime": "2027-01-15T08:00:01Z" } }),
            ),
            ("Condition", json!("always")),
            ("NotAction", json!("s3:*")),
            ("Effect", json!("Maybe")),
            ("Resource", json!("x".repeat(513))),
            ("Resource", json!(7)),
            ("Action", Value::Null),
        ] {
            let mut changed = allow.clone();
            changed[field] = value;
            check(&json!([allow, changed]), None);
        }
        assert!(Policy::read(&json!({})).is_none());
    }
}
