//! The words of a rejection. Headers carry the challenge of RFC 6750 section 3; bodies and authorizer contexts carry
//! words without a quote or a backslash, because API Gateway puts them into JSON as they are.

use std::borrow::Cow;

use token::{
    Changed, Issuer, Reason,
    user::attribute::{PASSWORD_HASH, PERMISSIONS, STATUS, USERNAME},
};

/// What a caller may know about why a token was rejected: the reason, and which kind of attribute of the user changed.
/// An attribute that only the application knows is not named.
pub fn description(reason: Reason, changed: Changed) -> Cow<'static, str> {
    let known: Vec<&str> = changed.kinds().filter_map(public_name).collect();
    if reason != Reason::UserChanged || known.is_empty() {
        return Cow::Borrowed(sentence(reason));
    }
    Cow::Owned(format!("The {} of the user changed since the access token was issued", known.join(" and ")))
}

fn public_name(kind: &str) -> Option<&'static str> {
    match kind {
        USERNAME => Some("name"),
        PASSWORD_HASH => Some("password"),
        STATUS => Some("status"),
        PERMISSIONS => Some("permissions"),
        _ => None,
    }
}

const fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed | Reason::Forged => "The access token is not valid",
        Reason::Expired => "The access token expired",
        Reason::Unknown => "The access token is unknown",
        Reason::Revoked => "The access token was revoked",
        Reason::Disabled => "The access token is disabled",
        Reason::Replaced => "The access token was replaced by a newer one",
        Reason::UserBlocked => "The user of the access token is blocked",
        Reason::UserChanged => "The user changed since the access token was issued",
        Reason::UserRemoved => "The user of the access token was removed",
    }
}

/// Rejected, and why: `Bearer realm="…", error="invalid_token", error_description="…"`.
pub fn rejected(issuer: &Issuer, description: &str) -> String {
    with_error(issuer, "invalid_token", description)
}

/// Let in, but not here: the token's scope does not hold what the route asks for.
pub fn insufficient_scope(issuer: &Issuer) -> String {
    with_error(issuer, "insufficient_scope", "The access token does not permit this")
}

/// The request carries two credentials, or none that can be read as one.
pub fn invalid_request(issuer: &Issuer) -> String {
    with_error(issuer, "invalid_request", "The request carries more than one credential")
}

/// No credential at all: a challenge without an error, as RFC 6750 section 3.1 asks for.
pub fn bare(issuer: &Issuer) -> String {
    format!("Bearer realm=\"{}\"", issuer.realm())
}

/// This challenge, and that Basic is accepted too (RFC 7617 section 2.1), with a token as user name or, where one is,
/// with a password. Both stand in one line, Bearer first: browsers then show no prompt, and clients that know Basic
/// alone find it.
pub fn with_basic(challenge: &str, issuer: &Issuer) -> String {
    format!("{challenge}, Basic realm=\"{}\", charset=\"UTF-8\"", issuer.realm())
}

fn with_error(issuer: &Issuer, error: &str, description: &str) -> String {
    format!("{}, error=\"{error}\", error_description=\"{description}\"", bare(issuer))
}
