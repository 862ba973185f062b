//! The event of a function, and the response to the client: the [Lambda proxy
//! integration](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html)
//! of a REST API.
//!
//! Bodies are passed as text. Those of a [binary media
//! type](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html)
//! of the API are passed as base64, depending on the `Content-Type` of the request and, for the
//! response, on the first type in its `Accept`. Otherwise invalid UTF-8 in a request is lost, and
//! base64 from a function reaches the client undecoded.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorizer::Verdict;
use super::call::Call;
use super::response::{Kind, Rejection, insert_id};
use super::route::Matched;

/// The headers of a function's response that reach the client as `x-amzn-Remapped-…` ([important
/// notes](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)).
/// According to the notes `content-length` is unchanged, but real accounts remap it, and a wrong
/// one would break the connection.
const REMAPPED: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "max-forwards",
    "server",
    "user-agent",
    "www-authenticate",
];

/// The headers of a function's response that are removed (important notes).
const DROPPED: [&str; 8] = [
    "expect",
    "host",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The response of a function. Every field is optional, and others are rejected.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FunctionResponse {
    status_code: Option<Value>,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// Builds the event of a function.
pub(super) fn event(
    call: &Call,
    matched: &Matched<'_>,
    verdict: Option<&Verdict>,
    binary: &[String],
) -> Value {
    let mut event = call.event(matched, &Value::Null);
    if let (Some(verdict), Some(Value::Object(context))) =
        (verdict, event.get_mut("requestContext"))
    {
        let mut authorizer = json!(verdict.context);
        if let Value::Object(fields) = &mut authorizer {
            fields.insert("integrationLatency".to_owned(), json!(0));
        }
        context.insert("authorizer".to_owned(), authorizer);
    }
    let encode = is_binary(call.header(CONTENT_TYPE.as_str()).as_deref(), binary);
    let body = match (call.body.is_empty(), encode) {
        (true, _) => Value::Null,
        (false, true) => json!(BASE64_STANDARD.encode(&call.body)),
        (false, false) => json!(String::from_utf8_lossy(&call.body)),
    };
    event.insert("isBase64Encoded".to_owned(), json!(encode && !body.is_null()));
    event.insert("body".to_owned(), body);
    Value::Object(event)
}

/// Converts the output of a function to the response to the client.
pub(super) fn response(
    output: Value,
    call: &Call,
    binary: &[String],
) -> Result<Response<Bytes>, Rejection> {
    read(output, call, binary).ok_or(Rejection::of(Kind::BadIntegration))
}

/// Converts the response of an HTTP API to the response to the client. API Gateway treats its
/// headers like those of a function.
pub(super) fn of_upstream(
    status: StatusCode,
    headers: &HeaderMap,
    body: Bytes,
    call: &Call,
) -> Option<Response<Bytes>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers {
        add(response.headers_mut(), name.as_str(), value.clone())?;
    }
    insert_id(response.headers_mut(), &call.id);
    Some(response)
}

fn read(output: Value, call: &Call, binary: &[String]) -> Option<Response<Bytes>> {
    let output: FunctionResponse = serde_json::from_value(output).ok()?;
    let status = match &output.status_code {
        None => StatusCode::OK,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(value) => StatusCode::from_u16(u16::try_from(value.as_u64()?).ok()?).ok()?,
    };
    let text = output.body.unwrap_or_default();
    let decode = output.is_base64_encoded == Some(true)
        && is_binary(call.header(ACCEPT.as_str()).as_deref(), binary);
    let body = if decode { BASE64_STANDARD.decode(&text).ok()? } else { text.into_bytes() };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in
        merged(output.headers.unwrap_or_default(), output.multi_value_headers.unwrap_or_default())?
    {
        add(headers, &name, HeaderValue::from_str(&value).ok()?)?;
    }
    // The default content type of an integration's response (important notes).
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    insert_id(headers, &call.id);
    Some(response)
}

/// Merges both maps of headers. A pair that is in both is kept once.
fn merged(
    headers: BTreeMap<String, Value>,
    multi_value_headers: BTreeMap<String, Vec<Value>>,
) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, values) in multi_value_headers {
        for value in values {
            all.push((name.to_ascii_lowercase(), text(&value)?));
        }
    }
    for (name, value) in headers {
        let pair = (name.to_ascii_lowercase(), text(&value)?);
        if !all.contains(&pair) {
            all.push(pair);
        }
    }
    Some(all)
}

fn add(headers: &mut HeaderMap, name: &str, value: HeaderValue) -> Option<()> {
    if DROPPED.contains(&name) {
        return Some(());
    }
    let name =
        if REMAPPED.contains(&name) { format!("x-amzn-remapped-{name}") } else { name.to_owned() };
    headers.try_append(HeaderName::try_from(name).ok()?, value).ok()?;
    Some(())
}

/// Returns a header's value as text, or `None` unless it is a string, a number or a boolean.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns whether the first media type of a header is a binary one.
fn is_binary(header: Option<&str>, binary: &[String]) -> bool {
    let all = binary.iter().any(|known| known == "*/*");
    let first = header.and_then(|text| text.split([',', ';']).next()).map(str::trim);
    all || first.is_some_and(|first| binary.iter().any(|known| known.eq_ignore_ascii_case(first)))
}
