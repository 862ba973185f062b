//! Dispatches the requests of clients to the operations of the engine.

use dynoxide::{Database, DynoxideError};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::guard::{Call, reject};

type Reply = Response<Full<Bytes>>;

/// The prefixes of an operation's name in `X-Amz-Target`.
const APIS: [&str; 2] = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."];

/// The largest request that DynamoDB accepts, in bytes.
pub(super) const MAX_REQUEST_LENGTH: usize = 16 * 1024 * 1024;

/// Maps the name of each operation to its method.
macro_rules! operations {
    ($call:expr, $database:expr, $($name:literal => $method:ident),+ $(,)?) => {
        match APIS.iter().find_map(|api| $call.target.strip_prefix(api)) {
            $(Some($name) => run(&$call.body, |request| $database.$method(request)),)+
            _ => {
                let code = "com.amazonaws.dynamodb.v20120810#UnknownOperationException";
                reject(code, "the operation is not supported")
            }
        }
    };
}

/// Runs the operation of a call.
pub(super) fn respond(database: &Database, call: &Call) -> Reply {
    operations!(call, database,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeStream" => describe_stream,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "GetItem" => get_item,
        "GetRecords" => get_records,
        "GetShardIterator" => get_shard_iterator,
        "ListStreams" => list_streams,
        "ListTables" => list_tables,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    )
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Reply {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return reject("com.amazon.coral.service#SerializationException", &error.to_string());
        }
    };
    match operation(request) {
        Ok(output) => match serde_json::to_vec(&output) {
            Ok(body) => Response::new(Full::from(body)),
            Err(error) => {
                reject("com.amazonaws.dynamodb.v20120810#InternalServerError", &error.to_string())
            }
        },
        Err(error) => {
            let mut response = Response::new(Full::from(error.to_json()));
            *response.status_mut() =
                StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            response
        }
    }
}
