//! What an engine says of the tables, for `hallpass doctor`. Nothing here decides or changes anything.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::{IndexStatus, KeySchemaElement, TableDescription},
};
use token::Timestamp;

use crate::{Failure, Store, Tables, connect::Date, live::LIVE_INDEX, management::Listed, users::NAME_INDEX};

/// A table as the engine describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The attributes of its key: the partition, then the sort key.
    pub key: Vec<String>,
    /// The attributes of the key of the index by name, if it is there and ready.
    pub name_index: Option<Vec<String>>,
    /// The attributes of the key of the index of live tokens, if it is there.
    pub live_index: Option<Vec<String>>,
    /// What its stream tells of a change, such as `NEW_AND_OLD_IMAGES`, if it has a stream that is switched on.
    pub stream: Option<String>,
}

/// What the engine said to a question that not every engine knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected<T> {
    /// The answer.
    This(T),
    /// It does not know the question.
    NotOffered,
}

/// Users as they were found, in no order.
#[derive(Debug)]
pub struct Sample {
    /// The users, and what cannot be read.
    pub users: Vec<Listed>,
    /// Whether these are all.
    pub is_all: bool,
}

const DOING: &str = "describing the table";

impl Store {
    /// The names of the tables.
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What the engine says of this table; `None` if it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn shape(&self, table: &str) -> Result<Option<Shape>, Failure> {
        match self.client.describe_table().table_name(table).send().await {
            Ok(answer) => Ok(answer.table.as_ref().map(shape)),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(Failure::of(DOING)(error)),
        }
    }

    /// The attribute by whose time items of this table expire, if TTL is on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ttl(&self, table: &str) -> Result<Inspected<Option<String>>, Failure> {
        let answer = self.client.describe_time_to_live().table_name(table).send().await;
        Ok(match inspected("asking for the TTL of the table", answer)? {
            Inspected::NotOffered => Inspected::NotOffered,
            Inspected::This(answer) => {
                let ttl = answer.time_to_live_description;
                let is_on = |status: &str| matches!(status, "ENABLED" | "ENABLING");
                let ttl = ttl.filter(|ttl| ttl.time_to_live_status().is_some_and(|status| is_on(status.as_str())));
                Inspected::This(ttl.and_then(|ttl| ttl.attribute_name))
            }
        })
    }

    /// Whether this table can be brought back to what it was at any second of the last weeks.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_recoverable(&self, table: &str) -> Result<Inspected<bool>, Failure> {
        let answer = self.client.describe_continuous_backups().table_name(table).send().await;
        Ok(match inspected("asking for the backups of the table", answer)? {
            Inspected::NotOffered => Inspected::NotOffered,
            Inspected::This(answer) => {
                let recovery =
                    answer.continuous_backups_description.and_then(|it| it.point_in_time_recovery_description);
                let status = recovery.and_then(|it| it.point_in_time_recovery_status);
                Inspected::This(status.is_some_and(|status| status.as_str() == "ENABLED"))
            }
        })
    }

    /// The time on the engine's clock, from the `Date` of an answer about this table; `None` if it does not say.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clock(&self, table: &str) -> Result<Option<Timestamp>, Failure> {
        let date = Date::default();
        let call = self.client.describe_table().table_name(table).customize().interceptor(date.clone());
        let answer = call.send().await;
        match (answer, date.seen()) {
            (_, Some(seen)) => Ok(Some(seen)),
            (Ok(_), None) => Ok(None),
            (Err(error), None) => Err(Failure::of("reading the engine's clock")(error)),
        }
    }

    /// Some users: one page of at most this many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn some_users(&self, limit: i32) -> Result<Sample, Failure> {
        let call = self.client.scan().table_name(&self.tables.users).limit(limit);
        let answer = call.send().await.map_err(Failure::of("looking at the users"))?;
        let users = answer.items.unwrap_or_default().into_iter().map(Listed::of).collect();
        Ok(Sample { users, is_all: answer.last_evaluated_key.is_none() })
    }
}

fn shape(table: &TableDescription) -> Shape {
    let names = |key: &[KeySchemaElement]| key.iter().map(|part| part.attribute_name().to_owned()).collect();
    let index = table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(NAME_INDEX));
    // An engine that says nothing of an index's state has it ready at once.
    let index = index.filter(|index| index.index_status().is_none_or(|status| *status == IndexStatus::Active));
    let live = table.local_secondary_indexes().iter().find(|index| index.index_name() == Some(LIVE_INDEX));
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    Shape {
        key: names(table.key_schema()),
        name_index: index.map(|index| names(index.key_schema())),
        live_index: live.map(|index| names(index.key_schema())),
        stream: stream.and_then(|stream| stream.stream_view_type()).map(|view| view.as_str().to_owned()),
    }
}

fn inspected<T, E, R>(doing: &'static str, answer: Result<T, SdkError<E, R>>) -> Result<Inspected<T>, Failure>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug,
{
    let is_unknown = |code: &str| matches!(code, "UnknownOperationException" | "UnknownOperation" | "NotImplemented");
    match answer {
        Ok(answer) => Ok(Inspected::This(answer)),
        Err(error) if error.code().is_some_and(is_unknown) => Ok(Inspected::NotOffered),
        Err(error) => Err(Failure::of(doing)(error)),
    }
}
