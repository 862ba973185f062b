//! The user record, which belongs to the application. Hallpass reads it and reacts to it.

use std::collections::BTreeMap;

use crate::{id::UserId, scope::Scope};

/// A user as one strong read found it.
#[derive(Clone, Debug)]
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
    /// The PHC string of the password, if the attribute is there and is a string; a directory user has none.
    pub fn password_hash(&self) -> Option<&str> {
        match self.attributes.get("password_hash") {
            Some(Value::Text(phc)) => Some(phc),
            _ => None,
        }
    }

    /// The name to call the user by: the full name, or the user name where there is none.
    pub fn display_name(&self) -> &str {
        self.full_name.as_deref().unwrap_or(&self.username)
    }
}
