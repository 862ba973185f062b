//! Invalidates the tokens of changed users and purges the old ones.
//!
//! Verification does not wait for prune: a change counts at the next request, because the user is read with the record.
//! What prune adds is memory: once it has seen a change, changing back revives nothing. It is idempotent, and safe when
//! late, repeated or out of order. It holds no key and can make no record.

use std::time::Duration;

use aws_lambda_events::{event::dynamodb, streams::DynamoDbEventResponse};
use edge::{
    log, service, settings,
    settings::{ConfigError, Lookup},
};
use futures_util::future::{join_all, try_join_all};
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use store::{
    Failure, Store,
    sweep::{Invalidation, Place},
};
use token::{Binding, Timestamp};

pub mod stream;
mod sweep;

pub use sweep::Swept;

/// How many users, and how many writes, are dealt with at once.
const AT_ONCE: usize = 16;

const VOIDING: &str = "invalidating the tokens of a changed user";

fn no_time_left() -> Failure {
    Failure::new(VOIDING, "there was no time for all of them")
}

/// Prune with its settings.
#[derive(Debug)]
pub struct Prune {
    /// The tables.
    pub store: Store,
    /// How long a record stays after its end.
    pub retention: Duration,
    /// What tokens of any format and sessions are bound to now; nothing means that every change of a user counts.
    pub bound_to: Option<Binding>,
}

/// What wakes prune up.
#[derive(Debug)]
pub enum Event {
    /// Changes of users.
    Stream(Box<dynamodb::Event>),
    /// The schedule, whatever it says.
    Schedule(serde_json::Value),
}

/// What prune answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// The stream records to deliver again; none means success.
    Stream(DynamoDbEventResponse),
    /// What a sweep did.
    Swept(Swept),
}

/// The event could not be dealt with as a whole; Lambda delivers it again.
#[derive(Debug)]
pub struct Undone(Failure);

impl Prune {
    /// Wires prune in the init of its function, and looks whether its tables are there. Warns in the log if DynamoDB's
    /// clock is another.
    ///
    /// # Errors
    /// Names the first setting that is invalid, or whose table cannot be read.
    pub async fn start(lookup: Lookup<'_>, now: Timestamp) -> Result<Self, ConfigError> {
        let bound_to = settings::bound_to(lookup).ok();
        let prune = Self { store: service::store(lookup)?, retention: settings::record_retention(lookup)?, bound_to };
        log::compare_clocks(now, prune.store.check_as_pruner().await?);
        Ok(prune)
    }

    /// Deals with one event. When `may_go_on` says no, a sweep stops between two parts, and the next one goes on there; what
    /// is left of the stream is reported as failed, and goes on when it comes again.
    ///
    /// # Errors
    /// When the store fails before anything of a sweep, or a stream record has no sequence number.
    pub async fn handle(
        &self,
        event: Event,
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Response, Undone> {
        let response = match event {
            Event::Stream(event) => self.stream(event.records, now, may_go_on).await.map(Response::Stream),
            Event::Schedule(_) => self.sweep(now, may_go_on).await.map(Response::Swept),
        };
        response.map_err(|failure| {
            log::failed(&failure);
            Undone(failure)
        })
    }

    /// Revokes tokens because their user changed, and says so. One that cannot be revoked keeps no other alive, unless
    /// everything fails at once.
    ///
    /// # Errors
    /// When one of them is not revoked, or there was no time.
    async fn invalidate_all(
        &self,
        changes: &[Invalidation],
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        let mut failed = None;
        for some in changes.chunks(AT_ONCE) {
            if !may_go_on() {
                return Err(no_time_left());
            }
            let outcomes = join_all(some.iter().map(|change| self.store.invalidate(change, now, self.retention))).await;
            let (mut done, mut failure) = (0_usize, None);
            for (change, outcome) in some.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => {
                        log::invalidated(change.because, &change.id);
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

    /// Removes sessions because their user changed.
    async fn remove_sessions(&self, places: impl Iterator<Item = &Place>) -> Result<u64, Failure> {
        let places: Vec<&Place> = places.collect();
        for some in places.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|place| self.store.remove_session(place))).await?;
        }
        Ok(u64::try_from(places.len()).unwrap_or(u64::MAX))
    }
}

/// Whatever has `Records` comes from the stream. If they cannot be read it is an error, so that Lambda delivers them
/// again; taken for the schedule, they would count as done. The error tells nothing of them, for they hold whole users.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = serde_json::Value::deserialize(deserializer)?;
        if event.get("Records").is_none() {
            return Ok(Self::Schedule(event));
        }
        let event = serde_json::from_value(event);
        event.map(Self::Stream).map_err(|_| D::Error::custom("the records of the stream cannot be read"))
    }
}

impl From<Undone> for Failure {
    fn from(Undone(failure): Undone) -> Self {
        failure
    }
}

impl From<Undone> for Diagnostic {
    fn from(Undone(failure): Undone) -> Self {
        Self { error_type: "Hallpass".to_owned(), error_message: failure.to_string() }
    }
}
