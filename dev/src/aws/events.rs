//! `EventBridge`: `PutEvents` appends every event to a file, as one line of JSON.
//!
//! It follows <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>.
//! Every event bus exists.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_runtime::{entropy, files::make_private};
use hallpass_token::Timestamp;
use serde::Deserialize;
use serde_json::{Number, Value, json};
use tokio::sync::broadcast;

use super::{ACCOUNT, REGION, Rejection, StartError};
use crate::functions::Clock;

#[cfg(test)]
mod tests;

/// The file of the published events in a data directory.
pub const FILE: &str = "events.jsonl";

/// The maximum number of entries of a request.
const MAX_ENTRIES: usize = 10;

/// The size that the entries of a request must stay below together, in bytes:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>.
const SIZE_LIMIT: usize = 262_144;

/// The size of the member `Time`, in bytes.
const TIME_SIZE: usize = 14;

/// How many events a slow receiver can fall behind.
const BACKLOG: usize = 256;

/// The published events.
pub(super) struct Events {
    output: Mutex<Output>,
    published: broadcast::Sender<Arc<Value>>,
    clock: Clock,
}

struct Output {
    file: File,
    /// How many of the next entries fail.
    failing: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    entries: Option<Vec<Entry>>,
}

/// An entry of a request:
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    /// Seconds since 1970.
    time: Option<Number>,
    source: Option<String>,
    resources: Option<Vec<String>>,
    detail_type: Option<String>,
    detail: Option<String>,
}

/// Why an entry failed:
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>.
struct Failure {
    code: &'static str,
    message: String,
}

impl Events {
    /// Opens the file, and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns a [`StartError`] if the file cannot be written.
    pub(super) fn open(path: &Path, clock: Clock) -> Result<Self, StartError> {
        let failed =
            |error: io::Error| StartError::new(format!("cannot open {}", path.display()), error);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let file = file.map_err(failed)?;
        make_private(path).map_err(failed)?;
        let (published, _) = broadcast::channel(BACKLOG);
        Ok(Self { output: Mutex::new(Output { file, failing: 0 }), published, clock })
    }

    /// Returns the events published from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Value>> {
        self.published.subscribe()
    }

    /// Makes the next entries fail.
    pub(super) fn fail_next(&self, count: usize) {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).failing = count;
    }

    /// Responds to `PutEvents`.
    ///
    /// # Errors
    /// Returns a [`Rejection`] if the request as a whole is invalid. Entries fail separately.
    pub(super) fn put(&self, body: &[u8]) -> Result<Value, Rejection> {
        let request: Request = serde_json::from_slice(body)
            .map_err(|error| Rejection::new("SerializationException", error.to_string()))?;
        let entries = request.entries.unwrap_or_default();
        if entries.is_empty() || entries.len() > MAX_ENTRIES {
            return Err(Rejection::validation(format!(
                "Entries must have 1 to {MAX_ENTRIES} members, not {}",
                entries.len()
            )));
        }
        if entries.iter().fold(0, |size: usize, entry| size.saturating_add(entry.size()))
            >= SIZE_LIMIT
        {
            return Err(Rejection::validation(
                "Total size of the entries in the request is over the limit.",
            ));
        }
        let outcomes: Vec<_> = entries.iter().map(|entry| self.publish(entry)).collect();
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let entries: Vec<Value> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(id) => json!({"EventId": id}),
                Err(Failure { code, message }) => {
                    json!({"ErrorCode": code, "ErrorMessage": message})
                }
            })
            .collect();
        Ok(json!({"FailedEntryCount": failed, "Entries": entries}))
    }

    /// Publishes an entry, and returns the ID of its event.
    fn publish(&self, entry: &Entry) -> Result<String, Failure> {
        let id = event_id()?;
        let event = entry.envelope(&id, (self.clock)())?;
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failing) = output.failing.checked_sub(1) {
            output.failing = failing;
            return Err(Failure::internal("this entry was to fail"));
        }
        output
            .file
            .write_all(format!("{event}\n").as_bytes())
            .map_err(|error| Failure::internal(error.to_string()))?;
        // Without receivers this fails. Within the lock, receivers see the order of the file.
        let _ = self.published.send(Arc::new(event));
        Ok(id)
    }
}

impl Entry {
    /// Returns the size by which the service counts an entry, in bytes.
    fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.resources
            .iter()
            .flatten()
            .map(String::len)
            .chain([&self.source, &self.detail_type, &self.detail].map(length))
            .chain(self.time.as_ref().map(|_| TIME_SIZE))
            .fold(0, usize::saturating_add)
    }

    /// Returns the event as the target of a rule receives it:
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events.html>.
    fn envelope(&self, id: &str, now: Timestamp) -> Result<Value, Failure> {
        let source = required("Source", self.source.as_deref())?;
        let detail_type = required("DetailType", self.detail_type.as_deref())?;
        let detail = required("Detail", self.detail.as_deref())?;
        if source.starts_with("aws.") {
            return Err(Failure {
                code: "NotAuthorizedForSourceException",
                message: "Not authorized for the source.".to_owned(),
            });
        }
        let malformed =
            || Failure { code: "MalformedDetail", message: "Detail is malformed.".to_owned() };
        let detail: Value = serde_json::from_str(detail).map_err(|_| malformed())?;
        if !detail.is_object() {
            return Err(malformed());
        }
        let time = match &self.time {
            Some(time) => parse_time(time).ok_or_else(|| Failure::argument("Time"))?,
            None => now,
        };
        Ok(json!({
            "version": "0",
            "id": id,
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": time.to_string(),
            "region": REGION,
            "resources": self.resources.as_deref().unwrap_or_default(),
            "detail": detail,
        }))
    }
}

impl Failure {
    fn internal(message: impl Into<String>) -> Self {
        Self { code: "InternalFailure", message: message.into() }
    }

    fn argument(name: &str) -> Self {
        Self { code: "InvalidArgument", message: format!("Parameter {name} is not valid.") }
    }
}

fn required<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| Failure {
        code: "InvalidArgument",
        message: format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
    })
}

/// Returns an instant that JSON has as seconds since 1970, with or without a fraction.
fn parse_time(seconds: &Number) -> Option<Timestamp> {
    let seconds = match seconds.as_u64() {
        Some(seconds) => seconds,
        None => Duration::try_from_secs_f64(seconds.as_f64()?).ok()?.as_secs(),
    };
    Timestamp::from_unix(seconds)
}

/// Returns a random UUID (RFC 9562 section 5.4).
fn event_id() -> Result<String, Failure> {
    let bytes = entropy::bytes().map_err(|failure| Failure::internal(failure.report()))?;
    let random = u128::from_be_bytes(bytes);
    let uuid = (random & !0xf000_c000_0000_0000_0000) | 0x4000_8000_0000_0000_0000;
    let mut text = format!("{uuid:032x}");
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    Ok(text)
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
