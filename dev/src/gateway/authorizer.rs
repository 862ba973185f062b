//! The event of a Lambda authorizer, the form of its response, and the cache of responses.
//!
//! The events are those of [`TOKEN` and `REQUEST`
//! authorizers](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html)
//! of a REST API, and the response is
//! [theirs](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html).
//! The ARN of the method contains the path as it was sent, without decoding; AWS does not document
//! this.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::call::{ACCOUNT, API, Call};
use super::policy::Policy;
use super::route::Matched;
use crate::template::{Authorizer, AuthorizerKind};

/// The longest response, in bytes of JSON
/// ([quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)).
const MAX_RESULT: usize = 8 * 1024;

/// The decision of an authorizer.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) policy: Policy,
    /// The context of the response as text, and `principalId`.
    pub(super) context: BTreeMap<String, String>,
}

/// The cached verdicts, by authorizer and identity.
#[derive(Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<(String, Vec<String>), Entry>>,
}

struct Entry {
    verdict: Arc<Verdict>,
    until: u64,
}

/// Returns the values of the identity headers, or `None` if one of them is missing or empty.
pub(super) fn identity(authorizer: &Authorizer, headers: &HeaderMap) -> Option<Vec<String>> {
    let value = |name: &String| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let joined = values.join(",");
        (!joined.trim().is_empty()).then_some(joined)
    };
    authorizer.identity_headers.iter().map(value).collect()
}

/// Returns the ARN of the called method.
pub(super) fn method_arn(call: &Call) -> String {
    format!("arn:aws:execute-api:local:{ACCOUNT}:{API}/{}/{}{}", call.stage, call.method, call.path)
}

/// Builds the event of an authorizer.
pub(super) fn event(
    authorizer: &Authorizer,
    call: &Call,
    matched: &Matched<'_>,
    arn: &str,
    identity: &[String],
) -> Value {
    match authorizer.kind {
        AuthorizerKind::Token => json!({
            "type": "TOKEN",
            "authorizationToken": identity.first(),
            "methodArn": arn,
        }),
        AuthorizerKind::Request => {
            let mut event = Map::from_iter([
                ("type".to_owned(), json!("REQUEST")),
                ("methodArn".to_owned(), json!(arn)),
            ]);
            event.append(&mut call.event(matched, &json!({})));
            Value::Object(event)
        }
    }
}

impl Verdict {
    /// Parses a response, or returns `None` if API Gateway would reject it.
    pub(super) fn read(result: &Value) -> Option<Self> {
        if result.to_string().len() > MAX_RESULT {
            return None;
        }
        let principal = result.get("principalId")?.as_str()?;
        let policy = Policy::read(result.get("policyDocument")?)?;
        let mut context = BTreeMap::new();
        match result.get("context") {
            None | Some(Value::Null) => {}
            Some(given) => {
                for (name, value) in given.as_object()? {
                    context.insert(name.clone(), scalar(value)?);
                }
            }
        }
        context.insert("principalId".to_owned(), principal.to_owned());
        Some(Self { policy, context })
    }
}

impl Cache {
    /// Returns the cached verdict for an identity, unless it has expired at `at`.
    pub(super) fn find(
        &self,
        authorizer: &str,
        identity: &[String],
        at: u64,
    ) -> Option<Arc<Verdict>> {
        let key = (authorizer.to_owned(), identity.to_vec());
        self.entries()
            .get(&key)
            .filter(|entry| at < entry.until)
            .map(|entry| Arc::clone(&entry.verdict))
    }

    /// Caches a verdict, unless the TTL is 0 or the authorizer has no identity headers.
    pub(super) fn keep(
        &self,
        authorizer: &str,
        identity: Vec<String>,
        verdict: &Arc<Verdict>,
        at: u64,
        ttl: u32,
    ) {
        if ttl == 0 || identity.is_empty() {
            return;
        }
        let mut entries = self.entries();
        entries.retain(|_, entry| at < entry.until);
        let entry = Entry { verdict: Arc::clone(verdict), until: at.saturating_add(ttl.into()) };
        entries.insert((authorizer.to_owned(), identity), entry);
    }

    /// Locks the entries. A panic cannot leave an entry incomplete, so a poisoned lock is used as
    /// well.
    fn entries(&self) -> MutexGuard<'_, HashMap<(String, Vec<String>), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a context value as text, or `None` for lists, maps and null.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether a valid response with one changed field is accepted.
    fn check(field: &str, value: Value, expected: bool) {
        let mut response = json!({
            "principalId": "u1",
            "policyDocument": { "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } },
            "context": { "a": "b", "n": 7, "t": true },
        });
        response[field] = value;
        assert_eq!(Verdict::read(&response).is_some(), expected, "{response}");
    }

    #[test]
    fn a_response_must_be_complete_and_small() {
        check("usageIdentifierKey", json!("k"), true);
        check("context", Value::Null, true);
        check("principalId", Value::Null, false);
        check("policyDocument", Value::Null, false);
        check("context", json!("text"), false);
        check("context", json!({ "list": [] }), false);
        check("context", json!({ "map": {} }), false);
        check("context", json!({ "null": null }), false);
        check("context", json!({ "long": "x".repeat(8 * 1024) }), false);
    }

    #[test]
    fn context_values_become_text_and_include_the_principal() {
        let policy = json!({ "Statement": [] });
        let response = json!({
            "principalId": "u1", "policyDocument": policy,
            "context": { "n": 7, "t": true, "s": "x" },
        });
        let context = Verdict::read(&response).unwrap().context;
        let found: Vec<_> = context.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["n=7", "principalId=u1", "s=x", "t=true"]);
    }
}
