//! The public keys with which GitHub signs its reports, as
//! <https://api.github.com/meta/public_keys/secret_scanning> returns them.

use std::collections::BTreeMap;

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde::Deserialize;

/// The URL of the keys.
pub const URL: &str = "https://api.github.com/meta/public_keys/secret_scanning";

/// The maximum size of the document, in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;

/// The `SubjectPublicKeyInfo` of every key on P-256 (RFC 5480 section 2) before its uncompressed
/// point of 65 bytes: the algorithm, the curve, and the start of the bit string. DER has one
/// encoding of it.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The length of an uncompressed point on P-256 (SEC 1 section 2.3.3).
const POINT: usize = 65;

/// The published keys, by their IDs. Those that are no longer current verify as well: GitHub
/// publishes them for the reports that they have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Vec<u8>>);

/// The document is not one of public keys, or has none on P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has no public key on P-256")]
pub struct NoKeys;

#[derive(Deserialize)]
struct Document {
    public_keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    key_identifier: String,
    key: String,
}

impl Keys {
    /// Parses the document. Keys of other kinds are skipped.
    ///
    /// # Errors
    /// Returns [`NoKeys`] if the document is malformed or too large, if it has no key on P-256, or if
    /// two keys have the same ID.
    pub fn parse(json: &[u8]) -> Result<Self, NoKeys> {
        if json.len() > MAX_DOCUMENT {
            return Err(NoKeys);
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| NoKeys)?;
        let mut keys = BTreeMap::new();
        for PublicKey { key_identifier, key } in document.public_keys {
            let Some(point) = point(&key) else { continue };
            if keys.insert(key_identifier, point).is_some() {
                return Err(NoKeys);
            }
        }
        if keys.is_empty() { Err(NoKeys) } else { Ok(Self(keys)) }
    }

    /// Whether a key has this ID.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Whether the key with this ID has signed the message: ECDSA on P-256 with SHA-256 (FIPS
    /// 186-5), in ASN.1 DER. Returns `None` if no key has this ID.
    pub fn verify(&self, id: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0.get(id)?);
        Some(key.verify(message, signature).is_ok())
    }
}

/// The point of a PEM (RFC 7468 section 13).
fn point(pem: &str) -> Option<Vec<u8>> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    let point = key.strip_prefix(&P256)?;
    (point.len() == POINT).then(|| point.to_vec())
}
