//! The list of the tokens of all users.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hallpass_store::{Failure, Store, sweep::Place};
use hallpass_token::{Reason, Record, State, Timestamp, User, UserId, lifecycle};

use super::{MAX_PARTS, MAX_ROWS, PART};

/// The tokens that a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Tokens that expire within this time.
    pub expires_within: Option<Duration>,
    /// Tokens that existed for this time and were not used in it.
    pub unused_for: Option<Duration>,
    /// Tokens that were never used.
    pub is_unused: bool,
    /// Tokens that hold the permission of this name.
    pub permission: Option<String>,
    /// Tokens in this state.
    pub state: Option<TokenState>,
}

/// The state of a token, as lists filter by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The token is accepted.
    Active,
    /// An administrator disabled the token, and can enable it again.
    Disabled,
    /// The token was revoked because its text was found in public. It is inactive as well.
    Leaked,
    /// The token is expired, revoked, replaced or invalid, or its user is blocked.
    Inactive,
}

impl TokenState {
    /// The states with their names in queries.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("active", Self::Active),
        ("disabled", Self::Disabled),
        ("leaked", Self::Leaked),
        ("inactive", Self::Inactive),
    ];

    /// Returns the state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, state)| state)
    }

    /// Whether a token is in this state.
    pub fn is_of(self, record: &Record, user: Option<&User>, now: Timestamp) -> bool {
        match self {
            Self::Leaked => {
                record.revoked.is_some_and(|revocation| revocation.because == Reason::Leaked)
            }
            Self::Active | Self::Disabled | Self::Inactive => self == Self::of(record, user, now),
        }
    }

    fn of(record: &Record, user: Option<&User>, now: Timestamp) -> Self {
        match lifecycle::state(record, user, now) {
            State::Live => Self::Active,
            State::Suspended(Reason::Disabled) => Self::Disabled,
            State::Suspended(_) | State::Ended(_) => Self::Inactive,
        }
    }
}

/// A token with its user.
#[derive(Clone, Debug)]
pub struct OwnedRecord {
    /// The record of the token.
    pub record: Record,
    /// The user, or `None` if the user was removed or cannot be read.
    pub user: Option<Arc<User>>,
}

/// A page of tokens. The tokens of one user follow one another.
#[derive(Debug, Default)]
pub struct TokenPage {
    /// The tokens that the filter lists. Unreadable records are left out, because they are never
    /// accepted.
    pub tokens: Vec<OwnedRecord>,
    /// The number of items that were read.
    pub read: usize,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<Place>,
}

/// Returns the page of the tokens of all users that starts after this position.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read.
pub async fn tokens(
    store: &Store,
    filter: &TokenFilter,
    now: Timestamp,
    after: Option<Place>,
) -> Result<TokenPage, Failure> {
    let (mut page, mut place) = (TokenPage::default(), after);
    for _ in 0..MAX_PARTS {
        let part = store.records_part(place.as_ref(), PART).await?;
        page.read = page.read.saturating_add(part.read);
        let mut records = part.records;
        records.retain(|record| filter.lists_record(record, now));
        let users = users_of(store, &records).await?;
        for record in records {
            let user = users.get(&record.id.user_id).cloned();
            if !filter.lists_state(&record, user.as_deref(), now) {
                continue;
            }
            if page.tokens.len() == MAX_ROWS {
                page.next = page.tokens.last().map(|last| Place::of_record(&last.record));
                return Ok(page);
            }
            page.tokens.push(OwnedRecord { record, user });
        }
        place = part.next;
        if place.is_none() {
            break;
        }
    }
    page.next = place;
    Ok(page)
}

/// Reads the users of these records.
async fn users_of(
    store: &Store,
    records: &[Record],
) -> Result<BTreeMap<UserId, Arc<User>>, Failure> {
    let mut ids: Vec<UserId> = records.iter().map(|record| record.id.user_id).collect();
    ids.sort();
    ids.dedup();
    let users = store.users(&ids).await?.into_iter();
    Ok(users.filter_map(|(id, user)| Some((id, Arc::new(user?)))).collect())
}

impl TokenFilter {
    /// Whether the filter leaves out any token.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the record itself does not rule the token out.
    fn lists_record(&self, record: &Record, now: Timestamp) -> bool {
        let expires = |within| {
            record.expires_at.is_some_and(|end| !end.has_passed(now) && end <= now.after(within))
        };
        let is_unused_for = |time| {
            record.last_used_at.unwrap_or(record.issued_at).max(record.issued_at)
                <= now.before(time)
        };
        let holds = |name: &String| record.scope.as_ref().is_none_or(|scope| scope.holds(name));
        self.expires_within.is_none_or(expires)
            && self.unused_for.is_none_or(is_unused_for)
            && (!self.is_unused || record.last_used_at.is_none())
            && self.permission.as_ref().is_none_or(holds)
    }

    fn lists_state(&self, record: &Record, user: Option<&User>, now: Timestamp) -> bool {
        let holds = |name: &String| user.is_some_and(|user| user.permissions.holds(name));
        // A token that has ended does not expire any more.
        let expires =
            self.expires_within.is_none() || !TokenState::Inactive.is_of(record, user, now);
        let is_listed = |state: TokenState| state.is_of(record, user, now);
        expires && self.state.is_none_or(is_listed) && self.permission.as_ref().is_none_or(holds)
    }
}
