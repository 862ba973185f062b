//! A stand-in for Secrets Manager that holds one secret, the keyring, in a file. The functions fetch and refresh their
//! keyring through the AWS SDK, as they do on AWS, and `hallpass key` changes it the same way.

use std::{
    future::pending,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};
use token::{Keyring, Text};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    StartError, files,
    guard::{self, Call, Guard},
};

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct Secrets {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// The secret.
#[derive(Debug)]
struct Vault {
    secret: Mutex<Text>,
    file: Option<PathBuf>,
}

/// The largest request: a keyring of four keys is under 2 KB.
const LARGEST: usize = 65_536;

impl Secrets {
    /// Starts a stand-in that holds this keyring for who names the access key, and keeps changes in `file`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(access_key_id: String, keyring: &Keyring, file: Option<PathBuf>) -> Result<Self, StartError> {
        let io = |error: std::io::Error| StartError::new("cannot start the secrets", error.to_string());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let vault = Vault { secret: Mutex::new(keyring.to_json()), file };
        let answer = move |call: Call| vault.answer(&call);
        let guard = Guard::new(&access_key_id);
        let serving = tokio::spawn(guard::serve(listener, guard, LARGEST, answer, pending()));
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
    fn answer(&self, call: &Call) -> Response<Full<Bytes>> {
        match call.target.as_str() {
            "secretsmanager.GetSecretValue" => {
                let secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
                respond(&json!({"Name": "KeyRing", "SecretString": secret.expose_secret()}))
            }
            "secretsmanager.PutSecretValue" => self.put(&call.body),
            _ => reject("InvalidRequestException"),
        }
    }

    fn put(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let secret = serde_json::from_slice::<Value>(body).ok();
        let secret = secret.as_ref().and_then(|body| body.get("SecretString")).and_then(Value::as_str);
        let Some(secret) = secret.filter(|secret| Keyring::parse(secret).is_ok()) else {
            return reject("InvalidParameterException");
        };
        if let Some(file) = &self.file
            && files::write_private(file, secret).is_err()
        {
            return reject("InternalServiceError");
        }
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = Text::new(secret);
        respond(&json!({"Name": "KeyRing"}))
    }
}

fn reject(kind: &str) -> Response<Full<Bytes>> {
    guard::reject(kind, "the stand-in rejected")
}

fn respond(body: &Value) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(body.to_string())))
}
