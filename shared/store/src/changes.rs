//! Changes users. Every change works on any item that an application can write: no value of any
//! attribute prevents a user from being blocked, or the user's tokens from being revoked.
//!
//! Every change that invalidates tokens raises `token_generation` in the same update, so that they
//! stay invalid when the change is undone. A generation that is absent or not a whole number cannot
//! be raised; it is replaced by a value that no token has. An item near DynamoDB's limit of 400 KB
//! can lack room for a longer value. The change is then made without raising the generation, and
//! the tokens are revoked one by one.

use std::{fmt, time::Duration};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use hallpass_token::{
    Cause, Permission, Status, UserId, UserKind,
    user::attribute::{
        FULL_NAME, KIND, PASSWORD_HASH, PERMISSIONS, STATUS, TOKEN_GENERATION, USER_ID,
    },
};

use crate::{
    Failure, Store,
    edit::{Edit, MAX_GENERATION},
    failure::unmet_by,
    item::{self, Item},
    marking::Invalidate,
    users::Written,
    verify::pause,
};

/// A change of a user.
pub enum Change {
    /// Sets the password hash, a PHC string.
    Password(String),
    /// Blocks the user and all of the user's tokens.
    Block,
    /// Lets the user log in again. Invalidated tokens stay invalid.
    Unblock,
    /// Adds a permission.
    Grant(Permission),
    /// Removes a permission.
    Deny(Permission),
    /// Sets the full name.
    FullName(String),
    /// Sets the kind of user.
    Kind(UserKind),
}

/// The maximum number of attempts of a change while other writers change the same user.
pub(crate) const TRIES: u32 = 8;

/// The wait after the first attempt. It grows by this much with each attempt.
pub(crate) const WAIT: Duration = Duration::from_millis(25);

const DOING: &str = "changing the user";

const NO_ROOM_FOR_PASSWORD: &str = "the user's item has no room for the new password: DynamoDB's \
                                    limit is 400 KB. The old password no longer works, and the \
                                    tokens are revoked";

impl Store {
    /// Changes a user, and with `invalidate` also invalidates the user's tokens.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no
    /// room for the change. If there is no room for a new password, the old one is removed all the
    /// same.
    pub async fn change_user(
        &self,
        id: &UserId,
        change: &Change,
        invalidate: Option<Invalidate>,
        cause: &Cause<'_>,
    ) -> Result<Written, Failure> {
        let whole = |item: &Item| {
            let mut edit = change.edit(item);
            edit.name_cause(cause);
            if let Some(how) = invalidate {
                edit.raise_generation(item, how.fresh);
            }
            edit
        };
        if let Some(written) = self.edit_user(id, whole).await? {
            return Ok(written);
        }
        // The tokens that the user had must be revoked before the user can log in again.
        if let (Change::Unblock, Some(how)) = (change, invalidate) {
            self.revoke_one_by_one(id, how, cause).await?;
        }
        let alone = self.edit_user(id, |item| change.edit(item)).await?;
        let written = match (alone, change) {
            (Some(written), _) => written,
            // A user without a status is blocked, and a user without a hash cannot log in.
            (None, Change::Block) => self.remove_attribute(id, STATUS).await?,
            (None, Change::Password(_)) => self.remove_attribute(id, PASSWORD_HASH).await?,
            (
                None,
                Change::Unblock
                | Change::Grant(_)
                | Change::Deny(_)
                | Change::FullName(_)
                | Change::Kind(_),
            ) => return Err(full()),
        };
        if let Some(how) = invalidate.filter(|_| written == Written::Now) {
            self.revoke_one_by_one(id, how, cause).await?;
        }
        match (alone, change) {
            (None, Change::Password(_)) if written == Written::Now => {
                Err(Failure::new(DOING, NO_ROOM_FOR_PASSWORD))
            }
            _ => Ok(written),
        }
    }

    /// Invalidates all tokens of a user in one write: raises `token_generation`, or replaces a
    /// value that cannot be raised.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn raise_generation(
        &self,
        id: &UserId,
        how: Invalidate,
        cause: &Cause<'_>,
    ) -> Result<Written, Failure> {
        let mut named = Edit::default();
        named.name_cause(cause);
        let call = self
            .client
            .update_item()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key(id)));
        let call = call
            .update_expression(format!("{} ADD #generation :one", named.update()))
            .condition_expression(
                "attribute_exists(#user) AND attribute_type(#generation, :number) AND #generation \
                 < :max",
            )
            .set_expression_attribute_names(Some(named.names()))
            .set_expression_attribute_values(Some(named.values()))
            .expression_attribute_names("#user", USER_ID)
            .expression_attribute_names("#generation", TOKEN_GENERATION)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":number", item::text("N"))
            .expression_attribute_values(":max", AttributeValue::N(MAX_GENERATION.to_string()));
        // A retry after a lost response raises the generation twice, which has the same effect.
        let Err(error) = call.send().await else { return Ok(Written::Now) };
        let edit = |item: &Item| {
            let mut edit = Edit::default();
            edit.raise_generation(item, how.fresh);
            edit
        };
        if unmet_by(&error).is_none() && !has_no_room(error.code()) {
            return Err(Failure::of(DOING)(error));
        }
        match self.edit_user(id, edit).await? {
            Some(written) => Ok(written),
            None => self.revoke_one_by_one(id, how, cause).await.map(|()| Written::Now),
        }
    }

    /// Applies an edit to the current item. Returns `None` if the item has no room for it.
    async fn edit_user(
        &self,
        id: &UserId,
        edit: impl Fn(&Item) -> Edit,
    ) -> Result<Option<Written>, Failure> {
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Some(Written::Unknown)) };
            match self.send_edit(id, edit(&item)).await? {
                Sent::Done(written) => return Ok(Some(written)),
                Sent::NoRoom => return Ok(None),
                Sent::Overtaken => pause(WAIT.saturating_mul(tries)).await,
            }
        }
        Err(Failure::new(DOING, "other writers changed it at every attempt"))
    }

    pub(crate) async fn send_edit(&self, id: &UserId, edit: Edit) -> Result<Sent, Failure> {
        let call = self
            .client
            .update_item()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key(id)));
        let call = call
            .update_expression(edit.update())
            .condition_expression(edit.condition())
            .set_expression_attribute_names(Some(edit.names()))
            .set_expression_attribute_values(Some(edit.values()).filter(|some| !some.is_empty()))
            .expression_attribute_names("#user", USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(Sent::Done(Written::Now)) };
        Ok(match unmet_by(&error) {
            Some(old) if old.is_empty() => Sent::Done(Written::Unknown),
            // An earlier attempt of this call made the edit, and its response was lost.
            Some(old) if edit.is_applied(&old) => Sent::Done(Written::Now),
            Some(_) => Sent::Overtaken,
            None if has_no_room(error.code()) => Sent::NoRoom,
            None => return Err(Failure::of(DOING)(error)),
        })
    }

    async fn remove_attribute(&self, id: &UserId, name: &str) -> Result<Written, Failure> {
        let call = self
            .client
            .update_item()
            .table_name(&self.tables.users)
            .set_key(Some(item::user_key(id)));
        let call = call
            .update_expression("REMOVE #name")
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#name", name)
            .expression_attribute_names("#user", USER_ID);
        let met = crate::failure::if_met(DOING, call.send().await)?;
        Ok(if met { Written::Now } else { Written::Unknown })
    }
}

/// The outcome of an edit.
pub(crate) enum Sent {
    /// The edit was made, or the user does not exist.
    Done(Written),
    /// Another writer changed the user between the read and the write.
    Overtaken,
    /// The item has no room for the edit.
    NoRoom,
}

/// Whether this error code can mean that the item would become too large. DynamoDB has no separate
/// code for that.
pub(crate) fn has_no_room(code: Option<&str>) -> bool {
    // In a transaction the code lacks the word Exception.
    matches!(code, Some("ValidationException" | "ValidationError"))
}

/// The failure of a change for which the user's item has no room.
pub(crate) fn full() -> Failure {
    Failure::new(DOING, "the user's item has no room for it: DynamoDB's limit is 400 KB")
}

impl Change {
    fn edit(&self, item: &Item) -> Edit {
        let mut edit = Edit::default();
        match self {
            Self::Password(phc) => edit.set(PASSWORD_HASH, item::text(phc)),
            Self::Block => edit.set(STATUS, item::text(Status::Blocked.as_str())),
            Self::Unblock => edit.set(STATUS, item::text(Status::Active.as_str())),
            Self::Grant(_) | Self::Deny(_) => self.edit_permissions(item, &mut edit),
            Self::FullName(name) => edit.set(FULL_NAME, item::text(name)),
            Self::Kind(kind) => edit.set(KIND, item::text(kind.as_str())),
        }
        edit
    }

    /// Adds or removes one permission. A list of strings is replaced by a set, and any other value
    /// by an empty set.
    fn edit_permissions(&self, item: &Item, edit: &mut Edit) {
        let old = item.get(PERMISSIONS);
        let mut names: Vec<String> = match old {
            Some(AttributeValue::Ss(names)) => names.clone(),
            Some(AttributeValue::L(list)) => {
                list.iter().filter_map(|name| name.as_s().ok().cloned()).collect()
            }
            Some(_) | None => Vec::new(),
        };
        names.sort();
        names.dedup();
        if let Self::Grant(name) | Self::Deny(name) = self {
            names.retain(|one| one != name.as_str());
        }
        if let Self::Grant(name) = self {
            names.push(name.as_str().to_owned());
        }
        edit.set_texts(item, PERMISSIONS, names);
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Block => "Block",
            Self::Unblock => "Unblock",
            Self::Grant(_) => "Grant",
            Self::Deny(_) => "Deny",
            Self::FullName(_) => "FullName",
            Self::Kind(_) => "Kind",
        })
    }
}
