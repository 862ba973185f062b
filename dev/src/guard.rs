//! Protects the AWS emulators of a stack from other programs and from browsers.
//!
//! Every program on the machine can reach a loopback port, and so can every web page in its
//! browser. The emulators therefore accept only callers that name the access key of this start,
//! which is in a file that only its owner can read. They reject browsers by the `Origin` header,
//! and requests for a foreign host name that resolves to this machine (DNS rebinding).

use std::{convert::Infallible, fmt, future::Future, pin::pin, sync::Arc};

use hallpass_runtime::entropy;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{AUTHORIZATION, HOST, ORIGIN},
    uri::Authority,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use super::StartError;

/// Accepts or rejects the callers of an emulator.
pub struct Guard {
    /// The part of a signature header that names this stack's access key.
    credential: String,
}

/// The AWS credentials of one start.
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
}

/// A request that the guard accepted.
pub(super) struct Call {
    /// The value of `X-Amz-Target`: an API and an operation.
    pub(super) target: String,
    /// The body.
    pub(super) body: Bytes,
}

impl Credentials {
    /// Generates random credentials.
    pub(super) fn random() -> Result<Self, StartError> {
        let random = || {
            let bytes: [u8; 16] = entropy::bytes()
                .map_err(|failure| StartError::new("cannot start", failure.report()))?;
            Ok(u128::from_be_bytes(bytes))
        };
        Ok(Self {
            access_key_id: format!("dev{:032x}", random()?),
            secret_access_key: format!("{:032x}", random()?),
        })
    }
}

impl Guard {
    /// Creates a guard that accepts callers that name this access key.
    pub fn new(access_key_id: &str) -> Self {
        Self { credential: format!("Credential={access_key_id}/") }
    }

    /// Returns the response to a rejected request, or `None` if the request is accepted.
    fn rejection(&self, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        if !is_of_this_machine(headers) {
            return Some(empty(StatusCode::MISDIRECTED_REQUEST));
        }
        // Only browsers send this header.
        if headers.contains_key(ORIGIN) {
            return Some(empty(StatusCode::FORBIDDEN));
        }
        let authorization =
            headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_known = authorization.contains(&self.credential);
        (!is_known)
            .then(|| reject("AccessDeniedException", "the access key is not the one of this stack"))
    }
}

/// Returns whether a request has exactly one `Host`, and it is a loopback address or `localhost`.
pub(super) fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    Authority::try_from(host.as_bytes()).is_ok_and(|host| is_local(host.host()))
}

/// Returns whether this host is `localhost` or a loopback address.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost")
}

/// Serves an emulator until `shutdown` completes. Bodies have at most `largest` bytes.
pub(super) async fn serve<A>(
    listener: TcpListener,
    guard: Guard,
    largest: usize,
    answer: A,
    shutdown: impl Future<Output = ()>,
) where
    A: Fn(Call) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let (guard, answer) = (Arc::new(guard), Arc::new(answer));
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            tokio::task::yield_now().await;
            continue;
        };
        let (guard, answer) = (Arc::clone(&guard), Arc::clone(&answer));
        let respond = service_fn(move |request| {
            let (guard, answer) = (Arc::clone(&guard), Arc::clone(&answer));
            async move { Ok::<_, Infallible>(respond(&guard, largest, &*answer, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), respond));
    }
}

async fn respond(
    guard: &Guard,
    largest: usize,
    answer: &impl Fn(Call) -> Response<Full<Bytes>>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if let Some(rejection) = guard.rejection(request.headers()) {
        return rejection;
    }
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    match Limited::new(request.into_body(), largest).collect().await {
        Ok(body) => answer(Call { target, body: body.to_bytes() }),
        Err(_) => reject("InvalidRequestException", "the body is too large or broken"),
    }
}

/// An error as AWS has them.
pub(super) fn reject(kind: &str, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(
        json!({"__type": kind, "message": message}).to_string(),
    )));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of a rejection, or 0 for an accepted request.
    fn check(headers: &[(&str, &str)], expected: u16) {
        let guard = Guard::new("known");
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let found = guard.rejection(&all).map_or(0, |rejection| {
            assert!(
                !rejection
                    .headers()
                    .keys()
                    .any(|name| name.as_str().starts_with("access-control-"))
            );
            rejection.status().as_u16()
        });
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn only_programs_with_the_access_key_are_accepted_and_only_by_a_local_host_name() {
        let known = (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=known/20270115/local/dynamodb/aws4_request",
        );
        for host in ["127.0.0.1:1", "localhost", "LOCALHOST:8000", "[::1]:8000", "a.localhost:1"] {
            check(&[("host", host), known], 0);
        }
        for host in [
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "a b",
            "",
        ] {
            check(&[("host", host), known], 421);
        }
        let local = ("host", "127.0.0.1:1");
        check(&[known], 421);
        check(&[local, ("host", "evil.example"), known], 421);
        for origin in ["null", "https://evil.example", "http://127.0.0.1:1", "http://localhost"] {
            check(&[local, known, ("origin", origin)], 403);
        }
        check(&[local], 400);
        for other in ["unknown", "know", "known2", ""] {
            let other =
                format!("AWS4-HMAC-SHA256 Credential={other}/20270115/local/dynamodb/aws4_request");
            check(&[local, ("authorization", &other)], 400);
        }
    }
}
