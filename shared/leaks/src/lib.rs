//! Reports of leaked tokens, as GitHub sends them to partners of its secret scanning
//! (<https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program>).
//!
//! | module | contents |
//! |---|---|
//! | [`delivery`] | a request: its body, and the signature among its headers |
//! | [`keys`] | the public keys of GitHub, and what they have signed |
//! | [`cache`] | the keys in memory, and when they are fetched again |
//! | [`report`] | the tokens of a report, and the response |
//!
//! A request passes through these types, of which each proves the check before it:
//! [`Delivery`] → [`Verified`] → [`Leak`]s.

pub mod cache;
pub mod delivery;
pub mod keys;
pub mod report;

pub use cache::{Fetched, KeyCache, Verified};
pub use delivery::Delivery;
pub use report::{Label, Leak};

/// Why a request was rejected, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body has more than [`delivery::MAX_BODY`] bytes.
    #[error("the body must have at most {max} bytes", max = delivery::MAX_BODY)]
    TooLarge,
    /// A header is missing, repeated or malformed.
    #[error("the headers {id} and {signature} must be there once each", id = delivery::KEY_ID, signature = delivery::SIGNATURE)]
    Headers,
    /// No key that GitHub publishes has this ID.
    #[error("the key is not published by GitHub")]
    UnknownKey,
    /// The key has not signed this body.
    #[error("the signature is not that of the body")]
    Signature,
    /// The body is signed by GitHub, and is not a report.
    #[error("the body must be a list of at most {max} objects with a token and a type", max = report::MAX_LEAKS)]
    Malformed,
    /// The keys of GitHub are not known and cannot be fetched now. The cause is absent if the last
    /// attempt was less than [`cache::INTERVAL`] ago.
    #[error("the keys of GitHub cannot be fetched")]
    Unavailable(#[source] Option<cache::Cause>),
}

impl Error {
    /// The status of the response (RFC 9110 section 15).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Headers | Self::UnknownKey | Self::Signature => 401,
            Self::TooLarge => 413,
            Self::Unavailable(_) => 503,
        }
    }
}

#[cfg(test)]
mod signer;
#[cfg(test)]
mod tests;
