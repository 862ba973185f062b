//! Revokes many records: a family, the tokens that a token issued, or all tokens of a user whose
//! item has no room for a raised `token_generation`.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join_all;
use hallpass_token::{Cause, Reason, Record, Revocation, Timestamp, TokenId, UserId, lifecycle};

use crate::{Failure, Store, marks::ChangeMark, tokens::Marked};

/// A revocation, and the time from which its record can be purged.
pub type Mark = (Revocation, Option<Timestamp>);

/// The maximum number of passes over a user's tokens. Each pass revokes all tokens that were issued
/// before it.
const MAX_PASSES: u32 = 10;

/// The number of records that are revoked concurrently.
const AT_ONCE: usize = 16;

/// How a change of a user invalidates the user's tokens.
#[derive(Clone, Copy, Debug)]
pub struct Invalidate {
    /// The replacement of a `token_generation` that cannot be raised. No token must have this
    /// value.
    pub fresh: u32,
    /// The record retention.
    pub retention: Duration,
}

impl Store {
    /// Revokes every live record of a user that matches, and repeats this until no live one is
    /// left. Returns the IDs of the revoked records, or `None` if new ones keep appearing.
    /// Unreadable records are skipped, because they are never accepted.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn revoke_of_user(
        &self,
        user_id: &UserId,
        matches: impl Fn(&Record) -> bool,
        mark: Mark,
        cause: &Cause<'_>,
    ) -> Result<Option<Vec<TokenId>>, Failure> {
        let mut revoked = Vec::new();
        for _ in 0..MAX_PASSES {
            let (mut found, mut after) = (false, None);
            loop {
                let page = self.readable_page_of(user_id, after).await?;
                let live: Vec<Record> = page
                    .records
                    .into_iter()
                    .filter(|record| could_be_live(record, mark.0.at) && matches(record))
                    .collect();
                found |= !live.is_empty();
                revoked.extend(self.revoke_records(&live, mark, cause).await?);
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

    /// Revokes these records concurrently, and returns the IDs of those that were not revoked
    /// before.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn revoke_records(
        &self,
        records: &[Record],
        mark: Mark,
        cause: &Cause<'_>,
    ) -> Result<Vec<TokenId>, Failure> {
        let mut revoked = Vec::new();
        for chunk in records.chunks(AT_ONCE) {
            let one = |record: &Record| {
                let (id, format) = (record.id, record.format);
                async move { Ok((id, self.revoke_one(&id, format, mark, cause).await?)) }
            };
            let marked: Vec<(TokenId, Marked)> = try_join_all(chunk.iter().map(one)).await?;
            revoked.extend(
                marked.into_iter().filter(|(_, marked)| *marked == Marked::Now).map(|(id, _)| id),
            );
        }
        Ok(revoked)
    }

    /// Closes every session of a user and revokes every token, because the user changed. This is
    /// for items without room for a raised `token_generation`, which would invalidate them in one
    /// write.
    pub(crate) async fn revoke_one_by_one(
        &self,
        id: &UserId,
        how: Invalidate,
        cause: &Cause<'_>,
    ) -> Result<(), Failure> {
        // A token that is being issued meanwhile is withdrawn when the mark is found.
        let change = ChangeMark::new(None, &format!("full#{}", how.fresh));
        self.mark_changes(id, &BTreeSet::from([change]), cause.at).await?;
        // Sessions issue tokens, so they are closed first.
        self.end_sessions_of(id, cause.at).await?;
        let revocation = Revocation { at: cause.at, because: Reason::UserChanged };
        let mark = (revocation, lifecycle::purge_at(None, Some(cause.at), how.retention));
        match self.revoke_of_user(id, |_| true, mark, cause).await? {
            Some(_) => Ok(()),
            None => Err(Failure::new(
                "revoking the user's tokens",
                "new tokens were issued during every pass",
            )),
        }
    }
}

/// Whether the record alone does not rule out that the token is accepted, now or later.
pub fn could_be_live(record: &Record, now: Timestamp) -> bool {
    record.live_until().is_some_and(|end| !end.has_passed(now))
}
