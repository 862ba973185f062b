//! JSON Web Tokens (RFC 7519) with HS256, as in Terminalfour: temporary tokens and API keys.
//!
//! Each token has exactly one text. The header is compared as text with the header of each key, and
//! the claims must serialize to the same text again. This rejects `alg` none and every other
//! header, `crit`, unknown and repeated members, white space, padding and trailing bits, without a
//! rule for each.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::Mac as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Claim, Format, IssuedText, Issuer, NoSigningKey, Verdict, decode_exactly};
use crate::{
    id::{ParseIdError, TokenHash, TokenId, UserId},
    keyring::{Key, Keyring},
    reason::Reason,
    secret::{Entropy, Text},
    timestamp::Timestamp,
};

/// The audience of a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The system: `aud` is the realm, and the JWT is a temporary token.
    System,
    /// The user: `aud` is the user ID, and the JWT is an API key.
    User,
}

/// The contents of a JWT, without the secret.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The token's user, written as `sub`.
    pub user_id: UserId,
    /// The audience, written as `aud`.
    pub audience: Audience,
    /// The expiry, written as `exp`.
    pub expires_at: Timestamp,
    /// The display name, written as `name` and truncated to [`MAX_NAME_BYTES`].
    pub name: &'a str,
}

/// The claims, in serialization order.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    #[zeroize(skip)]
    iat: Timestamp,
    #[zeroize(skip)]
    exp: Timestamp,
    name: String,
    /// The secret.
    jti: String,
}

/// The parts of the claims that are compared with the token's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The digest of all claims.
    pub digest: PayloadDigest,
    /// The issue time, `iat`.
    pub issued_at: Timestamp,
}

/// The first 16 bytes of the SHA-256 of the encoded claims. The record keeps it, so that a holder
/// of an exported key cannot rewrite the claims of an issued token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PayloadDigest([u8; 16]);

impl PayloadDigest {
    fn of(payload: &str) -> Self {
        let whole: [u8; 32] = Sha256::digest(payload).into();
        let mut digest = [0; 16];
        digest.copy_from_slice(whole.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self(digest)
    }
}

impl fmt::Display for PayloadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PayloadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses strict base64url: 22 characters whose last four bits are zero.
impl FromStr for PayloadDigest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        decode_exactly(text).map(Self).ok_or(ParseIdError)
    }
}

/// The maximum length of `name`, in bytes of UTF-8. Even with every character escaped it fits the
/// length of a token.
pub const MAX_NAME_BYTES: usize = 256;

/// The maximum time that `iat` can lie in the future.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Signs a JWT.
///
/// # Errors
/// Returns [`NoSigningKey`] if no key of the keyring signs yet.
pub fn sign(
    keyring: &Keyring,
    issuer: &Issuer,
    now: Timestamp,
    contents: Contents<'_>,
    secret: &Entropy,
) -> Result<IssuedText, NoSigningKey> {
    let key = keyring.signing(now).ok_or(NoSigningKey)?;
    let user_id = contents.user_id;
    let claims = Claims {
        iss: issuer.realm().to_owned(),
        sub: user_id.to_string(),
        aud: match contents.audience {
            Audience::System => issuer.realm().to_owned(),
            Audience::User => user_id.to_string(),
        },
        iat: now,
        exp: contents.expires_at,
        name: contents
            .name
            .get(..contents.name.floor_char_boundary(MAX_NAME_BYTES))
            .unwrap_or_default()
            .to_owned(),
        jti: BASE64_URL_SAFE_NO_PAD.encode(secret.bytes()),
    };
    let payload = encode(&claims);
    let mut text = format!("{}.{payload}", key.jwt_header);
    let tag: [u8; 32] = key.jwt.clone().chain_update(&text).finalize().into_bytes().into();
    text.push('.');
    text.push_str(&BASE64_URL_SAFE_NO_PAD.encode(tag));
    Ok(IssuedText {
        text: Text::new(text),
        id: TokenId { user_id, hash: TokenHash::of(secret) },
        key_id: key.id().to_owned(),
        payload_digest: Some(PayloadDigest::of(&payload)),
    })
}

pub(super) fn open(keyring: &Keyring, issuer: &Issuer, text: &str, now: Timestamp) -> Verdict {
    let Some((message, header, payload, tag)) = parse(text) else {
        return Verdict::NotMine;
    };
    // The header names its key, so that a forged JWT costs at most one MAC.
    let key = keyring.keys().iter().find(|key| key.jwt_header == header);
    if !key.is_some_and(|key| is_by(key, message, &tag)) {
        return Verdict::Forged;
    }
    match claim(issuer, payload, now) {
        Ok(claim) => Verdict::Claim(claim),
        Err(reason) => Verdict::Rejected(reason),
    }
}

fn is_by(key: &Key, message: &str, tag: &[u8; 32]) -> bool {
    #[cfg(test)]
    super::tests::count_a_check();
    key.jwt.clone().chain_update(message).verify_slice(tag).is_ok()
}

/// Splits a JWT into `<header>.<claims>`, the header, the claims and the decoded signature.
pub(super) fn parse(text: &str) -> Option<(&str, &str, &str, [u8; 32])> {
    let (message, tag) = text.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let has_the_shape =
        header.starts_with("ey") && payload.starts_with("ey") && !payload.contains('.');
    if has_the_shape { Some((message, header, payload, decode_exactly(tag)?)) } else { None }
}

/// Checks the claims. Their signature is good, so an invalid claim is not a forgery: it is from
/// another issuer, or from an older version.
fn claim(issuer: &Issuer, payload: &str, now: Timestamp) -> Result<Claim, Reason> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| Reason::Malformed)?;
    let claims: Claims = serde_json::from_slice(&json).map_err(|_| Reason::Malformed)?;
    let user_id: UserId = claims.sub.parse().map_err(|_| Reason::Malformed)?;
    let known =
        claims.iss == issuer.realm() && (claims.aud == issuer.realm() || claims.aud == claims.sub);
    let is_valid = known && claims.name.len() <= MAX_NAME_BYTES;
    if !is_valid || encode(&claims) != payload || claims.iat > now.after(CLOCK_SKEW) {
        return Err(Reason::Malformed);
    }
    let secret = decode_exactly(&claims.jti).ok_or(Reason::Malformed)?;
    if claims.exp.has_passed(now) {
        return Err(Reason::Expired);
    }
    Ok(Claim {
        format: Format::Jwt,
        user_id: Some(user_id),
        hash: TokenHash::of(&Entropy::new(secret)),
        expires_at: Some(claims.exp),
        payload: Some(Payload { digest: PayloadDigest::of(payload), issued_at: claims.iat }),
    })
}

/// Reads the claims without a check of the signature: user, hash, issue time, expiry and audience.
pub(super) fn read(payload: &str) -> Option<(UserId, TokenHash, Timestamp, Timestamp, String)> {
    let claims: Claims =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let hash = TokenHash::of(&Entropy::new(decode_exactly(&claims.jti)?));
    Some((claims.sub.parse().ok()?, hash, claims.iat, claims.exp, claims.aud.clone()))
}

fn encode(claims: &Claims) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_string(claims).unwrap_or_default().as_bytes())
}
