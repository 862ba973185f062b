//! A stand-in for Secrets Manager that holds one secret, the key ring, in a file. The functions fetch and refresh their
//! ring through the AWS SDK, as they do on AWS, and `hallpass key` changes it the same way.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use token::{Keyring, Text};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{StartError, files};

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct Secrets {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// The secret and who may see it.
#[derive(Debug)]
struct Vault {
    /// Unlike a table, a ring is worth a lock: every process of the machine reaches the port, so that the caller must
    /// name the access key of this stack.
    access_key_id: String,
    secret: Mutex<Text>,
    file: Option<PathBuf>,
}

/// The largest request: a ring of four keys is under 2 KB.
const LARGEST: usize = 65_536;

impl Secrets {
    /// Starts a stand-in that holds this ring, and keeps changes in `file`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(access_key_id: String, ring: &Keyring, file: Option<PathBuf>) -> Result<Self, StartError> {
        let io = |error: std::io::Error| StartError::new("cannot start the secrets", error.to_string());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let vault = Arc::new(Vault { access_key_id, secret: Mutex::new(ring.to_json()), file });
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let vault = Arc::clone(&vault);
                let answer = service_fn(move |request| {
                    let vault = Arc::clone(&vault);
                    async move { Ok::<_, Infallible>(vault.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Ok(Self { address, serving })
    }

    /// Where it answers.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Vault {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let credential = format!("Credential={}/", self.access_key_id);
        if !header(AUTHORIZATION.as_str()).contains(&credential) {
            return refuse("AccessDeniedException");
        }
        let target = header("x-amz-target").to_owned();
        let Ok(body) = Limited::new(request.into_body(), LARGEST).collect().await else {
            return refuse("InvalidRequestException");
        };
        match target.as_str() {
            "secretsmanager.GetSecretValue" => {
                let secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
                respond(StatusCode::OK, &json!({"Name": "KeyRing", "SecretString": secret.reveal()}))
            }
            "secretsmanager.PutSecretValue" => self.put(&body.to_bytes()),
            _ => refuse("InvalidRequestException"),
        }
    }

    fn put(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let secret = serde_json::from_slice::<Value>(body).ok();
        let secret = secret.as_ref().and_then(|body| body.get("SecretString")).and_then(Value::as_str);
        let Some(secret) = secret.filter(|secret| Keyring::parse(secret).is_ok()) else {
            return refuse("InvalidParameterException");
        };
        if let Some(file) = &self.file
            && files::write_private(file, secret).is_err()
        {
            return refuse("InternalServiceError");
        }
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = Text::new(secret);
        respond(StatusCode::OK, &json!({"Name": "KeyRing"}))
    }
}

fn refuse(kind: &str) -> Response<Full<Bytes>> {
    respond(StatusCode::BAD_REQUEST, &json!({"__type": kind, "message": "the stand-in refused"}))
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}
