//! The normal form of a user name, which the store, the rate limiter and the look-up compare.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

use crate::text::{self, LineError};

/// The normal form of a user name, `username_key` in the user table: Unicode `NFKC_Casefold`.
///
/// Names that differ only in width, style, case or composition have the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameKey(String);

impl NameKey {
    /// The maximum length of a key, in bytes. An index key of DynamoDB holds 2,048.
    pub const MAX_BYTES: usize = 512;

    /// Returns the key of this name.
    ///
    /// This is `toNFKC_Casefold` of the Unicode Standard, section 3.13.3: compatibility-decompose,
    /// fold the case, drop default-ignorable characters, compose. It is repeated until nothing
    /// changes, because folding can decompose again.
    pub fn new(name: &str) -> Self {
        let mut key = fold(name);
        loop {
            let folded = fold(&key);
            if folded == key {
                return Self(key);
            }
            key = folded;
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a user can have this key: it is neither empty nor longer than
    /// [`NameKey::MAX_BYTES`].
    pub fn is_usable(&self) -> bool {
        !self.0.is_empty() && self.0.len() <= Self::MAX_BYTES
    }
}

/// The requirements of [`check`], for messages.
pub const FORM: &str = "a user name must have 1 to 512 bytes, at least one visible character, no \
                        colons, no control \
     characters, and no characters that change the direction of text";

/// Why a name is invalid for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is not a valid line of text.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The name or its normal form is longer than [`NameKey::MAX_BYTES`].
    #[error("it must have at most {} bytes", NameKey::MAX_BYTES)]
    TooLong,
    /// The name contains a colon, which ends the name in Basic (RFC 7617 section 2).
    #[error("it must not contain a colon")]
    Colon,
}

/// Checks a name and returns its normal form. Call [`text::trimmed`] first. Hallpass checks every
/// name that it writes, but not the names that an application has written.
///
/// # Errors
/// Returns a [`NameError`] if the name is invalid.
pub fn check(name: &str) -> Result<NameKey, NameError> {
    if name.len() > NameKey::MAX_BYTES {
        return Err(NameError::TooLong);
    }
    text::check(name, NameKey::MAX_BYTES)?;
    if name.contains(':') {
        return Err(NameError::Colon);
    }
    let key = NameKey::new(name);
    if key.is_usable() { Ok(key) } else { Err(NameError::TooLong) }
}

fn fold(name: &str) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(name).into_owned();
    let folded = CaseMapper::new().fold_string(&decomposed).into_owned();
    let kept: String = folded.chars().filter(|c| !ignorable.contains(*c)).collect();
    ComposingNormalizerBorrowed::new_nfkc().normalize(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_have_the_same_key() {
        let check = |one: &str, two: &str, same: bool| {
            assert_eq!(NameKey::new(one) == NameKey::new(two), same, "{one} {two}");
        };
        check("my_username", "My_UserName", true);
        check("ᴮᴵᴳᴮᴵᴿᴰ", "bigbird", true);
        check("é", "e\u{301}", true);
        check("ﬁsh", "fish", true);
        check("straße", "STRASSE", true);
        check("ｆｕｌｌ", "full", true);
        check("a\u{ad}b", "ab", true);
        check("ΑΣ", "ας", true);
        check("I", "ı", false);
        check("I", "i", true);
        check("a", "b", false);
        check("a b", "ab", false);
    }

    #[test]
    fn an_invalid_name_is_rejected() {
        let check = |name: &str, expected: Result<(), NameError>| {
            assert_eq!(check(name).map(drop), expected, "{name:?}");
        };
        check("ada", Ok(()));
        check("Ada Lovelace", Ok(()));
        check(&"x".repeat(512), Ok(()));
        check("a:b", Err(NameError::Colon));
        check(" ", Err(NameError::Line(LineError::Invisible)));
        check("ada ", Err(NameError::Line(LineError::Framed)));
        check(" eve", Err(NameError::Line(LineError::Framed)));
        check("\u{2800}", Err(NameError::Line(LineError::Invisible)));
        check("a\tb", Err(NameError::Line(LineError::Control)));
        check("ada\u{202e}nimda", Err(NameError::Line(LineError::Bidi)));
        check(&"x".repeat(513), Err(NameError::TooLong));
        // U+FDFA is one character of three bytes; its normal form has eighteen characters.
        check(&"\u{fdfa}".repeat(100), Err(NameError::TooLong));
    }

    #[test]
    fn an_empty_or_overlong_key_is_unusable() {
        let check = |name: &str, usable| assert_eq!(NameKey::new(name).is_usable(), usable);
        check("a", true);
        check("", false);
        check("\u{200b}\u{ad}", false);
        check(&"x".repeat(512), true);
        check(&"x".repeat(513), false);
    }

    proptest! {
        #[test]
        fn the_key_of_a_key_is_the_key_itself(name in any::<String>()) {
            let key = NameKey::new(&name);
            prop_assert_eq!(NameKey::new(key.as_str()), key);
        }
    }
}
