//! Values that must not be seen. None of them prints, none of them compares with `==`, all are wiped when dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Sixteen bytes of the operating system's random source, as an argument: the secret of one new token.
///
/// Only `edge::entropy` makes one outside of tests, and each is used for one token.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy([u8; 16]);

impl Entropy {
    /// Takes sixteen random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The text of a token as its holder keeps it. It is shown once, and never printed, logged or stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Text(String);

impl Text {
    /// Takes a text that a client presented or that was just sealed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one answer that shows it and for [`crate::open`].
    pub fn reveal(&self) -> &str {
        &self.0
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
