//! Terminates TLS in front of a plain HTTP server of this process, and counts the requests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, split},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::Outcome;

/// A listener in its own thread, which runs until the process exits.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

/// The size of the read buffer in bytes. A request of an authorizer is much smaller.
const PIECE: usize = 65_536;

impl Front {
    /// Starts to listen, and forwards every connection to this URL.
    pub fn start(tls: Arc<ServerConfig>, upstream: &str) -> Outcome<Self> {
        let upstream: SocketAddr =
            upstream.strip_prefix("http://").ok_or("the upstream is not HTTP")?.parse()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let acceptor = TlsAcceptor::from(tls);
                while let Ok((stream, _)) = listener.accept().await {
                    // Errors are ignored: a killed function breaks its connections.
                    tokio::spawn(pass(acceptor.clone(), stream, upstream, Arc::clone(&counted)));
                }
            });
        };
        thread::Builder::new().name("tls".to_owned()).spawn(serve)?;
        Ok(Self { address, requests })
    }

    /// Returns the URL. The certificate is valid for the name, not only for the address.
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn pass(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    upstream: SocketAddr,
    requests: Arc<AtomicU64>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut from_client, mut to_client) = split(acceptor.accept(stream).await.ok()?);
    let mut server = TcpStream::connect(upstream).await.ok()?;
    server.set_nodelay(true).ok()?;
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let mut piece = vec![0; PIECE];
        loop {
            let length = from_client.read(&mut piece).await?;
            let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else {
                return to_server.shutdown().await;
            };
            if read.starts_with(b"POST ") {
                requests.fetch_add(1, Ordering::Relaxed);
            }
            to_server.write_all(read).await?;
        }
    };
    let down = async {
        copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down).ok().map(|_| ())
}
