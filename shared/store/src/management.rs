//! User management, for applications that have none: `hallpass user`.

use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use hallpass_password::NameKey;
use hallpass_token::{
    Cause, Status, User, UserId,
    user::attribute::{USER_ID, USERNAME, USERNAME_KEY},
};

use crate::{
    Failure, Store,
    changes::{TRIES, WAIT, full},
    edit::Edit,
    item,
    item::Item,
    marking::Invalidate,
    names::{Claim, has_full_item, key_of, reasons, unmet},
    users::Written,
    verify::pause,
};

pub use crate::new_user::{NewLink, NewUser};

/// The outcome of adding a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The user was added.
    Now,
    /// The ID is taken; nothing changed.
    IdTaken,
    /// Another user has the name; nothing changed.
    NameTaken,
    /// Another user is linked to the identity; nothing changed.
    IdentityTaken,
}

/// The outcome of renaming a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// The user has the name.
    Now,
    /// The user does not exist, or no longer has the name that was read.
    Unknown,
    /// Another user has the name; nothing changed.
    NameTaken,
}

/// An item of a list of users.
#[derive(Debug)]
pub enum Listed {
    /// A user.
    User(Box<User>),
    /// An item whose key is not a valid user ID. Holds the key, or an empty text if the key is not
    /// a string.
    Unreadable(String),
}

const ADDING: &str = "adding the user";
/// The attribute of a user who is deleted in the next moment.
const REMOVED_AT: &str = "removed_at";

const RENAMING: &str = "renaming the user";
const CHANGING: &str = "changing the user";
const REPAIRING: &str = "repairing the name of the user";
const REMOVING: &str = "deleting the user";
const BUSY: &str = "other writers changed the name at every attempt";

impl Store {
    /// Adds a user. Names that differ only in case, width or composition count as the same name.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn add_user(&self, user: &NewUser, cause: &Cause<'_>) -> Result<Added, Failure> {
        self.import_user(user, Status::Active, None, cause).await
    }

    /// Adds a user from another system, who can be blocked, and can be linked to an identity in the
    /// same transaction.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn import_user(
        &self,
        user: &NewUser,
        status: Status,
        link: Option<NewLink<'_>>,
        cause: &Cause<'_>,
    ) -> Result<Added, Failure> {
        let (key, mut item) = (NameKey::new(&user.username), user.item(status, link));
        let given = item::of_cause(cause).into_iter();
        item.extend(given.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        for tries in 1..=TRIES {
            let seen = match self.claim(&key, Some(&user.id)).await? {
                Claim::Taken => return self.added_before(user, &item).await,
                Claim::Free(seen) => seen,
            };
            let put = Put::builder()
                .table_name(&self.tables.users)
                .set_item(Some(item.clone()))
                .condition_expression("attribute_not_exists(#user)")
                .expression_attribute_names("#user", USER_ID)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build()
                .map_err(|error| Failure::new(ADDING, error))?;
            let put = TransactWriteItem::builder().put(put).build();
            let mut writes = vec![put, self.mark_name(&key, &user.id, seen.as_deref())?];
            if let Some(link) = link {
                match self.mark_identity(link.identity, &user.id).await? {
                    Ok(mark) => writes.push(mark),
                    Err(_other) => return Ok(Added::IdentityTaken),
                }
            }
            let Err(error) =
                self.client.transact_write_items().set_transact_items(Some(writes)).send().await
            else {
                return Ok(Added::Now);
            };
            let Some(reasons) = reasons(&error) else { return Err(Failure::of(ADDING)(error)) };
            match unmet(reasons, 0) {
                // An earlier attempt of this call added the user, and its response was lost.
                Some(found) if item::is_same(&found, &item) => return Ok(Added::Now),
                Some(_) => return Ok(Added::IdTaken),
                None => pause(WAIT.saturating_mul(tries)).await,
            }
        }
        Err(Failure::new(ADDING, BUSY))
    }

    /// The outcome if the name is taken. A taken ID is reported first.
    async fn added_before(&self, user: &NewUser, item: &Item) -> Result<Added, Failure> {
        Ok(match self.user_item(&user.id).await? {
            None => Added::NameTaken,
            Some(found) if item::is_same(&found, item) => Added::Now,
            Some(_) => Added::IdTaken,
        })
    }

    /// Writes a user without checking the name, as an application does.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written, or if the ID is taken.
    pub async fn put_user(&self, user: &NewUser) -> Result<(), Failure> {
        let call = self
            .client
            .put_item()
            .table_name(&self.tables.users)
            .set_item(Some(user.item(Status::Active, None)));
        let call = call.condition_expression("attribute_not_exists(#user)");
        call.expression_attribute_names("#user", USER_ID)
            .send()
            .await
            .map(drop)
            .map_err(Failure::of(ADDING))
    }

    /// Renames a user, and with `invalidate` also invalidates the user's tokens.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no
    /// room for the name.
    pub async fn rename_user(
        &self,
        id: &UserId,
        name: &str,
        invalidate: Option<Invalidate>,
        cause: &Cause<'_>,
    ) -> Result<Renamed, Failure> {
        if let Some(renamed) = self.give_name(id, name, invalidate, Some(cause)).await? {
            return Ok(renamed);
        }
        let renamed = self.give_name(id, name, None, None).await?.ok_or_else(full)?;
        if let Some(how) = invalidate.filter(|_| renamed == Renamed::Now) {
            self.revoke_one_by_one(id, how, cause).await?;
        }
        Ok(renamed)
    }

    /// Renames a user in one transaction. Returns `None` if the user's item has no room.
    async fn give_name(
        &self,
        id: &UserId,
        name: &str,
        invalidate: Option<Invalidate>,
        cause: Option<&Cause<'_>>,
    ) -> Result<Option<Renamed>, Failure> {
        let key = NameKey::new(name);
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Some(Renamed::Unknown)) };
            let Claim::Free(seen) = self.claim(&key, Some(id)).await? else {
                return Ok(Some(Renamed::NameTaken));
            };
            let mut edit = Edit::default();
            edit.set(USERNAME, item::text(name));
            edit.set(USERNAME_KEY, item::text(key.as_str()));
            if let Some(how) = invalidate {
                edit.raise_generation(&item, how.fresh);
            }
            if let Some(cause) = cause {
                edit.name_cause(cause);
            }
            let mut writes =
                vec![self.update_user(id, &edit)?, self.mark_name(&key, id, seen.as_deref())?];
            if let Some(old) = key_of(&item).filter(|old| *old != key) {
                writes.extend(self.unmark_name(&old, id).await?);
            }
            let Err(error) =
                self.client.transact_write_items().set_transact_items(Some(writes)).send().await
            else {
                return Ok(Some(Renamed::Now));
            };
            if reasons(&error).is_none() {
                return if has_full_item(&error) {
                    Ok(None)
                } else {
                    Err(Failure::of(RENAMING)(error))
                };
            }
            // Another writer changed the user or the name. The next attempt reads both again.
            pause(WAIT.saturating_mul(tries)).await;
        }
        Err(Failure::new(RENAMING, BUSY))
    }

    /// Writes what an application has left out of a user's name: `username_key`, and the marker
    /// that keeps the name unique. The user must still have the name that was read. Invalidates no
    /// tokens.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn repair_name(&self, user: &User) -> Result<Renamed, Failure> {
        let key = NameKey::new(&user.username);
        for tries in 1..=TRIES {
            let Claim::Free(seen) = self.claim(&key, Some(&user.id)).await? else {
                return Ok(Renamed::NameTaken);
            };
            let mut edit = Edit::default();
            edit.set(USERNAME_KEY, item::text(key.as_str()));
            edit.expect_named(USERNAME, &item::text(&user.username));
            let writes = vec![
                self.update_user(&user.id, &edit)?,
                self.mark_name(&key, &user.id, seen.as_deref())?,
            ];
            let Err(error) =
                self.client.transact_write_items().set_transact_items(Some(writes)).send().await
            else {
                return Ok(Renamed::Now);
            };
            let Some(reasons) = reasons(&error) else { return Err(Failure::of(REPAIRING)(error)) };
            if unmet(reasons, 0).is_some() {
                return Ok(Renamed::Unknown);
            }
            pause(WAIT.saturating_mul(tries)).await;
        }
        Err(Failure::new(REPAIRING, BUSY))
    }

    pub(crate) fn update_user(
        &self,
        id: &UserId,
        edit: &Edit,
    ) -> Result<TransactWriteItem, Failure> {
        edit.transacted(&self.tables.users, item::user_key(id), CHANGING)
    }

    /// Deletes a user and releases the name. A deletion has no room for its cause, so that the item
    /// names it just before.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn remove_user(&self, id: &UserId, cause: &Cause<'_>) -> Result<Written, Failure> {
        let mut named = Edit::default();
        named.name_cause(cause);
        named.set(REMOVED_AT, item::number(cause.at));
        // An item without room for the cause, or which others keep changing, is deleted without it.
        self.send_edit(id, named).await?;
        for tries in 1..=TRIES {
            // If the user is missing at a later attempt, this call or a concurrent one has deleted
            // it.
            let gone = if tries == 1 { Written::Unknown } else { Written::Now };
            let Some(item) = self.user_item(id).await? else { return Ok(gone) };
            let mut markers = Vec::new();
            if let Some(key) = key_of(&item) {
                markers.extend(self.unmark_name(&key, id).await?);
            }
            markers.extend(self.unmark_identity(&item, id).await?);
            if markers.is_empty() {
                return self.delete_user(id).await;
            }
            let delete =
                Delete::builder().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
            let delete = delete.build().map_err(|error| Failure::new(REMOVING, error))?;
            markers.push(TransactWriteItem::builder().delete(delete).build());
            match self.client.transact_write_items().set_transact_items(Some(markers)).send().await
            {
                Ok(_) => return Ok(Written::Now),
                Err(error) if reasons(&error).is_some() => pause(WAIT.saturating_mul(tries)).await,
                Err(error) => return Err(Failure::of(REMOVING)(error)),
            }
        }
        self.delete_user(id).await
    }

    /// Deletes a user who was read just before. A missing user counts as deleted, by a concurrent
    /// call or a retry.
    async fn delete_user(&self, id: &UserId) -> Result<Written, Failure> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key(id)));
        call.send().await.map_err(Failure::of(REMOVING)).map(|_deleted| Written::Now)
    }

    /// Deletes an item of the users' table whose key is not a user ID, so that it can have neither
    /// tokens nor a name.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn remove_unusable_user(&self, key: &str) -> Result<Written, Failure> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key_of(key)));
        let deleted =
            call.return_values(ReturnValue::AllOld).send().await.map_err(Failure::of(REMOVING))?;
        Ok(if deleted.attributes.is_some_and(|item| !item.is_empty()) {
            Written::Now
        } else {
            Written::Unknown
        })
    }
}

impl Listed {
    pub(crate) fn of(item: Item) -> Self {
        let key = item.get(USER_ID).and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
        item::to_user(item).map_or(Self::Unreadable(key), |user| Self::User(Box::new(user)))
    }

    /// The key of the item.
    pub fn key(&self) -> &str {
        match self {
            Self::User(user) => user.id.as_str(),
            Self::Unreadable(key) => key,
        }
    }

    /// The user, or `None` for an unreadable item.
    pub const fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Unreadable(_) => None,
        }
    }
}
