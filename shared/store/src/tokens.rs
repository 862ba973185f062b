//! Making and taking back records. A user's tokens are one partition, so every look at them is strong.

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::builders::UpdateItemFluentBuilder},
    types::{Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use token::{Format, Record, Revocation, Timestamp, TokenHash, TokenId};

use crate::{
    Failure, Store,
    changes::{TRIES, WAIT},
    connect::Attempts,
    failure::{if_met, unmet_by},
    item::{self, Item},
    names::{reasons, unmet},
    verify::pause,
};

/// What became of a record that was to be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// It was marked.
    Now,
    /// It was marked before; nothing changed.
    Before,
    /// There is no such record.
    Unknown,
}

/// How often a token's use is noted.
const USE_RESOLUTION: std::time::Duration = std::time::Duration::from_secs(3600);

const WITHDRAWING: &str = "withdrawing the record";

impl Store {
    /// Writes a new record. It is there before its text is shown.
    ///
    /// # Errors
    /// When the store fails, or the key is taken, which sixteen random bytes are never.
    pub async fn insert(&self, record: &Record) -> Result<(), Failure> {
        self.put_new(item::from_record(record), "writing the record").await
    }

    /// Undoes the creation or the rotation of a token whose text was not delivered: deletes its record, and lets the
    /// token that it was to replace go on.
    ///
    /// # Errors
    /// When the store fails. The record then stays until it is purged, and nobody holds its text.
    pub async fn withdraw(&self, record: &Record) -> Result<(), Failure> {
        match record.replaces {
            Some(old) => self.undo_rotation(record, old).await,
            None => self.delete_undelivered(record).await,
        }
    }

    pub(crate) async fn delete_undelivered(&self, record: &Record) -> Result<(), Failure> {
        let call = self.client.delete_item().table_name(&self.tables.tokens);
        let call = call.set_key(Some(item::record_key(&record.id, record.format)));
        // The key of a developer record does not say which token it is.
        let (attribute, value) = match record.format {
            Format::Developer => (item::TOKEN_HASH, item::text(&*record.id.hash.text())),
            Format::Signed | Format::Jwt => (item::KEY_ID, item::text(&record.key_id)),
        };
        let call = call.condition_expression("#it = :it").expression_attribute_names("#it", attribute);
        let call = call.expression_attribute_values(":it", value);
        // The condition is not met if the record went before, or another developer token took its place.
        if_met(WITHDRAWING, call.send().await)?;
        if record.format == Format::Developer {
            self.delete_existing(item::pointer_key(&record.id.hash), WITHDRAWING).await?;
        }
        Ok(())
    }

    /// Marks a token as taken back, whatever its format.
    ///
    /// # Errors
    /// When the store fails.
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

    /// Marks a token of this format as taken back: one write.
    ///
    /// # Errors
    /// When the store fails.
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

    /// Switches a token off, or on again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_disabled(&self, record: &Record, disabled_at: Option<Timestamp>) -> Result<Marked, Failure> {
        let mut call = self.update(item::record_key(&record.id, record.format));
        call = match disabled_at {
            Some(at) => call.update_expression("SET #off = :at").expression_attribute_values(":at", item::number(at)),
            None => call.update_expression("REMOVE #off"),
        };
        let call = call.expression_attribute_names("#off", item::DISABLED_AT);
        self.mark(call, &record.id.hash, record.format, None).await
    }

    /// The record of this name, whatever its format.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&self, id: &TokenId) -> Result<Option<Record>, Failure> {
        for format in [Format::Signed, Format::Developer] {
            let key = item::record_key(id, format);
            if let Some(record) = self.item(key).await?.filter(|record| record.id == *id) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Notes that a token was used, at most once an hour. `false` if it was noted within the hour, be it by an attempt
    /// of this call whose answer was lost.
    ///
    /// # Errors
    /// When the store fails; the caller ignores it.
    pub async fn record_last_used(&self, record: &Record, now: Timestamp) -> Result<bool, Failure> {
        if record.last_used_at.is_some_and(|last| !last.after(USE_RESOLUTION).has_passed(now)) {
            return Ok(false);
        }
        let call = self
            .update(item::record_key(&record.id, record.format))
            .update_expression("SET #used = :now")
            .condition_expression("attribute_exists(#user) AND (attribute_not_exists(#used) OR #used <= :hour_ago)")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#used", item::LAST_USED_AT)
            .expression_attribute_values(":now", item::number(now))
            .expression_attribute_values(":hour_ago", item::number(now.before(USE_RESOLUTION)));
        if_met("noting the use", call.send().await)
    }

    /// Writes an item that must not be there. If the very same is there, an attempt of this call wrote it, and its
    /// answer was lost.
    pub(crate) async fn put_new(&self, item: Item, doing: &'static str) -> Result<(), Failure> {
        let call = self.client.put_item().table_name(&self.tables.tokens).set_item(Some(item.clone()));
        let call = call
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed))
                if failed.item().is_some_and(|there| item::is_same(there, &item)) =>
            {
                Ok(())
            }
            Some(_) | None => Err(Failure::of(doing)(error)),
        }
    }

    /// An item, strongly read.
    pub(crate) async fn get(&self, key: Item, doing: &'static str) -> Result<Option<Item>, Failure> {
        let call = self.client.get_item().table_name(&self.tables.tokens).set_key(Some(key)).consistent_read(true);
        Ok(call.send().await.map_err(Failure::of(doing))?.item)
    }

    /// Deletes an item. `false` if it was not there. Of several calls at once, one deletes it: a transaction, which
    /// DynamoDB makes once, however often its answer is lost.
    pub(crate) async fn delete_existing(&self, key: Item, doing: &'static str) -> Result<bool, Failure> {
        let delete = Delete::builder().table_name(&self.tables.tokens).set_key(Some(key));
        let delete =
            delete.condition_expression("attribute_exists(#user)").expression_attribute_names("#user", item::USER_ID);
        let delete = delete.build().map_err(|error| Failure::new(doing, error))?;
        let write = TransactWriteItem::builder().delete(delete).build();
        for tries in 1..=TRIES {
            let Err(error) = self.client.transact_write_items().transact_items(write.clone()).send().await else {
                return Ok(true);
            };
            match reasons(&error) {
                Some(reasons) if unmet(reasons, 0).is_some() => return Ok(false),
                // Another call is deleting it.
                Some(_) => pause(WAIT.saturating_mul(tries)).await,
                None => return Err(Failure::of(doing)(error)),
            }
        }
        Err(Failure::new(doing, "other transactions held it again and again"))
    }

    pub(crate) async fn item(&self, key: Item) -> Result<Option<Record>, Failure> {
        const DOING: &str = "reading the record";
        let item = self.get(key, DOING).await?;
        item.as_ref().map(item::to_record).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    pub(crate) fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.tables.tokens).set_key(Some(key))
    }

    /// Sends an update that must find its record, not revoked. If `revocation` is there already and the call was
    /// attempted more than once, an attempt of this call wrote it, and its answer was lost.
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
        // Every user has one developer record, so the key does not say which token it is.
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
                    Ok(record) if attempts.are_several() && revocation.is_some() && record.revoked == revocation => {
                        Marked::Now
                    }
                    Ok(_) => Marked::Before,
                    Err(_) => Marked::Unknown,
                }),
            },
        }
    }
}
