//! The one place that reads the random source of the operating system.

use store::Failure;
use token::Entropy;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Random bytes.
///
/// # Errors
/// When the operating system has none to give; nothing is made then.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the random source")]
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("reading the random source", error.to_string()))?;
    Ok(bytes)
}

/// A value of `token_generation` that no token has, for a user who has none that can be raised. Half of the range is left
/// to raise it.
///
/// # Errors
/// When the operating system has no random bytes to give.
pub fn generation() -> Result<u32, Failure> {
    bytes().map(|bytes| u32::from_be_bytes(bytes) >> 1)
}

/// What one request may need of randomness. It makes one token or one flow and one page, so that no byte serves twice.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Randomness {
    made: [u8; 80],
    attempt: [u8; 8],
}

/// The draw of one request.
///
/// # Errors
/// When the operating system has none to give.
pub fn randomness() -> Result<Randomness, Failure> {
    Ok(Randomness { made: bytes()?, attempt: bytes()? })
}

impl Randomness {
    /// The secret of the new token.
    pub fn secret(&self) -> Entropy {
        Entropy::new(*self.made.first_chunk().unwrap_or(&[0; 16]))
    }

    /// The id of the new session or flow, and the value that its forms must repeat.
    pub fn session(&self) -> ([u8; 32], [u8; 32]) {
        let part = |from: usize| self.made.get(from..).and_then(|rest| rest.first_chunk::<32>().copied());
        (part(0).unwrap_or([0; 32]), part(32).unwrap_or([0; 32]))
    }

    /// What tells the forms of this page from those of every other.
    pub fn form(&self) -> [u8; 16] {
        *self.made.last_chunk().unwrap_or(&[0; 16])
    }

    /// The id of the request's attempt to log in, which is no secret.
    pub fn attempt(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.attempt))
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness")
    }
}
