//! The database's time. The functions process everything a command writes, and their clock is
//! AWS's. Commands therefore use the database's time, so that a wrong clock on this machine neither
//! deletes a live record nor issues an expired token.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use hallpass_runtime::clock;
use hallpass_store::{Failure, Store};
use hallpass_token::Timestamp;

use crate::{error::CommandError, stack::Stack, terminal::Terminal};

/// The largest difference between this machine's clock and the database's that gives no warning.
pub const MAX_DIFFERENCE: Duration = Duration::from_secs(60);

/// Whether the warning was printed. A command reads the clock several times.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Returns the database's time, and prints a warning if this machine's clock is far from it.
///
/// # Errors
/// Returns a [`CommandError`] if the database does not respond or its response has no time, or if
/// standard error cannot be written.
pub(crate) async fn now(stack: &Stack, terminal: Terminal) -> Result<Timestamp, CommandError> {
    let (now, warning) = of(&stack.store()?, clock::now()).await?;
    if let Some(warning) = warning.filter(|_| !WARNED.swap(true, Ordering::Relaxed)) {
        terminal.note(&warning)?;
    }
    Ok(now)
}

/// Returns the database's time, or this machine's if the database's is not available. For work that
/// must not wait and deletes no live record, such as a revocation.
///
/// # Errors
/// Returns a [`CommandError`] if standard error cannot be written.
pub(crate) async fn now_or_here(
    stack: &Stack,
    terminal: Terminal,
) -> Result<Timestamp, CommandError> {
    match now(stack, terminal).await {
        Err(CommandError::Failure(_) | CommandError::Rejected(_)) => Ok(clock::now()),
        other => other,
    }
}

/// Returns the database's time, and a warning if `here`, this machine's time, is more than
/// [`MAX_DIFFERENCE`] away.
///
/// # Errors
/// Returns a [`Failure`] if the database does not respond, or its response has no `Date` header.
pub async fn of(store: &Store, here: Timestamp) -> Result<(Timestamp, Option<String>), Failure> {
    let database = store.clock(&store.tables().tokens).await?;
    let database = database
        .ok_or_else(|| Failure::new("reading the database's clock", "its response has no Date"))?;
    let difference = here.since(database).max(database.since(here));
    let warning = (difference > MAX_DIFFERENCE).then(|| {
        format!(
            "warning: this machine's clock is {here} and the database's is {database}; using the \
                 database's"
        )
    });
    Ok((database, warning))
}
