//! Finding the stack that a command is for: a running dev stack leaves a note in its data directory, and a deployed one
//! is asked of CloudFormation by its name.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use clap::Args;
use edge::{
    Service, service,
    settings::{ConfigError, Settings},
};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::{dev::files, error::CommandError, trust};

mod deployed;

/// Which stack a command is for.
#[derive(Debug, Args)]
pub struct Reach {
    /// Where the dev stack keeps its data, and how other commands find it
    #[arg(long, global = true, value_name = "DIR", default_value = ".hallpass")]
    pub(crate) data: PathBuf,
    /// A deployed stack, by its name in CloudFormation, in place of the dev stack
    #[arg(long, global = true, value_name = "NAME", help_heading = "Deployed stacks")]
    stack: Option<String>,
    /// The profile of the AWS configuration [default: `AWS_PROFILE`, as for every AWS tool]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Deployed stacks")]
    profile: Option<String>,
    /// The region [default: `AWS_REGION`, or the profile's]
    #[arg(long, global = true, value_name = "REGION", help_heading = "Deployed stacks")]
    region: Option<String>,
    /// Another AWS than the region's own, such as an emulator; without --stack, the `HALLPASS_…` variables of the
    /// environment name its tables
    #[arg(long, global = true, value_name = "URL", help_heading = "Deployed stacks")]
    endpoint: Option<String>,
}

/// How to reach a stack.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Where its API answers.
    pub url: String,
    /// The environment of a function of it.
    environment: BTreeMap<String, String>,
}

/// Why a command has no stack.
#[derive(Debug)]
pub enum NoStack {
    /// No dev stack runs in this data directory.
    NotRunning(String),
    /// Its note cannot be read.
    Unreadable(io::Error),
    /// Its settings make no sense.
    ConfigError(ConfigError),
    /// AWS does not tell.
    Aws(String),
}

impl Reach {
    /// Finds the stack.
    ///
    /// # Errors
    /// When there is none, or it cannot be told.
    pub async fn find(&self) -> Result<Stack, NoStack> {
        if self.is_deployed() { Box::pin(deployed::find(self)).await } else { Stack::find(&self.data) }
    }

    /// For what runs on this machine alone.
    ///
    /// # Errors
    /// When a deployed stack is named.
    pub fn reject_deployed(&self) -> Result<(), CommandError> {
        if self.is_deployed() {
            let why = "--stack, --profile, --region and --endpoint are for deployed stacks";
            return Err(CommandError::Usage(why.to_owned()));
        }
        Ok(())
    }

    const fn is_deployed(&self) -> bool {
        self.stack.is_some() || self.profile.is_some() || self.region.is_some() || self.endpoint.is_some()
    }
}

impl Stack {
    /// A stack whose functions have this environment.
    pub(crate) const fn new(url: String, environment: BTreeMap<String, String>) -> Self {
        Self { url, environment }
    }

    /// What every function of it has in its environment.
    pub(crate) const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Finds the dev stack that runs in this data directory.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(data: &Path) -> Result<Self, NoStack> {
        let note = files::read(&data.join(files::STACK)).map_err(NoStack::Unreadable)?;
        let note = note.ok_or_else(|| NoStack::NotRunning(data.display().to_string()))?;
        serde_json::from_str(&note).map_err(|error| NoStack::Unreadable(error.into()))
    }

    /// Leaves the note by which [`Stack::find`] finds it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        files::write_private(file, &serde_json::to_string_pretty(self)?)
    }

    /// Its tables.
    ///
    /// # Errors
    /// When its settings make no sense.
    pub fn store(&self) -> Result<Store, NoStack> {
        let lookup = self.lookup();
        let reach = || Ok(Store::new(trust::connection(&lookup)?.patient_dynamodb(), service::tables(&lookup)?));
        reach().map_err(NoStack::ConfigError)
    }

    /// Its settings.
    ///
    /// # Errors
    /// When they make no sense.
    pub fn settings(&self) -> Result<Settings, NoStack> {
        Settings::read(&self.lookup()).map_err(NoStack::ConfigError)
    }

    /// What its functions work with.
    ///
    /// # Errors
    /// When its settings make no sense.
    pub fn service(&self) -> Result<Service, NoStack> {
        let keys = service::keys(&self.lookup(), trust::connection).map_err(NoStack::ConfigError)?;
        Ok(Service { store: self.store()?, keys, settings: self.settings()? })
    }

    /// A setting of its functions.
    pub fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.environment.get(name).cloned()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("url", &self.url).finish_non_exhaustive()
    }
}

impl fmt::Display for NoStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(data) => write!(
                f,
                "no dev stack runs in {data}; start one with `cargo run -- dev`, or name a deployed one with --stack"
            ),
            Self::Unreadable(error) => write!(f, "the note of the dev stack cannot be read: {error}"),
            Self::ConfigError(bad) => write!(f, "the settings of the stack make no sense: {bad}"),
            Self::Aws(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NoStack {}
