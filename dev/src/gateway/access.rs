//! The access log: a line for people, or a line of JSON, for every request. It has no secret: a
//! token is named by its public ID, queries are left out, and what looks like a secret in a
//! path is redacted.

use std::fmt;
use std::io::{self, Write};

use hallpass_runtime::clock::{self, Instant};
use hallpass_runtime::log::TARGET;
use hallpass_token::codec::inspect;
use hallpass_token::redact::redact;
use hallpass_token::{Credential, Issuer};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use hyper::body::Bytes;

use super::authorizer::Verdict;

/// The form of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for people on standard error.
    People,
    /// JSON among the other lines of the log.
    Json,
}

/// How requests are logged.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// The form of the lines.
    pub form: Form,
    /// The deployment, whose prefix tokens have.
    pub issuer: Issuer,
}

/// A request in progress.
pub(super) struct Entry {
    began: Instant,
    method: String,
    path: String,
    caller: Caller,
}

/// Who sent a request. Nothing is known of a log-in and of a browser's session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Caller {
    user: Option<String>,
    token: Option<String>,
}

/// A request and its response.
#[derive(Debug)]
struct Line<'a> {
    began: Instant,
    method: &'a str,
    path: &'a str,
    status: StatusCode,
    caller: &'a Caller,
    milliseconds: u64,
}

impl AccessLog {
    /// Notes a request before it is processed.
    pub(super) fn begin(&self, request: &Request<Bytes>) -> Entry {
        Entry {
            began: clock::instant(),
            method: request.method().to_string(),
            path: redact(request.uri().path()),
            caller: self.caller(request),
        }
    }

    /// Logs a request and its response. What the authorizer says of the caller is preferred to what
    /// the token says.
    pub(super) fn end(&self, entry: &Entry, status: StatusCode, verdict: Option<&Verdict>) {
        let context = |name: &str| verdict.and_then(|verdict| verdict.context.get(name)).cloned();
        let caller = Caller {
            user: context("user_id").or_else(|| entry.caller.user.clone()),
            token: context("token_id").or_else(|| entry.caller.token.clone()),
        };
        let (Entry { began, method, path, .. }, now) = (entry, clock::instant());
        let milliseconds = now.unix_milliseconds().saturating_sub(began.unix_milliseconds());
        let line = Line { began: *began, method, path, status, caller: &caller, milliseconds };
        match self.form {
            // A closed terminal does not stop the server.
            Form::People => drop(writeln!(io::stderr(), "{line}")),
            Form::Json => line.log(),
        }
    }

    /// Reads the public ID of the presented token, without verifying it.
    fn caller(&self, request: &Request<Bytes>) -> Caller {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Ok(Some(Credential::Token(text))) = Credential::from_header(header) else {
            return Caller::default();
        };
        let seen = inspect::inspect(&self.issuer, text.expose_secret());
        let of_user = seen.and_then(|seen| Some((seen.user_id?, seen.hash)));
        of_user.map_or_else(Caller::default, |(user, hash)| Caller {
            user: Some(user.to_string()),
            token: Some(format!("{user}.{hash}")),
        })
    }
}

impl Line<'_> {
    fn log(&self) {
        let Self { method, path, caller, milliseconds, .. } = self;
        let (user, token) = (caller.user.as_deref(), caller.token.as_deref());
        tracing::info!(
            target: TARGET,
            { method, path, status = self.status.as_u16(), user.id = user, token.id = token, milliseconds },
            "request"
        );
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let began = self.began.to_string();
        let time = began.split(['T', '.']).nth(1).unwrap_or_default();
        let (method, path, milliseconds) = (self.method, self.path, self.milliseconds);
        write!(f, "{time} {method} {path} {}", self.status.as_u16())?;
        if let Some(user) = &self.caller.user {
            write!(f, " user {user}")?;
        }
        if let Some(token) = &self.caller.token {
            write!(f, " token {token}")?;
        }
        write!(f, " {milliseconds} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";
    const ID: &str = "1.24LZRCIrYYNTCeRZ6quIqQ";

    fn log() -> AccessLog {
        AccessLog { form: Form::People, issuer: Issuer::new("", "hallpass").unwrap() }
    }

    fn entry(uri: &str, authorization: Option<&str>) -> Entry {
        let mut request = Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        log().begin(&request.body(Bytes::new()).unwrap())
    }

    #[test]
    fn a_token_is_named_by_its_id() {
        let check = |authorization: Option<&str>, expected: Option<&str>| {
            let caller = entry("/", authorization).caller;
            assert_eq!(caller.token.as_deref(), expected, "{authorization:?}");
            assert_eq!(caller.user.as_deref(), expected.map(|_| "1"), "{authorization:?}");
        };
        check(Some(&format!("Bearer {TOKEN}")), Some(ID));
        check(Some(TOKEN), Some(ID));
        check(Some("Basic bXlfdXNlcm5hbWU6dG9wc2VjcmV0"), None);
        check(Some("Bearer x"), None);
        check(None, None);
    }

    #[test]
    fn a_line_has_no_secret() {
        let check = |uri: &str, expected: &str| {
            let entry = entry(uri, Some(TOKEN));
            let line = Line {
                began: entry.began,
                method: &entry.method,
                path: &entry.path,
                status: StatusCode::UNAUTHORIZED,
                caller: &entry.caller,
                milliseconds: 3,
            };
            let line = line.to_string();
            let (time, rest) = line.split_once(' ').unwrap();
            assert_eq!(time.len(), "20:53:01".len());
            assert_eq!(rest, format!("GET {expected} 401 user 1 token {ID} 3 ms"));
        };
        check("/tokens", "/tokens");
        check(&format!("/tokens/{ID}"), &format!("/tokens/{ID}"));
        check(&format!("/tokens/{TOKEN}"), "/tokens/1.5665e083.…");
        check(&format!("/rs/auth?access_token={TOKEN}"), "/rs/auth");
    }
}
