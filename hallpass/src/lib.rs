//! The command `hallpass`: all of it on one machine (`hallpass dev`), and the management of users, tokens and keys, there
//! or on AWS.
//!
//! | file | what it holds |
//! |---|---|
//! | [`cli`] | the words of the command line |
//! | [`dev`] | the whole stack in one process |
//! | [`stack`] | finding the stack that a command is for |
//! | [`user`], [`tokens`], [`key`] | the commands |
//! | [`sweep`], [`doctor`] | prune by hand; whether the stack is as it should be |
//! | [`shell`] | completions and the manual page |
//! | [`terminal`], [`interrupt`], [`error`] | prompts, tables and colours; Ctrl-C; exit statuses |

pub mod cli;
pub mod dev;
pub mod doctor;
pub mod error;
pub mod interrupt;
pub mod key;
mod serve;
pub mod shell;
pub mod stack;
pub mod sweep;
pub mod terminal;
pub mod tokens;
mod trust;
pub mod user;
