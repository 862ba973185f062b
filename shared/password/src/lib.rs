//! Log-ins: user names and their normal form, passwords, the rate limit of attempts, and the check
//! of single-line texts.
//!
//! This crate is pure: it knows nothing about AWS, the network, the clock or the random source.
//! Only crates that verify or set passwords (`generate`, `hallpass user`) depend on it.

pub mod name;
pub mod password;
pub mod rate_limit;
pub mod strength;
pub mod text;

pub use name::NameKey;
