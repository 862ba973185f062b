//! The HTTPS server in front of the gateway: sockets, TLS and HTTP/1.1, and nothing about the API.
//!
//! It promises that a client can only ever harm its own connection: every wait on a client has an end, the number of
//! connections has one, and the garbage of one is dropped without a word. What API Gateway does with HTTP/2 is not
//! here.

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

use crate::dev::gateway::{Gateway, MAX_BODY};
use crate::dev::guard;

/// How many connections are served at once; the next ones wait.
const CONNECTIONS: usize = 256;

/// How long a client may take over the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How long a client may take to send a head, and how long a connection may idle.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How long a client may take to send a body.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// How long the requests under way have when the server stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be taken, for lack of file handles, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a gateway until `shutdown` ends, then lets the requests under way end, for a few seconds.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            // Nothing is left to say about a connection that ended; taking it off the set is all.
            Some(_) = connections.join_next() => {}
            (permit, stream, peer) = accept(&listener, &permits) => {
                let connection = connection(acceptor.clone(), stream, peer, Arc::clone(&gateway), stopping.clone());
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
    if timeout(STOP_LIMIT, ended).await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection, when there is room for one.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
    loop {
        // The semaphore is never closed, so that there is always a permit at last.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { pending().await };
        match listener.accept().await {
            Ok((stream, peer)) => return (permit, stream, peer),
            Err(_) => {
                let _elapsed = timeout(ACCEPT_PAUSE, pending::<Infallible>()).await;
            }
        }
    }
}

/// One client, from the handshake to the end. Its errors are its own.
async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    gateway: Arc<Gateway>,
    mut stopping: watch::Receiver<bool>,
) {
    let _unset = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |request| respond(Arc::clone(&gateway), request, peer));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
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
    let body = timeout(BODY_LIMIT, read(body)).await??;
    let mut response = gateway.answer(Request::from_parts(head, body), peer.ip().to_canonical()).await;
    // A browser would keep to HTTPS on every port of this name, where other things are developed over HTTP.
    response.headers_mut().remove(STRICT_TRANSPORT_SECURITY);
    Ok(response.map(Full::new))
}

/// Whether this `Host` is a name of some other machine, which a page may have made to mean this one (DNS rebinding). What is
/// no host at all is the gateway's to reject.
fn is_elsewhere(host: &[u8]) -> bool {
    Authority::try_from(host).is_ok_and(|host| !guard::is_local(host.host()))
}

/// A body; of one that is too large, enough for the gateway to see that it is.
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
    use crate::dev::ca;
    use crate::dev::gateway::Options;
    use crate::dev::template::Template;

    const NOW: u64 = 1_800_000_000;

    /// The client's clock, which stands still.
    #[derive(Debug)]
    struct Still;

    impl TimeProvider for Still {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
        }
    }

    /// The API of this project, whose one function says which path it was told.
    fn gateway() -> Arc<Gateway> {
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let options = Options {
            cache_seconds: None,
            base_path: String::new(),
            clock: Arc::new(|| NOW),
            invoke: Arc::new(|function, event| {
                let body = format!("{function} {} {}", event["path"].as_str().unwrap(), event["body"]);
                Box::pin(ready(Ok(json!({ "statusCode": 200, "body": body }))))
            }),
        };
        Arc::new(Gateway::new(&template, options).unwrap())
    }

    async fn client(ca: &[u8], at: SocketAddr) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(Still))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(at).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(ServerName::from(at.ip()), stream).await.unwrap()
    }

    /// Sends bytes on a connection of its own and gives back the whole answer.
    async fn exchange(ca: &[u8], at: SocketAddr, sent: &str) -> String {
        let mut stream = client(ca, at).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _closed = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
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
        let server = tokio::spawn(serve(listener, tls, gateway(), async { stopped.await.unwrap_or_default() }));

        let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let answer = exchange(&ca, at, get).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("Console /healthz null"), "{answer}");

        let elsewhere = get.replace("localhost", "evil.example");
        assert!(exchange(&ca, at, &elsewhere).await.starts_with("HTTP/1.1 421 "));

        let post = "POST /tokens HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
        let answer = exchange(&ca, at, post).await;
        // Every body travels as base64, because the template takes all media types for binary.
        assert!(answer.ends_with("Generate /tokens \"aGk=\""), "{answer}");

        let mut plain = TcpStream::connect(at).await.unwrap();
        plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut alert = Vec::new();
        let _reset = plain.read_to_end(&mut alert).await;
        let garbage = exchange(&ca, at, "\u{1}\u{2}\r\n\r\n").await;
        assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
        let answer = exchange(&ca, at, get).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "it goes on after garbage: {answer}");

        let idle = Mutex::new(client(&ca, at).await);
        stop.send(()).unwrap();
        server.await.unwrap();
        assert!(TcpStream::connect(at).await.is_err(), "nobody listens any more");
        drop(idle);
    }
}
