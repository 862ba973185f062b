//! The stored record of a token. The token's text cannot be rebuilt from it.

use std::time::Duration;

use crate::{
    codec::{Format, jwt::PayloadDigest},
    family::Family,
    fingerprint::{Binding, Fingerprint},
    id::{TokenHash, TokenId},
    reason::Reason,
    scope::Scope,
    snapshot::Snapshot,
    timestamp::Timestamp,
};

pub mod attribute;

/// The record of one token.
#[derive(Clone, Debug)]
pub struct Record {
    /// The token's public ID, which is the key of the record.
    pub id: TokenId,
    /// The format of the token's text.
    pub format: Format,
    /// The name that the owner gave it. Only named tokens count against the user's limit.
    pub name: Option<String>,
    /// The description that the owner gave it.
    pub description: Option<String>,
    /// The permissions that the token is limited to. `None` means all of the user's permissions.
    pub scope: Option<Scope>,
    /// The issue time.
    pub issued_at: Timestamp,
    /// The ID of the token that created it, or of the user who created it with a password.
    pub issued_by: String,
    /// The expiry. `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The time at which the token was disabled, while it is.
    pub disabled_at: Option<Timestamp>,
    /// The time and the reason of its revocation, if it was revoked.
    pub revoked: Option<Revocation>,
    /// The user's fingerprint at issue.
    pub fingerprint: Fingerprint,
    /// The attributes that the fingerprint covers.
    pub binding: Binding,
    /// Digests of those attributes, so that a rejection can name the one that changed.
    pub snapshot: Snapshot,
    /// The ID of the key that signed the token.
    pub key_id: String,
    /// The token's family, and the families whose tokens issued it.
    pub family: Family,
    /// The digest of a JWT's claims at issue. Older records have none.
    pub payload_digest: Option<PayloadDigest>,
    /// The time at which a user entered a password, or an operator acted, to create the first token
    /// in this token's line. Every token that this one creates inherits it.
    pub authenticated_at: Timestamp,
    /// The latest expiry of every token created from this one, if this token or one in its line was
    /// temporary or had a scope.
    pub expiry_cap: Option<Timestamp>,
    /// The token that is replaced at the first use of this one.
    pub replaces: Option<TokenHash>,
    /// The token that has replaced or will replace this one.
    pub replaced_by: Option<TokenHash>,
    /// The latest time of the replacement.
    pub replaced_at: Option<Timestamp>,
    /// The time of the last use, accurate to an hour.
    pub last_used_at: Option<Timestamp>,
    /// How long before the expiry the last notice of it was sent.
    pub expiry_notified: Option<Duration>,
    /// The time at which the token was first used after its replacement, accurate to the second.
    pub reused_at: Option<Timestamp>,
    /// The time from which the record can be deleted; see [`crate::lifecycle::purge_at`].
    pub purge_at: Option<Timestamp>,
}

/// The time and the reason of a token's revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The time of the revocation.
    pub at: Timestamp,
    /// The reason that rejections give.
    pub because: Reason,
}

impl Record {
    /// Why the record rejects the token for good. [`crate::lifecycle::state`] checks the user as
    /// well.
    pub(crate) fn final_reason(&self, now: Timestamp) -> Option<Reason> {
        if self.expires_at.is_some_and(|end| end.has_passed(now)) {
            return Some(Reason::Expired);
        }
        let replaced = self.replaced_at.filter(|at| at.has_passed(now)).map(|_| Reason::Replaced);
        self.revoked.map(|revocation| revocation.because).or(replaced)
    }

    /// The time until which the record does not reject the token for good: [`Timestamp::MAX`] if it
    /// never expires, `None` if it was revoked. Until then the token can count against the user's
    /// limit.
    pub fn live_until(&self) -> Option<Timestamp> {
        let ends = [self.expires_at, self.replaced_at].into_iter().flatten().min();
        self.revoked.is_none().then(|| ends.unwrap_or(Timestamp::MAX))
    }
}
