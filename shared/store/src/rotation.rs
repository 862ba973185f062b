//! Rotation: a new token replaces an old one at the first use of the new one, or at the end of a
//! window.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use hallpass_token::{Format, Reason, Record, Timestamp, TokenHash, TokenId};

use crate::{
    Failure, Store,
    changes::{TRIES, WAIT},
    condition::{self, LIVES},
    developer::{is_cancelled, last_was_unmet},
    failure::if_met,
    item,
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
    ) -> Result<Rotated, Failure> {
        const DOING: &str = "rotating the token";
        let bad = |error| Failure::new(DOING, error);
        let put = Put::builder()
            .table_name(&self.tables.tokens)
            .set_item(Some(item::from_record(new)))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .build()
            .map_err(bad)?;
        let live_until = old.expires_at.map_or(ends_at, |end| end.min(ends_at));
        let mark = Update::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::record_key(&old.id, old.format)))
            .update_expression("SET #by = :new, #at = :end, #live = :live")
            .condition_expression(format!("{LIVES} AND attribute_not_exists(#by)"))
            .set_expression_attribute_names(Some(condition::names()))
            .set_expression_attribute_values(Some(condition::values(new.issued_at)))
            .expression_attribute_names("#by", item::REPLACED_BY)
            .expression_attribute_names("#at", item::REPLACED_AT)
            .expression_attribute_values(":new", item::text(&*new.id.hash.text()))
            .expression_attribute_names("#live", item::LIVE_UNTIL)
            .expression_attribute_values(":end", item::number(ends_at))
            .expression_attribute_values(":live", item::number(live_until))
            .build()
            .map_err(bad)?;
        let writes = [
            Some(TransactWriteItem::builder().put(put).build()),
            Some(TransactWriteItem::builder().update(mark).build()),
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
    pub(crate) async fn undo_rotation(&self, new: &Record, old: TokenHash) -> Result<(), Failure> {
        let old = TokenId { user_id: new.id.user_id, hash: old };
        for tries in 1..=TRIES {
            let waits =
                |old: &Record| old.replaced_by == Some(new.id.hash) && old.revoked.is_none();
            let Some(old) = self.record(&old).await?.filter(waits) else {
                return self.delete_undelivered(new).await;
            };
            let writes = self.undoing(new, old)?;
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

    fn undoing(&self, new: &Record, old: Record) -> Result<[TransactWriteItem; 2], Failure> {
        let bad = |error| Failure::new(UNDOING, error);
        let key = |record: &Record| Some(item::record_key(&record.id, record.format));
        let delete = Delete::builder()
            .table_name(&self.tables.tokens)
            .set_key(key(new))
            .build()
            .map_err(bad)?;
        let unmark = Update::builder()
            .table_name(&self.tables.tokens)
            .set_key(key(&old))
            .update_expression("SET #live = :live REMOVE #by, #at")
            .condition_expression("#by = :new AND attribute_not_exists(#revoked)")
            .expression_attribute_names("#live", item::LIVE_UNTIL)
            .expression_attribute_names("#by", item::REPLACED_BY)
            .expression_attribute_names("#at", item::REPLACED_AT)
            .expression_attribute_names("#revoked", item::REVOKED_AT)
            .expression_attribute_values(":new", item::text(&*new.id.hash.text()));
        let live_until = Record { replaced_at: None, ..old }.live_until().unwrap_or(Timestamp::MAX);
        let unmark = unmark
            .expression_attribute_values(":live", item::number(live_until))
            .build()
            .map_err(bad)?;
        Ok([
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(unmark).build(),
        ])
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
        now: Timestamp,
        purge_at: Timestamp,
    ) -> Result<(), Failure> {
        // First uses are often concurrent, and DynamoDB cancels all but one of the concurrent
        // transactions.
        for wait in [20, 40, 80] {
            if self.end_replaced(record, now, purge_at).await? {
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
        now: Timestamp,
        purge_at: Timestamp,
    ) -> Result<bool, Failure> {
        let Some(old) = record.replaces else { return Ok(true) };
        let old = TokenId { user_id: record.id.user_id, hash: old };
        let end = Update::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::record_key(&old, Format::Signed)))
            .update_expression(
                "SET #revoked = :now, #because = :replaced, #purge = :purge REMOVE #live",
            )
            .expression_attribute_names("#purge", item::PURGE_AT)
            .expression_attribute_values(":purge", item::number(purge_at))
            .expression_attribute_names("#live", item::LIVE_UNTIL)
            .condition_expression("attribute_exists(#user) AND attribute_not_exists(#revoked)")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#revoked", item::REVOKED_AT)
            .expression_attribute_names("#because", item::REVOKED_BECAUSE)
            .expression_attribute_values(":now", item::number(now))
            .expression_attribute_values(":replaced", item::text(Reason::Replaced.as_str()))
            .build()
            .map_err(|error| Failure::new(ENDING, error))?;
        let clear = Update::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::record_key(&record.id, record.format)))
            .update_expression("REMOVE #replaces")
            .condition_expression("#replaces = :old")
            .expression_attribute_names("#replaces", item::REPLACES)
            .expression_attribute_values(":old", item::text(&*old.hash.text()))
            .build()
            .map_err(|error| Failure::new(ENDING, error))?;
        let writes = [end, clear].map(|update| TransactWriteItem::builder().update(update).build());
        let call = self.client.transact_write_items().set_transact_items(Some(writes.to_vec()));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_cancelled(&error) => self.clear_replaces(record).await,
            Err(error) => Err(Failure::of(ENDING)(error)),
        }
    }

    /// Removes `replaces` from the record if the old token was revoked or deleted. Returns `false`
    /// if it is still live.
    async fn clear_replaces(&self, record: &Record) -> Result<bool, Failure> {
        let Some(hash) = record.replaces else { return Ok(true) };
        let old = self.record(&TokenId { user_id: record.id.user_id, hash }).await?;
        if old.is_some_and(|old| old.revoked.is_none()) {
            return Ok(false);
        }
        let call = self
            .update(item::record_key(&record.id, record.format))
            .update_expression("REMOVE #replaces")
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#replaces", item::REPLACES);
        // The condition is not met if the record was deleted.
        if_met(ENDING, call.send().await).map(|_met| true)
    }
}
