//! The engine under test: the embedded one, or the one that `HALLPASS_TEST_ENDPOINT` names.
//!
//! Every test has tables of its own. What an engine lacks is listed in [`crate::capability`] alone.

use std::{fmt, sync::LazyLock};

use dynoxide::{Database, storage_backend::ManualClock};
use hallpass_dev::{
    engine::{Retention, create_tables},
    template::Table,
};
use hallpass_runtime::settings;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    PARSED,
    remote::{self, Remote},
    witness::Tables,
};

/// The engines that the suite runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The engine in this process, which `hallpass dev` uses too.
    Embedded,
    /// DynamoDB local, by Amazon.
    DynamoDbLocal,
    /// `MiniStack`, an emulator of AWS in Python, without containers.
    MiniStack,
    /// The server of Moto, a mock of AWS.
    Moto,
}

/// The engine of one test.
#[derive(Debug)]
pub enum Engine {
    /// An embedded engine for this test alone.
    Embedded {
        /// The engine.
        engine: hallpass_dev::engine::Engine,
        /// The clock of the engine, which the test moves.
        clock: Clock,
        /// Checks the tables for secrets when the test ends.
        tables: Tables,
    },
    /// Tables for this test alone, in an engine that all tests share.
    Remote(Remote),
}

/// The clock of an embedded engine.
pub struct Clock(ManualClock);

/// The region of every test, which is that of a development stack: engines keep the tables of
/// regions apart.
pub const REGION: &str = "local";

/// The environment variable that gives the functions the endpoint of the engine.
pub const ENDPOINT: &str = "HALLPASS_DYNAMODB_ENDPOINT";

/// The environment variable that gives the tests the endpoint of the engine.
const TEST_ENDPOINT: &str = "HALLPASS_TEST_ENDPOINT";

impl Engine {
    /// Creates the tables of the template in the engine under test, whose clock starts at `now` if
    /// it can be set.
    pub async fn start(now: u64) -> Self {
        if let Some(remote) = Self::remote().await {
            return Self::Remote(remote);
        }
        let clock = ManualClock::new(now);
        let database = database(&clock);
        let witnessed = Tables::of(&database);
        let engine = hallpass_dev::engine::Engine::start(database, &tables()).unwrap();
        Self::Embedded { engine, clock: Clock(clock), tables: witnessed }
    }

    /// Creates tables in the engine that `HALLPASS_TEST_ENDPOINT` names, or returns `None` for the
    /// embedded one.
    pub async fn remote() -> Option<Remote> {
        let (authority, _) = chosen().await.as_ref()?;
        Some(Remote::create_tables(authority, &tables()).await)
    }

    /// Returns the URL of the endpoint.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Embedded { engine, .. } => engine.endpoint(),
            Self::Remote(remote) => remote.endpoint(),
        }
    }

    /// Returns the host and port of the endpoint.
    pub fn authority(&self) -> String {
        self.endpoint().strip_prefix("http://").unwrap().to_owned()
    }

    /// Returns the engine's name of a table of the template.
    pub fn table(&self, name: &str) -> String {
        format!("{name}{}", self.suffix())
    }

    /// Returns the suffix of all table names.
    pub fn suffix(&self) -> &str {
        match self {
            Self::Embedded { .. } => "",
            Self::Remote(remote) => &remote.suffix,
        }
    }

    /// Returns the settings that give a function the tables.
    pub fn settings(&self) -> Vec<(String, String)> {
        settings_of(&self.endpoint(), self.suffix())
    }

    /// Moves the clock. In an engine whose clock cannot be moved, everything written so far is
    /// stamped with the time before.
    pub fn advance(&self, before: u64, now: u64) {
        match self {
            Self::Embedded { clock, .. } => clock.0.set(now),
            Self::Remote(remote) => remote.stream.catch_up(before),
        }
    }

    /// Returns every record of the user stream so far, in the form that Lambda receives.
    pub fn user_stream(&self, now: u64) -> Vec<Value> {
        match self {
            Self::Embedded { engine, .. } => {
                engine.database().stream_after("Users", None, 1_000).unwrap().records
            }
            Self::Remote(remote) => {
                remote.stream.catch_up(now);
                remote.stream.records()
            }
        }
    }

    /// Returns the records of the user stream after `place`, and moves `place` behind the last of
    /// them.
    pub fn user_stream_after(&self, place: &mut String, now: u64) -> Vec<Value> {
        match self {
            Self::Embedded { engine, .. } => {
                let after = Some(place.as_str()).filter(|place| !place.is_empty());
                let batch = engine.database().stream_after("Users", after, 1_000).unwrap();
                if let Some(last) = batch.last {
                    *place = last;
                }
                batch.records
            }
            Self::Remote(_) => {
                let mut records = self.user_stream(now);
                let new = records.split_off(place.parse().unwrap_or(0));
                *place = (records.len() + new.len()).to_string();
                new
            }
        }
    }

    /// Returns the engine's own timestamp of the last change of a user.
    pub fn stamp_of_last_change(&self, now: u64) -> Value {
        let records = self.user_stream(now);
        match self {
            Self::Embedded { .. } => {
                records.last().unwrap()["dynamodb"]["ApproximateCreationDateTime"].clone()
            }
            Self::Remote(remote) => remote.stream.last_stamp(),
        }
    }

    /// Deletes expired items, if the engine does so only on demand.
    pub fn sweep_ttl(&self) {
        if let Self::Embedded { engine, .. } = self {
            engine.database().sweep_ttl().unwrap();
        }
    }
}

/// Returns a database with the tables of the template, which are created once and then copied.
fn database(clock: &ManualClock) -> Database {
    const ORIGINAL: &str = "file:tables?mode=memory&cache=shared";
    static CREATED: LazyLock<Database> = LazyLock::new(|| {
        let database = hallpass_dev::engine::open(ORIGINAL, Retention::Forever).unwrap();
        create_tables(&database, &tables()).unwrap();
        database
    });
    LazyLock::force(&CREATED);
    let database = Database::memory_with_clock(clock.arc()).unwrap();
    database.restore_from(ORIGINAL).unwrap();
    database
}

/// Returns the settings that give a function the tables with this suffix at this endpoint.
pub fn settings_of(endpoint: &str, suffix: &str) -> Vec<(String, String)> {
    let table =
        |name: &str| (format!("HALLPASS_{}_TABLE", name.to_uppercase()), format!("{name}{suffix}"));
    let mut settings: Vec<_> = ["Users", "Tokens", "Attempts"].map(table).into();
    settings.push((ENDPOINT.to_owned(), endpoint.to_owned()));
    settings
}

/// Returns the kind of the engine under test.
pub async fn kind() -> Kind {
    chosen().await.as_ref().map_or(Kind::Embedded, |(_, kind)| *kind)
}

/// Returns the host and port in a value of `HALLPASS_TEST_ENDPOINT`. An empty value counts as
/// absent.
///
/// # Errors
/// Returns a message if the value is not of the form `http://host:port`.
pub fn authority(value: Option<&str>) -> Result<Option<String>, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let authority =
        value.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let is_one = |authority: &str| {
        authority.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(['/', '?', '@'])
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    match authority.filter(|authority| is_one(authority)) {
        Some(authority) => Ok(Some(authority.to_owned())),
        None => Err(format!("{TEST_ENDPOINT} is `{value}`, which is not http://host:port")),
    }
}

/// Returns the authority and the kind of the engine under test, determined once, or `None` for the
/// embedded one.
async fn chosen() -> &'static Option<(String, Kind)> {
    static CHOSEN: OnceCell<Option<(String, Kind)>> = OnceCell::const_new();
    let choose = || async {
        let value = settings::environment(TEST_ENDPOINT);
        let authority = authority(value.as_deref()).unwrap_or_else(|error| panic!("{error}"))?;
        let kind = remote::recognize(&authority)
            .await
            .unwrap_or_else(|error| panic!("{TEST_ENDPOINT}: {error}"));
        Some((authority, kind))
    };
    CHOSEN.get_or_init(choose).await
}

fn tables() -> Vec<Table> {
    PARSED.tables.clone()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
