//! A Secrets Manager emulator with one secret, the keyring, which it keeps in a file. The functions
//! fetch the keyring through the AWS SDK, as they do on AWS, and `hallpass key` changes it the same
//! way.

use std::{
    future::pending,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use hallpass_runtime::files;
use hallpass_token::{Keyring, Text};
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    StartError,
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
    versions: Mutex<Versions>,
    file: Option<PathBuf>,
}

/// The current version, which functions fetch, and the pending one: the last one written with
/// another staging label.
#[derive(Debug)]
struct Versions {
    current: Version,
    pending: Option<Version>,
}

#[derive(Debug)]
struct Version {
    id: String,
    secret: Text,
}

/// The name of the secret.
const NAME: &str = "KeyRing";

/// The ID of the current version at the start.
const FIRST_VERSION: &str = "00000000-0000-4000-8000-000000000000";

/// The largest request, in bytes. A keyring of four keys has less than 2 KB.
const MAX_REQUEST_LENGTH: usize = 65_536;

impl Secrets {
    /// Starts an emulator with this keyring for callers that name the access key. Changes are
    /// written to `file`.
    ///
    /// # Errors
    /// Returns a [`StartError`] if no port is free.
    pub async fn start(
        access_key_id: String,
        keyring: &Keyring,
        file: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        let io = |error: std::io::Error| {
            StartError::new("cannot start the secrets emulator", error.to_string())
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let current = Version { id: FIRST_VERSION.to_owned(), secret: keyring.to_json() };
        let vault = Vault { versions: Mutex::new(Versions { current, pending: None }), file };
        let respond = move |call: Call| vault.respond(&call);
        let guard = Guard::new(&access_key_id);
        let serving =
            tokio::spawn(guard::serve(listener, guard, MAX_REQUEST_LENGTH, respond, pending()));
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
            "secretsmanager.GetSecretValue" if !is_of_keyring(&call.body) => {
                reject("ResourceNotFoundException")
            }
            "secretsmanager.GetSecretValue" => {
                let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
                let Version { id, secret } = &versions.current;
                respond(
                    &json!({"Name": NAME, "VersionId": id, "SecretString": secret.expose_secret()}),
                )
            }
            "secretsmanager.PutSecretValue" => self.put(&call.body),
            "secretsmanager.UpdateSecretVersionStage" => self.move_current(&call.body),
            _ => reject("InvalidRequestException"),
        }
    }

    /// Writes a version. It becomes the current one unless the request has other staging labels.
    fn put(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let member = |name: &str| body.get(name).and_then(Value::as_str);
        let secret = member("SecretString").filter(|secret| Keyring::parse(secret).is_ok());
        let (Some(secret), Some(id)) = (secret, member("ClientRequestToken")) else {
            return reject("InvalidParameterException");
        };
        let version = Version { id: id.to_owned(), secret: Text::new(secret) };
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if body.get("VersionStages").is_some() {
            versions.pending = Some(version);
        } else if self.make_current(&mut versions, version).is_err() {
            return reject("InternalServiceError");
        }
        respond(&json!({"Name": NAME, "VersionId": id}))
    }

    /// Makes the pending version the current one, if the current one is still the version that the
    /// caller names.
    fn move_current(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let member = |name: &str| body.get(name).and_then(Value::as_str);
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let is_pending = |version: &Version| member("MoveToVersionId") == Some(&version.id);
        if member("VersionStage") != Some("AWSCURRENT")
            || member("RemoveFromVersionId") != Some(&versions.current.id)
        {
            return reject("InvalidParameterException");
        }
        let Some(version) = versions.pending.take_if(|version| is_pending(version)) else {
            return reject("InvalidParameterException");
        };
        match self.make_current(&mut versions, version) {
            Ok(()) => respond(&json!({"Name": NAME})),
            Err(_) => reject("InternalServiceError"),
        }
    }

    fn make_current(&self, versions: &mut Versions, version: Version) -> std::io::Result<()> {
        if let Some(file) = &self.file {
            files::write_private(file, version.secret.expose_secret())?;
        }
        versions.current = version;
        Ok(())
    }
}

/// Whether a request names the keyring. Another secret, such as that of a client of an identity
/// provider, must not get the keys in its place.
fn is_of_keyring(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("SecretId").and_then(Value::as_str) == Some(NAME)
}

fn reject(kind: &str) -> Response<Full<Bytes>> {
    guard::reject(kind, "rejected by the emulator")
}

fn respond(body: &Value) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(body.to_string())))
}
