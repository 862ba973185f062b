//! JSON Web Tokens (RFC 7519) with HS256, as Terminalfour has them: temporary ones and API keys.
//!
//! A JWT of ours has exactly one text: the header is compared as text with the one of each key, and the claims are
//! written again and must come out the same. That rejects `alg` none and every other header, `crit`, unknown and
//! repeated members, white space, padding and trailing bits, without a rule for each.

use std::{fmt, str::FromStr, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::Mac as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Claim, Format, IssuedText, Issuer, NoSigningKey, Verdict, decode_exactly};
use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Key, Keyring},
    reason::Reason,
    secret::{Entropy, Text},
    timestamp::Timestamp,
};

/// Whom a JWT is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The system: a temporary token.
    System,
    /// The user: an API key.
    User,
}

/// What a JWT says besides its secret.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// `sub`.
    pub user_id: UserId,
    /// `aud`.
    pub audience: Audience,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `name`; cut at [`MAX_NAME_BYTES`].
    pub name: &'a str,
}

/// The claims, in the order they are written.
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

/// What of the claims only the record can tell to be as they were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The digest of all of them.
    pub digest: PayloadDigest,
    /// `iat`.
    pub issued_at: Timestamp,
}

/// The first 16 bytes of SHA-256 over the claims as they stand in the token. A record holds it, so that a holder of an
/// exported key cannot rewrite the claims of a token that was issued.
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
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for PayloadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Strict: 22 characters of base64url whose last four bits are zero.
impl FromStr for PayloadDigest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        decode_exactly(text).map(Self).ok_or(())
    }
}

/// The longest `name`, in bytes of UTF-8; written as escapes it still fits the length bound of a token.
pub const MAX_NAME_BYTES: usize = 256;

/// How far `iat` may lie ahead of this machine's clock.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Makes a JWT.
///
/// # Errors
/// When no key of the keyring signs yet.
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
        name: contents.name.get(..contents.name.floor_char_boundary(MAX_NAME_BYTES)).unwrap_or_default().to_owned(),
        jti: Base64UrlUnpadded::encode_string(secret.bytes()),
    };
    let payload = encode(&claims);
    let mut text = format!("{}.{payload}", key.jwt_header);
    let tag: [u8; 32] = key.jwt.clone().chain_update(&text).finalize().into_bytes().into();
    text.push('.');
    text.push_str(&Base64UrlUnpadded::encode_string(&tag));
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
    // The header names its key, so that a forged JWT costs one check at most.
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

/// `<header>.<claims>` whole, its two halves, and the tag, if the text has the shape of a JWT.
pub(super) fn parse(text: &str) -> Option<(&str, &str, &str, [u8; 32])> {
    let (message, tag) = text.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let has_the_shape = header.starts_with("ey") && payload.starts_with("ey") && !payload.contains('.');
    if has_the_shape { Some((message, header, payload, decode_exactly(tag)?)) } else { None }
}

/// What the claims say. The tag was good, so that a wrong member is not a forgery: it is another issuer's, or older.
fn claim(issuer: &Issuer, payload: &str, now: Timestamp) -> Result<Claim, Reason> {
    let json = Base64UrlUnpadded::decode_vec(payload).map_err(|_| Reason::Malformed)?;
    let claims: Claims = serde_json::from_slice(&json).map_err(|_| Reason::Malformed)?;
    let user_id: UserId = claims.sub.parse().map_err(|_| Reason::Malformed)?;
    let known = claims.iss == issuer.realm() && (claims.aud == issuer.realm() || claims.aud == claims.sub);
    let could_be_ours = known && claims.name.len() <= MAX_NAME_BYTES;
    if !could_be_ours || encode(&claims) != payload || claims.iat > now.after(CLOCK_SKEW) {
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

/// What the claims say, whoever signed them.
pub(super) fn read(payload: &str) -> Option<(UserId, TokenHash, Timestamp, Timestamp, String)> {
    let claims: Claims = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()?;
    let hash = TokenHash::of(&Entropy::new(decode_exactly(&claims.jti)?));
    Some((claims.sub.parse().ok()?, hash, claims.iat, claims.exp, claims.aud.clone()))
}

fn encode(claims: &Claims) -> String {
    Base64UrlUnpadded::encode_string(serde_json::to_string(claims).unwrap_or_default().as_bytes())
}
