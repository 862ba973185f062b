//! Invalidates the tokens of changed users and purges old records.
//!
//! Verification does not depend on prune: a change takes effect at the next request, because the
//! user is read with the record. Prune makes it permanent: after that, undoing the change revives
//! no token. Prune is idempotent, and safe when late, repeated or out of order. It holds no key and
//! cannot create records.

use std::time::Duration;

use aws_lambda_events::{event::dynamodb, streams::DynamoDbEventResponse};
use futures_util::future::{join_all, try_join_all};
use hallpass_runtime::{
    Event as ServiceEvent, log, settings,
    settings::{ConfigError, Lookup},
};
use hallpass_service::{background::Undone, service};
use hallpass_sinks::{Bucket, Bus};
use hallpass_store::{
    Failure, Store,
    sweep::{Invalidation, Place},
};
use hallpass_token::{Binding, Cause, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

mod notices;
pub mod stream;
mod sweep;
mod users;

pub use notices::Notices;
pub use sweep::Swept;

/// The maximum number of users and of writes that are processed concurrently.
const AT_ONCE: usize = 16;

const INVALIDATING: &str = "invalidating the tokens of a changed user";

fn no_time_left() -> Failure {
    Failure::new(INVALIDATING, "the time limit was reached")
}

/// Prune with its settings.
#[derive(Debug)]
pub struct Prune {
    /// The tables.
    pub store: Store,
    /// How long records are kept (`HALLPASS_RECORD_RETENTION`).
    pub retention: Duration,
    /// The attributes that tokens and sessions are bound to. `None` means that every change of a
    /// user counts.
    pub bound_to: Option<Binding>,
    /// When the owners of tokens are told that these expire (`HALLPASS_EXPIRY_NOTICES`).
    pub notices: Notices,
    /// The bucket of the audit log.
    pub audit: Option<Bucket>,
    /// The bus of the events.
    pub bus: Option<Bus>,
}

/// An event that invokes prune.
#[derive(Debug)]
pub enum Event {
    /// A batch of user changes from the stream.
    Stream(Box<dynamodb::Event>),
    /// A scheduled sweep. The content of the event is ignored.
    Schedule(serde_json::Value),
}

/// The response of prune.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// The stream records that Lambda must deliver again. Empty on success.
    Stream(DynamoDbEventResponse),
    /// The result of a sweep.
    Swept(Swept),
}

impl Prune {
    /// Creates prune during the init of its function, and checks that its tables are accessible.
    /// Logs a warning if DynamoDB's clock differs.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first setting that is invalid or whose table is
    /// inaccessible.
    pub async fn start(lookup: Lookup<'_>, now: Timestamp) -> Result<Self, ConfigError> {
        let prune = Self::new(lookup)?;
        log::compare_clocks(now, prune.store.check_as_pruner().await?);
        Ok(prune)
    }

    /// Creates prune from its settings.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first invalid setting.
    pub fn new(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let connection = service::connection(lookup)?;
        Ok(Self {
            store: service::store(lookup)?,
            retention: settings::record_retention(lookup)?,
            bound_to: settings::bound_to(lookup).ok(),
            notices: Notices::read(lookup)?,
            audit: hallpass_sinks::bucket(&connection, lookup)?,
            bus: hallpass_sinks::bus(&connection, lookup)?,
        })
    }

    /// Handles one event, at the time of the cause, which every change names. When `may_go_on`
    /// returns false, a sweep stops after the current part, and the next sweep continues there. The
    /// remaining stream records are reported as failed, and continue when Lambda delivers them
    /// again.
    ///
    /// # Errors
    /// Returns [`Undone`] if DynamoDB fails during a sweep, or if a stream record has no sequence
    /// number.
    pub async fn handle(
        &self,
        event: Event,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Response, Undone> {
        let response = match event {
            Event::Stream(event) => {
                self.stream(event.records, cause, may_go_on).await.map(Response::Stream)
            }
            Event::Schedule(_) => self.sweep(cause, may_go_on).await.map(Response::Swept),
        };
        response.map_err(|failure| Undone::logged(failure, cause))
    }

    /// Invalidates tokens whose user changed, and logs each. If one fails, the others are still
    /// processed, unless a whole chunk fails.
    ///
    /// # Errors
    /// Returns a [`Failure`] if any token was not invalidated, or if the time limit was reached.
    async fn invalidate_all(
        &self,
        changes: &[Invalidation],
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        let mut failed = None;
        for some in changes.chunks(AT_ONCE) {
            if !may_go_on() {
                return Err(no_time_left());
            }
            let outcomes = join_all(
                some.iter().map(|change| self.store.invalidate(change, self.retention, cause)),
            )
            .await;
            let (mut done, mut failure) = (0_usize, None);
            for (change, outcome) in some.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => {
                        ServiceEvent::Invalidated(change.because, &change.id).log(cause);
                        done = done.saturating_add(1);
                    }
                    Err(error) => failure = Some(error),
                }
            }
            failed = failed.or(failure);
            if done == 0 {
                break;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Deletes sessions whose user changed, and returns their number.
    async fn remove_sessions(&self, places: impl Iterator<Item = &Place>) -> Result<u64, Failure> {
        let places: Vec<&Place> = places.collect();
        for some in places.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|place| self.store.remove_session(place))).await?;
        }
        Ok(u64::try_from(places.len()).unwrap_or(u64::MAX))
    }
}

/// Any event with `Records` comes from the stream. Unreadable records are an error, so that Lambda
/// delivers them again; treated as a scheduled sweep, they would be lost. The error quotes nothing,
/// because the records contain whole users.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = serde_json::Value::deserialize(deserializer)?;
        if event.get("Records").is_none() {
            return Ok(Self::Schedule(event));
        }
        let event = serde_json::from_value(event);
        event
            .map(Self::Stream)
            .map_err(|_| D::Error::custom("the records of the stream cannot be read"))
    }
}
