//! When, from where and by which clients a token is used, as its page shows it.

use std::{collections::BTreeMap, fmt::Write as _};

use hallpass_audit::{History, Usage, usage::MAX_DAYS};
use hallpass_runtime::Event;
use hallpass_service::Context;
use hallpass_token::{Timestamp, TokenId};

use crate::{
    developer::day,
    happened::Change,
    view::{Instant, contained, count},
};

/// What the note of a token says. A part that cannot be read is `None`: the rest of the page does
/// not depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// The uses.
    pub(crate) usage: Option<UsageView>,
    /// The last changes, the newest first.
    pub(crate) changes: Option<Vec<Change>>,
}

/// The uses of a token in the last 90 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageView {
    /// The number of hours with a use, such as `37 hours`.
    pub(crate) hours: String,
    /// The first and the last day of the heat map.
    pub(crate) range: (String, String),
    /// The data of an SVG path with the hours of uses. A day is one unit wide and an hour one unit
    /// high, with the first day at the left and the first hour at the top.
    pub(crate) cells: String,
    /// The days with uses, the last first.
    pub(crate) days: Vec<DayView>,
    /// The networks, the last seen first.
    pub(crate) networks: Vec<SeenView>,
    /// The agents, the last seen first.
    pub(crate) agents: Vec<SeenView>,
}

/// A day with uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DayView {
    /// The date, such as `2027-01-31`.
    pub(crate) date: String,
    /// The hours, such as `00–02, 14`.
    pub(crate) hours: String,
}

/// A network or an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenView {
    /// Its name.
    pub(crate) name: String,
    /// When it was last seen.
    pub(crate) at: Instant,
}

const SECONDS_OF_DAY: u64 = 86_400;

/// Consecutive hours of a day: the first one, and their number.
type Run = (u64, u64);

impl Activity {
    /// Reads the note of a token. A failure is logged.
    pub(crate) async fn of(context: &Context<'_>, id: &TokenId) -> Self {
        let Context { service, now, origin, .. } = *context;
        match service.store.note(id).await {
            Ok(read) => Self {
                usage: Usage::from_attributes(&read.note)
                    .ok()
                    .map(|usage| UsageView::new(usage, now)),
                changes: History::from_attributes(&read.note)
                    .ok()
                    .map(|history| Change::of(&history, id, now)),
            },
            Err(failure) => {
                Event::Failed(&failure).log_from(origin);
                Self::default()
            }
        }
    }
}

impl UsageView {
    /// Returns the uses as seen at this time.
    pub(crate) fn new(mut usage: Usage, now: Timestamp) -> Self {
        usage.prune(now);
        let days_before = u64::try_from(MAX_DAYS.saturating_sub(1)).unwrap_or_default();
        let today = now.unix() / SECONDS_OF_DAY;
        let first = today.saturating_sub(days_before);
        // The clock of the function that recorded a use can be ahead.
        let hours = || usage.hours().filter(|at| at.unix() / SECONDS_OF_DAY <= today);
        let mut days = BTreeMap::<u64, Vec<Run>>::new();
        for at in hours() {
            let runs = days.entry(at.unix() / SECONDS_OF_DAY).or_default();
            let hour = at.unix() / 3_600 % 24;
            match runs.last_mut() {
                Some((start, length)) if start.saturating_add(*length) == hour => {
                    *length = length.saturating_add(1);
                }
                _ => runs.push((hour, 1)),
            }
        }
        let mut cells = String::new();
        for (day, runs) in &days {
            for (hour, length) in runs {
                let column = day.saturating_sub(first);
                let _ = write!(cells, "M{column} {hour}h1v{length}h-1z");
            }
        }
        let seen = |seen: Vec<(&str, Timestamp)>| {
            let view = |(name, at): (&str, Timestamp)| SeenView {
                name: contained(name),
                at: Instant::new(at.min(now), now),
            };
            seen.into_iter().map(view).collect()
        };
        Self {
            hours: count(u64::try_from(hours().count()).unwrap_or_default(), "hour"),
            range: (date(first), date(today)),
            cells,
            days: days.iter().rev().map(|(day, runs)| DayView::new(*day, runs)).collect(),
            networks: seen(usage.networks()),
            agents: seen(usage.agents()),
        }
    }

    /// Returns the last day with a use.
    pub(crate) fn last_day(&self) -> Option<&str> {
        self.days.first().map(|day| day.date.as_str())
    }
}

impl DayView {
    fn new(day: u64, runs: &[Run]) -> Self {
        let run = |(start, length): &Run| match start.saturating_add(*length).saturating_sub(1) {
            last if last == *start => format!("{start:02}"),
            last => format!("{start:02}–{last:02}"),
        };
        Self { date: date(day), hours: runs.iter().map(run).collect::<Vec<_>>().join(", ") }
    }
}

/// Returns the date of a day that is counted from the Unix epoch.
fn date(number: u64) -> String {
    let at = Timestamp::from_unix(number.saturating_mul(SECONDS_OF_DAY));
    day(at.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2027-01-15T08:00:00Z.
    const NOW: u64 = 1_800_000_000;

    fn at(unix: u64) -> Timestamp {
        Timestamp::from_unix(unix).unwrap()
    }

    /// Returns the view of uses at these times in hours before now.
    fn view(hours: &[u64]) -> UsageView {
        let mut usage = Usage::default();
        for hour in hours {
            let ago = std::time::Duration::from_secs(hour.saturating_mul(3_600));
            usage.record(at(NOW).before(ago), Some("192.0.2.0/24"), Some("curl"));
        }
        UsageView::new(usage, at(NOW))
    }

    #[test]
    fn every_hour_with_a_use_has_a_place_on_the_map() {
        let check = |hours: &[u64], cells: &str, days: &[(&str, &str)]| {
            let view = view(hours);
            assert_eq!(view.cells, cells, "{hours:?}");
            let shown: Vec<_> =
                view.days.iter().map(|day| (day.date.as_str(), day.hours.as_str())).collect();
            assert_eq!(shown, days, "{hours:?}");
            assert_eq!(view.hours, count(u64::try_from(hours.len()).unwrap(), "hour"));
            assert_eq!(view.range, ("2026-10-18".to_owned(), "2027-01-15".to_owned()));
        };
        check(&[], "", &[]);
        check(&[0], "M89 8h1v1h-1z", &[("2027-01-15", "08")]);
        check(&[8], "M89 0h1v1h-1z", &[("2027-01-15", "00")]);
        check(&[9], "M88 23h1v1h-1z", &[("2027-01-14", "23")]);
        // Consecutive hours are one rectangle, and midnight parts it.
        check(
            &[10, 9, 8, 7, 5],
            "M88 22h1v2h-1zM89 0h1v2h-1zM89 3h1v1h-1z",
            &[("2027-01-15", "00–01, 03"), ("2027-01-14", "22–23")],
        );
        let oldest = 89 * 24 + 8;
        check(&[oldest], "M0 0h1v1h-1z", &[("2026-10-18", "00")]);
        let whole_day: Vec<u64> = (9..33).collect();
        check(&whole_day, "M88 0h1v24h-1z", &[("2027-01-14", "00–23")]);
    }

    #[test]
    fn what_is_older_or_later_than_the_map_is_left_out() {
        let view = view(&[89 * 24 + 9]);
        assert_eq!((view.cells.as_str(), view.hours.as_str()), ("", "0 hours"));
        assert_eq!((view.last_day(), view.networks.len()), (None, 0));
        let mut usage = Usage::default();
        usage.record(at(NOW + 86_400), None, None);
        let view = UsageView::new(usage, at(NOW));
        assert_eq!((view.cells.as_str(), view.hours.as_str()), ("", "0 hours"));
    }

    #[test]
    fn networks_and_agents_are_contained_and_the_last_seen_is_first() {
        let mut usage = Usage::default();
        usage.record(at(NOW - 7_200), Some("\u{2067}<b>"), Some("curl"));
        usage.record(at(NOW), Some("192.0.2.0/24"), Some("a\u{0}b"));
        let view = UsageView::new(usage, at(NOW));
        let names = |seen: &[SeenView]| -> Vec<String> {
            seen.iter().map(|seen| format!("{} {}", seen.name, seen.at.relative)).collect()
        };
        let networks = ["192.0.2.0/24 less than a minute ago", "\u{fffd}<b> 2 hours ago"];
        assert_eq!(names(&view.networks), networks);
        assert_eq!(names(&view.agents), ["a\u{fffd}b less than a minute ago", "curl 2 hours ago"]);
        assert_eq!(view.last_day(), Some("2027-01-15"));
    }
}
