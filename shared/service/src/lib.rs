//! The service behind the functions, the pages and the command: its clients and settings, and who calls it.
//!
//! | module | contents |
//! |---|---|
//! | [`service`] | the clients and settings of a function |
//! | [`context`] | what an operation depends on besides its request |
//! | [`caller`] | authentication of the caller, and what it may manage |

pub mod caller;
pub mod context;
pub mod service;

pub use context::Context;
pub use service::Service;
