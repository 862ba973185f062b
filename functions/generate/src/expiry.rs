//! How long a new token may live: what it goes back to decides.

use edge::{Problem, Service};
use store::Rejected;
use token::{Reason, Record, Scope, Timestamp};

use crate::caller::Caller;

/// The latest expiry of every token that goes back to this log-in (`HALLPASS_MAX_AUTHENTICATION_AGE`).
///
/// # Errors
/// 401 when that has come.
pub(crate) fn latest(service: &Service, authenticated_at: Timestamp, now: Timestamp) -> Result<Timestamp, Problem> {
    let end = authenticated_at.after(service.settings.max_authentication_age);
    if end.has_passed(now) {
        return Err(Problem::rejected(&service.settings.issuer, &Rejected::new(Reason::Expired, None)));
    }
    Ok(end)
}

/// The latest expiry of every token that this one creates, if there is a limit: a token with a scope creates none that
/// outlives it, unless the scope, as far as the user has it now, holds `HALLPASS_TOKENS_PERMISSION`. What binds a token
/// binds every token it creates, directly or through others.
pub(crate) fn cap(service: &Service, record: &Record, scope: &Scope) -> Option<Timestamp> {
    let is_bound = record.scope.is_some() && !scope.holds(&service.settings.tokens_permission);
    let own = record.expires_at.filter(|_| is_bound);
    [own, record.expiry_cap].into_iter().flatten().min()
}

/// The same for the tokens that this caller creates.
pub(crate) fn cap_of(service: &Service, caller: &Caller) -> Option<Timestamp> {
    caller.token().and_then(|token| cap(service, &token.record, &token.scope))
}
