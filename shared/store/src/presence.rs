//! Checks the tables once, in the init of a function, with calls that the function is permitted to
//! make anyway.
//!
//! This detects a missing table, a table with another key, and a missing permission before the
//! first request. Nothing else depends on the results, so the reads need not be strongly
//! consistent. They also open the connection for the first request, and return the time on
//! DynamoDB's clock.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use hallpass_token::Timestamp;

use crate::{
    Failure, Store,
    connect::Date,
    item::{self, Item},
};

/// A table that cannot be used.
#[derive(Debug)]
pub struct Absent {
    /// The environment variable that names the table.
    pub variable: &'static str,
    /// The name of the table.
    pub table: String,
    /// The cause.
    pub failure: Failure,
}

/// A key that no item has: it is neither a valid user ID nor the key of an attempt.
const NO_KEY: &str = "#";

impl Store {
    /// Checks that the tables of users and tokens can be read, as every verification does. Returns
    /// the time on DynamoDB's clock, if the response has it.
    ///
    /// # Errors
    /// Returns the first table that cannot be read.
    pub async fn check_as_verifier(&self) -> Result<Option<Timestamp>, Absent> {
        let tokens = (&self.tables.tokens, item::key(NO_KEY, NO_KEY));
        let users = (&self.tables.users, item::user_key_of(NO_KEY));
        if let Ok(clock) = self.batch([tokens.clone(), users.clone()]).await {
            return Ok(clock);
        }
        let mut clock = None;
        // The error of a batch does not name the table, so each is read alone.
        for (variable, (table, key)) in
            [("HALLPASS_TOKENS_TABLE", tokens), ("HALLPASS_USERS_TABLE", users)]
        {
            let absent = |failure| Absent { variable, table: table.clone(), failure };
            clock = self.batch([(table, key)]).await.map_err(absent)?;
        }
        Ok(clock)
    }

    /// Checks that the table of attempts can be written, as every log-in does, by deleting an item
    /// that does not exist.
    ///
    /// # Errors
    /// Returns the table if it cannot be written.
    pub async fn check_as_limiter(&self) -> Result<(), Absent> {
        let call = self.client.delete_item().table_name(&self.tables.attempts);
        let outcome = call.set_key(Some(item::attempt_key(NO_KEY))).send().await;
        let table = self.tables.attempts.clone();
        let absent = |failure| Absent { variable: "HALLPASS_ATTEMPTS_TABLE", table, failure };
        outcome.map(drop).map_err(Failure::of("writing the table of attempts")).map_err(absent)
    }

    /// Checks that all three tables can be read, as prune does. Returns the time on DynamoDB's
    /// clock, if the response has it.
    ///
    /// # Errors
    /// Returns the first table that cannot be read.
    pub async fn check_as_pruner(&self) -> Result<Option<Timestamp>, Absent> {
        self.read_nothing([
            ("HALLPASS_TOKENS_TABLE", &self.tables.tokens, item::key(NO_KEY, NO_KEY)),
            ("HALLPASS_USERS_TABLE", &self.tables.users, item::user_key_of(NO_KEY)),
            ("HALLPASS_ATTEMPTS_TABLE", &self.tables.attempts, item::attempt_key(NO_KEY)),
        ])
        .await
    }

    /// Checks that the table of tokens can be read, the only one that notify reads. Returns the
    /// time on DynamoDB's clock, if the response has it.
    ///
    /// # Errors
    /// Returns the table if it cannot be read.
    pub async fn check_as_notifier(&self) -> Result<Option<Timestamp>, Absent> {
        let key = item::key(NO_KEY, NO_KEY);
        self.read_nothing([("HALLPASS_TOKENS_TABLE", &self.tables.tokens, key)]).await
    }

    /// Reads an item that does not exist from each table.
    async fn read_nothing<const N: usize>(
        &self,
        tables: [(&'static str, &String, Item); N],
    ) -> Result<Option<Timestamp>, Absent> {
        let date = Date::default();
        for (variable, table, key) in tables {
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

    async fn batch<const N: usize>(
        &self,
        keys: [(&String, Item); N],
    ) -> Result<Option<Timestamp>, Failure> {
        let mut request = HashMap::new();
        for (table, key) in keys {
            let key = KeysAndAttributes::builder()
                .keys(key)
                .build()
                .map_err(|bad| Failure::new(READING, bad))?;
            request.insert(table.clone(), key);
        }
        let date = Date::default();
        let call = self.client.batch_get_item().set_request_items(Some(request));
        let outcome = call.customize().interceptor(date.clone()).send().await;
        outcome.map(|_found| date.seen()).map_err(Failure::of(READING))
    }
}

const READING: &str = "reading a table";
