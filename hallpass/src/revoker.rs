//! What the command revokes tokens and changes users with.

use hallpass_runtime::settings;
use hallpass_service::Revoker;
use hallpass_store::Store;

use crate::{
    clock,
    error::CommandError,
    stack::{NoStack, Stack},
    terminal::Terminal,
};

/// Creates a revoker with the present time. It needs no key and one setting, so that revoking works
/// when the rest is broken.
pub(crate) async fn revoker<'a>(
    stack: &'a Stack,
    store: &'a Store,
    terminal: Terminal,
) -> Result<Revoker<'a>, CommandError> {
    let now = clock::now_or_here(stack, terminal).await?;
    let retention = settings::record_retention(&stack.lookup()).map_err(NoStack::ConfigError)?;
    Ok(Revoker { store, retention, cause: stack.cause(now).await })
}
