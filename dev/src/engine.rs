//! The embedded DynamoDB engine. It listens on a loopback port, so that the functions use it
//! through the AWS SDK as they use AWS. It has its own thread and runtime because the database
//! blocks.

use std::{net::SocketAddr, thread::JoinHandle};

use dynoxide::{
    Database, DynoxideError,
    actions::{
        create_table::CreateTableRequest,
        describe_stream::DescribeStreamRequest,
        get_records::GetRecordsRequest,
        get_shard_iterator::GetShardIteratorRequest,
        list_streams::ListStreamsRequest,
        update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest},
    },
};
use hallpass_runtime::log::TARGET;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};

mod file;
mod operations;

pub use file::{Retention, open};

use super::{
    StartError,
    guard::{self, Guard},
    template::Table,
};

/// A running engine. Dropping it stops it.
#[derive(Debug)]
pub struct Engine {
    address: SocketAddr,
    database: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The database of an engine, for the background work of AWS: streams and TTL.
#[derive(Clone)]
pub struct Handle(Database);

/// A batch of records of a table's stream.
#[derive(Debug)]
pub struct Batch {
    /// The records, in the form in which Lambda passes them to a function.
    pub records: Vec<Value>,
    /// The sequence number of the last record, or `None` if the batch is empty.
    pub last: Option<String>,
}

impl Engine {
    /// Starts an engine for tests, which accepts every caller, and creates missing tables.
    ///
    /// # Errors
    /// Returns a [`StartError`] if a table cannot be created or no port is free.
    pub fn start(database: Database, tables: &[Table]) -> Result<Self, StartError> {
        create_tables(&database, tables)?;
        Self::serve(database, None)
    }

    /// Starts an engine that accepts only the callers that the guard accepts, and creates missing
    /// tables.
    ///
    /// # Errors
    /// Returns a [`StartError`] if a table cannot be created or no port is free.
    pub fn start_guarded(
        database: Database,
        tables: &[Table],
        guard: Guard,
    ) -> Result<Self, StartError> {
        create_tables(&database, tables)?;
        Self::serve(database, Some(guard))
    }

    fn serve(database: Database, guard: Option<Guard>) -> Result<Self, StartError> {
        let io =
            |error: std::io::Error| StartError::new("cannot start the database", error.to_string());
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(io)?;
        listener.set_nonblocking(true).map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = database.clone();
        let serve = move || {
            runtime.block_on(async move {
                let shutdown = async move {
                    let _ = stopped.await;
                };
                let outcome = match (TcpListener::from_std(listener), guard) {
                    (Ok(listener), Some(guard)) => {
                        let respond = move |call| operations::respond(&served, &call);
                        guard::serve(
                            listener,
                            guard,
                            operations::MAX_REQUEST_LENGTH,
                            respond,
                            shutdown,
                        )
                        .await;
                        Ok(())
                    }
                    (Ok(listener), None) => {
                        dynoxide::server::serve_with_shutdown(listener, served, shutdown).await
                    }
                    (Err(error), _) => Err(error.to_string()),
                };
                if let Err(error) = outcome {
                    tracing::error!(target: TARGET, error, "the database stopped");
                }
            });
        };
        let thread =
            std::thread::Builder::new().name("dynamodb".to_owned()).spawn(serve).map_err(io)?;
        Ok(Self { address, database: Handle(database), stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the URL of the engine.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns a handle to the database.
    pub fn database(&self) -> Handle {
        self.database.clone()
    }
}

/// Creates missing tables.
///
/// # Errors
/// Returns a [`StartError`] if a table cannot be created.
pub fn create_tables(database: &Database, tables: &[Table]) -> Result<(), StartError> {
    let failed =
        |error: DynoxideError| StartError::new("cannot create the tables", error.to_string());
    for table in tables {
        let bad = |error: serde_json::Error| {
            StartError::new("cannot create the tables", error.to_string())
        };
        let request: CreateTableRequest =
            serde_json::from_value(table.create.clone()).map_err(bad)?;
        match database.create_table(request) {
            Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => {}
            Err(error) => return Err(failed(error)),
        }
        if let Some(attribute) = &table.ttl_attribute {
            let specification =
                TimeToLiveSpecification { attribute_name: attribute.clone(), enabled: true };
            let request = UpdateTimeToLiveRequest {
                table_name: table.logical_id.clone(),
                time_to_live_specification: specification,
            };
            database.update_time_to_live(request).map_err(failed)?;
        }
    }
    Ok(())
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // Do not join the thread: open connections would keep it running.
        drop(self.thread.take());
    }
}

impl Handle {
    /// Returns up to `limit` records of the table's stream, after this sequence number or from the
    /// beginning.
    ///
    /// # Errors
    /// Returns a message if the stream cannot be read or the table has none.
    pub fn stream_after(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Batch, String> {
        let text = |error: DynoxideError| error.to_string();
        let request = ListStreamsRequest {
            table_name: Some(table.to_owned()),
            ..ListStreamsRequest::default()
        };
        let streams = self.0.list_streams(request).map_err(text)?.streams;
        let stream_arn = streams.into_iter().next().ok_or("the table has no stream")?.stream_arn;
        let request = DescribeStreamRequest {
            stream_arn: stream_arn.clone(),
            ..DescribeStreamRequest::default()
        };
        let shards = self.0.describe_stream(request).map_err(text)?.stream_description.shards;
        let mut batch = Batch { records: Vec::new(), last: None };
        for shard in shards {
            let kind = if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
            let request = GetShardIteratorRequest {
                stream_arn: stream_arn.clone(),
                shard_id: shard.shard_id,
                shard_iterator_type: kind.to_owned(),
                sequence_number: after.map(str::to_owned),
            };
            let Some(shard_iterator) =
                self.0.get_shard_iterator(request).map_err(text)?.shard_iterator
            else {
                continue;
            };
            let request = GetRecordsRequest { shard_iterator, limit: Some(limit) };
            for record in self.0.get_records(request).map_err(text)?.records {
                batch.last = Some(record.dynamodb.sequence_number.clone());
                let mut record = serde_json::to_value(record).map_err(|error| error.to_string())?;
                if let Value::Object(members) = &mut record {
                    members.insert("eventSourceARN".to_owned(), json!(stream_arn));
                }
                batch.records.push(record);
            }
        }
        Ok(batch)
    }

    /// Deletes expired items, which DynamoDB does within days, and returns their number.
    ///
    /// # Errors
    /// Returns a message if the items cannot be read or deleted.
    pub fn sweep_ttl(&self) -> Result<usize, String> {
        self.0.sweep_ttl().map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}
