//! When a token lets its holder in, and when it is purged. No caller can purge a check: what a token is worth is
//! [`state`], wherever tokens are verified, shown or counted, and only [`admit`] makes an [`Admitted`].

use std::time::Duration;

use crate::{
    codec::{Claim, Format},
    fingerprint::{Binding, Fingerprint},
    id::TokenHash,
    reason::Reason,
    record::Record,
    scope::Scope,
    snapshot::{Changed, Differences, Snapshot},
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

/// Why a token was rejected, and what of its user changed, if that is why and the record can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The kinds of the user's attributes that changed.
    pub changed: Changed,
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self { reason, changed: Changed::default() }
    }
}

/// Decides whether a claim lets its holder in, given what one strong read found. Whatever is absent denies.
///
/// # Errors
/// The first reason that holds, in the order of [`Reason::ALL`].
pub fn admit(claim: &Claim, record: Option<Record>, user: Option<User>, now: Timestamp) -> Result<Admitted, Rejection> {
    let record = record.ok_or(Reason::Unknown)?;
    let same = record.id.hash == claim.hash
        && record.format == claim.format
        && claim.user_id.is_none_or(|user_id| user_id == record.id.user_id);
    if !same {
        return Err(Reason::Unknown.into());
    }
    if claim.format == Format::Jwt && !is_as_issued(claim, &record) {
        return Err(Reason::Malformed.into());
    }
    if claim.format != Format::Developer && record.expires_at != claim.expires_at {
        return Err(Reason::Unknown.into());
    }
    readmit(record, user, now)
}

/// Whether the claims of a JWT are those that were issued: a holder of an exported key can sign others around its
/// secret. Records from before the digest was kept tell two of them.
fn is_as_issued(claim: &Claim, record: &Record) -> bool {
    claim.payload.is_some_and(|payload| match record.payload_digest {
        Some(digest) => digest == payload.digest,
        None => payload.issued_at == record.issued_at && claim.expires_at == record.expires_at,
    })
}

/// The part of [`admit`] that needs no claim: whether a token whose text was opened before is still good.
///
/// # Errors
/// The first reason that holds, in the order of [`Reason::ALL`].
pub fn readmit(record: Record, user: Option<User>, now: Timestamp) -> Result<Admitted, Rejection> {
    if user.as_ref().is_some_and(|user| user.id != record.id.user_id) {
        return Err(Reason::Unknown.into());
    }
    if let Some(reason) = state(&record, user.as_ref(), now).reason() {
        return Err(Rejection { reason, changed: changed(&record, user.as_ref(), reason) });
    }
    let user = user.ok_or(Reason::UserRemoved)?;
    let scope = record.scope.as_ref().map_or_else(|| user.permissions.clone(), |s| s.intersection(&user.permissions));
    Ok(Admitted { record, user, scope })
}

/// What a token is worth now. Only [`state`] decides it, wherever tokens are verified, shown or counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is accepted.
    Live,
    /// It is rejected for now, and accepted again once it is enabled, or its user unblocked.
    Suspended(Reason),
    /// It is rejected for good.
    Ended(Reason),
}

/// What a token is worth now, by its record and its user as they were read together.
pub fn state(record: &Record, user: Option<&User>, now: Timestamp) -> State {
    if let Some(reason) = record.ended(now).or_else(|| invalidated(record, user)) {
        return State::Ended(reason);
    }
    if user.is_some_and(|user| user.status == Status::Blocked) {
        return State::Suspended(Reason::UserBlocked);
    }
    record.disabled_at.map_or(State::Live, |_| State::Suspended(Reason::Disabled))
}

impl State {
    /// Why it is rejected, if it is.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Live => None,
            Self::Suspended(reason) | Self::Ended(reason) => Some(reason),
        }
    }

    /// The word that lists and answers have for it: `live`, or the reason for which it is rejected.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspended(reason) | Self::Ended(reason) => reason.as_str(),
        }
    }

    /// Whether it is accepted.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether it counts against the limits of its user: it is accepted, or may be accepted again.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Live | Self::Suspended(_))
    }
}

/// Whether a change of the user has invalidated this token for good, and why: its fingerprint is no longer the user's.
///
/// A user who is merely blocked while the token is not bound to `status` invalidates nothing: the token is rejected for as
/// long as the block lasts.
pub fn invalidated(record: &Record, user: Option<&User>) -> Option<Reason> {
    let Record { id, fingerprint, binding, snapshot, .. } = record;
    Bound { hash: &id.hash, fingerprint, binding, snapshot }.invalidated(user)
}

/// What binds a token to its user, as a record or the index of live ones has it.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The token's hash.
    pub hash: &'a TokenHash,
    /// The user's fingerprint when the token was issued.
    pub fingerprint: &'a Fingerprint,
    /// What that fingerprint is made of.
    pub binding: &'a Binding,
    /// What of the user a rejection can name.
    pub snapshot: &'a Snapshot,
}

impl Bound<'_> {
    /// Whether a change of the user has invalidated the token for good, and why; see [`invalidated`].
    pub fn invalidated(&self, user: Option<&User>) -> Option<Reason> {
        let reason = changed_since(self.fingerprint, self.binding, user)?;
        let user = user.filter(|_| reason == Reason::UserChanged);
        let differences = user.map(|user| self.snapshot.differences(self.hash, self.binding, user));
        // Someone raised `token_generation` and nothing else changed: all tokens of the user were revoked.
        Some(if differences.is_some_and(|it| it.is_generation_alone()) { Reason::Revoked } else { reason })
    }
}

/// Whether the user is no longer the one whose fingerprint this was, and why.
pub fn changed_since(fingerprint: &Fingerprint, binding: &Binding, user: Option<&User>) -> Option<Reason> {
    match user {
        None => Some(Reason::UserRemoved),
        Some(user) if binding.fingerprint(user) == *fingerprint => None,
        Some(user) if user.status == Status::Blocked => Some(Reason::UserBlocked),
        Some(_) => Some(Reason::UserChanged),
    }
}

/// What of the user a token is bound to differs from when it was issued, as far as its record can tell.
pub fn differences<'a>(record: &'a Record, user: &User) -> Differences<'a> {
    record.snapshot.differences(&record.id.hash, &record.binding, user)
}

/// The kinds of attributes that changed, if that is the reason. A record that says so itself tells while the change
/// stands.
pub fn changed(record: &Record, user: Option<&User>, reason: Reason) -> Changed {
    let user = user.filter(|_| reason == Reason::UserChanged);
    user.map(|user| differences(record, user).kinds()).unwrap_or_default()
}

/// When the record may go: its expiry or its revocation, whichever is first, and the record retention, in which its holder
/// still learns why. `None` for a token that neither ends nor was taken back.
pub fn purge_at(
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    retention: Duration,
) -> Option<Timestamp> {
    [expires_at, revoked_at].into_iter().flatten().min().map(|end| end.after(retention))
}

/// How long a replaced token is remembered at least, so that its reuse is recognised as that of a copy.
pub const REPLACED_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// When the record of a token may go that is replaced now. What shows its expiry in its text is rejected for that once
/// it expires, with or without a record.
pub fn purge_replaced_at(now: Timestamp, retention: Duration) -> Timestamp {
    now.after(retention.max(REPLACED_RETENTION))
}

#[cfg(test)]
mod tests;
