//! Limits on the expiry of a new token.

use crate::{Context, Service};
use hallpass_http::Problem;
use hallpass_store::Rejected;
use hallpass_token::{Reason, Record, Scope, Timestamp};

use crate::caller::Caller;

/// Returns the latest expiry of tokens that descend from this log-in
/// (`HALLPASS_MAX_AUTHENTICATION_AGE`).
///
/// # Errors
/// Returns 401 if that time has passed.
pub fn latest(context: &Context<'_>, authenticated_at: Timestamp) -> Result<Timestamp, Problem> {
    let Context { service, now, .. } = *context;
    let end = authenticated_at.after(service.settings.max_authentication_age);
    if end.has_passed(now) {
        return Err(Problem::rejected(
            &service.settings.issuer,
            &Rejected::new(Reason::Expired, None),
        ));
    }
    Ok(end)
}

/// Returns the latest expiry of tokens that this token creates, if limited. A token with a scope
/// creates no token that outlives it, unless its effective scope holds
/// `HALLPASS_TOKENS_PERMISSION`. The limit also applies to every token created through those
/// tokens.
pub fn cap(service: &Service, record: &Record, scope: &Scope) -> Option<Timestamp> {
    let is_bound = record.scope.is_some() && !scope.holds(&service.settings.tokens_permission);
    let own = record.expires_at.filter(|_| is_bound);
    [own, record.expiry_cap].into_iter().flatten().min()
}

/// Returns the latest expiry of tokens that this caller creates, if limited.
pub fn cap_of(service: &Service, caller: &Caller) -> Option<Timestamp> {
    caller.authority().and_then(|token| cap(service, &token.record, &token.scope))
}
