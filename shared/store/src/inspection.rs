//! Describes the tables, for `hallpass doctor`. Nothing here decides or changes anything.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::{IndexStatus, KeySchemaElement, TableDescription},
};
use hallpass_token::Timestamp;

use crate::{
    Failure, Store, Tables, connect::Date, live::LIVE_INDEX, management::Listed, users::NAME_INDEX,
};

/// The description of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The attributes of the table's key: the partition key, then the sort key.
    pub key: Vec<String>,
    /// The attributes of the key of the index by name, if the index exists and is active.
    pub name_index: Option<Vec<String>>,
    /// The attributes of the key of the index of live tokens, if the index exists.
    pub live_index: Option<Vec<String>>,
    /// The view type of the stream, such as `NEW_AND_OLD_IMAGES`, if the stream is enabled.
    pub stream: Option<String>,
}

/// The result of a call that not every DynamoDB engine supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected<T> {
    /// The result.
    This(T),
    /// The engine does not support the call.
    NotOffered,
}

/// A sample of the users, in no particular order.
#[derive(Debug)]
pub struct Sample {
    /// The users, and the keys of unreadable items.
    pub users: Vec<Listed>,
    /// Whether the sample contains all users.
    pub is_all: bool,
}

const DOING: &str = "describing the table";

impl Store {
    /// The names of the tables.
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Describes a table. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot describe it.
    pub async fn shape(&self, table: &str) -> Result<Option<Shape>, Failure> {
        match self.client.describe_table().table_name(table).send().await {
            Ok(response) => Ok(response.table.as_ref().map(shape)),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(Failure::of(DOING)(error)),
        }
    }

    /// The TTL attribute of a table, if TTL is enabled.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot describe it.
    pub async fn ttl(&self, table: &str) -> Result<Inspected<Option<String>>, Failure> {
        let response = self.client.describe_time_to_live().table_name(table).send().await;
        Ok(match inspected("reading the TTL of the table", response)? {
            Inspected::NotOffered => Inspected::NotOffered,
            Inspected::This(response) => {
                let ttl = response.time_to_live_description;
                let is_on = |status: &str| matches!(status, "ENABLED" | "ENABLING");
                let ttl = ttl.filter(|ttl| {
                    ttl.time_to_live_status().is_some_and(|status| is_on(status.as_str()))
                });
                Inspected::This(ttl.and_then(|ttl| ttl.attribute_name))
            }
        })
    }

    /// Whether point-in-time recovery of a table is enabled.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot describe it.
    pub async fn is_recoverable(&self, table: &str) -> Result<Inspected<bool>, Failure> {
        let response = self.client.describe_continuous_backups().table_name(table).send().await;
        Ok(match inspected("reading the backups of the table", response)? {
            Inspected::NotOffered => Inspected::NotOffered,
            Inspected::This(response) => {
                let backups = response.continuous_backups_description;
                let recovery =
                    backups.and_then(|backups| backups.point_in_time_recovery_description);
                let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
                Inspected::This(status.is_some_and(|status| status.as_str() == "ENABLED"))
            }
        })
    }

    /// The time on the engine's clock, from the `Date` header of a response, or `None` if the
    /// response has none.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB does not respond.
    pub async fn clock(&self, table: &str) -> Result<Option<Timestamp>, Failure> {
        let date = Date::default();
        let call =
            self.client.describe_table().table_name(table).customize().interceptor(date.clone());
        let response = call.send().await;
        match (response, date.seen()) {
            (_, Some(seen)) => Ok(Some(seen)),
            (Ok(_), None) => Ok(None),
            (Err(error), None) => Err(Failure::of("reading the engine's clock")(error)),
        }
    }

    /// Reads at least `limit` users, or all of them. DynamoDB ends a page after a megabyte, so
    /// there may be many.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn some_users(&self, limit: usize) -> Result<Sample, Failure> {
        let (mut users, mut after) = (Vec::new(), None);
        loop {
            let call =
                self.client.scan().table_name(&self.tables.users).set_exclusive_start_key(after);
            let response = call.send().await.map_err(Failure::of("reading the users"))?;
            users.extend(response.items.unwrap_or_default().into_iter().map(Listed::of));
            after = response.last_evaluated_key;
            if after.is_none() || users.len() >= limit {
                return Ok(Sample { users, is_all: after.is_none() });
            }
        }
    }
}

fn shape(table: &TableDescription) -> Shape {
    let names = |key: &[KeySchemaElement]| {
        key.iter().map(|part| part.attribute_name().to_owned()).collect()
    };
    let index = table
        .global_secondary_indexes()
        .iter()
        .find(|index| index.index_name() == Some(NAME_INDEX));
    // An engine that reports no status has every index ready at once.
    let index = index
        .filter(|index| index.index_status().is_none_or(|status| *status == IndexStatus::Active));
    let live =
        table.local_secondary_indexes().iter().find(|index| index.index_name() == Some(LIVE_INDEX));
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    Shape {
        key: names(table.key_schema()),
        name_index: index.map(|index| names(index.key_schema())),
        live_index: live.map(|index| names(index.key_schema())),
        stream: stream
            .and_then(|stream| stream.stream_view_type())
            .map(|view| view.as_str().to_owned()),
    }
}

fn inspected<T, E, R>(
    doing: &'static str,
    response: Result<T, SdkError<E, R>>,
) -> Result<Inspected<T>, Failure>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug,
{
    let is_unknown = |code: &str| {
        matches!(code, "UnknownOperationException" | "UnknownOperation" | "NotImplemented")
    };
    match response {
        Ok(response) => Ok(Inspected::This(response)),
        Err(error) if error.code().is_some_and(is_unknown) => Ok(Inspected::NotOffered),
        Err(error) => Err(Failure::of(doing)(error)),
    }
}
