//! An application's own HTTP API behind the gateway: the [HTTP proxy
//! integration](https://docs.aws.amazon.com/apigateway/latest/developerguide/setup-http-integrations.html)
//! of a REST API, with the authorizer's context [mapped to
//! headers](https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html)
//! (`integration.request.header.hallpass-user-id: context.authorizer.user_id`).
//!
//! Method, path, query, body and headers are forwarded. A client's own copies of the mapped headers
//! are not: every header whose name begins with [`PREFIX`] is the gateway's.

use std::fmt;
use std::str::FromStr;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::authorizer::Verdict;
use super::call::Call;
use super::response::{Kind, Rejection};
use super::{MAX_BODY, proxy};

/// What the names of the mapped headers begin with.
pub const PREFIX: &str = "hallpass-";

/// The names of the authorizer's context that are mapped, if they have a value. The others are for
/// gateway responses.
const MAPPED: [&str; 8] = [
    "user_id",
    "name",
    "token_id",
    "expires_at",
    "scopes",
    "scope",
    "scope_count",
    "scope_truncated",
];

/// The base URL of an HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    host: String,
    port: u16,
    /// Host and port, as in the `Host` header.
    authority: HeaderValue,
    /// The path before that of a request: empty, or with a slash only at its beginning.
    base: String,
}

/// The text is not the base URL of an HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a URL such as http://localhost:8080, without a user, a query and a fragment")]
pub struct ParseUpstreamError;

impl FromStr for Upstream {
    type Err = ParseUpstreamError;

    fn from_str(text: &str) -> Result<Self, ParseUpstreamError> {
        let url: Uri = text.parse().map_err(|_| ParseUpstreamError)?;
        let authority = url.authority().ok_or(ParseUpstreamError)?;
        let is_plain = url.scheme() == Some(&Scheme::HTTP)
            && url.query().is_none()
            && !text.contains('#')
            && !authority.as_str().contains('@');
        let host = authority.host();
        let has_port = authority.as_str() == host || authority.port_u16().is_some();
        if !is_plain || !has_port || host.is_empty() {
            return Err(ParseUpstreamError);
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self {
            host: bare.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| ParseUpstreamError)?,
            base: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// The base URL.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority.to_str().unwrap_or_default();
        write!(f, "http://{authority}{}", self.base)
    }
}

impl Upstream {
    /// Forwards a call, and returns the response of the API.
    pub(super) async fn send(
        &self,
        call: &Call,
        verdict: Option<&Verdict>,
    ) -> Result<Response<Bytes>, Rejection> {
        let bad = Rejection::of(Kind::BadIntegration);
        let request = self.request(call, verdict).ok_or_else(|| bad.clone())?;
        let (status, headers, body) = self.exchange(request).await.ok_or_else(|| bad.clone())?;
        proxy::of_upstream(status, &headers, body, call).ok_or(bad)
    }

    fn request(&self, call: &Call, verdict: Option<&Verdict>) -> Option<Request<Full<Bytes>>> {
        let target = format!("{}{}", self.base, call.target());
        let mut request = Request::new(Full::new(call.body.clone()));
        request.method_mut().clone_from(&call.method);
        *request.uri_mut() = Uri::from(target.parse::<PathAndQuery>().ok()?);
        let headers = request.headers_mut();
        for (name, values) in call.all_headers() {
            let name = HeaderName::try_from(name).ok()?;
            for value in values.into_iter().filter(|_| !is_reserved(&name)) {
                headers.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).ok()?);
            }
        }
        headers.insert(HOST, self.authority.clone());
        let context = verdict.map(|verdict| &verdict.context);
        for name in MAPPED {
            let Some(value) = context.and_then(|context| context.get(name)) else { continue };
            let name = format!("{PREFIX}{}", name.replace('_', "-"));
            let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            headers.insert(HeaderName::try_from(name).ok()?, value);
        }
        Some(request)
    }

    /// Sends a request on a new connection, and reads the whole response.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Option<(http::StatusCode, HeaderMap, Bytes)> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        // Dropping the set ends the connection.
        let mut driving = JoinSet::new();
        driving.spawn(async move { drop(connection.await) });
        let (head, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.ok()?.to_bytes();
        Some((head.status, head.headers, body))
    }
}

/// Returns whether a header of a client would look like a mapped one. Some servers turn hyphens and
/// underscores in names into the same variable (RFC 3875 section 4.1.18).
fn is_reserved(name: &HeaderName) -> bool {
    name.as_str().replace('_', "-").starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_plain_base_url() {
        let check = |text: &str, expected: Option<(&str, u16, &str)>| {
            let read = text.parse::<Upstream>().ok();
            let found = read.as_ref().map(|read| (read.host.as_str(), read.port, &*read.base));
            assert_eq!(found, expected, "{text}");
        };
        check("http://localhost:8080", Some(("localhost", 8080, "")));
        check("http://localhost:8080/", Some(("localhost", 8080, "")));
        check("http://127.0.0.1/base/", Some(("127.0.0.1", 80, "/base")));
        check("http://[::1]:8080", Some(("::1", 8080, "")));
        for wrong in [
            "",
            "localhost:8080",
            "https://localhost",
            "http://",
            "http://:8080",
            "http://ada:topsecret@localhost",
            "http://localhost?a=b",
            "http://localhost#a",
            "http://localhost:99999",
            "/path",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_client_cannot_send_the_headers_of_the_gateway() {
        let check = |name: &str, expected: bool| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(is_reserved(&name), expected, "{name}");
        };
        check("Hallpass-User-Id", true);
        check("hallpass-scopes", true);
        check("hallpass_user_id", true);
        check("Hallpass_User-Id", true);
        check("hallpass-anything", true);
        check("x-hallpass", false);
        check("hallpass", false);
        check("authorization", false);
    }
}
