//! The note of a token: what notify keeps about its uses and its last changes, outside of its
//! record. Only pages and `GET /tokens/{id}/usage` read it, and no decision depends on it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Timestamp, TokenId, Value};

use crate::{
    Failure, Store,
    failure::if_met,
    item::{self, Item},
};

/// The attributes of a note, without its key.
pub type Note = BTreeMap<String, Value>;

/// A note as it was read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The attributes.
    pub note: Note,
    /// The number of times that the note was written.
    written: u64,
}

/// The partition keys of notes begin so. No user ID contains a `#`.
pub(crate) const USAGE: &str = "usage";

/// The number of times that a note was written, by which a concurrent write is found.
const WRITTEN: &str = "written";

const READING: &str = "reading the usage of the token";
const WRITING: &str = "writing the usage of the token";

fn key(id: &TokenId) -> Item {
    item::key(&format!("{USAGE}#{id}"), USAGE)
}

impl Store {
    /// Reads the note of a token with strong consistency. A token without one has an empty note.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the note is corrupt.
    pub async fn note(&self, id: &TokenId) -> Result<Read, Failure> {
        let Some(mut item) = self.get(key(id), READING).await? else { return Ok(Read::default()) };
        let bad = |bad| Failure::new(READING, bad);
        let written = match item.remove(WRITTEN) {
            Some(AttributeValue::N(number)) => number.parse().unwrap_or_default(),
            Some(_) | None => 0,
        };
        for name in [item::USER_ID, item::TOKEN, item::PURGE_AT] {
            item.remove(name);
        }
        Ok(Read { note: item::to_values(item).map_err(bad)?, written })
    }

    /// Writes the note of a token over the one that was read. Returns `false` if another writer was
    /// faster; nothing changed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn write_note(
        &self,
        id: &TokenId,
        read: &Read,
        note: Note,
        purge_at: Timestamp,
    ) -> Result<bool, Failure> {
        let mut item = key(id);
        item.extend(note.into_iter().map(|(name, value)| (name, item::from_value(value))));
        let count = |count: u64| AttributeValue::N(count.to_string());
        item.insert(WRITTEN.to_owned(), count(read.written.saturating_add(1)));
        item.insert(item::PURGE_AT.to_owned(), item::number(purge_at));
        let put = self.client.put_item().table_name(&self.tables.tokens).set_item(Some(item));
        let put = if read.written == 0 {
            put.condition_expression("attribute_not_exists(#written)")
        } else {
            put.condition_expression("#written = :read")
                .expression_attribute_values(":read", count(read.written))
        };
        if_met(WRITING, put.expression_attribute_names("#written", WRITTEN).send().await)
    }
}
