//! Authorizer events: REST `TOKEN` and `REQUEST`, HTTP API payload 1.0 and 2.0, WebSocket
//! `$connect`.
//!
//! Only the members that the decision, the log and the record of the last use need are read. All
//! other members and headers are skipped without a copy.

use std::fmt;

use hallpass_store::Failure;
use hallpass_token::{Origin, Text};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// An authorizer event of any form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Event {
    version: Option<String>,
    method_arn: Option<String>,
    route_arn: Option<String>,
    authorization_token: Option<String>,
    #[serde(default)]
    headers: Authorization,
    #[serde(default)]
    multi_value_headers: Authorization,
    request_context: Option<RequestContext>,
}

/// Where a request comes from. A `TOKEN` event does not have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: Option<String>,
    identity: Option<Source>,
    http: Option<Source>,
}

/// The source of a request, in the member `identity` of payload 1.0 and `http` of payload 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    source_ip: Option<String>,
    user_agent: Option<String>,
}

/// The kind of response that the event expects, and its stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// `arn:aws:execute-api:<region>:<account>:<api>/<stage>`, the prefix of the resources of a
    /// policy. It contains nothing from the request.
    pub(crate) stage_arn: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A policy, for a REST or WebSocket API.
    RestPolicy,
    /// A policy, for an HTTP API.
    HttpPolicy,
    /// `isAuthorized`, for an HTTP API.
    Simple,
}

/// The values of the `Authorization` header, in any case.
#[derive(Default)]
struct Authorization(Vec<Text>);

impl Event {
    /// Returns the kind of response that the event expects.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the event has no ARN of a stage in the format of API Gateway.
    pub(crate) fn form(&self, always_policy: bool) -> Result<Form, Failure> {
        let is_v2 = self.version.as_deref() == Some("2.0");
        let arn = if is_v2 { self.route_arn.as_deref() } else { self.method_arn.as_deref() };
        let is_rest = self.version.is_none();
        let stage_arn =
            arn.and_then(stage_arn).filter(|arn| is_rest || !arn.ends_with(LITERAL_STAR));
        let stage_arn = stage_arn
            .ok_or_else(|| Failure::new("reading the event", "it has no ARN of a stage"))?;
        let kind = match self.version.as_deref() {
            None => Kind::RestPolicy,
            Some("2.0") if !always_policy => Kind::Simple,
            Some(_) => Kind::HttpPolicy,
        };
        Ok(Form { stage_arn, kind })
    }

    /// Returns where the request comes from.
    pub(crate) fn origin(&self) -> Origin<'_> {
        let Some(context) = &self.request_context else { return Origin::default() };
        let source = context.identity.as_ref().or(context.http.as_ref());
        let ip = source.and_then(|source| source.source_ip.as_deref());
        let agent = source.and_then(|source| source.user_agent.as_deref());
        Origin::new(ip, context.request_id.as_deref()).with_user_agent(agent)
    }

    /// Returns the values of `Authorization`, one for each occurrence if the event distinguishes
    /// them.
    pub(crate) fn authorization(&self) -> impl Iterator<Item = &str> {
        // A REST event has every header twice. Only the map of lists shows repeated headers.
        let lists = [&self.multi_value_headers.0, &self.headers.0];
        let values = lists
            .into_iter()
            .find(|values| !values.is_empty())
            .map(Vec::as_slice)
            .unwrap_or_default();
        // A TOKEN event has no headers. An HTTP API 1.0 event repeats its identity source here.
        let token = self.authorization_token.as_deref().filter(|_| values.is_empty());
        values.iter().map(Text::expose_secret).chain(token)
    }
}

impl Form {
    pub(crate) fn is_rest(&self) -> bool {
        self.kind == Kind::RestPolicy
    }
}

/// The literal character `*` in a policy
/// ([IAM](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars)).
const LITERAL_STAR: &str = "${*}";

/// Returns the first two segments of a method or route ARN. The rest comes from the request.
///
/// AWS's sample of a `TOKEN` event has `*` as its stage. In a policy, that would match every stage,
/// and every path that ends like a rule. It is therefore replaced by [`LITERAL_STAR`].
fn stage_arn(arn: &str) -> Option<String> {
    let (api, rest) = arn.split_once('/')?;
    let stage = rest.split('/').next().filter(|stage| !stage.is_empty())?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_api = api.starts_with("arn:") && api.contains(":execute-api:");
    if !is_api || !api.bytes().all(|byte| is_name(byte) || byte == b':') {
        return None;
    }
    if stage == "*" {
        return Some(format!("{api}/{LITERAL_STAR}"));
    }
    stage.bytes().all(|byte| is_name(byte) || byte == b'$').then(|| format!("{api}/{stage}"))
}

/// The error for an unexpected event quotes nothing from it. The errors of serde would quote
/// unexpected text.
///
/// The runtime records the path to each member for its own errors, which costs more than reading
/// the event does. It gets the event as one value, which is then read without it.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Box::<RawValue>::deserialize(deserializer).ok();
        let read = |event: Box<RawValue>| {
            Self::deserialize(&mut serde_json::Deserializer::from_str(event.get())).ok()
        };
        event.and_then(read).ok_or_else(|| D::Error::custom("the event cannot be read"))
    }
}

impl<'de> Deserialize<'de> for Authorization {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

/// One value or a list of values.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Authorization;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of headers")
    }

    /// API Gateway's test console sends `null` for no headers.
    fn visit_unit<E>(self) -> Result<Authorization, E> {
        Ok(Authorization::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Authorization, A::Error> {
        let mut values = Vec::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if !name.eq_ignore_ascii_case("authorization") {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match map.next_value()? {
                OneOrMany::One(value) => values.push(Text::new(value)),
                OneOrMany::Many(many) => values.extend(many.into_iter().map(Text::new)),
            }
        }
        Ok(Authorization(values))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_arn_contains_nothing_from_the_request() {
        let check = |arn: &str, expected: Option<&str>| {
            assert_eq!(stage_arn(arn).as_deref(), expected, "{arn}");
        };
        let stage = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/v1";
        check(&format!("{stage}/GET/a/b"), Some(stage));
        check(&format!("{stage}/$connect"), Some(stage));
        check(&format!("{stage}/GET/*/../{{}}\""), Some(stage));
        check(stage, Some(stage));
        check(
            "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/$default/GET/",
            Some("arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/$default"),
        );
        check("arn:aws:execute-api:eu-west-1:123456789012:abcdef1234", None);
        check("arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/", None);
        for arn in ["*/*", "*/GET/", "*/GET/*", "*", "*/", "*/*/*"] {
            let any_stage = "arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/${*}";
            check(
                &format!("arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/{arn}"),
                Some(any_stage),
            );
        }
        check(
            "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1/v1/GET",
            Some("arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1/v1"),
        );
        check(
            "arn:aws:execute-api:us-east-1:123456789012:/prod/POST/{proxy+}",
            Some("arn:aws:execute-api:us-east-1:123456789012:/prod"),
        );
        for stage in ["**", "v*", "*v", "?", "${*}", "{v}", "v 1", "v:1", ""] {
            check(
                &format!("arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/{stage}/GET"),
                None,
            );
        }
        for api in ["*", "a*", "?", "${*}"] {
            check(&format!("arn:aws:execute-api:eu-west-1:123456789012:{api}/v1/GET"), None);
        }
        check("arn:aws:execute-api:eu-west-1:*:abcdef1234/v1/GET", None);
        check("arn:aws:execute-api:*:123456789012:abcdef1234/v1/GET", None);
        check("arn:aws:s3:::bucket/key", None);
        check("", None);
    }

    #[test]
    fn the_error_of_an_unreadable_event_quotes_nothing_from_it() {
        for event in [
            r#""secret""#,
            r#"{"headers":"secret"}"#,
            r#"{"version":["secret"]}"#,
            r#"{"methodArn":7}"#,
        ] {
            let error = serde_json::from_str::<Event>(event).unwrap_err().to_string();
            assert_eq!(error, "the event cannot be read", "{event}");
        }
    }
}
