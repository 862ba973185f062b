//! The checks of an ID token (OpenID Connect Core 1.0 section 3.1.3.7): a JWS in compact form (RFC
//! 7515) with the claims of a sign-in.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_token::{Timestamp, secret::Digest};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwks::{Algorithm, Keys};

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    /// The access token that came with the ID token.
    pub(crate) access_token: &'a str,
    pub(crate) now: Timestamp,
}

/// Why an ID token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdTokenError {
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
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

/// How much the clocks of the provider and of AWS may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// The age from which an ID token is not of this sign-in: it comes from the token endpoint, which
/// has just created it.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The longest subject (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT: usize = 255;

/// Checks an ID token, and returns its claims, in which `sub` is a text.
///
/// # Errors
/// Returns an [`IdTokenError`].
pub(crate) fn verify(
    text: &str,
    keys: &Keys,
    expected: Expected<'_>,
) -> Result<Map<String, Value>, IdTokenError> {
    let (message, signature) = text.rsplit_once('.').ok_or(IdTokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(IdTokenError::Malformed)?;
    let decode = |part| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| IdTokenError::Malformed);
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| IdTokenError::Malformed)?;
    let algorithm = Algorithm::named(&header.alg).ok_or(IdTokenError::Algorithm)?;
    if header.crit.is_some() || header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(IdTokenError::Header);
    }
    let is_signed =
        keys.verify(header.kid.as_deref(), algorithm, message.as_bytes(), &decode(signature)?);
    if !is_signed.ok_or(IdTokenError::UnknownKey)? {
        return Err(IdTokenError::Signature);
    }
    let claims: Map<String, Value> =
        serde_json::from_slice(&decode(payload)?).map_err(|_| IdTokenError::Malformed)?;
    check(&claims, algorithm, expected)?;
    Ok(claims)
}

fn check(
    claims: &Map<String, Value>,
    algorithm: Algorithm,
    expected: Expected<'_>,
) -> Result<(), IdTokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(IdTokenError::Issuer);
    }
    if !is_for(claims, expected.client_id) {
        return Err(IdTokenError::Audience);
    }
    if !is_timely(claims, expected.now) {
        return Err(IdTokenError::Time);
    }
    let is_secret = |name, secret: &str| {
        text(name).is_some_and(|value| Digest::of(secret.as_bytes()).is_of(value.as_bytes()))
    };
    if !is_secret("nonce", expected.nonce) {
        return Err(IdTokenError::Nonce);
    }
    let hash = algorithm.half_hash(expected.access_token);
    if claims.contains_key("at_hash") && !is_secret("at_hash", &hash) {
        return Err(IdTokenError::AccessToken);
    }
    match text("sub") {
        Some(subject) if (1..=MAX_SUBJECT).contains(&subject.len()) => Ok(()),
        Some(_) | None => Err(IdTokenError::Subject),
    }
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
    let at =
        |name: &str| claims.get(name).map(|value| value.as_u64().and_then(Timestamp::from_unix));
    let latest = now.after(LEEWAY);
    let is_unexpired = at("exp").flatten().is_some_and(|end| !end.after(LEEWAY).has_passed(now));
    let is_new = at("iat")
        .flatten()
        .is_some_and(|issued| issued <= latest && !issued.after(MAX_AGE).has_passed(now));
    let is_valid = at("nbf").is_none_or(|from| from.is_some_and(|from| from <= latest));
    is_unexpired && is_new && is_valid
}

#[cfg(test)]
mod tests;
