//! The environment of a request: clock, randomness, settings, Lambda events, HTTP responses and logs.
//!
//! Ambient state is read in this crate only, and passed to the other crates as arguments.
//!
//! | module | contents |
//! |---|---|
//! | [`clock`], [`entropy`] | reading the clock and the random number generator |
//! | [`settings`] | the settings, read once from the environment |
//! | [`service`] | the clients and settings of a function |
//! | [`context`] | what an operation depends on besides its request |
//! | [`routes`] | the routes of the API |
//! | [`gateway`] | conversion between Lambda events and HTTP |
//! | [`caller`] | authentication of the caller |
//! | [`body`], [`strict_json`] | request bodies |
//! | [`problem`] | rejections and failures as HTTP responses |
//! | [`cors`] | cross-origin requests |
//! | [`challenge`] | challenges and descriptions of rejections |
//! | [`view`] | token records in JSON |
//! | [`log`] | one JSON line for each decision |

mod basic;
pub mod body;
pub mod caller;
pub mod challenge;
pub mod clock;
pub mod context;
pub mod cors;
pub mod entropy;
pub mod gateway;
pub mod log;
pub mod problem;
pub mod routes;
pub mod service;
pub mod settings;
pub mod strict_json;
pub mod view;

pub use context::Context;
pub use problem::{Problem, Response};
pub use service::Service;
pub use settings::Settings;
