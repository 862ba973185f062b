//! User management, for applications that have none of their own: `hallpass user`.

use std::fmt;

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use login::NameKey;
use token::{
    Scope, Status, User, UserId,
    user::attribute::{
        FULL_NAME, KIND, PASSWORD_HASH, PERMISSIONS, STATUS, TOKEN_GENERATION, USER_ID, USERNAME, USERNAME_KEY,
    },
};

use crate::{
    Failure, Store,
    changes::{Edit, TRIES, WAIT, full},
    failure::if_met,
    item,
    item::Item,
    marking::Invalidate,
    names::{Claim, has_full_item, key_of, reasons, unmet},
    users::Written,
    verify::pause,
};

/// A user to add.
pub struct NewUser {
    /// The id.
    pub id: UserId,
    /// The name to log in with.
    pub username: String,
    /// The name to be called by.
    pub full_name: Option<String>,
    /// Whether it is an application's account and not a person's.
    pub is_app: bool,
    /// The PHC string of the password; a directory user has none.
    pub password_hash: Option<String>,
    /// What the user may do.
    pub permissions: Scope,
    /// Where `token_generation` starts: at random, so that an id used again revives nothing.
    pub token_generation: u32,
}

/// What became of a user that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The user is there.
    Now,
    /// The id is taken; nothing changed.
    IdTaken,
    /// The name is another user's; nothing changed.
    NameTaken,
}

/// What became of a user that was to be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// The user has the name.
    Now,
    /// There is no such user, or none of the name that was read.
    Unknown,
    /// The name is another user's; nothing changed.
    NameTaken,
}

/// A user as a list finds one.
#[derive(Debug)]
pub enum Listed {
    /// A user.
    User(Box<User>),
    /// An item whose key, here as far as it is text, is not a user ID.
    Unreadable(String),
}

const ADDING: &str = "adding the user";
const RENAMING: &str = "renaming the user";
const REPAIRING: &str = "repairing the name of the user";
const REMOVING: &str = "removing the user";
const BUSY: &str = "others took the name again and again";

impl Store {
    /// Adds a user. The name belongs to one user, in every case, width and composition.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_user(&self, user: &NewUser) -> Result<Added, Failure> {
        self.import_user(user, Status::Active).await
    }

    /// Adds a user who may have been blocked before: one of another system.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn import_user(&self, user: &NewUser, status: Status) -> Result<Added, Failure> {
        let (key, item) = (NameKey::new(&user.username), user.item(status));
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
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .build()
                .map_err(|error| Failure::new(ADDING, error))?;
            let put = TransactWriteItem::builder().put(put).build();
            let writes = vec![put, self.mark_name(&key, &user.id, seen.as_deref())?];
            let Err(error) = self.client.transact_write_items().set_transact_items(Some(writes)).send().await else {
                return Ok(Added::Now);
            };
            let Some(reasons) = reasons(&error) else { return Err(Failure::of(ADDING)(error)) };
            match unmet(reasons, 0) {
                // An attempt of this call added it, and its answer was lost.
                Some(there) if item::is_same(&there, &item) => return Ok(Added::Now),
                Some(_) => return Ok(Added::IdTaken),
                None => pause(WAIT.saturating_mul(tries)).await,
            }
        }
        Err(Failure::new(ADDING, BUSY))
    }

    /// Another user has the name. The ID may be taken as well, which is said first.
    async fn added_before(&self, user: &NewUser, item: &Item) -> Result<Added, Failure> {
        Ok(match self.user_item(&user.id).await? {
            None => Added::NameTaken,
            Some(there) if item::is_same(&there, item) => Added::Now,
            Some(_) => Added::IdTaken,
        })
    }

    /// Adds a user and looks at nothing, as an application does.
    ///
    /// # Errors
    /// When the store fails, or the ID is taken.
    pub async fn put_user(&self, user: &NewUser) -> Result<(), Failure> {
        let call = self.client.put_item().table_name(&self.tables.users).set_item(Some(user.item(Status::Active)));
        let call = call.condition_expression("attribute_not_exists(#user)");
        call.expression_attribute_names("#user", USER_ID).send().await.map(drop).map_err(Failure::of(ADDING))
    }

    /// Gives a user another name, and invalidates the tokens that the user has, if told how.
    ///
    /// # Errors
    /// When the store fails, or the user's item has no room for the name.
    pub async fn rename_user(
        &self,
        id: &UserId,
        name: &str,
        invalidate: Option<Invalidate>,
    ) -> Result<Renamed, Failure> {
        if let Some(renamed) = self.give_name(id, name, invalidate).await? {
            return Ok(renamed);
        }
        let renamed = self.give_name(id, name, None).await?.ok_or_else(full)?;
        if let Some(how) = invalidate.filter(|_| renamed == Renamed::Now) {
            self.end_one_by_one(id, how).await?;
        }
        Ok(renamed)
    }

    /// `None` if the user's item has no room.
    async fn give_name(
        &self,
        id: &UserId,
        name: &str,
        invalidate: Option<Invalidate>,
    ) -> Result<Option<Renamed>, Failure> {
        let key = NameKey::new(name);
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Some(Renamed::Unknown)) };
            let Claim::Free(seen) = self.claim(&key, Some(id)).await? else { return Ok(Some(Renamed::NameTaken)) };
            let mut edit = Edit::default();
            edit.set(USERNAME, item::text(name));
            edit.set(USERNAME_KEY, item::text(key.as_str()));
            if let Some(how) = invalidate {
                edit.raise_generation(&item, how.fresh);
            }
            let mut writes = vec![self.update_user(id, &edit)?, self.mark_name(&key, id, seen.as_deref())?];
            if let Some(old) = key_of(&item).filter(|old| *old != key) {
                writes.extend(self.unmark_name(&old, id).await?);
            }
            let Err(error) = self.client.transact_write_items().set_transact_items(Some(writes)).send().await else {
                return Ok(Some(Renamed::Now));
            };
            let Some(reasons) = reasons(&error) else {
                return if has_full_item(&error) { Ok(None) } else { Err(Failure::of(RENAMING)(error)) };
            };
            match unmet(reasons, 0) {
                Some(there) if there.is_empty() => return Ok(Some(Renamed::Unknown)),
                Some(there) if edit.is_applied(&there) => return Ok(Some(Renamed::Now)),
                Some(_) | None => pause(WAIT.saturating_mul(tries)).await,
            }
        }
        Err(Failure::new(RENAMING, BUSY))
    }

    /// Writes what makes a user's name usable where an application did not: `username_key`, and the marker that keeps
    /// the name from a second user. The name is the one that was read. Invalidates nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn repair_name(&self, user: &User) -> Result<Renamed, Failure> {
        let key = NameKey::new(&user.username);
        for tries in 1..=TRIES {
            let Claim::Free(seen) = self.claim(&key, Some(&user.id)).await? else { return Ok(Renamed::NameTaken) };
            let mut edit = Edit::default();
            edit.set(USERNAME_KEY, item::text(key.as_str()));
            edit.expect_named(USERNAME, &item::text(&user.username));
            let writes = vec![self.update_user(&user.id, &edit)?, self.mark_name(&key, &user.id, seen.as_deref())?];
            let Err(error) = self.client.transact_write_items().set_transact_items(Some(writes)).send().await else {
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

    fn update_user(&self, id: &UserId, edit: &Edit) -> Result<TransactWriteItem, Failure> {
        let mut update = Update::builder().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        for (place, name) in &edit.names {
            update = update.expression_attribute_names(place, name);
        }
        for (place, value) in &edit.values {
            update = update.expression_attribute_values(place, value.clone());
        }
        let update = update
            .update_expression(edit.update())
            .condition_expression(edit.condition())
            .expression_attribute_names("#user", USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = update.build().map_err(|error| Failure::new(RENAMING, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Removes a user, and frees the name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_user(&self, id: &UserId) -> Result<Written, Failure> {
        for tries in 1..=TRIES {
            // A user who is gone at a later read was removed by this call or by another.
            let gone = if tries == 1 { Written::Unknown } else { Written::Now };
            let Some(item) = self.user_item(id).await? else { return Ok(gone) };
            let marker = match key_of(&item) {
                Some(key) => self.unmark_name(&key, id).await?,
                None => None,
            };
            let Some(marker) = marker else { return self.delete_user(id).await };
            let delete = Delete::builder().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
            let delete = delete.build().map_err(|error| Failure::new(REMOVING, error))?;
            let writes = vec![TransactWriteItem::builder().delete(delete).build(), marker];
            match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
                Ok(_) => return Ok(Written::Now),
                Err(error) if reasons(&error).is_some() => pause(WAIT.saturating_mul(tries)).await,
                Err(error) => return Err(Failure::of(REMOVING)(error)),
            }
        }
        self.delete_user(id).await
    }

    /// Deletes a user who was there a moment ago; a second attempt finds it gone.
    async fn delete_user(&self, id: &UserId) -> Result<Written, Failure> {
        let call = self.client.delete_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        let call = call.condition_expression("attribute_exists(#user)").expression_attribute_names("#user", USER_ID);
        if_met(REMOVING, call.send().await).map(|_met| Written::Now)
    }

    /// All users, in no order. An item that cannot be read hides no other.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn all_users(&self) -> Result<Vec<Listed>, Failure> {
        let (mut users, mut after) = (Vec::new(), None);
        loop {
            let call = self.client.scan().table_name(&self.tables.users).consistent_read(true);
            let answer = call.set_exclusive_start_key(after).send().await.map_err(Failure::of("listing the users"))?;
            users.extend(answer.items.unwrap_or_default().into_iter().map(Listed::of));
            after = answer.last_evaluated_key;
            if after.is_none() {
                return Ok(users);
            }
        }
    }
}

impl Listed {
    pub(crate) fn of(item: Item) -> Self {
        let key = item.get(USER_ID).and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
        item::to_user(item).map_or(Self::Unreadable(key), |user| Self::User(Box::new(user)))
    }

    /// The user, if it is one.
    pub const fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Unreadable(_) => None,
        }
    }
}

impl NewUser {
    fn item(&self, status: Status) -> Item {
        let status = match status {
            Status::Active => "active",
            Status::Blocked => "blocked",
        };
        let kind = if self.is_app { "app" } else { "person" };
        let names: Vec<String> = self.permissions.names().map(str::to_owned).collect();
        let attributes = [
            (USER_ID, Some(item::text(self.id.as_str()))),
            (USERNAME, Some(item::text(&self.username))),
            (USERNAME_KEY, Some(item::text(NameKey::new(&self.username).as_str()))),
            (FULL_NAME, self.full_name.as_ref().map(item::text)),
            (KIND, Some(item::text(kind))),
            (PASSWORD_HASH, self.password_hash.as_ref().map(item::text)),
            (STATUS, Some(item::text(status))),
            (PERMISSIONS, (!names.is_empty()).then_some(AttributeValue::Ss(names))),
            (TOKEN_GENERATION, Some(AttributeValue::N(self.token_generation.to_string()))),
        ];
        attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).finish_non_exhaustive()
    }
}
