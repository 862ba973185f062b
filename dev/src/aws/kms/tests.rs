//! Signatures that ring verifies, and requests that are rejected.

use std::fs;

use aws_sdk_kms::{
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec},
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::*;
use crate::aws::tests::{Running, mode};

/// What is before the point in the `SubjectPublicKeyInfo` of a key on P-256 (RFC 5480 section 2).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

async fn public_key(running: &Running) -> Vec<u8> {
    let key = running.kms().get_public_key().key_id(ALIAS).send().await.unwrap();
    assert_eq!(key.key_id(), Some(key_arn().as_str()));
    assert_eq!(key.key_spec(), Some(&KeySpec::EccNistP256));
    assert_eq!(key.key_usage(), Some(&KeyUsageType::SignVerify));
    assert_eq!(key.signing_algorithms(), [SigningAlgorithmSpec::EcdsaSha256]);
    key.public_key().unwrap().clone().into_inner()
}

async fn sign(
    running: &Running,
    key_id: &str,
    algorithm: &str,
    kind: Option<&str>,
    message: &[u8],
) -> Result<Vec<u8>, String> {
    let sign = running.kms().sign().key_id(key_id).message(Blob::new(message));
    let sign = sign.signing_algorithm(SigningAlgorithmSpec::from(algorithm));
    let signed = sign.set_message_type(kind.map(MessageType::from)).send().await;
    let signed = signed.map_err(|error| error.code().unwrap_or("no code").to_owned())?;
    assert_eq!(signed.key_id(), Some(key_arn().as_str()));
    assert_eq!(signed.signing_algorithm(), Some(&SigningAlgorithmSpec::EcdsaSha256));
    Ok(signed.signature().unwrap().clone().into_inner())
}

#[tokio::test]
async fn a_signature_of_a_message_or_its_digest_verifies() {
    let running = Running::start().await;
    let public = public_key(&running).await;
    let point = public.strip_prefix(&SPKI_PREFIX).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    let message = b"the digest of an hour";
    let digest = Sha256::digest(message);
    for id in [ALIAS, KEY_ID, &key_arn(), &arn(ALIAS)] {
        for (kind, signed) in
            [(None, &message[..]), (Some("RAW"), message), (Some("DIGEST"), &digest)]
        {
            let signature = sign(&running, id, ALGORITHM, kind, signed).await.unwrap();
            key.verify(message, &signature).unwrap();
            assert!(key.verify(b"another message", &signature).is_err(), "{id} {kind:?}");
        }
    }
}

#[tokio::test]
async fn an_invalid_request_has_the_error_of_kms() {
    let running = Running::start().await;
    let check = async |id: &str, algorithm: &str, kind: &str, length: usize, expected: &str| {
        let outcome = sign(&running, id, algorithm, Some(kind), &vec![1; length]).await;
        let outcome = outcome.map_or_else(|code| code, |_| "signed".to_owned());
        assert_eq!(outcome, expected, "{id} {algorithm} {kind} {length}");
    };
    check(ALIAS, ALGORITHM, "DIGEST", 32, "signed").await;
    for length in [1, 31, 33, 64] {
        check(ALIAS, ALGORITHM, "DIGEST", length, "ValidationException").await;
    }
    check(ALIAS, ALGORITHM, "RAW", MAX_MESSAGE_LENGTH, "signed").await;
    for length in [0, MAX_MESSAGE_LENGTH + 1] {
        check(ALIAS, ALGORITHM, "RAW", length, "ValidationException").await;
    }
    check(ALIAS, ALGORITHM, "OTHER", 32, "ValidationException").await;
    for algorithm in OTHER_ALGORITHMS {
        check(ALIAS, algorithm, "DIGEST", 32, "InvalidKeyUsageException").await;
    }
    check(ALIAS, "ECDSA", "DIGEST", 32, "ValidationException").await;
    for id in ["alias/other", "00000000-0000-4000-8000-000000000001"] {
        check(id, ALGORITHM, "DIGEST", 32, "NotFoundException").await;
        let error = running.kms().get_public_key().key_id(id).send().await.unwrap_err();
        assert_eq!(error.code(), Some("NotFoundException"), "{id}");
    }
    let error = running.kms().get_public_key().key_id("").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationException"));
}

#[tokio::test]
async fn the_key_is_kept_in_a_private_file() {
    let running = Running::start().await;
    let first = public_key(&running).await;
    let file = running.data.path().join(FILE);
    assert_eq!(mode(&file), 0o600);
    let running = running.restart().await;
    assert_eq!(public_key(&running).await, first);
    assert_ne!(public_key(&Running::start().await).await, first);

    fs::write(&file, "not a key").unwrap();
    let error = Kms::open(&file).unwrap_err().to_string();
    assert!(error.starts_with("cannot use the signing key "), "{error}");
    assert!(!error.contains("not a key"), "{error}");
}
