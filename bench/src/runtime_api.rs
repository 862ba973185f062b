//! The Lambda Runtime API for one process. It hands out one event at a time, and records when the
//! event was fetched and when its response came. See "Using the Lambda runtime API for custom
//! runtimes" in AWS's documentation.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Instant};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::{JoinHandle, JoinSet},
};

use crate::{Outcome, stopwatch::now};

/// A Runtime API that is listening. Dropping it stops it.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Bytes>,
    seen: mpsc::UnboundedReceiver<Seen>,
    serving: JoinHandle<()>,
}

/// A step of the process.
#[derive(Debug)]
pub enum Seen {
    /// It requested the next event: its init, or the previous call, is complete.
    Asked(Instant),
    /// It received the event.
    Got(Instant),
    /// It sent a response.
    Answered(Instant, Bytes),
    /// It reported an error.
    Failed(String),
}

#[derive(Debug)]
struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl RuntimeApi {
    /// Listens on a free port.
    pub async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (events, waiting) = mpsc::unbounded_channel();
        let (seeing, seen) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { events: Mutex::new(waiting), seen: seeing });
        let serving = tokio::spawn(async move {
            // Connections are aborted together with the listener.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.respond(request).await) }
                });
                connections
                    .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { address, events, seen, serving })
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Queues an event for the next request.
    pub fn give(&self, event: Bytes) {
        let _ = self.events.send(event);
    }

    /// Waits for the next step of the process.
    pub async fn next(&mut self) -> Outcome<Seen> {
        self.seen.recv().await.ok_or_else(|| "the Runtime API has stopped".into())
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if request.method() == Method::GET && path.ends_with("/invocation/next") {
            return self.next().await;
        }
        let body = request
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let seen = if path.ends_with("/response") {
            Seen::Answered(now(), body)
        } else {
            Seen::Failed(format!("{path} {}", String::from_utf8_lossy(&body)))
        };
        let _ = self.seen.send(seen);
        let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}")));
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let _ = self.seen.send(Seen::Asked(now()));
        let event = self.events.lock().await.recv().await.unwrap_or_default();
        let deadline =
            hallpass_runtime::clock::instant().unix_milliseconds().saturating_add(900_000);
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("lambda-runtime-deadline-ms", deadline)
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-west-1:123456789012:function:bench",
            )
            .header("lambda-runtime-trace-id", "Root=1-6b49d200-2e2f1c0b1b7a2f0d6a5f8c11;Sampled=0")
            .body(Full::new(event))
            .unwrap_or_default();
        let _ = self.seen.send(Seen::Got(now()));
        response
    }
}
