//! The normal form of a user name: what the store, the limiter and the look-up compare.

use std::fmt;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

use crate::text::{self, LineError};

/// A user name in the form `username_key` has in the user table: Unicode `NFKC_Casefold`.
///
/// Two names that a reader could take for one another by width, style, case or composition have one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameKey(String);

impl NameKey {
    /// The longest key that is looked up, in bytes; an index key of DynamoDB holds 2,048.
    pub const MAX_BYTES: usize = 512;

    /// The key of this name.
    ///
    /// `toNFKC_Casefold` of the Unicode Standard, section 3.13.3: compatibility-decompose, fold the case, leave out
    /// what is ignorable by default, compose. Done until nothing changes, because folding can decompose anew.
    pub fn new(name: &str) -> Self {
        let mut key = fold(name);
        loop {
            let again = fold(&key);
            if again == key {
                return Self(key);
            }
            key = again;
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a user can have it: it is neither empty nor longer than [`NameKey::MAX_BYTES`].
    pub fn is_usable(&self) -> bool {
        !self.0.is_empty() && self.0.len() <= Self::MAX_BYTES
    }
}

/// What [`check`] asks for, for a message.
pub const FORM: &str = "a user name is 1 to 512 bytes with a visible character, without colons and control characters, and \
     without characters that change the direction of text";

/// Why a user cannot be given a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It is no line of text.
    Line(LineError),
    /// It is longer than [`NameKey::MAX_BYTES`], or its normal form is.
    TooLong,
    /// It holds a colon, which ends the name in Basic (RFC 7617 section 2).
    Colon,
}

/// The normal form of a name that a user may be given. It is checked wherever Hallpass writes one, after
/// [`text::trimmed`]; names that the application wrote are taken as they are.
///
/// # Errors
/// When no user may be given it, and why.
pub fn check(name: &str) -> Result<NameKey, NameError> {
    if name.len() > NameKey::MAX_BYTES {
        return Err(NameError::TooLong);
    }
    text::check(name, NameKey::MAX_BYTES).map_err(NameError::Line)?;
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

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(bad) => bad.fmt(f),
            Self::TooLong => write!(f, "it must have at most {} bytes", NameKey::MAX_BYTES),
            Self::Colon => f.write_str("it must not have a colon"),
        }
    }
}

impl std::error::Error for NameError {}

impl fmt::Display for NameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_have_one_key_and_others_do_not() {
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
    fn a_name_that_could_not_be_typed_read_or_looked_up_is_given_to_nobody() {
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
        // U+FDFA is one character of three bytes, and eighteen in its normal form.
        check(&"\u{fdfa}".repeat(100), Err(NameError::TooLong));
    }

    #[test]
    fn an_empty_or_endless_key_belongs_to_nobody() {
        let check = |name: &str, usable| assert_eq!(NameKey::new(name).is_usable(), usable);
        check("a", true);
        check("", false);
        check("\u{200b}\u{ad}", false);
        check(&"x".repeat(512), true);
        check(&"x".repeat(513), false);
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in any::<String>()) {
            let key = NameKey::new(&name);
            prop_assert_eq!(NameKey::new(key.as_str()), key);
        }
    }
}
