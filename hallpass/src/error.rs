//! Why a command did not do what it was asked for, and the exit status that says so.

use std::{fmt, io};

use edge::Problem;
use store::Failure;

use crate::{dev::StartError, stack::NoStack};

/// What every exit status means; `--help`, the manual page and the reference say the same.
pub const EXIT_STATUS: [(u8, &str); 4] = [
    (0, "done"),
    (1, "rejected (no such user, name taken, a bad line), or doctor found something wrong"),
    (2, "cannot run: wrong arguments, no stack, the stack does not answer"),
    (130, "interrupted; what was done stays done, and running it again goes on"),
];

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum CommandError {
    /// The answer is no.
    Rejected(String),
    /// The arguments do not go together.
    Usage(String),
    /// There is no stack to ask.
    NoStack(NoStack),
    /// The stack could not be started.
    Start(StartError),
    /// The stack did not answer.
    Failure(Failure),
    /// The terminal or a file could not be read or written.
    Io(io::Error),
    /// A secret that is shown once could not be written; the text says what became of it.
    Undelivered(String),
    /// It was interrupted; the text says how far it came.
    Interrupted(String),
}

impl CommandError {
    /// A "no" to the person who asked.
    pub fn rejected(why: impl Into<String>) -> Self {
        Self::Rejected(why.into())
    }

    /// The exit status of the process; [`EXIT_STATUS`] says what it means.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Rejected(_) => 1,
            Self::Usage(_)
            | Self::NoStack(_)
            | Self::Start(_)
            | Self::Failure(_)
            | Self::Io(_)
            | Self::Undelivered(_) => 2,
            Self::Interrupted(_) => 130,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) | Self::Usage(why) | Self::Undelivered(why) => f.write_str(why),
            Self::NoStack(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Failure(failure) => f.write_str(&failure.report()),
            Self::Io(error) => error.fmt(f),
            Self::Interrupted(how_far) => write!(f, "interrupted: {how_far}"),
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

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        match problem.into_rejection() {
            Ok(why) => Self::Rejected(why),
            Err(failure) => Self::Failure(failure),
        }
    }
}
