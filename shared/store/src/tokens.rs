//! Creates, reads and revokes records. A user's tokens are in one partition, so every read of them
//! is strongly consistent.

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::builders::UpdateItemFluentBuilder},
    types::{Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use hallpass_token::{Format, Record, Revocation, Timestamp, TokenHash, TokenId};

use crate::{
    Failure, Store,
    changes::{TRIES, WAIT},
    connect::Attempts,
    failure::{if_met, unmet_by},
    item::{self, Item},
    names::{reasons, unmet},
    verify::pause,
};

/// The outcome of revoking, enabling or disabling a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The record was changed.
    Now,
    /// The record was revoked before; nothing changed.
    Before,
    /// The record does not exist.
    Unknown,
}

/// The minimum interval between two records of a token's use.
const USE_RESOLUTION: std::time::Duration = std::time::Duration::from_secs(3600);

const WITHDRAWING: &str = "withdrawing the record";

impl Store {
    /// Writes a new record. Call it before the token's text is shown.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written, or if the key is taken, which does not
    /// happen with sixteen random bytes.
    pub async fn insert(&self, record: &Record) -> Result<(), Failure> {
        self.put_new(item::from_record(record), "writing the record").await
    }

    /// Undoes the creation or the rotation of a token whose text was not delivered: deletes its
    /// record, and restores the token that it would have replaced.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written. The record then remains until
    /// it is purged, but no one has its text.
    pub async fn withdraw(&self, record: &Record) -> Result<(), Failure> {
        match record.replaces {
            Some(old) => self.undo_rotation(record, old).await,
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
        revocation: Revocation,
        purge_at: Option<Timestamp>,
    ) -> Result<Marked, Failure> {
        match self.revoke_one(id, Format::Signed, revocation, purge_at).await? {
            Marked::Unknown => self.revoke_one(id, Format::Developer, revocation, purge_at).await,
            marked @ (Marked::Now | Marked::Before) => Ok(marked),
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
        revocation: Revocation,
        purge_at: Option<Timestamp>,
    ) -> Result<Marked, Failure> {
        let mut set = "SET #revoked = :at, #because = :because".to_owned();
        let mut call = self.update(item::record_key(id, format));
        if let Some(purge_at) = purge_at {
            set.push_str(", #purge = :purge");
            call = call.expression_attribute_names("#purge", item::PURGE_AT);
            call = call.expression_attribute_values(":purge", item::number(purge_at));
        }
        let call = call
            .update_expression(format!("{set} REMOVE #live"))
            .expression_attribute_names("#live", item::LIVE_UNTIL)
            .expression_attribute_names("#because", item::REVOKED_BECAUSE)
            .expression_attribute_values(":at", item::number(revocation.at))
            .expression_attribute_values(":because", item::text(revocation.because.as_str()));
        self.mark(call, &id.hash, format, Some(revocation)).await
    }

    /// Disables a token at this time, or enables it again.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn set_disabled(
        &self,
        record: &Record,
        disabled_at: Option<Timestamp>,
    ) -> Result<Marked, Failure> {
        let mut call = self.update(item::record_key(&record.id, record.format));
        call = match disabled_at {
            Some(at) => call
                .update_expression("SET #off = :at")
                .expression_attribute_values(":at", item::number(at)),
            None => call.update_expression("REMOVE #off"),
        };
        let call = call.expression_attribute_names("#off", item::DISABLED_AT);
        self.mark(call, &record.id.hash, record.format, None).await
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

    /// Records the use of a token, at most once an hour. Returns `false` if a use was recorded
    /// within the last hour, which includes an earlier attempt of this call whose response was
    /// lost.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The caller ignores it.
    pub async fn record_last_used(&self, record: &Record, now: Timestamp) -> Result<bool, Failure> {
        if record.last_used_at.is_some_and(|last| !last.after(USE_RESOLUTION).has_passed(now)) {
            return Ok(false);
        }
        let call = self
            .update(item::record_key(&record.id, record.format))
            .update_expression("SET #used = :now")
            .condition_expression(
                "attribute_exists(#user) AND (attribute_not_exists(#used) OR #used <= :hour_ago)",
            )
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#used", item::LAST_USED_AT)
            .expression_attribute_values(":now", item::number(now))
            .expression_attribute_values(":hour_ago", item::number(now.before(USE_RESOLUTION)));
        if_met("recording the use", call.send().await)
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

    /// Sends an update of a record that must exist and must not be revoked. If the record already
    /// has this `revocation` and the call was attempted more than once, an earlier attempt wrote
    /// it, and its response was lost.
    async fn mark(
        &self,
        call: UpdateItemFluentBuilder,
        hash: &TokenHash,
        format: Format,
        revocation: Option<Revocation>,
    ) -> Result<Marked, Failure> {
        let mut call = call
            .expression_attribute_names("#revoked", item::REVOKED_AT)
            .expression_attribute_names("#user", item::USER_ID);
        let mut whole = "attribute_exists(#user) AND attribute_not_exists(#revoked)".to_owned();
        // The key of a developer record does not contain the token's hash.
        if format == Format::Developer {
            whole.push_str(" AND #hash = :hash");
            call = call
                .expression_attribute_names("#hash", item::TOKEN_HASH)
                .expression_attribute_values(":hash", item::text(&*hash.text()));
        }
        let attempts = Attempts::default();
        let call = call
            .condition_expression(whole)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .interceptor(attempts.clone());
        match call.send().await {
            Ok(_) => Ok(Marked::Now),
            Err(error) => match unmet_by(&error) {
                None => Err(Failure::of("marking the record")(error)),
                Some(old) => Ok(match item::to_record(&old) {
                    Ok(record) if record.id.hash != *hash => Marked::Unknown,
                    Ok(record)
                        if attempts.are_several()
                            && revocation.is_some()
                            && record.revoked == revocation =>
                    {
                        Marked::Now
                    }
                    Ok(_) => Marked::Before,
                    Err(_) => Marked::Unknown,
                }),
            },
        }
    }
}
