//! The fixture of the tests: separate tables in a real engine, a clock that the test moves, and the
//! functions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hallpass_dev::{
    events,
    functions::{Clock, Functions},
    gateway::{FunctionError, Invoke},
    template::{Stream, Template},
};
use hallpass_service::Service;
use hallpass_store::{Store, marking::Invalidate};
use hallpass_token::{Actor, Cause, Origin, Timestamp};
use serde_json::{Value, json};

pub mod api;
pub mod capability;
pub mod client;
pub mod damage;
pub mod engine;
pub mod generated;
pub mod html;
pub mod identity_provider;
pub mod lines;
pub mod long;
pub mod pages;
pub mod policy;
pub mod remote;
pub mod request;
pub mod snapshot;
pub mod stream;
pub mod system;
pub mod tables;
pub mod tap;
pub mod web_client;
pub mod witness;

pub use api::{basic, with_basic};
use engine::Engine;
pub use request::Request;
use stream::Delivery;
use tap::Tap;

/// The start time of every test, in Unix seconds.
pub const START: u64 = 1_800_000_000;

/// The time limit of a request, unless a test is about that limit.
const PATIENCE: Duration = Duration::from_secs(120);

/// A keyring with one key, which signs.
pub const KEYS: &str =
    r#"[{"id":"test","key":"QsbwGHbgB93-JeQMiQPdWLWwL05TquTtANsX6niLpWY","signs_from":0}]"#;

/// The text of `template.yaml`.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// The template, parsed once per process: without optimisation that takes as long as twenty
/// verifications.
static PARSED: LazyLock<Template> = LazyLock::new(|| Template::parse(TEMPLATE).unwrap());

/// The functions on tables of their own, with the demo users.
pub struct World {
    /// The tables.
    pub store: Store,
    /// The engine's own client, for writes as an application does them.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The delivery of the user stream to prune. Nothing is delivered unless the test asks for it.
    pub delivery: Delivery,
    invoke: Invoke,
    environment: BTreeMap<String, String>,
    time: Arc<AtomicU64>,
    engine: Arc<Engine>,
}

/// An HTTP response of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
}

/// Returns how a change of a user invalidates tokens at the start time.
pub fn invalidate(fresh: u32) -> Invalidate {
    Invalidate { fresh, retention: Duration::from_secs(tables::RETENTION) }
}

/// The cause of a change that a test makes itself, at the start time.
pub const CAUSE: Cause<'static> = Cause {
    at: match Timestamp::from_unix(START) {
        Some(start) => start,
        None => Timestamp::EPOCH,
    },
    actor: Actor::System,
    origin: Origin { source_ip: None, request_id: None, agent: None },
    reason: None,
};

/// Returns the stream that a function reads.
fn stream_of(template: &Template, function: &str) -> Stream {
    let mut streams = template.streams.iter();
    streams.find(|stream| stream.function == function).unwrap().clone()
}

impl World {
    /// Creates a world with the default settings.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Creates a world with settings that override the template's.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::beginning_at(START, settings).await
    }

    /// Creates a world that starts at another time.
    pub async fn beginning_at(start: u64, settings: &[(&str, &str)]) -> Self {
        let engine = Engine::start(start).await;
        let endpoint = engine.endpoint();
        Self::over(engine, start, &endpoint, settings).await
    }

    /// Creates a world whose functions reach the engine through a tap. The test's own clients
    /// bypass it.
    pub async fn tapped(settings: &[(&str, &str)]) -> (Self, Tap) {
        let engine = Engine::start(START).await;
        let tap = Tap::over(&engine).await;
        (Self::over(engine, START, &tap.endpoint(), settings).await, tap)
    }

    async fn over(engine: Engine, start: u64, endpoint: &str, settings: &[(&str, &str)]) -> Self {
        let mut environment: BTreeMap<String, String> = [
            ("AWS_REGION", engine::REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("HALLPASS_KEYS", KEYS),
            ("HALLPASS_KEYS_SECRET", ""),
            // A world has neither S3 nor KMS: a `System` has.
            ("HALLPASS_AUDIT_BUCKET", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(engine.settings());
        environment.insert(engine::ENDPOINT.to_owned(), endpoint.to_owned());
        environment
            .extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let world = Self::of(Arc::new(engine), Arc::new(AtomicU64::new(start)), environment);
        hallpass_dev::demo::add(&world.store, |text| Some(api::cheap_hash(text)), 5).await.unwrap();
        world
    }

    /// Creates functions with this environment on this engine.
    fn of(
        engine: Arc<Engine>,
        time: Arc<AtomicU64>,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let template = &*PARSED;
        let clock: Clock = {
            let time = Arc::clone(&time);
            Arc::new(move || Timestamp::from_unix(time.load(Ordering::SeqCst)).unwrap())
        };
        let functions = Functions::new(template, &environment, clock).unwrap();
        // On a busy machine a request of many calls takes longer than on AWS.
        let invoke = functions.with_request_limit(PATIENCE).invoke();
        let mut own = environment.clone();
        own.extend(engine.settings());
        let lookup = |name: &str| own.get(name).cloned();
        // Tests send many requests at once, and run in parallel.
        let dynamodb = hallpass_service::service::connection(&lookup).unwrap().patient_dynamodb();
        Self {
            store: Store::new(
                dynamodb.clone(),
                hallpass_service::service::tables(&lookup).unwrap(),
            ),
            dynamodb,
            delivery: Delivery::new(
                Arc::clone(&engine),
                Arc::clone(&invoke),
                stream_of(template, "Prune"),
                Arc::clone(&time),
            ),
            invoke,
            time,
            engine,
            environment,
        }
    }

    /// Creates the functions again, on the same tables, through a tap of their own.
    pub async fn tapped_once_more(&self) -> (Invoke, Tap) {
        let tap = Tap::over(&self.engine).await;
        let mut environment = self.environment.clone();
        environment.insert(engine::ENDPOINT.to_owned(), tap.endpoint());
        let now = self.now();
        (Functions::new(&PARSED, &environment, Arc::new(move || now)).unwrap().invoke(), tap)
    }

    /// Creates another instance of every function, with the same tables and clock and nothing in
    /// memory.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of(Arc::clone(&self.engine), Arc::clone(&self.time), self.environment.clone())
    }

    /// Creates another instance of every function, with the same tables and clock and other
    /// settings.
    #[must_use]
    pub fn another_with(&self, settings: &[(&str, &str)]) -> Self {
        let mut environment = self.environment.clone();
        environment
            .extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::of(Arc::clone(&self.engine), Arc::clone(&self.time), environment)
    }

    /// Returns the environment of the functions.
    pub const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Returns the service that the functions use.
    pub fn service(&self) -> Service {
        Service::new(&|name| self.environment.get(name).cloned()).unwrap()
    }

    /// Returns the records of the user stream since the last call with the same `place`, in the
    /// form that Lambda receives. The first `place` is empty.
    pub fn user_stream_after(&self, place: &mut String) -> Vec<Value> {
        self.engine.user_stream_after(place, self.now().unix())
    }

    /// Delivers records to prune as Lambda does, and returns those that it gave up on.
    pub async fn deliver(&self, records: Vec<Value>) -> Vec<Value> {
        events::deliver(&self.invoke, "Prune", records).await
    }

    /// Returns every record of the user stream so far, in the form that Lambda receives.
    pub fn user_stream(&self) -> Vec<Value> {
        self.engine.user_stream(self.now().unix())
    }

    /// Moves every clock forward.
    pub fn advance(&self, seconds: u64) {
        let before = self.time.fetch_add(seconds, Ordering::SeqCst);
        self.engine.advance(before, before + seconds);
    }

    /// Returns the engine's own timestamp of the last change of a user.
    pub fn stamp_of_last_change(&self) -> Value {
        self.engine.stamp_of_last_change(self.now().unix())
    }

    /// Turns TTL on or off for a table that has none in the template.
    pub async fn set_ttl(&self, table: &str, attribute: &str, enabled: bool) {
        let specification = json!({"AttributeName": attribute, "Enabled": enabled});
        let request =
            json!({"TableName": self.table(table), "TimeToLiveSpecification": specification});
        self.call("UpdateTimeToLive", &request).await.unwrap();
    }

    /// Deletes expired items, if the engine does so only on demand.
    pub fn sweep_ttl(&self) {
        self.engine.sweep_ttl();
    }

    /// Calls an operation of the engine without the SDK.
    ///
    /// # Errors
    /// Returns the error message of the engine.
    pub async fn call(&self, operation: &str, body: &Value) -> Result<Value, String> {
        remote::call(&self.engine.authority(), remote::TABLES, operation, body).await
    }

    /// Returns the engine's name of a table of the template.
    pub fn table(&self, name: &str) -> String {
        self.engine.table(name)
    }

    /// Returns the current time of the test.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.time.load(Ordering::SeqCst)).unwrap()
    }

    /// Invokes a function, by its name in the template, with an event.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, FunctionError> {
        witness::sends_event(&event);
        let outcome = (self.invoke)(function, event).await;
        match &outcome {
            Ok(response) => witness::got_event(function, response),
            Err(error) => witness::saw(function, &format!("{error:?} {}", error.message)),
        }
        witness::testify();
        outcome
    }

    /// Sends a request to a function as a REST API does. `route` may have parameters:
    /// `/tokens/{id}`.
    pub async fn send(&self, function: &str, request: Request) -> Response {
        Response::new(&self.invoke(function, request.event()).await.unwrap())
    }

    /// Sends `POST /api/services_token/generate` with an `Authorization` header.
    pub async fn generate(&self, authorization: &str) -> Response {
        self.send(
            "Generate",
            Request::new("POST", "/api/services_token/generate").authorization(authorization),
        )
        .await
    }

    /// Creates a token for `my_username`.
    pub async fn token(&self) -> String {
        self.token_of("my_username", "topsecret").await
    }

    /// Creates a token for the user with this name and password.
    pub async fn token_of(&self, name: &str, password: &str) -> String {
        let response = self.generate(&basic(name, password)).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()["token"].as_str().unwrap().to_owned()
    }

    /// Returns the verdict of the authorizer of a REST API on an `Authorization` header: `allow`,
    /// or the rejection reason.
    pub async fn verdict(&self, authorization: &str) -> String {
        let event =
            Request::new("GET", "/api/user/1").authorization(authorization).authorizer_event();
        match self.invoke("VerifyAuthorizer", event).await {
            Ok(response) => {
                match response["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap() {
                    "Allow" => "allow".to_owned(),
                    _ => response["context"]["reason"].as_str().unwrap().to_owned(),
                }
            }
            Err(error) => format!("error: {}", error.message),
        }
    }
}

impl Response {
    /// Reads the response of a function to a REST API.
    pub fn new(response: &Value) -> Self {
        let headers = response["multiValueHeaders"].as_object().cloned().unwrap_or_default();
        let text = |value: &Value| {
            let values: Vec<&str> =
                value.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
            values.join(", ")
        };
        Self {
            status: response["statusCode"].as_u64().unwrap().try_into().unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_lowercase(), text(value)))
                .collect(),
            body: response["body"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// Parses the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Returns the value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// Leaves out the environment, which contains the keyring.
impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("store", &self.store)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}
