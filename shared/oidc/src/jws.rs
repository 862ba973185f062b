//! The signature of a token of the provider (RFC 7515, compact form), and the claims that an ID
//! token and a logout token have in common.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_token::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwks::{Algorithm, Keys};

/// Why a token of the provider is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("it is not a signed JWT")]
    Malformed,
    #[error("its algorithm is not RS256, ES256 or ES384")]
    Algorithm,
    #[error("it is a JWT of another type, or has extensions that must be understood")]
    Header,
    #[error("the provider publishes no such key")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its issuer is not exactly HALLPASS_OIDC_ISSUER")]
    Issuer,
    #[error("it is for another client than HALLPASS_OIDC_CLIENT_ID")]
    Audience,
    #[error("it has expired, is not valid yet or was issued at another time than now")]
    Time,
    #[error("its nonce is of another sign-in")]
    Nonce,
    #[error("it belongs to another access token")]
    AccessToken,
    #[error("its subject is missing or too long")]
    Subject,
    #[error("it is not a logout token")]
    NoLogout,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Who issued a token to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) now: Timestamp,
}

/// How much the clocks of the provider and of AWS may differ.
pub(crate) const LEEWAY: Duration = Duration::from_secs(60);

/// The age from which a token is not of this sign-in or sign-out: the provider has just created it.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The longest subject (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT: usize = 255;

/// Checks the signature of a token of one of these types. Returns its claims and algorithm.
///
/// # Errors
/// Returns a [`TokenError`].
pub(crate) fn verify(
    text: &str,
    keys: &Keys,
    types: &[&str],
) -> Result<(Map<String, Value>, Algorithm), TokenError> {
    let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |part| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
    let algorithm = Algorithm::named(&header.alg).ok_or(TokenError::Algorithm)?;
    let is_type = |typ: String| types.iter().any(|known| typ.eq_ignore_ascii_case(known));
    if header.crit.is_some() || !header.typ.is_none_or(is_type) {
        return Err(TokenError::Header);
    }
    let is_signed =
        keys.verify(header.kid.as_deref(), algorithm, message.as_bytes(), &decode(signature)?);
    if !is_signed.ok_or(TokenError::UnknownKey)? {
        return Err(TokenError::Signature);
    }
    let claims = serde_json::from_slice(&decode(payload)?).map_err(|_| TokenError::Malformed)?;
    Ok((claims, algorithm))
}

/// Checks `iss`, `aud`, `azp`, `exp`, `iat` and `nbf`.
///
/// # Errors
/// Returns a [`TokenError`].
pub(crate) fn check(claims: &Map<String, Value>, expected: Parties<'_>) -> Result<(), TokenError> {
    if text(claims, "iss") != Some(expected.issuer) {
        return Err(TokenError::Issuer);
    }
    if !is_for(claims, expected.client_id) {
        return Err(TokenError::Audience);
    }
    if is_timely(claims, expected.now) { Ok(()) } else { Err(TokenError::Time) }
}

/// The subject.
///
/// # Errors
/// Returns [`TokenError::Subject`] if it is absent, no text or too long.
pub(crate) fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    let is_fit = |subject: &&str| (1..=MAX_SUBJECT).contains(&subject.len());
    text(claims, "sub").filter(is_fit).ok_or(TokenError::Subject)
}

/// A claim that is a text.
pub(crate) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// A claim that is a time.
pub(crate) fn time(claims: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    claims.get(name).and_then(Value::as_u64).and_then(Timestamp::from_unix)
}

/// Whether the token is for this client. One for several clients names the one that asked for it.
fn is_for(claims: &Map<String, Value>, client_id: &str) -> bool {
    let is_client = |value: &Value| value.as_str() == Some(client_id);
    let (is_audience, is_only) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_client), all.iter().all(is_client)),
        Some(one) => (is_client(one), true),
        None => (false, false),
    };
    let is_party = claims.get("azp").map_or(is_only, is_client);
    is_audience && is_party
}

fn is_timely(claims: &Map<String, Value>, now: Timestamp) -> bool {
    let latest = now.after(LEEWAY);
    let is_unexpired = time(claims, "exp").is_some_and(|end| !end.after(LEEWAY).has_passed(now));
    let is_new = time(claims, "iat")
        .is_some_and(|issued| issued <= latest && !issued.after(MAX_AGE).has_passed(now));
    let is_valid =
        !claims.contains_key("nbf") || time(claims, "nbf").is_some_and(|from| from <= latest);
    is_unexpired && is_new && is_valid
}
