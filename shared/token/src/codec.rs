//! The text of a token. Each format is defined in its own module and nowhere else.
//!
//! | format | text |
//! |---|---|
//! | [`signed`] | `<prefix><user id>.<expires, lower-case hex>.<43>` |
//! | [`developer`] | `<prefix>6879-<43>` |
//! | [`jwt`] | `<header>.<claims>.<43>` |
//!
//! A text with a prefix can end in a [`checksum`] of six more characters. Each token has one of the
//! two forms: it was signed in it, and does not verify in the other.
//!
//! The formats never overlap, and each token has exactly one text: any other spelling of the same
//! bytes is rejected.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::Mac as _;
use subtle::ConstantTimeEq;

use self::checksum::Checksum;
use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Keyring, Mac, Subkeys},
    reason::Reason,
    secret::{Entropy, Text},
    timestamp::Timestamp,
};

pub mod checksum;
pub mod developer;
pub mod inspect;
pub mod jwt;
pub mod pattern;
pub mod signed;

/// The maximum length of a text, in bytes. A JWT with the longest name fits.
pub const MAX_LENGTH: usize = 4096;

/// The format of a token's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// The default: the user ID and the expiry in clear text, signed.
    Signed,
    /// Opaque; each user has at most one.
    Developer,
    /// A JSON Web Token (RFC 7519) with HS256.
    Jwt,
}

/// The deployment that issues tokens: the prefix and the checksum of their texts, and the `iss` of
/// a JWT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    prefix: String,
    realm: String,
    has_checksum: bool,
}

/// The prefix, the realm or the checksum of an [`Issuer`] is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// The prefix is not 0 to 20 of `[A-Za-z0-9_-]`.
    #[error("the prefix must have at most 20 characters of [A-Za-z0-9_-]")]
    Prefix,
    /// The realm is not 1 to 64 printable ASCII characters without `"` and `\`, or it starts or
    /// ends with a space.
    #[error(
        "the realm must have 1 to 64 printable ASCII characters, no quotes, no backslashes, and no \
         space at either end"
    )]
    Realm,
    /// A checksum was requested without a prefix, by which a scanner would find the text.
    #[error("a checksum needs a prefix")]
    Checksum,
}

/// The contents of a token whose signature and expiry have been verified. Only [`open`] creates
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The format of the text.
    pub format: Format,
    /// The token's user. `None` for a developer token, whose user is in its pointer record.
    pub user_id: Option<UserId>,
    /// The hash of the token's secret, which together with the user ID is the key of its record.
    pub hash: TokenHash,
    /// The expiry. `None` for a developer token, whose expiry is in its record.
    pub expires_at: Option<Timestamp>,
    /// The digest and the issue time of a JWT's claims.
    pub payload: Option<jwt::Payload>,
}

/// A newly signed token: the text, which is shown once, and the parts of it that the record keeps.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedText {
    /// The text for the token's holder.
    pub text: Text,
    /// The token's public ID.
    pub id: TokenId,
    /// The ID of the key that signed the token.
    pub key_id: String,
    /// The digest of a JWT's claims.
    pub payload_digest: Option<jwt::PayloadDigest>,
}

/// Every key of the keyring has its `signs_from` in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key of the keyring signs yet: every signs_from is in the future")]
pub struct NoSigningKey;

/// The result of a validator.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The text is not of this format. The next validator is tried.
    NotMine,
    /// The text has the shape of this format, but no key of the keyring signed it. The next
    /// validator is tried.
    Forged,
    /// The signature is good, and the token is rejected.
    Rejected(Reason),
    /// The signature is good, and nothing in the text rejects the token.
    Claim(Claim),
}

/// Parses and verifies the texts of one format.
pub(crate) type Validator = fn(&Keyring, &Issuer, &str, Timestamp) -> Verdict;

/// The validators, in the order they are tried: the cheapest check of the shape comes first.
const VALIDATORS: [Validator; 3] = [developer::open, signed::open, jwt::open];

/// Parses a text and verifies its signature and expiry. Does no I/O and, for a signed token,
/// allocates nothing.
///
/// # Errors
/// Returns [`Reason::Malformed`], [`Reason::Forged`] or [`Reason::Expired`].
pub fn open(
    keyring: &Keyring,
    issuer: &Issuer,
    text: &str,
    now: Timestamp,
) -> Result<Claim, Reason> {
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
    /// Creates the issuer with this prefix (`HALLPASS_PREFIX`) and realm (`HALLPASS_REALM`).
    ///
    /// # Errors
    /// Returns an [`IssuerError`] if one of them has characters that would have to be escaped in a
    /// token, a header or a body.
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
        Ok(Self { prefix: prefix.to_owned(), realm: realm.to_owned(), has_checksum: false })
    }

    /// Makes new signed and developer tokens end in a [`checksum`] (`HALLPASS_TOKEN_CHECKSUM`).
    /// Verification accepts both forms in any case.
    ///
    /// # Errors
    /// Returns [`IssuerError::Checksum`] without a prefix.
    pub fn with_checksum(self) -> Result<Self, IssuerError> {
        if self.prefix.is_empty() {
            return Err(IssuerError::Checksum);
        }
        Ok(Self { has_checksum: true, ..self })
    }

    /// Whether new signed and developer tokens end in a [`checksum`].
    pub const fn has_checksum(&self) -> bool {
        self.has_checksum
    }

    /// Completes a text that this issuer signed.
    fn finish(&self, mut text: String) -> Text {
        if self.has_checksum {
            checksum::append(&mut text);
        }
        Text::new(text)
    }

    /// The prefix of signed and developer tokens.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The text after the prefix, if it starts with the prefix.
    ///
    /// An empty prefix is not compared: its pointer is dangling, and a processor with AVX-512 takes
    /// 150 ns for an empty masked load from there.
    fn after_prefix<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() { Some(text) } else { text.strip_prefix(&self.prefix) }
    }

    /// The realm of challenges, the `iss` of every JWT, and the `aud` of temporary JWTs.
    pub fn realm(&self) -> &str {
        &self.realm
    }
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Signed, Self::Developer, Self::Jwt];

    /// The name of the format in records, requests and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Developer => "developer",
            Self::Jwt => "jwt",
        }
    }
}

/// The last 43 characters of a signed or developer token, before the checksum, which encode 32
/// bytes: the secret and half of the MAC.
struct SignedSecret {
    secret: Entropy,
    tag: [u8; 16],
    checksum: Checksum,
}

impl SignedSecret {
    const TEXT_LENGTH: usize = 43;

    /// The regular expression of this text. Of its last character, two bits are zero.
    const PATTERN: &str = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]";

    /// Decodes the end of a text in strict base64url, 43 characters whose last two bits are zero,
    /// and compares the checksum of the whole text if six more follow.
    fn decode(text: &str, end: &str) -> Option<Self> {
        let (encoded, checksum) = if end.len() == Self::TEXT_LENGTH {
            (end, Checksum::Absent)
        } else {
            let (encoded, after) = end.split_at_checked(Self::TEXT_LENGTH)?;
            if after.len() != checksum::LENGTH {
                return None;
            }
            (encoded, checksum::check(text))
        };
        let bytes: [u8; 32] = decode_exactly(encoded)?;
        let (secret, tag) = bytes.split_first_chunk::<16>()?;
        Some(Self { secret: Entropy::new(*secret), tag: tag.try_into().ok()?, checksum })
    }

    /// Returns this unless the checksum is wrong, so that such a text costs no key operation.
    fn without_error(self) -> Option<Self> {
        (self.checksum != Checksum::Wrong).then_some(self)
    }

    /// The subkey of the form of this text.
    fn subkey(&self, subkeys: &Subkeys) -> Mac {
        subkeys.of(self.checksum != Checksum::Absent).clone()
    }

    fn encode(secret: &Entropy, mac: Mac) -> String {
        let mut bytes = [0; 32];
        let (left, right) = bytes.split_at_mut(16);
        left.copy_from_slice(secret.bytes());
        right.copy_from_slice(&half(mac));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether the tag equals this MAC. Takes constant time.
    fn is_by(&self, mac: Mac) -> bool {
        #[cfg(test)]
        tests::count_a_check();
        half(mac).ct_eq(&self.tag).into()
    }
}

/// Decodes strict base64url of exactly `N` bytes: no padding, and unused bits are zero, so that
/// each value has one text.
pub(crate) fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == N).then_some(bytes)
}

/// The first 16 bytes of the MAC. RFC 2104 section 5 allows truncation to half of the hash.
fn half(mac: Mac) -> [u8; 16] {
    let tag: [u8; 32] = mac.finalize().into_bytes().into();
    let mut half = [0; 16];
    half.copy_from_slice(tag.first_chunk::<16>().unwrap_or(&[0; 16]));
    half
}

/// Adds a field to the MAC, preceded by its length, so that different tuples of fields are
/// different inputs.
fn absorb(mac: &mut Mac, field: &str) {
    mac.update(&[u8::try_from(field.len()).unwrap_or(u8::MAX)]);
    mac.update(field.as_bytes());
}

/// The text is not the name of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a format")]
pub struct ParseFormatError;

impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, ParseFormatError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(ParseFormatError)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
