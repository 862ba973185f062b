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
    settings::{ConfigError, Settings},
};
use hallpass_service::{Service, service};
use hallpass_store::Store;

use crate::{error::CommandError, pasted, trust};

mod deployed;

/// The options that select the stack.
#[derive(Debug, Args)]
pub struct Reach {
    /// Data directory of the development stack, by which other commands find it
    #[arg(long, global = true, value_name = "DIR", default_value = ".hallpass")]
    pub(crate) data: PathBuf,
    /// Use this deployed CloudFormation stack instead of the development stack
    #[arg(long, global = true, value_name = "NAME", value_parser = pasted::name, help_heading = "Deployed stacks")]
    stack: Option<String>,
    /// AWS profile [default: `AWS_PROFILE`]
    #[arg(long, global = true, value_name = "NAME", value_parser = pasted::name, help_heading = "Deployed stacks")]
    profile: Option<String>,
    /// AWS region [default: `AWS_REGION`, or the profile's region]
    #[arg(long, global = true, value_name = "REGION", value_parser = pasted::name, help_heading = "Deployed stacks")]
    region: Option<String>,
    /// URL for all AWS requests, such as an emulator's; without --stack, the `HALLPASS_…`
    /// environment variables name the tables
    #[arg(long, global = true, value_name = "URL", value_parser = pasted::name, help_heading = "Deployed stacks")]
    endpoint: Option<String>,
}

/// How to reach a stack.
#[derive(Clone)]
pub struct Stack(RunningStack);

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
            Stack::find(&self.data)
        }
    }

    /// Rejects the options for deployed stacks, for commands that only run on this machine.
    ///
    /// # Errors
    /// Returns [`CommandError::Usage`] if such an option was given.
    pub fn reject_deployed(&self) -> Result<(), CommandError> {
        if self.is_deployed() {
            let why = "--stack, --profile, --region and --endpoint are for deployed stacks only";
            return Err(CommandError::Usage(why.to_owned()));
        }
        Ok(())
    }

    const fn is_deployed(&self) -> bool {
        self.stack.is_some()
            || self.profile.is_some()
            || self.region.is_some()
            || self.endpoint.is_some()
    }
}

impl From<RunningStack> for Stack {
    fn from(running: RunningStack) -> Self {
        Self(running)
    }
}

impl Stack {
    /// Creates a stack whose functions have this environment.
    pub(crate) const fn new(url: String, environment: BTreeMap<String, String>) -> Self {
        Self(RunningStack { url, environment })
    }

    /// Returns the base URL of the API.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Finds the development stack that is running in this data directory.
    ///
    /// # Errors
    /// Returns [`NoStack::NotRunning`] if none is, or [`NoStack::Unreadable`] if its `stack.json`
    /// cannot be read.
    pub fn find(data: &Path) -> Result<Self, NoStack> {
        let running = RunningStack::read(data).map_err(NoStack::Unreadable)?;
        running.map(Self).ok_or_else(|| NoStack::NotRunning(data.display().to_string()))
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
        |name| self.0.environment.get(name).cloned()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("url", &self.0.url).finish_non_exhaustive()
    }
}
