//! What a log-in is: the normal form of a user name, the check of a password, and the pace of attempts.
//!
//! This crate is pure: it knows nothing about AWS, the network, the clock or the random source. Only what takes a
//! password (`generate`) or makes one (`hallpass user`) depends on it.

pub mod name;
pub mod pace;
pub mod password;

pub use name::NameKey;
