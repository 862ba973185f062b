//! `hallpass prune`: runs the scheduled work of prune in this process, to its end.

use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_prune::{Event, Notices, Prune, Response};
use hallpass_runtime::settings;
use serde_json::{Value, json};

use crate::{
    clock,
    error::CommandError,
    interrupt::Interrupt,
    stack::{NoStack, Stack},
    terminal::{self, Terminal},
};

/// Sweeps the token table. The position is stored in the attempts table, so that the next sweep,
/// run by hand or on the schedule, continues where this one was interrupted.
///
/// # Errors
/// Returns a [`CommandError`] if the database cannot be read or written, or if the sweep is
/// interrupted.
pub async fn run(stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let interrupt = Interrupt::watch()?;
    let retention = settings::record_retention(&stack.lookup()).map_err(NoStack::ConfigError)?;
    let now = clock::now(stack, terminal).await?;
    let cause = stack.cause(now).await;
    let notices = Notices::read(&stack.lookup()).map_err(NoStack::ConfigError)?;
    let store = stack.store()?;
    let prune = Prune { store, retention, bound_to: None, notices, audit: None, bus: None };
    let bar = terminal::progress("parts of the token table swept:", None);
    let parts = AtomicU64::new(0);
    let keeps_going = || {
        bar.set_position(parts.fetch_add(1, Ordering::Relaxed));
        !interrupt.came()
    };
    let response = prune.handle(Event::Schedule(Value::Null), &cause, &keeps_going).await;
    bar.finish_and_clear();
    let swept = match response {
        Ok(Response::Swept(swept)) => swept,
        Ok(Response::Stream(_)) => return Ok(()),
        Err(undone) => return Err(CommandError::Failure(undone.into())),
    };
    let text = format!(
        "{} items seen: {} purged, {} invalidated, {} pointers dropped, {} unreadable",
        swept.seen, swept.purged, swept.invalidated, swept.dropped, swept.unreadable
    );
    terminal.say(&text, &json!(swept))?;
    if swept.finished {
        return Ok(());
    }
    Err(CommandError::Interrupted("the next sweep continues from here".to_owned()))
}
