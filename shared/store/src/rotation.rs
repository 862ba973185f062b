//! Rotation: a new token replaces an old one at the first use of the new one, or at the end of a
//! window.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use hallpass_token::{Cause, Format, Reason, Record, Revocation, Timestamp, TokenHash, TokenId};

use crate::{
    Failure, Store,
    changes::{TRIES, WAIT},
    developer::{is_cancelled, last_was_unmet},
    edit::Edit,
    failure::if_met,
    item,
    tokens::revoking,
    verify::pause,
};

/// The outcome of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The new token was created, and the old one is marked for replacement.
    Now,
    /// The old token is no longer live, or is already being replaced; nothing changed.
    Lost,
    /// The caller's token is no longer live; nothing changed.
    ParentEnded,
}

const ENDING: &str = "revoking the replaced token";
const UNDOING: &str = "undoing the rotation";

impl Store {
    /// Writes the new record and marks the old one, in one transaction. `new.replaces` is the hash
    /// of the old token. `parent` is the caller's token if it is a different one; it must still be
    /// live.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn rotate(
        &self,
        new: &Record,
        old: &Record,
        ends_at: Timestamp,
        parent: Option<&Record>,
        cause: &Cause<'_>,
    ) -> Result<Rotated, Failure> {
        const DOING: &str = "rotating the token";
        let bad = |error| Failure::new(DOING, error);
        let put = Put::builder()
            .table_name(&self.tables.tokens)
            .set_item(Some(item::from_new_record(new, cause)))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .build()
            .map_err(bad)?;
        let live_until = old.expires_at.map_or(ends_at, |end| end.min(ends_at));
        let mut mark = Edit::of_record(cause);
        mark.set(item::REPLACED_BY, item::text(&*new.id.hash.text()));
        mark.set(item::REPLACED_AT, item::number(ends_at));
        mark.set(item::LIVE_UNTIL, item::number(live_until));
        mark.expect_absent(item::REPLACED_BY);
        mark.expect_live(new.issued_at);
        let writes = [
            Some(TransactWriteItem::builder().put(put).build()),
            Some(self.update_record(old, &mark, DOING)?),
            parent.map(|parent| self.require_live(parent, new.issued_at)).transpose()?,
        ];
        let call = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes.into_iter().flatten().collect()));
        match call.send().await {
            Ok(_) => Ok(Rotated::Now),
            Err(error) if parent.is_some() && last_was_unmet(&error) => Ok(Rotated::ParentEnded),
            Err(error) if is_cancelled(&error) => Ok(Rotated::Lost),
            Err(error) => Err(Failure::of(DOING)(error)),
        }
    }

    /// Undoes a rotation whose new token was not delivered: one transaction deletes the new record
    /// and restores the old one. If the old token is no longer waiting to be replaced, because it
    /// was revoked or deleted, only the new record is deleted.
    pub(crate) async fn undo_rotation(
        &self,
        new: &Record,
        old: TokenHash,
        cause: &Cause<'_>,
    ) -> Result<(), Failure> {
        let old = TokenId { user_id: new.id.user_id, hash: old };
        for tries in 1..=TRIES {
            let waits =
                |old: &Record| old.replaced_by == Some(new.id.hash) && old.revoked.is_none();
            let Some(old) = self.record(&old).await?.filter(waits) else {
                return self.delete_undelivered(new).await;
            };
            let writes = self.undoing(new, old, cause)?;
            let call = self.client.transact_write_items().set_transact_items(Some(writes.into()));
            match call.send().await {
                Ok(_) => return Ok(()),
                // The old token was revoked in the meantime, or another transaction is writing one
                // of the two.
                Err(error) if is_cancelled(&error) => pause(WAIT.saturating_mul(tries)).await,
                Err(error) => return Err(Failure::of(UNDOING)(error)),
            }
        }
        Err(Failure::new(UNDOING, "other transactions held the records at every attempt"))
    }

    fn undoing(
        &self,
        new: &Record,
        old: Record,
        cause: &Cause<'_>,
    ) -> Result<[TransactWriteItem; 2], Failure> {
        let delete = Delete::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::record_key(&new.id, new.format)))
            .build()
            .map_err(|error| Failure::new(UNDOING, error))?;
        let old = Record { replaced_at: None, ..old };
        let mut unmark = Edit::of_record(cause);
        unmark.set(item::LIVE_UNTIL, item::number(old.live_until().unwrap_or(Timestamp::MAX)));
        unmark.remove(item::REPLACED_BY);
        unmark.remove(item::REPLACED_AT);
        unmark.expect(item::REPLACED_BY, &item::text(&*new.id.hash.text()));
        unmark.expect_absent_named(item::REVOKED_AT);
        Ok([
            TransactWriteItem::builder().delete(delete).build(),
            self.update_record(&old, &unmark, UNDOING)?,
        ])
    }

    /// The update of a record, for a transaction.
    fn update_record(
        &self,
        record: &Record,
        edit: &Edit,
        doing: &'static str,
    ) -> Result<TransactWriteItem, Failure> {
        let key = item::record_key(&record.id, record.format);
        edit.transacted(&self.tables.tokens, key, doing)
    }

    /// Revokes the token that `record` replaces, at the first use of `record`, in one transaction
    /// over both. If the old token was deleted or revoked before, or if another call has revoked
    /// it, only `replaces` is removed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written. The caller must then not accept
    /// the token.
    pub async fn finish_rotation(
        &self,
        record: &Record,
        purge_at: Timestamp,
        cause: &Cause<'_>,
    ) -> Result<(), Failure> {
        // First uses are often concurrent, and DynamoDB cancels all but one of the concurrent
        // transactions.
        for wait in [20, 40, 80] {
            if self.end_replaced(record, purge_at, cause).await? {
                return Ok(());
            }
            pause(Duration::from_millis(wait)).await;
        }
        Err(Failure::new(ENDING, "other transactions held the records at every attempt"))
    }

    /// Tries the transaction once. Returns `false` if it was cancelled and the old token is still
    /// live.
    async fn end_replaced(
        &self,
        record: &Record,
        purge_at: Timestamp,
        cause: &Cause<'_>,
    ) -> Result<bool, Failure> {
        let Some(hash) = record.replaces else { return Ok(true) };
        let old = TokenId { user_id: record.id.user_id, hash };
        let revocation = Revocation { at: cause.at, because: Reason::Replaced };
        let mut end = revoking(revocation, Some(purge_at), cause);
        end.expect_absent(item::REVOKED_AT);
        let mut clear = Edit::of_record(cause);
        clear.remove(item::REPLACES);
        clear.expect(item::REPLACES, &item::text(&*hash.text()));
        let tokens = &self.tables.tokens;
        let writes = vec![
            end.transacted(tokens, item::record_key(&old, Format::Signed), ENDING)?,
            self.update_record(record, &clear, ENDING)?,
        ];
        let call = self.client.transact_write_items().set_transact_items(Some(writes));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_cancelled(&error) => self.clear_replaces(record, cause).await,
            Err(error) => Err(Failure::of(ENDING)(error)),
        }
    }

    /// Removes `replaces` from the record if the old token was revoked or deleted. Returns `false`
    /// if it is still live.
    async fn clear_replaces(&self, record: &Record, cause: &Cause<'_>) -> Result<bool, Failure> {
        let Some(hash) = record.replaces else { return Ok(true) };
        let old = self.record(&TokenId { user_id: record.id.user_id, hash }).await?;
        if old.is_some_and(|old| old.revoked.is_none()) {
            return Ok(false);
        }
        let mut clear = Edit::of_record(cause);
        clear.remove(item::REPLACES);
        clear.expect(item::REPLACES, &item::text(&*hash.text()));
        let call = self
            .update(item::record_key(&record.id, record.format))
            .update_expression(clear.update())
            .condition_expression(clear.condition())
            .set_expression_attribute_names(Some(clear.names()))
            .set_expression_attribute_values(Some(clear.values()))
            .expression_attribute_names("#user", item::USER_ID);
        // The condition is not met if the record was deleted, or if another call has removed it.
        if_met(ENDING, call.send().await).map(|_met| true)
    }
}
