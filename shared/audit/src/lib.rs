//! The images of items, and the usage of tokens.
//!
//! This crate is pure: it knows nothing about AWS, the network, the clock or the random source.
//!
//! | module | contents |
//! |---|---|
//! | [`image`] | the attributes of an item before or after a change, and their digest |
//! | [`usage`], [`network`] | when, from where and by which clients a token is used |
//! | [`sum`] | shared types |

pub mod image;
pub mod network;
#[cfg(test)]
mod sample;
pub mod sum;
pub mod usage;

pub use image::{Image, Unreadable};
pub use sum::Sum;
pub use usage::{Usage, Use, usage};
