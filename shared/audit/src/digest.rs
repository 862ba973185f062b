//! Digests: one signed object for every hour, which lists the objects of the log and names the
//! digest before. The form follows that of `CloudTrail`; see
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>.
//!
//! A digest has two lines of JSON. The second has a signature of the first.

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_token::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    hour::Hour,
    instant,
    object::Object,
    signature::{ALGORITHM, Signer},
    sum::Sum,
};

/// The version of the form.
const FORM: u32 = 1;

/// An object that a digest lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listed {
    /// The key of the object.
    pub key: String,
    /// The SHA-256 of its contents.
    pub sha256: Sum,
    /// The length of its contents.
    pub bytes: u64,
    /// The number of its entries.
    pub entries: u64,
}

impl Listed {
    /// What a digest lists of an object with this key and these contents.
    pub fn of(key: &str, bytes: &[u8]) -> Self {
        let lines = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1).max(1);
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (bytes, sha256) = (number(bytes.len()), Sum::of(bytes));
        Self { key: key.to_owned(), sha256, bytes, entries: number(lines) }
    }
}

impl From<&Object> for Listed {
    fn from(object: &Object) -> Self {
        Self {
            key: object.key.clone(),
            sha256: object.sum,
            bytes: u64::try_from(object.bytes.len()).unwrap_or(u64::MAX),
            entries: object.entries,
        }
    }
}

/// The name of a digest and the SHA-256 of its whole contents, by which the next one links to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The key of the digest.
    pub key: String,
    /// The SHA-256 of both lines.
    pub sha256: Sum,
}

/// The digest of one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The hour.
    pub hour: Hour,
    /// The objects that no earlier digest lists, sorted by key. An object whose batch was late has
    /// a key of an earlier hour.
    pub objects: Vec<Listed>,
    /// The digest of the hour before. The first digest of a log has none.
    pub previous: Option<Link>,
}

#[derive(Serialize, Deserialize)]
struct FirstLine {
    form: u32,
    #[serde(with = "instant")]
    from: Timestamp,
    #[serde(with = "instant")]
    to: Timestamp,
    objects: Vec<Listed>,
    previous: Option<Link>,
}

#[derive(Serialize, Deserialize)]
struct SecondLine {
    key_id: String,
    algorithm: String,
    signature: String,
}

/// A signed digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The key of the object, `audit/digests/YYYY/MM/DD/HH.json`.
    pub key: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl Signed {
    /// The link that the next digest must have.
    pub fn link(&self) -> Link {
        Link { key: self.key.clone(), sha256: Sum::of(&self.bytes) }
    }
}

/// The beginning of the keys of digests.
pub const PREFIX: &str = "audit/digests/";

/// The key of the digest of an hour.
pub fn key(hour: Hour) -> String {
    format!("{PREFIX}{}.json", hour.path())
}

/// The hour of a digest. Returns `None` if the key is not that of a digest.
pub fn hour_of(key: &str) -> Option<Hour> {
    Hour::from_path(key.strip_prefix(PREFIX)?.strip_suffix(".json")?)
}

impl Digest {
    /// The digest of an hour, with sorted objects. Each is listed once.
    pub fn new(hour: Hour, mut objects: Vec<Listed>, previous: Option<Link>) -> Self {
        objects.sort();
        objects.dedup();
        Self { hour, objects, previous }
    }

    /// The first line, without the line break. This is what is signed.
    pub fn message(&self) -> String {
        let line = FirstLine {
            form: FORM,
            from: self.hour.start(),
            to: self.hour.end(),
            objects: self.objects.clone(),
            previous: self.previous.clone(),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Signs the digest.
    ///
    /// # Errors
    /// Returns the error of the signer.
    pub async fn sign<S: Signer>(&self, signer: &S) -> Result<Signed, S::Error> {
        let message = self.message();
        let signature = signer.sign(message.as_bytes(), Sum::of(message.as_bytes())).await?;
        let second = SecondLine {
            key_id: signer.key_id().to_owned(),
            algorithm: ALGORITHM.to_owned(),
            signature: BASE64_STANDARD.encode(signature),
        };
        let second = serde_json::to_string(&second).unwrap_or_default();
        Ok(Signed { key: key(self.hour), bytes: format!("{message}\n{second}\n").into_bytes() })
    }
}

/// A digest that was read but not verified.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) digest: Digest,
    pub(crate) message: &'a [u8],
    pub(crate) key_id: String,
    pub(crate) signature: Vec<u8>,
}

/// Reads a digest. Returns `None` if the contents have another form.
pub(crate) fn read(bytes: &[u8]) -> Option<Unverified<'_>> {
    let mut lines = bytes.strip_suffix(b"\n")?.split(|byte| *byte == b'\n');
    let (message, second, None) = (lines.next()?, lines.next()?, lines.next()) else {
        return None;
    };
    let first: FirstLine = serde_json::from_slice(message).ok()?;
    let second: SecondLine = serde_json::from_slice(second).ok()?;
    let hour = Hour::of(first.from);
    let is_hour = hour.start() == first.from && hour.end() == first.to;
    if first.form != FORM || !is_hour || second.algorithm != ALGORITHM {
        return None;
    }
    Some(Unverified {
        digest: Digest { hour, objects: first.objects, previous: first.previous },
        message,
        key_id: second.key_id,
        signature: BASE64_STANDARD.decode(second.signature).ok()?,
    })
}

/// The link to a digest, for the next one. Returns `None` if the contents are not a digest.
pub fn link(bytes: &[u8]) -> Option<Link> {
    let digest = read(bytes)?.digest;
    Some(Link { key: key(digest.hour), sha256: Sum::of(bytes) })
}

/// The objects that a digest lists, without verifying it. Contents that are not a digest list none.
pub fn listed(bytes: &[u8]) -> Vec<Listed> {
    read(bytes).map(|read| read.digest.objects).unwrap_or_default()
}

#[cfg(test)]
mod tests;
