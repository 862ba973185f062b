//! The certificate authorities that the command trusts: those of `AWS_CA_BUNDLE`, or all that this
//! machine trusts, because requests to AWS may go through a proxy.

use hallpass_runtime::settings::{ConfigError, Lookup};
use hallpass_service::service;
use hallpass_store::connect::{Connection, SharedHttpClient, Trust};

/// Returns the command's connection to AWS.
///
/// # Errors
/// Returns a [`ConfigError`] that names the missing or invalid variable.
pub(crate) fn connection(lookup: Lookup<'_>) -> Result<Connection, ConfigError> {
    service::connection_over(http_client(lookup)?, lookup)
}

/// Returns the HTTP client that the command uses for AWS.
///
/// # Errors
/// Returns a [`ConfigError`] if `AWS_CA_BUNDLE` cannot be used.
pub(crate) fn http_client(lookup: Lookup<'_>) -> Result<SharedHttpClient, ConfigError> {
    // Certificates that cannot be read are not trusted; if one is needed, the TLS handshake fails.
    service::http_client(lookup, || {
        Ok(Trust::from_certificates(rustls_native_certs::load_native_certs().certs))
    })
}
