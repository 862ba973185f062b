//! Creates, reads and revokes records. A user's tokens are in one partition, so every read of them
//! is strongly consistent.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::builders::UpdateItemFluentBuilder},
    types::{Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use hallpass_token::{Cause, Format, Origin, Record, Revocation, Timestamp, TokenId};

use crate::{
    Failure, Store,
    changes::{TRIES, WAIT},
    connect::Attempts,
    edit::Edit,
    failure::{if_met, unmet_by},
    item::{self, Item},
    marking::Mark,
    names::{reasons, unmet},
    verify::pause,
};

/// The outcome of revoking, enabling or disabling a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The record was changed.
    Now,
    /// The record was so already; nothing changed.
    Same,
    /// The record was revoked before; nothing changed.
    Before,
    /// The record does not exist.
    Unknown,
}

const WITHDRAWING: &str = "withdrawing the record";

impl Store {
    /// Writes a new record. Call it before the token's text is shown.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written, or if the key is taken, which does not
    /// happen with sixteen random bytes.
    pub async fn insert(&self, record: &Record, cause: &Cause<'_>) -> Result<(), Failure> {
        self.put_new(item::from_new_record(record, cause), "writing the record").await
    }

    /// Undoes the creation or the rotation of a token whose text was not delivered: deletes its
    /// record, and restores the token that it would have replaced.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written. The record then remains until
    /// it is purged, but no one has its text.
    pub async fn withdraw(&self, record: &Record, cause: &Cause<'_>) -> Result<(), Failure> {
        match record.replaces {
            Some(old) => self.undo_rotation(record, old, cause).await,
            None => self.delete_undelivered(record).await,
        }
    }

    pub(crate) async fn delete_undelivered(&self, record: &Record) -> Result<(), Failure> {
        let call = self.client.delete_item().table_name(&self.tables.tokens);
        let call = call.set_key(Some(item::record_key(&record.id, record.format)));
        // The key of a developer record does not contain the token's hash.
        let (attribute, value) = match record.format {
            Format::Developer => (item::TOKEN_HASH, item::text(&*record.id.hash.text())),
            Format::Signed | Format::Jwt => (item::KEY_ID, item::text(&record.key_id)),
        };
        let call = call
            .condition_expression("#known = :known")
            .expression_attribute_names("#known", attribute);
        let call = call.expression_attribute_values(":known", value);
        // The condition is not met if the record was deleted, or if another developer token has
        // replaced it.
        if_met(WITHDRAWING, call.send().await)?;
        if record.format == Format::Developer {
            self.delete_existing(item::pointer_key(&record.id.hash), WITHDRAWING).await?;
        }
        Ok(())
    }

    /// Revokes a token of any format.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn revoke(
        &self,
        id: &TokenId,
        mark: Mark,
        cause: &Cause<'_>,
    ) -> Result<Marked, Failure> {
        match self.revoke_one(id, Format::Signed, mark, cause).await? {
            Marked::Unknown => self.revoke_one(id, Format::Developer, mark, cause).await,
            marked @ (Marked::Now | Marked::Same | Marked::Before) => Ok(marked),
        }
    }

    /// Revokes a token of this format in one write.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn revoke_one(
        &self,
        id: &TokenId,
        format: Format,
        mark: Mark,
        cause: &Cause<'_>,
    ) -> Result<Marked, Failure> {
        let (revocation, purge_at) = mark;
        let is_written = |found: &Record| found.revoked == Some(revocation);
        let edit = revoking(revocation, purge_at, cause);
        self.mark(id, format, edit, is_written, |_| false).await
    }

    /// Disables a token at this time, or enables it again.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn set_disabled(
        &self,
        record: &Record,
        disabled_at: Option<Timestamp>,
        cause: &Cause<'_>,
    ) -> Result<Marked, Failure> {
        let mut edit = Edit::of_record(cause);
        if let Some(at) = disabled_at {
            edit.set(item::DISABLED_AT, item::number(at));
            edit.expect_absent(item::DISABLED_AT);
        } else {
            edit.remove(item::DISABLED_AT);
            edit.expect_present(item::DISABLED_AT);
        }
        let is_written =
            |found: &Record| found.revoked.is_none() && found.disabled_at == disabled_at;
        let is_so = |found: &Record| found.disabled_at.is_some() == disabled_at.is_some();
        self.mark(&record.id, record.format, edit, is_written, is_so).await
    }

    /// Reads the record with this ID, of any format.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the record is corrupt.
    pub async fn record(&self, id: &TokenId) -> Result<Option<Record>, Failure> {
        for format in [Format::Signed, Format::Developer] {
            let key = item::record_key(id, format);
            if let Some(record) = self.item(key).await?.filter(|record| record.id == *id) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Records the first use of a token in each hour of the clock, with its network and agent. This
    /// is no lifecycle change: the version stays. Returns `false` if a use was recorded in this
    /// hour, which includes an earlier attempt of this call whose response was lost.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The caller ignores it.
    pub async fn record_last_used(
        &self,
        record: &Record,
        now: Timestamp,
        origin: Origin<'_>,
    ) -> Result<bool, Failure> {
        let hour = now.start_of_hour();
        if record.last_used_at.is_some_and(|last| last >= hour) {
            return Ok(false);
        }
        let mut edit = Edit::default();
        edit.set(item::LAST_USED_AT, item::number(now));
        edit.set_or_remove(item::LAST_USED_FROM, origin.network().map(item::text));
        edit.set_or_remove(item::LAST_USED_AGENT, origin.agent.map(item::text));
        let condition = edit.condition();
        let call = self
            .update(item::record_key(&record.id, record.format))
            .update_expression(edit.update())
            .condition_expression(format!(
                "{condition} AND (attribute_not_exists(#last_used_at) OR #last_used_at < :hour)"
            ))
            .set_expression_attribute_names(Some(edit.names()))
            .set_expression_attribute_values(Some(edit.values()))
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_values(":hour", item::number(hour));
        if_met("recording the use", call.send().await)
    }

    /// Marks that a notice of the expiry is sent this long before it. Returns `false` if this
    /// notice or a later one was sent before, or if the token was revoked.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn record_notice(
        &self,
        record: &Record,
        before: Duration,
        cause: &Cause<'_>,
    ) -> Result<bool, Failure> {
        let mut edit = Edit::of_record(cause);
        edit.set(item::EXPIRY_NOTIFIED, item::seconds(before));
        edit.expect_absent_named(item::REVOKED_AT);
        edit.expect_hash(&record.id, record.format);
        match record.expiry_notified {
            Some(last) => edit.expect(item::EXPIRY_NOTIFIED, &item::seconds(last)),
            None => edit.expect_absent(item::EXPIRY_NOTIFIED),
        }
        self.update_if_met(record.id, record.format, edit, "noting the notice of expiry").await
    }

    /// Records the first use of a token after its replacement. For a developer token, the record is
    /// that of its replacement. Returns `false` if a use was recorded before.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The caller ignores it.
    pub async fn record_reuse(
        &self,
        id: TokenId,
        format: Format,
        cause: &Cause<'_>,
    ) -> Result<bool, Failure> {
        let mut edit = Edit::of_record(cause);
        edit.set(item::REUSED_AT, item::number(cause.at));
        edit.set_or_remove(item::REUSED_FROM, cause.origin.source_ip.map(item::text));
        edit.set_or_remove(item::REUSED_AGENT, cause.origin.agent.map(item::text));
        edit.expect_absent(item::REUSED_AT);
        self.update_if_met(id, format, edit, "recording the use of a replaced token").await
    }

    /// Updates a record, and returns `false` if a condition of the edit is not met.
    async fn update_if_met(
        &self,
        id: TokenId,
        format: Format,
        edit: Edit,
        doing: &'static str,
    ) -> Result<bool, Failure> {
        let call = self
            .update(item::record_key(&id, format))
            .update_expression(edit.update())
            .condition_expression(edit.condition())
            .set_expression_attribute_names(Some(edit.names()))
            .set_expression_attribute_values(Some(edit.values()))
            .expression_attribute_names("#user", item::USER_ID);
        if_met(doing, call.send().await)
    }

    /// Writes an item that must not exist. If the same item exists, an earlier attempt of this call
    /// wrote it, and its response was lost.
    pub(crate) async fn put_new(&self, item: Item, doing: &'static str) -> Result<(), Failure> {
        let call =
            self.client.put_item().table_name(&self.tables.tokens).set_item(Some(item.clone()));
        let call = call
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed))
                if failed.item().is_some_and(|found| item::is_same(found, &item)) =>
            {
                Ok(())
            }
            Some(_) | None => Err(Failure::of(doing)(error)),
        }
    }

    /// Reads an item with strong consistency.
    pub(crate) async fn get(
        &self,
        key: Item,
        doing: &'static str,
    ) -> Result<Option<Item>, Failure> {
        let call = self
            .client
            .get_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(key))
            .consistent_read(true);
        Ok(call.send().await.map_err(Failure::of(doing))?.item)
    }

    /// Deletes an item. Returns `false` if it does not exist. Of several concurrent calls exactly
    /// one returns `true`: the deletion is a transaction, which DynamoDB executes once, even if its
    /// response is lost and the call is repeated.
    pub(crate) async fn delete_existing(
        &self,
        key: Item,
        doing: &'static str,
    ) -> Result<bool, Failure> {
        let delete = Delete::builder().table_name(&self.tables.tokens).set_key(Some(key));
        let delete = delete
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID);
        let delete = delete.build().map_err(|error| Failure::new(doing, error))?;
        let write = TransactWriteItem::builder().delete(delete).build();
        for tries in 1..=TRIES {
            let Err(error) =
                self.client.transact_write_items().transact_items(write.clone()).send().await
            else {
                return Ok(true);
            };
            match reasons(&error) {
                Some(reasons) if unmet(reasons, 0).is_some() => return Ok(false),
                // Another call is deleting the item.
                Some(_) => pause(WAIT.saturating_mul(tries)).await,
                None => return Err(Failure::of(doing)(error)),
            }
        }
        Err(Failure::new(doing, "other transactions held the item at every attempt"))
    }

    pub(crate) async fn item(&self, key: Item) -> Result<Option<Record>, Failure> {
        const DOING: &str = "reading the record";
        let item = self.get(key, DOING).await?;
        item.as_ref().map(item::to_record).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    pub(crate) fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.tables.tokens).set_key(Some(key))
    }

    /// Sends an update of a record that must exist and must not be revoked. If the record is what
    /// this call writes and the call was attempted more than once, an earlier attempt wrote it, and
    /// its response was lost. `is_so` tells whether there was nothing to write.
    async fn mark(
        &self,
        id: &TokenId,
        format: Format,
        mut edit: Edit,
        is_written: impl Fn(&Record) -> bool,
        is_so: impl Fn(&Record) -> bool,
    ) -> Result<Marked, Failure> {
        edit.expect_absent_named(item::REVOKED_AT);
        edit.expect_hash(id, format);
        let attempts = Attempts::default();
        let call = self
            .update(item::record_key(id, format))
            .update_expression(edit.update())
            .condition_expression(edit.condition())
            .set_expression_attribute_names(Some(edit.names()))
            .set_expression_attribute_values(Some(edit.values()))
            .expression_attribute_names("#user", item::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .interceptor(attempts.clone());
        match call.send().await {
            Ok(_) => Ok(Marked::Now),
            Err(error) => match unmet_by(&error) {
                None => Err(Failure::of("marking the record")(error)),
                Some(old) => Ok(match item::to_record(&old) {
                    Ok(record) if record.id.hash != id.hash => Marked::Unknown,
                    Ok(record) if attempts.are_several() && is_written(&record) => Marked::Now,
                    Ok(record) if record.revoked.is_none() && is_so(&record) => Marked::Same,
                    Ok(_) => Marked::Before,
                    Err(_) => Marked::Unknown,
                }),
            },
        }
    }
}

/// The edit that revokes a record.
pub(crate) fn revoking(
    revocation: Revocation,
    purge_at: Option<Timestamp>,
    cause: &Cause<'_>,
) -> Edit {
    let mut edit = Edit::of_record(cause);
    edit.set(item::REVOKED_AT, item::number(revocation.at));
    edit.set(item::REVOKED_BECAUSE, item::text(revocation.because.as_str()));
    if let Some(purge_at) = purge_at {
        edit.set(item::PURGE_AT, item::number(purge_at));
    }
    edit.remove(item::LIVE_UNTIL);
    edit
}
