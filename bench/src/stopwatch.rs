//! The one place here that reads a clock, and what is said of many readings.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Now, for a difference.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub fn now() -> Instant {
    Instant::now()
}

/// Many readings of one thing, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// What one in a hundred is above.
    pub p99: f64,
    /// The mean, which alone shows a process that is made to wait now and then.
    pub mean: f64,
}

impl Spread {
    /// Of these readings.
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

/// A duration in microseconds.
pub fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
