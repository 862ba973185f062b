//! `hallpass dev`: a complete stack in one process on this machine.
//!
//! It consists of the embedded DynamoDB engine, the tables that `template.yaml` declares, an HTTPS
//! server that behaves like API Gateway, the user stream that feeds prune, TTL, the schedule, and
//! demo users. The functions are the ones that are deployed, and receive the events that API
//! Gateway and Lambda send.

pub mod application;
pub mod aws;
pub mod ca;
pub mod demo;
pub mod engine;
pub mod events;
pub mod files;
pub mod front;
pub mod functions;
pub mod gateway;
pub mod guard;
pub mod secrets;
mod serving;
pub mod template;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hallpass_password::password;
use hallpass_runtime::{
    entropy,
    files::{read, remove, write_private},
    local::{RunningStack, STACK},
    settings,
};
use hallpass_service::service;
use hallpass_store::Store;
use hallpass_token::{Keyring, Text, keyring::Key};
use tokio::{sync::watch, task::JoinSet};

use self::{
    application::Application,
    aws::{Access, Aws},
    engine::{Engine, Retention},
    events::Delivery,
    files::DataDir,
    functions::{Clock, Functions},
    gateway::{Invoke, access},
    guard::{Credentials, Guard},
    secrets::Secrets,
    template::Template,
};

/// The description of tables, routes and schedules.
const TEMPLATE: &str = include_str!("../../template.yaml");

const AUTHORIZER_CACHE: &str = "HALLPASS_AUTHORIZER_CACHE_TTL";

/// The options of a development stack.
#[derive(Clone)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// The port of the HTTPS server; 0 takes a free one.
    pub port: u16,
    /// Whether to delete existing data first.
    pub fresh: bool,
    /// Whether prune runs, on the user stream and on its schedule.
    pub prune: bool,
    /// How long the gateway caches the authorizer's responses, in seconds. Overrides the template.
    pub authorizer_cache: Option<u32>,
    /// The path under which the API is mounted: empty, or a slash and the name of a stage.
    pub base_path: String,
    /// Settings that override the template's: the `HALLPASS_…` environment variables. If they name
    /// a DynamoDB endpoint, its tables are used. Those must exist, and this stack does not process
    /// their stream and TTL.
    pub settings: BTreeMap<String, String>,
    /// The keyring (`HALLPASS_KEYS`). Replaces the existing or a new one.
    pub keys: Option<Text>,
    /// The clock.
    pub clock: Clock,
    /// An application's own API to protect.
    pub application: Option<Application>,
    /// The form in which requests are logged, if they are.
    pub access_log: Option<access::Form>,
}

/// A running development stack.
#[derive(Debug)]
pub struct Dev {
    /// The base URL of the API.
    pub url: String,
    /// The base URL of the application's API, if the stack protects one.
    pub application_url: Option<String>,
    /// How commands and tests reach the tables and keys.
    pub stack: RunningStack,
    /// The delivery of the user stream to prune, for tests that run it themselves.
    pub delivery: Arc<Delivery>,
    /// The delivery of the token stream to notify, for tests that run it themselves.
    pub notifications: Arc<Delivery>,
    /// S3, EventBridge and KMS.
    pub aws: Aws,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
    /// Aborted when the stack is dropped.
    _background: JoinSet<()>,
    _engine: Engine,
    _secrets: Secrets,
    data: DataDir,
}

/// Why a stack did not start, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {why}")]
pub struct StartError {
    doing: String,
    why: String,
}

/// How often the functions of a development stack fetch their keyring. It is short so that
/// `hallpass key rotate` can be tried out.
const KEY_REFRESH: &str = "5s";

/// Starts a stack.
///
/// # Errors
/// Returns a [`StartError`] if the port, the data directory, the keyring or a setting cannot be
/// used.
pub async fn start(options: Options) -> Result<Dev, StartError> {
    let data = DataDir::open(&options.data, options.fresh)?;
    let now = (options.clock)();
    let (listeners, port) = serving::listen(options.port).await?;
    let application = match &options.application {
        Some(application) => Some((application, serving::listen(application.port).await?)),
        None => None,
    };
    let tls = ca::server_config(data.path(), now.unix())
        .map_err(|error| StartError::new("cannot create certificates", error))?;
    let template = Template::parse_with(TEMPLATE, &parameters(&options.settings));
    let template = template.map_err(|error| StartError::new("cannot read template.yaml", error))?;

    let credentials = Credentials::random()?;
    let guard = Guard::new(&credentials.access_key_id);
    let database = engine::open(&data.file(files::DATABASE).to_string_lossy(), Retention::Day)?;
    let engine = Engine::start_guarded(database, &template.tables, guard)?;
    let secrets = Secrets::start(
        credentials.access_key_id.clone(),
        &keyring(&data.file(files::RING), options.keys.as_ref())?,
        Some(data.file(files::RING)),
    )
    .await?;

    let aws = Aws::start(data.path(), &access(&credentials), Arc::clone(&options.clock)).await?;

    let url = format!("https://localhost:{port}{}", options.base_path);
    let environment = environment(&template, &options, (&engine, &secrets, &aws), credentials);
    let stack = RunningStack { url: url.clone(), environment };
    let functions = Functions::new(&template, &stack.environment, Arc::clone(&options.clock))?;
    add_demo_users(&store(&stack)?).await?;

    let invoke = functions.invoke();
    let deliver = |function, file| delivery(&template, function, &engine, &invoke, data.file(file));
    let delivery = deliver("Prune", files::POSITION)?;
    let notifications = deliver("Notify", files::POSITION_OF_TOKENS)?;
    let mut fronts = vec![(listeners, serving::gateway(&options, &template, Arc::clone(&invoke))?)];
    let mut application_url = None;
    if let Some((application, (listeners, port))) = application {
        let gateway = application::gateway(application, &options, &template, &stack.environment)?;
        fronts.push((listeners, gateway));
        application_url = Some(format!("https://localhost:{port}"));
    }
    let background = background(&options, &template, &engine, [&delivery, &notifications], &invoke);
    let log = serving::access_log(&options, &stack.environment);
    let (stop, serving) = serving::serve(fronts, &tls, log.as_ref());
    stack.write(data.path()).map_err(|error| StartError::new("cannot write stack.json", error))?;
    Ok(Dev {
        url,
        application_url,
        stack,
        delivery,
        notifications,
        aws,
        stop,
        serving,
        _background: background,
        _engine: engine,
        _secrets: secrets,
        data,
    })
}

fn access(credentials: &Credentials) -> Access {
    Access {
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: Text::new(credentials.secret_access_key.clone()),
    }
}

/// Returns the environment of every function, with which a command also reaches the stack: the
/// template's settings, the settings given to the stack, and the endpoints and credentials of the
/// AWS emulators.
fn environment(
    template: &Template,
    options: &Options,
    (engine, secrets, aws): (&Engine, &Secrets, &Aws),
    credentials: Credentials,
) -> BTreeMap<String, String> {
    let mut environment = template.environment("Generate");
    environment.insert("HALLPASS_KEY_REFRESH".to_owned(), KEY_REFRESH.to_owned());
    environment.insert("HALLPASS_APP_USER".to_owned(), demo::APP_USER.to_owned());
    environment.insert("HALLPASS_DYNAMODB_ENDPOINT".to_owned(), engine.endpoint());
    environment.extend(options.settings.clone());
    // Responses state when a revocation takes effect everywhere, which depends on the longest
    // cache.
    let setting = settings::authorizer_cache(&|name| environment.get(name).cloned());
    if let (Some(seconds), Ok(setting)) = (options.authorizer_cache, setting)
        && setting < Duration::from_secs(seconds.into())
    {
        environment.insert(AUTHORIZER_CACHE.to_owned(), seconds.to_string());
    }
    environment.extend(
        [
            ("AWS_REGION", "local".to_owned()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key),
            ("HALLPASS_SECRETS_ENDPOINT", secrets.endpoint()),
            ("HALLPASS_S3_ENDPOINT", aws.s3_endpoint()),
            ("HALLPASS_KMS_ENDPOINT", aws.json_endpoint()),
            ("HALLPASS_EVENTS_ENDPOINT", aws.json_endpoint()),
            ("HALLPASS_AUDIT_BUCKET", aws::BUCKET.to_owned()),
            ("HALLPASS_AUDIT_KEY", aws::ALIAS.to_owned()),
            ("HALLPASS_EVENT_BUS", "default".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    environment
}

/// Starts what AWS runs in the background: TTL, the streams and the schedules.
fn background(
    options: &Options,
    template: &Template,
    engine: &Engine,
    deliveries: [&Arc<Delivery>; 2],
    invoke: &Invoke,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn(events::expire(engine.database()));
    if options.prune {
        for delivery in deliveries {
            background.spawn(Arc::clone(delivery).run());
        }
        for (function, every) in &template.schedules {
            background.spawn(events::run_on_schedule(Arc::clone(invoke), function.clone(), *every));
        }
    }
    background
}

/// Creates the delivery of the stream that a function reads, which continues where the last one
/// stopped.
fn delivery(
    template: &Template,
    function: &str,
    engine: &Engine,
    invoke: &Invoke,
    position: PathBuf,
) -> Result<Arc<Delivery>, StartError> {
    let stream = template.streams.iter().find(|stream| stream.function == function).cloned();
    let stream = stream.ok_or_else(|| {
        StartError::new("cannot read template.yaml", format!("{function} reads no stream"))
    })?;
    Ok(Arc::new(Delivery::new(engine.database(), Arc::clone(invoke), stream, Some(position))))
}

impl Dev {
    /// Connects to the stack's tables.
    ///
    /// # Errors
    /// Returns a [`StartError`] if a setting of the tables or the connection is invalid.
    pub fn store(&self) -> Result<Store, StartError> {
        store(&self.stack)
    }

    /// Returns the demo users that are still as they were added.
    ///
    /// # Errors
    /// Returns a [`StartError`] if the users cannot be read.
    pub async fn demo_users(&self) -> Result<Vec<demo::DemoUser>, StartError> {
        let users = demo::unchanged(&self.store()?).await;
        users.map_err(|failure| StartError::new("cannot read the users", failure.report()))
    }

    /// Stops the stack after completing the requests in progress.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.serving.join_next().await.is_some() {}
        let _ = remove(&self.data.file(STACK));
    }
}

impl StartError {
    /// Creates an error from what failed and why.
    pub fn new(doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { doing: doing.into(), why: why.to_string() }
    }
}

/// Returns the template parameters that appear in the gateway's own responses, from the functions'
/// settings.
fn parameters(settings: &BTreeMap<String, String>) -> Vec<(&'static str, &str)> {
    let of = |(parameter, setting)| {
        Some((parameter, settings.get(setting).filter(|value| !value.is_empty())?.as_str()))
    };
    [
        ("Realm", "HALLPASS_REALM"),
        ("BasicChallenge", "HALLPASS_BASIC_CHALLENGE"),
        ("CorsAllowedOrigins", "HALLPASS_CORS_ALLOWED_ORIGINS"),
    ]
    .into_iter()
    .filter_map(of)
    .collect()
}

/// Reads the keyring of the data directory, or creates it on the first start.
fn keyring(file: &Path, given: Option<&Text>) -> Result<Keyring, StartError> {
    let bad = |why: &dyn fmt::Display| {
        StartError::new(format!("cannot use the keyring {}", file.display()), why)
    };
    if let Some(given) = given {
        let keyring = Keyring::parse(given.expose_secret())
            .map_err(|error| StartError::new("cannot use HALLPASS_KEYS", error))?;
        write_private(file, given.expose_secret()).map_err(|error| bad(&error))?;
        return Ok(keyring);
    }
    if let Some(json) = read(file).map_err(|error| bad(&error))? {
        return Keyring::parse(&json).map_err(|error| bad(&error));
    }
    let key = Key::new(
        "first".to_owned(),
        hallpass_token::Timestamp::EPOCH,
        random::<32>()?.to_vec().into(),
    );
    let keyring = key.and_then(|key| Keyring::new(vec![key])).map_err(|error| bad(&error))?;
    write_private(file, keyring.to_json().expose_secret()).map_err(|error| bad(&error))?;
    Ok(keyring)
}

fn store(stack: &RunningStack) -> Result<Store, StartError> {
    let store = service::store(&stack.lookup());
    store.map_err(|error| StartError::new("cannot reach the database", error))
}

async fn add_demo_users(store: &Store) -> Result<(), StartError> {
    let generation = u32::from_be_bytes(random()?) >> 1;
    let salt = random()?;
    let added = demo::add(store, |text| password::hash(text, salt), generation).await;
    added.map_err(|failure| StartError::new("cannot add the demo users", failure.report()))
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    entropy::bytes().map_err(|failure| StartError::new("cannot start", failure.report()))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("data", &self.data)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
