//! What a function is told of a request, and what its answer becomes: the
//! [Lambda proxy integration](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html)
//! of a REST API.
//!
//! Bodies travel as text. Those of a [binary media type](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html)
//! of the API travel as base64: by the `Content-Type` of a request, and back by the first type of its `Accept`. Without
//! such a type a request's bytes that are no UTF-8 are lost, and a function's base64 reaches the client as it is.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorizer::Verdict;
use super::call::Call;
use super::response::{Kind, Rejection, insert_id};
use super::route::Matched;

/// The headers of a function's answer that reach the client as `x-amzn-Remapped-…`
/// ([important notes](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html)).
/// The notes let `content-length` pass; on accounts it is seen renamed, and a wrong one would break the connection.
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

/// The headers of a function's answer that reach nobody (important notes).
const DROPPED: [&str; 8] =
    ["expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"];

/// A function's answer. No field has to be there, and no other may be.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FunctionResponse {
    status_code: Option<Value>,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// The event of a function.
pub(super) fn event(call: &Call, matched: &Matched<'_>, verdict: Option<&Verdict>, binary: &[String]) -> Value {
    let mut event = call.event(matched, &Value::Null);
    if let (Some(verdict), Some(Value::Object(context))) = (verdict, event.get_mut("requestContext")) {
        let mut authorizer = json!(verdict.context);
        if let Value::Object(fields) = &mut authorizer {
            fields.insert("integrationLatency".to_owned(), json!(0));
        }
        context.insert("authorizer".to_owned(), authorizer);
    }
    let encode = is_binary(call.header(CONTENT_TYPE.as_str()).as_deref(), binary);
    let body = match (call.body.is_empty(), encode) {
        (true, _) => Value::Null,
        (false, true) => json!(Base64::encode_string(&call.body)),
        (false, false) => json!(String::from_utf8_lossy(&call.body)),
    };
    event.insert("isBase64Encoded".to_owned(), json!(encode && !body.is_null()));
    event.insert("body".to_owned(), body);
    Value::Object(event)
}

/// The answer to the client that a function's answer becomes.
pub(super) fn answer(answer: Value, call: &Call, binary: &[String]) -> Result<Response<Bytes>, Rejection> {
    read(answer, call, binary).ok_or(Rejection::of(Kind::BadIntegration))
}

fn read(answer: Value, call: &Call, binary: &[String]) -> Option<Response<Bytes>> {
    let answer: FunctionResponse = serde_json::from_value(answer).ok()?;
    let status = match &answer.status_code {
        None => StatusCode::OK,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(value) => StatusCode::from_u16(u16::try_from(value.as_u64()?).ok()?).ok()?,
    };
    let text = answer.body.unwrap_or_default();
    let decode = answer.is_base64_encoded == Some(true) && is_binary(call.header(ACCEPT.as_str()).as_deref(), binary);
    let body = if decode { Base64::decode_vec(&text).ok()? } else { text.into_bytes() };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in merged(answer.headers.unwrap_or_default(), answer.multi_value_headers.unwrap_or_default())? {
        add(headers, &name, &value)?;
    }
    // Every answer of an integration has a type; this is the one that is there without asking (important notes).
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    insert_id(headers, &call.id);
    Some(response)
}

/// Both maps of headers as one list; a pair that is in both is there once.
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

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    if DROPPED.contains(&name) {
        return Some(());
    }
    let name = if REMAPPED.contains(&name) { format!("x-amzn-remapped-{name}") } else { name.to_owned() };
    headers.try_append(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?).ok()?;
    Some(())
}

/// A header's value; anything but text, a number and a truth value makes the answer malformed.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether the first media type of a header is one of the binary ones.
fn is_binary(header: Option<&str>, binary: &[String]) -> bool {
    let all = binary.iter().any(|known| known == "*/*");
    let first = header.and_then(|text| text.split([',', ';']).next()).map(str::trim);
    all || first.is_some_and(|first| binary.iter().any(|known| known.eq_ignore_ascii_case(first)))
}
