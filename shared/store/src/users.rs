//! Finding users.

use login::NameKey;
use token::{User, UserId, user::attribute::USERNAME_KEY};

use crate::{Failure, Store, item, item::Item, marks::ChangeMarks};

/// The index of users by the normal form of their names.
pub const NAME_INDEX: &str = "username_key";

/// What became of a write to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    Now,
    /// There is no such user.
    Unknown,
}

/// Whom a log-in by name may be about: the key of a user item, or of none. Only [`Store::candidate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate(String);

/// Who logs in by a name.
#[derive(Debug)]
pub enum Named {
    /// The one user of this name.
    User(Box<User>),
    /// No user has this name, or more than one has it.
    Absent,
    /// The one user of this name has an item that cannot be read.
    Unreadable(Failure),
}

/// A key that no user item has.
const NOBODY: &str = "#";

/// A name that no user is found by: no normal form has a capital letter.
const NO_NAME: &str = "A";

const READING: &str = "reading the user";

impl Store {
    /// A user by id, strongly read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, Failure> {
        let item = self.user_item(id).await?;
        item.map(item::to_user).transpose().map_err(|bad| Failure::new(READING, bad))
    }

    /// The item of a user, strongly read.
    pub(crate) async fn user_item(&self, id: &UserId) -> Result<Option<Item>, Failure> {
        let call = self.client.get_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        Ok(call.consistent_read(true).send().await.map_err(Failure::of(READING))?.item)
    }

    /// The candidate for a log-in by this name: one query of the index, also if no user has the name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn candidate(&self, name: &NameKey) -> Result<Candidate, Failure> {
        let name = if name.is_usable() { name.as_str() } else { NO_NAME };
        let call = self.client.query().table_name(&self.tables.users).index_name(NAME_INDEX).limit(2);
        let call = call.key_condition_expression("#name = :name").expression_attribute_names("#name", USERNAME_KEY);
        let call = call.expression_attribute_values(":name", item::text(name));
        let answer = call.send().await.map_err(Failure::of("finding the user by name"))?;
        let key = match answer.items() {
            [only] => only.get(item::USER_ID).and_then(|key| key.as_s().ok()).filter(|key| !key.is_empty()).cloned(),
            _ => None,
        };
        Ok(Candidate(key.unwrap_or_else(|| NOBODY.to_owned())))
    }

    /// The marks of a candidate, if it is a user: one strong read, also if there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn marks_of(&self, candidate: &Candidate) -> Result<ChangeMarks, Failure> {
        self.marks_at(&candidate.0).await
    }

    /// The user behind a candidate: one strong read, also if there is none, so that the time does not tell which users
    /// exist. The index is a pointer that may lag, so that the user's own name is compared.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user_of(&self, candidate: &Candidate, name: &NameKey) -> Result<Named, Failure> {
        const DOING: &str = "reading the user";
        let call = self.client.get_item().table_name(&self.tables.users);
        let call = call.set_key(Some(item::user_key_of(&candidate.0)));
        let answer = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        Ok(match answer.item.map(item::to_user) {
            Some(Ok(user)) if name.is_usable() && NameKey::new(&user.username) == *name => Named::User(Box::new(user)),
            Some(Ok(_)) | None => Named::Absent,
            Some(Err(bad)) => Named::Unreadable(Failure::new(DOING, bad)),
        })
    }
}
