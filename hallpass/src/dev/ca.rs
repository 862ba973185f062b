//! The certificates of the HTTPS server: an authority of one's own, made once, and a certificate for this machine.
//!
//! The authority does not expire and is good for nothing but this machine's own names, so that trusting `ca.pem` trusts
//! nothing else. The certificate of the server is made anew before it ends. Private keys are readable by their owner
//! only, and every file is there whole or not at all.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use time::macros::datetime;
use time::{Duration as Span, OffsetDateTime};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What a client trusts: the certificate of the authority.
pub const CA: &str = "ca.pem";

const CA_KEY: &str = "ca-key.pem";
const LEAF: &str = "tls.pem";
const LEAF_KEY: &str = "tls-key.pem";

/// How long a server certificate counts. Some clients take none that counts for more than 825 days.
const LIFETIME: Span = Span::days(397);

/// How long before its end a server certificate is made anew.
const MARGIN: Duration = Duration::from_hours(7 * 24);

/// Why there are no certificates.
#[derive(Debug)]
pub enum CaError {
    /// A file or the directory cannot be read or written.
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is there and does not hold what it should; with all of `ca.pem` and `ca-key.pem` away, both are made anew.
    Content {
        /// Which one.
        path: PathBuf,
        /// What is the matter.
        why: String,
    },
    /// A certificate could not be made.
    Make(rcgen::Error),
}

/// The configuration of the HTTPS server, with the certificates in a directory that are made there as needed. `now` is
/// in seconds of the Unix era.
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
    load(dir, now)?.ok_or_else(|| content(dir, CA, "it is not the certificate of the key in ca-key.pem"))
}

/// The configuration with the certificate that is there, if it is one of the authority, is that of its key, and counts
/// for long enough.
fn load(dir: &Path, now: u64) -> Result<Option<Arc<ServerConfig>>, CaError> {
    let authority = read(&dir.join(CA))?.unwrap_or_default();
    let authority = CertificateDer::from_pem_slice(&authority).map_err(|error| content(dir, CA, &error.to_string()))?;
    let (Some(leaf), Some(key)) = (read(&dir.join(LEAF))?, read(&dir.join(LEAF_KEY))?) else { return Ok(None) };
    let (Ok(leaf), Ok(key)) = (CertificateDer::from_pem_slice(&leaf), PrivateKeyDer::from_pem_slice(&key)) else {
        return Ok(None);
    };
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| content(dir, CA, &error.to_string()))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| content(dir, CA, &error.to_string()))?;
    let now = Duration::from_secs(now);
    let counts = |at: Duration| {
        let name = ServerName::try_from("localhost");
        name.is_ok_and(|name| {
            verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::since_unix_epoch(at)).is_ok()
        })
    };
    if !counts(now) || !counts(now.saturating_add(MARGIN)) {
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
    let authority_key = String::from_utf8(authority_key).map_err(|error| content(dir, CA_KEY, &error.to_string()))?;
    let authority_key = KeyPair::from_pem(&authority_key).map_err(|error| content(dir, CA_KEY, &error.to_string()))?;
    let issuer = Issuer::new(authority(now), authority_key);
    let key = KeyPair::generate().map_err(CaError::Make)?;
    let certificate = leaf(now).and_then(|params| params.signed_by(&key, &issuer)).map_err(CaError::Make)?;
    write(&dir.join(LEAF_KEY), &key.serialize_pem(), 0o600)?;
    write(&dir.join(LEAF), &certificate.pem(), 0o644)
}

/// The authority. RFC 5280 (4.1.2.5) has this end for a certificate that has none.
fn authority(now: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Hallpass on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 1], 32)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(std::net::Ipv6Addr::LOCALHOST.octets(), 128)),
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

/// A day ago, for clocks that are a little behind.
fn yesterday(now: u64) -> OffsetDateTime {
    let now = i64::try_from(now).ok().and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok());
    now.unwrap_or(OffsetDateTime::UNIX_EPOCH).saturating_sub(Span::days(1))
}

/// What a file holds, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, CaError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CaError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file beside its place and then moves it there.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    let beside = path.with_extension("new");
    let written = || {
        // One that an earlier start left behind may have been anybody's.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().map_err(|source| CaError::File { path: path.to_owned(), source })
}

fn content(dir: &Path, name: &str, why: &str) -> CaError {
    CaError::Content { path: dir.join(name), why: why.to_owned() }
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{} cannot be used", path.display()),
            Self::Content { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Make(_) => f.write_str("a certificate could not be made"),
        }
    }
}

impl std::error::Error for CaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Make(source) => Some(source),
            Self::Content { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
