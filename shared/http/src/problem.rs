//! Rejections and failures as HTTP responses. Only this module maps reasons to status codes.
//!
//! Bodies are problem details (RFC 9457) of type `about:blank` with three extension members:
//! `reason` (a [`hallpass_token::Reason`]), `error` (a code of RFC 6750 or RFC 6749) and `member`
//! (the invalid member of the request).

use std::time::Duration;

use hallpass_store::{Failure, Rejected};
use hallpass_token::{Changed, Issuer, Reason, TokenId};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use lambda_http::Body;
use serde_json::{Map, Value};

use crate::challenge;

/// The response of a function.
pub type Response = http::Response<Body>;

/// A rejection or failure. It is the error type of handlers, which return it with `?`.
#[derive(Debug)]
pub struct Problem(Box<Details>);

/// The contents of a [`Problem`].
#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) status: StatusCode,
    detail: String,
    members: Map<String, Value>,
    challenges: Vec<String>,
    headers: Vec<(HeaderName, String)>,
    page: Option<String>,
    /// The rejection reason, for the log only.
    pub(crate) reason: Option<Reason>,
    pub(crate) token_id: Option<TokenId>,
    pub(crate) changed: Changed,
    pub(crate) failure: Option<Failure>,
    /// The name of the metric, if the problem has neither a reason nor a failure.
    pub(crate) counts_as: &'static str,
    /// Who tried to log in, for the log only.
    pub(crate) login: Option<String>,
}

/// A copy of `WWW-Authenticate`, which API Gateway renames in the responses of functions.
pub const X_WWW_AUTHENTICATE: HeaderName = HeaderName::from_static("x-www-authenticate");

/// The media type of pages.
pub const HTML: &str = "text/html; charset=utf-8";

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status,
            detail: detail.into(),
            members: Map::new(),
            challenges: Vec::new(),
            headers: Vec::new(),
            page: None,
            reason: None,
            token_id: None,
            changed: Changed::default(),
            failure: None,
            counts_as: "declined",
            login: None,
        }))
    }

    /// 401: the token was rejected, with the reason (RFC 6750 section 3.1, `invalid_token`).
    pub fn rejected(issuer: &Issuer, rejected: &Rejected) -> Self {
        let public = rejected.reason.public();
        let description = challenge::description(public, rejected.changed);
        let challenge = challenge::rejected(issuer, &description);
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, description)
            .with("error", "invalid_token")
            .with("reason", public.as_str());
        problem.0.challenges.push(challenge);
        problem.0.reason = Some(rejected.reason);
        problem.0.changed = rejected.changed;
        problem.0.token_id = rejected.token_id;
        problem
    }

    /// 401: the request carries no credential.
    pub fn unauthenticated(issuer: &Issuer) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "An access token is required");
        problem.0.challenges.push(challenge::bare(issuer));
        problem
    }

    /// 401: the request is not signed by whom it must be.
    pub fn not_signed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 401: the user name or the password is wrong, or the route does not accept passwords. The
    /// response does not say which.
    pub fn invalid_credentials(issuer: &Issuer) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "Invalid credentials.");
        problem.0.counts_as = "login_failed";
        problem.0.challenges.push(challenge::bare(issuer));
        problem
    }

    /// Names who tried to log in, for the log: the ID of the user, or a digest of a name that no
    /// user has.
    #[must_use]
    pub fn of_login(mut self, login: String) -> Self {
        self.0.login = Some(login);
        self
    }

    /// 403: `HALLPASS_GENERATE_PASSWORD` disables passwords.
    pub fn passwords_are_off() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Signing in with a password is disabled")
    }

    /// 409: the response of the identity provider does not belong to a sign-in of this browser, or
    /// was used before.
    pub fn stale_sign_in() -> Self {
        let mut problem = Self::conflict("This sign-in is out of date. Sign in again");
        problem.0.counts_as = "login_failed";
        problem
    }

    /// 410: the link of a portal session has expired, was used, or never was one.
    pub fn portal_link_ended() -> Self {
        let mut problem = Self::new(
            StatusCode::GONE,
            "This link has expired or was used before. Go back to the application and open your \
             tokens from there",
        );
        problem.0.counts_as = "login_failed";
        problem
    }

    /// 409: an offer of a token was accepted, declined or withdrawn, or its time is over.
    pub fn offer_ended() -> Self {
        Self::conflict("This offer is no longer open")
    }

    /// 403: the identity provider did not sign the user in, or no user is linked to the identity.
    pub fn not_signed_in(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::FORBIDDEN, detail);
        problem.0.counts_as = "login_failed";
        problem
    }

    /// 401: the browser session has expired or does not exist.
    pub fn session_ended(issuer: &Issuer) -> Self {
        let mut problem =
            Self::new(StatusCode::UNAUTHORIZED, "Your session has ended. Nothing was changed.");
        problem.0.challenges.push(challenge::bare(issuer));
        problem
    }

    /// 403: the form belongs to another session.
    pub fn stale_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This form is out of date. Nothing was changed; send it once more.",
        )
    }

    /// 409: a single-use form was sent before.
    pub fn used_form() -> Self {
        Self::conflict(
            "This form was sent before, so nothing was created now. What it created is in the \
             list; its text was shown once. If you did not see it, revoke it and create another",
        )
    }

    /// 303: redirects to another location (RFC 9110 section 15.4.4).
    pub fn see_other(location: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SEE_OTHER, "See the other location")
            .with_header(LOCATION, location);
        problem.0.counts_as = "redirected";
        problem
    }

    /// 400: the request carries more than one credential (RFC 6750 section 3.1, `invalid_request`).
    pub fn doubled_credentials(issuer: &Issuer) -> Self {
        let mut problem =
            Self::new(StatusCode::BAD_REQUEST, "The request carries more than one credential")
                .with("error", "invalid_request");
        problem.0.challenges.push(challenge::invalid_request(issuer));
        problem
    }

    /// 400: the request is invalid.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).with("error", "invalid_request")
    }

    /// 400: this member of the request is invalid.
    pub fn invalid_member(member: &str, wrong: &str) -> Self {
        Self::invalid_request(format!("{member}: {wrong}")).with("member", member)
    }

    /// 403: the token is valid but lacks a permission (RFC 6750 section 3.1, `insufficient_scope`).
    pub fn forbidden(issuer: &Issuer) -> Self {
        let mut problem = Self::new(StatusCode::FORBIDDEN, challenge::NOT_PERMITTED)
            .with("error", "insufficient_scope");
        problem.0.challenges.push(challenge::insufficient_scope(issuer, challenge::NOT_PERMITTED));
        problem
    }

    /// 404: the resource does not exist, or belongs to another user. Both look the same.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here")
    }

    /// 404: the stack keeps no audit log.
    pub fn no_audit_log() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "This stack keeps no audit log. Its parameter Audit must be on.",
        )
    }

    /// 405: the path exists, but not with this method (RFC 9110 section 15.5.6).
    pub fn method_not_allowed(allow: &str) -> Self {
        let mut problem =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("This path takes {allow}"));
        problem.0.headers.push((ALLOW, allow.to_owned()));
        problem
    }

    /// 403: a page of another site made a browser send its stored Basic credentials.
    pub fn cross_site() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "A page of another site sent this request. Nothing was changed.",
        )
    }

    /// 403 without a challenge: the user lacks a permission, and no other credential would help.
    pub fn not_permitted() -> Self {
        Self::new(StatusCode::FORBIDDEN, "The user is not permitted to do this")
    }

    /// 409: the request would exceed a limit or conflicts with the current state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 415: the route does not accept the media type of the body.
    pub fn unsupported_media_type(takes: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("This path takes {takes} in UTF-8"))
    }

    /// 413: the body is longer than `most` bytes (RFC 9110 section 15.5.14).
    pub fn content_too_large(most: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body must have at most {most} bytes"))
    }

    /// 415: the body is compressed or otherwise encoded (RFC 9110 section 15.5.16).
    pub fn unsupported_content_encoding() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must not be encoded; remove Content-Encoding",
        )
        .with_header(ACCEPT_ENCODING, "identity")
    }

    /// 429: too many attempts (RFC 6585 section 4). `Retry-After` is at least one second.
    pub fn too_many_requests(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let detail = format!("Too many attempts. Try again in {seconds} {unit}.");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        problem.0.counts_as = "limited";
        problem.0.headers.push((RETRY_AFTER, seconds.to_string()));
        problem
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// Replaces the problem details in the body with this HTML page.
    #[must_use]
    pub fn shown_as(mut self, page: String) -> Self {
        self.0.page = Some(page);
        self
    }

    /// Returns the HTTP status code.
    pub const fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the description for the caller.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns whether the body is an HTML page.
    pub const fn is_shown(&self) -> bool {
        self.0.page.is_some()
    }

    /// Returns the name of the invalid member of the request, if the problem is about one.
    pub fn member(&self) -> Option<&str> {
        self.0.members.get("member").and_then(Value::as_str)
    }

    /// Returns the description of a rejection, for the command line. An operator also sees the
    /// causes of failures.
    ///
    /// # Errors
    /// Returns the [`Failure`] if the problem is a failure and not a rejection.
    pub fn into_rejection(self) -> Result<String, Failure> {
        let Self(details) = self;
        details.failure.map_or(Ok(details.detail), Err)
    }

    /// Returns the contents, for the log.
    pub(crate) const fn details(&self) -> &Details {
        &self.0
    }

    /// Converts the problem to an HTTP response.
    pub fn into_response(self) -> Response {
        let Self(details) = self;
        let mut response = if let Some(page) = details.page {
            response(details.status, HTML, page)
        } else {
            let mut body = Map::new();
            body.insert("type".to_owned(), "about:blank".into());
            let title = details.status.canonical_reason().unwrap_or_default();
            body.insert("title".to_owned(), title.into());
            body.insert("status".to_owned(), details.status.as_u16().into());
            body.insert("detail".to_owned(), details.detail.into());
            body.extend(details.members);
            response(details.status, "application/problem+json", Value::Object(body).to_string())
        };
        let challenges = details
            .challenges
            .into_iter()
            .flat_map(|text| [(WWW_AUTHENTICATE, text.clone()), (X_WWW_AUTHENTICATE, text)]);
        for (name, text) in details.headers.into_iter().chain(challenges) {
            // This cannot fail: the realm is printable ASCII, and everything else comes from
            // Hallpass.
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// Returns a response with this JSON body.
pub fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => response(status, "application/json", body),
        Err(error) => Problem::from(Failure::new("writing the response", error)).into_response(),
    }
}

/// Returns a response with `Cache-Control: no-store`, because every response here concerns
/// credentials.
pub fn response(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    if !response.body().is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Converts a failure to 503. The cause goes to the log and not to the caller.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The service is temporarily unavailable. Try again later.",
        );
        problem.0.failure = Some(failure);
        problem
    }
}
