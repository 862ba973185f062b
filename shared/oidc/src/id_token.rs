//! The checks of an ID token (OpenID Connect Core 1.0 section 3.1.3.7).

use hallpass_token::secret::Digest;
use serde_json::{Map, Value};

use crate::{
    jwks::Keys,
    jws::{self, Parties, TokenError},
};

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) parties: Parties<'a>,
    pub(crate) nonce: &'a str,
    /// The access token that came with the ID token.
    pub(crate) access_token: &'a str,
}

/// Checks an ID token, and returns its claims, in which `sub` is a text.
///
/// # Errors
/// Returns a [`TokenError`].
pub(crate) fn verify(
    text: &str,
    keys: &Keys,
    expected: Expected<'_>,
) -> Result<Map<String, Value>, TokenError> {
    let (claims, algorithm) = jws::verify(text, keys, &["JWT"])?;
    jws::check(&claims, expected.parties)?;
    let is_secret = |name, secret: &str| {
        jws::text(&claims, name)
            .is_some_and(|value| Digest::of(secret.as_bytes()).is_of(value.as_bytes()))
    };
    if !is_secret("nonce", expected.nonce) {
        return Err(TokenError::Nonce);
    }
    let hash = algorithm.half_hash(expected.access_token);
    if claims.contains_key("at_hash") && !is_secret("at_hash", &hash) {
        return Err(TokenError::AccessToken);
    }
    jws::subject(&claims)?;
    Ok(claims)
}

#[cfg(test)]
mod tests;
