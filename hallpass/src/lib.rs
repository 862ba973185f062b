//! The command `hallpass`: a complete development stack on one machine (`hallpass dev`), and the
//! management of users, tokens and keys in that stack or on AWS.
//!
//! | module | contents |
//! |---|---|
//! | [`cli`], [`arguments`], `pasted` | the command line and its error messages |
//! | [`stack`] | finding the stack that a command works on |
//! | [`clock`] | the database's time |
//! | `revoker`, `effective` | what revokes tokens, and when that takes effect everywhere |
//! | `operator` | who runs the command |
//! | [`user`], [`tokens`], [`key`] | the management commands |
//! | [`audit`], [`events`] | the audit log, and the events of the development stack |
//! | [`sweep`], [`doctor`] | running prune by hand; checking the stack |
//! | [`shell`], [`help`] | completions, the manual page and the help |
//! | [`terminal`], [`table`], `confirm` | prompts, tables, colours and questions |
//! | [`interrupt`], [`error`] | Ctrl-C; exit statuses |

pub mod arguments;
pub mod audit;
pub mod cli;
pub mod clock;
mod confirm;
pub mod doctor;
mod effective;
pub mod error;
pub mod events;
pub mod help;
pub mod interrupt;
pub mod key;
mod operator;
mod pasted;
mod revoker;
#[cfg(feature = "dev")]
mod serve;
pub mod shell;
pub mod stack;
pub mod sweep;
pub mod table;
pub mod terminal;
pub mod tokens;
mod trust;
pub mod user;
