//! A Secrets Manager emulator with one secret, the keyring, which it keeps in a file. The functions fetch the keyring
//! through the AWS SDK, as they do on AWS, and `hallpass key` changes it the same way.

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

/// A running emulator. Dropping it stops it.
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

/// The largest request, in bytes. A keyring of four keys has less than 2 KB.
const MAX_REQUEST_LENGTH: usize = 65_536;

impl Secrets {
    /// Starts an emulator with this keyring for callers that name the access key. Changes are written to `file`.
    ///
    /// # Errors
    /// Returns a [`StartError`] if no port is free.
    pub async fn start(access_key_id: String, keyring: &Keyring, file: Option<PathBuf>) -> Result<Self, StartError> {
        let io = |error: std::io::Error| StartError::new("cannot start the secrets emulator", error.to_string());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let vault = Vault { secret: Mutex::new(keyring.to_json()), file };
        let respond = move |call: Call| vault.respond(&call);
        let guard = Guard::new(&access_key_id);
        let serving = tokio::spawn(guard::serve(listener, guard, MAX_REQUEST_LENGTH, respond, pending()));
        Ok(Self { address, serving })
    }

    /// Returns the URL of the emulator.
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
    fn respond(&self, call: &Call) -> Response<Full<Bytes>> {
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
    guard::reject(kind, "rejected by the emulator")
}

fn respond(body: &Value) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(body.to_string())))
}
