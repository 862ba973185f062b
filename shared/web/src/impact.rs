//! What an action on a user ends: how many active tokens, and when one of them was last used. The
//! pages say it before they ask for confirmation.

use hallpass_token::{Binding, Record, Timestamp};

use crate::view::{Instant, Tokens, count};

/// An active token, as far as a change of its user concerns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveToken {
    binding: Binding,
    last_used_at: Option<Timestamp>,
}

/// The active tokens that an action ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// The number of tokens.
    count: usize,
    /// Whether the user may have more of them than were read.
    is_least: bool,
    /// When one of them was last used.
    last_used: Option<Instant>,
    /// Whether the action also ends the sessions of the user.
    ends_sessions: bool,
}

impl ActiveToken {
    pub(crate) fn new(record: &Record) -> Self {
        Self { binding: record.binding.clone(), last_used_at: record.last_used_at }
    }

    /// Whether a change of this attribute of the user ends the token.
    pub(crate) fn is_bound_to(&self, attribute: &str) -> bool {
        self.binding.names().iter().any(|name| name == attribute)
    }
}

impl Impact {
    /// Returns the impact of an action that ends these of a user's active tokens.
    pub(crate) fn of(
        tokens: &Tokens,
        now: Timestamp,
        ends_sessions: bool,
        ends: impl Fn(&ActiveToken) -> bool,
    ) -> Self {
        let ended = || tokens.active.iter().filter(|token| ends(token));
        let last_used_at = ended().filter_map(|token| token.last_used_at).max();
        Self {
            count: ended().count(),
            is_least: !tokens.is_all,
            last_used: last_used_at.map(|at| Instant::new(at, now)),
            ends_sessions,
        }
    }

    /// Whether the action ends no token.
    pub(crate) const fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Whether the action also ends the sessions of the user.
    pub(crate) const fn ends_sessions(&self) -> bool {
        self.ends_sessions
    }

    /// Returns the number of tokens in words, such as `14 active tokens`.
    pub(crate) fn count(&self) -> String {
        let least = if self.is_least { "at least " } else { "" };
        let number = u64::try_from(self.count).unwrap_or(u64::MAX);
        format!("{least}{}", count(number, "active token"))
    }

    /// Returns when one of the tokens was last used.
    pub(crate) const fn last_used(&self) -> Option<&Instant> {
        self.last_used.as_ref()
    }
}
