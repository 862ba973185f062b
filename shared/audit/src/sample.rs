//! Records, users and signers for tests.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use hallpass_token::{Timestamp, Value};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};

use crate::{event::Written, image::Image, signature::LocalSigner};

pub(crate) const HASH: &str = "AAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const OTHER_HASH: &str = "BBBBBBBBBBBBBBBBBBBBBA";

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn number(number: u64) -> Value {
    Value::Number(number.to_string())
}

pub(crate) fn at(unix: u64) -> Timestamp {
    Timestamp::from_unix(unix).unwrap()
}

pub(crate) fn written(unix: u64) -> Written {
    Written { at: at(unix), by_ttl: false }
}

/// An image with these attributes.
pub(crate) fn image(attributes: &[(&str, Value)]) -> Image {
    Image::new(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// An image with these attributes as well.
pub(crate) fn with(image: &Image, more: &[(&str, Value)]) -> Image {
    let mut attributes = image.attributes().clone();
    attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Image::new(attributes)
}

/// An image without this attribute.
pub(crate) fn without(image: &Image, name: &str) -> Image {
    let mut attributes = image.attributes().clone();
    attributes.remove(name).unwrap();
    Image::new(attributes)
}

/// The record of a token with this hash, at this version.
pub(crate) fn record(hash: &str, version: u64) -> Image {
    image(&[
        ("user_id", text("1")),
        ("token", text(hash)),
        ("format", text("signed")),
        ("issued_at", number(1_000_000)),
        ("user_fingerprint", Value::Bytes(vec![7; 32])),
        ("version", number(version)),
        ("changed_by", text("user:1")),
        ("changed_at", number(1_000_000)),
    ])
}

/// The developer token of this hash, at this version.
pub(crate) fn developer(hash: &str, version: u64) -> Image {
    with(&record("developer", version), &[("token_hash", text(hash))])
}

/// Runs a future that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A signer with a fresh key.
pub(crate) fn signer(key_id: &str) -> LocalSigner {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    LocalSigner::from_pkcs8(key_id, pkcs8.as_ref(), random).unwrap()
}
