//! The service behind the functions, the pages and the command: one function for each thing that it
//! does.
//!
//! | module | contents |
//! |---|---|
//! | [`service`], [`context`] | clients and settings; what an operation depends on besides its request |
//! | [`authentication`] | authentication of the holder of a token, and what a token may manage |
//! | [`caller`], [`session`] | who asks for a token: a password, a token, a browser session, the operator |
//! | [`password`] | password checks, under the rate limit |
//! | [`portal`] | sessions that an application begins for its own users |
//! | [`issue`], [`rotation`], [`developer`], [`operator`] | issuing tokens |
//! | [`validate`], [`limit`], [`expiry`] | what a new token is given, and the limits on tokens |
//! | [`recheck`] | rechecking the caller after the record was written |
//! | [`revocation`], [`family`] | revoking, disabling and enabling tokens; everything that a family issued |
//! | [`explain`] | which check decides about a token, and since when |
//! | [`users`] | changes of users |
//! | [`search`] | lists over all users, and over their tokens |
//! | [`background`] | the invocations of functions without a caller |

pub mod authentication;
pub mod background;
pub mod caller;
pub mod context;
pub mod developer;
pub mod expiry;
pub mod explain;
pub mod family;
pub mod issue;
pub mod limit;
pub mod operator;
pub mod password;
pub mod portal;
pub mod recheck;
pub mod revocation;
pub mod rotation;
pub mod search;
pub mod service;
pub mod session;
pub mod users;
pub mod validate;

pub use context::{CallerExpiry, Context};
pub use revocation::Revoker;
pub use service::Service;
