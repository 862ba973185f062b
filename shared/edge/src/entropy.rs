//! The one place that reads the random source of the operating system.

use store::Failure;
use token::Entropy;

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

/// The secret of one new token.
///
/// # Errors
/// When the operating system has none to give.
pub fn secret() -> Result<Entropy, Failure> {
    bytes().map(Entropy::new)
}
