//! The text of a token. What a format looks like is known in the file of that format and nowhere else.
//!
//! | format | text |
//! |---|---|
//! | [`signed`] | `<prefix><user id>.<expires, lower-case hex>.<43>` |
//! | [`developer`] | `<prefix>6879-<43>` |
//! | [`jwt`] | `<header>.<claims>.<43>` |
//!
//! The shapes never overlap, and there is one text per token: any other spelling of the same bytes is rejected.

use std::{fmt, str::FromStr};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::Mac as _;
use subtle::ConstantTimeEq;

use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Keyring, Mac},
    reason::Reason,
    secret::{Entropy, Text},
    timestamp::Timestamp,
};

pub mod developer;
pub mod inspect;
pub mod jwt;
pub mod signed;

/// The longest text that is looked at, in bytes. A JWT with the longest name fits.
pub const MAX_LENGTH: usize = 4096;

/// The format of a token's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// The default: user id and expiry in the open, signed.
    Signed,
    /// One per user, opaque.
    Developer,
    /// A JSON Web Token (RFC 7519) with HS256.
    Jwt,
}

/// Who issues here: what stands in front of tokens and in the `iss` of a JWT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    prefix: String,
    realm: String,
}

/// A deployment cannot be named so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerError {
    /// The prefix is not 0 to 20 of `[A-Za-z0-9_-]`.
    Prefix,
    /// The realm is not 1 to 64 printable ASCII characters without `"` and `\`, or has spaces around it.
    Realm,
}

/// What a token says, once its signature and its time have been checked. Only [`open`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The format it came in.
    pub format: Format,
    /// Whose it is, if the text says so; for a developer token the pointer record does.
    pub user_id: Option<UserId>,
    /// The hash of its secret: the rest of its record's key.
    pub hash: TokenHash,
    /// When it ends, if the text says so.
    pub expires_at: Option<Timestamp>,
    /// What else a JWT says.
    pub payload: Option<jwt::Payload>,
}

/// A token that was just made: the text to show once, and what of it goes into the record.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedText {
    /// The text for its holder.
    pub text: Text,
    /// Its public name.
    pub id: TokenId,
    /// The key that signed it.
    pub key_id: String,
    /// The digest of a JWT's claims.
    pub payload_digest: Option<jwt::PayloadDigest>,
}

/// The keyring has no key yet whose time to sign has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSigningKey;

/// What a validator says of a text.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is not of this format; the next validator may know it.
    NotMine,
    /// It is of this format's shape and the signature is not ours; the next validator may know it all the same.
    Forged,
    /// It is ours, and it is rejected.
    Rejected(Reason),
    /// It is ours, and it is good as far as the text can tell.
    Claim(Claim),
}

/// A validator: one for each format.
pub(crate) type Validator = fn(&Keyring, &Issuer, &str, Timestamp) -> Verdict;

/// The validators, in the order they are tried: the cheapest look at the text first.
const VALIDATORS: [Validator; 3] = [developer::open, signed::open, jwt::open];

/// Opens a text: shape, sign, time. It reads nothing but its arguments and, for a signed token, allocates nothing.
///
/// # Errors
/// [`Reason::Malformed`], [`Reason::Forged`] or [`Reason::Expired`].
pub fn open(keyring: &Keyring, issuer: &Issuer, text: &str, now: Timestamp) -> Result<Claim, Reason> {
    open_with(&VALIDATORS, keyring, issuer, text, now)
}

fn open_with(
    validators: &[Validator],
    keyring: &Keyring,
    issuer: &Issuer,
    text: &str,
    now: Timestamp,
) -> Result<Claim, Reason> {
    let mut reason = Reason::Malformed;
    if text.len() > MAX_LENGTH {
        return Err(reason);
    }
    for validator in validators {
        match validator(keyring, issuer, text, now) {
            Verdict::NotMine => {}
            Verdict::Forged => reason = Reason::Forged,
            Verdict::Rejected(reason) => return Err(reason),
            Verdict::Claim(claim) => return Ok(claim),
        }
    }
    Err(reason)
}

impl Issuer {
    /// A deployment with this prefix (`HALLPASS_PREFIX`) and realm (`HALLPASS_REALM`).
    ///
    /// # Errors
    /// When one of them could not stand in a token, a header or a body as it is.
    pub fn new(prefix: &str, realm: &str) -> Result<Self, IssuerError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if prefix.len() > 20 || !prefix.bytes().all(word) {
            return Err(IssuerError::Prefix);
        }
        let quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let is_framed = realm.starts_with(' ') || realm.ends_with(' ');
        if realm.is_empty() || realm.len() > 64 || !realm.bytes().all(quotable) || is_framed {
            return Err(IssuerError::Realm);
        }
        Ok(Self { prefix: prefix.to_owned(), realm: realm.to_owned() })
    }

    /// What stands in front of signed and developer tokens.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What stands behind the prefix, if the text has it.
    ///
    /// An empty prefix is not compared: its bytes are nowhere, and a processor with AVX-512 takes 150 ns for a masked load
    /// of nothing from there.
    fn after_prefix<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() { Some(text) } else { text.strip_prefix(&self.prefix) }
    }

    /// The realm of challenges, `iss` of every JWT and `aud` of the temporary ones.
    pub fn realm(&self) -> &str {
        &self.realm
    }
}

impl Format {
    /// The word that stands in records, requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Developer => "developer",
            Self::Jwt => "jwt",
        }
    }
}

/// The 32 bytes behind the 43 characters of a signed or developer token: the secret, then half a tag.
struct Seal {
    secret: Entropy,
    tag: [u8; 16],
}

impl Seal {
    const TEXT_LENGTH: usize = 43;

    /// Strict base64url: 43 characters whose last two bits are zero.
    fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = decode_exactly(text)?;
        let (secret, tag) = bytes.split_first_chunk::<16>()?;
        Some(Self { secret: Entropy::new(*secret), tag: tag.try_into().ok()? })
    }

    fn encode(secret: &Entropy, mac: Mac) -> String {
        let mut bytes = [0; 32];
        let (left, right) = bytes.split_at_mut(16);
        left.copy_from_slice(secret.bytes());
        right.copy_from_slice(&half(mac));
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// Whether the tag is what the MAC came to, in constant time.
    fn is_by(&self, mac: Mac) -> bool {
        #[cfg(test)]
        tests::count_a_check();
        half(mac).ct_eq(&self.tag).into()
    }
}

/// Strict base64url of exactly this many bytes: no padding, and unused bits are zero, so that bytes have one text.
pub(crate) fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    (length == N).then_some(bytes)
}

/// The first 16 bytes of the tag; RFC 2104 section 5 allows half of the hash.
fn half(mac: Mac) -> [u8; 16] {
    let tag: [u8; 32] = mac.finalize().into_bytes().into();
    let mut half = [0; 16];
    half.copy_from_slice(tag.first_chunk::<16>().unwrap_or(&[0; 16]));
    half
}

/// Absorbs a field with its length in front, so that different tuples of fields are different inputs.
fn absorb(mac: &mut Mac, field: &str) {
    mac.update(&[u8::try_from(field.len()).unwrap_or(u8::MAX)]);
    mac.update(field.as_bytes());
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Signed, Self::Developer, Self::Jwt].into_iter().find(|format| format.as_str() == text).ok_or(())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for IssuerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "a prefix is 0 to 20 of [A-Za-z0-9_-]",
            Self::Realm => "a realm is 1 to 64 printable ASCII characters without quote and backslash, and without spaces around it",
        })
    }
}

impl fmt::Display for NoSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no key of the keyring signs yet")
    }
}

impl std::error::Error for IssuerError {}
impl std::error::Error for NoSigningKey {}

#[cfg(test)]
mod tests;
