//! The one place that reads the clock.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use token::Timestamp;

/// Now, in whole seconds. A clock before 1970 reads as 1970, so that nothing is signed yet; one after 9999 as 9999, so
/// that everything has expired.
pub fn now() -> Timestamp {
    instant().whole_seconds()
}

/// A moment in milliseconds, for the log. Nothing is decided by it.
#[derive(Clone, Copy, Debug)]
pub struct Instant(Duration);

/// Now, with what is left of a second.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn instant() -> Instant {
    Instant(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Instant {
    /// Milliseconds since the Unix epoch.
    pub fn unix_milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    fn whole_seconds(self) -> Timestamp {
        Timestamp::from_unix(self.0.as_secs()).unwrap_or(Timestamp::MAX)
    }
}

/// RFC 3339 in UTC, with milliseconds.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.whole_seconds().to_string();
        write!(f, "{}.{:03}Z", seconds.trim_end_matches('Z'), self.0.subsec_millis())
    }
}
