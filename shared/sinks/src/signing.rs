//! The key in KMS that signs digests. Only notify may use it; everyone who verifies reads its
//! public key.

use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use hallpass_audit::{PublicKey, Signer, Sum};
use hallpass_store::{Failure, connect::Connection};

/// The key of the digests.
#[derive(Clone, Debug)]
pub struct SigningKey {
    client: Client,
    arn: String,
}

const SIGNING: &str = "signing the digest";
const READING: &str = "reading the public key of the digests";

impl SigningKey {
    /// Reaches a key. `endpoint` takes the place of the region's.
    pub fn new(connection: &Connection, arn: String, endpoint: Option<String>) -> Self {
        Self { client: Client::new(&connection.patient(endpoint)), arn }
    }

    /// Reads the public key, with the ID by which digests name it.
    ///
    /// # Errors
    /// Returns a [`Failure`] if KMS cannot be reached, or if the key is not on P-256.
    pub async fn public_key(&self) -> Result<(String, PublicKey), Failure> {
        let key = self.client.get_public_key().key_id(&self.arn).send().await;
        let key = key.map_err(Failure::of(READING))?;
        let der = key.public_key.unwrap_or_else(|| Blob::new([]));
        let key = PublicKey::from_spki(der.as_ref()).map_err(|bad| Failure::new(READING, bad))?;
        Ok((self.arn.clone(), key))
    }
}

impl Signer for SigningKey {
    type Error = Failure;

    fn key_id(&self) -> &str {
        &self.arn
    }

    async fn sign(&self, _message: &[u8], sum: Sum) -> Result<Vec<u8>, Failure> {
        let call = self
            .client
            .sign()
            .key_id(&self.arn)
            .message(Blob::new(*sum.bytes()))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let signed = call.send().await.map_err(Failure::of(SIGNING))?;
        let signature = signed.signature;
        Ok(signature.ok_or_else(|| Failure::new(SIGNING, "KMS gave no signature"))?.into_inner())
    }
}
