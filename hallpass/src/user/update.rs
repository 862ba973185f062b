//! `hallpass user import --update`: changes an existing user to what a line says. Every change is a
//! conditional write of its own, so that no change of another process is lost, and a run that was
//! interrupted can be repeated.

use hallpass_runtime::{Settings, entropy};
use hallpass_service::{Revoker, users};
use hallpass_store::{Store, changes::Change, links::Linked, management::Renamed, users::Written};
use hallpass_token::{Permission, Status, User, user::attribute::PERMISSIONS};

use super::lines::{Password, Row};
use crate::{error::CommandError, revoker::revoker, stack::Stack, terminal::Terminal};

/// What users are changed with.
pub(super) struct Updater<'a> {
    pub(super) store: &'a Store,
    pub(super) revoker: Revoker<'a>,
    settings: Settings,
}

/// The outcome for one user.
pub(super) enum Outcome {
    Updated,
    Present,
    NameTaken,
    /// Another user is linked to the identity of the line.
    IdentityTaken,
    /// The user is linked to another identity.
    Linked,
    Removed,
    /// The line has permissions, and those of the user cannot be read.
    Unreadable,
}

impl<'a> Updater<'a> {
    pub(super) async fn new(
        stack: &'a Stack,
        store: &'a Store,
        terminal: Terminal,
    ) -> Result<Self, CommandError> {
        let revoker = revoker(stack, store, terminal).await?;
        Ok(Self { store, revoker, settings: stack.settings()? })
    }

    /// Returns whether a line differs from a user, plain passwords aside.
    pub(super) fn differs(row: &Row, user: &User) -> bool {
        row.username != user.username || !changes(row, user).is_empty() || is_linked_now(row, user)
    }

    /// Changes a user. A new password hash is that of a plain password which is not the user's.
    pub(super) async fn update(
        &self,
        row: &Row,
        user: &User,
        new_hash: Option<String>,
    ) -> Result<Outcome, CommandError> {
        if row.given.permissions && user.unreadable.contains(&PERMISSIONS) {
            return Ok(Outcome::Unreadable);
        }
        let is_renamed = row.username != user.username;
        let mut changes = changes(row, user);
        changes.extend(new_hash.map(Change::Password));
        if !is_renamed && changes.is_empty() && !is_linked_now(row, user) {
            return Ok(Outcome::Present);
        }
        let Self { revoker, settings, .. } = self;
        if is_renamed {
            let fresh = entropy::generation()?;
            match users::rename(revoker, settings, &user.id, &row.username, fresh).await? {
                Renamed::Now => {}
                Renamed::NameTaken => return Ok(Outcome::NameTaken),
                Renamed::Unknown => return Ok(Outcome::Removed),
            }
        }
        // A user is blocked first and unblocked last.
        changes.sort_by_key(|change| match change {
            Change::Block => 0,
            Change::Unblock => 2,
            Change::Password(_)
            | Change::Grant(_)
            | Change::Deny(_)
            | Change::FullName(_)
            | Change::Kind(_) => 1,
        });
        for change in &changes {
            let fresh = entropy::generation()?;
            let written = users::change(revoker, settings, &user.id, change, fresh).await?;
            if written == Written::Unknown {
                return Ok(Outcome::Removed);
            }
        }
        let identity = row.identity.as_ref().filter(|identity| !identity.is_of(user));
        let Some(identity) = identity else { return Ok(Outcome::Updated) };
        Ok(match users::link(self.store, &user.id, identity, &revoker.cause).await? {
            Linked::Now => Outcome::Updated,
            Linked::UnknownUser => Outcome::Removed,
            Linked::ToAnother => Outcome::Linked,
            Linked::TakenBy(_other) => Outcome::IdentityTaken,
        })
    }
}

/// Whether a line links a user to an identity.
fn is_linked_now(row: &Row, user: &User) -> bool {
    row.identity.as_ref().is_some_and(|identity| !identity.is_of(user))
}

/// Returns the changes that make a user what a line says, without its name and a plain password. An
/// attribute that the line does not have stays.
fn changes(row: &Row, user: &User) -> Vec<Change> {
    let mut changes = Vec::new();
    if row.given.status && row.status != user.status {
        changes.push(if row.status == Status::Blocked { Change::Block } else { Change::Unblock });
    }
    if let Password::Hash(hash) = &row.password
        && user.password_hash() != Some(hash)
    {
        changes.push(Change::Password(hash.clone()));
    }
    if let Some(name) = row.full_name.as_ref().filter(|name| user.full_name.as_ref() != Some(name))
    {
        changes.push(Change::FullName(name.clone()));
    }
    if row.given.kind && user.kind() != row.kind.as_str() {
        changes.push(Change::Kind(row.kind));
    }
    if row.given.permissions {
        let parsed = |name: &str| name.parse::<Permission>().ok();
        let (new, old) = (&row.permissions, &user.permissions);
        let added = new.names().filter(|name| !old.holds(name)).filter_map(parsed);
        let removed = old.names().filter(|name| !new.holds(name)).filter_map(parsed);
        changes.extend(added.map(Change::Grant).chain(removed.map(Change::Deny)));
    }
    changes
}
