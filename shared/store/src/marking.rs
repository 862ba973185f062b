//! Revoking many records, one after the other: a family, what a token issued, and all tokens of a user whose item takes
//! no raised `token_generation`.

use std::time::Duration;

use futures_util::future::try_join_all;
use token::{Reason, Record, Revocation, Timestamp, TokenId, UserId, lifecycle};

use crate::{Failure, Store, tokens::Marked};

/// A revocation, and until when it is remembered.
pub type Mark = (Revocation, Option<Timestamp>);

/// How often a user's tokens are looked at again; each pass ends all that was issued before it.
const MAX_PASSES: u32 = 10;

/// How many records are revoked at once.
const AT_ONCE: usize = 16;

/// How a change of a user invalidates the tokens that the user has.
#[derive(Clone, Copy, Debug)]
pub struct Invalidate {
    /// The `token_generation` that replaces one that cannot be raised: no token may have it.
    pub fresh: u32,
    /// The time.
    pub now: Timestamp,
    /// How long a record stays after its token's end.
    pub retention: Duration,
}

impl Store {
    /// Revokes every live record of one user that `ends` names, and looks again until none lives. Returns how many, or
    /// `None` if more and more of them appear. Records that cannot be read are rejected anyway, and are passed over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_of_user(
        &self,
        user_id: &UserId,
        ends: impl Fn(&Record) -> bool,
        mark: Mark,
    ) -> Result<Option<u64>, Failure> {
        let mut revoked: u64 = 0;
        for _ in 0..MAX_PASSES {
            let (mut found, mut after) = (false, None);
            loop {
                let page = self.readable_page_of(user_id, after).await?;
                let live: Vec<Record> = page
                    .records
                    .into_iter()
                    .filter(|record| could_be_live(record, mark.0.at) && ends(record))
                    .collect();
                found |= !live.is_empty();
                let marked = self.revoke_records(&live, mark).await?;
                revoked = revoked.saturating_add(u64::try_from(marked.len()).unwrap_or(u64::MAX));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if !found {
                return Ok(Some(revoked));
            }
        }
        Ok(None)
    }

    /// Revokes these records, several at once, and returns those that were not revoked before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_records(&self, records: &[Record], mark: Mark) -> Result<Vec<TokenId>, Failure> {
        let (revocation, purge_at) = mark;
        let mut revoked = Vec::new();
        for some in records.chunks(AT_ONCE) {
            let one = |record: &Record| {
                let (id, format) = (record.id, record.format);
                async move { Ok((id, self.revoke_one(&id, format, revocation, purge_at).await?)) }
            };
            let marked: Vec<(TokenId, Marked)> = try_join_all(some.iter().map(one)).await?;
            revoked.extend(marked.into_iter().filter(|(_, marked)| *marked == Marked::Now).map(|(id, _)| id));
        }
        Ok(revoked)
    }

    /// Ends every session of a user and revokes every token, because the user changed. Only for an item with no room
    /// for what ends them all in one write.
    pub(crate) async fn end_one_by_one(&self, id: &UserId, how: Invalidate) -> Result<(), Failure> {
        // Sessions issue tokens, so they end first.
        self.end_sessions_of(id, how.now).await?;
        let revocation = Revocation { at: how.now, because: Reason::UserChanged };
        let mark = (revocation, lifecycle::purge_at(None, Some(how.now), how.retention));
        match self.revoke_of_user(id, |_| true, mark).await? {
            Some(_) => Ok(()),
            None => Err(Failure::new("revoking the user's tokens", "more are issued all the time")),
        }
    }
}

/// Whether a record may be accepted now or later, as far as it tells itself.
pub fn could_be_live(record: &Record, now: Timestamp) -> bool {
    record.live_until().is_some_and(|end| !end.has_passed(now))
}
