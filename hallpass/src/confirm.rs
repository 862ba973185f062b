//! Asks before a change that cannot be undone.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use crate::{
    error::CommandError,
    terminal::{Terminal, printable},
};

/// The option that answers the question.
#[derive(Clone, Copy, Debug, Args)]
pub struct Confirmation {
    /// Do not ask for confirmation; a command asks on a terminal only, and not with --json
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Asks a question that only `y` or `yes` affirms. A script is not asked: it was decided
    /// when it was written.
    ///
    /// # Errors
    /// Returns [`CommandError::Rejected`] if the answer is another one.
    pub(crate) fn ask(self, question: &str, terminal: Terminal) -> Result<(), CommandError> {
        let is_asked = io::stdin().is_terminal() && io::stderr().is_terminal();
        if self.yes || terminal.is_json() || !is_asked {
            return Ok(());
        }
        let mut err = io::stderr().lock();
        write!(err, "hallpass: {} [y/N] ", printable(question))?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        let is_yes = ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes));
        if is_yes { Ok(()) } else { Err(CommandError::rejected("nothing was changed")) }
    }
}
