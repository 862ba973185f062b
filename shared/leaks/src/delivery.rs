//! A request of GitHub: its body, and the signature among its headers.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;

use crate::Error;

/// The maximum size of a body, in bytes, which is that of every route.
pub const MAX_BODY: usize = 256 * 1024;

/// The header with the ID of the key.
pub const KEY_ID: &str = "github-public-key-identifier";

/// The header with the signature: ASN.1 DER (RFC 3279 section 2.2.3) in base64.
pub const SIGNATURE: &str = "github-public-key-signature";

/// The maximum length of the ID of a key. GitHub's have 64 characters.
const MAX_KEY_ID: usize = 128;

/// The maximum length of a signature in base64: two numbers of 33 bytes, and eight of DER.
const MAX_SIGNATURE: usize = 100;

/// A request with the form of GitHub's. Its signature is not yet verified.
#[derive(Debug)]
pub struct Delivery<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) body: Body<'a>,
}

/// A body, which is not printed: it has tokens in it.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

impl<'a> Delivery<'a> {
    /// Reads the headers of a request. The body is exactly as received, because the signature is of
    /// its bytes.
    ///
    /// # Errors
    /// Returns [`Error::TooLarge`] or [`Error::Headers`].
    pub fn new(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Self, Error> {
        if body.len() > MAX_BODY {
            return Err(Error::TooLarge);
        }
        let key_id = only(headers, KEY_ID, MAX_KEY_ID)?;
        let signature = only(headers, SIGNATURE, MAX_SIGNATURE)?;
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| Error::Headers)?;
        Ok(Self { key_id, signature, body: Body(body) })
    }
}

/// The value of a header that occurs once and is not empty.
fn only<'a>(headers: &'a HeaderMap, name: &str, max: usize) -> Result<&'a str, Error> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Error::Headers);
    };
    let value = value.to_str().map_err(|_| Error::Headers)?;
    let fits = !value.is_empty() && value.len() <= max;
    if fits { Ok(value) } else { Err(Error::Headers) }
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}
