//! Secret values. They have no printing `Debug` and no `==`, and they are wiped when dropped.
//!
//! A comparison of tokens, of log-ins, of entropy or of keys does not compile:
//!
//! ```compile_fail,E0369
//! let _ = hallpass_token::Text::new("a") == hallpass_token::Text::new("a");
//! ```
//!
//! ```compile_fail,E0369
//! let _ = hallpass_token::Entropy::new([0; 16]) == hallpass_token::Entropy::new([0; 16]);
//! ```
//!
//! ```compile_fail,E0369
//! use hallpass_token::secret::Digest;
//! let _ = Digest::of(b"a") == Digest::of(b"a");
//! ```
//!
//! ```compile_fail,E0369
//! use hallpass_token::credential::Login;
//! let _ = Login::new("a", "b").unwrap() == Login::new("a", "b").unwrap();
//! ```
//!
//! ```compile_fail,E0369
//! fn are_the_same(one: &hallpass_token::Keyring, two: &hallpass_token::Keyring) -> bool {
//!     one.keys() == two.keys()
//! }
//! ```
//!
//! Digests are compared instead, in constant time:
//!
//! ```
//! use hallpass_token::{Text, secret::Digest, credential::Login};
//! let known = Digest::of(Text::new("a").expose_secret().as_bytes());
//! assert!(known.is_of(b"a") && !known.is_of(b"b"));
//! assert_eq!(Login::new("a", "b").unwrap().username(), "a");
//! ```

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::codec::decode_exactly;

/// Sixteen bytes from the operating system's random source: the secret of one new token.
///
/// Outside tests only `hallpass_runtime::entropy` creates one, and each is used for one token.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy([u8; 16]);

impl Entropy {
    /// Wraps sixteen random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The text of a token. It is shown to its holder once, and never printed, logged or stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Text(String);

impl Text {
    /// Wraps a text that a client sent or that was just signed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Wraps a pasted or posted text, without white space, a byte order mark, quotes and the scheme
    /// of a header around it. No token starts or ends with any of these, so this never turns one
    /// token into another. Tokens in headers are not trimmed.
    pub fn pasted(text: &str) -> Self {
        let mut text = text;
        loop {
            let bare = without_scheme(without_quotes(trimmed(text)));
            if bare.len() == text.len() {
                return Self::new(bare);
            }
            text = bare;
        }
    }

    /// The text itself, for the response that shows it and for [`crate::open`].
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a secret that a client holds. It recognizes the secret without revealing it.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of this secret.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether this is the digest of the secret. Takes constant time.
    pub fn is_of(&self, secret: &[u8]) -> bool {
        Self::of(secret).0.ct_eq(&self.0).into()
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest in base64url without padding: 43 characters.
    pub fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Parses the text of [`Digest::text`]. Returns `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        decode_exactly(text).map(Self)
    }
}

/// Trims white space, control characters, invisible characters, and the marks that a terminal puts
/// around pasted text.
pub fn trimmed(text: &str) -> &str {
    let trim = |text| str::trim_matches(text, is_invisible);
    let inner = trim(text);
    // The marks are ESC [ 200 ~ and ESC [ 201 ~. The first ESC has been trimmed as a control
    // character.
    let inner = inner.strip_prefix("[200~").unwrap_or(inner);
    trim(inner.strip_suffix("\u{1b}[201~").unwrap_or(inner))
}

/// Whether a character is invisible: white space, controls, direction marks, joiners, variation
/// selectors, fillers.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
        )
}

fn without_quotes(text: &str) -> &str {
    let pairs = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('\u{201c}', '\u{201d}'),
        ('\u{2018}', '\u{2019}'),
        ('<', '>'),
    ];
    let inner = |(open, close)| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    pairs.into_iter().find_map(inner).unwrap_or(text)
}

/// Only the start is compared, so that the cost is linear in the layers of quotes.
fn without_scheme(text: &str) -> &str {
    let rest = |scheme: &str| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start
            .eq_ignore_ascii_case(scheme)
            .then(|| rest.strip_prefix(|c: char| c.is_whitespace()))?
    };
    ["bearer", "token"].into_iter().find_map(rest).unwrap_or(text)
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Login;

    /// Compiles only for types that are wiped when dropped.
    fn wiped<T: ZeroizeOnDrop>() {}

    #[test]
    fn a_digest_matches_only_its_secret_and_parses_from_its_own_text() {
        let digest = Digest::of(b"topsecret");
        assert!(digest.is_of(b"topsecret") && !digest.is_of(b"topsecre") && !digest.is_of(b""));
        // The SHA-256 (FIPS 180-4) of the empty text.
        assert_eq!(Digest::of(b"").text(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        assert!(Digest::parse(&digest.text()).is_some_and(|read| read.is_of(b"topsecret")));
        for bad in [
            "",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF",
        ] {
            assert!(Digest::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_secret_type_prints_only_its_name() {
        let (entropy, text) = (Entropy::new([7; 16]), Text::new("topsecret"));
        let printed = format!("{entropy:?} {text:?} {:?}", Digest::of(b"topsecret"));
        assert_eq!(printed, "Entropy Text Digest");
        assert_eq!(format!("{:?}", Login::new("ada", "topsecret").unwrap()), "Login");
    }

    #[test]
    fn a_pasted_token_is_trimmed_only_at_its_ends() {
        let check = |pasted: &str, text: &str| {
            assert_eq!(Text::pasted(pasted).expose_secret(), text, "{pasted:?}");
        };
        for around in [
            "\r", "\n", "\r\n", " ", "\t", "\u{a0}", "\u{feff}", "\u{200b}", "\u{2060}", "\u{2028}",
        ] {
            check(&format!("t.1{around}"), "t.1");
            check(&format!("{around}t.1"), "t.1");
            check(&format!("{around}{around}t.1{around}"), "t.1");
            check(&format!("{around}Bearer t.1{around}"), "t.1");
        }
        for (open, close) in
            [("\"", "\""), ("'", "'"), ("`", "`"), ("\u{201c}", "\u{201d}"), ("<", ">")]
        {
            check(&format!("{open}t.1{close}\n"), "t.1");
            check(&format!("{open} t.1{close}"), "t.1");
        }
        check("Bearer t.1", "t.1");
        check("bearer\tt.1", "t.1");
        check("Token \"t.1\"", "t.1");
        check("\"Bearer t.1\"", "t.1");
        for whole in [
            "t.1",
            "t 1",
            "\"t.1",
            "t.1'",
            "Basic dA==",
            "Bearer",
            "t\n1",
            "t.1,",
            "t.1=",
            "-t_1-",
            "",
        ] {
            check(whole, whole);
        }
        check(&"\"".repeat(100_000), "");
    }

    #[test]
    fn every_secret_type_is_wiped() {
        wiped::<Entropy>();
        wiped::<Text>();
        wiped::<Login>();
        let mut text = Text::new("topsecret");
        text.zeroize();
        assert_eq!(text.expose_secret(), "");
        let mut entropy = Entropy::new([7; 16]);
        entropy.zeroize();
        assert_eq!(entropy.bytes(), &[0; 16]);
    }
}
