//! The HTTPS server in front of the gateway: sockets, TLS and HTTP/1.1. It knows nothing about the
//! API.
//!
//! A client can only affect its own connection: every wait on a client has a timeout, the number of
//! connections is limited, and malformed input closes the connection. HTTP/2, which API Gateway
//! offers, is not supported.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use http::StatusCode;
use http::header::{HOST, STRICT_TRANSPORT_SECURITY};
use http::uri::Authority;

use crate::gateway::{Gateway, MAX_BODY};
use crate::guard;

/// The maximum number of concurrent connections; further ones wait.
const MAX_CONNECTIONS: usize = 256;

/// The time limit for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for the head of a request, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The time that requests in progress have to complete when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after a connection cannot be accepted, for example because no file handles are free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a gateway until `shutdown` completes, then waits up to `STOP_TIMEOUT` for requests in
/// progress.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            // Remove a finished connection from the set.
            Some(_) = connections.join_next() => {}
            (permit, stream, peer) = accept(&listener, &permits) => {
                let (acceptor, gateway) = (acceptor.clone(), Arc::clone(&gateway));
                let connection = connection(acceptor, stream, peer, gateway, stopping.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    connection.await;
                });
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(STOP_TIMEOUT, ended).await.is_err() {
        connections.shutdown().await;
    }
}

/// Waits until a connection can be served, and accepts the next one.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
    loop {
        // The semaphore is never closed, so this always succeeds.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { pending().await };
        match listener.accept().await {
            Ok((stream, peer)) => return (permit, stream, peer),
            Err(_) => {
                let _elapsed = timeout(ACCEPT_PAUSE, pending::<Infallible>()).await;
            }
        }
    }
}

/// Serves one connection from the handshake to its end. Errors close the connection.
async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    gateway: Arc<Gateway>,
    mut stopping: watch::Receiver<bool>,
) {
    let _unset = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |request| respond(Arc::clone(&gateway), request, peer));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut serving = pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        _ = serving.as_mut() => true,
        _ = stopping.wait_for(|stopping| *stopping) => false,
    };
    if !ended {
        serving.as_mut().graceful_shutdown();
        let _ended = serving.await;
    }
}

async fn respond(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    if head.headers.get_all(HOST).iter().any(|host| is_elsewhere(host.as_bytes())) {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        return Ok(response);
    }
    let body = timeout(BODY_TIMEOUT, read(body)).await??;
    let mut response =
        gateway.answer(Request::from_parts(head, body), peer.ip().to_canonical()).await;
    // A browser would otherwise require HTTPS on every port of localhost, where other projects use
    // HTTP.
    response.headers_mut().remove(STRICT_TRANSPORT_SECURITY);
    Ok(response.map(Full::new))
}

/// Returns whether this `Host` names another machine, which a web page can resolve to this one (DNS
/// rebinding). The gateway rejects an invalid `Host`.
fn is_elsewhere(host: &[u8]) -> bool {
    Authority::try_from(host).is_ok_and(|host| !guard::is_local(host.host()))
}

/// Reads a body. Stops after [`MAX_BODY`], so that the gateway can reject a larger one.
async fn read(mut body: Incoming) -> Result<Bytes, io::Error> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            whole.extend_from_slice(&data);
        }
        if whole.len() > MAX_BODY {
            break;
        }
    }
    Ok(Bytes::from(whole))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::ready;
    use std::sync::Mutex;

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::time_provider::TimeProvider;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::ca;
    use crate::gateway::Options;
    use crate::template::Template;

    const NOW: u64 = 1_800_000_000;

    /// A clock for the client that stands still.
    #[derive(Debug)]
    struct Still;

    impl TimeProvider for Still {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
        }
    }

    /// Returns the API of this project, with functions that respond with the path and body of the
    /// request.
    fn gateway() -> Arc<Gateway> {
        let template = Template::parse(include_str!("../../template.yaml")).unwrap();
        let options = Options {
            cache_seconds: None,
            base_path: String::new(),
            clock: Arc::new(|| NOW),
            invoke: Arc::new(|function, event| {
                let body =
                    format!("{function} {} {}", event["path"].as_str().unwrap(), event["body"]);
                Box::pin(ready(Ok(json!({ "statusCode": 200, "body": body }))))
            }),
        };
        Arc::new(Gateway::new(&template, options).unwrap())
    }

    async fn client(ca: &[u8], at: SocketAddr) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let config =
            ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(Still))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let stream = TcpStream::connect(at).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::from(at.ip()), stream)
            .await
            .unwrap()
    }

    /// Sends bytes on a new connection, and returns the whole response.
    async fn exchange(ca: &[u8], at: SocketAddr, sent: &str) -> String {
        let mut stream = client(ca, at).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        let _closed = stream.read_to_end(&mut response).await;
        String::from_utf8(response).unwrap()
    }

    #[tokio::test]
    async fn a_request_travels_over_tls_to_a_function_and_back() {
        let dir = std::env::temp_dir().join(format!("hallpass-front-{}", std::process::id()));
        let tls = ca::server_config(&dir, NOW).unwrap();
        let ca = fs::read(dir.join(ca::CA)).unwrap();
        fs::remove_dir_all(dir).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, tls, gateway(), async {
            stopped.await.unwrap_or_default();
        }));

        let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let response = exchange(&ca, at, get).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with("Console /healthz null"), "{response}");

        let elsewhere = get.replace("localhost", "evil.example");
        assert!(exchange(&ca, at, &elsewhere).await.starts_with("HTTP/1.1 421 "));

        let post = "POST /tokens HTTP/1.1\r\nhost: localhost\r\nconnection: \
                    close\r\ncontent-length: 2\r\n\r\nhi";
        let response = exchange(&ca, at, post).await;
        // Every body is passed as base64 because the template declares all media types as binary.
        assert!(response.ends_with("Generate /tokens \"aGk=\""), "{response}");

        let mut plain = TcpStream::connect(at).await.unwrap();
        plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut alert = Vec::new();
        let _reset = plain.read_to_end(&mut alert).await;
        let garbage = exchange(&ca, at, "\u{1}\u{2}\r\n\r\n").await;
        assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
        let response = exchange(&ca, at, get).await;
        assert!(
            response.starts_with("HTTP/1.1 200 OK\r\n"),
            "the server stopped after garbage: {response}"
        );

        let idle = Mutex::new(client(&ca, at).await);
        stop.send(()).unwrap();
        server.await.unwrap();
        assert!(TcpStream::connect(at).await.is_err(), "the port is still open");
        drop(idle);
    }
}
