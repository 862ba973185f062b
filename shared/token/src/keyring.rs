//! The keyring of signing keys, and the subkey that each format derives from them.
//!
//! A format never uses a keyring key itself: it uses HKDF-SHA256 (RFC 5869) of it with a label of its own, so a tag of one
//! format is worthless in another.

use std::{cmp::Reverse, collections::HashSet, fmt};

use base64ct::{Base64UrlUnpadded, Encoding};
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

/// HMAC-SHA256 that has absorbed its key.
pub(crate) type Mac = Hmac<Sha256>;

/// One to four keys. The one whose `signs_from` came last signs, all of them verify.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<Key>,
}

/// One key of the keyring, with the subkeys derived from it.
pub struct Key {
    id: String,
    signs_from: Timestamp,
    bytes: Zeroizing<Vec<u8>>,
    pub(crate) signed: Mac,
    pub(crate) developer: Mac,
    pub(crate) jwt: Mac,
    pub(crate) cursor: Mac,
    /// The whole first segment of a JWT under this key; there is no other spelling of it.
    pub(crate) jwt_header: String,
}

/// Why a keyring was rejected. No variant carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringError {
    /// It is not JSON of the form `[{"id","key","signs_from"}]`.
    NotARing(String),
    /// It has no key, or more than four.
    WrongCount(usize),
    /// Two keys have this id.
    RepeatedId(String),
    /// Two ids, of which this is one, have the same key.
    RepeatedKey(String),
    /// The id is not 1 to 32 of `[A-Za-z0-9_-]`.
    BadId(String),
    /// The key of this id is not base64url without padding.
    NotBase64(String),
    /// The key of this id is shorter than 32 bytes.
    TooShort(String),
    /// The key of this id is known to everybody: text, a pattern, or printed in a public document.
    WellKnown(String),
}

/// A keyring as it is kept in Secrets Manager or `HALLPASS_KEYS`.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyText {
    id: String,
    key: String,
    #[zeroize(skip)]
    signs_from: Timestamp,
}

/// CloudFormation can make a secret of one JSON object, but not of a list, so that a lone key may stand for the list.
#[derive(Deserialize)]
#[serde(untagged)]
enum KeyringText {
    One(KeyText),
    Many(Vec<KeyText>),
}

impl Keyring {
    /// How many keys a keyring may have: enough for two rotations under way.
    pub const MAX_KEYS: usize = 4;

    /// The fewest bytes of a key: RFC 7518 section 3.2 asks for the size of the hash.
    pub const MIN_KEY_BYTES: usize = 32;

    /// Reads a keyring: `[{"id": "a", "key": "<base64url>", "signs_from": <seconds>}]`, or one such object. What editors and
    /// shells put around the text or around a key is left out.
    ///
    /// # Errors
    /// Everything that makes a keyring unsafe or ambiguous; the caller rejects to start.
    pub fn parse(json: &str) -> Result<Self, KeyringError> {
        let keyring = serde_json::from_str(trimmed(json)).map_err(|error| KeyringError::NotARing(position(&error)))?;
        let texts = match keyring {
            KeyringText::One(text) => vec![text],
            KeyringText::Many(texts) => texts,
        };
        let mut keys = Vec::with_capacity(texts.len());
        for text in texts {
            let bytes = Base64UrlUnpadded::decode_vec(trimmed(&text.key))
                .map_err(|_| KeyringError::NotBase64(text.id.clone()))?;
            keys.push(Key::new(text.id.clone(), text.signs_from, Zeroizing::new(bytes))?);
        }
        Self::new(keys)
    }

    /// A keyring of these keys, the newest first, because most tokens that are verified were signed with it.
    ///
    /// # Errors
    /// When there are none, too many, or two alike.
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

    /// The keyring with one key more.
    ///
    /// # Errors
    /// When the keyring is full or has this key or id already.
    pub fn with(self, key: Key) -> Result<Self, KeyringError> {
        let mut keys = self.keys;
        keys.push(key);
        Self::new(keys)
    }

    /// The keyring without the key of this id.
    ///
    /// # Errors
    /// When no key would be left.
    pub fn without(self, id: &str) -> Result<Self, KeyringError> {
        Self::new(self.keys.into_iter().filter(|key| key.id != id).collect())
    }

    /// The keys, in the keyring's order.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key that signs: of those whose time has come, the latest. `None` while none has come.
    pub fn signing(&self, now: Timestamp) -> Option<&Key> {
        self.keys.iter().filter(|key| key.signs_from.has_passed(now)).max_by_key(|key| key.signs_from)
    }

    /// The text form that [`Keyring::parse`] reads, keys included: a secret.
    pub fn to_json(&self) -> Text {
        let text = |key: &Key| KeyText {
            id: key.id.clone(),
            key: Base64UrlUnpadded::encode_string(&key.bytes),
            signs_from: key.signs_from,
        };
        let texts: Vec<KeyText> = self.keys.iter().map(text).collect();
        Text::new(serde_json::to_string(&texts).unwrap_or_default())
    }
}

impl Key {
    /// A key of the keyring.
    ///
    /// # Errors
    /// When the id or the key is not fit.
    pub fn new(id: String, signs_from: Timestamp, key: Zeroizing<Vec<u8>>) -> Result<Self, KeyringError> {
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
        let subkey =
            |label| Mac::new_from_slice(derive(&key, label).as_slice()).map_err(|_| KeyringError::TooShort(id.clone()));
        let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#);
        Ok(Self {
            signed: subkey(b"hallpass signed token 1")?,
            developer: subkey(b"hallpass developer token 1")?,
            jwt: subkey(JWT_LABEL)?,
            cursor: subkey(b"hallpass cursor 1")?,
            jwt_header: Base64UrlUnpadded::encode_string(header.as_bytes()),
            id,
            signs_from,
            bytes: key,
        })
    }

    /// Its name, as records and the `kid` of a JWT carry it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// From when it signs.
    pub const fn signs_from(&self) -> Timestamp {
        self.signs_from
    }

    /// The derived key of the JWT format, base64url: what another verifier needs, and a signing secret.
    pub fn export_jwt(&self) -> Text {
        Text::new(Base64UrlUnpadded::encode_string(derive(&self.bytes, JWT_LABEL).as_slice()))
    }
}

const JWT_LABEL: &[u8] = b"hallpass jwt 1";

fn derive(key: &[u8], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut subkey = Zeroizing::new([0; 32]);
    // The one way to fail is asking for more than 8,160 bytes.
    let _ = Hkdf::<Sha256>::new(None, key).expand(label, subkey.as_mut());
    subkey
}

/// Where the JSON is wrong, without its words: they could be a key.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("signs_from", &self.signs_from).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARing(place) => write!(f, "the keyring is not [{{\"id\",\"key\",\"signs_from\"}}] at {place}"),
            Self::WrongCount(count) => {
                write!(f, "the keyring has {count} keys, it needs 1 to {}", Keyring::MAX_KEYS)
            }
            Self::RepeatedId(id) => write!(f, "the keyring has two keys with the id {id}"),
            Self::RepeatedKey(id) => write!(f, "the key {id} of the keyring repeats another key"),
            Self::BadId(id) => write!(f, "the key id {id:?} is not 1 to 32 of [A-Za-z0-9_-]"),
            Self::NotBase64(id) => write!(f, "the key {id} is not base64url without padding"),
            Self::TooShort(id) => write!(f, "the key {id} has fewer than {} bytes", Keyring::MIN_KEY_BYTES),
            Self::WellKnown(id) => {
                write!(f, "the key {id} is not a secret: it is text, a pattern, or a published example")
            }
        }
    }
}

impl std::error::Error for KeyringError {}

#[cfg(test)]
mod tests;
