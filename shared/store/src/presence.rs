//! Whether the tables are there, asked once, in the init of a function, with calls that the function may make anyway.
//!
//! A missing table, one with another key, or a missing permission shows here and not at the first request. The answers
//! decide nothing else, so that the reads need not be strong. They also open the connection that the first request
//! uses, and they tell the time on DynamoDB's clock.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use token::Timestamp;

use crate::{
    Failure, Store,
    connect::Date,
    item::{self, Item},
};

/// A table that cannot be used.
#[derive(Debug)]
pub struct Absent {
    /// The variable that names it.
    pub variable: &'static str,
    /// Its name.
    pub table: String,
    /// Why it cannot be used.
    pub failure: Failure,
}

/// A key that no item has: no user id and no attempt is spelt so.
const NOBODY: &str = "#";

impl Store {
    /// Looks whether the tables of users and of tokens can be read, as every verification reads them. Returns the time
    /// on DynamoDB's clock, if it says.
    ///
    /// # Errors
    /// Names the first that cannot.
    pub async fn check_as_verifier(&self) -> Result<Option<Timestamp>, Absent> {
        let tokens = (&self.tables.tokens, item::key(NOBODY, NOBODY));
        let users = (&self.tables.users, item::user_key_of(NOBODY));
        if let Ok(clock) = self.batch([tokens.clone(), users.clone()]).await {
            return Ok(clock);
        }
        let mut clock = None;
        // DynamoDB does not say which of two tables is missing.
        for (variable, (table, key)) in [("HALLPASS_TOKENS_TABLE", tokens), ("HALLPASS_USERS_TABLE", users)] {
            let absent = |failure| Absent { variable, table: table.clone(), failure };
            clock = self.batch([(table, key)]).await.map_err(absent)?;
        }
        Ok(clock)
    }

    /// Looks whether the table of attempts can be written, as every log-in writes it. Nothing is there to be removed.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn check_as_limiter(&self) -> Result<(), Absent> {
        let call = self.client.delete_item().table_name(&self.tables.attempts);
        let outcome = call.set_key(Some(item::attempt_key(NOBODY))).send().await;
        let table = self.tables.attempts.clone();
        let absent = |failure| Absent { variable: "HALLPASS_ATTEMPTS_TABLE", table, failure };
        outcome.map(drop).map_err(Failure::of("writing the table of attempts")).map_err(absent)
    }

    /// Looks whether all three tables can be read, as prune reads them. Returns the time on DynamoDB's clock, if it
    /// says.
    ///
    /// # Errors
    /// Names the first that cannot.
    pub async fn check_as_pruner(&self) -> Result<Option<Timestamp>, Absent> {
        let date = Date::default();
        for (variable, table, key) in [
            ("HALLPASS_TOKENS_TABLE", &self.tables.tokens, item::key(NOBODY, NOBODY)),
            ("HALLPASS_USERS_TABLE", &self.tables.users, item::user_key_of(NOBODY)),
            ("HALLPASS_ATTEMPTS_TABLE", &self.tables.attempts, item::attempt_key(NOBODY)),
        ] {
            let call = self.client.get_item().table_name(table).set_key(Some(key));
            let outcome = call.customize().interceptor(date.clone()).send().await;
            outcome.map_err(Failure::of(READING)).map_err(|failure| Absent {
                variable,
                table: table.clone(),
                failure,
            })?;
        }
        Ok(date.seen())
    }

    async fn batch<const N: usize>(&self, keys: [(&String, Item); N]) -> Result<Option<Timestamp>, Failure> {
        let mut asked = HashMap::new();
        for (table, key) in keys {
            let key = KeysAndAttributes::builder().keys(key).build().map_err(|bad| Failure::new(READING, bad))?;
            asked.insert(table.clone(), key);
        }
        let date = Date::default();
        let call = self.client.batch_get_item().set_request_items(Some(asked));
        let outcome = call.customize().interceptor(date.clone()).send().await;
        outcome.map(|_found| date.seen()).map_err(Failure::of(READING))
    }
}

const READING: &str = "reading a table";
