//! The last change of a record, for an explanation. Verification does not read it.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Timestamp;

use crate::item::{self, Item};

/// The last lifecycle change of a record, with the parts of its cause that the record keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// When the record was changed.
    pub at: Timestamp,
    /// Who changed it, in the form of an [`Actor`](hallpass_token::Actor).
    pub by: String,
    /// Why, in the words of the actor.
    pub because: Option<String>,
}

/// Reads the last change of a record. An attribute that cannot be read counts as absent: nothing
/// is decided by it.
pub(crate) fn of(item: &Item) -> Option<LastChange> {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    };
    Some(LastChange {
        at: item::instant(item, item::CHANGED_AT).ok().flatten()?,
        by: text(item::CHANGED_BY)?,
        because: text(item::CHANGED_BECAUSE),
    })
}
