//! Tokens and instants as pages show them.

use std::time::Duration;

use hallpass_http::Problem;
use hallpass_service::Context;
use hallpass_store::live::LiveRecord;
use hallpass_token::{Format, Reason, Record, Scope, State, Text, Timestamp, User, lifecycle};

use crate::impact::ActiveToken;

pub use crate::notice::notice;

/// An instant, exact for machines and relative for people. The script shows it in the reader's own
/// time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// The instant as RFC 3339 in UTC.
    pub exact: String,
    /// The instant to the minute, in UTC.
    pub short: String,
    /// The distance from now, such as `in 6 days`, or the date if it is far away.
    pub relative: String,
}

/// A newly created token, for the only page that shows its text.
#[derive(Debug)]
pub struct CreatedToken {
    /// The text of the token.
    pub text: Text,
    /// The heading above the token.
    pub title: &'static str,
    /// The name of the token, if it has one.
    pub name: Option<String>,
    /// When the token expires, if ever.
    pub expires: Option<Instant>,
    /// A note for the holder. May be empty.
    pub note: String,
}

/// One token in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The ID of the token.
    pub id: String,
    /// The name of the token. Empty if it has none.
    pub name: String,
    /// The description of the token. Empty if it has none.
    pub description: String,
    /// The format of the token.
    pub format: &'static str,
    /// The scopes of the token. `None` means all permissions of its user.
    pub scope: Option<Vec<String>>,
    /// When the token was issued.
    pub issued: Instant,
    /// When the token expires, if ever.
    pub expires: Option<Instant>,
    /// Whether the token is live and expires within a week.
    pub expires_soon: bool,
    /// When the token was last used.
    pub last_used: Option<Instant>,
    /// The state of the token.
    state: State,
    /// Whether the token can be rotated now.
    pub can_rotate: bool,
    /// Until when the rotated token stays valid next to its successor.
    pub replaced: Option<Instant>,
}

/// The tokens of a user, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The developer token, if there is one.
    pub developer: Option<Row>,
    /// The other tokens that are active or can be active again, up to the limit of a page.
    pub current: Vec<Row>,
    /// The other tokens that are expired, revoked or invalid, up to the limit of a page.
    pub ended: Vec<Row>,
    /// All active tokens that were read, the developer token included.
    pub active: Vec<ActiveToken>,
    /// The number of other tokens that were read.
    pub count: usize,
    /// Whether all tokens were read. If the user has very many, only live ones are.
    pub is_all: bool,
    /// From when a revoked token is rejected by every API, such as `at once`.
    pub effective: String,
    /// How long a rotated token is accepted while its successor is unused, such as `1 hour`.
    pub window: String,
}

/// The maximum number of tokens that are read for a page: about a megabyte.
const MAX_READ: usize = 1_000;

/// Within this time before its expiry a token is marked.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The maximum number of tokens that a page shows.
const MAX_ROWS: usize = 200;

impl Instant {
    /// Formats an instant as seen at another one.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let exact = at.to_string();
        let minute = exact.get(..16).unwrap_or(&exact).replace('T', " ");
        Self { short: format!("{minute} UTC"), relative: relative(at, now), exact }
    }
}

impl Row {
    /// Creates the row of a token of this user, or of a user who was removed.
    pub(crate) fn new(record: &Record, user: Option<&User>, now: Timestamp) -> Self {
        let state = lifecycle::state(record, user, now);
        let instant = |at| Instant::new(at, now);
        Self {
            id: record.id.to_string(),
            name: record.name.as_deref().map(contained).unwrap_or_default(),
            description: record.description.as_deref().map(contained).unwrap_or_default(),
            format: record.format.as_str(),
            scope: record.scope.as_ref().map(|scope| scope.names().map(contained).collect()),
            issued: instant(record.issued_at),
            expires: record.expires_at.map(instant),
            expires_soon: state.is_live()
                && record.expires_at.is_some_and(|end| end <= now.after(SOON)),
            last_used: record.last_used_at.map(instant),
            state,
            can_rotate: state.is_live()
                && record.replaces.is_none()
                && record.replaced_at.is_none(),
            replaced: record.replaced_at.filter(|_| state.is_live()).map(instant),
        }
    }

    /// Leaves out what a portal session of this scope is not permitted to do: the rotated token has
    /// the permissions of the old one.
    pub(crate) fn within(mut self, limit: Option<&Scope>) -> Self {
        if let Some(limit) = limit {
            self.can_rotate &=
                self.scope.as_ref().is_some_and(|names| names.iter().all(|name| limit.holds(name)));
        }
        self
    }

    /// Returns the name for places where HTML elements are not allowed.
    pub(crate) fn isolated(&self) -> String {
        isolated(&self.name)
    }

    /// Returns the state of the token in words.
    pub const fn state(&self) -> &'static str {
        label(self.state)
    }

    /// Whether the token is accepted.
    pub fn is_live(&self) -> bool {
        self.state.is_live()
    }

    /// Whether an administrator disabled the token.
    pub fn is_disabled(&self) -> bool {
        self.state == State::Suspended(Reason::Disabled)
    }

    /// Whether the token is neither active nor can be active again.
    pub fn has_ended(&self) -> bool {
        !self.is_live() && !self.is_disabled()
    }
}

impl Tokens {
    /// Reads the current tokens of a user.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be read.
    pub async fn of(context: &Context<'_>, user: &User) -> Result<Self, Problem> {
        let Context { service, now, .. } = *context;
        let page = service.store.page_of(&user.id, MAX_READ, None, None).await?;
        let is_all = page.next.is_none();
        let mut records = if is_all { page.records } else { live(context, user).await? };
        records.sort_by_key(|record| std::cmp::Reverse(record.issued_at));
        let is_live = |record: &&Record| lifecycle::state(record, Some(user), now).is_live();
        let active = records.iter().filter(is_live).map(ActiveToken::new).collect();
        let (developer, others): (Vec<_>, Vec<_>) =
            records.iter().partition(|record| record.format == Format::Developer);
        let (mut ended, mut current): (Vec<_>, Vec<_>) =
            others.iter().map(|record| Row::new(record, Some(user), now)).partition(Row::has_ended);
        current.truncate(MAX_ROWS);
        ended.truncate(MAX_ROWS.saturating_sub(current.len()));
        Ok(Self {
            developer: developer.first().map(|record| Row::new(record, Some(user), now)),
            current,
            ended,
            active,
            count: others.len(),
            is_all,
            effective: effective(service.settings.authorizer_cache),
            window: in_words(service.settings.rotation_window),
        })
    }

    /// Returns the number of tokens that the page shows, without the developer token.
    pub const fn shown(&self) -> usize {
        self.current.len().saturating_add(self.ended.len())
    }

    /// Returns all tokens in one list, the developer token first.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.developer.iter().chain(&self.current).chain(&self.ended)
    }
}

/// Returns the distance of an instant from now in one unit, or its date if it is far away.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let distance = at.unix().abs_diff(now.unix());
    let words = match distance {
        0..60 => "less than a minute".to_owned(),
        60..3_600 => count(distance / 60, "minute"),
        3_600..172_800 => count(distance / 3_600, "hour"),
        172_800..5_184_000 => count(distance / 86_400, "day"),
        _ => return at.to_string().chars().take_while(|c| *c != 'T').collect(),
    };
    if at <= now { format!("{words} ago") } else { format!("in {words}") }
}

/// Returns a number with its unit in the plural, unless it is one.
pub(crate) fn count(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// Makes a user-chosen name safe inside a `<bdi>`, so that its characters affect the direction of
/// text only within the element. Unbalanced isolates and paragraph separators would reach beyond
/// it. They are replaced by U+FFFD, as are all other control characters.
pub fn contained(name: &str) -> String {
    let (mut open, mut unmatched) = (Vec::new(), Vec::new());
    for (at, c) in name.char_indices() {
        match c {
            '\u{2066}'..='\u{2068}' => open.push(at),
            '\u{2069}' if open.pop().is_none() => unmatched.push(at),
            _ => {}
        }
    }
    unmatched.append(&mut open);
    let is_unfit = |at: usize, c: char| {
        let is_control = c.is_control() && !matches!(c, '\n' | '\t');
        is_control || matches!(c, '\u{2028}' | '\u{2029}') || unmatched.contains(&at)
    };
    name.char_indices().map(|(at, c)| if is_unfit(at, c) { '\u{fffd}' } else { c }).collect()
}

/// Returns the same between isolate characters, for places where HTML elements are not allowed.
pub fn isolated(name: &str) -> String {
    format!("\u{2068}{}\u{2069}", contained(name))
}

/// Returns the newest live tokens of a user with very many tokens, and the developer token.
async fn live(context: &Context<'_>, user: &User) -> Result<Vec<Record>, Problem> {
    let Context { service, now, .. } = *context;
    let is_valid = |record: &LiveRecord| record.invalidated(Some(user)).is_none();
    let mut live = service.store.live_records(&user.id, now, MAX_READ, is_valid).await?;
    live.sort_by_key(|record| {
        (record.format != Format::Developer, std::cmp::Reverse(record.issued_at))
    });
    live.truncate(MAX_ROWS);
    Ok(service.store.whole_records(&live).await?)
}

/// Returns from when a revocation is effective, if an API caches responses for this long.
pub(crate) fn effective(cache: Duration) -> String {
    if cache.is_zero() { "at once".to_owned() } else { format!("within {}", in_words(cache)) }
}

/// Returns a duration in its largest whole unit: `5 minutes`.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let unit =
        units.into_iter().find(|(_, each)| seconds >= *each && seconds.is_multiple_of(*each));
    let (unit, each) = unit.unwrap_or(("second", 1));
    count(seconds.checked_div(each).unwrap_or_default(), unit)
}

/// Returns a state in words.
const fn label(state: State) -> &'static str {
    match state {
        State::Live => "active",
        State::Suspended(Reason::UserBlocked) => "the user is blocked",
        State::Suspended(Reason::SignInRequired) => "sign in again to use it",
        State::Suspended(_) => "disabled",
        State::Ended(Reason::Expired) => "expired",
        State::Ended(Reason::Revoked) => "revoked",
        State::Ended(Reason::Leaked) => "revoked: it has leaked",
        State::Ended(Reason::Replaced) => "replaced",
        State::Ended(Reason::UserBlocked) => "invalid: the user was blocked",
        State::Ended(Reason::UserChanged) => "invalid: the user changed",
        State::Ended(Reason::UserRemoved) => "invalid: the user was removed",
        State::Ended(
            Reason::Malformed
            | Reason::Forged
            | Reason::Unknown
            | Reason::Disabled
            | Reason::SignInRequired,
        ) => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_affect_text_outside_its_element() {
        let check = |name: &str, expected: &str| assert_eq!(contained(name), expected, "{name:?}");
        for kept in [
            "Ada Lovelace",
            "\u{5e2}\u{5d3}\u{5d4}",
            "a\u{202e}b",
            "a\u{202e}b\u{202c}c",
            "a\n\tb",
            "\u{200f}a",
            "",
        ] {
            check(kept, kept);
        }
        for kept in ["\u{2066}a\u{2069}", "\u{2067}a\u{2068}b\u{2069}c\u{2069}"] {
            check(kept, kept);
        }
        check("a\u{2069}b", "a\u{fffd}b");
        check("\u{2067}a", "\u{fffd}a");
        check("\u{2067}a\u{2066}b\u{2069}", "\u{fffd}a\u{2066}b\u{2069}");
        check("\u{2069}\u{202e}a\u{2068}", "\u{fffd}\u{202e}a\u{fffd}");
        check(
            "a\u{2029}b\u{2028}c\u{85}d\u{1b}e\u{0}",
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}",
        );
        assert_eq!(isolated("a\u{2069}"), "\u{2068}a\u{fffd}\u{2069}");
    }

    #[test]
    fn a_page_states_from_when_a_revocation_is_effective() {
        let check =
            |seconds, expected: &str| assert_eq!(effective(Duration::from_secs(seconds)), expected);
        check(0, "at once");
        check(1, "within 1 second");
        check(45, "within 45 seconds");
        check(60, "within 1 minute");
        check(90, "within 90 seconds");
        check(300, "within 5 minutes");
        check(3_600, "within 1 hour");
        check(172_800, "within 2 days");
    }

    #[test]
    fn an_instant_is_exact_and_short() {
        let at = Timestamp::from_unix(1_800_000_059).unwrap();
        let expected = Instant {
            exact: "2027-01-15T08:00:59Z".to_owned(),
            short: "2027-01-15 08:00 UTC".to_owned(),
            relative: "less than a minute ago".to_owned(),
        };
        assert_eq!(Instant::new(at, at), expected);
    }

    #[test]
    fn an_instant_is_relative_unless_it_is_far_away() {
        let now = Timestamp::from_unix(1_800_000_000).unwrap();
        let check = |seconds, later: &str, earlier: &str| {
            let distance = Duration::from_secs(seconds);
            assert_eq!(relative(now.after(distance), now), later, "{seconds}");
            assert_eq!(relative(now.before(distance), now), earlier, "{seconds}");
        };
        check(1, "in less than a minute", "less than a minute ago");
        check(59, "in less than a minute", "less than a minute ago");
        check(60, "in 1 minute", "1 minute ago");
        check(3_599, "in 59 minutes", "59 minutes ago");
        check(3_600, "in 1 hour", "1 hour ago");
        check(172_799, "in 47 hours", "47 hours ago");
        check(172_800, "in 2 days", "2 days ago");
        check(5_183_999, "in 59 days", "59 days ago");
        check(5_184_000, "2027-03-16", "2026-11-16");
    }
}
