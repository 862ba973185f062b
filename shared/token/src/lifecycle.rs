//! Whether a token is accepted, and when its record is purged. No caller can omit a check:
//! [`state`] decides the state of a token wherever tokens are verified, listed or counted, and only
//! this module creates an [`Admitted`].

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

/// An accepted token. Only [`admit`] and [`readmit`] create one, so holding it proves that every
/// check has passed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admitted {
    /// The token's record.
    pub record: Record,
    /// The token's user, read together with the record.
    pub user: User,
    /// The effective permissions: the intersection of the token's scope and the user's permissions.
    /// An empty scope permits nothing.
    pub scope: Scope,
}

/// A rejection reason, and the attributes whose change caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason.
    pub reason: Reason,
    /// The kinds of the user's attributes that changed, if the reason is [`Reason::UserChanged`]
    /// and the record has digests.
    pub changed: Changed,
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self { reason, changed: Changed::default() }
    }
}

/// Decides whether a claim is accepted, given the record and the user from one strongly consistent
/// read. A missing record or user rejects.
///
/// # Errors
/// Returns the first [`Reason`] that applies, in the order of [`Reason::ALL`].
pub fn admit(
    claim: &Claim,
    record: Option<Record>,
    user: Option<User>,
    now: Timestamp,
) -> Result<Admitted, Rejection> {
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

/// Whether the claims of a JWT are those that were issued. A holder of an exported key can sign
/// different claims with the same secret. Older records have no digest; for these only `iat` and
/// `exp` are compared.
fn is_as_issued(claim: &Claim, record: &Record) -> bool {
    claim.payload.is_some_and(|payload| match record.payload_digest {
        Some(digest) => digest == payload.digest,
        None => payload.issued_at == record.issued_at && claim.expires_at == record.expires_at,
    })
}

/// Decides whether a token whose text has been verified before is still accepted. This is the part
/// of [`admit`] that needs no claim.
///
/// # Errors
/// Returns the first [`Reason`] that applies, in the order of [`Reason::ALL`].
pub fn readmit(record: Record, user: Option<User>, now: Timestamp) -> Result<Admitted, Rejection> {
    if user.as_ref().is_some_and(|user| user.id != record.id.user_id) {
        return Err(Reason::Unknown.into());
    }
    if let Some(reason) = state(&record, user.as_ref(), now).reason() {
        return Err(Rejection { reason, changed: changed(&record, user.as_ref(), reason) });
    }
    let user = user.ok_or(Reason::UserRemoved)?;
    let scope = record
        .scope
        .as_ref()
        .map_or_else(|| user.permissions.clone(), |s| s.intersection(&user.permissions));
    Ok(Admitted { record, user, scope })
}

/// The state of a token. Only [`state`] decides it, wherever tokens are verified, listed or
/// counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The token is accepted.
    Live,
    /// The token is rejected until it is enabled, or until its user is unblocked or signs in.
    Suspended(Reason),
    /// The token is rejected for good.
    Ended(Reason),
}

/// Returns the state of a token, from its record and its user, which must come from the same read.
pub fn state(record: &Record, user: Option<&User>, now: Timestamp) -> State {
    if let Some(reason) = record.final_reason(now).or_else(|| invalidated(record, user)) {
        return State::Ended(reason);
    }
    if user.is_some_and(|user| user.status == Status::Blocked) {
        return State::Suspended(Reason::UserBlocked);
    }
    if user.is_some_and(|user| user.is_sign_in_due(now)) {
        return State::Suspended(Reason::SignInRequired);
    }
    record.disabled_at.map_or(State::Live, |_| State::Suspended(Reason::Disabled))
}

impl State {
    /// The rejection reason, or `None` for a live token.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Live => None,
            Self::Suspended(reason) | Self::Ended(reason) => Some(reason),
        }
    }

    /// The name of the state in lists and responses: `live`, or the rejection reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspended(reason) | Self::Ended(reason) => reason.as_str(),
        }
    }

    /// Whether the token is accepted.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether the token counts against the user's limit: it is accepted, or can be accepted again.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Live | Self::Suspended(_))
    }
}

/// Returns the reason if a change of the user has invalidated this token for good, which means that
/// its fingerprint is no longer the user's.
///
/// A block does not invalidate a token that is not bound to `status`: the token is rejected only
/// until the user is unblocked.
pub fn invalidated(record: &Record, user: Option<&User>) -> Option<Reason> {
    let Record { id, fingerprint, binding, snapshot, .. } = record;
    Bound { hash: &id.hash, fingerprint, binding, snapshot }.invalidated(user)
}

/// The data that binds a token to its user, from a record or from the index of live tokens.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The token's hash.
    pub hash: &'a TokenHash,
    /// The user's fingerprint at issue.
    pub fingerprint: &'a Fingerprint,
    /// The attributes that the fingerprint covers.
    pub binding: &'a Binding,
    /// Digests of those attributes.
    pub snapshot: &'a Snapshot,
}

impl Bound<'_> {
    /// Returns the reason if a change of the user has invalidated the token for good; see
    /// [`invalidated`].
    pub fn invalidated(&self, user: Option<&User>) -> Option<Reason> {
        let reason = changed_since(self.fingerprint, self.binding, user)?;
        let user = user.filter(|_| reason == Reason::UserChanged);
        let differences = user.map(|user| self.snapshot.differences(self.hash, self.binding, user));
        let is_revoked = differences.is_some_and(|differences| differences.is_generation_alone());
        Some(if is_revoked { Reason::Revoked } else { reason })
    }
}

/// Returns the reason if the user no longer has this fingerprint.
pub fn changed_since(
    fingerprint: &Fingerprint,
    binding: &Binding,
    user: Option<&User>,
) -> Option<Reason> {
    match user {
        None => Some(Reason::UserRemoved),
        Some(user) if binding.fingerprint(user) == *fingerprint => None,
        Some(user) if user.status == Status::Blocked => Some(Reason::UserBlocked),
        Some(_) => Some(Reason::UserChanged),
    }
}

/// The differences between the user now and at issue, as far as the record has digests.
pub fn differences<'a>(record: &'a Record, user: &User) -> Differences<'a> {
    record.snapshot.differences(&record.id.hash, &record.binding, user)
}

/// The kinds of attributes that changed, if the reason is [`Reason::UserChanged`]. Empty once the
/// change is undone.
pub fn changed(record: &Record, user: Option<&User>, reason: Reason) -> Changed {
    let user = user.filter(|_| reason == Reason::UserChanged);
    user.map(|user| differences(record, user).kinds()).unwrap_or_default()
}

/// The time from which a record can be purged: the earlier of expiry and revocation, plus the
/// record retention, during which rejections still give the reason. `None` for a token that neither
/// expires nor was revoked.
pub fn purge_at(
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    retention: Duration,
) -> Option<Timestamp> {
    [expires_at, revoked_at].into_iter().flatten().min().map(|end| end.after(retention))
}

/// The minimum retention of a replaced token, during which its reuse is recognized as the use of a
/// copy.
pub const REPLACED_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// The time from which the record of a token that is replaced now can be purged. A text with an
/// expiry is rejected after it, with or without a record.
pub fn purge_replaced_at(now: Timestamp, retention: Duration) -> Timestamp {
    now.after(retention.max(REPLACED_RETENTION))
}

#[cfg(test)]
mod tests;
