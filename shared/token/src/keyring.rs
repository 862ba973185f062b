//! The signing keys, and the subkeys that the formats derive from them.
//!
//! No format uses a key of the keyring directly. Each uses the HKDF-SHA256 (RFC 5869) of the key
//! with its own label, so a signature of one format is invalid in every other. Texts with a
//! checksum have labels of their own.

use std::{cmp::Reverse, collections::HashSet, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    secret::{Text, trimmed},
    timestamp::Timestamp,
};

mod weak;

/// HMAC-SHA256, keyed.
pub(crate) type Mac = Hmac<Sha256>;

/// One to four keys. All of them verify; the key with the latest `signs_from` that is not in the
/// future signs.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<Key>,
}

/// A key of the keyring, with its subkeys.
pub struct Key {
    id: String,
    signs_from: Timestamp,
    bytes: Zeroizing<Vec<u8>>,
    pub(crate) signed: Subkeys,
    pub(crate) developer: Subkeys,
    pub(crate) jwt: Mac,
    pub(crate) cursor: Mac,
    /// The encoded header of every JWT that this key signs. No other spelling is accepted.
    pub(crate) jwt_header: String,
}

/// The subkeys of a format whose texts can have a checksum.
pub(crate) struct Subkeys {
    plain: Mac,
    with_checksum: Mac,
}

/// Why a keyring was rejected. No variant carries a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The text is not JSON of the form `[{"id","key","signs_from"}]`. Holds the position of the
    /// error.
    #[error("the keyring must be JSON of the form [{{\"id\",\"key\",\"signs_from\"}}]; see {0}")]
    InvalidJson(String),
    /// The keyring has no key, or more than four.
    #[error("the keyring must have 1 to {max} keys; it has {0}", max = Keyring::MAX_KEYS)]
    WrongCount(usize),
    /// Two keys have this ID.
    #[error("the keyring has two keys with the ID {0}")]
    RepeatedId(String),
    /// The key of this ID has the same bytes as another key.
    #[error("the key {0} of the keyring repeats another key")]
    RepeatedKey(String),
    /// The ID is not 1 to 32 characters of `[A-Za-z0-9_-]`.
    #[error("the key ID {0:?} must have 1 to 32 characters of [A-Za-z0-9_-]")]
    BadId(String),
    /// The key of this ID is not base64url without padding.
    #[error("the key {0} must be base64url without padding")]
    NotBase64(String),
    /// The key of this ID is shorter than 32 bytes.
    #[error("the key {0} must have at least {min} bytes", min = Keyring::MIN_KEY_BYTES)]
    TooShort(String),
    /// The key of this ID can be guessed: it is text, a pattern, or printed in a public document.
    #[error("the key {0} can be guessed: it is text, a pattern, or a published example")]
    WellKnown(String),
}

/// A key as stored in Secrets Manager or `HALLPASS_KEYS`.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyText {
    id: String,
    key: String,
    #[zeroize(skip)]
    signs_from: Timestamp,
}

impl Keyring {
    /// The maximum number of keys: enough for two rotations at the same time.
    pub const MAX_KEYS: usize = 4;

    /// The minimum length of a key, in bytes. RFC 7518 section 3.2 requires the size of the hash.
    pub const MIN_KEY_BYTES: usize = 32;

    /// Parses `[{"id": "a", "key": "<base64url>", "signs_from": <seconds>}]`, or one such object.
    /// White space and invisible characters around the text and around a key are ignored.
    /// CloudFormation can generate a secret that is a JSON object, but not a list, so a single key
    /// is accepted in place of a list.
    ///
    /// # Errors
    /// Returns a [`KeyringError`] if the keyring is malformed, unsafe or ambiguous.
    pub fn parse(json: &str) -> Result<Self, KeyringError> {
        let json = trimmed(json);
        let texts = if json.starts_with('{') {
            serde_json::from_str(json).map(|text: KeyText| vec![text])
        } else {
            serde_json::from_str::<Vec<KeyText>>(json)
        };
        let texts = texts.map_err(|error| KeyringError::InvalidJson(position(&error)))?;
        let mut keys = Vec::with_capacity(texts.len());
        for text in texts {
            let bytes = BASE64_URL_SAFE_NO_PAD
                .decode(trimmed(&text.key))
                .map_err(|_| KeyringError::NotBase64(text.id.clone()))?;
            keys.push(Key::new(text.id.clone(), text.signs_from, Zeroizing::new(bytes))?);
        }
        Self::new(keys)
    }

    /// Creates a keyring. The newest key is first, because it has signed most of the tokens that
    /// are verified.
    ///
    /// # Errors
    /// Returns a [`KeyringError`] if the keyring has no keys, too many keys, or two keys with the
    /// same ID or bytes.
    pub fn new(mut keys: Vec<Key>) -> Result<Self, KeyringError> {
        if keys.is_empty() || keys.len() > Self::MAX_KEYS {
            return Err(KeyringError::WrongCount(keys.len()));
        }
        let (mut ids, mut bytes) = (HashSet::new(), HashSet::new());
        for key in &keys {
            if !ids.insert(key.id.as_str()) {
                return Err(KeyringError::RepeatedId(key.id.clone()));
            }
            if !bytes.insert(key.bytes.as_slice()) {
                return Err(KeyringError::RepeatedKey(key.id.clone()));
            }
        }
        keys.sort_by_key(|key| Reverse(key.signs_from));
        Ok(Self { keys })
    }

    /// Adds a key.
    ///
    /// # Errors
    /// Returns a [`KeyringError`] if the keyring is full or already has this key or ID.
    pub fn with(self, key: Key) -> Result<Self, KeyringError> {
        let mut keys = self.keys;
        keys.push(key);
        Self::new(keys)
    }

    /// Removes the key of this ID.
    ///
    /// # Errors
    /// Returns [`KeyringError::WrongCount`] if no key would be left.
    pub fn without(self, id: &str) -> Result<Self, KeyringError> {
        Self::new(self.keys.into_iter().filter(|key| key.id != id).collect())
    }

    /// The keys, the newest first.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key that signs: the one with the latest `signs_from` that is not in the future. `None`
    /// if every `signs_from` is.
    pub fn signing(&self, now: Timestamp) -> Option<&Key> {
        self.keys
            .iter()
            .filter(|key| key.signs_from.has_passed(now))
            .max_by_key(|key| key.signs_from)
    }

    /// The JSON form that [`Keyring::parse`] reads. It contains the keys and is a secret.
    pub fn to_json(&self) -> Text {
        let text = |key: &Key| KeyText {
            id: key.id.clone(),
            key: BASE64_URL_SAFE_NO_PAD.encode(&key.bytes),
            signs_from: key.signs_from,
        };
        let texts: Vec<KeyText> = self.keys.iter().map(text).collect();
        Text::new(serde_json::to_string(&texts).unwrap_or_default())
    }
}

impl Key {
    /// Creates a key and derives its subkeys.
    ///
    /// # Errors
    /// Returns a [`KeyringError`] if the ID is invalid, or if the key is too short or can be
    /// guessed.
    pub fn new(
        id: String,
        signs_from: Timestamp,
        key: Zeroizing<Vec<u8>>,
    ) -> Result<Self, KeyringError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if id.is_empty() || id.len() > 32 || !id.bytes().all(allowed) {
            return Err(KeyringError::BadId(id));
        }
        if key.len() < Keyring::MIN_KEY_BYTES {
            return Err(KeyringError::TooShort(id));
        }
        if weak::is_guessable(&key) {
            return Err(KeyringError::WellKnown(id));
        }
        let extracted = extract(&key);
        let subkey = |label: &[u8]| {
            Mac::new_from_slice(derive(&extracted, label).as_slice())
                .map_err(|_| KeyringError::TooShort(id.clone()))
        };
        let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#);
        Ok(Self {
            signed: Subkeys {
                plain: subkey(b"hallpass signed token 1")?,
                with_checksum: subkey(b"hallpass signed token with checksum 1")?,
            },
            developer: Subkeys {
                plain: subkey(b"hallpass developer token 1")?,
                with_checksum: subkey(b"hallpass developer token with checksum 1")?,
            },
            jwt: subkey(JWT_LABEL)?,
            cursor: subkey(b"hallpass cursor 1")?,
            jwt_header: BASE64_URL_SAFE_NO_PAD.encode(header.as_bytes()),
            id,
            signs_from,
            bytes: key,
        })
    }

    /// The key's ID, as in token records and the `kid` of a JWT.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The time from which the key signs.
    pub const fn signs_from(&self) -> Timestamp {
        self.signs_from
    }

    /// The subkey of the JWT format in base64url, for another verifier. It is a secret: it also
    /// signs.
    pub fn export_jwt(&self) -> Text {
        Text::new(
            BASE64_URL_SAFE_NO_PAD.encode(derive(&extract(&self.bytes), JWT_LABEL).as_slice()),
        )
    }
}

impl Subkeys {
    /// The subkey of texts with or without a checksum.
    pub(crate) const fn of(&self, has_checksum: bool) -> &Mac {
        if has_checksum { &self.with_checksum } else { &self.plain }
    }
}

const JWT_LABEL: &[u8] = b"hallpass jwt 1";

/// The first step of HKDF, which all labels of a key have in common.
fn extract(key: &[u8]) -> Hkdf<Sha256> {
    Hkdf::new(None, key)
}

fn derive(extracted: &Hkdf<Sha256>, label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut subkey = Zeroizing::new([0; 32]);
    // This fails only for more than 8,160 bytes.
    let _ = extracted.expand(label, subkey.as_mut());
    subkey
}

/// The position of a JSON error, without its text, which could be a key.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("signs_from", &self.signs_from)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
