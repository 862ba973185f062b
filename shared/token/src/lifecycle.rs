//! When a token lets its holder in, and when it is forgotten. No caller can forget a check: "expired, revoked or
//! disabled" is [`Record::end`], and only [`admit`] makes an [`Admitted`].

use std::time::Duration;

use crate::{
    codec::{Claim, Format},
    reason::Reason,
    record::Record,
    scope::Scope,
    timestamp::Timestamp,
    user::{Status, User},
};

/// A token that was let in. Only [`admit`] makes one, so whoever holds it knows that every check was passed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admitted {
    /// The token's record.
    pub record: Record,
    /// Its user, as read together with the record.
    pub user: User,
    /// What it may do now: its scope and the user's permissions, whichever is less. Empty means nothing, never all.
    pub scope: Scope,
}

/// Decides whether a claim lets its holder in, given what one strong read found. Whatever is absent denies.
///
/// # Errors
/// The first reason that holds, in the order of [`Reason::ALL`].
pub fn admit(claim: &Claim, record: Option<Record>, user: Option<User>, now: Timestamp) -> Result<Admitted, Reason> {
    let record = record.ok_or(Reason::Unknown)?;
    let same = record.id.hash == claim.hash
        && record.format == claim.format
        && (claim.format == Format::Developer || record.expires_at == claim.expires_at)
        && claim.user_id.is_none_or(|user_id| user_id == record.id.user_id);
    if !same {
        return Err(Reason::Unknown);
    }
    readmit(record, user, now)
}

/// The part of [`admit`] that needs no claim: whether a token whose text was opened before is still good.
///
/// # Errors
/// The first reason that holds, in the order of [`Reason::ALL`].
pub fn readmit(record: Record, user: Option<User>, now: Timestamp) -> Result<Admitted, Reason> {
    if let Some(reason) = record.end(now) {
        return Err(reason);
    }
    let user = user.ok_or(Reason::UserRemoved)?;
    if user.id != record.id.user_id {
        return Err(Reason::Unknown);
    }
    if user.status == Status::Blocked {
        return Err(Reason::UserBlocked);
    }
    if record.binding.fingerprint(&user) != record.fingerprint {
        return Err(Reason::UserChanged);
    }
    let scope = record.scope.as_ref().map_or_else(|| user.permissions.clone(), |s| s.intersection(&user.permissions));
    Ok(Admitted { record, user, scope })
}

/// Whether a change of the user has voided this token for good, and why: its fingerprint is no longer the user's.
///
/// A user who is merely blocked while the token is not bound to `status` voids nothing: the token is refused for as
/// long as the block lasts.
pub fn voided(record: &Record, user: Option<&User>) -> Option<Reason> {
    match user {
        None => Some(Reason::UserRemoved),
        Some(user) if record.binding.fingerprint(user) == record.fingerprint => None,
        Some(user) if user.status == Status::Blocked => Some(Reason::UserBlocked),
        Some(_) => Some(Reason::UserChanged),
    }
}

/// When the record may go: its expiry or its revocation, whichever is first, and the grace period, in which its holder
/// still learns why. `None` for a token that neither ends nor was taken back.
pub fn forget_at(expires_at: Option<Timestamp>, revoked_at: Option<Timestamp>, grace: Duration) -> Option<Timestamp> {
    [expires_at, revoked_at].into_iter().flatten().min().map(|end| end.after(grace))
}

#[cfg(test)]
mod tests;
