//! Whose certificates are good. A function trusts the authorities that sign for AWS, and no other: they are compiled
//! in, so that no start reads and parses the hundreds that a system comes with.

use std::fmt;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The authorities whose certificates are good.
#[derive(Clone, Debug)]
pub struct Trust(pub(super) RootCertStore);

/// A text holds no certificates that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// It is not PEM, or has no certificate.
    NoCertificate,
    /// One of them, counted from one, cannot be an authority's.
    Unusable(usize),
}

/// The roots of Amazon Trust Services, which sign for every endpoint of AWS
/// (<https://www.amazontrust.com/repository/>). The first of them ends in December 2037.
pub const AMAZON_ROOTS: &[u8] = concat!(
    include_str!("../roots/amazon-root-ca-1.pem"),
    include_str!("../roots/amazon-root-ca-2.pem"),
    include_str!("../roots/amazon-root-ca-3.pem"),
    include_str!("../roots/amazon-root-ca-4.pem"),
    include_str!("../roots/starfield-services-root-ca-g2.pem"),
)
.as_bytes();

impl Trust {
    /// Trust in [`AMAZON_ROOTS`]: what a function needs to reach AWS.
    ///
    /// # Errors
    /// None: a test reads them as they are read here.
    pub fn amazon() -> Result<Self, BundleError> {
        Self::only(AMAZON_ROOTS)
    }

    /// Trust in the certificates of a PEM text and no other.
    ///
    /// # Errors
    /// When there is none, or one that could not be trusted.
    pub fn only(pem: &[u8]) -> Result<Self, BundleError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unusable = BundleError::Unusable(index.saturating_add(1));
            roots.add(certificate.map_err(|_| BundleError::NoCertificate)?).map_err(|_| unusable)?;
        }
        if roots.is_empty() { Err(BundleError::NoCertificate) } else { Ok(Self(roots)) }
    }

    /// Trust in those of these certificates (DER) that can be an authority's: systems come with some that cannot.
    pub fn from_certificates(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        Self(roots)
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("it holds no PEM certificate"),
            Self::Unusable(index) => write!(f, "its certificate {index} cannot be used"),
        }
    }
}

impl std::error::Error for BundleError {}
