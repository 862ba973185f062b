//! Records for tests.

use hallpass_token::{Timestamp, Value};

use crate::image::Image;

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
