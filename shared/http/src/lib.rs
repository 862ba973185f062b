//! HTTP over Lambda: the routes, requests, responses and rejections of the API.
//!
//! | module | contents |
//! |---|---|
//! | [`routes`] | the routes of the API |
//! | [`gateway`] | conversion between Lambda events and HTTP |
//! | [`body`], [`members`], [`strict_json`] | request bodies |
//! | [`problem`] | rejections and failures as HTTP responses |
//! | [`cookies`] | cookies |
//! | [`cors`] | cross-origin requests |
//! | [`challenge`] | challenges and descriptions of rejections |
//! | [`view`] | token records in JSON |

mod basic;
pub mod body;
pub mod challenge;
pub mod cookies;
pub mod cors;
pub mod gateway;
pub mod members;
pub mod problem;
pub mod routes;
pub mod strict_json;
pub mod view;

pub use problem::{Problem, Response};
