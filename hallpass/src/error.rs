//! Errors of commands, and their exit statuses.

use std::io;

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
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command was rejected, for example because the user does not exist.
    #[error("{0}")]
    Rejected(String),
    /// The combination of arguments is invalid.
    #[error("{0}")]
    Usage(String),
    /// No stack was found.
    #[error(transparent)]
    NoStack(#[from] NoStack),
    /// The development stack could not be started.
    #[cfg(feature = "dev")]
    #[error(transparent)]
    Start(#[from] hallpass_dev::StartError),
    /// The stack did not respond.
    #[error("{}", .0.report())]
    Failure(#[from] Failure),
    /// The terminal or a file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A secret that is shown once could not be written. The text says whether the secret is still
    /// valid.
    #[error("{0}")]
    Undelivered(String),
    /// The command was interrupted. The text describes its progress.
    #[error("interrupted: {0}")]
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
            Self::Usage(_)
            | Self::NoStack(_)
            | Self::Failure(_)
            | Self::Io(_)
            | Self::Undelivered(_) => 2,
            #[cfg(feature = "dev")]
            Self::Start(_) => 2,
            Self::Interrupted(_) => 130,
        }
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
