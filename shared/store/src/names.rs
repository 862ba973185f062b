//! Keeps names unique. The index by name is eventually consistent, so it cannot prevent two
//! concurrent writers from using the same name. A marker in the table of tokens can: it is written
//! in one transaction with the user, and names the user.
//!
//! A marker alone does not make a name taken. The user that it names is read, and the marker is
//! taken over if that user does not exist or has another name. A user written by an application has
//! no marker, so the index is queried as well.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem},
};
use hallpass_password::NameKey;
use hallpass_token::{
    User, UserId,
    user::attribute::{USER_ID, USERNAME, USERNAME_KEY},
};

use crate::{
    Failure, Store,
    changes::has_no_room,
    item::{self, Item, OWNER},
    users::NAME_INDEX,
};

/// Whether a name is available to a user.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Another user has the name.
    Taken,
    /// No other user has the name. Holds the owner of its marker, if it has one.
    Free(Option<String>),
}

const DOING: &str = "checking whether the name is taken";

impl Store {
    /// Whether a user other than `id` has this name, according to the marker and the index.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn is_name_taken(&self, key: &NameKey, id: Option<&UserId>) -> Result<bool, Failure> {
        Ok(matches!(self.claim(key, id).await?, Claim::Taken))
    }

    pub(crate) async fn claim(&self, key: &NameKey, id: Option<&UserId>) -> Result<Claim, Failure> {
        let owner = self.name_owner(key).await?;
        let mut ids = self.ids_by_name(key).await?;
        ids.extend(owner.as_ref().and_then(|owner| owner.parse::<UserId>().ok()));
        ids.sort();
        ids.dedup();
        for other in ids.iter().filter(|other| id != Some(*other)) {
            if self.user(other).await?.is_some_and(|user| has_name(&user, key)) {
                return Ok(Claim::Taken);
            }
        }
        Ok(Claim::Free(owner))
    }

    /// The owner of the marker of this name.
    pub(crate) async fn name_owner(&self, key: &NameKey) -> Result<Option<String>, Failure> {
        let marker = self.get(item::name_key(key.as_str()), DOING).await?;
        Ok(marker.and_then(|marker| item::optional(&marker, OWNER).ok().flatten()))
    }

    /// Queries the index for the IDs of all users with this name. The index is eventually
    /// consistent, and an application can write a wrong key: read each user and compare the name.
    /// Entries with an invalid ID are omitted.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the index cannot be read.
    pub async fn ids_by_name(&self, key: &NameKey) -> Result<Vec<UserId>, Failure> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let call = self.client.query().table_name(&self.tables.users).index_name(NAME_INDEX);
            let call = call
                .key_condition_expression("#name = :name")
                .expression_attribute_names("#name", USERNAME_KEY);
            let call = call.expression_attribute_values(":name", item::text(key.as_str()));
            let response =
                call.set_exclusive_start_key(after).send().await.map_err(Failure::of(DOING))?;
            ids.extend(
                response
                    .items()
                    .iter()
                    .filter_map(|item| item::required::<UserId>(item, USER_ID).ok()),
            );
            after = response.last_evaluated_key;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }

    /// The write of a marker, for a transaction. `seen` is the marker's previous owner.
    pub(crate) fn mark_name(
        &self,
        key: &NameKey,
        id: &UserId,
        seen: Option<&str>,
    ) -> Result<TransactWriteItem, Failure> {
        self.put_marker(item::name_key(key.as_str()), id, seen)
    }

    /// The write of a marker that names a user, for a transaction. It may replace only the user's
    /// own marker, and one of the owner that was `seen`.
    pub(crate) fn put_marker(
        &self,
        mut marker: Item,
        id: &UserId,
        seen: Option<&str>,
    ) -> Result<TransactWriteItem, Failure> {
        marker.insert(OWNER.to_owned(), item::text(id.as_str()));
        let mut put = Put::builder()
            .table_name(&self.tables.tokens)
            .set_item(Some(marker))
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":id", item::text(id.as_str()));
        let mut condition = "attribute_not_exists(#user) OR #owner = :id".to_owned();
        if let Some(seen) = seen {
            condition.push_str(" OR #owner = :seen");
            put = put.expression_attribute_values(":seen", item::text(seen));
        }
        let put = put
            .condition_expression(condition)
            .build()
            .map_err(|error| Failure::new(DOING, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The deletion of a marker, for a transaction. Returns `None` if the marker is not this
    /// user's.
    pub(crate) async fn unmark_name(
        &self,
        key: &NameKey,
        id: &UserId,
    ) -> Result<Option<TransactWriteItem>, Failure> {
        if self.name_owner(key).await?.as_deref() != Some(id.as_str()) {
            return Ok(None);
        }
        let delete = self.delete_marker(item::name_key(key.as_str()), id.as_str())?;
        Ok(Some(TransactWriteItem::builder().delete(delete).build()))
    }

    /// The deletion of a marker that names this user.
    pub(crate) fn delete_marker(&self, key: Item, owner: &str) -> Result<Delete, Failure> {
        Delete::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(key))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":owner", item::text(owner))
            .build()
            .map_err(|error| Failure::new(DOING, error))
    }

    /// Deletes a marker whose user, as just read, does not exist or has another name. Returns
    /// `false` if the user has the name, or has changed since.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn drop_stale_name(
        &self,
        key: &str,
        owner: &UserId,
        user: Option<&User>,
    ) -> Result<bool, Failure> {
        if user.is_some_and(|user| NameKey::new(&user.username).as_str() == key) {
            return Ok(false);
        }
        let check = ConditionCheck::builder()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key(owner)));
        let check = match user.map(|user| user.username.as_str()) {
            None => check
                .condition_expression("attribute_not_exists(#user)")
                .expression_attribute_names("#user", USER_ID),
            // The attribute is absent, empty or not a string.
            Some("") => check
                .condition_expression("NOT attribute_type(#name, :text) OR size(#name) = :none")
                .expression_attribute_names("#name", USERNAME)
                .expression_attribute_values(":text", item::text("S"))
                .expression_attribute_values(
                    ":none",
                    aws_sdk_dynamodb::types::AttributeValue::N("0".to_owned()),
                ),
            Some(name) => check
                .condition_expression("#name = :name")
                .expression_attribute_names("#name", USERNAME)
                .expression_attribute_values(":name", item::text(name)),
        };
        let check = check.build().map_err(|error| Failure::new(DOING, error))?;
        let delete = self.delete_marker(item::name_key(key), owner.as_str())?;
        let writes = [
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().condition_check(check).build(),
        ];
        match self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes.into()))
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if reasons(&error).is_some() => Ok(false),
            Err(error) => Err(Failure::of("deleting the marker of a name")(error)),
        }
    }
}

/// Whether the user has this name.
pub(crate) fn has_name(user: &User, key: &NameKey) -> bool {
    NameKey::new(&user.username) == *key
}

/// The cancellation reasons of a transaction, one per write, if it was cancelled because of a
/// condition or of a concurrent transaction.
pub(crate) fn reasons<R>(
    error: &SdkError<TransactWriteItemsError, R>,
) -> Option<&[CancellationReason]> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
            if crate::developer::is_cancelled(error) =>
        {
            Some(cancelled.cancellation_reasons())
        }
        Some(_) | None => None,
    }
}

/// Whether a transaction was cancelled because an item would become too large.
pub(crate) fn has_full_item<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return has_no_room(error.code());
    };
    cancelled.cancellation_reasons().iter().any(|reason| has_no_room(reason.code()))
}

/// The current item if the condition of this write of a transaction was not met. It is empty if no
/// item exists.
pub(crate) fn unmet(reasons: &[CancellationReason], write: usize) -> Option<Item> {
    let reason =
        reasons.get(write).filter(|reason| reason.code() == Some("ConditionalCheckFailed"))?;
    Some(reason.item().cloned().unwrap_or_default())
}

/// The normal form of the name in a user's item, if it can have a marker.
pub(crate) fn key_of(item: &Item) -> Option<NameKey> {
    let name = item.get(USERNAME)?.as_s().ok()?;
    Some(NameKey::new(name)).filter(NameKey::is_usable)
}
