//! The user record, which belongs to the application. Hallpass reads it and reacts to it. The names of its attributes
//! stand in [`attribute`] and nowhere else.

use std::{collections::BTreeMap, fmt};

use crate::{id::UserId, scope::Scope};

/// The attributes of a user that Hallpass knows.
pub mod attribute {
    /// The key of the table.
    pub const USER_ID: &str = "user_id";
    /// The name the user logs in with.
    pub const USERNAME: &str = "username";
    /// Its normal form, the key of the index by name.
    pub const USERNAME_KEY: &str = "username_key";
    /// The name to call the user by.
    pub const FULL_NAME: &str = "full_name";
    /// `person` or `app`.
    pub const KIND: &str = "kind";
    /// The PHC string of the password; absent for a directory user.
    pub const PASSWORD_HASH: &str = "password_hash";
    /// `active`, or anything else.
    pub const STATUS: &str = "status";
    /// The string set of what the user may do.
    pub const PERMISSIONS: &str = "permissions";
    /// The number that voids every token of the user when it is raised.
    pub const TOKEN_GENERATION: &str = "token_generation";
}

/// The user item has no usable value for this attribute; nothing is decided on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUser(pub &'static str);

/// A user as one strong read found it. Its attributes, the password's hash among them, do not print.
#[derive(Clone)]
pub struct User {
    /// The key of the user table.
    pub id: UserId,
    /// The name the user logs in with, as the application wrote it.
    pub username: String,
    /// The name to call the user by.
    pub full_name: Option<String>,
    /// Whether the user may hold a token at all.
    pub status: Status,
    /// What the user may do now. Names that are no [`crate::Permission`] are left out, so they are never granted.
    pub permissions: Scope,
    /// Every attribute of the item, for [`crate::Fingerprint`] and for whoever shows the user.
    pub attributes: BTreeMap<String, Value>,
}

/// Whether a user may hold a token at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The attribute is exactly `active`.
    Active,
    /// It is anything else, or absent.
    Blocked,
}

/// The value of an attribute, as DynamoDB has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number, in the text form that DynamoDB normalises numbers to.
    Number(String),
    /// A Boolean.
    Flag(bool),
    /// The null value, which is not an absent attribute.
    Null,
    /// Binary.
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

impl User {
    /// Reads the attributes of a user item.
    ///
    /// # Errors
    /// When an attribute that decides something has the wrong type. An absent one denies instead.
    pub fn from_attributes(attributes: BTreeMap<String, Value>) -> Result<Self, BadUser> {
        let text = |name: &'static str| match attributes.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(BadUser(name)),
        };
        let permissions = match attributes.get(attribute::PERMISSIONS) {
            None => Scope::default(),
            Some(Value::TextSet(names)) => names.iter().filter_map(|name| name.parse().ok()).collect(),
            Some(_) => return Err(BadUser(attribute::PERMISSIONS)),
        };
        let id = text(attribute::USER_ID)?.and_then(|id| id.parse().ok()).ok_or(BadUser(attribute::USER_ID))?;
        let is_active = text(attribute::STATUS)? == Some("active");
        Ok(Self {
            id,
            username: text(attribute::USERNAME)?.unwrap_or_default().to_owned(),
            full_name: text(attribute::FULL_NAME)?.map(str::to_owned),
            status: if is_active { Status::Active } else { Status::Blocked },
            permissions,
            attributes,
        })
    }

    /// The PHC string of the password, if the attribute is there and is a string; a directory user has none.
    pub fn password_hash(&self) -> Option<&str> {
        match self.attributes.get(attribute::PASSWORD_HASH) {
            Some(Value::Text(phc)) => Some(phc),
            _ => None,
        }
    }

    /// The name to call the user by: the full name, or the user name where there is none.
    pub fn display_name(&self) -> &str {
        self.full_name.as_deref().unwrap_or(&self.username)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Display for BadUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the attribute {} of the user has no usable value", self.0)
    }
}

impl std::error::Error for BadUser {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &[(&str, Option<Value>)], expected: Result<&str, &'static str>) {
        let mut attributes = BTreeMap::from([
            ("user_id".to_owned(), Value::Text("1".into())),
            ("username".to_owned(), Value::Text("ada".into())),
            ("status".to_owned(), Value::Text("active".into())),
            ("permissions".to_owned(), Value::TextSet(vec!["b".into(), "a".into(), "not\"one".into()])),
        ]);
        for (name, value) in changes {
            attributes.remove(*name);
            attributes.extend(value.clone().map(|value| ((*name).to_owned(), value)));
        }
        let got = User::from_attributes(attributes)
            .map(|user| format!("{} {} {:?} {}", user.id, user.username, user.status, user.permissions));
        assert_eq!(
            got.as_deref(),
            expected.as_deref().map_err(|name| BadUser(name)).as_ref().map(|text| *text),
            "{changes:?}"
        );
    }

    #[test]
    fn a_user_is_called_by_the_full_name_and_has_a_hash_only_as_text() {
        let user = |attributes: &[(&str, Value)]| {
            let own = [("user_id", Value::Text("1".into())), ("username", Value::Text("ada".into()))];
            let all = own.iter().chain(attributes).map(|(name, value)| ((*name).to_owned(), value.clone()));
            User::from_attributes(all.collect()).unwrap()
        };
        let plain = user(&[]);
        assert_eq!((plain.display_name(), plain.password_hash()), ("ada", None));
        let named = user(&[("full_name", Value::Text("Ada L".into())), ("password_hash", Value::Text("phc".into()))]);
        assert_eq!((named.display_name(), named.password_hash()), ("Ada L", Some("phc")));
        assert_eq!(user(&[("password_hash", Value::Number("1".into()))]).password_hash(), None);
        assert_eq!(format!("{named:?}"), r#"User { id: UserId("1"), status: Blocked, .. }"#);
    }

    #[test]
    fn a_user_is_read_and_what_is_absent_denies() {
        check(&[], Ok("1 ada Active a,b"));
        check(&[("status", None)], Ok("1 ada Blocked a,b"));
        check(&[("status", Some(Value::Text("Active".into())))], Ok("1 ada Blocked a,b"));
        check(&[("permissions", None)], Ok("1 ada Active "));
        check(&[("username", None)], Ok("1  Active a,b"));
    }

    #[test]
    fn a_wrong_type_is_an_error_and_not_an_answer() {
        check(&[("user_id", None)], Err("user_id"));
        check(&[("user_id", Some(Value::Text("a b".into())))], Err("user_id"));
        for name in ["user_id", "username", "status", "permissions", "full_name"] {
            check(&[(name, Some(Value::Flag(true)))], Err(name));
        }
    }
}
