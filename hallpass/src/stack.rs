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
    /// A dev stack.
    pub(crate) fn of_dev(
        url: &str,
        dynamodb: &str,
        secrets: &str,
        access_key_id: String,
        settings: &BTreeMap<String, String>,
    ) -> Self {
        let fixed = [
            ("AWS_REGION", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("HALLPASS_DYNAMODB_ENDPOINT", dynamodb),
            ("HALLPASS_SECRETS_ENDPOINT", secrets),
            ("HALLPASS_USERS_TABLE", "Users"),
            ("HALLPASS_TOKENS_TABLE", "Tokens"),
            ("HALLPASS_ATTEMPTS_TABLE", "Attempts"),
            ("HALLPASS_KEYS_SECRET", "KeyRing"),
        ];
        let mut environment: BTreeMap<String, String> = settings.clone();
        environment.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment.insert("AWS_ACCESS_KEY_ID".to_owned(), access_key_id);
        Self { url: url.to_owned(), environment }
    }

    /// What stands in front of the template for the functions of this stack.
    pub(crate) fn environment(
        &self,
        settings: &BTreeMap<String, String>,
        key_refresh: &str,
    ) -> BTreeMap<String, String> {
        // The template's tables and secret are known by their logical ids.
        let mut environment = self.environment.clone();
        environment.retain(|name, _| !name.ends_with("_TABLE") && name != "HALLPASS_KEYS_SECRET");
        environment.entry("HALLPASS_KEY_REFRESH".to_owned()).or_insert_with(|| key_refresh.to_owned());
        environment.extend(settings.clone());
        environment
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
