//! The stream of users, and its delivery to prune as Lambda does it, on any engine.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use hallpass_dev::{events, gateway::Invoke, template};
use serde_json::{Value, json};

use crate::{
    engine::Engine,
    remote::{STREAMS, call},
};

/// The delivery of the user stream to prune. Nothing is delivered unless the test asks for it.
pub enum Delivery {
    /// The delivery of the development stack.
    Embedded(events::Delivery),
    /// The delivery of another engine's stream.
    Remote {
        /// The engine.
        engine: Arc<Engine>,
        /// The function that invokes prune.
        invoke: Invoke,
        /// The event source in the template.
        stream: template::Stream,
        /// The time of the test.
        time: Arc<AtomicU64>,
        /// The number of records delivered.
        position: tokio::sync::Mutex<usize>,
    },
}

/// A stream that is read through DynamoDB Streams.
#[derive(Debug)]
pub struct Stream {
    authority: String,
    arn: String,
    state: Mutex<State>,
}

/// The reading position of a stream.
#[derive(Debug, Default)]
struct State {
    /// The next iterator of each shard, or `None` before the first read.
    iterators: Option<Vec<String>>,
    /// The records read so far, in the form that Lambda receives.
    records: Vec<Value>,
    /// The engine's timestamp of the last record.
    last_stamp: Value,
}

impl Delivery {
    /// Creates a delivery that begins at the start of the stream.
    pub fn new(
        engine: Arc<Engine>,
        invoke: Invoke,
        stream: template::Stream,
        time: Arc<AtomicU64>,
    ) -> Self {
        match &*engine {
            Engine::Embedded { engine, .. } => {
                Self::Embedded(events::Delivery::new(engine.database(), invoke, stream, None))
            }
            Engine::Remote(_) => Self::Remote {
                engine,
                invoke,
                stream,
                time,
                position: tokio::sync::Mutex::default(),
            },
        }
    }

    /// Delivers every record of the stream.
    ///
    /// # Errors
    /// Returns a message if the stream cannot be read.
    pub async fn drain(&self) -> Result<(), String> {
        match self {
            Self::Embedded(delivery) => delivery.drain().await,
            Self::Remote { engine, invoke, stream, time, position } => {
                let mut position = position.lock().await;
                let records = engine.user_stream(time.load(Ordering::SeqCst));
                for batch in
                    records[*position..].chunks(usize::try_from(stream.batch_size).unwrap())
                {
                    events::deliver(invoke, &stream.function, batch.to_vec()).await;
                }
                *position = records.len();
                Ok(())
            }
        }
    }
}

impl Stream {
    /// Returns the stream with this ARN.
    pub fn new(authority: String, arn: String) -> Self {
        Self { authority, arn, state: Mutex::default() }
    }

    /// Returns the records read so far.
    pub fn records(&self) -> Vec<Value> {
        self.state.lock().unwrap().records.clone()
    }

    /// Returns the engine's timestamp of the last record that was read.
    pub fn last_stamp(&self) -> Value {
        self.state.lock().unwrap().last_stamp.clone()
    }

    /// Reads the new records, and replaces the engine's timestamp by the time of the test: the two
    /// clocks are unrelated, and prune compares the timestamp with the time at which a token was
    /// issued.
    ///
    /// This blocks, so that a test can move its clock without awaiting, as it does on the embedded
    /// engine.
    pub fn catch_up(&self, now: u64) {
        let mut state = self.state.lock().unwrap();
        let (iterators, new) = thread::scope(|scope| {
            let read = || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.read(state.iterators.as_deref()))
            };
            scope.spawn(read).join().unwrap()
        });
        state.iterators = Some(iterators);
        for mut record in new {
            let stamp = &mut record["dynamodb"]["ApproximateCreationDateTime"];
            state.last_stamp = mem::replace(stamp, json!(now));
            record["eventSourceARN"] = json!(self.arn);
            state.records.push(record);
        }
    }

    /// Reads the records after these iterators, and returns the next iterators with them.
    async fn read(&self, from: Option<&[String]>) -> (Vec<String>, Vec<Value>) {
        let from = match from {
            Some(iterators) => iterators.to_vec(),
            None => self.beginning().await,
        };
        let (mut iterators, mut records) = (Vec::new(), Vec::new());
        for mut iterator in from {
            loop {
                let mut part = self.call("GetRecords", json!({"ShardIterator": iterator})).await;
                let Value::Array(new) = part["Records"].take() else {
                    panic!("GetRecords returned {part}")
                };
                let is_over = new.is_empty();
                records.extend(new);
                // A closed shard has no next iterator. None closes within the minutes of a test.
                let next = part["NextShardIterator"].as_str().unwrap().to_owned();
                iterator = next;
                if is_over {
                    break;
                }
            }
            iterators.push(iterator);
        }
        (iterators, records)
    }

    async fn beginning(&self) -> Vec<String> {
        let described = self.call("DescribeStream", json!({"StreamArn": self.arn})).await;
        let mut iterators = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
            let request = json!({
                "StreamArn": self.arn, "ShardId": shard["ShardId"],
                "ShardIteratorType": "TRIM_HORIZON",
            });
            let response = self.call("GetShardIterator", request).await;
            iterators.push(response["ShardIterator"].as_str().unwrap().to_owned());
        }
        iterators
    }

    async fn call(&self, operation: &str, body: Value) -> Value {
        call(&self.authority, STREAMS, operation, &body).await.unwrap()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery")
    }
}
