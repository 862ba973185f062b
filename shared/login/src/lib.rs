//! What a log-in is: the user name and its normal form, the password, the rate limit of attempts; and the lines of text
//! that people read.
//!
//! This crate is pure: it knows nothing about AWS, the network, the clock or the random source. Only what takes a
//! password (`generate`) or makes one (`hallpass user`) depends on it.

pub mod name;
pub mod password;
pub mod rate_limit;
pub mod text;

pub use name::NameKey;
