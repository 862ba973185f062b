//! Reads the random number generator of the operating system. No other module does.

use hallpass_store::Failure;
use hallpass_token::{Entropy, UserId};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Returns random bytes.
///
/// # Errors
/// Returns a [`Failure`] if the operating system provides no random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the random source")]
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new("reading the random source", error.to_string()))?;
    Ok(bytes)
}

/// Returns a random `token_generation` for a user without one that can be raised. It lies in the
/// lower half of the range, so that it can be raised later.
///
/// # Errors
/// Returns a [`Failure`] if the operating system provides no random bytes.
pub fn generation() -> Result<u32, Failure> {
    bytes().map(lower_half)
}

/// Returns the ID of a new user, with 64 random bits.
///
/// # Errors
/// Returns a [`Failure`] if the operating system provides no random bytes.
pub fn user_id() -> Result<UserId, Failure> {
    bytes().and_then(id_of)
}

fn id_of(bytes: [u8; 8]) -> Result<UserId, Failure> {
    let id = format!("u{:016x}", u64::from_be_bytes(bytes));
    id.parse().map_err(|bad| Failure::new("generating a user ID", bad))
}

const fn lower_half(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) >> 1
}

/// The random bytes for one request. A request creates one token, or one session or flow and one
/// page, so no byte is used twice. If the operating system provides none, each method fails.
pub struct Randomness(Result<Drawn, Failure>);

#[derive(Zeroize, ZeroizeOnDrop)]
struct Drawn {
    bytes: [u8; 80],
    attempt: [u8; 8],
    generation: [u8; 4],
}

/// Draws the random bytes for one request.
pub fn randomness() -> Randomness {
    Randomness(Drawn::new())
}

impl Drawn {
    fn new() -> Result<Self, Failure> {
        Ok(Self { bytes: bytes()?, attempt: bytes()?, generation: bytes()? })
    }
}

impl Randomness {
    /// Returns the secret of the new token.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn secret(&self) -> Result<Entropy, Failure> {
        self.drawn().map(|drawn| Entropy::new(*drawn.bytes.first_chunk().unwrap_or(&[0; 16])))
    }

    /// Returns the ID of the new session or flow, and the value that its forms must repeat.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn session(&self) -> Result<([u8; 32], [u8; 32]), Failure> {
        let drawn = self.drawn()?;
        let part = |from: usize| {
            drawn.bytes.get(from..).and_then(|rest| rest.first_chunk::<32>().copied())
        };
        Ok((part(0).unwrap_or([0; 32]), part(32).unwrap_or([0; 32])))
    }

    /// Returns the nonce of the forms on one page.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn form(&self) -> Result<[u8; 16], Failure> {
        self.drawn().map(|drawn| *drawn.bytes.last_chunk().unwrap_or(&[0; 16]))
    }

    /// Returns the ID of the request's log-in attempt. It is not secret.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn attempt(&self) -> Result<String, Failure> {
        self.drawn().map(|drawn| format!("{:016x}", u64::from_be_bytes(drawn.attempt)))
    }

    /// Returns a `token_generation`, as [`generation`] does.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn generation(&self) -> Result<u32, Failure> {
        self.drawn().map(|drawn| lower_half(drawn.generation))
    }

    /// Returns the ID of a new user. A request that adds a user makes no log-in attempt.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn user_id(&self) -> Result<UserId, Failure> {
        self.drawn().and_then(|drawn| id_of(drawn.attempt))
    }

    /// Returns the salt of a new password. A request that sets a password creates no token and no
    /// session.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there are no random bytes.
    pub fn salt(&self) -> Result<[u8; 16], Failure> {
        self.drawn().map(|drawn| *drawn.bytes.first_chunk().unwrap_or(&[0; 16]))
    }

    fn drawn(&self) -> Result<&Drawn, Failure> {
        self.0.as_ref().map_err(|failure| Failure::new("creating random values", failure.report()))
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn generations_differ_and_lie_in_the_lower_half() {
        assert_eq!(lower_half([0xff; 4]), u32::MAX / 2);
        assert_eq!(lower_half([0, 0, 0, 5]), 2);
        let alone: BTreeSet<u32> = (0..8).map(|_| generation().unwrap()).collect();
        let of_requests: BTreeSet<u32> =
            (0..8).map(|_| randomness().generation().unwrap()).collect();
        assert!(alone.len() > 1 && of_requests.len() > 1, "{alone:?} {of_requests:?}");
    }
}
