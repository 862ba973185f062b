//! `hallpass dev`: all of it in one process on this machine.
//!
//! The embedded engine, the tables as `template.yaml` declares them, an HTTPS front that behaves as API Gateway does,
//! the user stream that feeds prune, TTL, the schedule, and demo users. The functions see the events that API Gateway
//! and Lambda send, and are the ones that deploy.

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
pub mod template;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use dynoxide::Database;
use edge::{entropy, settings};
use store::Store;
use token::{Keyring, Text, keyring::Key};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use self::{
    engine::Engine,
    events::Delivery,
    files::DataDir,
    functions::{Clock, Functions},
    gateway::{Gateway, Invoke},
    guard::{Credentials, Guard},
    secrets::Secrets,
    template::Template,
};
use crate::stack::Stack;

/// The one description of tables, routes and schedules.
const TEMPLATE: &str = include_str!("../../template.yaml");

const AUTHORIZER_CACHE: &str = "HALLPASS_AUTHORIZER_CACHE_TTL";

/// How a dev stack is started.
#[derive(Clone)]
pub struct Options {
    /// Where data is kept.
    pub data: PathBuf,
    /// The port of the HTTPS front; 0 takes a free one.
    pub port: u16,
    /// Whether to begin without the data of before.
    pub fresh: bool,
    /// Whether prune gets the user stream and the schedule.
    pub prune: bool,
    /// For how long the front caches the authorizer's answers, in seconds, instead of what the template says.
    pub authorizer_cache: Option<u32>,
    /// Where the API is mounted: nothing, or a slash and the name of a stage.
    pub base_path: String,
    /// Settings that stand in front of the template's: `HALLPASS_…` of the environment. Where they name a DynamoDB, its
    /// tables are used; they must be there, and their stream and TTL are not this stack's business.
    pub settings: BTreeMap<String, String>,
    /// The keyring to begin with (`HALLPASS_KEYS`), instead of the one of before or a new one.
    pub keys: Option<Text>,
    /// The time.
    pub clock: Clock,
}

/// A running stack.
#[derive(Debug)]
pub struct Dev {
    /// Where it answers.
    pub url: String,
    /// How commands and tests reach its tables and keys.
    pub stack: Stack,
    /// The delivery of the user stream, for tests that do not wait for it.
    pub delivery: Arc<Delivery>,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
    /// They end with the stack.
    _background: JoinSet<()>,
    _engine: Engine,
    _secrets: Secrets,
    data: DataDir,
}

/// Why a stack did not start: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError {
    doing: String,
    why: String,
}

/// How often the functions of a dev stack fetch their keyring, so that `hallpass key rotate` can be watched.
const KEY_REFRESH: &str = "5s";

/// Starts a stack.
///
/// # Errors
/// One line for whatever is in the way: a port, a directory, a keyring, a setting.
pub async fn start(options: Options) -> Result<Dev, StartError> {
    let data = DataDir::open(&options.data, options.fresh)?;
    let now = (options.clock)();
    let listeners = listen(options.port).await;
    let (listeners, port) =
        listeners.map_err(|error| StartError::new(format!("cannot listen on port {}", options.port), error))?;
    let tls = ca::server_config(data.path(), now.unix())
        .map_err(|error| StartError::new("cannot make certificates", error))?;
    let template = Template::parse_with(TEMPLATE, &parameters(&options.settings));
    let template = template.map_err(|error| StartError::new("cannot read template.yaml", error))?;

    let database = Database::new(&data.file(files::DATABASE).to_string_lossy());
    let database = database
        .map_err(|error| StartError::new(format!("cannot open {}", data.file(files::DATABASE).display()), error))?;
    let credentials = Credentials::random()?;
    let engine = Engine::start_guarded(database, &template.tables, Guard::new(&credentials.access_key_id))?;
    let secrets = Secrets::start(
        credentials.access_key_id.clone(),
        &keyring(&data.file(files::RING), options.keys.as_ref())?,
        Some(data.file(files::RING)),
    )
    .await?;

    let url = format!("https://localhost:{port}{}", options.base_path);
    let environment = environment(&template, &options, &engine, &secrets, credentials);
    let stack = Stack::new(url.clone(), environment);
    let functions = Functions::new(&template, stack.environment(), Arc::clone(&options.clock))?;
    add_demo_users(&stack.store().map_err(|error| StartError::new("cannot reach the engine", error))?).await?;

    let stream = template.streams.first().cloned();
    let stream = stream.ok_or_else(|| StartError::new("cannot read template.yaml", "it has no stream"))?;
    let invoke = functions.invoke();
    let delivery = Delivery::new(engine.database(), Arc::clone(&invoke), stream, Some(data.file(files::POSITION)));
    let delivery = Arc::new(delivery);
    let background = background(&options, &template, &engine, &delivery, &invoke);
    let clock = Arc::clone(&options.clock);
    let gateway = gateway::Options {
        cache_seconds: options.authorizer_cache,
        base_path: options.base_path.clone(),
        clock: Arc::new(move || clock().unix()),
        invoke,
    };
    let gateway =
        Gateway::new(&template, gateway).map_err(|error| StartError::new("cannot read template.yaml", error))?;
    let (stop, stopped) = watch::channel(false);
    let (gateway, mut serving) = (Arc::new(gateway), JoinSet::new());
    for listener in listeners {
        let mut stopped = stopped.clone();
        serving.spawn(front::serve(listener, Arc::clone(&tls), Arc::clone(&gateway), async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }));
    }
    stack.write(&data.file(files::STACK)).map_err(|error| StartError::new("cannot write stack.json", error))?;
    Ok(Dev { url, stack, delivery, stop, serving, _background: background, _engine: engine, _secrets: secrets, data })
}

/// Listens on both loopback addresses, because `localhost` may be either, or on the one of a machine without IPv6.
async fn listen(port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let taken = listener.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, taken)).await {
        Ok(second) => Ok((vec![listener, second], taken)),
        // Half of a port that was asked for would answer some clients with another program.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port != 0 => Err(error),
        Err(_) => Ok((vec![listener], taken)),
    }
}

/// What every function has in its environment, and what a command needs to reach the stack: the template's settings,
/// those from outside, and where this machine's AWS is.
fn environment(
    template: &Template,
    options: &Options,
    engine: &Engine,
    secrets: &Secrets,
    credentials: Credentials,
) -> BTreeMap<String, String> {
    let mut environment = template.environment("Generate");
    environment.insert("HALLPASS_KEY_REFRESH".to_owned(), KEY_REFRESH.to_owned());
    environment.insert("HALLPASS_APP_USER".to_owned(), demo::APP_USER.to_owned());
    environment.insert("HALLPASS_DYNAMODB_ENDPOINT".to_owned(), engine.endpoint());
    environment.extend(options.settings.clone());
    // Answers say from when a revocation is effective everywhere, and the longest cache decides that.
    let told = settings::duration_or_zero(&|name| environment.get(name).cloned(), AUTHORIZER_CACHE, Duration::ZERO);
    if let (Some(seconds), Ok(told)) = (options.authorizer_cache, told)
        && told < Duration::from_secs(seconds.into())
    {
        environment.insert(AUTHORIZER_CACHE.to_owned(), seconds.to_string());
    }
    environment.extend(
        [
            ("AWS_REGION", "local".to_owned()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key),
            ("HALLPASS_SECRETS_ENDPOINT", secrets.endpoint()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    environment
}

/// What AWS does by itself, for as long as the stack runs.
fn background(
    options: &Options,
    template: &Template,
    engine: &Engine,
    delivery: &Arc<Delivery>,
    invoke: &Invoke,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn(events::expire(engine.database()));
    if options.prune {
        background.spawn(Arc::clone(delivery).run());
        for (function, every) in &template.schedules {
            background.spawn(events::run_on_schedule(Arc::clone(invoke), function.clone(), *every));
        }
    }
    background
}

impl Dev {
    /// Stops it: requests under way end first.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.serving.join_next().await.is_some() {}
        let _ = files::remove(&self.data.file(files::STACK));
    }
}

impl StartError {
    /// What was being done, and why it could not be.
    pub fn new(doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { doing: doing.into(), why: why.to_string() }
    }
}

/// The parameters of the template that the gateway itself answers with, from the settings that the functions have.
fn parameters(settings: &BTreeMap<String, String>) -> Vec<(&'static str, &str)> {
    let of = |(parameter, setting)| Some((parameter, settings.get(setting).filter(|it| !it.is_empty())?.as_str()));
    [("Realm", "HALLPASS_REALM"), ("BasicChallenge", "HALLPASS_BASIC_CHALLENGE")].into_iter().filter_map(of).collect()
}

/// The keyring of the data directory; the first start makes one.
fn keyring(file: &Path, given: Option<&Text>) -> Result<Keyring, StartError> {
    let bad = |why: &dyn fmt::Display| StartError::new(format!("cannot use the keyring {}", file.display()), why);
    if let Some(given) = given {
        let keyring = Keyring::parse(given.expose_secret())
            .map_err(|error| StartError::new("cannot use HALLPASS_KEYS", error))?;
        files::write_private(file, given.expose_secret()).map_err(|error| bad(&error))?;
        return Ok(keyring);
    }
    if let Some(json) = files::read(file).map_err(|error| bad(&error))? {
        return Keyring::parse(&json).map_err(|error| bad(&error));
    }
    let key = Key::new("first".to_owned(), token::Timestamp::EPOCH, random::<32>()?.to_vec().into());
    let keyring = key.and_then(|key| Keyring::new(vec![key])).map_err(|error| bad(&error))?;
    files::write_private(file, keyring.to_json().expose_secret()).map_err(|error| bad(&error))?;
    Ok(keyring)
}

async fn add_demo_users(store: &Store) -> Result<(), StartError> {
    let generation = u32::from_be_bytes(random()?) >> 1;
    let added = demo::add(store, random()?, generation).await;
    added.map_err(|failure| StartError::new("cannot add the demo users", failure.report()))
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    entropy::bytes().map_err(|failure| StartError::new("cannot start", failure.report()))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("data", &self.data).field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.why)
    }
}

impl std::error::Error for StartError {}
