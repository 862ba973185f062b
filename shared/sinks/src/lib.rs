//! Where events go: the audit log in S3, with the key in KMS that signs its digests, and the bus in
//! EventBridge.
//!
//! [`hallpass_audit`] knows what is written and how it is verified; this crate reads and writes it.
//!
//! | module | contents |
//! |---|---|
//! | [`mod@bucket`] | the objects of the log |
//! | [`mod@bus`] | the bus of the events |
//! | [`signing`] | the key of the digests |
//! | [`pages`] | the entries of the log, in pages |
//! | [`verification`] | reads the whole log, and compares it with the table |

use hallpass_runtime::settings::{self, ConfigError, Lookup};
use hallpass_store::connect::Connection;

pub mod bucket;
pub mod bus;
pub mod pages;
pub mod signing;
pub mod verification;

pub use bucket::Bucket;
pub use bus::Bus;
pub use signing::SigningKey;

/// The setting with the name of the bucket.
pub const BUCKET: &str = "HALLPASS_AUDIT_BUCKET";

/// The setting with the name of the bus.
pub const BUS: &str = "HALLPASS_EVENT_BUS";

/// The setting with the ARN of the signing key.
pub const KEY: &str = "HALLPASS_AUDIT_KEY";

/// Reads the name of the bucket, and reaches it. Returns `None` if the stack keeps no audit log.
///
/// # Errors
/// Returns a [`ConfigError`] if an endpoint is not a URL.
pub fn bucket(connection: &Connection, lookup: Lookup<'_>) -> Result<Option<Bucket>, ConfigError> {
    let Some(name) = settings::text(lookup, BUCKET) else { return Ok(None) };
    let endpoint = settings::endpoint(lookup, "HALLPASS_S3_ENDPOINT")?;
    Ok(Some(Bucket::new(connection, name, endpoint)))
}

/// Reads the name of the bus, and reaches it. Returns `None` if the stack publishes no events.
///
/// # Errors
/// Returns a [`ConfigError`] if an endpoint is not a URL.
pub fn bus(connection: &Connection, lookup: Lookup<'_>) -> Result<Option<Bus>, ConfigError> {
    let Some(name) = settings::text(lookup, BUS) else { return Ok(None) };
    let endpoint = settings::endpoint(lookup, "HALLPASS_EVENTS_ENDPOINT")?;
    Ok(Some(Bus::new(connection, name, endpoint)))
}

/// Reads the ARN of the signing key, and reaches it.
///
/// # Errors
/// Returns a [`ConfigError`] if the stack has no such key, or if an endpoint is not a URL.
pub fn signing_key(connection: &Connection, lookup: Lookup<'_>) -> Result<SigningKey, ConfigError> {
    let endpoint = settings::endpoint(lookup, "HALLPASS_KMS_ENDPOINT")?;
    Ok(SigningKey::new(connection, settings::required(lookup, KEY)?, endpoint))
}
