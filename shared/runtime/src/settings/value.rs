//! The values of settings: durations, numbers, switches, instants, permissions. White space around
//! a value is not taken off: a value that holds some is rejected with the form that it should have.

use std::time::Duration;

use hallpass_token::{Period, Permission, Timestamp};

use super::{ConfigError, Lookup, days, text};

/// The longest duration: a thousand years.
const MAX_LENGTH: u64 = 366 * 86_400 * 1_000;

/// The largest number of items.
const MAX: u32 = 1_000_000;

const DURATION: &str = "it is not a duration of at least a second, such as 90s, 15m, 12h or 30d";

/// `HALLPASS_RECORD_RETENTION`: how long a record stays after its end.
///
/// # Errors
/// When it is not a duration.
pub fn record_retention(lookup: Lookup<'_>) -> Result<Duration, ConfigError> {
    duration(lookup, "HALLPASS_RECORD_RETENTION", days(1))
}

/// A duration of at least a second in the grammar of [`Period`], without months and years, whose
/// length depends on the calendar.
///
/// # Errors
/// When it is something else, or longer than a thousand years.
pub fn duration(
    lookup: Lookup<'_>,
    name: &'static str,
    default: Duration,
) -> Result<Duration, ConfigError> {
    match text(lookup, name) {
        None => Ok(default),
        Some(text) => fixed(name, period(name, &text, DURATION)?),
    }
}

/// A duration that may be zero.
///
/// # Errors
/// When it is something else, or longer than a thousand years.
pub fn duration_or_zero(
    lookup: Lookup<'_>,
    name: &'static str,
    default: Duration,
) -> Result<Duration, ConfigError> {
    let Some(text) = text(lookup, name) else {
        return Ok(default);
    };
    let is_zero = text.parse().is_ok_and(Period::is_zero);
    let wrong = "it is not a duration such as 0, 90s, 15m, 12h or 30d";
    if is_zero { Ok(Duration::ZERO) } else { fixed(name, period(name, &text, wrong)?) }
}

/// A lifetime of at least a second, which can have months and years.
pub(super) fn lifetime(
    lookup: Lookup<'_>,
    name: &'static str,
) -> Result<Option<Period>, ConfigError> {
    text(lookup, name).map(|text| period(name, &text, DURATION)).transpose()
}

fn period(name: &'static str, text: &str, wrong: &str) -> Result<Period, ConfigError> {
    let fits = |period: &Period| !period.is_zero() && period.at_most().as_secs() <= MAX_LENGTH;
    text.parse().ok().filter(fits).ok_or_else(|| ConfigError::new(name, wrong))
}

fn fixed(name: &'static str, period: Period) -> Result<Duration, ConfigError> {
    period.fixed().ok_or_else(|| {
        ConfigError::new(name, "must not have months or years, whose length depends on the date")
    })
}

/// `HALLPASS_AUTHORIZER_CACHE_TTL`: API Gateway caches what an authorizer says for an hour at most
/// (<https://docs.aws.amazon.com/apigateway/latest/api/API_Authorizer.html>).
///
/// # Errors
/// Returns a [`ConfigError`] if it is not a duration of at most an hour.
pub fn authorizer_cache(lookup: Lookup<'_>) -> Result<Duration, ConfigError> {
    const NAME: &str = "HALLPASS_AUTHORIZER_CACHE_TTL";
    let cache = duration_or_zero(lookup, NAME, Duration::ZERO)?;
    at_most(NAME, cache, Duration::from_secs(3_600), "an hour, as in API Gateway")
}

/// `HALLPASS_KEY_REFRESH`: how often functions fetch the keyring. A retired key is accepted that
/// long.
///
/// # Errors
/// Returns a [`ConfigError`] if it is not a duration from a second to a day.
pub fn key_refresh(lookup: Lookup<'_>) -> Result<Duration, ConfigError> {
    const NAME: &str = "HALLPASS_KEY_REFRESH";
    let refresh = duration(lookup, NAME, Duration::from_secs(300))?;
    at_most(NAME, refresh, days(1), "a day")
}

fn at_most(
    name: &'static str,
    given: Duration,
    most: Duration,
    said: &str,
) -> Result<Duration, ConfigError> {
    if given > most {
        Err(ConfigError::new(name, format!("must be at most {said}")))
    } else {
        Ok(given)
    }
}

/// A whole number in digits alone: no sign, no space.
fn whole(digits: &str) -> Option<u64> {
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| digits.parse().ok())?
}

/// A whole number from 1 to `most`.
pub(super) fn number(
    lookup: Lookup<'_>,
    name: &'static str,
    default: u32,
    most: u32,
) -> Result<u32, ConfigError> {
    let Some(text) = text(lookup, name) else {
        return Ok(default);
    };
    let number = whole(&text).and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| ConfigError::new(name, format!("must be a whole number from 1 to {most}")))
}

/// The same for a number of items.
pub(super) fn count(
    lookup: Lookup<'_>,
    name: &'static str,
    default: u32,
) -> Result<usize, ConfigError> {
    number(lookup, name, default, MAX).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn switch(
    lookup: Lookup<'_>,
    name: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    match text(lookup, name).as_deref() {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(ConfigError::new(name, "must be on or off")),
    }
}

/// Reads the name of a permission. An invalid name could not be granted to any user.
pub(super) fn permission(
    lookup: Lookup<'_>,
    name: &'static str,
) -> Result<Option<String>, ConfigError> {
    let Some(text) = text(lookup, name) else {
        return Ok(None);
    };
    if text.parse::<Permission>().is_err() {
        let form = "must be the name of a permission: 1 to 128 printable ASCII characters without \
                    \", \\ and , and without spaces around it";
        return Err(ConfigError::new(name, form));
    }
    Ok(Some(text))
}

pub(super) fn sunset(lookup: Lookup<'_>) -> Result<Timestamp, ConfigError> {
    const NAME: &str = "HALLPASS_SUNSET";
    let date = text(lookup, NAME).unwrap_or_else(|| "2028-01-01T00:00:00Z".to_owned());
    date.parse().map_err(|_| {
        ConfigError::new(NAME, "must be an instant of RFC 3339 such as 2028-01-01T00:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_inclusive() {
        let check =
            |read: fn(Lookup<'_>) -> Result<Duration, ConfigError>, text: &str, is_read: bool| {
                assert_eq!(read(&|_| Some(text.to_owned())).is_ok(), is_read, "{text}");
            };
        check(authorizer_cache, "0", true);
        check(authorizer_cache, "1h", true);
        check(authorizer_cache, "3601s", false);
        check(key_refresh, "1s", true);
        check(key_refresh, "1d", true);
        check(key_refresh, "86401s", false);
    }

    #[test]
    fn only_a_lifetime_has_months() {
        let check = |text: &str, expected: Option<&str>| {
            let read = lifetime(&|_| Some(text.to_owned()), "X").ok().flatten();
            assert_eq!(read.map(|period| period.to_string()).as_deref(), expected, "{text}");
        };
        check("1 month", Some("P1M"));
        check("P1Y", Some("P12M"));
        check("15m", Some("15m"));
        check("0", None);
        check("1y", None);
        check("11806 months", Some("P11806M"));
        check("11807 months", None);
        let month = |read: fn(Lookup<'_>) -> Result<Duration, ConfigError>| {
            read(&|_| Some("1 month".to_owned())).unwrap_err().wrong
        };
        let why = "must not have months or years, whose length depends on the date";
        assert_eq!([month(authorizer_cache), month(key_refresh)], [why, why]);
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let check = |text: &str, seconds: Option<u64>| {
            let lookup = |_: &str| Some(text.to_owned());
            let got = duration(&lookup, "X", Duration::from_secs(7));
            assert_eq!(got.ok().map(|duration| duration.as_secs()), seconds, "{text}");
        };
        check("", Some(7));
        check("90", Some(90));
        check("90s", Some(90));
        check("15m", Some(900));
        check("12h", Some(43_200));
        check("30d", Some(2_592_000));
        check("2w", Some(1_209_600));
        check("2 weeks", Some(1_209_600));
        check("P30D", Some(2_592_000));
        check("PT1M", Some(60));
        let wrong = [
            "0", "0s", "0d", "-1", "+1", "1.5h", "d", "1y", "1dd", "1 d", " 1d", "1d ", "1d\n",
            "٣d", "P1M", "1 month", "1 year", "PT0S",
        ];
        for bad in
            wrong.into_iter().chain(["999999999d", "99999999999999999999", "18446744073709551616s"])
        {
            check(bad, None);
        }
    }
}
