//! `hallpass doctor --fix`: makes the names that an application wrote usable.

use store::{
    Store,
    management::{Listed, Renamed},
};
use token::User;

use super::users;
use crate::{error::CommandError, terminal::Terminal};

/// Writes `username_key` where it is missing or stale, of all users, and names each user. A name that two users have is
/// left for a person to decide.
pub(super) async fn names(store: &Store, terminal: Terminal) -> Result<(), CommandError> {
    let all = store.all_users().await?;
    for user in all.iter().filter_map(Listed::user).filter(|user| needs_repair(user)) {
        let outcome = match store.repair_name(user).await? {
            Renamed::Now => "repaired",
            Renamed::NameTaken => "not repaired, for another user has the name",
            Renamed::Unknown => "not repaired, for the user changed meanwhile",
        };
        terminal.note(&format!("name of {}: {outcome}", user.id))?;
    }
    Ok(())
}

/// A name that no one can log in with is not made better by an index.
fn needs_repair(user: &User) -> bool {
    !users::has_its_key(user) && login::name::check(&user.username).is_ok()
}
