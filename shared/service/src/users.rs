//! Changes users: blocks them, and what the command and the pages can do for an application without
//! user management.

use hallpass_password::NameKey;
use hallpass_runtime::{Event, Settings};
use hallpass_store::{
    Failure, Store,
    changes::Change,
    links::{Identity, Linked, Recorded, SignIn, Unlinked},
    maintainers::Maintenance,
    management::{Added, NewLink, NewUser, Renamed},
    users::Written,
};
use hallpass_token::{
    Actor, Cause, Format, Status, User, UserId,
    user::attribute::{FULL_NAME, KIND, PASSWORD_HASH, PERMISSIONS, USERNAME},
};

use crate::{Context, revocation::Revoker};

/// The maximum length of a full name, in characters.
pub const MAX_FULL_NAME_LENGTH: usize = 256;

/// Changes a user. Blocking and unblocking also invalidate the user's tokens, so that they stay
/// invalid; another change does if the tokens of every format are bound to its attribute. `fresh`
/// replaces a `token_generation` that cannot be raised.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no room
/// for the change.
pub async fn change(
    revoker: &Revoker<'_>,
    settings: &Settings,
    id: &UserId,
    change: &Change,
    fresh: u32,
) -> Result<Written, Failure> {
    let (is_invalidating, event) = match change {
        Change::Block => (true, Some(Event::Blocked(id))),
        Change::Unblock => (true, Some(Event::Unblocked(id))),
        Change::Password(_) => {
            (invalidates(settings, PASSWORD_HASH), Some(Event::PasswordChanged(id)))
        }
        Change::Grant(_) => (invalidates(settings, PERMISSIONS), Some(Event::PermissionAdded(id))),
        Change::Deny(_) => (invalidates(settings, PERMISSIONS), Some(Event::PermissionRemoved(id))),
        Change::FullName(_) => (invalidates(settings, FULL_NAME), None),
        Change::Kind(_) => (invalidates(settings, KIND), None),
    };
    let how = is_invalidating.then(|| revoker.invalidate(fresh));
    let written = revoker.store.change_user(id, change, how, &revoker.cause).await?;
    if let (Written::Now, Some(event)) = (written, event) {
        event.log(&revoker.cause);
    }
    Ok(written)
}

/// Renames a user, and invalidates the user's tokens if those of every format are bound to the
/// name.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn rename(
    revoker: &Revoker<'_>,
    settings: &Settings,
    id: &UserId,
    name: &str,
    fresh: u32,
) -> Result<Renamed, Failure> {
    let how = invalidates(settings, USERNAME).then(|| revoker.invalidate(fresh));
    let renamed = revoker.store.rename_user(id, name, how, &revoker.cause).await?;
    if renamed == Renamed::Now {
        Event::UserRenamed(id).log(&revoker.cause);
    }
    Ok(renamed)
}

/// Adds a user, active or blocked, and links the user to an identity if one is given.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn add(
    store: &Store,
    user: &NewUser,
    status: Status,
    link: Option<NewLink<'_>>,
    cause: &Cause<'_>,
) -> Result<Added, Failure> {
    let added = store.import_user(user, status, link, cause).await?;
    if added == Added::Now {
        Event::UserAdded(&user.id).log(cause);
    }
    Ok(added)
}

/// Links a user to an identity at the identity provider.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn link(
    store: &Store,
    id: &UserId,
    identity: &Identity,
    cause: &Cause<'_>,
) -> Result<Linked, Failure> {
    let linked = store.link(id, identity, cause).await?;
    if linked == Linked::Now {
        Event::UserLinked(id).log(cause);
    }
    Ok(linked)
}

/// Links the user of this name to an identity, at the first sign-in. A name that only looks or
/// folds alike can be another person's at the provider. An administrator, an application, a blocked
/// user and one who has a password or another link are never taken over. Returns `None` if no user
/// is linked.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn link_by_name(
    context: &Context<'_>,
    name: &str,
    identity: &Identity,
) -> Result<Option<UserId>, Failure> {
    let service = context.service;
    let key = NameKey::new(name);
    if !key.is_usable() {
        return Ok(None);
    }
    let [id] = service.store.ids_by_name(&key).await?[..] else { return Ok(None) };
    let may = |user: &User| {
        user.status == Status::Active
            && !user.is_app()
            && !service.is_administrator(&user.permissions)
            && user.username.eq_ignore_ascii_case(name)
    };
    let cause = context.cause(Actor::User(id));
    let is_linked = service.store.link_unclaimed(&id, identity, may, &cause).await?;
    if is_linked {
        Event::UserLinked(&id).log(&cause);
    }
    Ok(is_linked.then_some(id))
}

/// Records a sign-in at the identity provider: when the next one is due, and the permissions of a
/// user who has those that the provider names. A change of these invalidates the user's tokens as
/// any change of permissions does. `fresh` replaces a `token_generation` that cannot be raised.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no room.
pub async fn record_sign_in(
    revoker: &Revoker<'_>,
    settings: &Settings,
    id: &UserId,
    sign_in: SignIn<'_>,
    fresh: u32,
) -> Result<Recorded, Failure> {
    let invalidate = invalidates(settings, PERMISSIONS).then(|| revoker.invalidate(fresh));
    let sign_in = SignIn { invalidate, ..sign_in };
    let recorded = revoker.store.record_sign_in(id, &sign_in, &revoker.cause).await?;
    if recorded == Recorded::Reconciled {
        Event::PermissionsReconciled(id).log(&revoker.cause);
    }
    Ok(recorded)
}

/// Unlinks a user, and invalidates the user's tokens and sessions. `fresh` replaces a
/// `token_generation` that cannot be raised.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn unlink(revoker: &Revoker<'_>, id: &UserId, fresh: u32) -> Result<Unlinked, Failure> {
    let unlinked = revoker.store.unlink(id, revoker.invalidate(fresh), &revoker.cause).await?;
    if unlinked == Unlinked::Now {
        Event::UserUnlinked(id).log(&revoker.cause);
    }
    Ok(unlinked)
}

/// Adds a maintainer to a service account.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn add_maintainer(
    store: &Store,
    account: &UserId,
    user: &UserId,
    cause: &Cause<'_>,
) -> Result<Maintenance, Failure> {
    let added = store.add_maintainer(account, user, cause).await?;
    if added == Maintenance::Now {
        Event::MaintainerAdded(account).log(cause);
    }
    Ok(added)
}

/// Removes a maintainer of a service account. The tokens of the account stay valid.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read or written.
pub async fn remove_maintainer(
    store: &Store,
    account: &UserId,
    user: &UserId,
    cause: &Cause<'_>,
) -> Result<Maintenance, Failure> {
    let removed = store.remove_maintainer(account, user, cause).await?;
    if removed == Maintenance::Now {
        Event::MaintainerRemoved(account).log(cause);
    }
    Ok(removed)
}

/// Removes a user. The user's tokens are rejected from then on.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be written.
pub async fn remove(store: &Store, user: &User, cause: &Cause<'_>) -> Result<Written, Failure> {
    let removed = store.remove_user(&user.id, cause).await?;
    if removed == Written::Now {
        Event::UserRemoved(&user.id).log(cause);
    }
    Ok(removed)
}

/// Whether a change adds a permission that the user has, or removes one that the user does not
/// have.
pub fn is_unchanged(change: &Change, user: &User) -> bool {
    match change {
        Change::Grant(permission) => user.permissions.holds(permission.as_str()),
        Change::Deny(permission) => !user.permissions.holds(permission.as_str()),
        Change::Password(_)
        | Change::Block
        | Change::Unblock
        | Change::FullName(_)
        | Change::Kind(_) => false,
    }
}

/// Whether a change would replace permissions that cannot be read.
pub fn replaces_unreadable(change: &Change, user: &User) -> bool {
    matches!(change, Change::Grant(_) | Change::Deny(_)) && user.unreadable.contains(&PERMISSIONS)
}

/// Whether a change of this attribute invalidates the tokens of every format, and does so by
/// raising the generation.
pub fn invalidates(settings: &Settings, attribute: &str) -> bool {
    let binds = |format| settings.binding(format).names().iter().any(|name| name == attribute);
    Format::ALL.into_iter().all(binds)
}
