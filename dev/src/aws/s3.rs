//! S3 over a directory, with the crates `s3s` and `s3s-fs`. It has one bucket and the operations on
//! objects that the audit log needs.

use std::{fs::DirBuilder, net::SocketAddr, os::unix::fs::DirBuilderExt, path::Path};

use async_trait::async_trait;
use http::{Request, Response, StatusCode, header::ORIGIN};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::{
    Body, HttpError, HttpResponse, S3Result,
    auth::{S3Auth, SecretKey},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Access, Server, StartError, listen};
use crate::guard;

mod objects;
#[cfg(test)]
mod tests;

pub use objects::MAX_KEY_LENGTH;
use objects::Objects;

/// The directory of the objects in a data directory.
pub const DIRECTORY: &str = "s3";

/// The bucket of the audit log.
pub const BUCKET: &str = "hallpass-audit";

/// A running S3. Dropping it stops it, with its connections.
#[derive(Debug)]
pub(super) struct S3(Server);

impl S3 {
    /// Starts S3 over a directory, and creates the directory and the bucket if they do not exist.
    ///
    /// # Errors
    /// Returns a [`StartError`] if no port is free or the directory cannot be used.
    pub(super) async fn start(directory: &Path, access: &Access) -> Result<Self, StartError> {
        let failed = || format!("cannot use {}", directory.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory.join(BUCKET))
            .map_err(|error| StartError::new(failed(), error))?;
        // Its error has no text.
        let files = FileSystem::new(directory)
            .map_err(|error| StartError::new(failed(), format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(Objects::new(files, directory));
        builder.set_auth(access.clone());
        let (listener, address): (TcpListener, SocketAddr) = listen("S3").await?;
        let serving = tokio::spawn(serve(listener, builder.build()));
        Ok(Self(Server::new(address, &serving)))
    }

    /// Returns the URL of S3.
    pub(super) fn endpoint(&self) -> String {
        self.0.endpoint()
    }
}

#[async_trait]
impl S3Auth for Access {
    async fn get_secret_key(&self, access_key_id: &str) -> S3Result<SecretKey> {
        if access_key_id != self.access_key_id {
            return Err(s3_error!(InvalidAccessKeyId));
        }
        Ok(SecretKey::from(self.secret_access_key.expose_secret()))
    }
}

/// Serves S3 until the task is aborted, and every connection with it.
async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Remove a finished connection from the set.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, service.clone()))),
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

/// Serves one connection. Errors close it.
async fn connection(stream: TcpStream, service: S3Service) {
    let respond = service_fn(move |request| respond(service.clone(), request));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new());
    let _ended = server.serve_connection(TokioIo::new(stream), respond).await;
}

/// Rejects browsers and foreign host names, as [`guard`] does. The service verifies the signature.
async fn respond(
    service: S3Service,
    request: Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    if !guard::is_of_this_machine(request.headers()) {
        return Ok(empty(StatusCode::MISDIRECTED_REQUEST));
    }
    if request.headers().contains_key(ORIGIN) {
        return Ok(empty(StatusCode::FORBIDDEN));
    }
    service.call(request.map(Body::from)).await
}

fn empty(status: StatusCode) -> HttpResponse {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
