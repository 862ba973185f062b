//! What an action on a user ends: how many active tokens, and when one of them was last used. The
//! pages say it before they ask for confirmation.

use hallpass_token::{Record, Timestamp};

use crate::view::{Instant, Tokens, count};

/// An active token, as far as an action on its user concerns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveToken {
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
}

impl ActiveToken {
    pub(crate) fn new(record: &Record) -> Self {
        Self { last_used_at: record.last_used_at }
    }
}

impl Impact {
    /// Returns the impact of an action that ends all active tokens of a user.
    pub(crate) fn of(tokens: &Tokens, now: Timestamp) -> Self {
        let last_used_at = tokens.active.iter().filter_map(|token| token.last_used_at).max();
        Self {
            count: tokens.active.len(),
            is_least: !tokens.is_all,
            last_used: last_used_at.map(|at| Instant::new(at, now)),
        }
    }

    /// Whether the action ends no token.
    pub(crate) const fn is_none(&self) -> bool {
        self.count == 0
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
