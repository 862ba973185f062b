//! Finds the stack that a command works on. A running development stack writes `stack.json` to its
//! data directory; a deployed stack is looked up by name in CloudFormation.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use clap::Args;
use hallpass_runtime::{
    local::RunningStack,
    settings::{self, ConfigError, Settings},
};
use hallpass_service::{Service, service};
use hallpass_store::Store;
use tokio::sync::OnceCell;

use crate::{cli::HEADING, error::CommandError, pasted, trust};

mod deployed;

/// The heading of the options that select a deployed stack.
const DEPLOYED: &str = "Deployed stacks";

/// The data directory if none is named.
const DATA: &str = ".hallpass";

/// The options that select the stack.
#[derive(Debug, Args)]
pub struct Reach {
    /// Data directory of the development stack, by which other commands find it [default:
    /// `HALLPASS_DATA`, or .hallpass]
    #[arg(long, global = true, value_name = "DIR", help_heading = HEADING)]
    data: Option<PathBuf>,
    /// Use this deployed CloudFormation stack instead of the development stack [default:
    /// `HALLPASS_STACK`, unless --data is given]
    #[arg(long, global = true, value_name = "NAME", value_parser = pasted::name, help_heading = DEPLOYED)]
    stack: Option<String>,
    /// AWS profile [default: `HALLPASS_PROFILE`, or `AWS_PROFILE`]
    #[arg(long, global = true, value_name = "NAME", value_parser = pasted::name, help_heading = DEPLOYED)]
    profile: Option<String>,
    /// AWS region [default: `AWS_REGION`, or the profile's region]
    #[arg(long, global = true, value_name = "REGION", value_parser = pasted::name, help_heading = DEPLOYED)]
    region: Option<String>,
    /// URL for all AWS requests, such as an emulator's; without --stack, the `HALLPASS_…`
    /// environment variables name the tables
    #[arg(long, global = true, value_name = "URL", value_parser = pasted::name, help_heading = DEPLOYED)]
    endpoint: Option<String>,
}

/// How to reach a stack.
#[derive(Clone)]
pub struct Stack {
    running: RunningStack,
    /// Who runs the command, once that is known.
    pub(crate) operator: OnceCell<String>,
}

/// Why no stack was found.
#[derive(Debug, thiserror::Error)]
pub enum NoStack {
    /// No development stack is running in this data directory.
    #[error(
        "no development stack is running in {0}; start one with `cargo run -- dev`, or select a \
         deployed stack with --stack"
    )]
    NotRunning(String),
    /// `stack.json` cannot be read.
    #[error("cannot read stack.json of the development stack: {0}")]
    Unreadable(io::Error),
    /// The settings of the stack are invalid.
    #[error("the stack has an invalid setting: {0}")]
    ConfigError(ConfigError),
    /// The AWS configuration is incomplete, or AWS did not return the stack.
    #[error("{0}")]
    Aws(String),
}

impl Reach {
    /// Finds the stack.
    ///
    /// # Errors
    /// Returns a [`NoStack`] if the stack does not exist or cannot be looked up.
    pub async fn find(&self) -> Result<Stack, NoStack> {
        if self.is_deployed() {
            Box::pin(deployed::find(self)).await
        } else {
            Stack::find(&self.data())
        }
    }

    /// Rejects the options for deployed stacks, for commands that only run on this machine.
    ///
    /// # Errors
    /// Returns [`CommandError::Usage`] if such an option was given.
    pub fn reject_deployed(&self) -> Result<(), CommandError> {
        // The variables do not count: they are set for other commands.
        if self.stack.is_some() || self.names_aws() {
            let why = "--stack, --profile, --region and --endpoint are for deployed stacks only";
            return Err(CommandError::Usage(why.to_owned()));
        }
        Ok(())
    }

    /// Returns the data directory of the development stack.
    pub(crate) fn data(&self) -> PathBuf {
        let set = || variable("HALLPASS_DATA").map(PathBuf::from);
        self.data.clone().or_else(set).unwrap_or_else(|| PathBuf::from(DATA))
    }

    /// Returns the name of the deployed stack. An option takes precedence over every variable.
    fn stack(&self) -> Option<String> {
        let set = || variable("HALLPASS_STACK").filter(|_| self.data.is_none());
        self.stack.clone().or_else(set)
    }

    /// Returns the AWS profile.
    fn profile(&self) -> Option<String> {
        self.profile.clone().or_else(|| variable("HALLPASS_PROFILE"))
    }

    fn is_deployed(&self) -> bool {
        self.stack().is_some() || self.names_aws()
    }

    const fn names_aws(&self) -> bool {
        self.profile.is_some() || self.region.is_some() || self.endpoint.is_some()
    }
}

/// Returns a variable of the environment; empty counts as absent.
fn variable(name: &str) -> Option<String> {
    settings::environment(name).filter(|value| !value.is_empty())
}

impl From<RunningStack> for Stack {
    fn from(running: RunningStack) -> Self {
        Self { running, operator: OnceCell::const_new() }
    }
}

impl Stack {
    /// Creates a stack whose functions have this environment.
    pub(crate) const fn new(url: String, environment: BTreeMap<String, String>) -> Self {
        Self { running: RunningStack { url, environment }, operator: OnceCell::const_new() }
    }

    /// Returns the base URL of the API.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// Finds the development stack that is running in this data directory.
    ///
    /// # Errors
    /// Returns [`NoStack::NotRunning`] if none is, or [`NoStack::Unreadable`] if its `stack.json`
    /// cannot be read.
    pub fn find(data: &Path) -> Result<Self, NoStack> {
        let running = RunningStack::read(data).map_err(NoStack::Unreadable)?;
        running.map(Self::from).ok_or_else(|| NoStack::NotRunning(data.display().to_string()))
    }

    /// Connects to the stack's tables.
    ///
    /// # Errors
    /// Returns [`NoStack::ConfigError`] if a setting of the tables or the connection is invalid.
    pub fn store(&self) -> Result<Store, NoStack> {
        let lookup = self.lookup();
        let reach = || {
            Ok(Store::new(
                trust::connection(&lookup)?.patient_dynamodb(),
                service::tables(&lookup)?,
            ))
        };
        reach().map_err(NoStack::ConfigError)
    }

    /// Reads the stack's settings.
    ///
    /// # Errors
    /// Returns [`NoStack::ConfigError`] if one is invalid.
    pub fn settings(&self) -> Result<Settings, NoStack> {
        Settings::read(&self.lookup()).map_err(NoStack::ConfigError)
    }

    /// Returns the tables, keys and settings that the stack's functions work with.
    ///
    /// # Errors
    /// Returns [`NoStack::ConfigError`] if a setting is invalid.
    pub fn service(&self) -> Result<Service, NoStack> {
        let keys =
            service::keys(&self.lookup(), trust::connection).map_err(NoStack::ConfigError)?;
        Ok(Service { store: self.store()?, keys, settings: self.settings()? })
    }

    /// Returns a function that looks up environment variables of the stack's functions.
    pub fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.running.environment.get(name).cloned()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("url", &self.running.url).finish_non_exhaustive()
    }
}
