//! `hallpass user remove`.

use clap::Args;
use hallpass_service::users;
use hallpass_store::{Store, users::Written};
use hallpass_token::UserId;
use serde_json::json;

use super::{Done, Name, administrators, find, say_done};
use crate::{
    clock,
    confirm::Confirmation,
    error::CommandError,
    stack::Stack,
    terminal::{Terminal, excerpt},
};

/// The arguments of `hallpass user remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) async fn remove(
    stack: &Stack,
    store: &Store,
    args: &RemoveArgs,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let RemoveArgs { name: Name { name }, confirmation } = args;
    if let Some(key) = unusable_id(name) {
        confirmation.ask(&format!("remove the item {}?", excerpt(key)), terminal)?;
        return remove_item(store, key, terminal).await;
    }
    let (user, settings) = (find(store, name).await?, stack.settings()?);
    let question =
        format!("remove {} ({}) and end all tokens of the user?", user.username, user.id);
    confirmation.ask(&question, terminal)?;
    let cause = stack.cause(clock::now_or_here(stack, terminal).await?).await;
    let removed = users::remove(store, &user, &cause).await?;
    say_done(stack, terminal, removed, &user, Done { done: "removed", ends: true }).await?;
    administrators::warn_without(store, &settings, &user, terminal).await
}

/// Returns the key after `id:` if no user can have it as an ID. An application may have written
/// such an item.
fn unusable_id(name: &str) -> Option<&str> {
    name.strip_prefix("id:").filter(|key| !key.is_empty() && key.parse::<UserId>().is_err())
}

/// Removes an item of the users' table whose key is not a user ID. It has no tokens and cannot log
/// in.
async fn remove_item(store: &Store, key: &str, terminal: Terminal) -> Result<(), CommandError> {
    let shown = excerpt(key);
    if store.remove_unusable_user(key).await? == Written::Unknown {
        return Err(CommandError::rejected(format!("there is no user {shown}")));
    }
    Ok(terminal.say(
        &format!("removed: {shown}, which is not a user ID"),
        &json!({"done": "removed", "id": shown}),
    )?)
}
