//! Signatures of digests: ECDSA on P-256 with SHA-256 (FIPS 186-5), in DER (RFC 3279 section
//! 2.2.3), which KMS calls `ECDSA_SHA_256`. See
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>.

use std::{fmt, future::Future};

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};

use crate::sum::Sum;

/// The name of the algorithm, as KMS has it.
pub const ALGORITHM: &str = "ECDSA_SHA_256";

/// A signer of digests.
pub trait Signer {
    /// The failure of a signature.
    type Error;

    /// The ID of the key, by which a verifier finds its public key.
    fn key_id(&self) -> &str;

    /// Signs a message, and returns the signature in DER. `message` and its SHA-256 are both given:
    /// KMS signs the sum as a message of type `DIGEST`, because a message can be longer than the
    /// 4,096 bytes that it accepts.
    ///
    /// # Errors
    /// Returns an error if the key cannot be used.
    fn sign(
        &self,
        message: &[u8],
        sum: Sum,
    ) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;
}

/// The key pair is not a P-256 key pair in PKCS#8 (RFC 5208).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key must be a P-256 key pair in PKCS#8")]
pub struct KeyError;

/// The random source that a signature needs has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random source has failed")]
pub struct SignError;

/// A signer with a key in memory, for development and tests. `Debug` omits the key.
pub struct LocalSigner {
    key_id: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl LocalSigner {
    /// Reads a key pair.
    ///
    /// # Errors
    /// Returns a [`KeyError`] if it is not a P-256 key pair in PKCS#8.
    pub fn from_pkcs8(key_id: &str, pkcs8: &[u8], random: SystemRandom) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &random)
            .map_err(|_rejected| KeyError)?;
        Ok(Self { key_id: key_id.to_owned(), pair, random })
    }

    /// The public key as `SubjectPublicKeyInfo` in DER.
    pub fn public_key(&self) -> Vec<u8> {
        [&SPKI_OF_P256[..], self.pair.public_key().as_ref()].concat()
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Signer for LocalSigner {
    type Error = SignError;

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn sign(
        &self,
        message: &[u8],
        _sum: Sum,
    ) -> impl Future<Output = Result<Vec<u8>, SignError>> + Send {
        let signature = self.pair.sign(&self.random, message);
        let signature = signature.map(|signature| signature.as_ref().to_vec());
        std::future::ready(signature.map_err(|_failed| SignError))
    }
}

/// What precedes the point in a `SubjectPublicKeyInfo` of P-256 (RFC 5480 section 2).
const SPKI_OF_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key on P-256, which verifies digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// The public key is not on P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public key must be a P-256 key in SubjectPublicKeyInfo")]
pub struct PublicKeyError;

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in DER with an uncompressed point, as `GetPublicKey` of KMS
    /// returns it; see
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html>.
    ///
    /// # Errors
    /// Returns a [`PublicKeyError`] if it is anything else.
    pub fn from_spki(der: &[u8]) -> Result<Self, PublicKeyError> {
        let point = der.strip_prefix(&SPKI_OF_P256[..]).ok_or(PublicKeyError)?;
        let is_uncompressed = point.len() == 65 && point.first() == Some(&4);
        if is_uncompressed { Ok(Self(point.to_vec())) } else { Err(PublicKeyError) }
    }

    /// Whether the signature, in DER, is that of the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).verify(message, signature).is_ok()
    }
}
