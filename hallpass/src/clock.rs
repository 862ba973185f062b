//! The time, as the database has it. What a command writes or compares with the clock is dealt with by functions whose
//! clock is AWS's, so that a wrong clock on this machine must neither delete a live record nor issue a dead token.

use std::time::Duration;

use edge::clock;
use store::{Failure, Store};
use token::Timestamp;

use crate::{error::CommandError, stack::Stack, terminal::Terminal};

/// How far the clock of this machine may be from the database's before it is said.
pub const MAX_DIFFERENCE: Duration = Duration::from_secs(60);

/// The time of the database, for a command.
///
/// # Errors
/// When the database does not answer, or does not say its time.
pub(crate) async fn now(stack: &Stack, terminal: Terminal) -> Result<Timestamp, CommandError> {
    let (now, warning) = of(&stack.store()?, clock::now()).await?;
    if let Some(warning) = warning {
        terminal.note(&warning)?;
    }
    Ok(now)
}

/// The time of the database, or of this machine where the database does not say its own: for what must not wait, such as
/// a revocation, and deletes nothing that lives.
///
/// # Errors
/// When standard error cannot be written.
pub(crate) async fn now_or_here(stack: &Stack, terminal: Terminal) -> Result<Timestamp, CommandError> {
    match now(stack, terminal).await {
        Err(CommandError::Failure(_) | CommandError::Rejected(_)) => Ok(clock::now()),
        other => other,
    }
}

/// The time of the database, and a warning if `here`, the clock of this machine, is far from it.
///
/// # Errors
/// When the database does not answer, or does not say its time.
pub async fn of(store: &Store, here: Timestamp) -> Result<(Timestamp, Option<String>), Failure> {
    let there = store.clock(&store.tables().tokens).await?;
    let there = there.ok_or_else(|| Failure::new("reading the database's clock", "its answer has no Date"))?;
    let apart = here.since(there).max(there.since(here));
    let warning = (apart > MAX_DIFFERENCE).then(|| {
        format!("warning: the clock of this machine says {here}, and the database's {there}, which is what counts")
    });
    Ok((there, warning))
}
