//! From when what a command ends is over everywhere: a gateway that caches the authorizer's answers may accept a token
//! until then.

use token::Timestamp;

use crate::{clock, error::CommandError, stack::Stack, terminal::Terminal};

/// From when no gateway that caches answers accepts what ended now. Where answers are cached, people are told.
///
/// # Errors
/// When a setting is invalid, or standard error cannot be written.
pub(crate) fn at(stack: &Stack, now: Timestamp, terminal: Terminal) -> Result<String, CommandError> {
    let cache = stack.settings()?.authorizer_cache;
    let effective_at = now.after(cache).to_string();
    if !cache.is_zero() && !terminal.is_json() {
        terminal.note(&format!("an API that caches answers accepts a token until {effective_at} at the latest"))?;
    }
    Ok(effective_at)
}

/// The same for what ended just now.
///
/// # Errors
/// The same.
pub(crate) async fn now(stack: &Stack, terminal: Terminal) -> Result<String, CommandError> {
    at(stack, clock::now_or_here(stack, terminal).await?, terminal)
}
