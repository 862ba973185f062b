//! When a revocation takes effect everywhere. A gateway that caches the authorizer's responses can
//! accept a token until then.

use hallpass_token::Timestamp;

use crate::{clock, error::CommandError, stack::Stack, terminal::Terminal};

/// Returns the time from which no gateway accepts a token that became invalid at `now`. If
/// responses are cached, also prints a note, except in JSON.
///
/// # Errors
/// Returns a [`CommandError`] if a setting is invalid or standard error cannot be written.
pub(crate) fn at(
    stack: &Stack,
    now: Timestamp,
    terminal: Terminal,
) -> Result<String, CommandError> {
    let cache = stack.settings()?.authorizer_cache;
    let effective_at = now.after(cache).to_string();
    if !cache.is_zero() && !terminal.is_json() {
        terminal.note(&format!(
            "an API that caches authorizer responses can accept tokens that end now until \
             {effective_at}"
        ))?;
    }
    Ok(effective_at)
}

/// [`at`] the present time.
///
/// # Errors
/// As [`at`].
pub(crate) async fn now(stack: &Stack, terminal: Terminal) -> Result<String, CommandError> {
    at(stack, clock::now_or_here(stack, terminal).await?, terminal)
}
