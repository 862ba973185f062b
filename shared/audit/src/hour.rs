//! The hours of the log, in UTC.

use std::time::Duration;

use hallpass_token::Timestamp;

/// An hour in UTC, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u64);

impl Hour {
    /// The hour of an instant.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.unix() / 3600)
    }

    /// Its first second.
    pub fn start(self) -> Timestamp {
        Timestamp::from_unix(self.0.saturating_mul(3600)).unwrap_or(Timestamp::MAX)
    }

    /// The first second of the next hour.
    pub fn end(self) -> Timestamp {
        self.start().after(Duration::from_secs(3600))
    }

    /// The next hour.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The hour this many hours earlier.
    #[must_use]
    pub const fn before(self, hours: u64) -> Self {
        Self(self.0.saturating_sub(hours))
    }

    /// The number of whole hours from `earlier` to this hour, or 0.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Its path in the names of objects: `YYYY/MM/DD/HH`.
    pub fn path(self) -> String {
        let at = self.start().utc();
        format!("{:04}/{:02}/{:02}/{:02}", at.year(), u8::from(at.month()), at.day(), at.hour())
    }

    /// Reads a path. Returns `None` if it is not exactly that of an hour.
    pub fn from_path(path: &str) -> Option<Self> {
        let (date, hour) = path.rsplit_once('/')?;
        let at: Timestamp = format!("{}T{hour}:00:00Z", date.replace('/', "-")).parse().ok()?;
        Some(Self::of(at)).filter(|hour| hour.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_one_path() {
        let hour = Hour::of("2026-01-31T09:59:59Z".parse().unwrap());
        assert_eq!(hour.path(), "2026/01/31/09");
        assert_eq!(Hour::from_path("2026/01/31/09"), Some(hour));
        assert_eq!(hour.start().to_string(), "2026-01-31T09:00:00Z");
        assert_eq!(hour.end(), hour.next().start());
        assert_eq!(hour.next().since(hour), 1);
        for bad in ["2026/1/31/09", "2026-01-31/09", "2026/01/31/24", "2026/01/31", "", "a/b/c/d"] {
            assert_eq!(Hour::from_path(bad), None, "{bad}");
        }
    }
}
