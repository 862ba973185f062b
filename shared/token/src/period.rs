//! The one grammar of durations: in the environment, in the command and in the API.
//!
//! | text | meaning |
//! |---|---|
//! | `90`, `90s`, `15m`, `12h`, `30d`, `2w` | a number of seconds, minutes, hours, days or weeks |
//! | `1 hour`, `2 weeks`, `1 month`, `1 year` | a number and a unit, singular or plural |
//! | `P30D`, `PT15M`, `P1M`, `P1Y6M` | ISO 8601, with whole numbers |
//!
//! `m` is minutes, `P1M` is a month and `PT1M` a minute. Months and years are counted by the
//! calendar in UTC from an instant, so that only a lifetime can have them.

use std::{fmt, str::FromStr, time::Duration};

use crate::timestamp::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// A span of time: months of the calendar, and seconds. It can be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    months: u32,
    seconds: u64,
}

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a duration such as 90s, 15m, 12h, 30d, \"1 month\" or P30D")]
pub struct ParsePeriodError;

impl Period {
    /// A number of seconds.
    pub const fn of_seconds(seconds: u64) -> Self {
        Self { months: 0, seconds }
    }

    /// Whether the period has no length.
    pub const fn is_zero(self) -> bool {
        self.months == 0 && self.seconds == 0
    }

    /// The length, or `None` if it depends on the calendar.
    pub const fn fixed(self) -> Option<Duration> {
        if self.months == 0 { Some(Duration::from_secs(self.seconds)) } else { None }
    }

    /// The longest that the period can be: 31 days for each month.
    pub const fn at_most(self) -> Duration {
        let months = 31_u64.saturating_mul(DAY).saturating_mul(self.months_wide());
        Duration::from_secs(months.saturating_add(self.seconds))
    }

    /// The instant that lies this period after another, up to [`Timestamp::MAX`]. Months are added
    /// first.
    pub fn after(self, from: Timestamp) -> Timestamp {
        let from = from.after_months(self.months).unwrap_or(Timestamp::MAX);
        from.after(Duration::from_secs(self.seconds))
    }

    #[expect(clippy::as_conversions, reason = "`From` is not constant, and nothing is lost")]
    const fn months_wide(self) -> u64 {
        self.months as u64
    }

    fn plus(self, count: u64, unit: Unit) -> Option<Self> {
        Some(match unit {
            Unit::Seconds(each) => {
                let more = count.checked_mul(each)?;
                Self { seconds: self.seconds.checked_add(more)?, ..self }
            }
            Unit::Months(each) => {
                let more = u32::try_from(count).ok()?.checked_mul(each)?;
                Self { months: self.months.checked_add(more)?, ..self }
            }
        })
    }
}

/// A unit, and how many seconds or months it has.
#[derive(Clone, Copy)]
enum Unit {
    Seconds(u64),
    Months(u32),
}

/// The units of ISO 8601 before and after `T`, in the order in which they must appear.
const DATE: [(char, Unit); 4] = [
    ('Y', Unit::Months(12)),
    ('M', Unit::Months(1)),
    ('W', Unit::Seconds(WEEK)),
    ('D', Unit::Seconds(DAY)),
];
const TIME: [(char, Unit); 3] =
    [('H', Unit::Seconds(HOUR)), ('M', Unit::Seconds(MINUTE)), ('S', Unit::Seconds(1))];

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        let read = || {
            if let Some(iso) = text.strip_prefix('P') {
                return iso_8601(iso);
            }
            let (count, unit) = match text.split_once(' ') {
                Some((count, unit)) => (count, word(unit)?),
                None => letter(text)?,
            };
            Self::default().plus(whole(count)?, unit)
        };
        read().ok_or(ParsePeriodError)
    }
}

fn iso_8601(text: &str) -> Option<Period> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None if text.is_empty() => return None,
        None => (text, ""),
    };
    components(components(Period::default(), date, &DATE)?, time, &TIME)
}

/// Adds numbers that are each followed by the letter of a unit.
fn components(mut period: Period, text: &str, units: &[(char, Unit)]) -> Option<Period> {
    let (mut rest, mut units) = (text, units.iter());
    while !rest.is_empty() {
        let (count, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (_, unit) = units.find(|(letter, _)| tail.starts_with(*letter))?;
        period = period.plus(whole(count)?, *unit)?;
        rest = tail.get(1..)?;
    }
    Some(period)
}

fn letter(text: &str) -> Option<(&str, Unit)> {
    let unit = match text.bytes().next_back()? {
        b's' => Unit::Seconds(1),
        b'm' => Unit::Seconds(MINUTE),
        b'h' => Unit::Seconds(HOUR),
        b'd' => Unit::Seconds(DAY),
        b'w' => Unit::Seconds(WEEK),
        _ => return Some((text, Unit::Seconds(1))),
    };
    Some((text.get(..text.len().checked_sub(1)?)?, unit))
}

fn word(text: &str) -> Option<Unit> {
    Some(match text.strip_suffix('s').unwrap_or(text) {
        "second" => Unit::Seconds(1),
        "minute" => Unit::Seconds(MINUTE),
        "hour" => Unit::Seconds(HOUR),
        "day" => Unit::Seconds(DAY),
        "week" => Unit::Seconds(WEEK),
        "month" => Unit::Months(1),
        "year" => Unit::Months(12),
        _ => return None,
    })
}

/// A whole number in digits alone: no sign, no space.
fn whole(digits: &str) -> Option<u64> {
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| digits.parse().ok())?
}

/// The shortest text, such as `30d`, or ISO 8601 if there are months: `P12M`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, seconds } = *self;
        if months > 0 {
            write!(f, "P{months}M")?;
            return if seconds == 0 { Ok(()) } else { write!(f, "T{seconds}S") };
        }
        let is_whole = |each: u64| seconds > 0 && seconds.is_multiple_of(each);
        let (each, unit) = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')]
            .into_iter()
            .find(|(each, _)| is_whole(*each))
            .unwrap_or((1, 's'));
        write!(f, "{}{unit}", seconds.checked_div(each).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the months and the seconds that a text stands for, and its shortest text.
    fn check(text: &str, expected: Option<(u32, u64, &str)>) {
        let read = text.parse::<Period>().ok();
        let shown = read.map(|period| period.to_string());
        let found = read.zip(shown.as_deref());
        let found = found.map(|(period, shown)| (period.months, period.seconds, shown));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn a_number_has_a_letter_for_its_unit_or_is_seconds() {
        check("90", Some((0, 90, "90s")));
        check("90s", Some((0, 90, "90s")));
        check("15m", Some((0, 900, "15m")));
        check("12h", Some((0, 43_200, "12h")));
        check("30d", Some((0, 2_592_000, "30d")));
        check("2w", Some((0, 1_209_600, "14d")));
        check("0", Some((0, 0, "0s")));
    }

    #[test]
    fn a_unit_is_a_word_singular_or_plural() {
        check("1 second", Some((0, 1, "1s")));
        check("3 minutes", Some((0, 180, "3m")));
        check("36 hours", Some((0, 129_600, "36h")));
        check("1 day", Some((0, 86_400, "1d")));
        check("2 weeks", Some((0, 1_209_600, "14d")));
        check("1 month", Some((1, 0, "P1M")));
        check("2 years", Some((24, 0, "P24M")));
    }

    #[test]
    fn iso_8601_tells_months_from_minutes() {
        check("P30D", Some((0, 2_592_000, "30d")));
        check("P1M", Some((1, 0, "P1M")));
        check("PT1M", Some((0, 60, "1m")));
        check("P1Y6M", Some((18, 0, "P18M")));
        check("P2W", Some((0, 1_209_600, "14d")));
        check("PT12H30M5S", Some((0, 45_005, "45005s")));
        check("P1M1DT1S", Some((1, 86_401, "P1MT86401S")));
    }

    #[test]
    fn everything_else_is_rejected() {
        for wrong in [
            "",
            " ",
            "s",
            "d",
            "-1",
            "+1",
            "1.5h",
            "1dd",
            "1 d",
            " 1d",
            "1d ",
            "1d\n",
            "1y",
            "1mo",
            "1M",
            "\u{663}d",
            "soon",
            "1  day",
            " 1 day",
            "1 day ",
            "1 days s",
            "1 monthss",
            "1 s",
            "P",
            "PT",
            "P1",
            "P1DT",
            "P1S",
            "PT1D",
            "P1D1M",
            "P1M1M",
            "P-1D",
            "P1.5D",
            "p1d",
            "P 1D",
            "P1D ",
            "P\u{663}D",
            "PT1\u{663}",
            "99999999999999999999",
            "18446744073709551616s",
            "18446744073709551615m",
            "4294967296 months",
            "400000000 years",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn months_are_counted_by_the_calendar_from_the_given_instant() {
        let check = |from: &str, period: &str, expected: &str| {
            let (from, period): (Timestamp, Period) =
                (from.parse().unwrap(), period.parse().unwrap());
            assert_eq!(period.after(from).to_string(), expected, "{period} after {from}");
        };
        check("2027-01-31T08:00:00Z", "1 month", "2027-02-28T08:00:00Z");
        check("2028-01-31T08:00:00Z", "P1M", "2028-02-29T08:00:00Z");
        check("2028-02-29T08:00:00Z", "1 year", "2029-02-28T08:00:00Z");
        check("2027-01-31T08:00:00Z", "P1M1D", "2027-03-01T08:00:00Z");
        check("2027-01-31T08:00:00Z", "PT1M", "2027-01-31T08:01:00Z");
        check("2027-01-31T08:00:00Z", "9000 years", "9999-12-31T23:59:59Z");
    }

    #[test]
    fn only_a_period_without_months_has_a_fixed_length() {
        let check = |text: &str, fixed: Option<u64>, at_most: u64| {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.fixed().map(|length| length.as_secs()), fixed, "{text}");
            assert_eq!(period.at_most().as_secs(), at_most, "{text}");
        };
        check("2 days", Some(172_800), 172_800);
        check("1 month", None, 31 * DAY);
        check("P1M1D", None, 32 * DAY);
        check("0", Some(0), 0);
    }
}
