//! Parses a request, and builds the part of an event that authorizers and functions have in common.
//!
//! The event is that of a REST API with Lambda proxy integration, format 1.0 ([input
//! format](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format)).

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::header::{HOST, HeaderMap, HeaderName};
use http::uri::Authority;
use http::{Method, Request, Version};
use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::MAX_BODY;
use super::response::{Kind, Rejection};
use super::route::Matched;

/// The maximum total length of the request line and the header values, in bytes
/// ([quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)).
const MAX_HEAD: usize = 10_240;

/// The account ID in ARNs and events.
pub(super) const ACCOUNT: &str = "000000000000";

/// The ID of the API.
pub(super) const API: &str = "hallpass";

/// The headers that are removed from events, from the table of the [important
/// notes](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html);
/// `content-length` is not in that table, but is absent from real events. API Gateway sets the last
/// three itself.
const UNSEEN: [&str; 15] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// A request.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) at: u64,
    pub(super) method: Method,
    /// The path without the mount point.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) stage: String,
    sent_path: String,
    /// The query as it was sent.
    sent_query: Option<String>,
    query: Vec<(String, String)>,
    protocol: String,
    source_ip: IpAddr,
    /// The requested host, without a port.
    domain: String,
}

impl Call {
    /// Parses a request, unless it is too large or for another stage.
    pub(super) fn read(
        request: Request<Bytes>,
        base_path: &str,
        stage: &str,
        id: &str,
        at: u64,
        source_ip: IpAddr,
    ) -> Result<Self, Rejection> {
        let (head, body) = request.into_parts();
        if head_size(&head) > MAX_HEAD {
            return Err(Rejection::of(Kind::HeadersTooLarge));
        }
        if body.len() > MAX_BODY {
            return Err(Rejection::of(Kind::RequestTooLarge));
        }
        let domain = domain(&head).ok_or(Rejection::of(Kind::BadRequest))?;
        let sent_path = head.uri.path().to_owned();
        let rest = sent_path
            .strip_prefix(base_path)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let path =
            format!("/{}", rest.ok_or(Rejection::of(Kind::Forbidden))?.trim_start_matches('/'));
        Ok(Self {
            id: id.to_owned(),
            at,
            method: overridden(&head.headers).unwrap_or(head.method),
            path,
            headers: head.headers,
            body,
            stage: stage.to_owned(),
            sent_path,
            sent_query: head.uri.query().map(str::to_owned),
            query: head.uri.query().map(query).unwrap_or_default(),
            protocol: format!("{:?}", head.version),
            source_ip,
            domain,
        })
    }

    /// Returns the path without the mount point and the query, both as sent.
    pub(super) fn target(&self) -> String {
        match &self.sent_query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Returns the last value of a header as text.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(name);
        values
            .iter()
            .next_back()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Builds the part of the event that authorizers and functions have in common. `nothing` is
    /// used for absent parts.
    pub(super) fn event(&self, matched: &Matched<'_>, nothing: &Value) -> Map<String, Value> {
        let some = |values: Value| {
            if values.as_object().is_none_or(Map::is_empty) { nothing.clone() } else { values }
        };
        let headers = self.all_headers();
        let mut query: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.query {
            query.entry(name).or_default().push(value);
        }
        let event = [
            ("resource", json!(matched.resource)),
            ("path", json!(self.path)),
            ("httpMethod", json!(self.method.as_str())),
            ("headers", some(last_values(&headers))),
            ("multiValueHeaders", some(json!(headers))),
            ("queryStringParameters", some(last_values(&query))),
            ("multiValueQueryStringParameters", some(json!(query))),
            ("pathParameters", some(json!(matched.parameters))),
            ("stageVariables", nothing.clone()),
            ("requestContext", self.context(matched.resource)),
        ];
        event.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn context(&self, resource: &str) -> Value {
        let domain = self.domain.as_str();
        json!({
            "accountId": ACCOUNT,
            "apiId": API,
            "deploymentId": "local",
            "domainName": domain,
            "domainPrefix": domain.split('.').next().unwrap_or(domain),
            "extendedRequestId": format!("{}=", self.id.replace('-', "")),
            "httpMethod": self.method.as_str(),
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": self.source_ip.to_string(),
                "user": null,
                "userAgent": self.header("user-agent"),
                "userArn": null,
            },
            "path": self.sent_path,
            "protocol": self.protocol,
            "requestId": self.id,
            "requestTime": self.request_time(),
            "requestTimeEpoch": self.at.saturating_mul(1_000),
            "resourceId": "local",
            "resourcePath": resource,
            "stage": self.stage,
        })
    }

    /// Returns the client's headers without the removed ones, and the headers that API Gateway
    /// adds.
    pub(super) fn all_headers(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in
            self.headers.iter().filter(|(name, _)| !UNSEEN.contains(&name.as_str()))
        {
            all.entry(spelled(name))
                .or_default()
                .push(String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        let forwarded = match self.header("x-forwarded-for") {
            Some(before) => format!("{before}, {}", self.source_ip),
            None => self.source_ip.to_string(),
        };
        all.insert("X-Forwarded-For".to_owned(), vec![forwarded]);
        all.insert("X-Forwarded-Port".to_owned(), vec!["443".to_owned()]);
        all.insert("X-Forwarded-Proto".to_owned(), vec!["https".to_owned()]);
        all.entry("X-Amzn-Trace-Id".to_owned())
            .or_insert_with(|| vec![format!("Root=1-{:08x}-{}", self.at, self.id)]);
        all
    }

    /// Returns the time in the form `12/Jul/2022:12:21:43 +0000`.
    fn request_time(&self) -> String {
        let form = format_description!(
            "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour \
             sign:mandatory][offset_minute]"
        );
        let at =
            i64::try_from(self.at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        at.and_then(|at| at.format(form).ok()).unwrap_or_default()
    }
}

/// Returns the method that a client puts in place of that of the request line. A REST API matches,
/// authorizes and forwards the request with it (important notes).
fn overridden(headers: &HeaderMap) -> Option<Method> {
    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let value = headers.get("x-http-method-override")?;
    METHODS.into_iter().find(|method| method.as_str().as_bytes() == value.as_bytes())
}

/// Decodes a path or query parameter as API Gateway does: percent signs are encoded again
/// (important notes). Invalid UTF-8 becomes the replacement character.
pub(super) fn decoded_parameter(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.split_at_checked(2).filter(|_| *first == b'%');
        let code = escaped.and_then(|(digits, tail)| Some((hex(digits)?, tail)));
        let (byte, tail) = code.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).replace('%', "%25")
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok()
}

/// Parses the parameters of a query. A semicolon is a separator like an ampersand (important
/// notes).
fn query(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| decoded_parameter(&text.replace('+', "%20"));
    let pairs = text.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Returns the last value of each name, for the single-value maps of an event.
fn last_values<K: AsRef<str>, V: AsRef<str>>(all: &BTreeMap<K, Vec<V>>) -> Value {
    let last = |(name, values): (&K, &Vec<V>)| {
        Some((name.as_ref().to_owned(), json!(values.last()?.as_ref())))
    };
    Value::Object(all.iter().filter_map(last).collect())
}

/// Returns the name of a header as in the event of an HTTP/2 client: in lower case, except a few
/// names that API Gateway capitalizes. API Gateway keeps the spelling of an HTTP/1.1 client, which
/// is not available here.
fn spelled(name: &HeaderName) -> String {
    match name.as_str() {
        "authorization" => "Authorization",
        "host" => "Host",
        "user-agent" => "User-Agent",
        "x-amzn-trace-id" => "X-Amzn-Trace-Id",
        other => other,
    }
    .to_owned()
}

/// Returns the host of a request, or `None` if an HTTP/1.1 request has no `Host` or several, or if
/// the value is not a host with an optional port. The functions parse the host as part of a URL and
/// panic if that fails.
fn domain(head: &http::request::Parts) -> Option<String> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).ok()?,
        (None, None) if head.version == Version::HTTP_10 => return Some("localhost".to_owned()),
        (None | Some(_), _) => return None,
    };
    let is_host = !host.host().is_empty() && !host.as_str().contains('@');
    let has_port = host.as_str().len() == host.host().len() || host.port_u16().is_some();
    (is_host && has_port).then(|| host.host().to_owned())
}

fn head_size(head: &http::request::Parts) -> usize {
    let line = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    head.headers.values().map(http::HeaderValue::len).fold(line, usize::saturating_add)
}
