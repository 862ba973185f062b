//! Expiry notices. The hourly sweep marks the records of tokens that expire soon, once for each of
//! a few times before expiry. Notify turns each mark into an event.

use std::time::Duration;

use hallpass_runtime::settings::{self, ConfigError, Lookup};
use hallpass_token::{Period, Record, Timestamp};

/// The times before expiry at which a notice is sent (`HALLPASS_EXPIRY_NOTICES`), the longest
/// first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices(Vec<Duration>);

/// The setting.
const NOTICES: &str = "HALLPASS_EXPIRY_NOTICES";

/// The maximum number of notices for one token.
const MAX_NOTICES: usize = 8;

/// The default.
const USUAL: &str = "14d,3d";

impl Notices {
    /// No notices.
    pub const NONE: Self = Self(Vec::new());

    /// Reads the setting: durations with commas between them, or `off`.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if one is not a duration of an hour or more.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let text = settings::text(lookup, NOTICES);
        let text = text.as_deref().unwrap_or(USUAL);
        if text == "off" {
            return Ok(Self::NONE);
        }
        let wrong = || {
            let wrong = "must be off, or up to 8 durations such as 14d,3d, each of an hour or more";
            ConfigError::new(NOTICES, wrong)
        };
        let duration = |text: &str| {
            let period = text.trim().parse::<Period>().ok()?;
            period.fixed().filter(|duration| *duration >= Duration::from_secs(3_600))
        };
        let times: Option<Vec<Duration>> = text.split(',').map(duration).collect();
        let mut times = times.filter(|times| times.len() <= MAX_NOTICES).ok_or_else(wrong)?;
        times.sort_by_key(|time| std::cmp::Reverse(*time));
        times.dedup();
        Ok(Self(times))
    }

    /// The notice that is due for a token that has not expired: the shortest time that has been
    /// reached, unless it was sent. A token gets no notice of a time that is longer than its whole
    /// life.
    pub(crate) fn due(&self, record: &Record, now: Timestamp) -> Option<Duration> {
        let end = record.expires_at.filter(|end| !end.has_passed(now))?;
        let left = end.since(now);
        let life = end.since(record.issued_at);
        let reached = self.0.iter().rev().find(|time| left <= **time && **time < life)?;
        let is_sent = record.expiry_notified.is_some_and(|sent| sent <= *reached);
        (!is_sent).then_some(*reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_durations_of_an_hour_or_more() {
        let check = |text: &str, expected: Option<&[u64]>| {
            let read = Notices::read(&|_| Some(text.to_owned())).ok();
            let hours = |times: &[u64]| {
                Notices(times.iter().map(|hours| Duration::from_secs(hours * 3_600)).collect())
            };
            assert_eq!(read, expected.map(hours), "{text}");
        };
        check("14d,3d", Some(&[336, 72]));
        check(" 3d , 14d,3d", Some(&[336, 72]));
        check("1h", Some(&[1]));
        check("off", Some(&[]));
        check("", Some(&[336, 72]));
        check("59m", None);
        check("3d,", None);
        check("soon", None);
        check("1h,2h,3h,4h,5h,6h,7h,8h,9h", None);
    }
}
