//! Whose certificates the command trusts: those of `AWS_CA_BUNDLE`, or all that this machine trusts, for somebody's way to
//! AWS may lead through a proxy.

use edge::{
    service,
    settings::{ConfigError, Lookup},
};
use store::connect::{Connection, SharedHttpClient, Trust};

/// Where AWS is, for the command.
///
/// # Errors
/// Names the variable that is missing, or that makes no sense.
pub(crate) fn connection(lookup: Lookup<'_>) -> Result<Connection, ConfigError> {
    service::connection_over(http_client(lookup)?, lookup)
}

/// The way to AWS, for the command.
///
/// # Errors
/// When `AWS_CA_BUNDLE` cannot be used.
pub(crate) fn http_client(lookup: Lookup<'_>) -> Result<SharedHttpClient, ConfigError> {
    // What cannot be read of them is not trusted; whom that keeps away is told so by the handshake.
    service::http_client(lookup, || Ok(Trust::from_certificates(rustls_native_certs::load_native_certs().certs)))
}
