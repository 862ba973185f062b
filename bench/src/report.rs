//! What is said of a run: a table with ratios, and everything as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::measure::{Counts, Measured};

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The processor, as Linux names it.
    pub processor: String,
    /// When it began, RFC 3339.
    pub at: String,
    /// How often everything was done.
    pub counts: Counts,
    /// The share of a processor at 128 MB, or why there is none.
    pub share: Result<String, String>,
    /// The functions, the floor first.
    pub functions: Vec<Measured>,
}

const HEAD: [&str; 12] = [
    "function",
    "artifact",
    "init",
    "start to first answer",
    "first call",
    "warm p50",
    "warm p99",
    "CPU per call",
    "reads per call",
    "peak RSS",
    "first call at 128 MB",
    "warm p50 (mean) at 128 MB",
];

/// Two tables in Markdown. A figure in brackets is how many times the first row's it is.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {}; {} starts, {} calls", self.processor, self.at, self.counts.cold, self.counts.warm)?;
        match &self.share {
            Ok(share) => writeln!(f, "at 128 MB: {share}, from the end of the init on\n")?,
            Err(why) => writeln!(f, "no share of 128 MB on this machine: {why}\n")?,
        }
        row(f, &HEAD)?;
        row(f, &["---"; HEAD.len()])?;
        let Some(floor) = self.functions.first() else { return Ok(()) };
        for it in &self.functions {
            let (first, warm) = it.at_128_mb.as_ref().map_or(("–".to_owned(), "–".to_owned()), |at| {
                (time(at.first_call.p50), format!("{} ({})", time(at.allowed.p50), time(at.allowed.mean)))
            });
            row(
                f,
                &[
                    it.name,
                    &size(it.artifact_bytes),
                    &times(it.init.p50, floor.init.p50),
                    &times(it.start_to_first_answer.p50, floor.start_to_first_answer.p50),
                    &time(it.first_call.p50),
                    &times(it.allowed.time.p50, floor.allowed.time.p50),
                    &time(it.allowed.time.p99),
                    &times(it.allowed.cpu, floor.allowed.cpu),
                    &format!("{:.2}", it.allowed.requests),
                    &size(it.peak_memory_bytes),
                    &first,
                    &warm,
                ],
            )?;
        }
        writeln!(f)?;
        row(f, &["rejected", "token", "warm p50", "CPU per call", "reads per call"])?;
        row(f, &["---"; 5])?;
        for it in &self.functions {
            for calls in &it.rejected {
                let (p50, cpu) = (times(calls.time.p50, floor.allowed.time.p50), times(calls.cpu, floor.allowed.cpu));
                row(f, &[it.name, calls.case, &p50, &cpu, &format!("{:.2}", calls.requests)])?;
            }
        }
        Ok(())
    }
}

/// A row of a table.
pub fn row(f: &mut Formatter<'_>, cells: &[&str]) -> fmt::Result {
    writeln!(f, "| {} |", cells.join(" | "))
}

fn times(microseconds: f64, floor: f64) -> String {
    format!("{} ({:.2})", time(microseconds), microseconds / floor)
}

/// A time with three digits that mean something.
pub fn time(microseconds: f64) -> String {
    match microseconds {
        short if short < 1_000.0 => format!("{short:.0} µs"),
        middle if middle < 10_000.0 => format!("{:.2} ms", middle / 1_000.0),
        long => format!("{:.0} ms", long / 1_000.0),
    }
}

/// A size, cut to a tenth of a megabyte.
pub fn size(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
