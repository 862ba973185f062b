//! The words of the command line, and the way from each to what it does.

use std::{fmt, io, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use store::Failure;

use crate::{
    dev::StartError,
    key, serve,
    stack::{NoStack, Stack},
    tokens, user,
};

/// API tokens for the users of your API: issue, verify, revoke, forget.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Exit status: 0 done, 1 refused (no such user, name taken), 2 cannot run.")]
pub struct Cli {
    /// Where the dev stack keeps its data, and how other commands find it
    #[arg(long, global = true, value_name = "DIR", default_value = ".hallpass")]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of Hallpass on this machine
    Dev(DevArgs),
    /// Manage users
    #[command(subcommand)]
    User(user::Command),
    /// Manage tokens
    #[command(subcommand)]
    Token(tokens::Command),
    /// Manage the signing keys
    #[command(subcommand)]
    Key(key::Command),
}

/// How `hallpass dev` runs.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The port of the HTTPS front
    #[arg(long, default_value_t = 3443)]
    pub(crate) port: u16,
    /// Begin without the users, tokens and keys of before
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Leave out prune: neither the user stream nor the schedule reaches it
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// Cache the authorizer's answers as API Gateway can
    #[arg(long, value_name = "SECONDS")]
    pub(crate) authorizer_cache: Option<u32>,
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum CommandError {
    /// The answer is no.
    Refused(String),
    /// There is no stack to ask.
    NoStack(NoStack),
    /// The stack could not be started.
    Start(StartError),
    /// The stack did not answer.
    Failure(Failure),
    /// The terminal or a file could not be read or written.
    Io(io::Error),
}

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    match cli.command {
        Command::Dev(args) => serve::run(args, cli.data).await,
        Command::User(command) => user::run(command, &Stack::find(&cli.data)?).await,
        Command::Token(tokens::Command::Inspect(args)) => tokens::inspect(&args),
        Command::Token(command) => tokens::run(command, &Stack::find(&cli.data)?).await,
        Command::Key(command) => key::run(command, &cli.data).await,
    }
}

impl CommandError {
    /// A "no" to the person who asked.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }

    /// The exit status of the process.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::NoStack(_) | Self::Start(_) | Self::Failure(_) | Self::Io(_) => 2,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::NoStack(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Failure(failure) => f.write_str(&failure.report()),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<NoStack> for CommandError {
    fn from(error: NoStack) -> Self {
        Self::NoStack(error)
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
