//! What is kept of a token. It is never enough to rebuild the token.

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

/// The record of one token.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its public name and key.
    pub id: TokenId,
    /// The format of its text.
    pub format: Format,
    /// What its owner calls it. Only named tokens count against the limit of a user.
    pub name: Option<String>,
    /// What its owner says about it.
    pub description: Option<String>,
    /// What it is limited to; `None` means all of the user's permissions.
    pub scope: Option<Scope>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// The id of the token that made it, or of the user who did with a password.
    pub issued_by: String,
    /// When it ends; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off, if it is.
    pub disabled_at: Option<Timestamp>,
    /// When and why it was taken back, if it was.
    pub revoked: Option<Revocation>,
    /// The user's fingerprint at the time it was made.
    pub fingerprint: Fingerprint,
    /// What that fingerprint is made of.
    pub binding: Binding,
    /// What of the user a rejection can name.
    pub snapshot: Snapshot,
    /// The key of the keyring that signed it.
    pub key_id: String,
    /// The tokens it belongs with, and the families whose tokens issued it.
    pub family: Family,
    /// The digest of a JWT's claims as they were issued; records from before this was kept have none.
    pub payload_digest: Option<PayloadDigest>,
    /// When the user showed a password, or an operator acted, for the first token that this one goes back to. It passes
    /// to everything that a token creates.
    pub authenticated_at: Timestamp,
    /// When every token expires at the latest that goes back to this one, if one that it goes back to was temporary or
    /// had a scope.
    pub expiry_cap: Option<Timestamp>,
    /// The token that dies at this one's first use.
    pub replaces: Option<TokenHash>,
    /// The token that took or will take this one's place.
    pub replaced_by: Option<TokenHash>,
    /// When that happens at the latest.
    pub replaced_at: Option<Timestamp>,
    /// When it was last seen, within the hour.
    pub last_used_at: Option<Timestamp>,
    /// When the record may go; see [`crate::lifecycle::purge_at`].
    pub purge_at: Option<Timestamp>,
}

/// When and why a token was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub because: Reason,
}

impl Record {
    /// Why the token is over for good as far as its record tells; [`crate::lifecycle::state`] looks at the user as
    /// well.
    pub(crate) fn ended(&self, now: Timestamp) -> Option<Reason> {
        if self.expires_at.is_some_and(|end| end.has_passed(now)) {
            return Some(Reason::Expired);
        }
        let replaced = self.replaced_at.filter(|at| at.has_passed(now)).map(|_| Reason::Replaced);
        self.revoked.map(|revocation| revocation.because).or(replaced)
    }

    /// The instant at which the token is over for good as far as its record tells: [`Timestamp::MAX`] if it never
    /// expires, `None` if it was revoked. Until then it may count against the limits of its user.
    pub fn live_until(&self) -> Option<Timestamp> {
        let ends = [self.expires_at, self.replaced_at].into_iter().flatten().min();
        self.revoked.is_none().then(|| ends.unwrap_or(Timestamp::MAX))
    }
}
