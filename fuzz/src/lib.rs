//! Shared parts of the targets: a test key and the two variants of base64.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use hallpass_token::{Issuer, Keyring, Timestamp};

/// Returns a keyring with one key, so that targets can sign a verified token again.
///
/// # Panics
/// Never: the keyring is valid.
#[must_use]
pub fn keyring() -> Keyring {
    let keyring =
        r#"[{"id":"fuzz","key":"tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM","signs_from":0}]"#;
    Keyring::parse(keyring).expect("a valid keyring")
}

/// Returns the issuer of a deployment with this prefix.
///
/// # Panics
/// Panics if the prefix is invalid.
#[must_use]
pub fn issuer(prefix: &str) -> Issuer {
    Issuer::new(prefix, "hallpass").expect("a valid issuer")
}

/// Returns the present time of every target.
///
/// # Panics
/// Never: the time is before the year 9999.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000).expect("an instant")
}

/// Encodes base64url without padding, as in tokens and cursors.
#[must_use]
pub fn url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the output of [`url`].
#[must_use]
pub fn from_url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes base64 with padding, as in `Basic` credentials.
#[must_use]
pub fn padded(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
