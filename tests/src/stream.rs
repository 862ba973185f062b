//! The stream of users, and its delivery to prune as Lambda does it, over whatever engine there is.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use hallpass::dev::{events, gateway::Invoke, template};
use serde_json::{Value, json};

use crate::{
    engine::Engine,
    remote::{STREAMS, call},
};

/// The delivery of the user stream to prune. Nothing is delivered unless the test asks for it.
pub enum Delivery {
    /// That of the dev stack.
    Embedded(events::Delivery),
    /// That of another engine's stream.
    Remote {
        /// The engine.
        engine: Arc<Engine>,
        /// What calls prune.
        invoke: Invoke,
        /// What the template says of it.
        stream: template::Stream,
        /// The test's time.
        time: Arc<AtomicU64>,
        /// How many records are delivered.
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

/// How far a stream is read.
#[derive(Debug, Default)]
struct State {
    /// Where each shard goes on; nothing before the first look.
    iterators: Option<Vec<String>>,
    /// What was read, as Lambda gets it.
    records: Vec<Value>,
    /// What the engine had stamped on the last of them.
    last_stamp: Value,
}

impl Delivery {
    /// A delivery that begins with the stream.
    pub fn new(engine: Arc<Engine>, invoke: Invoke, stream: template::Stream, time: Arc<AtomicU64>) -> Self {
        match &*engine {
            Engine::Embedded { engine, .. } => {
                Self::Embedded(events::Delivery::new(engine.database(), invoke, stream, None))
            }
            Engine::Remote(_) => Self::Remote { engine, invoke, stream, time, position: tokio::sync::Mutex::default() },
        }
    }

    /// Delivers all that is there.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn drain(&self) -> Result<(), String> {
        match self {
            Self::Embedded(delivery) => delivery.drain().await,
            Self::Remote { engine, invoke, stream, time, position } => {
                let mut position = position.lock().await;
                let records = engine.user_stream(time.load(Ordering::SeqCst));
                for batch in records[*position..].chunks(usize::try_from(stream.batch_size).unwrap()) {
                    events::deliver(invoke, &stream.function, batch.to_vec()).await;
                }
                *position = records.len();
                Ok(())
            }
        }
    }
}

impl Stream {
    /// The stream with this ARN.
    pub fn new(authority: String, arn: String) -> Self {
        Self { authority, arn, state: Mutex::default() }
    }

    /// What was read of it.
    pub fn records(&self) -> Vec<Value> {
        self.state.lock().unwrap().records.clone()
    }

    /// What the engine had stamped on the last record that was read.
    pub fn last_stamp(&self) -> Value {
        self.state.lock().unwrap().last_stamp.clone()
    }

    /// Reads what is new, and stamps it with the test's time instead of the engine's: the two have nothing to do with
    /// each other, and prune compares the stamp with when a token was issued.
    ///
    /// It blocks, so that a test moves its clock without awaiting anything, as it does over the embedded engine.
    pub fn catch_up(&self, now: u64) {
        let mut state = self.state.lock().unwrap();
        let (iterators, new) = thread::scope(|scope| {
            let read = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
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

    /// What is there from these places on, and the places behind it.
    async fn read(&self, from: Option<&[String]>) -> (Vec<String>, Vec<Value>) {
        let from = match from {
            Some(iterators) => iterators.to_vec(),
            None => self.beginning().await,
        };
        let (mut iterators, mut records) = (Vec::new(), Vec::new());
        for mut iterator in from {
            loop {
                let mut part = self.call("GetRecords", json!({"ShardIterator": iterator})).await;
                let Value::Array(new) = part["Records"].take() else { panic!("GetRecords answers {part}") };
                let is_over = new.is_empty();
                records.extend(new);
                // A shard that was closed has no next iterator. None closes within the minutes of a test.
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
            let request =
                json!({"StreamArn": self.arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
            let answer = self.call("GetShardIterator", request).await;
            iterators.push(answer["ShardIterator"].as_str().unwrap().to_owned());
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
