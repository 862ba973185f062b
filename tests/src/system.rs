//! The whole stack as a client of one of the five systems uses it: HTTPS with bodies, and a clock
//! that the test moves.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_dev::{Dev, Options};
use hallpass_sinks::Bucket;
use hallpass_store::Store;
use hallpass_token::{Keyring, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    KEYS,
    api::{bearer, text},
    basic,
    client::{Client, Reply},
    engine::{Engine, settings_of},
    remote::Remote,
    witness,
};

/// A running stack with its own data directory, and a client that trusts it.
#[derive(Debug)]
pub struct System {
    dev: Dev,
    client: Client,
    time: Arc<AtomicU64>,
    /// The tables, unless they are in the stack's own engine.
    remote: Option<Remote>,
    data: TempDir,
}

impl System {
    /// Starts a stack with settings that override the template's.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, |_| {}).await
    }

    /// Starts a stack with adjusted options.
    pub async fn start_with(
        settings: &[(&str, &str)],
        adjust: impl FnOnce(&mut Options) + Send,
    ) -> Self {
        let data = TempDir::new().unwrap();
        // Certificates are checked against the machine's clock, so the test's clock starts there.
        let time = Arc::new(AtomicU64::new(hallpass_runtime::clock::now().unix()));
        let clock = Arc::clone(&time);
        let remote = Engine::remote().await;
        let of_engine =
            remote.iter().flat_map(|remote| settings_of(&remote.endpoint(), &remote.suffix));
        let own = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut options = Options {
            data: data.path().to_owned(),
            port: 0,
            fresh: false,
            prune: false,
            authorizer_cache: None,
            application: None,
            access_log: None,
            base_path: String::new(),
            settings: of_engine.chain(own).collect(),
            keys: Some(hallpass_token::Text::new(KEYS)),
            clock: Arc::new(move || Timestamp::from_unix(clock.load(Ordering::SeqCst)).unwrap()),
        };
        adjust(&mut options);
        let dev = hallpass_dev::start(options).await.unwrap();
        let client = Client::of(data.path(), &dev.url);
        Self { dev, client, time, remote, data }
    }

    /// Returns the current time of the test.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.time.load(Ordering::SeqCst)).unwrap()
    }

    /// Moves the clock to the machine's time, which another process goes by.
    pub fn catch_up(&self) {
        self.time.store(hallpass_runtime::clock::now().unix(), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, seconds: u64) {
        self.time.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Returns the path of the certificate authority.
    pub fn authority(&self) -> std::path::PathBuf {
        self.data.path().join("ca.pem")
    }

    /// Returns the URL of the stack.
    pub fn url(&self) -> &str {
        &self.dev.url
    }

    /// Returns the data directory, which contains the certificate authority.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Sends a request on a new connection.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        self.client.send_with(method, path, headers, body).await
    }

    /// Sends a request with an `Authorization` header and no body.
    pub async fn ask(&self, method: &str, path: &str, authorization: &str) -> Reply {
        self.send(method, path, &[("Authorization", authorization)], "").await
    }

    /// Sends a request with an `Authorization` header and a JSON body.
    pub async fn json(&self, method: &str, path: &str, authorization: &str, body: &Value) -> Reply {
        let headers = [("Authorization", authorization), ("Content-Type", "application/json")];
        self.send(method, path, &headers, &body.to_string()).await
    }

    /// Sends a `POST` request with an `Authorization` header and a form.
    pub async fn form(&self, path: &str, authorization: &str, form: &str) -> Reply {
        let headers = [
            ("Authorization", authorization),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        self.send("POST", path, &headers, form).await
    }

    /// Creates a token of services_token for the user with this name and password.
    pub async fn token_of(&self, name: &str, password: &str) -> String {
        let reply = self.ask("POST", "/api/services_token/generate", &basic(name, password)).await;
        reply.body_of(200)["token"].as_str().unwrap().to_owned()
    }

    /// Sends `POST /tokens` with a token and returns the body of the response, which must be a 201.
    pub async fn created(&self, token: &str, body: &Value) -> Value {
        self.json("POST", "/tokens", &bearer(token), body).await.body_of(201)
    }

    /// Returns the verdict of the protected API on a token: `allow`, or the rejection reason.
    pub async fn verdict(&self, token: &str) -> String {
        let reply = self.ask("GET", "/rs/profile", &bearer(token)).await;
        match reply.status {
            200 => "allow".to_owned(),
            _ => reply.body_of(401)["reason"].as_str().unwrap().to_owned(),
        }
    }

    /// Returns access to the tables of the stack.
    pub fn store(&self) -> Store {
        let lookup = self.dev.stack.lookup();
        let connection = hallpass_service::service::connection(&lookup).unwrap();
        Store::new(connection.dynamodb(), hallpass_service::service::tables(&lookup).unwrap())
    }

    /// Returns access to the bucket of the audit log.
    pub fn audit_log(&self) -> Bucket {
        let lookup = self.dev.stack.lookup();
        let connection = hallpass_service::service::connection(&lookup).unwrap();
        hallpass_sinks::bucket(&connection, &lookup).unwrap().unwrap()
    }

    /// Sets an attribute of a user, as an application does.
    pub async fn set_user(&self, id: &str, attribute: &str, value: AttributeValue) {
        let dynamodb =
            hallpass_service::service::connection(&self.dev.stack.lookup()).unwrap().dynamodb();
        let table = self.remote.as_ref().map_or("Users".to_owned(), |remote| remote.table("Users"));
        let call = dynamodb.update_item().table_name(table).key("user_id", text(id));
        let call =
            call.update_expression("SET #a = :a").expression_attribute_names("#a", attribute);
        call.expression_attribute_values(":a", value).send().await.unwrap();
    }

    /// Delivers the pending records of the user stream to prune.
    pub async fn drain(&self) {
        self.dev.delivery.drain().await.unwrap();
    }

    /// Delivers the pending records of the token stream to notify.
    pub async fn drain_tokens(&self) {
        self.dev.notifications.drain().await.unwrap();
    }

    /// Returns the running stack.
    pub const fn dev(&self) -> &Dev {
        &self.dev
    }

    /// Returns the details of the events that were published so far, in their order.
    pub fn events(&self) -> Vec<Value> {
        let lines = std::fs::read_to_string(self.data().join("events.jsonl")).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["detail"].clone())
            .collect()
    }

    /// Stops the stack.
    pub async fn stop(self) {
        self.dev.stop().await;
        witness::sees_files(self.data.path());
        self.data.close().unwrap();
    }
}

impl Reply {
    /// Parses the body as JSON. The response must have this status and must not be cacheable,
    /// because it is about credentials.
    pub fn body_of(&self, status: u16) -> Value {
        assert_eq!(
            (self.status, self.header("cache-control")),
            (status, "no-store"),
            "{}",
            self.body
        );
        let media_type = if status < 400 { "application/json" } else { "application/problem+json" };
        assert_eq!(self.header("content-type"), media_type, "{}", self.body);
        self.json()
    }

    /// Returns the challenges of a function. API Gateway passes one of the two header names on and
    /// renames the other.
    pub fn challenges(&self) -> Vec<&str> {
        let all = |name| {
            self.headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        let bearer = all("x-www-authenticate");
        let is_page = self.header("content-type").starts_with("text/html");
        let both = |one: &&str| crate::with_basic(one, self.status == 401 && !is_page);
        assert_eq!(
            all("x-amzn-remapped-www-authenticate"),
            bearer.iter().map(both).collect::<Vec<_>>()
        );
        bearer
    }
}

/// Returns the member names of a JSON object, in order.
pub fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Returns the key with which other software verifies the JWTs of every test: the output of
/// `key export --jwt`.
pub fn exported_key() -> String {
    Keyring::parse(KEYS).unwrap().keys()[0].export_jwt().expose_secret().to_owned()
}
