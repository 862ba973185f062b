//! A user to add, and the item that is written.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_password::NameKey;
use hallpass_token::{
    Scope, Status, UserId, UserKind,
    user::{
        PERMISSIONS_FROM_OIDC,
        attribute::{
            FULL_NAME, KIND, OIDC_IDENTITY, PASSWORD_HASH, PERMISSIONS, PERMISSIONS_FROM, STATUS,
            TOKEN_GENERATION, USER_ID, USERNAME, USERNAME_KEY,
        },
    },
};

use crate::{item, item::Item, links::Identity};

/// A user to add.
pub struct NewUser {
    /// The user ID.
    pub id: UserId,
    /// The name that the user logs in with.
    pub username: String,
    /// The display name.
    pub full_name: Option<String>,
    /// Whether the account is a person's or an application's.
    pub kind: UserKind,
    /// The PHC string of the password's hash. An external user has none.
    pub password_hash: Option<String>,
    /// The permissions.
    pub permissions: Scope,
    /// The first `token_generation`. It is random, so that reusing the ID of a deleted user revives
    /// no tokens.
    pub token_generation: u32,
}

/// The link of a user to add.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// The identity at the identity provider with which the user signs in.
    pub identity: &'a Identity,
    /// Whether the permissions are those that the provider names at each sign-in.
    pub gives_permissions: bool,
}

impl NewUser {
    pub(crate) fn item(&self, status: Status, link: Option<NewLink<'_>>) -> Item {
        let of_provider = link.is_some_and(|link| link.gives_permissions);
        let names: Vec<String> = self.permissions.names().map(str::to_owned).collect();
        let attributes = [
            (USER_ID, Some(item::text(self.id.as_str()))),
            (USERNAME, Some(item::text(&self.username))),
            (USERNAME_KEY, Some(item::text(NameKey::new(&self.username).as_str()))),
            (FULL_NAME, self.full_name.as_ref().map(item::text)),
            (KIND, Some(item::text(self.kind.as_str()))),
            (PASSWORD_HASH, self.password_hash.as_ref().map(item::text)),
            (OIDC_IDENTITY, link.map(|link| item::text(link.identity.digest()))),
            (PERMISSIONS_FROM, of_provider.then(|| item::text(PERMISSIONS_FROM_OIDC))),
            (STATUS, Some(item::text(status.as_str()))),
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
