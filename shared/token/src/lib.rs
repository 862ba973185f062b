//! Tokens: their texts, their records, and when they are accepted.
//!
//! This crate is pure: it knows nothing about AWS, the network, the clock or the random source.
//! Time, entropy and keys are arguments. The modules follow the path of a request:
//!
//! | module | contents |
//! |---|---|
//! | [`credential`] | parses the `Authorization` header into one credential |
//! | [`codec`] | signs and verifies the text of a token, in three formats |
//! | [`cursor`] | encrypts a position in a list, so that a client can neither read nor forge it |
//! | [`keyring`] | the signing keys, and the subkey of each format |
//! | [`record`] | the stored record of a token |
//! | [`cause`], [`network`] | who changes a record or a user, from where and why |
//! | [`user`], [`fingerprint`] | the user, and the attributes that a token is bound to |
//! | [`snapshot`] | digests of those attributes, so that a rejection can name the one that changed |
//! | [`family`] | tokens created from one another, and the families that they issued |
//! | [`lifecycle`] | decides whether a token is accepted, and when its record is purged |
//! | [`scope`], [`reason`], [`timestamp`], [`period`], [`id`], [`secret`] | shared types |

pub mod cause;
pub mod codec;
pub mod credential;
pub mod cursor;
pub mod family;
pub mod fingerprint;
pub mod id;
pub mod keyring;
pub mod lifecycle;
pub mod network;
pub mod period;
pub mod reason;
pub mod record;
pub mod redact;
pub mod scope;
pub mod secret;
pub mod snapshot;
pub mod timestamp;
pub mod user;

pub use cause::{Actor, Cause, Note, Origin};
pub use codec::{Claim, Format, IssuedText, Issuer, open};
pub use credential::Credential;
pub use family::Family;
pub use fingerprint::{Binding, Fingerprint};
pub use id::{TokenHash, TokenId, UserId};
pub use keyring::Keyring;
pub use lifecycle::{Admitted, Rejection, State, admit};
pub use period::Period;
pub use reason::Reason;
pub use record::{Record, Revocation};
pub use scope::{Permission, Scope};
pub use secret::{Entropy, Text};
pub use snapshot::{Changed, Snapshot};
pub use timestamp::Timestamp;
pub use user::{Status, User, UserKind, Value};
