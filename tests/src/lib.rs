//! The world of a test: a real engine in this process, a clock that the test moves, and the five functions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64ct::{Base64, Encoding};
use dynoxide::{Database, storage_backend::ManualClock};
use hallpass::dev::{
    engine::Engine,
    events::Delivery,
    functions::{Clock, Functions},
    gateway::{FunctionError, Invoke},
    template::Template,
};
use serde_json::{Map, Value, json};
use store::Store;
use token::Timestamp;

pub mod api;
pub mod client;
pub mod html;
pub mod pages;
pub mod system;
pub mod tables;
pub mod tap;

use tap::Tap;

/// When every test begins.
pub const START: u64 = 1_800_000_000;

/// A ring with one key, which signs.
pub const KEYS: &str = r#"[{"id":"test","key":"dGVzdHMgb25seTogbm90IGEgc2VjcmV0IG9mIGFueWJvZHkgMTI","signs_from":0}]"#;

/// What `template.yaml` says.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// The functions over an engine of their own, with the demo users.
#[derive(Debug)]
pub struct World {
    /// The tables.
    pub store: Store,
    /// The engine's own client, for writes as an application makes them.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The delivery of the user stream to prune; nothing is delivered unless the test asks for it.
    pub delivery: Delivery,
    invoke: Invoked,
    time: Arc<AtomicU64>,
    engine_clock: ManualClock,
    engine: Engine,
}

struct Invoked(Invoke);

/// An HTTP answer of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
}

impl World {
    /// A world with the default settings.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A world with these settings in front of the template's.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let (engine, engine_clock) = engine();
        let endpoint = engine.endpoint();
        Self::over(engine, engine_clock, &endpoint, settings).await
    }

    /// A world whose functions reach the engine through a tap. The test's own clients reach it past the tap.
    pub async fn tapped(settings: &[(&str, &str)]) -> (Self, Tap) {
        let (engine, engine_clock) = engine();
        let tap = Tap::start(&engine.endpoint()).await;
        (Self::over(engine, engine_clock, &tap.endpoint(), settings).await, tap)
    }

    async fn over(engine: Engine, engine_clock: ManualClock, endpoint: &str, settings: &[(&str, &str)]) -> Self {
        let template = Template::parse(TEMPLATE).unwrap();
        let mut environment: BTreeMap<String, String> = [
            ("AWS_REGION", "local"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("HALLPASS_DYNAMODB_ENDPOINT", endpoint),
            ("HALLPASS_KEYS", KEYS),
            ("HALLPASS_KEYS_SECRET", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let time = Arc::new(AtomicU64::new(START));
        let clock: Clock = {
            let time = Arc::clone(&time);
            Arc::new(move || Timestamp::from_unix(time.load(Ordering::SeqCst)).unwrap())
        };
        let functions = Functions::new(&template, &environment, clock).unwrap();
        for table in ["USERS", "TOKENS", "ATTEMPTS"] {
            let name = table[..1].to_owned() + &table[1..].to_lowercase();
            environment.insert(format!("HALLPASS_{table}_TABLE"), name);
        }
        environment.insert("HALLPASS_DYNAMODB_ENDPOINT".to_owned(), engine.endpoint());
        let lookup = |name: &str| environment.get(name).cloned();
        let store = edge::service::store(&lookup).unwrap();
        hallpass::dev::demo::add(&store, [7; 16], 5).await.unwrap();
        let invoke = functions.invoke();
        let stream = template.streams[0].clone();
        Self {
            dynamodb: edge::service::connection(&lookup).unwrap().dynamodb(),
            delivery: Delivery::new(engine.database(), Arc::clone(&invoke), stream, None),
            invoke: Invoked(invoke),
            store,
            time,
            engine_clock,
            engine,
        }
    }

    /// Every record of the user stream so far, as Lambda gets it.
    pub fn user_stream(&self) -> Vec<Value> {
        self.engine.database().stream_after("Users", None, 1_000).unwrap().records
    }

    /// Moves every clock.
    pub fn advance(&self, seconds: u64) {
        let now = self.time.fetch_add(seconds, Ordering::SeqCst) + seconds;
        self.engine_clock.set(now);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.time.load(Ordering::SeqCst)).unwrap()
    }

    /// Invokes a function, by its name in the template, with an event.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, FunctionError> {
        (self.invoke.0)(function, event).await
    }

    /// Sends a request to a function the way a REST API does. `route` may have parameters: `/tokens/{id}`.
    pub async fn send(&self, function: &str, request: Request) -> Answer {
        let answer = self.invoke(function, request.event()).await.unwrap();
        let headers = answer["multiValueHeaders"].as_object().cloned().unwrap_or_default();
        let text = |value: &Value| {
            let values: Vec<&str> = value.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
            values.join(", ")
        };
        Answer {
            status: answer["statusCode"].as_u64().unwrap().try_into().unwrap(),
            headers: headers.iter().map(|(name, value)| (name.to_lowercase(), text(value))).collect(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// `POST /api/services_token/generate` with this `Authorization`.
    pub async fn generate(&self, authorization: &str) -> Answer {
        self.send("Generate", Request::new("POST", "/api/services_token/generate").authorization(authorization)).await
    }

    /// A token for `my_username`.
    pub async fn token(&self) -> String {
        self.token_of("my_username", "topsecret").await
    }

    /// A token for whoever has this name and password.
    pub async fn token_of(&self, name: &str, password: &str) -> String {
        let answer = self.generate(&basic(name, password)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// What the authorizer of a REST API says of this `Authorization`: `allow`, or the reason of its refusal.
    pub async fn verdict(&self, authorization: &str) -> String {
        let event = Request::new("GET", "/api/user/1").authorization(authorization).authorizer_event();
        match self.invoke("VerifyAuthorizer", event).await {
            Ok(answer) => match answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap() {
                "Allow" => "allow".to_owned(),
                _ => answer["context"]["reason"].as_str().unwrap().to_owned(),
            },
            Err(error) => format!("error: {}", error.message),
        }
    }
}

/// A request, as a test says it.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    route: String,
    parameters: Map<String, Value>,
    query: Map<String, Value>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    source_ip: String,
    authorizer: Value,
}

impl Request {
    /// A request to this route.
    pub fn new(method: &str, route: &str) -> Self {
        Self {
            method: method.to_owned(),
            route: route.to_owned(),
            parameters: Map::new(),
            query: Map::new(),
            headers: Vec::new(),
            body: None,
            source_ip: "192.0.2.1".to_owned(),
            authorizer: json!({}),
        }
    }

    /// One header `Authorization` more.
    #[must_use]
    pub fn authorization(self, value: &str) -> Self {
        self.header("Authorization", value)
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A parameter of the route.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), value.into());
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(&body.to_string())
    }

    /// A body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Another source address.
    #[must_use]
    pub fn from_ip(mut self, source_ip: &str) -> Self {
        source_ip.clone_into(&mut self.source_ip);
        self
    }

    /// What an authorizer said.
    #[must_use]
    pub fn authorized_as(mut self, context: Value) -> Self {
        self.authorizer = context;
        self
    }

    fn path(&self) -> String {
        self.parameters.iter().fold(self.route.clone(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default())
        })
    }

    /// The proxy event of a REST API.
    pub fn event(&self) -> Value {
        let mut event = self.authorizer_event();
        event["requestContext"]["authorizer"] = self.authorizer.clone();
        event["body"] = self.body.clone().into();
        event["isBase64Encoded"] = false.into();
        let members = event.as_object_mut().unwrap();
        members.remove("type");
        members.remove("methodArn");
        event
    }

    /// The `REQUEST` authorizer event of a REST API.
    pub fn authorizer_event(&self) -> Value {
        let (mut single, mut multi) = (Map::new(), Map::new());
        for (name, value) in &self.headers {
            single.insert(name.clone(), value.clone().into());
            let values = multi.entry(name.clone()).or_insert_with(|| json!([]));
            values.as_array_mut().unwrap().push(value.clone().into());
        }
        let path = self.path();
        let lists = |map: &Map<String, Value>| -> Map<String, Value> {
            map.iter().map(|(name, value)| (name.clone(), json!([value]))).collect()
        };
        json!({
            "type": "REQUEST",
            "methodArn": format!("arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/v1/{}{path}", self.method),
            "resource": self.route,
            "path": path,
            "httpMethod": self.method,
            "headers": single,
            "multiValueHeaders": multi,
            "queryStringParameters": self.query,
            "multiValueQueryStringParameters": lists(&self.query),
            "pathParameters": self.parameters,
            "stageVariables": null,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abcdef1234",
                "httpMethod": self.method,
                "identity": {"sourceIp": self.source_ip},
                "path": format!("/v1{path}"),
                "protocol": "HTTP/1.1",
                "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "resourceId": "123456",
                "resourcePath": self.route,
                "stage": "v1",
            },
        })
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

fn engine() -> (Engine, ManualClock) {
    let clock = ManualClock::new(START);
    let database = Database::memory_with_clock(clock.arc()).unwrap();
    (Engine::start(database, &Template::parse(TEMPLATE).unwrap().tables).unwrap(), clock)
}

/// `Basic` with a user name and a password (RFC 7617).
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("{username}:{password}").as_bytes()))
}

impl std::fmt::Debug for Invoked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invoked")
    }
}
