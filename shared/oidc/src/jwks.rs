//! The signing keys of the provider: a JWK set (RFC 7517, RFC 7518 section 6).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
        RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use serde::Deserialize;
use serde_json::Value;

/// A signature algorithm of JWS (RFC 7518 section 3.1). `none` and those with a shared key are not
/// among them, so that no ID token can choose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    Es384,
}

/// The keys of a provider that can verify an ID token.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point (SEC 1 section 2.3.3).
    Point(Vec<u8>),
}

/// A published key. Members that do not apply to a type are absent.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

impl Algorithm {
    /// Returns the algorithm with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::Es384]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    /// Returns the left half of the hash of a text in base64url, the claim `at_hash` (OpenID
    /// Connect Core 1.0 section 3.1.3.6).
    pub(crate) fn half_hash(self, text: &str) -> String {
        let hash = match self {
            Self::Rs256 | Self::Es256 => &digest::SHA256,
            Self::Es384 => &digest::SHA384,
        };
        let digest = digest::digest(hash, text.as_bytes());
        let (left, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
        BASE64_URL_SAFE_NO_PAD.encode(left)
    }
}

impl Keys {
    /// Parses a JWK set. Keys of other types and for other purposes are skipped, as RFC 7517
    /// section 5 asks. Returns `None` if it is not a JWK set.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let set: JwkSet = serde_json::from_slice(json).ok()?;
        let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Some(Self(keys.filter_map(Key::read).collect()))
    }

    /// Whether a key of this set has made the signature of the message. Returns `None` if the set
    /// has no key with this ID for the algorithm: the provider may have published a new one since.
    pub(crate) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        // A set with several keys gives each an ID; a token without one can be of any of them.
        let fits = |key: &&Key| {
            key.algorithm == algorithm
                && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
        };
        let mut fitting = self.0.iter().filter(fits).peekable();
        fitting.peek()?;
        Some(fitting.any(|key| key.has_signed(message, signature)))
    }
}

impl Key {
    fn read(key: Jwk) -> Option<Self> {
        if key.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (algorithm, public) = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => {
                let public =
                    Public::Rsa { n: number(key.n?.as_str())?, e: number(key.e?.as_str())? };
                (Algorithm::Rs256, public)
            }
            ("EC", Some("P-256")) => (Algorithm::Es256, point(&key.x?, &key.y?, 32)?),
            ("EC", Some("P-384")) => (Algorithm::Es384, point(&key.x?, &key.y?, 48)?),
            _ => return None,
        };
        if key.alg.is_some_and(|name| name != algorithm.as_str()) {
            return None;
        }
        Some(Self { id: key.kid, algorithm, public })
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.public, self.algorithm) {
            (Public::Rsa { n, e }, _) => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            (Public::Point(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Public::Point(point), Algorithm::Es256 | Algorithm::Rs256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

/// A number of RFC 7518 section 2, without the zeros in front that some providers write.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn point(x: &str, y: &str, length: usize) -> Option<Public> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(coordinate).ok()?;
        if bytes.len() != length {
            return None;
        }
        point.extend(bytes);
    }
    Some(Public::Point(point))
}
