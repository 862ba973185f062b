//! Reads whole tables, at once or part by part, for lists over all users. No index has the order
//! or the filters of these lists, so a part is what DynamoDB finds next, with strong consistency.

use std::collections::BTreeMap;

use hallpass_token::{Format, Record, Value, user::attribute::USER_ID};

use crate::{Failure, Store, item, management::Listed, sweep::Place};

/// A part of the table of users.
#[derive(Debug)]
pub struct UsersPart {
    /// The users of the part, and the keys of unreadable items.
    pub users: Vec<Listed>,
    /// The key after which the next part starts, or `None` at the end of the table.
    pub next: Option<String>,
}

/// A part of the table of tokens.
#[derive(Debug)]
pub struct RecordsPart {
    /// The records of the part. Other items and unreadable records are omitted.
    pub records: Vec<Record>,
    /// The number of items of the part.
    pub read: usize,
    /// The position after which the next part starts, or `None` at the end of the table.
    pub next: Option<Place>,
}

/// A part of the table of tokens, with everything that its items hold.
#[derive(Debug)]
pub struct ImagesPart {
    /// The attributes of the items of the part, of every kind.
    pub items: Vec<BTreeMap<String, Value>>,
    /// The position after which the next part starts, or `None` at the end of the table.
    pub next: Option<Place>,
}

const LISTING: &str = "listing the users";
const LISTING_TOKENS: &str = "listing the tokens of all users";

impl Store {
    /// Lists all users, in no particular order. Unreadable items are listed as such.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn all_users(&self) -> Result<Vec<Listed>, Failure> {
        let (mut users, mut after) = (Vec::new(), None);
        loop {
            let call = self.client.scan().table_name(&self.tables.users).consistent_read(true);
            let response =
                call.set_exclusive_start_key(after).send().await.map_err(Failure::of(LISTING))?;
            users.extend(response.items.unwrap_or_default().into_iter().map(Listed::of));
            after = response.last_evaluated_key;
            if after.is_none() {
                return Ok(users);
            }
        }
    }

    /// Reads the next part of the table of tokens, at most one megabyte, with strong consistency.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn images(&self, after: Option<&Place>) -> Result<ImagesPart, Failure> {
        let call = self.client.scan().table_name(&self.tables.tokens).consistent_read(true);
        let call = call.set_exclusive_start_key(after.map(Place::key));
        let response = call.send().await.map_err(Failure::of(LISTING_TOKENS))?;
        let items = response.items.unwrap_or_default().into_iter().map(item::to_values);
        let items = items.collect::<Result<_, _>>();
        let items = items.map_err(|bad| Failure::new(LISTING_TOKENS, bad))?;
        Ok(ImagesPart { items, next: response.last_evaluated_key.as_ref().and_then(Place::of) })
    }

    /// Reads at most `limit` items of the table of users after this key, and no more than one
    /// megabyte.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn users_part(&self, after: Option<&str>, limit: i32) -> Result<UsersPart, Failure> {
        let call = self.client.scan().table_name(&self.tables.users).consistent_read(true);
        let call = call.limit(limit).set_exclusive_start_key(after.map(item::user_key_of));
        let response = call.send().await.map_err(Failure::of(LISTING))?;
        let next = response.last_evaluated_key.map(|key| item::required(&key, USER_ID)).transpose();
        Ok(UsersPart {
            users: response.items.unwrap_or_default().into_iter().map(Listed::of).collect(),
            next: next.map_err(|bad| Failure::new(LISTING, bad))?,
        })
    }
    /// Reads at most `limit` items of the table of tokens after this position, and no more than one
    /// megabyte.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn records_part(
        &self,
        after: Option<&Place>,
        limit: i32,
    ) -> Result<RecordsPart, Failure> {
        let call = self.client.scan().table_name(&self.tables.tokens).consistent_read(true);
        let call = call.limit(limit).set_exclusive_start_key(after.map(Place::key));
        let response = call.send().await.map_err(Failure::of(LISTING_TOKENS))?;
        let items = response.items.unwrap_or_default();
        Ok(RecordsPart {
            records: items.iter().filter_map(|item| item::to_record(item).ok()).collect(),
            read: items.len(),
            next: response.last_evaluated_key.as_ref().and_then(Place::of),
        })
    }
}

impl Place {
    /// The position of a record.
    pub fn of_record(record: &Record) -> Self {
        let token = match record.format {
            Format::Developer => item::DEVELOPER.to_owned(),
            Format::Signed | Format::Jwt => record.id.hash.to_string(),
        };
        Self::new(record.id.user_id.to_string(), token)
    }
}
