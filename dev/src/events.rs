//! The background work of AWS: delivers the streams to prune and notify, deletes expired items, and
//! runs the schedules.

use std::{path::PathBuf, sync::Arc, time::Duration};

use hallpass_runtime::log::TARGET;
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};

use hallpass_runtime::files;

use super::{engine::Handle, gateway::Invoke, template::Stream};

pub mod filter;

/// The delivery of one table's stream to one function.
pub struct Delivery {
    database: Handle,
    invoke: Invoke,
    stream: Stream,
    /// The position in the stream. It is also kept in a file, so that a restart does not deliver
    /// everything again.
    position: Mutex<Option<String>>,
    file: Option<PathBuf>,
}

/// The interval between two reads of the stream. On AWS, Lambda polls four times a second.
const POLL: Duration = Duration::from_millis(250);

/// The number of attempts to deliver a batch.
const DELIVERIES: u32 = 5;

/// The interval between two deletions of expired items. On AWS they take up to days.
const TTL: Duration = Duration::from_secs(10);

impl Stream {
    /// Returns whether the function takes a record.
    pub fn takes(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
    }
}

impl Delivery {
    /// Creates a delivery that continues at the position in `file`, or starts at the beginning of
    /// the stream.
    pub fn new(database: Handle, invoke: Invoke, stream: Stream, file: Option<PathBuf>) -> Self {
        let position = file.as_deref().and_then(|file| files::read(file).ok().flatten());
        Self { database, invoke, stream, position: Mutex::new(position), file }
    }

    /// Delivers all records in the stream. Concurrent calls deliver one after the other.
    ///
    /// # Errors
    /// Returns a message if the stream cannot be read or the position cannot be written. Records
    /// that fail in the function are delivered again, and finally logged and skipped.
    pub async fn drain(&self) -> Result<(), String> {
        let mut position = self.position.lock().await;
        loop {
            let (database, table) = (self.database.clone(), self.stream.table.clone());
            let (after, limit) =
                (position.clone(), usize::try_from(self.stream.batch_size).unwrap_or(100));
            let read = move || database.stream_after(&table, after.as_deref(), limit);
            let batch =
                tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())??;
            let Some(last) = batch.last else { return Ok(()) };
            let mut records = batch.records;
            records.retain(|record| self.stream.takes(record));
            if !records.is_empty() {
                deliver(&self.invoke, &self.stream.function, records).await;
            }
            if let Some(file) = &self.file {
                files::write_private(file, &last).map_err(|error| error.to_string())?;
            }
            *position = Some(last);
        }
    }

    /// Goes back to the beginning of the stream, so that the next delivery repeats every record.
    /// Lambda, too, delivers a record more than once.
    pub async fn rewind(&self) {
        *self.position.lock().await = None;
    }

    /// Delivers new records until the task is aborted.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.drain().await {
                tracing::error!(target: TARGET, error, table = self.stream.table, "cannot read a stream");
            }
        }
    }
}

/// Delivers a batch as Lambda does (AWS: "Using AWS Lambda with Amazon DynamoDB", "Reporting batch
/// item failures").
///
/// If the function reports failed records, the batch is delivered again from the first of them. A
/// batch that fails as a whole is delivered again in halves. Records that fail in every attempt are
/// logged and returned; on AWS they go to the failure destination.
pub async fn deliver(invoke: &Invoke, function: &str, records: Vec<Value>) -> Vec<Value> {
    let (mut waiting, mut given_up) = (vec![records], Vec::new());
    while let Some(mut records) = waiting.pop() {
        for _ in 0..DELIVERIES {
            match invoke(function, json!({"Records": records})).await {
                Ok(response) => drop(records.drain(..first_failed(&records, &response))),
                Err(_) if records.len() > 1 => {
                    waiting.push(records.split_off(records.len().div_ceil(2)));
                    waiting.push(std::mem::take(&mut records));
                }
                Err(_) => {}
            }
            if records.is_empty() {
                break;
            }
        }
        given_up.append(&mut records);
    }
    if !given_up.is_empty() {
        tracing::error!(
            target: TARGET,
            { records = given_up.len(), function },
            "gave up on records of a stream"
        );
    }
    given_up
}

/// Returns the number of records before the first one that is reported as failed.
fn first_failed(records: &[Value], response: &Value) -> usize {
    let failures = response
        .get("batchItemFailures")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let failed: Vec<&str> =
        failures.iter().filter_map(|failure| failure.get("itemIdentifier")?.as_str()).collect();
    let number = |record: &Value| {
        record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).map(str::to_owned)
    };
    let first = records
        .iter()
        .position(|record| number(record).is_some_and(|number| failed.contains(&number.as_str())));
    first.unwrap_or(records.len())
}

/// Deletes expired items until the task is aborted.
pub async fn expire(database: Handle) {
    let mut ticks = interval(TTL);
    loop {
        ticks.tick().await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Err(error) = swept.map_err(|error| error.to_string()).flatten() {
            tracing::error!(target: TARGET, error, "cannot delete expired items");
        }
    }
}

/// Runs a function on its schedule until the task is aborted. The first run is one period from now.
pub async fn run_on_schedule(invoke: Invoke, function: String, every: Duration) {
    let mut ticks = interval(every);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let event = json!({
            "version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event",
            "detail": {},
        });
        if let Err(error) = (invoke)(&function, event).await {
            tracing::error!(target: TARGET, error = error.message, "a scheduled run failed");
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("stream", &self.stream).finish_non_exhaustive()
    }
}
