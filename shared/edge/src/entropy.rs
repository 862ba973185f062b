//! Reads the random number generator of the operating system. No other module does.

use store::Failure;
use token::Entropy;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Returns random bytes.
///
/// # Errors
/// Returns a [`Failure`] if the operating system provides no random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the random source")]
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("reading the random source", error.to_string()))?;
    Ok(bytes)
}

/// Returns a random `token_generation` for a user without one that can be raised. It lies in the lower half of the
/// range, so that it can be raised later.
///
/// # Errors
/// Returns a [`Failure`] if the operating system provides no random bytes.
pub fn generation() -> Result<u32, Failure> {
    bytes().map(|bytes| u32::from_be_bytes(bytes) >> 1)
}

/// The random bytes for one request. A request creates one token, or one session or flow and one page, so no byte is
/// used twice.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Randomness {
    bytes: [u8; 80],
    attempt: [u8; 8],
}

/// Returns the random bytes for one request.
///
/// # Errors
/// Returns a [`Failure`] if the operating system provides no random bytes.
pub fn randomness() -> Result<Randomness, Failure> {
    Ok(Randomness { bytes: bytes()?, attempt: bytes()? })
}

impl Randomness {
    /// Returns the secret of the new token.
    pub fn secret(&self) -> Entropy {
        Entropy::new(*self.bytes.first_chunk().unwrap_or(&[0; 16]))
    }

    /// Returns the ID of the new session or flow, and the value that its forms must repeat.
    pub fn session(&self) -> ([u8; 32], [u8; 32]) {
        let part = |from: usize| self.bytes.get(from..).and_then(|rest| rest.first_chunk::<32>().copied());
        (part(0).unwrap_or([0; 32]), part(32).unwrap_or([0; 32]))
    }

    /// Returns the nonce of the forms on one page.
    pub fn form(&self) -> [u8; 16] {
        *self.bytes.last_chunk().unwrap_or(&[0; 16])
    }

    /// Returns the ID of the request's log-in attempt. It is not secret.
    pub fn attempt(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.attempt))
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness")
    }
}
