//! The public IDs of users and tokens. None of them is a secret.

use std::{fmt, str::FromStr};

use arrayvec::ArrayString;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{codec::decode_exactly, secret::Entropy};

/// The ID of a user: 1 to 64 characters of `[A-Za-z0-9_-]`, so that numbers, UUIDs and ULIDs fit.
/// The text is stored inline, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(ArrayString<64>);

/// The first 16 bytes of the SHA-256 of a token's secret. Only this hash of the secret is stored,
/// as part of the record's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash([u8; 16]);

/// The public ID of a token, `<user id>.<22>`, used in lists, logs and URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId {
    /// The token's user.
    pub user_id: UserId,
    /// The hash of the token's secret, unique among the user's tokens.
    pub hash: TokenHash,
}

/// The text is not a valid ID of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid ID")]
pub struct ParseIdError;

impl UserId {
    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TokenHash {
    /// The length of the text form, in characters.
    pub const TEXT_LENGTH: usize = 22;

    pub(crate) fn of(secret: &Entropy) -> Self {
        let digest: [u8; 32] = Sha256::digest(secret.bytes()).into();
        let mut first = [0; 16];
        first.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self(first)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The hash in base64url without padding: 22 characters.
    pub fn text(&self) -> ArrayString<22> {
        let mut buffer = [0; Self::TEXT_LENGTH];
        let length = BASE64_URL_SAFE_NO_PAD.encode_slice(self.0, &mut buffer).unwrap_or_default();
        let text = buffer.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        text.and_then(|text| ArrayString::from(text).ok()).unwrap_or_default()
    }
}

impl FromStr for UserId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(ParseIdError);
        }
        ArrayString::from(text).map(Self).map_err(|_| ParseIdError)
    }
}

/// Parses strict base64url: 22 characters whose last four bits are zero.
impl FromStr for TokenHash {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        decode_exactly(text).map(Self).ok_or(ParseIdError)
    }
}

impl FromStr for TokenId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (user_id, hash) = text.split_once('.').ok_or(ParseIdError)?;
        Ok(Self { user_id: user_id.parse()?, hash: hash.parse()? })
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.user_id, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_1_to_64_characters_of_a_small_alphabet() {
        let check =
            |text: &str, good: bool| assert_eq!(text.parse::<UserId>().is_ok(), good, "{text}");
        check("1", true);
        check("6ba7b810-9dad-11d1-80b4-00c04fd430c8", true);
        check("01ARZ3NDEKTSV4RRFFQ69G5FAV", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        for bad in ["", "a b", "a.b", "a#b", "a/b", "é", "a\n"] {
            check(bad, false);
        }
    }

    #[test]
    fn a_token_id_has_one_text() {
        let check = |text: &str, good: bool| {
            let id = text.parse::<TokenId>();
            assert_eq!(
                id.map(|id| id.to_string()).as_deref(),
                if good { Ok(text) } else { Err(&ParseIdError) }
            );
        };
        check("1.AAAAAAAAAAAAAAAAAAAAAA", true);
        check("1.AAAAAAAAAAAAAAAAAAAAAB", false); // trailing bits
        check("1.AAAAAAAAAAAAAAAAAAAAAA==", false);
        check("1.AAAAAAAAAAAAAAAAAAAAA", false);
        check("1.AAAAAAAAAAAAAAAAAAAAAAA", false);
        check("1AAAAAAAAAAAAAAAAAAAAAA", false);
        check(".AAAAAAAAAAAAAAAAAAAAAA", false);
    }
}
