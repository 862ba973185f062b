//! The AWS services of the audit log and of events: S3, `EventBridge` and KMS. The functions use
//! them through the AWS SDK, as they do on AWS.
//!
//! S3 has an endpoint of its own. `EventBridge` and KMS share one, because their requests name the
//! operation in a header. Both are on 127.0.0.1, on free ports.

use std::{fmt, future::pending, io, net::SocketAddr, path::Path, sync::Arc};

use hallpass_token::Text;
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::broadcast,
    task::{AbortHandle, JoinHandle},
};

mod events;
mod kms;
mod s3;
#[cfg(test)]
mod tests;

pub use events::FILE as EVENTS;
pub use kms::{ALIAS, FILE as SIGNING_KEY};
pub use s3::{BUCKET, DIRECTORY as OBJECTS, MAX_KEY_LENGTH};

use self::{events::Events, kms::Kms, s3::S3};
use super::{
    StartError,
    functions::Clock,
    guard::{self, Call, Guard},
};

/// The account of the stack's events and keys.
pub const ACCOUNT: &str = "000000000000";

/// The region of the stack's events and keys, `AWS_REGION`.
pub const REGION: &str = "local";

/// The largest request of `EventBridge` and KMS, in bytes. The entries of `PutEvents` have at most
/// 256 KB, and JSON within JSON doubles every quotation mark.
const MAX_REQUEST_LENGTH: usize = 1_048_576;

/// The credentials that every request must be signed with.
#[derive(Clone)]
pub struct Access {
    /// The access key ID.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Text,
}

/// The running services. Dropping it stops them.
#[derive(Debug)]
pub struct Aws {
    s3: S3,
    json: Server,
    events: Arc<Events>,
}

/// A server on a loopback port. Dropping it stops it.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    serving: AbortHandle,
}

impl Aws {
    /// Starts the services over files in this directory, which must exist. Creates the bucket and
    /// the signing key if they do not exist.
    ///
    /// # Errors
    /// Returns a [`StartError`] if no port is free, or a file cannot be used.
    pub async fn start(data: &Path, access: &Access, clock: Clock) -> Result<Self, StartError> {
        let s3 = S3::start(&data.join(OBJECTS), access).await?;
        let events = Arc::new(Events::open(&data.join(EVENTS), clock)?);
        let kms = Kms::open(&data.join(SIGNING_KEY))?;
        let (listener, address) = listen("EventBridge and KMS").await?;
        let publisher = Arc::clone(&events);
        let respond = move |call: Call| respond(&publisher, &kms, &call);
        let guard = Guard::new(&access.access_key_id);
        let serving =
            tokio::spawn(guard::serve(listener, guard, MAX_REQUEST_LENGTH, respond, pending()));
        Ok(Self { s3, json: Server::new(address, &serving), events })
    }

    /// Returns the URL of S3. Clients must use path-style addresses.
    pub fn s3_endpoint(&self) -> String {
        self.s3.endpoint()
    }

    /// Returns the URL of `EventBridge` and KMS.
    pub fn json_endpoint(&self) -> String {
        self.json.endpoint()
    }

    /// Returns the events published from now on, in the envelope that the target of a rule
    /// receives. A receiver that falls 256 events behind misses the oldest; the file has all.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Value>> {
        self.events.subscribe()
    }

    /// Makes the next entries of `PutEvents` fail with `InternalFailure`, which is worth a retry.
    pub fn fail_next_entries(&self, count: usize) {
        self.events.fail_next(count);
    }
}

/// Responds to a request of `EventBridge` or KMS.
fn respond(events: &Events, kms: &Kms, call: &Call) -> Response<Full<Bytes>> {
    let outcome = match call.target.as_str() {
        "AWSEvents.PutEvents" => events.put(&call.body),
        "TrentService.Sign" => kms.sign(&call.body),
        "TrentService.GetPublicKey" => kms.public_key(&call.body),
        _ => Err(Rejection::new("UnknownOperationException", "the operation is not supported")),
    };
    match outcome {
        Ok(body) => Response::new(Full::new(Bytes::from(body.to_string()))),
        Err(rejection) => guard::reject(rejection.kind, &rejection.message),
    }
}

/// An error of a service.
#[derive(Debug)]
struct Rejection {
    /// The name of the error, such as `ValidationException`.
    kind: &'static str,
    message: String,
}

impl Rejection {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}

impl Server {
    fn new(address: SocketAddr, serving: &JoinHandle<()>) -> Self {
        Self { address, serving: serving.abort_handle() }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Listens on a free loopback port.
async fn listen(service: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error: io::Error| StartError::new(format!("cannot start {service}"), error);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
