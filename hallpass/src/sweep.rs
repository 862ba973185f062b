//! `hallpass prune`: what prune does on its schedule, in this process and until it is done.

use std::sync::atomic::{AtomicU64, Ordering};

use edge::settings;
use prune::{Event, Prune, Response};
use serde_json::{Value, json};

use crate::{
    clock,
    error::CommandError,
    interrupt::Interrupt,
    stack::{NoStack, Stack},
    terminal::{self, Terminal},
};

/// Sweeps the table of tokens. It keeps its place in the table of attempts, so that the next sweep, here or on the
/// schedule, goes on where this one was interrupted.
///
/// # Errors
/// When the stack fails, or when it is interrupted.
pub async fn run(stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let interrupt = Interrupt::watch()?;
    let retention = settings::record_retention(&stack.lookup()).map_err(NoStack::ConfigError)?;
    let now = clock::now(stack, terminal).await?;
    let prune = Prune { store: stack.store()?, retention, bound_to: None };
    let bar = terminal::progress("parts of the table swept", None);
    let parts = AtomicU64::new(0);
    let may_go_on = || {
        bar.set_position(parts.fetch_add(1, Ordering::Relaxed));
        !interrupt.came()
    };
    let answer = prune.handle(Event::Schedule(Value::Null), now, &may_go_on).await;
    bar.finish_and_clear();
    let swept = match answer {
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
    Err(CommandError::Interrupted("the next sweep goes on from here".to_owned()))
}
