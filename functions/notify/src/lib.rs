//! Derives from the stream of the table of tokens what happened, and keeps it: first in the audit
//! log, then on the bus, then in the notes of the tokens.
//!
//! No change waits for notify, and none fails because of it. A batch that cannot be kept is
//! delivered again until it is. Everything that notify does can be repeated: an object of the log
//! has one key, and an event one ID.
//!
//! | module | contents |
//! |---|---|
//! | `record` | reads the records of the stream |
//! | `batch` | keeps a batch |
//! | `notes` | keeps the uses and the last changes of each token |
//! | `reuse` | revokes the family of a token that was used after its replacement |
//! | `digests` | signs what was written in each hour |

use std::time::Duration;

use aws_lambda_events::streams::DynamoDbEventResponse;
use hallpass_runtime::{
    log, settings,
    settings::{ConfigError, Lookup},
};
use hallpass_service::{background::Undone, service};
use hallpass_sinks::{Bucket, Bus, SigningKey};
use hallpass_store::Store;
use hallpass_token::{Cause, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

mod batch;
mod digests;
mod notes;
mod record;
mod reuse;

pub use digests::Digested;
pub use reuse::OnReuse;

/// Notify with its settings.
#[derive(Debug)]
pub struct Notify {
    /// The tables.
    pub store: Store,
    /// The bucket of the audit log, and the key that signs its digests.
    pub audit: Option<(Bucket, SigningKey)>,
    /// The bus of the events.
    pub bus: Option<Bus>,
    /// What the use of a replaced token leads to.
    pub on_reuse: OnReuse,
    /// How long records are kept (`HALLPASS_RECORD_RETENTION`).
    pub retention: Duration,
}

/// An event that invokes notify.
#[derive(Debug)]
pub enum Event {
    /// A batch of records of the stream, as Lambda delivers them.
    Stream(Vec<Value>),
    /// The hourly schedule. The content of the event is ignored.
    Schedule,
}

/// The response of notify.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// The first record that Lambda must deliver again, with all after it
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>).
    /// Empty on success.
    Stream(DynamoDbEventResponse),
    /// The result of a run of the schedule.
    Digested(Digested),
}

impl Notify {
    /// Creates notify during the init of its function, and checks that its table is accessible.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first setting that is invalid or whose table is
    /// inaccessible.
    pub async fn start(lookup: Lookup<'_>, now: Timestamp) -> Result<Self, ConfigError> {
        let notify = Self::new(lookup)?;
        log::compare_clocks(now, notify.store.check_as_notifier().await?);
        Ok(notify)
    }

    /// Creates notify from its settings.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first invalid setting.
    pub fn new(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let connection = service::connection(lookup)?;
        let audit = match hallpass_sinks::bucket(&connection, lookup)? {
            Some(bucket) => Some((bucket, hallpass_sinks::signing_key(&connection, lookup)?)),
            None => None,
        };
        Ok(Self {
            store: service::store(lookup)?,
            audit,
            bus: hallpass_sinks::bus(&connection, lookup)?,
            on_reuse: OnReuse::read(lookup)?,
            retention: settings::record_retention(lookup)?,
        })
    }

    /// Handles one event. When `may_go_on` returns false, what is left is done by the next
    /// invocation.
    ///
    /// # Errors
    /// Returns [`Undone`] if the digests cannot be written, or if a record of the stream has no
    /// sequence number.
    pub async fn handle(
        &self,
        event: Event,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Response, Undone> {
        let response = match event {
            Event::Stream(records) => {
                self.batch(&records, cause, may_go_on).await.map(Response::Stream)
            }
            Event::Schedule => self.digests(cause.at, may_go_on).await.map(Response::Digested),
        };
        response.map_err(|failure| Undone::logged(failure, cause))
    }
}

/// Any event with `Records` comes from the stream.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut event = Value::deserialize(deserializer)?;
        Ok(match event.get_mut("Records").map(Value::take) {
            None => Self::Schedule,
            Some(Value::Array(records)) => Self::Stream(records),
            // What is no list is one record, which cannot be read.
            Some(other) => Self::Stream(vec![other]),
        })
    }
}
