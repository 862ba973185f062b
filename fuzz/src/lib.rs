//! What the targets share: one key, which is no secret of anybody, and the two ways to spell base64.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use token::{Issuer, Keyring, Timestamp};

/// A keyring with one key, so that what it opened can be signed again.
///
/// # Panics
/// Never: the keyring is good.
#[must_use]
pub fn keyring() -> Keyring {
    let keyring = r#"[{"id":"fuzz","key":"tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM","signs_from":0}]"#;
    Keyring::parse(keyring).expect("a good keyring")
}

/// A deployment with this prefix.
///
/// # Panics
/// When no deployment may have it.
#[must_use]
pub fn issuer(prefix: &str) -> Issuer {
    Issuer::new(prefix, "hallpass").expect("a good issuer")
}

/// The time in every target.
///
/// # Panics
/// Never: it is before the year 9999.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000).expect("an instant")
}

/// base64url without padding, as tokens and cursors have it.
#[must_use]
pub fn url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Reads what [`url`] wrote.
#[must_use]
pub fn from_url(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// base64 with padding, as `Basic` has it.
#[must_use]
pub fn padded(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}
