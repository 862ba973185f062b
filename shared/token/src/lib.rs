//! What a token is and when it lets its holder in.
//!
//! This crate is pure: it knows nothing about AWS, the network, the clock or the random source. Time, entropy and keys
//! are arguments. It reads in the order of a request:
//!
//! | file | what it holds |
//! |---|---|
//! | [`credential`] | the `Authorization` header, read into one credential or rejected |
//! | [`codec`] | the text of a token: signing one, opening one; three formats, one signature |
//! | [`cursor`] | a place in a list, which a client can neither read nor make |
//! | [`keyring`] | the keys, and the subkey of each format |
//! | [`record`] | what is kept of a token |
//! | [`user`], [`fingerprint`] | what of a user a token is bound to |
//! | [`snapshot`] | what of it a rejection can name |
//! | [`family`] | which tokens belong together, and what they issued |
//! | [`lifecycle`] | when a token lets its holder in, and when it is purged |
//! | [`scope`], [`reason`], [`timestamp`], [`id`], [`secret`] | the words they share |

pub mod codec;
pub mod credential;
pub mod cursor;
pub mod family;
pub mod fingerprint;
pub mod id;
pub mod keyring;
pub mod lifecycle;
pub mod reason;
pub mod record;
pub mod scope;
pub mod secret;
pub mod snapshot;
pub mod timestamp;
pub mod user;

pub use codec::{Claim, Format, IssuedText, Issuer, open};
pub use credential::Credential;
pub use family::Family;
pub use fingerprint::{Binding, Fingerprint};
pub use id::{TokenHash, TokenId, UserId};
pub use keyring::Keyring;
pub use lifecycle::{Admitted, Rejection, State, admit};
pub use reason::Reason;
pub use record::{Record, Revocation};
pub use scope::{Permission, Scope};
pub use secret::{Entropy, Text};
pub use snapshot::{Changed, Snapshot};
pub use timestamp::Timestamp;
pub use user::{Status, User, Value};
