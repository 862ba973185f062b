//! Lists over all users and over the tokens of all users, with filters, in pages. A page reads a
//! bounded part of the table, however little of it the filter lists.

use hallpass_password::NameKey;
use hallpass_store::{Failure, Store, management::Listed};
use hallpass_token::{Status, User};

mod records;

pub use records::{OwnedRecord, TokenFilter, TokenPage, TokenState, tokens};

/// The users that a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// The start of the user name or of a word of the full name. Names are compared by their normal
    /// forms.
    start: Option<NameKey>,
    /// The status of the users.
    status: Option<Status>,
}

/// A page of users, in no particular order.
#[derive(Debug, Default)]
pub struct UserPage {
    /// The users that the filter lists. An item whose key is not a user ID is left out.
    pub users: Vec<User>,
    /// The number of items that were read.
    pub read: usize,
    /// The key after which the next page starts, or `None` on the last page.
    pub next: Option<String>,
}

/// The maximum number of users or tokens on a page.
const MAX_ROWS: usize = 50;

/// The number of items that DynamoDB reads at once while a filter looks for some.
const PART: i32 = 250;

/// The maximum number of parts that are read for a page: 1,000 items, or four megabytes.
const MAX_PARTS: usize = 4;

impl UserFilter {
    /// Creates a filter. An empty text filters nothing.
    pub fn new(start: &str, status: Option<Status>) -> Self {
        Self { start: (!start.is_empty()).then(|| NameKey::new(start)), status }
    }

    /// Whether the filter leaves out any user.
    pub const fn is_set(&self) -> bool {
        self.start.is_some() || self.status.is_some()
    }

    /// Returns the name that a user must have exactly to come first, if a user can have it.
    pub fn name(&self) -> Option<&NameKey> {
        self.start.as_ref().filter(|name| name.is_usable())
    }

    /// Whether the users of this status are listed.
    pub fn lists_status(&self, status: Status) -> bool {
        self.status.is_none_or(|listed| listed == status)
    }

    fn lists(&self, user: &User) -> bool {
        let starts = |start: &NameKey| {
            let starts = |name: &str, is_start: fn(&str) -> bool| {
                let (name, start) = (NameKey::new(name), start.as_str());
                let at = |(at, _)| name.as_str().get(..at).is_some_and(is_start);
                !start.is_empty() && name.as_str().match_indices(start).any(at)
            };
            let is_word_start =
                |before: &str| before.is_empty() || before.ends_with(char::is_whitespace);
            starts(&user.username, str::is_empty)
                || user.full_name.as_deref().is_some_and(|name| starts(name, is_word_start))
        };
        self.lists_status(user.status) && self.start.as_ref().is_none_or(starts)
    }
}

/// Returns the page of users that starts after this key.
///
/// # Errors
/// Returns a [`Failure`] if DynamoDB cannot be read.
pub async fn users(
    store: &Store,
    filter: &UserFilter,
    after: Option<String>,
) -> Result<UserPage, Failure> {
    let (mut page, mut place) = (UserPage::default(), after);
    // One user more than a page holds shows whether another page exists.
    let most = MAX_ROWS.saturating_add(1);
    for _ in 0..MAX_PARTS {
        let missing = most.saturating_sub(page.users.len());
        let limit = if filter.is_set() { PART } else { i32::try_from(missing).unwrap_or(PART) };
        let part = store.users_part(place.as_deref(), limit).await?;
        for listed in part.users {
            page.read = page.read.saturating_add(1);
            if let Listed::User(user) = listed
                && filter.lists(&user)
            {
                if page.users.len() == MAX_ROWS {
                    page.next = page.users.last().map(|last| last.id.to_string());
                    return Ok(page);
                }
                page.users.push(*user);
            }
        }
        place = part.next;
        if place.is_none() {
            break;
        }
    }
    page.next = place;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hallpass_token::Value;

    use super::*;

    #[test]
    fn a_filter_lists_what_begins_with_its_text() {
        let check = |start: &str, username: &str, full_name: &str, expected: bool| {
            let texts = [("user_id", "1"), ("username", username), ("full_name", full_name)];
            let attributes: BTreeMap<_, _> = texts
                .into_iter()
                .map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())))
                .collect();
            let user = User::from_attributes(attributes).unwrap();
            let filter = UserFilter::new(start, None);
            assert_eq!(filter.lists(&user), expected, "{start:?} {username:?} {full_name:?}");
        };
        check("", "ada", "Ada Lovelace", true);
        check("ada", "ada", "", true);
        check("AD", "ada", "", true);
        check("da", "ada", "", false);
        check("b", "a b", "", false);
        check("ada l", "x", "Ada Lovelace", true);
        check("lovel", "x", "Ada Lovelace", true);
        check("velace", "x", "Ada Lovelace", false);
        check("a", "x", "Bea Ada", true);
        check("ｆｕ", "Full", "", true);
        check("stras", "Straße", "", true);
        check("e\u{301}", "été", "", true);
        check("%", "100%", "", false);
        check("100%", "100%", "", true);
        check("\u{ad}", "ada", "Ada", false);
        check(&"x".repeat(3_000), "x", "", false);
    }
}
