//! The trusted certificate authorities. A function trusts only the authorities that sign for AWS.
//! They are compiled in, so that a start does not have to read and parse the hundreds of the
//! system's.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A set of trusted certificate authorities.
#[derive(Clone, Debug)]
pub struct Trust(pub(super) RootCertStore);

/// Why a PEM text cannot be used as a set of authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The text is not PEM, or has no certificate.
    #[error("it must contain a PEM certificate")]
    NoCertificate,
    /// The certificate with this number, counted from one, cannot be an authority's.
    #[error("its certificate {0} cannot be an authority's")]
    Unusable(usize),
}

/// The roots of Amazon Trust Services, which sign for every endpoint of AWS
/// (<https://www.amazontrust.com/repository/>). The first of them to expire does so in December
/// 2037.
pub const AMAZON_ROOTS: &[u8] = concat!(
    include_str!("../roots/amazon-root-ca-1.pem"),
    include_str!("../roots/amazon-root-ca-2.pem"),
    include_str!("../roots/amazon-root-ca-3.pem"),
    include_str!("../roots/amazon-root-ca-4.pem"),
    include_str!("../roots/starfield-services-root-ca-g2.pem"),
)
.as_bytes();

impl Trust {
    /// Trusts [`AMAZON_ROOTS`], which is enough to reach AWS.
    ///
    /// # Errors
    /// Never fails: a test parses the same roots.
    pub fn amazon() -> Result<Self, BundleError> {
        Self::only(AMAZON_ROOTS)
    }

    /// Trusts only the certificates of a PEM text.
    ///
    /// # Errors
    /// Returns a [`BundleError`] if the text has no certificate, or one that cannot be an
    /// authority's.
    pub fn only(pem: &[u8]) -> Result<Self, BundleError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unusable = BundleError::Unusable(index.saturating_add(1));
            roots
                .add(certificate.map_err(|_| BundleError::NoCertificate)?)
                .map_err(|_| unusable)?;
        }
        if roots.is_empty() { Err(BundleError::NoCertificate) } else { Ok(Self(roots)) }
    }

    /// Trusts these certificates (DER), except those that cannot be an authority's, which some
    /// systems include.
    pub fn from_certificates(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        Self(roots)
    }
}
