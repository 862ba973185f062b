//! The filters of `GET /tokens`.

use hallpass_http::Problem;
use hallpass_service::search::TokenState;
use hallpass_token::{Record, Timestamp, User};
use lambda_http::Request;

use super::{parameter, parsed};

/// The parameters of the filters.
pub(super) const PARAMETERS: [&str; 5] =
    ["state", "expires_before", "unused_since", "scope", "name"];

/// The tokens that a list shows.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    state: Option<TokenState>,
    expires_before: Option<Timestamp>,
    unused_since: Option<Timestamp>,
    scope: Option<&'a str>,
    /// The start of the name.
    name: Option<&'a str>,
}

impl<'a> Filter<'a> {
    /// Reads the filters of a query.
    ///
    /// # Errors
    /// Returns 400 that names the parameter.
    pub(super) fn read(request: &'a Request) -> Result<Self, Problem> {
        let instant =
            |name| parsed(request, name, "it must be a time such as 2027-01-31T09:30:00Z");
        let state = parameter(request, "state").map(|name| {
            TokenState::named(name).ok_or_else(|| {
                let names = TokenState::NAMES.map(|(name, _)| name).join(", ");
                Problem::invalid_member("state", &format!("it must be one of {names}"))
            })
        });
        Ok(Self {
            state: state.transpose()?,
            expires_before: instant("expires_before")?,
            unused_since: instant("unused_since")?,
            scope: parameter(request, "scope"),
            name: parameter(request, "name"),
        })
    }

    /// Whether the list shows this token of this user.
    pub(super) fn lists(&self, record: &Record, user: Option<&User>, now: Timestamp) -> bool {
        let expires = |end| record.expires_at.is_some_and(|expires_at| expires_at < end);
        let is_unused = |since| record.last_used_at.unwrap_or(record.issued_at) < since;
        let holds = |name: &str| {
            user.is_some_and(|user| user.permissions.holds(name))
                && record.scope.as_ref().is_none_or(|scope| scope.holds(name))
        };
        let begins = |start: &str| record.name.as_ref().is_some_and(|name| name.starts_with(start));
        self.state.is_none_or(|state| state.is_of(record, user, now))
            && self.expires_before.is_none_or(expires)
            && self.unused_since.is_none_or(is_unused)
            && self.scope.is_none_or(holds)
            && self.name.is_none_or(begins)
    }
}
