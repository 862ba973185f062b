//! Finding the stack that a command is for: a running dev stack leaves a note in its data directory.

use std::{collections::BTreeMap, fmt, io, path::Path};

use edge::{
    service,
    settings::{BadSetting, Settings},
};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::dev::files;

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
    /// Its note makes no sense.
    BadSetting(BadSetting),
}

impl Stack {
    /// A dev stack, whose functions have this environment.
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
    /// When the note makes no sense.
    pub fn store(&self) -> Result<Store, NoStack> {
        service::store(&self.lookup()).map_err(NoStack::BadSetting)
    }

    /// Its settings.
    ///
    /// # Errors
    /// When the note makes no sense.
    pub fn settings(&self) -> Result<Settings, NoStack> {
        Settings::read(&self.lookup()).map_err(NoStack::BadSetting)
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
            Self::NotRunning(data) => write!(f, "no dev stack runs in {data}; start one with `cargo run -- dev`"),
            Self::Unreadable(error) => write!(f, "the note of the dev stack cannot be read: {error}"),
            Self::BadSetting(bad) => write!(f, "the note of the dev stack makes no sense: {bad}"),
        }
    }
}

impl std::error::Error for NoStack {}
