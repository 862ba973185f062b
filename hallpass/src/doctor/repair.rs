//! `hallpass doctor --fix`: repairs user names that an application wrote, so that the users can log
//! in.

use hallpass_store::{
    Store,
    management::{Listed, Renamed},
};
use hallpass_token::User;

use super::users;
use crate::{error::CommandError, terminal::Terminal};

/// Writes `username_key` of every user for whom it is missing or stale, and prints each of them. A
/// name that two users share is not repaired: a person must rename one of them.
pub(super) async fn names(store: &Store, terminal: Terminal) -> Result<(), CommandError> {
    let all = store.all_users().await?;
    for user in all.iter().filter_map(Listed::user).filter(|user| needs_repair(user)) {
        let outcome = match store.repair_name(user).await? {
            Renamed::Now => "repaired",
            Renamed::NameTaken => "not repaired: another user has this name",
            Renamed::Unknown => "not repaired: the user changed in the meantime",
        };
        terminal.note(&format!("name of {}: {outcome}", user.id))?;
    }
    Ok(())
}

/// Returns whether the index entry is wrong and the name itself can be used to log in.
fn needs_repair(user: &User) -> bool {
    !users::has_its_key(user) && hallpass_password::name::check(&user.username).is_ok()
}
