//! Lists of entries of the audit log.

use std::time::Duration;

use hallpass_token::{Timestamp, TokenId, UserId};

use crate::entry::Entry;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Entries of this user and of the user's tokens.
    pub user_id: Option<UserId>,
    /// Entries of this token.
    pub token_id: Option<TokenId>,
    /// Entries from this time on.
    pub from: Option<Timestamp>,
    /// Entries before this time.
    pub until: Option<Timestamp>,
}

/// How far a list without a start reaches back from its end.
pub const DEFAULT_LENGTH: Duration = Duration::from_secs(90 * 86_400);

/// How far the clock of another function can be ahead.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// The entries that a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Those of this user and of the user's tokens.
    pub user_id: Option<String>,
    /// Those of this token.
    pub token_id: Option<String>,
    /// Those from this time on.
    pub from: Timestamp,
    /// Those before this time.
    pub until: Timestamp,
}

/// A page of entries.
#[derive(Debug, Default)]
pub struct Page {
    /// The entries, the newest first.
    pub entries: Vec<Entry>,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<String>,
}

impl Asked {
    /// The entries that the list shows now.
    pub fn filter(&self, now: Timestamp) -> Filter {
        let until = self.until.unwrap_or_else(|| now.after(CLOCK_DIFFERENCE));
        Filter {
            user_id: self.user_id.map(|id| id.to_string()),
            token_id: self.token_id.map(|id| id.to_string()),
            from: self.from.unwrap_or_else(|| until.before(DEFAULT_LENGTH)),
            until,
        }
    }

    /// A name for the list, at most 200 characters long, which no other list has. It is the same on
    /// every page of the list.
    pub fn name(&self) -> String {
        let unix = |at: Option<Timestamp>| at.map(|at| at.unix().to_string()).unwrap_or_default();
        let user_id = self.user_id.map(|id| id.to_string()).unwrap_or_default();
        let token_id = self.token_id.map(|id| id.to_string()).unwrap_or_default();
        format!("audit {user_id} {token_id} {} {}", unix(self.from), unix(self.until))
    }
}

impl Filter {
    /// Whether the list shows this entry.
    pub fn lists(&self, entry: &Entry) -> bool {
        let event = &entry.event;
        self.user_id.as_ref().is_none_or(|id| *id == event.user_id)
            && self.token_id.as_ref().is_none_or(|id| event.token_id.as_ref() == Some(id))
            && event.at >= self.from
            && event.at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix: u64) -> Timestamp {
        Timestamp::from_unix(unix).unwrap()
    }

    #[test]
    fn a_list_has_a_default_end_and_a_default_start() {
        let (now, day) = (1_800_000_000, 86_400);
        let check = |from: Option<u64>, until: Option<u64>, expected: (u64, u64)| {
            let asked = Asked { from: from.map(at), until: until.map(at), ..Asked::default() };
            let filter = asked.filter(at(now));
            assert_eq!((filter.from.unix(), filter.until.unix()), expected);
        };
        check(None, None, (now + 60 - 90 * day, now + 60));
        check(Some(5), None, (5, now + 60));
        check(None, Some(now - day), (now - 91 * day, now - day));
        check(Some(5), Some(6), (5, 6));
        check(None, Some(5), (0, 5));
    }

    #[test]
    fn every_list_has_a_short_name_of_its_own() {
        let user_id = |text: &str| Some(text.parse().unwrap());
        let token_id = Some(format!("1.{}", "A".repeat(22)).parse().unwrap());
        let longest = Asked {
            user_id: user_id(&"x".repeat(64)),
            token_id: Some(format!("{}.{}", "x".repeat(64), "A".repeat(22)).parse().unwrap()),
            from: Some(Timestamp::MAX),
            until: Some(Timestamp::MAX),
        };
        assert!(longest.name().len() <= 200, "{}", longest.name());
        let lists = [
            Asked::default(),
            Asked { user_id: user_id("1"), ..Asked::default() },
            Asked { token_id, ..Asked::default() },
            Asked { from: Some(at(1)), ..Asked::default() },
            Asked { until: Some(at(1)), ..Asked::default() },
            Asked { user_id: user_id("1"), token_id, ..Asked::default() },
            longest,
        ];
        let names: std::collections::BTreeSet<String> = lists.iter().map(Asked::name).collect();
        assert_eq!(names.len(), lists.len());
    }
}
