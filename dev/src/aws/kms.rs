//! KMS: `Sign` and `GetPublicKey` with one key for ECDSA on the curve P-256, which it keeps in a
//! file.
//!
//! It follows <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html> and
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html>.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use hallpass_runtime::{
    entropy,
    files::{read, write_private},
};
use hallpass_token::Text;
use p256::{
    ecdsa::{
        DerSignature, SigningKey,
        signature::{Signer, hazmat::PrehashSigner},
    },
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, Rejection, StartError};

#[cfg(test)]
mod tests;

/// The file of the signing key in a data directory: PKCS#8 in PEM (RFC 7468 section 10).
pub const FILE: &str = "kms-key.pem";

/// The alias of the signing key, which is accepted in place of its ID.
pub const ALIAS: &str = "alias/hallpass-audit";

/// The ID of the signing key.
const KEY_ID: &str = "00000000-0000-4000-8000-000000000000";

/// The only algorithm of the key.
const ALGORITHM: &str = "ECDSA_SHA_256";

/// The algorithms that KMS knows and a key on P-256 does not support.
const OTHER_ALGORITHMS: [&str; 12] = [
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "ECDSA_SHA_384",
    "ECDSA_SHA_512",
    "SM2DSA",
    "ED25519_SHA_512",
    "ED25519_PH_SHA_512",
    "ML_DSA_SHAKE_256",
];

/// The maximum length of a message, in bytes.
const MAX_MESSAGE_LENGTH: usize = 4_096;

/// The length of a digest, in bytes.
const DIGEST_LENGTH: usize = 32;

/// The signing key.
pub(super) struct Kms {
    key: SigningKey,
    /// The public key, a `SubjectPublicKeyInfo` (RFC 5480) in Base64.
    public: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignRequest {
    message: Option<String>,
    message_type: Option<String>,
    signing_algorithm: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyRequest {
    key_id: Option<String>,
}

impl Kms {
    /// Reads the signing key, or creates it on the first start.
    ///
    /// # Errors
    /// Returns a [`StartError`] if the file cannot be used.
    pub(super) fn open(path: &Path) -> Result<Self, StartError> {
        let bad = |why: &dyn std::fmt::Display| {
            StartError::new(format!("cannot use the signing key {}", path.display()), why)
        };
        let key = if let Some(pem) = read(path).map_err(|error| bad(&error))?.map(Text::new) {
            SigningKey::from_pkcs8_pem(pem.expose_secret()).map_err(|error| bad(&error))?
        } else {
            let random = entropy::bytes::<32>().map_err(|failure| bad(&failure.report()))?;
            let key = SigningKey::from_slice(&random).map_err(|error| bad(&error))?;
            let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| bad(&error))?;
            write_private(path, &pem).map_err(|error| bad(&error))?;
            key
        };
        let public = key.verifying_key().to_public_key_der().map_err(|error| bad(&error))?;
        Ok(Self { public: STANDARD.encode(public.as_bytes()), key })
    }

    /// Responds to `Sign`.
    ///
    /// # Errors
    /// Returns a [`Rejection`] as KMS names it.
    pub(super) fn sign(&self, body: &[u8]) -> Result<Value, Rejection> {
        check_key(body)?;
        let request: SignRequest = parse(body)?;
        match request.signing_algorithm.as_deref() {
            Some(ALGORITHM) => {}
            Some(other) if OTHER_ALGORITHMS.contains(&other) => {
                return Err(Rejection::new(
                    "InvalidKeyUsageException",
                    format!("Algorithm {other} and key spec ECC_NIST_P256 are incompatible."),
                ));
            }
            _ => {
                return Err(Rejection::validation(format!("SigningAlgorithm must be {ALGORITHM}")));
            }
        }
        let message = STANDARD.decode(request.message.unwrap_or_default());
        let message = message
            .map_err(|_| Rejection::new("SerializationException", "Message must be Base64"))?;
        if message.is_empty() || message.len() > MAX_MESSAGE_LENGTH {
            return Err(Rejection::validation(format!(
                "Message must have 1 to {MAX_MESSAGE_LENGTH} bytes, not {}",
                message.len()
            )));
        }
        let signature: Result<DerSignature, _> = match request.message_type.as_deref() {
            None | Some("RAW") => self.key.try_sign(&message),
            Some("DIGEST") if message.len() == DIGEST_LENGTH => self.key.sign_prehash(&message),
            Some("DIGEST") => {
                return Err(Rejection::validation(format!(
                    "Digest is invalid length for algorithm {ALGORITHM}."
                )));
            }
            Some(_) => return Err(Rejection::validation("MessageType must be RAW or DIGEST")),
        };
        let signature =
            signature.map_err(|error| Rejection::new("KMSInternalException", error.to_string()))?;
        Ok(json!({
            "KeyId": key_arn(),
            "Signature": STANDARD.encode(signature.as_bytes()),
            "SigningAlgorithm": ALGORITHM,
        }))
    }

    /// Responds to `GetPublicKey`.
    ///
    /// # Errors
    /// Returns a [`Rejection`] as KMS names it.
    pub(super) fn public_key(&self, body: &[u8]) -> Result<Value, Rejection> {
        check_key(body)?;
        Ok(json!({
            "KeyId": key_arn(),
            "PublicKey": self.public,
            "CustomerMasterKeySpec": "ECC_NIST_P256",
            "KeySpec": "ECC_NIST_P256",
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": [ALGORITHM],
        }))
    }
}

/// Returns the ARN of the key, by which responses name it.
fn key_arn() -> String {
    arn(&format!("key/{KEY_ID}"))
}

fn arn(resource: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:{resource}")
}

/// Rejects a request for another key. A key has an ID, an alias, and the ARNs of both.
fn check_key(body: &[u8]) -> Result<(), Rejection> {
    let request: KeyRequest = parse(body)?;
    let Some(id) = request.key_id.filter(|id| !id.is_empty()) else {
        return Err(Rejection::validation("KeyId is required"));
    };
    if id == KEY_ID || id == ALIAS || id == key_arn() || id == arn(ALIAS) {
        return Ok(());
    }
    Err(Rejection::new("NotFoundException", format!("Key '{id}' does not exist")))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Rejection> {
    serde_json::from_slice(body)
        .map_err(|error| Rejection::new("SerializationException", error.to_string()))
}

impl std::fmt::Debug for Kms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kms")
    }
}
