//! Instants in whole seconds. All arithmetic on instants is in this module; it saturates and never
//! wraps.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use time::{
    OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description,
};

/// Seconds since the Unix epoch, from 0 to the end of the year 9999, so that every instant has an
/// RFC 3339 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Timestamp(u64);

/// The text is not an instant of RFC 3339 from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not an instant of RFC 3339")]
pub struct ParseTimestampError;

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The last second of the year 9999.
    pub const MAX: Self = Self(253_402_300_799);

    /// The instant this many seconds after the Unix epoch. Returns `None` after the year 9999.
    pub const fn from_unix(seconds: u64) -> Option<Self> {
        if seconds <= Self::MAX.0 { Some(Self(seconds)) } else { None }
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// Adds a duration, up to [`Timestamp::MAX`]. Fractions of a second are dropped.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        let seconds = self.0.saturating_add(duration.as_secs());
        if seconds <= Self::MAX.0 { Self(seconds) } else { Self::MAX }
    }

    /// Subtracts a duration, down to the Unix epoch. Fractions of a second are dropped.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// The start of the hour that contains it, in UTC.
    #[must_use]
    pub const fn start_of_hour(self) -> Self {
        Self(self.0.saturating_sub(self.0 % 3_600))
    }

    /// Adds calendar months in UTC. The day of the month stays the same, or becomes the last day of
    /// a shorter month. Returns `None` after the year 9999.
    pub fn after_months(self, months: u32) -> Option<Self> {
        let at = self.utc();
        let counted = u32::from(u8::from(at.month())).checked_sub(1)?.checked_add(months)?;
        let year = at.year().checked_add(i32::try_from(counted / 12).ok()?)?;
        let month = time::Month::try_from(u8::try_from(counted % 12).ok()?.checked_add(1)?).ok()?;
        let date =
            time::Date::from_calendar_date(year, month, at.day().min(month.length(year))).ok()?;
        u64::try_from(at.replace_date(date).unix_timestamp()).ok().and_then(Self::from_unix)
    }

    /// The duration from `earlier` to this instant, or zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// Whether this instant is not after `now`. Something that expires at this instant is expired
    /// if it has passed, without any leeway.
    pub fn has_passed(self, now: Self) -> bool {
        now >= self
    }

    /// RFC 3339 in UTC with an offset without a colon, as in Drupal's services_token
    /// (`2026-01-31T09:30:00+0000`).
    pub fn with_offset_without_colon(self) -> String {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000");
        self.utc().format(format).unwrap_or_default()
    }

    /// RFC 3339 in UTC with milliseconds, which are always zero (`2026-01-31T09:30:00.000Z`).
    pub fn with_milliseconds(self) -> String {
        self.to_string().replace('Z', ".000Z")
    }

    /// The date format of HTTP headers (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http_date(self) -> String {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        self.utc().format(format).unwrap_or_default()
    }

    /// The calendar date and time in UTC.
    pub fn utc(self) -> OffsetDateTime {
        i64::try_from(self.0)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(UtcOffset::UTC)
    }
}

/// RFC 3339 in UTC, with `Z` and no fraction (`2026-01-31T09:30:00Z`).
/// Parses RFC 3339 with any offset, from 1970 to 9999. Fractions of a second are dropped.
///
/// The separator of date and time is `T`, `t` or a space (section 5.6 and its note). The library
/// accepts any character there.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return Err(ParseTimestampError);
        }
        let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| ParseTimestampError)?;
        let seconds = u64::try_from(instant.unix_timestamp()).ok();
        seconds.and_then(Self::from_unix).ok_or(ParseTimestampError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.utc();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

impl From<Timestamp> for u64 {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

impl TryFrom<u64> for Timestamp {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        Self::from_unix(seconds).ok_or("an instant must not be after the year 9999")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_one_text_in_each_format() {
        let check = |seconds, rfc3339: &str, drupal: &str| {
            let at = Timestamp::from_unix(seconds).unwrap();
            assert_eq!(
                (at.to_string().as_str(), at.with_offset_without_colon().as_str()),
                (rfc3339, drupal)
            );
            assert_eq!(rfc3339.parse(), Ok(at));
        };
        assert_eq!(Timestamp(784_111_777).http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Timestamp(784_111_777).with_milliseconds(), "1994-11-06T08:49:37.000Z");
        check(0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+0000");
        check(0x5665_e083, "2015-12-07T19:39:47Z", "2015-12-07T19:39:47+0000");
        check(Timestamp::MAX.unix(), "9999-12-31T23:59:59Z", "9999-12-31T23:59:59+0000");
    }

    #[test]
    fn other_offsets_and_fractions_are_parsed_and_invalid_texts_are_rejected() {
        let check = |text: &str, unix| {
            assert_eq!(text.parse().ok().map(Timestamp::unix), unix, "{text}");
        };
        check("2015-12-07T20:39:47+01:00", Some(0x5665_e083));
        check("2015-12-07T19:39:47.999Z", Some(0x5665_e083));
        check("1969-12-31T23:59:59Z", None);
        check("2015-02-30T00:00:00Z", None);
        check("2015-12-07", None);
        check("2015-12-07t19:39:47z", Some(0x5665_e083));
        check("2015-12-07 19:39:47Z", Some(0x5665_e083));
        check("2016-12-31T23:59:60Z", Some(1_483_228_799));
        for separator in ["0", "_", "/", "\u{e9}", "", "TT", "\n", "+", ":", "\u{a0}", "-", "\t"] {
            check(&format!("2015-12-07{separator}19:39:47Z"), None);
        }
        check("", None);
    }

    #[test]
    fn months_are_calendar_months() {
        let check = |from: &str, months, to: Option<&str>| {
            let later = from.parse::<Timestamp>().unwrap().after_months(months);
            assert_eq!(later.map(|at| at.to_string()).as_deref(), to, "{from} + {months}");
        };
        check("2026-01-31T12:00:00Z", 1, Some("2026-02-28T12:00:00Z"));
        check("2028-01-31T12:00:00Z", 1, Some("2028-02-29T12:00:00Z"));
        check("2026-12-15T00:00:00Z", 1, Some("2027-01-15T00:00:00Z"));
        check("2026-11-30T00:00:00Z", 12, Some("2027-11-30T00:00:00Z"));
        check("2026-11-30T00:00:00Z", 0, Some("2026-11-30T00:00:00Z"));
        check("9999-12-01T00:00:00Z", 1, None);
        check("2026-11-30T00:00:00Z", u32::MAX, None);
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp(5).before(Duration::from_secs(9)), Timestamp(0));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp::from_unix(Timestamp::MAX.unix() + 1), None);
    }
}
