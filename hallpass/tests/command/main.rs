//! Tests the command as users run it: the real binary, real HTTPS, a second terminal.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by a panic; clippy's test settings do not cover helper functions"
)]

mod access;
mod aws;
mod banner;
mod clock;
mod confirm;
mod deployed;
mod dev;
mod doctor;
mod environment;
mod help;
mod identity_provider;
mod import;
mod interrupted;
mod killed;
mod leaked;
mod lists;
mod maintainers;
mod openness;
mod reference;
mod scanner_rules;
mod secrets;
mod shell;
mod stack;
mod tokens;
mod upstream;
mod users;
mod weak;
