//! Finds users, by ID and by name.

use hallpass_password::NameKey;
use hallpass_token::{User, UserId, user::attribute::USERNAME_KEY};

use crate::{Failure, Store, item, item::Item, marks::ChangeMarks};

/// The index of users by the normal form of their names.
pub const NAME_INDEX: &str = "username_key";

/// The outcome of a write to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The user was written.
    Now,
    /// The user does not exist.
    Unknown,
}

/// The key of the user that a log-in by name can be for, or a key that no user has. Only
/// [`Store::candidate`] creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate(String);

/// The user of a name.
#[derive(Debug)]
pub enum Named {
    /// The only user with this name.
    User(Box<User>),
    /// No user has this name, or more than one.
    Absent,
    /// The item of the only user with this name is unreadable.
    Unreadable(Failure),
}

/// A key that no user has.
const NO_KEY: &str = "#";

/// A name that no user has: no normal form contains a capital letter.
const NO_NAME: &str = "A";

const READING: &str = "reading the user";

impl Store {
    /// Reads a user by ID, with strong consistency.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the user's item is corrupt.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, Failure> {
        let item = self.user_item(id).await?;
        item.map(item::to_user).transpose().map_err(|bad| Failure::new(READING, bad))
    }

    /// Reads the item of a user with strong consistency.
    pub(crate) async fn user_item(&self, id: &UserId) -> Result<Option<Item>, Failure> {
        let call =
            self.client.get_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        Ok(call.consistent_read(true).send().await.map_err(Failure::of(READING))?.item)
    }

    /// Finds the candidate for a log-in by this name. This is always one query of the index, even
    /// if no user has the name.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn candidate(&self, name: &NameKey) -> Result<Candidate, Failure> {
        let name = if name.is_usable() { name.as_str() } else { NO_NAME };
        let call =
            self.client.query().table_name(&self.tables.users).index_name(NAME_INDEX).limit(2);
        let call = call
            .key_condition_expression("#name = :name")
            .expression_attribute_names("#name", USERNAME_KEY);
        let call = call.expression_attribute_values(":name", item::text(name));
        let response = call.send().await.map_err(Failure::of("finding the user by name"))?;
        let key = match response.items() {
            [only] => only
                .get(item::USER_ID)
                .and_then(|key| key.as_s().ok())
                .filter(|key| !key.is_empty())
                .cloned(),
            _ => None,
        };
        Ok(Candidate(key.unwrap_or_else(|| NO_KEY.to_owned())))
    }

    /// Reads the marks of a candidate. This is always one strongly consistent read, even if the
    /// user does not exist.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the marks are corrupt.
    pub async fn marks_of(&self, candidate: &Candidate) -> Result<ChangeMarks, Failure> {
        self.marks_at(&candidate.0).await
    }

    /// Reads the user of a candidate. This is always one strongly consistent read, even if the user
    /// does not exist, so that the time does not show which users exist. The index is eventually
    /// consistent, so the name in the user's item is compared.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn user_of(&self, candidate: &Candidate, name: &NameKey) -> Result<Named, Failure> {
        const DOING: &str = "reading the user";
        let call = self.client.get_item().table_name(&self.tables.users);
        let call = call.set_key(Some(item::user_key_of(&candidate.0)));
        let response = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        Ok(match response.item.map(item::to_user) {
            Some(Ok(user)) if name.is_usable() && NameKey::new(&user.username) == *name => {
                Named::User(Box::new(user))
            }
            Some(Ok(_)) | None => Named::Absent,
            Some(Err(bad)) => Named::Unreadable(Failure::new(DOING, bad)),
        })
    }
}
