//! The user item, which belongs to the application. Hallpass reads it and reacts to changes of it.
//! Only [`attribute`] holds the names of its attributes.

use std::{collections::BTreeMap, fmt};

use crate::{id::UserId, scope::Scope, timestamp::Timestamp};

/// The attributes of a user that Hallpass knows.
pub mod attribute {
    /// The partition key of the user table.
    pub const USER_ID: &str = "user_id";
    /// The name that the user logs in with.
    pub const USERNAME: &str = "username";
    /// The normal form of the user name, the key of the index by name.
    pub const USERNAME_KEY: &str = "username_key";
    /// The display name of the user.
    pub const FULL_NAME: &str = "full_name";
    /// `person` or `app`.
    pub const KIND: &str = "kind";
    /// The PHC string of the password's hash. An external user has none.
    pub const PASSWORD_HASH: &str = "password_hash";
    /// `active`; any other value blocks the user.
    pub const STATUS: &str = "status";
    /// The string set of the user's permissions.
    pub const PERMISSIONS: &str = "permissions";
    /// A number. Raising it invalidates every token of the user.
    pub const TOKEN_GENERATION: &str = "token_generation";
    /// The string set of the IDs of the users who manage the tokens of a service account.
    pub const MAINTAINERS: &str = "maintainers";
    /// The string set of the IDs of the service accounts whose tokens the user manages.
    pub const MAINTAINS: &str = "maintains";
    /// The digest of the identity at the identity provider with which the user signs in.
    pub const OIDC_IDENTITY: &str = "oidc_identity";
    /// A number, in Unix seconds: when the user's next sign-in at the identity provider is due.
    pub const SIGN_IN_DUE_AT: &str = "sign_in_due_at";
    /// `oidc` if the permissions are those that the identity provider names at each sign-in.
    pub const PERMISSIONS_FROM: &str = "permissions_from";
}

/// The key of the item is not a [`UserId`], so that the user cannot have tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {} of the user is not a valid user ID", attribute::USER_ID)]
pub struct UserError;

/// A user, from one strongly consistent read. `Debug` omits its attributes, which include the
/// password hash.
#[derive(Clone)]
pub struct User {
    /// The key of the item.
    pub id: UserId,
    /// The name that the user logs in with, as the application wrote it.
    pub username: String,
    /// The display name.
    pub full_name: Option<String>,
    /// Whether tokens of the user can be accepted.
    pub status: Status,
    /// The current permissions. A name that is not a valid [`crate::Permission`] is omitted, so it
    /// is never granted.
    pub permissions: Scope,
    /// The attributes whose values have an unexpected type. They count as absent; a user whose
    /// permissions are unreadable is [`Status::Blocked`].
    pub unreadable: Vec<&'static str>,
    /// Every attribute of the item, unchanged, for [`crate::Fingerprint`] and for listings.
    pub attributes: BTreeMap<String, Value>,
}

/// Whether tokens of a user can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The attribute is exactly `active`, and the permissions can be read.
    Active,
    /// Anything else.
    Blocked,
}

/// Whether an account is a person's or an application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    /// A person.
    Person,
    /// An application.
    App,
}

impl Status {
    /// The value of the attribute `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
        }
    }
}

impl UserKind {
    /// The value of the attribute `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::App => "app",
        }
    }
}

/// The value of a DynamoDB attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number, in DynamoDB's normalized text form.
    Number(String),
    /// A Boolean.
    Flag(bool),
    /// NULL, which differs from an absent attribute.
    Null,
    /// Binary data.
    Bytes(Vec<u8>),
    /// A set of strings, in any order.
    TextSet(Vec<String>),
    /// A set of numbers, in any order.
    NumberSet(Vec<String>),
    /// A set of binaries, in any order.
    BytesSet(Vec<Vec<u8>>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}

/// The value of [`attribute::OIDC_IDENTITY`] of a user whom an administrator has unlinked, so that
/// the user's next sign-in does not link the user again.
pub const UNLINKED: &str = "unlinked";

/// The value of [`attribute::PERMISSIONS_FROM`] for the identity provider.
pub const PERMISSIONS_FROM_OIDC: &str = "oidc";

/// The maximum length of a displayed name, in characters. An application can write a name of 400
/// KB.
const MAX_DISPLAY_NAME: usize = 256;

impl User {
    /// Reads the attributes of a user item, of any type that the application has written: NULL and
    /// empty values count as absent, a list of strings counts as a set, and a value of another type
    /// is named in [`User::unreadable`].
    ///
    /// An absent or unreadable attribute denies access. No item can prevent other items from being
    /// read, or itself from being blocked.
    ///
    /// # Errors
    /// Returns a [`UserError`] if the key is not a user ID.
    pub fn from_attributes(attributes: BTreeMap<String, Value>) -> Result<Self, UserError> {
        let mut unreadable = Vec::new();
        let mut text = |name: &'static str| match attributes.get(name) {
            None => None,
            Some(value) if value.is_empty() => None,
            Some(Value::Text(text)) => Some(text.as_str()),
            Some(_) => {
                unreadable.push(name);
                None
            }
        };
        let id = text(attribute::USER_ID).and_then(|id| id.parse().ok()).ok_or(UserError)?;
        let username = text(attribute::USERNAME).unwrap_or_default().to_owned();
        let full_name = text(attribute::FULL_NAME).map(str::to_owned);
        let is_active = text(attribute::STATUS) == Some(Status::Active.as_str());
        let _ = (text(attribute::KIND), text(attribute::PASSWORD_HASH));
        for name in [attribute::TOKEN_GENERATION, attribute::SIGN_IN_DUE_AT] {
            let value = attributes.get(name);
            if !value.is_none_or(|value| value.is_empty() || matches!(value, Value::Number(_))) {
                unreadable.push(name);
            }
        }
        let permissions = attributes
            .get(attribute::PERMISSIONS)
            .map_or_else(|| Some(Scope::default()), permissions);
        if permissions.is_none() {
            unreadable.push(attribute::PERMISSIONS);
        }
        let status =
            if is_active && permissions.is_some() { Status::Active } else { Status::Blocked };
        let permissions = permissions.unwrap_or_default();
        Ok(Self { id, username, full_name, status, permissions, unreadable, attributes })
    }

    /// The PHC string of the password's hash, if the attribute is a string. An external user has
    /// none.
    pub fn password_hash(&self) -> Option<&str> {
        self.text(attribute::PASSWORD_HASH)
    }

    /// The digest of the identity with which the user signs in at the identity provider, if the
    /// user is linked to one.
    pub fn oidc_identity(&self) -> Option<&str> {
        self.text(attribute::OIDC_IDENTITY).filter(|identity| *identity != UNLINKED)
    }

    /// Whether the permissions are those that the identity provider names at each sign-in.
    pub fn has_permissions_of_provider(&self) -> bool {
        self.text(attribute::PERMISSIONS_FROM) == Some(PERMISSIONS_FROM_OIDC)
    }

    /// When the next sign-in at the identity provider is due, if that can be read.
    pub fn sign_in_due_at(&self) -> Option<Timestamp> {
        match self.attributes.get(attribute::SIGN_IN_DUE_AT) {
            Some(Value::Number(seconds)) => seconds.parse().ok().and_then(Timestamp::from_unix),
            _ => None,
        }
    }

    /// Whether the user must sign in at the identity provider before tokens are accepted again. A
    /// time that cannot be read counts as past.
    pub fn is_sign_in_due(&self, now: Timestamp) -> bool {
        match self.attributes.get(attribute::SIGN_IN_DUE_AT) {
            None => false,
            Some(value) if value.is_empty() => false,
            Some(_) => self.sign_in_due_at().is_none_or(|due| due.has_passed(now)),
        }
    }

    /// `person`, `app`, or any other text that the application wrote. The default is `person`.
    pub fn kind(&self) -> &str {
        self.text(attribute::KIND).unwrap_or(UserKind::Person.as_str())
    }

    /// Whether the account is an application's.
    pub fn is_app(&self) -> bool {
        self.kind() == UserKind::App.as_str()
    }

    /// The full name, or the user name of a user without one. Truncated to 256 characters.
    pub fn display_name(&self) -> &str {
        let name = self.full_name.as_deref().unwrap_or(&self.username);
        let end = name.char_indices().nth(MAX_DISPLAY_NAME).map_or(name.len(), |(end, _)| end);
        name.get(..end).unwrap_or(name)
    }

    /// The users whom the account names as its maintainers, sorted. Each of them counts only if the
    /// user names the account too, see [`User::is_maintained_by`].
    pub fn maintainers(&self) -> Vec<UserId> {
        self.ids(attribute::MAINTAINERS)
    }

    /// The service accounts that the user names as maintained, sorted. Each of them counts only if
    /// the account names the user too.
    pub fn maintained(&self) -> Vec<UserId> {
        self.ids(attribute::MAINTAINS)
    }

    /// Whether this is a service account and the user one of its maintainers. Both items must say
    /// so, so that an ID which is used again gives no access.
    pub fn is_maintained_by(&self, user: &Self) -> bool {
        self.is_app()
            && self.maintainers().contains(&user.id)
            && user.maintained().contains(&self.id)
    }

    /// The IDs in a set or list of strings. Anything else has none.
    fn ids(&self, name: &str) -> Vec<UserId> {
        let mut ids: Vec<UserId> = match self.attributes.get(name) {
            Some(Value::TextSet(texts)) => texts.iter().filter_map(|id| id.parse().ok()).collect(),
            Some(Value::List(list)) => {
                list.iter().filter_map(|id| id.as_text()?.parse().ok()).collect()
            }
            Some(_) | None => Vec::new(),
        };
        ids.sort_by(|one, two| one.as_str().cmp(two.as_str()));
        ids
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// The permissions that a value names, or `None` if it is neither a set nor a list of strings. A
/// name that is not a valid [`crate::Permission`] is omitted, so it is never granted.
fn permissions(value: &Value) -> Option<Scope> {
    let parse = |name: &String| name.parse().ok();
    match value {
        value if value.is_empty() => Some(Scope::default()),
        Value::TextSet(names) => Some(names.iter().filter_map(parse).collect()),
        Value::List(names) => {
            let names: Option<Vec<&String>> = names.iter().map(Value::as_text).collect();
            Some(names?.into_iter().filter_map(parse).collect())
        }
        Value::Text(_)
        | Value::Number(_)
        | Value::Flag(_)
        | Value::Null
        | Value::Bytes(_)
        | Value::NumberSet(_)
        | Value::BytesSet(_)
        | Value::Map(_) => None,
    }
}

impl Value {
    /// Whether the value counts as absent: NULL, or an empty value of any type.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::TextSet(set) | Self::NumberSet(set) => set.is_empty(),
            Self::BytesSet(set) => set.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Number(_) | Self::Flag(_) => false,
        }
    }

    const fn as_text(&self) -> Option<&String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// A user with these attributes and nothing else, for tests.
#[cfg(test)]
pub(crate) fn with_attributes(attributes: &[(&str, Value)]) -> User {
    User {
        id: "1".parse().unwrap(),
        username: String::new(),
        full_name: None,
        status: Status::Active,
        permissions: Scope::default(),
        unreadable: Vec::new(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
