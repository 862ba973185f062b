//! Reads the system clock. No other module does.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hallpass_token::Timestamp;

/// Returns the current time in whole seconds. A clock before 1970 reads as 1970, where no key signs
/// yet. A clock after the year 9999 reads as the last second of 9999, when every token has expired.
pub fn now() -> Timestamp {
    instant().whole_seconds()
}

/// A point in time with milliseconds, for log lines only. No decision depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Instant(Duration);

/// Returns the current time with milliseconds.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn instant() -> Instant {
    Instant(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Instant {
    /// Returns the milliseconds since the Unix epoch.
    pub fn unix_milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    fn whole_seconds(self) -> Timestamp {
        Timestamp::from_unix(self.0.as_secs()).unwrap_or(Timestamp::MAX)
    }
}

/// Formats as RFC 3339 in UTC, with milliseconds.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.whole_seconds().to_string();
        write!(f, "{}.{:03}Z", seconds.trim_end_matches('Z'), self.0.subsec_millis())
    }
}
