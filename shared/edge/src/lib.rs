//! What surrounds a request: the clock, the random source, the environment, Lambda's events, HTTP answers and logs.
//!
//! Everything ambient is read here and nowhere else, and handed on as an argument.
//!
//! | file | what it holds |
//! |---|---|
//! | [`clock`], [`entropy`] | the one place each that reads the clock and the random source |
//! | [`settings`] | the environment, read once, at the start |
//! | [`service`] | what every function that verifies needs, wired |
//! | [`gateway`] | Lambda events of API Gateway into requests, and answers back |
//! | [`caller`] | who is calling: the credential of a request, verified |
//! | [`body`], [`strict_json`] | the body of a request |
//! | [`problem`] | rejections and failures as HTTP answers: the one map of statuses |
//! | [`cors`] | the origins whose scripts may call |
//! | [`challenge`] | the words of a rejection, for headers, bodies and contexts |
//! | [`view`] | a record as its owner sees it |
//! | [`log`] | one JSON line for each decision |

mod basic;
pub mod body;
pub mod caller;
pub mod challenge;
pub mod clock;
pub mod cors;
pub mod entropy;
pub mod gateway;
pub mod log;
pub mod problem;
pub mod service;
pub mod settings;
pub mod strict_json;
pub mod view;

pub use problem::{Problem, Response};
pub use service::Service;
pub use settings::Settings;
