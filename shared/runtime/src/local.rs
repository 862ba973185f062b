//! The development stack that runs on this machine. It writes `stack.json`, by which commands find
//! it.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::files;

/// The file in the data directory of a development stack while it is running.
pub const STACK: &str = "stack.json";

/// How to reach a stack.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningStack {
    /// The base URL of the API.
    pub url: String,
    /// The environment variables of its functions, credentials included.
    pub environment: BTreeMap<String, String>,
}

impl RunningStack {
    /// Reads the file of the stack that is running in this data directory. Returns `None` if none
    /// is.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if the file cannot be read or parsed.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        let text = files::read(&data.join(STACK))?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if the file cannot be written.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        files::write_private(&data.join(STACK), &serde_json::to_string_pretty(self)?)
    }

    /// Returns a lookup of these environment variables.
    pub fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.environment.get(name).cloned()
    }
}

impl std::fmt::Debug for RunningStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningStack").field("url", &self.url).finish_non_exhaustive()
    }
}
