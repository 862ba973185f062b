//! What a verification of the audit log finds.

use std::fmt;

use hallpass_token::TokenId;

use crate::sum::Sum;

/// An entry of a token, and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The key of the object.
    pub object: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The token.
    pub token_id: TokenId,
    /// The version of its record after the change.
    pub version: u64,
}

/// A record of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The token.
    pub token_id: TokenId,
    /// The version of its record, in the table or, if there is none, in the log.
    pub version: u64,
}

/// Something in the log or in the table that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Finding {
    /// An hour has no digest. Holds the key that it would have.
    #[error("the digest {0} is missing")]
    DigestMissing(String),
    /// The contents are not a digest. Holds its key.
    #[error("the digest {0} cannot be read")]
    DigestUnreadable(String),
    /// The contents are the digest of another hour. Holds both keys.
    #[error("the digest {0} has the contents of {1}")]
    DigestReplayed(String, String),
    /// The signature is not that of the contents. Holds the key of the digest and the ID of the
    /// signing key.
    #[error("the signature of the digest {0} with the key {1} is wrong")]
    SignatureWrong(String, String),
    /// The verifier does not have the signing key. Holds the key of the digest and the ID of the
    /// signing key.
    #[error("the digest {0} is signed with the unknown key {1}")]
    KeyUnknown(String, String),
    /// The digest does not link to the contents of the one before it: one of the two was replaced,
    /// or the log began again. Holds both keys.
    #[error("the digest {0} does not link to the contents of {1}")]
    ChainBroken(String, String),
    /// The expected digest is not in the log. Holds its SHA-256.
    #[error("no digest has the expected SHA-256 {0}")]
    ExpectedDigestMissing(Sum),
    /// A listed object does not exist. Holds the keys of the digest and of the object.
    #[error("the digest {0} lists the object {1}, which is missing")]
    ObjectMissing(String, String),
    /// An object is shorter than listed. Holds the keys of the digest and of the object.
    #[error("the digest {0} lists the object {1}, which is truncated")]
    ObjectTruncated(String, String),
    /// An object has other contents than listed. Holds the keys of the digest and of the object.
    #[error("the digest {0} lists the object {1}, which was changed")]
    ObjectChanged(String, String),
    /// No digest lists an object that is no longer new. Holds its key.
    #[error("no digest lists the object {0}")]
    ObjectNotListed(String),
    /// A line is not an entry. Holds the key of the object and the line, counted from 1.
    #[error("line {1} of {0} is not an entry")]
    LineUnreadable(String, u64),
    /// An entry differs from an earlier one of the same event.
    #[error("{0} differs from an earlier entry of the same event")]
    EntryRepeated(Place),
    /// Entries before this one are missing. Holds the first missing version.
    #[error("{0} comes before #{1}, or #{1} is missing")]
    VersionGap(Place, u64),
    /// An entry comes after one of a later version, which it holds.
    #[error("{0} comes after #{1}")]
    VersionBackwards(Place, u64),
    /// An entry comes after the end of its token.
    #[error("{0} comes after the end of the token")]
    EntryAfterEnd(Place),
    /// The record differs from the image in the log of the same version.
    #[error("the record of {0} differs from the log")]
    RecordDiffers(Found),
    /// The record has an earlier version than the log. Holds the log's.
    #[error("the record of {0} is behind the log, which is at #{1}")]
    RecordBehind(Found, u64),
    /// The record has a later version than the log, for longer than the stream lags. Holds the
    /// log's.
    #[error("the record of {0} is ahead of the log, which is at #{1}")]
    RecordAhead(Found, u64),
    /// The table has no record of a token that has not ended in the log.
    #[error("the record of {0} is missing in the table")]
    RecordMissing(Found),
    /// The log has no entry of a record of the table, for longer than the stream lags.
    #[error("the record of {0} is unknown to the log")]
    RecordUnknown(Found),
    /// The table has a record of a token that has ended in the log.
    #[error("the record of {0} exists, but it was removed in the log")]
    RecordAfterEnd(Found),
    /// A record of the table cannot be read. Holds the ID of its user, if that can be read, and the
    /// name of the attribute.
    #[error("a record of the user {0} has the unreadable attribute {1}")]
    RecordUnreadable(String, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, line, token_id, version } = self;
        write!(f, "line {line} of {object}, {token_id}#{version},")
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.token_id, self.version)
    }
}
