//! The report of a run: Markdown tables with ratios, and all results as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::measure::{Counts, Measured};

/// The results of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The name of the processor, from Linux.
    pub processor: String,
    /// The start time of the run, in RFC 3339.
    pub at: String,
    /// The numbers of repetitions.
    pub counts: Counts,
    /// The share of a processor at 128 MB, or why it is not available.
    pub share: Result<String, String>,
    /// The functions, the baseline first.
    pub functions: Vec<Measured>,
}

const HEAD: [&str; 12] = [
    "function",
    "artifact",
    "init",
    "start to first response",
    "first call",
    "warm p50",
    "warm p99",
    "CPU per call",
    "reads per call",
    "peak RSS",
    "first call at 128 MB",
    "warm p50 (mean) at 128 MB",
];

/// Formats two Markdown tables. A number in parentheses is the ratio to the first row.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, {}; {} starts, {} calls",
            self.processor, self.at, self.counts.cold, self.counts.warm
        )?;
        match &self.share {
            Ok(share) => writeln!(f, "at 128 MB: {share}, after the init\n")?,
            Err(why) => {
                writeln!(f, "the share of 128 MB is not available on this machine: {why}\n")?;
            }
        }
        row(f, &HEAD)?;
        row(f, &["---"; HEAD.len()])?;
        let Some(floor) = self.functions.first() else { return Ok(()) };
        for function in &self.functions {
            let (first, warm) =
                function.at_128_mb.as_ref().map_or(("–".to_owned(), "–".to_owned()), |at| {
                    (
                        time(at.first_call.p50),
                        format!("{} ({})", time(at.allowed.p50), time(at.allowed.mean)),
                    )
                });
            row(
                f,
                &[
                    function.name,
                    &size(function.artifact_bytes),
                    &times(function.init.p50, floor.init.p50),
                    &times(function.start_to_first_answer.p50, floor.start_to_first_answer.p50),
                    &time(function.first_call.p50),
                    &times(function.allowed.time.p50, floor.allowed.time.p50),
                    &time(function.allowed.time.p99),
                    &times(function.allowed.cpu, floor.allowed.cpu),
                    &format!("{:.2}", function.allowed.requests),
                    &size(function.peak_memory_bytes),
                    &first,
                    &warm,
                ],
            )?;
        }
        writeln!(f)?;
        row(f, &["rejected", "token", "warm p50", "CPU per call", "reads per call"])?;
        row(f, &["---"; 5])?;
        for function in &self.functions {
            for calls in &function.rejected {
                let (p50, cpu) = (
                    times(calls.time.p50, floor.allowed.time.p50),
                    times(calls.cpu, floor.allowed.cpu),
                );
                row(
                    f,
                    &[function.name, calls.case, &p50, &cpu, &format!("{:.2}", calls.requests)],
                )?;
            }
        }
        Ok(())
    }
}

/// Writes a row of a Markdown table.
pub fn row(f: &mut Formatter<'_>, cells: &[&str]) -> fmt::Result {
    writeln!(f, "| {} |", cells.join(" | "))
}

fn times(microseconds: f64, floor: f64) -> String {
    format!("{} ({:.2})", time(microseconds), microseconds / floor)
}

/// Formats a time with about three significant digits.
pub fn time(microseconds: f64) -> String {
    match microseconds {
        short if short < 1_000.0 => format!("{short:.0} µs"),
        middle if middle < 10_000.0 => format!("{:.2} ms", middle / 1_000.0),
        long => format!("{:.0} ms", long / 1_000.0),
    }
}

/// Formats a size, truncated to a tenth of a megabyte.
pub fn size(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
