//! SHA-256 sums, which are public.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 (FIPS 180-4) of an image, an object or a digest. Its text is 64 hexadecimal
/// characters in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sum([u8; 32]);

/// The text is not a [`Sum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 must have 64 hexadecimal characters in lower case")]
pub struct ParseSumError;

impl Sum {
    /// The sum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 bytes, as a number.
    pub(crate) fn short(&self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sum {
    type Err = ParseSumError;

    fn from_str(text: &str) -> Result<Self, ParseSumError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(ParseSumError);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digits = nibble(*high).zip(nibble(*low)).ok_or(ParseSumError)?;
            *byte = digits.0 << 4 | digits.1;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sum {
    type Error = ParseSumError;

    fn try_from(text: String) -> Result<Self, ParseSumError> {
        text.parse()
    }
}

impl From<Sum> for String {
    fn from(sum: Sum) -> Self {
        sum.to_string()
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_one_text() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sum::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Sum::of(b"")));
        for bad in [&empty.to_uppercase(), &empty[1..], &format!("{empty}0"), "", &"g".repeat(64)] {
            assert_eq!(bad.parse::<Sum>(), Err(ParseSumError), "{bad}");
        }
    }
}
