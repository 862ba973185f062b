//! User management, for applications that have none of their own: `hallpass user` and the administrator's page.
//!
//! Every change that voids the tokens of all formats raises `token_generation` in the same update, so that they stay
//! void when the change is undone.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use login::NameKey;
use token::{
    Permission, Scope, Status, User, UserId,
    user::attribute::{
        FULL_NAME, KIND, PASSWORD_HASH, PERMISSIONS, STATUS, TOKEN_GENERATION, USER_ID, USERNAME, USERNAME_KEY,
    },
};

use crate::{Failure, Store, failure::if_met, item, item::Item, users::Written};

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

/// A change of a user.
pub enum Change {
    /// A new password, as a PHC string.
    Password(String),
    /// Shut out, with every token.
    Block,
    /// Let in again; the tokens of before stay void.
    Unblock,
    /// Another name to log in with.
    Rename(String),
    /// One permission more.
    Grant(Permission),
    /// One permission less.
    Deny(Permission),
}

/// What became of a user that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The user is there.
    Now,
    /// The id is taken; nothing changed.
    IdTaken,
}

impl Store {
    /// Adds a user. Whether the name is taken only the caller can know, by looking first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_user(&self, user: &NewUser) -> Result<Added, Failure> {
        self.import_user(user, Status::Active).await
    }

    /// Adds a user who may have been shut out before: one of another system.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn import_user(&self, user: &NewUser, status: Status) -> Result<Added, Failure> {
        let status = match status {
            Status::Active => "active",
            Status::Blocked => "blocked",
        };
        let kind = if user.is_app { "app" } else { "person" };
        let names: Vec<String> = user.permissions.names().map(str::to_owned).collect();
        let attributes = [
            (USER_ID, Some(item::text(user.id.as_str()))),
            (USERNAME, Some(item::text(&user.username))),
            (USERNAME_KEY, Some(item::text(NameKey::new(&user.username).as_str()))),
            (FULL_NAME, user.full_name.as_ref().map(item::text)),
            (KIND, Some(item::text(kind))),
            (PASSWORD_HASH, user.password_hash.as_ref().map(item::text)),
            (STATUS, Some(item::text(status))),
            (PERMISSIONS, (!names.is_empty()).then_some(AttributeValue::Ss(names))),
            (TOKEN_GENERATION, Some(AttributeValue::N(user.token_generation.to_string()))),
        ];
        let item: Item = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let call = self.client.put_item().table_name(&self.tables.users).set_item(Some(item));
        let call =
            call.condition_expression("attribute_not_exists(#user)").expression_attribute_names("#user", USER_ID);
        let met = if_met("adding the user", call.send().await)?;
        Ok(if met { Added::Now } else { Added::IdTaken })
    }

    /// Changes a user, and raises `token_generation` if `voids`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn change_user(&self, id: &UserId, change: &Change, voids: bool) -> Result<Written, Failure> {
        let permission = |name: &Permission| AttributeValue::Ss(vec![name.as_str().to_owned()]);
        let (expression, names, value) = match change {
            Change::Password(phc) => ("SET #a = :a", vec![PASSWORD_HASH], item::text(phc)),
            Change::Block => ("SET #a = :a", vec![STATUS], item::text("blocked")),
            Change::Unblock => ("SET #a = :a", vec![STATUS], item::text("active")),
            Change::Rename(name) => ("SET #a = :a, #b = :b", vec![USERNAME, USERNAME_KEY], item::text(name)),
            Change::Grant(name) => ("ADD #a :a", vec![PERMISSIONS], permission(name)),
            Change::Deny(name) => ("DELETE #a :a", vec![PERMISSIONS], permission(name)),
        };
        // An update expression has one ADD clause at most, and granting has it already.
        let raise = match (voids, matches!(change, Change::Grant(_))) {
            (false, _) => "",
            (true, true) => ", #generation :one",
            (true, false) => " ADD #generation :one",
        };
        let mut call = self.client.update_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        for (place, name) in ["#a", "#b"].into_iter().zip(names) {
            call = call.expression_attribute_names(place, name);
        }
        if let Change::Rename(name) = change {
            call = call.expression_attribute_values(":b", item::text(NameKey::new(name).as_str()));
        }
        if voids {
            call = call
                .expression_attribute_names("#generation", TOKEN_GENERATION)
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        }
        let call = call
            .update_expression(format!("{expression}{raise}"))
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#user", USER_ID)
            .expression_attribute_values(":a", value);
        if_met("changing the user", call.send().await).map(Written::from_met)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_user(&self, id: &UserId) -> Result<Written, Failure> {
        let call = self.client.delete_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        let call = call.condition_expression("attribute_exists(#user)").expression_attribute_names("#user", USER_ID);
        if_met("removing the user", call.send().await).map(Written::from_met)
    }

    /// All users, in no order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn all_users(&self) -> Result<Vec<User>, Failure> {
        const DOING: &str = "listing the users";
        let (mut users, mut after) = (Vec::new(), None);
        loop {
            let call = self.client.scan().table_name(&self.tables.users).consistent_read(true);
            let answer = call.set_exclusive_start_key(after).send().await.map_err(Failure::of(DOING))?;
            for item in answer.items.unwrap_or_default() {
                users.push(item::to_user(item).map_err(|bad| Failure::new(DOING, bad))?);
            }
            after = answer.last_evaluated_key;
            if after.is_none() {
                return Ok(users);
            }
        }
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Block => "Block",
            Self::Unblock => "Unblock",
            Self::Rename(_) => "Rename",
            Self::Grant(_) => "Grant",
            Self::Deny(_) => "Deny",
        })
    }
}
