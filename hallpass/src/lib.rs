//! The command `hallpass`: a complete development stack on one machine (`hallpass dev`), and the
//! management of users, tokens and keys in that stack or on AWS.
//!
//! | module | contents |
//! |---|---|
//! | [`cli`], [`arguments`], `pasted` | the command line and its error messages |
//! | [`stack`] | finding the stack that a command works on |
//! | [`clock`] | the database's time |
//! | `revoker`, `effective` | what revokes tokens, and when that takes effect everywhere |
//! | [`user`], [`tokens`], [`key`] | the management commands |
//! | [`sweep`], [`doctor`] | running prune by hand; checking the stack |
//! | [`shell`], [`help`] | completions, the manual page and the help |
//! | [`terminal`], [`interrupt`], [`error`] | prompts, tables and colours; Ctrl-C; exit statuses |

pub mod arguments;
pub mod cli;
pub mod clock;
pub mod doctor;
mod effective;
pub mod error;
pub mod help;
pub mod interrupt;
pub mod key;
mod pasted;
mod revoker;
#[cfg(feature = "dev")]
mod serve;
pub mod shell;
pub mod stack;
pub mod sweep;
pub mod terminal;
pub mod tokens;
mod trust;
pub mod user;
