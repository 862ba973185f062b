//! An HTTPS client of the whole stack: a real socket, and the certificate authority of the stack's
//! data directory.

use std::{path::Path, sync::Arc};

use http::{
    HeaderMap, Request,
    header::{HOST, SET_COOKIE},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::witness;

/// A client that trusts only the certificate authority of one data directory.
#[derive(Clone)]
pub struct Client {
    port: u16,
    tls: Arc<ClientConfig>,
}

/// An HTTP response.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text. Bytes that are not UTF-8 are lost.
    pub body: String,
    /// The length of the body in bytes.
    pub length: usize,
}

impl Client {
    /// Returns a client of the stack with this data directory and URL.
    pub fn of(data: &Path, url: &str) -> Self {
        let authority = CertificateDer::from_pem_file(data.join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority).unwrap();
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let port = url.strip_prefix("https://localhost:").unwrap();
        let port = port.split('/').next().unwrap().parse().unwrap();
        Self { port, tls: Arc::new(tls) }
    }

    /// Sends a request without a body, on a new connection.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send_with(method, path, headers, "").await
    }

    /// Sends a request with a body, on a new connection.
    pub async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        for (name, value) in headers {
            witness::sends_header(name, value);
        }
        witness::sends_body(body);
        let stream = TcpStream::connect(("localhost", self.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender
            .send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap())
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (length, body) = (body.len(), String::from_utf8_lossy(&body).into_owned());
        drop(sender);
        let _closed = connection.await;
        let cookies: Vec<&str> = head
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok())
            .collect();
        witness::got(path, head.status.as_u16(), &cookies, &format!("{:?} {body}", head.headers));
        Reply { status: head.status.as_u16(), headers: head.headers, body, length }
    }

    /// Sends a request with an `Authorization` header.
    pub async fn ask(&self, method: &str, path: &str, authorization: &str) -> Reply {
        self.send(method, path, &[("Authorization", authorization)]).await
    }

    /// Returns whether the stack's port rejects connections.
    pub async fn is_rejected(&self) -> bool {
        TcpStream::connect(("localhost", self.port)).await.is_err()
    }
}

impl Reply {
    /// Parses the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Returns the value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("port", &self.port).finish_non_exhaustive()
    }
}
