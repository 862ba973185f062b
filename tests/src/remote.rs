//! The tables of one test in an engine of another process, accessed through the plain DynamoDB API.
//!
//! The functions use the AWS SDK as everywhere. This module does what CloudFormation and Lambda do
//! on AWS: it creates the tables and reads the stream of users.

use std::time::Duration;

use hallpass_dev::template::Table;
use hallpass_runtime::entropy;
use http::{HeaderMap, Request, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    engine::{Kind, REGION},
    stream::Stream,
};

/// The tables of one test in an engine of another process.
#[derive(Debug)]
pub struct Remote {
    authority: String,
    /// The suffix of all table names, so that no two tests share a table.
    pub suffix: String,
    /// The stream of users.
    pub stream: Stream,
}

/// The API of tables.
pub const TABLES: &str = "DynamoDB_20120810";

/// The API of streams.
pub const STREAMS: &str = "DynamoDBStreams_20120810";

/// The time limit of a call, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

impl Remote {
    /// Creates the tables. Their TTL stays off: by the engine's clock, which tests cannot move, it
    /// would delete items that are live by the test's clock. `tests/engines.rs` tests TTL.
    pub async fn create_tables(authority: &str, tables: &[Table]) -> Self {
        let suffix = format!("-{:016x}", u64::from_be_bytes(entropy::bytes().unwrap()));
        let mut stream = None;
        for table in tables {
            let mut create = table.create.clone();
            create["TableName"] = json!(format!("{}{suffix}", table.logical_id));
            let is_users = table.logical_id == "Users";
            // Only notify reads another stream, and it runs in a development stack alone.
            create
                .as_object_mut()
                .unwrap()
                .retain(|name, _| is_users || name != "StreamSpecification");
            let created = call(authority, TABLES, "CreateTable", &create).await.unwrap();
            if is_users {
                stream = created["TableDescription"]["LatestStreamArn"].as_str().map(str::to_owned);
            }
        }
        let stream = Stream::new(authority.to_owned(), stream.unwrap());
        Self { authority: authority.to_owned(), suffix, stream }
    }

    /// Returns the URL of the endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Returns the engine's name of a table of the template.
    pub fn table(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }
}

/// Returns the kind of the engine at this address.
///
/// # Errors
/// Returns a message if the engine is not one that the table of capabilities knows.
pub async fn recognize(authority: &str) -> Result<Kind, String> {
    let get = async |path: &str| {
        let request = Request::builder().uri(path).header(HOST, authority).body(Full::default());
        send(authority, request.unwrap()).await
    };
    if get("/_ministack/health").await?.0 == 200 {
        return Ok(Kind::MiniStack);
    }
    if get("/moto-api/").await?.0 == 200 {
        return Ok(Kind::Moto);
    }
    let (status, headers, _) =
        send(authority, request(authority, TABLES, "ListTables", &json!({}))).await?;
    let server = headers.get("server").and_then(|server| server.to_str().ok()).unwrap_or_default();
    if status == 200 && server.starts_with("Jetty(") {
        return Ok(Kind::DynamoDbLocal);
    }
    Err(format!("the server at {authority} is neither DynamoDB Local nor MiniStack nor moto"))
}

/// Calls an operation.
///
/// # Errors
/// Returns the error message of the engine.
pub async fn call(
    authority: &str,
    api: &str,
    operation: &str,
    body: &Value,
) -> Result<Value, String> {
    let (status, _, response) = send(authority, request(authority, api, operation, body)).await?;
    match status {
        200 => serde_json::from_slice(&response).map_err(|error| format!("{operation}: {error}")),
        _ => Err(format!("{operation}: {status} {}", String::from_utf8_lossy(&response))),
    }
}

/// Builds a request. No engine checks the signature, but all of them read the region and the
/// service in it.
fn request(authority: &str, api: &str, operation: &str, body: &Value) -> Request<Full<Bytes>> {
    let credential = format!("Credential=local/20270115/{REGION}/dynamodb/aws4_request");
    let request = Request::builder().method("POST").uri("/").header(HOST, authority);
    let request = request.header("X-Amz-Target", format!("{api}.{operation}"));
    let request = request.header("Content-Type", "application/x-amz-json-1.0");
    let request = request.header("X-Amz-Date", "20270115T080000Z");
    let request = request.header(
        "Authorization",
        format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"),
    );
    request.body(Full::new(Bytes::from(body.to_string()))).unwrap()
}

async fn send(
    authority: &str,
    request: Request<Full<Bytes>>,
) -> Result<(u16, HeaderMap, Bytes), String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot reach {authority}: {error}");
    let exchange = async {
        let stream = TcpStream::connect(authority).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
        drop(sender);
        connection.abort();
        Ok((head.status.as_u16(), head.headers, body))
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(failed(&"no answer")))
}
