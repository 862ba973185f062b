//! The last six characters of some texts: a CRC-32 of all that precedes them, in base62. A scanner
//! that finds a text in a public place recognizes a token by it, without a key and without a
//! request, as with the tokens of GitHub
//! (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>).
//!
//! It proves nothing: anyone can compute it. Texts with and without a checksum are signed with
//! different subkeys, so adding or removing these characters never turns one token into another.

/// The length of a checksum, in characters. Every number of 32 bits has at most as many digits.
pub const LENGTH: usize = 6;

/// The regular expression of a checksum. The greatest is `4gfFC3`.
pub(super) const PATTERN: &str = "[0-4][0-9A-Za-z]{5}";

/// The digits of base62, in GitHub's order.
const DIGITS: [u8; 62] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether a text has a checksum, and whether it is the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The text has none.
    Absent,
    /// The checksum is that of the text.
    Right,
    /// The checksum is not that of the text, which was cut, mistyped or made up.
    Wrong,
}

/// Appends the checksum of a text to it.
pub(super) fn append(text: &mut String) {
    let checksum = of(text);
    text.extend(checksum.map(char::from));
}

/// Compares the last characters of a text with the checksum of the rest.
pub(super) fn check(text: &str) -> Checksum {
    let parts = text.len().checked_sub(LENGTH).and_then(|end| text.split_at_checked(end));
    match parts {
        Some((rest, checksum)) if checksum.as_bytes() == of(rest) => Checksum::Right,
        _ => Checksum::Wrong,
    }
}

/// The CRC-32 of ISO-HDLC (the one of Ethernet, gzip and PNG), with zeros in front.
fn of(text: &str) -> [u8; LENGTH] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut checksum = [b'0'; LENGTH];
    for place in checksum.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).ok().and_then(|digit| DIGITS.get(digit));
        *place = *digit.unwrap_or(&b'0');
        rest /= 62;
    }
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_crc_32_in_base62() {
        let check_one = |text: &str, expected: &str| {
            let mut whole = text.to_owned();
            append(&mut whole);
            assert_eq!(whole, format!("{text}{expected}"));
            assert_eq!(check(&whole), Checksum::Right);
        };
        // The check value of the catalogue of CRCs: 0xCBF43926.
        check_one("123456789", "3jZRME");
        check_one("a", "4GEHKN");
        // Zeros in front, and nearly the greatest one, which is 4gfFC3.
        check_one("", "000000");
        check_one("1084923", "00008C");
        check_one("2201161", "4gfEOf");
    }

    #[test]
    fn every_other_text_has_a_wrong_checksum() {
        for text in ["", "3jZRME", "123456783jZRME", "1234567893jZRMF", "123456789", "é3jZRM"] {
            assert_eq!(check(text), Checksum::Wrong, "{text}");
        }
        assert_eq!(check("000000"), Checksum::Right);
    }
}
