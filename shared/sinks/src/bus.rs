//! The bus in EventBridge to which events are published.

use std::time::Duration;

use aws_sdk_eventbridge::{Client, primitives::DateTime, types::PutEventsRequestEntry};
use hallpass_audit::Event;
use hallpass_store::{Failure, connect::Connection};

/// The bus of the events.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    name: String,
}

/// The maximum number of events in one call
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>). The details
/// of ten are far below its maximum of 256 KB.
const AT_ONCE: usize = 10;

/// The number of attempts for events that the bus does not accept at first.
const TRIES: u32 = 4;

/// The wait after the first attempt. It doubles each time.
const WAIT: Duration = Duration::from_millis(100);

/// The source of every event.
pub const SOURCE: &str = "hallpass";

const PUBLISHING: &str = "publishing events";

impl Bus {
    /// Reaches a bus, by its name or ARN. `endpoint` takes the place of the region's.
    pub fn new(connection: &Connection, name: String, endpoint: Option<String>) -> Self {
        Self { client: Client::new(&connection.patient(endpoint)), name }
    }

    /// Publishes events in their order. Events that the bus does not accept are sent again, a few
    /// times.
    ///
    /// # Errors
    /// Returns a [`Failure`] if an event was not accepted at the last attempt. Some of the others
    /// may have been published; consumers drop an event whose ID they have seen.
    pub async fn publish(&self, events: &[Event]) -> Result<(), Failure> {
        for some in events.chunks(AT_ONCE) {
            let mut waiting =
                some.iter().map(|event| self.entry(event)).collect::<Result<_, _>>()?;
            let mut wait = WAIT;
            for tries in 1..=TRIES {
                waiting = self.send(waiting).await?;
                if waiting.is_empty() {
                    break;
                }
                if tries == TRIES {
                    return Err(Failure::new(PUBLISHING, "the bus did not accept every event"));
                }
                pause(wait).await;
                wait = wait.saturating_mul(2);
            }
        }
        Ok(())
    }

    /// Sends events, and returns those that were not accepted.
    async fn send(
        &self,
        entries: Vec<PutEventsRequestEntry>,
    ) -> Result<Vec<PutEventsRequestEntry>, Failure> {
        let call = self.client.put_events().set_entries(Some(entries.clone()));
        let response = call.send().await.map_err(Failure::of(PUBLISHING))?;
        if response.failed_entry_count == 0 {
            return Ok(Vec::new());
        }
        // The results have the order of the entries.
        let results = response.entries.unwrap_or_default();
        if results.len() != entries.len() {
            return Ok(entries);
        }
        let both = entries.into_iter().zip(results);
        Ok(both.filter(|(_, result)| result.event_id.is_none()).map(|(entry, _)| entry).collect())
    }

    fn entry(&self, event: &Event) -> Result<PutEventsRequestEntry, Failure> {
        let seconds = i64::try_from(event.at.unix());
        let seconds = seconds.map_err(|error| Failure::new(PUBLISHING, error))?;
        let subject = event.token_id.as_ref().unwrap_or(&event.user_id);
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.kind.as_str())
            .detail(event.detail().to_string())
            .resources(subject)
            .time(DateTime::from_secs(seconds))
            .build())
    }
}

#[expect(clippy::disallowed_methods, reason = "a busy bus is asked again after a moment")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
