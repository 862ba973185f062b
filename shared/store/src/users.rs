//! Finding users, and the one write that Hallpass makes to the application's table on its own account.

use aws_sdk_dynamodb::types::AttributeValue;
use token::{
    User, UserId,
    user::attribute::{TOKEN_GENERATION, USERNAME_KEY},
};

use crate::{Failure, Store, failure::if_met, item};

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

impl Written {
    pub(crate) const fn from_met(met: bool) -> Self {
        if met { Self::Now } else { Self::Unknown }
    }
}

impl Store {
    /// A user by id, strongly read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, Failure> {
        const DOING: &str = "reading the user";
        let call = self.client.get_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        let answer = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        answer.item.map(item::to_user).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// The ids that the index has under this name. The index is only a pointer: it lags, and it is the application's to
    /// write, so that the caller reads the user itself and compares the name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ids_by_name(&self, name_key: &str) -> Result<Vec<UserId>, Failure> {
        const DOING: &str = "finding the user by name";
        let call = self.client.query().table_name(&self.tables.users).index_name(NAME_INDEX).limit(2);
        let call = call.key_condition_expression("#name = :name").expression_attribute_names("#name", USERNAME_KEY);
        let call = call.expression_attribute_values(":name", item::text(name_key));
        let answer = call.send().await.map_err(Failure::of(DOING))?;
        let ids = answer.items().iter().map(|item| item::required(item, item::USER_ID));
        ids.collect::<Result<_, _>>().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Voids every token of a user, of every format, in one write: raises `token_generation`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn raise_generation(&self, id: &UserId) -> Result<Written, Failure> {
        let call = self.client.update_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        let call = call
            .update_expression("ADD #generation :one")
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#generation", TOKEN_GENERATION)
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        if_met("raising the user's token generation", call.send().await).map(Written::from_met)
    }
}
