//! The command `hallpass`: all of it on one machine (`hallpass dev`), and the management of users, tokens and keys.
//!
//! | file | what it holds |
//! |---|---|
//! | [`cli`] | the words of the command line |
//! | [`dev`] | the whole stack in one process |
//! | [`stack`] | finding the stack that a command is for |
//! | [`user`], [`tokens`], [`key`] | the commands |
//! | [`terminal`] | prompts and tables |

pub mod cli;
pub mod dev;
pub mod key;
mod serve;
pub mod stack;
pub mod terminal;
pub mod tokens;
pub mod user;
