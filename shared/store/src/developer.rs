//! The one developer token of a user: a record, and the pointer from the token's hash to its owner.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{Delete, Put, TransactWriteItem, Update},
};
use token::{Format, Reason, Record, Timestamp, TokenHash, TokenId, UserId};

use crate::{Failure, Store, failure::if_met, item};

/// What became of a developer token that was to take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It is the user's developer token now, and the old one is dead.
    Now,
    /// Another call was faster; nothing changed.
    Lost,
}

impl Store {
    /// Makes this record the user's developer token, in one transaction over record and pointers. `old` is the hash of
    /// the one that is there, as the caller read it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replace_developer(&self, record: &Record, old: Option<TokenHash>) -> Result<Replaced, Failure> {
        const DOING: &str = "replacing the developer token";
        let bad = |error| Failure::new(DOING, error);
        let table = &self.tables.tokens;
        let put = Put::builder().table_name(table).set_item(Some(item::from_record(record)));
        let put = match old {
            None => put.condition_expression("attribute_not_exists(#hash)"),
            Some(old) => {
                put.condition_expression("#hash = :old").expression_attribute_values(":old", item::text(&*old.text()))
            }
        };
        let put = put.expression_attribute_names("#hash", item::TOKEN_HASH).build().map_err(bad)?;
        let mut pointer = item::pointer_key(&record.id.hash);
        pointer.insert(item::OWNER.to_owned(), item::text(record.id.user_id.as_str()));
        pointer.extend(record.forget_at.map(|at| (item::FORGET_AT.to_owned(), item::number(at))));
        let point = Put::builder()
            .table_name(table)
            .set_item(Some(pointer))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .build()
            .map_err(bad)?;
        let unpoint = old
            .map(|old| Delete::builder().table_name(table).set_key(Some(item::pointer_key(&old))).build().map_err(bad));
        let writes = [
            Some(TransactWriteItem::builder().put(put).build()),
            Some(TransactWriteItem::builder().put(point).build()),
            unpoint.transpose()?.map(|delete| TransactWriteItem::builder().delete(delete).build()),
        ];
        let call = self.client.transact_write_items().set_transact_items(Some(writes.into_iter().flatten().collect()));
        match call.send().await {
            Ok(_) => Ok(Replaced::Now),
            Err(error) if is_cancelled(&error) => Ok(Replaced::Lost),
            Err(error) => Err(Failure::of(DOING)(error)),
        }
    }

    /// Ends the token that `record` replaces, at the first use of `record`: one transaction over both. If the old one
    /// is gone or was taken back before, or another call did it, only the note is removed.
    ///
    /// # Errors
    /// When the store fails; the caller does not admit then.
    pub async fn finish_rotation(
        &self,
        record: &Record,
        now: Timestamp,
        forget_at: Option<Timestamp>,
    ) -> Result<(), Failure> {
        const DOING: &str = "ending the replaced token";
        let Some(old) = record.replaces else { return Ok(()) };
        let old = TokenId { user_id: record.id.user_id, hash: old };
        let mut set = "SET #revoked = :now, #because = :replaced".to_owned();
        let mut end =
            Update::builder().table_name(&self.tables.tokens).set_key(Some(item::record_key(&old, Format::Signed)));
        if let Some(forget_at) = forget_at {
            set.push_str(", #forget = :forget");
            end = end.expression_attribute_names("#forget", item::FORGET_AT);
            end = end.expression_attribute_values(":forget", item::number(forget_at));
        }
        let end = end
            .update_expression(set)
            .condition_expression("attribute_exists(#user) AND attribute_not_exists(#revoked)")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#revoked", item::REVOKED_AT)
            .expression_attribute_names("#because", item::REVOKED_BECAUSE)
            .expression_attribute_values(":now", item::number(now))
            .expression_attribute_values(":replaced", item::text(Reason::Replaced.as_str()))
            .build()
            .map_err(|error| Failure::new(DOING, error))?;
        let clear = Update::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::record_key(&record.id, record.format)))
            .update_expression("REMOVE #replaces")
            .condition_expression("#replaces = :old")
            .expression_attribute_names("#replaces", item::REPLACES)
            .expression_attribute_values(":old", item::text(&*old.hash.text()))
            .build()
            .map_err(|error| Failure::new(DOING, error))?;
        let writes = [end, clear].map(|update| TransactWriteItem::builder().update(update).build());
        let call = self.client.transact_write_items().set_transact_items(Some(writes.to_vec()));
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_cancelled(&error) => self.clear_replaces(record).await,
            Err(error) => Err(Failure::of(DOING)(error)),
        }
    }

    /// Whose developer token this is.
    pub(crate) async fn pointer(&self, hash: &TokenHash) -> Result<Option<UserId>, Failure> {
        const DOING: &str = "reading the pointer of a developer token";
        let call = self.client.get_item().table_name(&self.tables.tokens).set_key(Some(item::pointer_key(hash)));
        let answer = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        let owner = answer.item.as_ref().map(|item| item::required(item, item::OWNER));
        owner.transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Removes the note that a rotation is under way, if the old token is over in any way; fails if it still lives.
    async fn clear_replaces(&self, record: &Record) -> Result<(), Failure> {
        const DOING: &str = "ending the replaced token";
        let Some(hash) = record.replaces else { return Ok(()) };
        let old = self.record(&TokenId { user_id: record.id.user_id, hash }).await?;
        if old.is_some_and(|old| old.revoked.is_none()) {
            return Err(Failure::new(DOING, "the transaction was cancelled while the old token lives"));
        }
        let call = self
            .update(item::record_key(&record.id, record.format))
            .update_expression("REMOVE #replaces")
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#replaces", item::REPLACES);
        // The condition is not met if another call was faster.
        if_met(DOING, call.send().await).map(|_met| ())
    }
}

/// Whether the transaction was cancelled for a condition or for another transaction on the same items.
fn is_cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return false;
    };
    let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.filter(|code| *code != "None").all(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}
