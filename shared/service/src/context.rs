//! What an operation depends on besides its request.

use std::sync::OnceLock;

use hallpass_http::Response;
use hallpass_runtime::entropy::Randomness;
use hallpass_token::{Actor, Cause, Origin, Timestamp};
use http::{HeaderName, HeaderValue};

use crate::Service;

/// What an operation depends on besides its request: the clients and settings, the time, and the
/// random bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The clients and settings of the function.
    pub service: &'a Service,
    /// When the request arrived. All times that it writes and compares are this one.
    pub now: Timestamp,
    /// The random bytes for this request.
    pub randomness: &'a Randomness,
    /// Where the request comes from.
    pub origin: Origin<'a>,
    caller_expiry: Option<&'a CallerExpiry>,
}

/// When the token expires that a request was made with. It is known once the token was accepted.
#[derive(Debug, Default)]
pub struct CallerExpiry(OnceLock<Timestamp>);

/// The header with that time in RFC 3339.
const TOKEN_EXPIRES: HeaderName = HeaderName::from_static("hallpass-token-expires");

impl CallerExpiry {
    /// Adds the header `Hallpass-Token-Expires` to the response, if a token was accepted that
    /// expires.
    #[must_use]
    pub fn shown_in(&self, mut response: Response) -> Response {
        let header = self.0.get().and_then(|at| HeaderValue::try_from(at.to_string()).ok());
        response.headers_mut().extend(header.map(|at| (TOKEN_EXPIRES, at)));
        response
    }
}

impl<'a> Context<'a> {
    /// Creates a context for an operation without a request.
    pub const fn new(service: &'a Service, now: Timestamp, randomness: &'a Randomness) -> Self {
        Self {
            service,
            now,
            randomness,
            origin: Origin { source_ip: None, request_id: None, agent: None },
            caller_expiry: None,
        }
    }

    /// Returns the same context for a request from this origin, which writes down when its token
    /// expires.
    #[must_use]
    pub const fn of_request(&self, origin: Origin<'a>, expiry: &'a CallerExpiry) -> Self {
        Self { origin, caller_expiry: Some(expiry), ..*self }
    }

    /// Writes down when the token expires that the request was made with.
    pub fn accepted(&self, expires_at: Option<Timestamp>) {
        if let (Some(expiry), Some(at)) = (self.caller_expiry, expires_at) {
            let _ = expiry.0.set(at);
        }
    }

    /// Returns the cause of what this actor changes with the request.
    pub const fn cause(&self, actor: Actor<'a>) -> Cause<'a> {
        Cause { at: self.now, actor, origin: self.origin, reason: None }
    }
}
