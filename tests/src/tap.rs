//! A tap between the functions and the engine: it records every request that passes, and injects
//! faults.
//!
//! The functions reach it through the AWS SDK, so that tests cover the whole path: retries, time
//! limits, parsing.

use std::{
    convert::Infallible,
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use crate::engine::Engine;

mod fault;
mod hold;
mod seen;

pub use fault::{ANSWERED_AT_ONCE, Fault};
use seen::Abandoned;
pub use seen::Seen;

/// A running tap. After [`Tap::stop`], or when it is dropped, it rejects every connection.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    state: Arc<State>,
    serving: Mutex<JoinHandle<()>>,
}

/// A rule: from the `skip`th request of this operation on, `times` requests fail.
struct Rule {
    operation: &'static str,
    skip: usize,
    times: usize,
    fault: Fault,
}

struct State {
    upstream: String,
    /// The suffix of the engine's table names. Tests use the names of the template.
    suffix: String,
    client: Client<HttpConnector, Full<Bytes>>,
    seen: Mutex<Vec<Seen>>,
    rules: Mutex<Vec<Rule>>,
    held: Notify,
    released: Notify,
}

type Passed = Result<Response<BoxBody<Bytes, io::Error>>, io::Error>;

/// The tables of the template.
const NAMES: [&str; 3] = ["Users", "Tokens", "Attempts"];

/// Matches every operation.
pub const ANY: &str = "";

/// As long as the tap runs.
pub const ALWAYS: usize = usize::MAX;

impl Tap {
    /// Starts a tap in front of this engine.
    pub async fn over(engine: &Engine) -> Self {
        Self::start_with(&engine.endpoint(), engine.suffix()).await
    }

    /// Starts a tap in front of the server at this endpoint.
    pub async fn start(upstream: &str) -> Self {
        Self::start_with(upstream, "").await
    }

    async fn start_with(upstream: &str, suffix: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            suffix: suffix.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            seen: Mutex::default(),
            rules: Mutex::default(),
            held: Notify::new(),
            released: Notify::new(),
        });
        let serving = Mutex::new(tokio::spawn(serve(listener, Arc::clone(&state))));
        Self { address, state, serving }
    }

    /// Returns the URL of the tap.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes `times` requests of this operation fail, after the next `skip` of them.
    pub fn inject(&self, operation: &'static str, skip: usize, times: usize, fault: Fault) {
        self.state.rules.lock().unwrap().push(Rule { operation, skip, times, fault });
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// Returns the requests since the last call, except those whose response took too long on a
    /// busy machine, which the SDK has repeated. Requests with an injected fault are all there.
    pub fn seen(&self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut *self.state.seen.lock().unwrap());
        seen.retain(|seen| !seen.is_abandoned());
        seen
    }

    /// Returns the operations of the requests since the last call.
    pub fn operations(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.operation).collect()
    }

    /// Closes every connection and the port.
    pub async fn stop(&self) {
        let mut serving =
            std::mem::replace(&mut *self.serving.lock().unwrap(), tokio::spawn(async {}));
        serving.abort();
        // The port is closed only once the task has finished.
        let _ = (&mut serving).await;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.serving.lock().unwrap().abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // The connections are dropped with this set.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let pass = service_fn(move |request| {
            let state = Arc::clone(&state);
            async move { state.pass(request).await }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), pass));
    }
}

impl State {
    async fn pass(&self, request: Request<Incoming>) -> Passed {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let target = head
            .headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let seen = Seen::new(operation.clone(), self.plain(json.clone()), head.headers.clone());
        let arrival = seen.arrival();
        self.seen.lock().unwrap().push(seen);
        let fault = self.fault(&operation);
        let _abandoned = fault.is_none().then(|| Abandoned(Arc::clone(&arrival)));
        if let Some(fault) = fault
            && let Some(response) = self.instead(fault, &json).await
        {
            return response;
        }
        let mut onwards = Request::new(Full::new(body));
        *onwards.method_mut() = head.method;
        *onwards.uri_mut() = self.upstream.parse().unwrap();
        *onwards.headers_mut() = head.headers;
        onwards.headers_mut().remove(HOST);
        let response = self.client.request(onwards).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let response_of = || self.plain(serde_json::from_slice(&body).unwrap());
        let _ = arrival.set(Some(response_of()));
        Ok(match fault {
            Some(Fault::Lose) => return Err(broken()),
            Some(Fault::Break) => Response::new(Half(Some(half(&body))).boxed()),
            Some(Fault::Halve) => Response::new(full(half(&body))),
            Some(Fault::Change(change)) => {
                let mut json = response_of();
                change(&mut json);
                whole(&self.suffixed(json))
            }
            Some(Fault::Damage(damage)) => {
                let mut json = response_of();
                damage.apply(&mut json);
                whole(&self.suffixed(json))
            }
            _ => Response::from_parts(head, full(body)),
        })
    }

    /// Returns the response to a request that is not executed because of this fault. Otherwise
    /// waits for as long as the fault delays the request.
    async fn instead(&self, fault: Fault, request: &Value) -> Option<Passed> {
        match fault {
            Fault::Drop => Some(Err(broken())),
            Fault::Hang => std::future::pending().await,
            Fault::Reject(status, kind) => Some(reject(status, kind)),
            Fault::Cancel(codes) => Some(Ok(cancel(codes))),
            Fault::Unprocessed => Some(Ok(whole(
                &json!({"Responses": {}, "UnprocessedKeys": request["RequestItems"]}),
            ))),
            Fault::Delay(time) => {
                let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
                None
            }
            Fault::Hold => {
                self.held.notify_one();
                self.released.notified().await;
                None
            }
            Fault::Lose | Fault::Break | Fault::Halve | Fault::Change(_) | Fault::Damage(_) => None,
        }
    }

    /// Replaces the engine's table names by those of the template.
    fn plain(&self, json: Value) -> Value {
        renamed(json, &|name| {
            name.strip_suffix(&self.suffix).filter(|name| NAMES.contains(name)).map(str::to_owned)
        })
    }

    /// Replaces the template's table names by those of the engine.
    fn suffixed(&self, json: Value) -> Value {
        renamed(json, &|name| NAMES.contains(&name).then(|| format!("{name}{}", self.suffix)))
    }

    /// Returns the fault of the first rule that applies to this request. Every rule counts the
    /// request.
    fn fault(&self, operation: &str) -> Option<Fault> {
        let mut fault = None;
        let mut rules = self.rules.lock().unwrap();
        for rule in
            rules.iter_mut().filter(|rule| rule.operation == ANY || rule.operation == operation)
        {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 && fault.is_none() {
                rule.times = if rule.times == ALWAYS { ALWAYS } else { rule.times - 1 };
                fault = Some(rule.fault);
            }
        }
        fault
    }
}

/// Renames tables, which are members of an object or the value of `TableName`.
fn renamed(json: Value, rename: &impl Fn(&str) -> Option<String>) -> Value {
    match json {
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| match value.as_str().and_then(rename) {
                Some(table) if name == "TableName" => (name, Value::String(table)),
                _ => (rename(&name).unwrap_or(name), renamed(value, rename)),
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        Value::Array(values) => values.into_iter().map(|value| renamed(value, rename)).collect(),
        other => other,
    }
}

/// A body that breaks off halfway.
struct Half(Option<Bytes>);

impl Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(self.0.take().map(Frame::data).ok_or_else(broken)))
    }
}

fn half(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

fn full(body: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed()
}

fn whole(json: &Value) -> Response<BoxBody<Bytes, io::Error>> {
    Response::new(full(Bytes::from(json.to_string())))
}

fn reject(status: u16, kind: &str) -> Passed {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    let mut response = whole(&json!({"__type": kind, "message": "as the test wants it"}));
    *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    Ok(response)
}

fn cancel(codes: &[&str]) -> Response<BoxBody<Bytes, io::Error>> {
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
    let mut response =
        whole(&json!({"__type": kind, "Message": "cancelled", "CancellationReasons": reasons}));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn broken() -> io::Error {
    let error: Box<dyn Error + Send + Sync> = "as the test wants it".into();
    io::Error::other(error)
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}
