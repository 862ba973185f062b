//! Tokens and instants as pages show them.

use edge::{Problem, Service};
use token::{Format, Reason, Record, State, Text, Timestamp, User, lifecycle};

/// An instant: exact for machines, short for people. The script puts the reader's own time in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// RFC 3339 in UTC.
    pub exact: String,
    /// To the minute, in UTC.
    pub short: String,
}

/// A token that was just made: the one page that shows its text.
#[derive(Debug)]
pub struct Shown {
    /// The text.
    pub text: Text,
    /// What it is called.
    pub name: String,
    /// What its holder has to know besides.
    pub note: &'static str,
}

/// One token in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its public id.
    pub id: String,
    /// What its owner calls it; empty for one without a name.
    pub name: String,
    /// Its format.
    pub format: &'static str,
    /// What it is limited to; `None` is all that its user may do.
    pub scope: Option<Vec<String>>,
    /// When it was made.
    pub issued: Instant,
    /// When it ends, if ever.
    pub expires: Option<Instant>,
    /// When it was last seen.
    pub last_used: Option<Instant>,
    /// A word for what it is worth.
    pub state: &'static str,
    /// Whether it lets its holder in.
    pub is_live: bool,
    /// Whether an administrator switched it off.
    pub is_disabled: bool,
    /// Whether it can be rotated now.
    pub can_rotate: bool,
    /// Until when it lives on beside its successor.
    pub replaced: Option<Instant>,
}

/// The tokens of a user, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The developer token, if there is one.
    pub developer: Option<Row>,
    /// The others, as many as a page shows.
    pub rows: Vec<Row>,
    /// How many there are.
    pub count: usize,
}

/// How many tokens a page shows.
const MOST_ROWS: usize = 200;

impl Instant {
    /// The two forms of an instant.
    pub fn new(at: Timestamp) -> Self {
        let exact = at.to_string();
        let minute = exact.get(..16).unwrap_or(&exact).replace('T', " ");
        Self { short: format!("{minute} UTC"), exact }
    }
}

impl Row {
    fn new(record: &Record, user: &User, now: Timestamp) -> Self {
        let state = lifecycle::state(record, Some(user), now);
        Self {
            id: record.id.to_string(),
            name: record.name.clone().unwrap_or_default(),
            format: record.format.as_str(),
            scope: record.scope.as_ref().map(|scope| scope.names().map(str::to_owned).collect()),
            issued: Instant::new(record.issued_at),
            expires: record.expires_at.map(Instant::new),
            last_used: record.last_used_at.map(Instant::new),
            state: label(state),
            is_live: state.is_live(),
            is_disabled: state == State::Suspended(Reason::Disabled),
            can_rotate: state.is_live() && record.replaces.is_none() && record.replaced_at.is_none(),
            replaced: record.replaced_at.filter(|_| state.is_live()).map(Instant::new),
        }
    }
}

impl Tokens {
    /// The tokens of a user as the store has them now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(service: &Service, user: &User, now: Timestamp) -> Result<Self, Problem> {
        let mut records = service.store.records_of(&user.id).await?;
        records.sort_by_key(|record| std::cmp::Reverse(record.issued_at));
        let (developer, others): (Vec<_>, Vec<_>) =
            records.iter().partition(|record| record.format == Format::Developer);
        Ok(Self {
            developer: developer.first().map(|record| Row::new(record, user, now)),
            rows: others.iter().take(MOST_ROWS).map(|record| Row::new(record, user, now)).collect(),
            count: others.len(),
        })
    }

    /// All of them in one list, the developer token first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Row> {
        self.developer.iter().chain(&self.rows)
    }
}

/// What a page says after something was done. The word comes from its address, so that only known ones count.
pub fn notice(done: &str) -> Option<&'static str> {
    Some(match done {
        "revoked" => "The token is revoked. It lets nobody in any more.",
        "disabled" => "The key is disabled until you enable it.",
        "enabled" => "The key is enabled again.",
        "deleted" => "The key is deleted. It lets nobody in any more.",
        "all-revoked" => "All tokens of this user are revoked.",
        "blocked" => "The user is blocked, and all tokens of before are void.",
        "unblocked" => "The user may sign in again. The tokens of before stay void.",
        "signed-out" => "You are signed out.",
        _ => return None,
    })
}

/// What a person reads for a state.
const fn label(state: State) -> &'static str {
    match state {
        State::Live => "active",
        State::Suspended(Reason::UserBlocked) => "the user is blocked",
        State::Suspended(_) => "disabled",
        State::Ended(Reason::Expired) => "expired",
        State::Ended(Reason::Revoked) => "revoked",
        State::Ended(Reason::Replaced) => "replaced",
        State::Ended(Reason::UserBlocked) => "void: the user was blocked",
        State::Ended(Reason::UserChanged) => "void: the user changed",
        State::Ended(Reason::UserRemoved) => "void: the user was removed",
        State::Ended(Reason::Malformed | Reason::Forged | Reason::Unknown | Reason::Disabled) => "void",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_exact_and_short() {
        let at = Timestamp::from_unix(1_800_000_059).unwrap();
        let expected = Instant { exact: "2027-01-15T08:00:59Z".to_owned(), short: "2027-01-15 08:00 UTC".to_owned() };
        assert_eq!(Instant::new(at), expected);
    }
}
