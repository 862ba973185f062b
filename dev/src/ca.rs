//! The certificates of the HTTPS server: a certificate authority, created once, and a server
//! certificate for this machine.
//!
//! The authority does not expire and is constrained to the names of this machine, so that trusting
//! `ca.pem` trusts nothing else. The server certificate is replaced before it expires. Private keys
//! are readable only by their owner, and every file is written atomically.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use time::macros::datetime;
use time::{Duration as Span, OffsetDateTime};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The certificate of the authority, which clients trust.
pub const CA: &str = "ca.pem";

const CA_KEY: &str = "ca-key.pem";
const LEAF: &str = "tls.pem";
const LEAF_KEY: &str = "tls-key.pem";

/// The lifetime of a server certificate. Some clients reject certificates that are valid for more
/// than 825 days.
const LIFETIME: Span = Span::days(397);

/// How long before its expiry a server certificate is replaced.
const MARGIN: Duration = Duration::from_hours(7 * 24);

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file or the directory cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Path of the file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The content of a file is invalid. If `ca.pem` or `ca-key.pem` is deleted, both are created
    /// again.
    #[error("{}: {why}", path.display())]
    Content {
        /// Path of the file.
        path: PathBuf,
        /// Description of the error.
        why: String,
    },
    /// A certificate could not be created.
    #[error("cannot create a certificate")]
    Make(#[source] rcgen::Error),
}

/// Returns the configuration of the HTTPS server, with the certificates of a directory. Missing and
/// expiring certificates are created there. `now` is a Unix time in seconds.
pub fn server_config(dir: &Path, now: u64) -> Result<Arc<ServerConfig>, CaError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(|source| CaError::File { path: dir.to_owned(), source })?;
    if read(&dir.join(CA))?.is_none() || read(&dir.join(CA_KEY))?.is_none() {
        make_authority(dir, now)?;
    }
    if let Some(config) = load(dir, now)? {
        return Ok(config);
    }
    make_leaf(dir, now)?;
    load(dir, now)?.ok_or_else(|| content(dir, CA, "not the certificate of the key in ca-key.pem"))
}

/// Returns the configuration with the existing certificate, if it was issued by the authority,
/// matches its key, and is valid for long enough.
fn load(dir: &Path, now: u64) -> Result<Option<Arc<ServerConfig>>, CaError> {
    let authority = read(&dir.join(CA))?.unwrap_or_default();
    let authority = CertificateDer::from_pem_slice(&authority)
        .map_err(|error| content(dir, CA, &error.to_string()))?;
    let (Some(leaf), Some(key)) = (read(&dir.join(LEAF))?, read(&dir.join(LEAF_KEY))?) else {
        return Ok(None);
    };
    let (Ok(leaf), Ok(key)) =
        (CertificateDer::from_pem_slice(&leaf), PrivateKeyDer::from_pem_slice(&key))
    else {
        return Ok(None);
    };
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| content(dir, CA, &error.to_string()))?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| content(dir, CA, &error.to_string()))?;
    let now = Duration::from_secs(now);
    let is_valid = |at: Duration| {
        let name = ServerName::try_from("localhost");
        name.is_ok_and(|name| {
            verifier
                .verify_server_cert(&leaf, &[], &name, &[], UnixTime::since_unix_epoch(at))
                .is_ok()
        })
    };
    if !is_valid(now) || !is_valid(now.saturating_add(MARGIN)) {
        return Ok(None);
    }
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![leaf], key));
    Ok(config.ok().map(|mut config| {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }))
}

fn make_authority(dir: &Path, now: u64) -> Result<(), CaError> {
    let key = KeyPair::generate().map_err(CaError::Make)?;
    let certificate = authority(now).self_signed(&key).map_err(CaError::Make)?;
    write(&dir.join(CA_KEY), &key.serialize_pem(), 0o600)?;
    write(&dir.join(CA), &certificate.pem(), 0o644)
}

fn make_leaf(dir: &Path, now: u64) -> Result<(), CaError> {
    let authority_key = read(&dir.join(CA_KEY))?.unwrap_or_default();
    let authority_key = String::from_utf8(authority_key)
        .map_err(|error| content(dir, CA_KEY, &error.to_string()))?;
    let authority_key = KeyPair::from_pem(&authority_key)
        .map_err(|error| content(dir, CA_KEY, &error.to_string()))?;
    let issuer = Issuer::new(authority(now), authority_key);
    let key = KeyPair::generate().map_err(CaError::Make)?;
    let certificate =
        leaf(now).and_then(|params| params.signed_by(&key, &issuer)).map_err(CaError::Make)?;
    write(&dir.join(LEAF_KEY), &key.serialize_pem(), 0o600)?;
    write(&dir.join(LEAF), &certificate.pem(), 0o644)
}

/// Returns the parameters of the authority. Its expiry is the one that RFC 5280 (4.1.2.5) assigns
/// to a certificate without an expiry.
fn authority(now: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Hallpass on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 1], 32)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
                std::net::Ipv6Addr::LOCALHOST.octets(),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    params.not_before = yesterday(now);
    params.not_after = datetime!(9999-12-31 23:59:59 UTC);
    params
}

fn leaf(now: u64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.subject_alt_names = vec![
        SanType::DnsName(Ia5String::try_from("localhost")?),
        SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
        SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = yesterday(now);
    params.not_after = params.not_before.saturating_add(LIFETIME);
    Ok(params)
}

/// Returns the time one day ago, so that clocks that are slightly behind accept the certificate.
fn yesterday(now: u64) -> OffsetDateTime {
    let now = i64::try_from(now).ok().and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok());
    now.unwrap_or(OffsetDateTime::UNIX_EPOCH).saturating_sub(Span::days(1))
}

/// Reads a file if it exists.
fn read(path: &Path) -> Result<Option<Vec<u8>>, CaError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CaError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file under a temporary name, and then renames it.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    let temporary = path.with_extension("new");
    let written = || {
        // A file left behind by an earlier start can have another owner and mode.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    written().map_err(|source| CaError::File { path: path.to_owned(), source })
}

fn content(dir: &Path, name: &str, why: &str) -> CaError {
    CaError::Content { path: dir.join(name), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
