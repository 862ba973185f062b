//! A warning to whoever has just taken the last administrator away: nobody can manage the tokens of others then, but by
//! this command.

use edge::Settings;
use store::{Store, management::Listed};
use token::{Status, User};

use crate::{error::CommandError, terminal::Terminal};

/// Warns if no active user holds the administrator's permission after a change of `before`, who held it.
///
/// # Errors
/// When the store fails, or standard error cannot be written.
pub(super) async fn warn_without(
    store: &Store,
    settings: &Settings,
    before: &User,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let permission = &settings.admin_permission;
    let is_administrator = |user: &User| user.status == Status::Active && user.permissions.holds(permission);
    if !is_administrator(before) || store.all_users().await?.iter().filter_map(Listed::user).any(is_administrator) {
        return Ok(());
    }
    let warning = format!(
        "warning: no administrator is left: no active user has {permission}; `hallpass user permission add NAME {permission}`"
    );
    Ok(terminal.note(&warning)?)
}
