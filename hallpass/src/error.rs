//! Errors of commands, and their exit statuses.

use std::{fmt, io};

use hallpass_http::Problem;
use hallpass_store::Failure;

use crate::stack::NoStack;

/// Every exit status and its meaning, as printed by `--help`, the manual page and the reference.
pub const EXIT_STATUS: [(u8, &str); 4] = [
    (0, "success"),
    (1, "rejected (no such user, name taken, invalid line), or doctor found a problem"),
    (2, "could not run: invalid arguments, no stack, or the stack did not respond"),
    (130, "interrupted; completed work is kept, and running the command again continues"),
];

/// Why a command failed.
#[derive(Debug)]
pub enum CommandError {
    /// The command was rejected, for example because the user does not exist.
    Rejected(String),
    /// The combination of arguments is invalid.
    Usage(String),
    /// No stack was found.
    NoStack(NoStack),
    /// The development stack could not be started.
    #[cfg(feature = "dev")]
    Start(hallpass_dev::StartError),
    /// The stack did not respond.
    Failure(Failure),
    /// The terminal or a file could not be read or written.
    Io(io::Error),
    /// A secret that is shown once could not be written. The text says whether the secret is still valid.
    Undelivered(String),
    /// The command was interrupted. The text describes its progress.
    Interrupted(String),
}

impl CommandError {
    /// Returns a [`CommandError::Rejected`] with this message.
    pub fn rejected(why: impl Into<String>) -> Self {
        Self::Rejected(why.into())
    }

    /// Returns the exit status of the process, one of [`EXIT_STATUS`].
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Rejected(_) => 1,
            Self::Usage(_) | Self::NoStack(_) | Self::Failure(_) | Self::Io(_) | Self::Undelivered(_) => 2,
            #[cfg(feature = "dev")]
            Self::Start(_) => 2,
            Self::Interrupted(_) => 130,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) | Self::Usage(why) | Self::Undelivered(why) => f.write_str(why),
            Self::NoStack(error) => error.fmt(f),
            #[cfg(feature = "dev")]
            Self::Start(error) => error.fmt(f),
            Self::Failure(failure) => f.write_str(&failure.report()),
            Self::Io(error) => error.fmt(f),
            Self::Interrupted(progress) => write!(f, "interrupted: {progress}"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<NoStack> for CommandError {
    fn from(error: NoStack) -> Self {
        Self::NoStack(error)
    }
}

#[cfg(feature = "dev")]
impl From<hallpass_dev::StartError> for CommandError {
    fn from(error: hallpass_dev::StartError) -> Self {
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
