//! The developer token of a user: a record, and the pointer from the token's hash to its owner.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{Put, TransactWriteItem, Update},
};
use hallpass_token::{Cause, Format, Record, Timestamp, TokenHash, UserId};

use crate::{
    Failure, Store,
    condition::{self, LIVES},
    failure::Corrupt,
    item::{self, Item},
};

/// The pointer of a developer token's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The user whose developer token it is or was.
    pub owner: UserId,
    /// The time at which a new token replaced it, if one has.
    pub replaced_at: Option<Timestamp>,
}

/// The outcome of replacing a developer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new token is the user's developer token, and the old one is replaced.
    Now,
    /// A concurrent call was faster; nothing changed.
    Lost,
    /// The caller's token is no longer live; nothing changed.
    ParentEnded,
}

/// The developer token to replace, as the caller read it.
#[derive(Clone, Copy, Debug)]
pub struct Old {
    /// The token's hash.
    pub hash: TokenHash,
    /// Whether the token is revoked.
    pub is_revoked: bool,
}

impl Old {
    /// The token of this record.
    pub const fn of(record: &Record) -> Self {
        Self { hash: record.id.hash, is_revoked: record.revoked.is_some() }
    }
}

impl Store {
    /// Makes this record the user's developer token, in one transaction over record and pointers.
    /// `old` is the current developer token, as the caller read it. `parent` is the caller's token,
    /// which must still be live. The pointer of the old token is kept as replaced until
    /// `purge_old_at`.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn replace_developer(
        &self,
        record: &Record,
        old: Option<Old>,
        parent: Option<&Record>,
        purge_old_at: Timestamp,
        cause: &Cause<'_>,
    ) -> Result<Replaced, Failure> {
        const DOING: &str = "replacing the developer token";
        let bad = |error| Failure::new(DOING, error);
        let table = &self.tables.tokens;
        // A developer token that regenerates itself is the item that is written. Any other parent
        // needs its own check.
        let regenerates_itself = parent.is_some_and(|parent| parent.format == Format::Developer);
        let put =
            Put::builder().table_name(table).set_item(Some(item::from_new_record(record, cause)));
        let put = match old {
            None => put.condition_expression("attribute_not_exists(#hash)"),
            Some(old) if regenerates_itself => put
                .condition_expression(format!("#hash = :old AND {LIVES}"))
                .set_expression_attribute_names(Some(condition::names()))
                .set_expression_attribute_values(Some(condition::values(record.issued_at)))
                .expression_attribute_values(":old", item::text(&*old.hash.text())),
            // One that was live is live now: a new token takes its place among the user's, and no
            // other place.
            Some(old) if !old.is_revoked => put
                .condition_expression("#hash = :old AND attribute_not_exists(#revoked)")
                .expression_attribute_names("#revoked", item::REVOKED_AT)
                .expression_attribute_values(":old", item::text(&*old.hash.text())),
            Some(old) => put
                .condition_expression("#hash = :old")
                .expression_attribute_values(":old", item::text(&*old.hash.text())),
        };
        let put = put.expression_attribute_names("#hash", item::TOKEN_HASH).build().map_err(bad)?;
        let mut pointer = item::pointer_key(&record.id.hash);
        pointer.insert(item::OWNER.to_owned(), item::text(record.id.user_id.as_str()));
        pointer.extend(record.purge_at.map(|at| (item::PURGE_AT.to_owned(), item::number(at))));
        let point = Put::builder()
            .table_name(table)
            .set_item(Some(pointer))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .build()
            .map_err(bad)?;
        let unpoint = old.map(|old| self.mark_replaced(record, &old.hash, purge_old_at));
        let parent = parent.filter(|_| !regenerates_itself);
        let writes = [
            Some(TransactWriteItem::builder().put(put).build()),
            Some(TransactWriteItem::builder().put(point).build()),
            unpoint.transpose()?.map(|update| TransactWriteItem::builder().update(update).build()),
            parent.map(|parent| self.require_live(parent, record.issued_at)).transpose()?,
        ];
        let call = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes.into_iter().flatten().collect()));
        match call.send().await {
            Ok(_) => Ok(Replaced::Now),
            Err(error) if parent.is_some() && last_was_unmet(&error) => Ok(Replaced::ParentEnded),
            Err(error) if is_cancelled(&error) => Ok(Replaced::Lost),
            Err(error) => Err(Failure::of(DOING)(error)),
        }
    }

    /// Marks the pointer of the old token, so that its holder learns that a new one has replaced
    /// it.
    fn mark_replaced(
        &self,
        record: &Record,
        old: &TokenHash,
        purge_at: Timestamp,
    ) -> Result<Update, Failure> {
        Update::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::pointer_key(old)))
            .update_expression("SET #owner = :owner, #at = :now, #purge = :purge")
            .condition_expression("attribute_not_exists(#owner) OR #owner = :owner")
            .expression_attribute_names("#owner", item::OWNER)
            .expression_attribute_names("#at", item::REPLACED_AT)
            .expression_attribute_names("#purge", item::PURGE_AT)
            .expression_attribute_values(":owner", item::text(record.id.user_id.as_str()))
            .expression_attribute_values(":now", item::number(record.issued_at))
            .expression_attribute_values(":purge", item::number(purge_at))
            .build()
            .map_err(|error| Failure::new("marking the old developer token", error))
    }

    /// Reads the user's developer token, if the user has one.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the record is corrupt.
    pub async fn developer_of(&self, user_id: &UserId) -> Result<Option<Record>, Failure> {
        self.item(item::key(user_id.as_str(), item::DEVELOPER)).await
    }

    /// Reads the pointer of a developer token's hash.
    pub async fn pointer(&self, hash: &TokenHash) -> Result<Option<Pointer>, Failure> {
        const DOING: &str = "reading the pointer of a developer token";
        let item = self.get(item::pointer_key(hash), DOING).await?;
        item.as_ref().map(to_pointer).transpose().map_err(|bad| Failure::new(DOING, bad))
    }
}

pub(crate) fn to_pointer(item: &Item) -> Result<Pointer, Corrupt> {
    Ok(Pointer {
        owner: item::required(item, item::OWNER)?,
        replaced_at: item::instant(item, item::REPLACED_AT)?,
    })
}

/// Whether the transaction was cancelled because of a condition or of a concurrent transaction on
/// the same items.
pub(crate) fn is_cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return false;
    };
    let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes
        .filter(|code| *code != "None")
        .all(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

/// Whether the condition of the transaction's last item was not met.
pub(crate) fn last_was_unmet<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return false;
    };
    cancelled
        .cancellation_reasons()
        .last()
        .is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}
