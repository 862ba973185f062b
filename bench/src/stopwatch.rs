//! Reads the clock, and summarizes many readings.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Returns the present instant.
#[expect(clippy::disallowed_methods, reason = "the purpose of this program is to measure time")]
pub fn now() -> Instant {
    Instant::now()
}

/// A summary of many readings, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The mean. Unlike the others it reflects occasional long waits.
    pub mean: f64,
}

impl Spread {
    /// Summarizes readings.
    pub fn of(mut readings: Vec<Duration>) -> Self {
        readings.sort_unstable();
        let at = |percent: usize| {
            let index = readings.len().saturating_sub(1) * percent / 100;
            readings.get(index).map_or(0.0, |reading| microseconds(*reading))
        };
        let sum: Duration = readings.iter().sum();
        let count = u32::try_from(readings.len()).unwrap_or(u32::MAX).max(1);
        Self { p50: at(50), p99: at(99), mean: microseconds(sum / count) }
    }
}

/// Converts a duration to microseconds.
pub fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
