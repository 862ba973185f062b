//! A signer in the place of GitHub, for tests.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
        ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
    },
};
use serde_json::json;

use crate::delivery::{KEY_ID, SIGNATURE};

/// The `SubjectPublicKeyInfo` of a key before its point, by its curve.
const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const P384: &str = "3076301006072a8648ce3d020106052b81040022036200";

/// A key pair, in the forms of each algorithm, and its ID.
pub(crate) struct Signer {
    pub(crate) id: String,
    document: Vec<u8>,
    algorithm: &'static EcdsaSigningAlgorithm,
}

impl Signer {
    pub(crate) fn p256(id: &str) -> Self {
        Self::new(id, &ECDSA_P256_SHA256_ASN1_SIGNING)
    }

    pub(crate) fn p384(id: &str) -> Self {
        Self::new(id, &ECDSA_P384_SHA384_ASN1_SIGNING)
    }

    fn new(id: &str, algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self { id: id.to_owned(), document: document.as_ref().to_vec(), algorithm }
    }

    fn pair(&self, algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(algorithm, &self.document, &SystemRandom::new()).unwrap()
    }

    /// Signs a message in DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair(self.algorithm).sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }

    /// Signs a message in the form of JWS (RFC 7518 section 3.4): two numbers of 32 bytes.
    pub(crate) fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let pair = self.pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
        pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// The public key in PEM.
    pub(crate) fn pem(&self) -> String {
        let pair = self.pair(self.algorithm);
        let point = pair.public_key().as_ref();
        let front = if point.len() == 65 { P256 } else { P384 };
        let digits = |pair: &[u8]| std::str::from_utf8(pair).unwrap().to_owned();
        let der: Vec<u8> = front
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(&digits(pair), 16).unwrap())
            .chain(point.iter().copied())
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64_STANDARD.encode(der)
        )
    }
}

/// The document of these keys.
pub(crate) fn document(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<_> = signers
        .iter()
        .map(|signer| json!({"key_identifier": signer.id, "key": signer.pem(), "is_current": true}))
        .collect();
    json!({ "public_keys": keys }).to_string().into_bytes()
}

/// The headers of a request.
pub(crate) fn headers(id: &str, signature: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(KEY_ID, HeaderValue::from_str(id).unwrap());
    let signature = BASE64_STANDARD.encode(signature);
    headers.insert(SIGNATURE, HeaderValue::from_str(&signature).unwrap());
    headers
}
