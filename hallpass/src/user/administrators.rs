//! Warns after a change that leaves no administrator. Only this command can then manage the tokens
//! of other users.

use hallpass_runtime::Settings;
use hallpass_store::{Store, management::Listed};
use hallpass_token::{Status, User};

use crate::{error::CommandError, terminal::Terminal};

/// Warns if no active user has the administrator permission after a change of a user who had it.
/// `before` is that user before the change.
///
/// # Errors
/// Returns a [`CommandError`] if the users cannot be read or standard error cannot be written.
pub(super) async fn warn_without(
    store: &Store,
    settings: &Settings,
    before: &User,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let permission = &settings.admin_permission;
    let is_administrator =
        |user: &User| user.status == Status::Active && user.permissions.holds(permission);
    if !is_administrator(before)
        || store.all_users().await?.iter().filter_map(Listed::user).any(is_administrator)
    {
        return Ok(());
    }
    let warning = format!(
        "warning: no administrator is left: no active user has {permission}; to grant it, run \
         `hallpass user permission add NAME {permission}`"
    );
    Ok(terminal.note(&warning)?)
}
