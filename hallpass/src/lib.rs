//! The command `hallpass`: all of it on one machine (`hallpass dev`), and the management of users, tokens and keys, there
//! or on AWS.
//!
//! | file | what it holds |
//! |---|---|
//! | [`cli`], [`arguments`] | the words of the command line, and what is said of those that cannot be read |
//! | [`dev`] | the whole stack in one process |
//! | [`stack`] | finding the stack that a command is for |
//! | [`clock`] | the time, as the stack's database has it |
//! | `effective` | from when what a command ends is over everywhere |
//! | [`user`], [`tokens`], [`key`] | the commands |
//! | [`sweep`], [`doctor`] | prune by hand; whether the stack is as it should be |
//! | [`shell`] | completions and the manual page |
//! | [`terminal`], [`interrupt`], [`error`] | prompts, tables and colours; Ctrl-C; exit statuses |

pub mod arguments;
pub mod cli;
pub mod clock;
pub mod dev;
pub mod doctor;
mod effective;
pub mod error;
pub mod interrupt;
pub mod key;
mod redact;
mod serve;
pub mod shell;
pub mod stack;
pub mod sweep;
pub mod terminal;
pub mod tokens;
mod trust;
pub mod user;
