//! Events, the audit log and usage.
//!
//! Every change of a token is one conditional write of its record, so the stream of the table is
//! the complete source of what happened. This crate derives from it what is published, kept and
//! verified. It is pure: it knows nothing about AWS, the network, the clock or the random source.
//!
//! | module | contents |
//! |---|---|
//! | [`image`] | the attributes of an item before or after a change, and their digest |
//! | [`event`], [`user_event`] | what happened to a token or a user |
//! | [`entry`], [`object`] | the lines of the audit log, and the objects that hold them |
//! | [`digest`], [`signature`] | the hourly signed digests that chain the objects |
//! | [`verify`], [`finding`] | proves that log and table are complete and unchanged |
//! | [`listing`] | which entries a list shows |
//! | [`history`] | the last changes of a token, for its page |
//! | [`mod@usage`] | when, from where and by which clients a token is used |
//! | [`hour`], [`sum`] | shared types |

pub mod digest;
pub mod entry;
pub mod event;
pub mod finding;
pub mod history;
pub mod hour;
pub mod image;
mod instant;
pub mod listing;
pub mod object;
#[cfg(test)]
mod sample;
pub mod signature;
pub mod sum;
pub mod usage;
pub mod user_event;
pub mod verify;

pub use digest::{Digest, Listed};
pub use entry::Entry;
pub use event::{Event, KINDS, Kind, Written, events};
pub use finding::Finding;
pub use history::History;
pub use hour::Hour;
pub use image::{Image, Unreadable};
pub use object::{Area, Object};
pub use signature::{LocalSigner, PublicKey, Signer};
pub use sum::Sum;
pub use usage::{Usage, Use, usage};
pub use user_event::user_events;
pub use verify::{Options, Report, Verifier};
