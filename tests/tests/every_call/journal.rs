//! The log of the functions, as CloudWatch reads it.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use hallpass_runtime::log;
use serde_json::Value;
use tracing::subscriber::{DefaultGuard, set_default};

/// The log of this thread.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<u8>>>);

const FUNCTION: &str = "hallpass-Test-1A";

impl Journal {
    /// Begins a journal of this thread, which lasts as long as the guard.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        let journal = Self::default();
        let writer = journal.clone();
        let guard = set_default(log::subscriber(move || writer.clone(), Some(FUNCTION.to_owned())));
        (journal, guard)
    }

    /// Returns the metrics since the last call, and how often each was counted. Every line must be
    /// a metric of the function.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let metrics = &line["_aws"]["CloudWatchMetrics"];
            let name =
                metrics[0]["Metrics"][0]["Name"].as_str().unwrap_or_else(|| panic!("{line}"));
            assert_eq!(
                (&metrics[0]["Namespace"], &line["function"]),
                (&"Hallpass".into(), &FUNCTION.into()),
                "{line}"
            );
            assert!(
                metrics[0]["Dimensions"].as_array().unwrap().contains(&vec!["function"].into()),
                "{line}"
            );
            *counts.entry(name.to_owned()).or_default() +=
                line[name].as_u64().unwrap_or_else(|| panic!("{line}"));
        }
        counts
    }
}

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
