//! Rotation: issues the successor of a token with the same settings. The old token expires at the
//! first use of the new one, or after `HALLPASS_ROTATION_WINDOW`, whichever comes first.

use hallpass_http::Problem;
use hallpass_runtime::Event;
use hallpass_store::{Rejected, marks::Marked, rotation::Rotated, size};
use hallpass_token::{
    Admitted, Family, Format, IssuedText, Reason, Record, Scope, Snapshot, Text, Timestamp,
    TokenId, User, lifecycle,
};

use crate::{
    Context, Service,
    caller::Caller,
    expiry,
    issue::{Shape, sign, too_long, too_many_issuers},
    recheck::Basis,
};

/// Issues the successor of a token. Also returns when the old token expires at the latest.
pub async fn rotate(
    context: &Context<'_>,
    caller: &Caller,
    old: &Record,
) -> Result<(Text, Record, Timestamp), Problem> {
    let Context { service, now, .. } = *context;
    if old.format == Format::Developer {
        return Err(Problem::conflict(
            "A developer token is regenerated with POST /profile/developer",
        ));
    }
    // Otherwise a series of unused successors would exceed every limit on tokens.
    if old.replaces.is_some() {
        return Err(Problem::conflict("The token has not been used yet"));
    }
    let other = other(service, caller, old).await?;
    let owner = other.as_ref().map_or_else(|| caller.user(), |other| &other.value);
    let ended = |rejection| {
        Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(old.id)))
    };
    let admitted = lifecycle::readmit(old.clone(), Some(owner.clone()), now).map_err(ended)?;
    // The caller receives the text, so the new token must not have a broader scope than the caller,
    // even if the user's current permissions make both equal.
    if other.is_none() && caller.token().is_some_and(|caller| is_broader(old, &caller.record)) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    if caller.limit().is_some_and(|limit| !is_within(old, limit)) {
        return Err(Problem::not_permitted());
    }
    let (signed, new) = successor(context, caller, &admitted).await?;
    if let Some(excess) = size::excess(&new) {
        return Err(Problem::conflict(format!(
            "The description cannot be kept: {}",
            too_long(excess)
        )));
    }
    let window = now.after(service.settings.rotation_window);
    replace(context, caller, old, &new, window).await?;
    let administers = [service.settings.admin_permission.as_str()];
    let is_administrator = service.is_administrator(caller.scope());
    let permissions: &[&str] = if other.is_some() && is_administrator { &administers } else { &[] };
    let as_maintainer = other.is_some() && !is_administrator;
    let basis = Basis { caller, other: other.as_ref(), permissions, as_maintainer, old: Some(old) };
    basis.confirm(context, &new).await?;
    Event::Rotated(&new.id).log(&context.cause(caller.actor()));
    Ok((signed.text, new, window))
}

/// Returns the user of the old token, if it is not the caller's own.
async fn other(
    service: &Service,
    caller: &Caller,
    old: &Record,
) -> Result<Option<Marked<User>>, Problem> {
    if caller.user().id == old.id.user_id {
        return Ok(None);
    }
    let rejected = Rejected::new(Reason::UserRemoved, Some(old.id));
    let user = service.store.marked_user(&old.id.user_id).await?;
    user.map(Some).ok_or_else(|| Problem::rejected(&service.settings.issuer, &rejected))
}

/// Writes the new record and marks the old one, in one transaction, if the old token and the
/// caller's are still live.
async fn replace(
    context: &Context<'_>,
    caller: &Caller,
    old: &Record,
    new: &Record,
    window: Timestamp,
) -> Result<(), Problem> {
    let service = context.service;
    let parent = caller.token().map(|caller| &caller.record).filter(|record| record.id != old.id);
    let cause = context.cause(caller.actor());
    match service.store.rotate(new, old, window, parent, &cause).await? {
        Rotated::Now => Ok(()),
        Rotated::Lost | Rotated::ParentEnded => {
            caller.must_be_live(context).await?;
            Err(Problem::conflict("The token is already being replaced, or was revoked"))
        }
    }
}

/// Returns whether the scope of this token exceeds that of the other. A token without a scope has
/// all permissions.
fn is_broader(token: &Record, than: &Record) -> bool {
    than.scope.as_ref().is_some_and(|limit| !is_within(token, limit))
}

/// Returns whether a token has a scope that does not exceed this one.
pub(crate) fn is_within(token: &Record, limit: &Scope) -> bool {
    token.scope.as_ref().is_some_and(|scope| scope.intersection(limit) == *scope)
}

/// Returns the family of the new token: the old token's, if the caller has the same user. Otherwise
/// another user receives the text, and a new family begins. In both cases the caller's family, if
/// any, is recorded as an issuer.
fn family(old: &Record, caller: &Caller, new: TokenId) -> Result<Family, Problem> {
    let Some(issuer) = caller.family() else { return Ok(old.family.clone()) };
    let id = if caller.user().id == old.id.user_id { old.family.id } else { new };
    issuer.issue(id).map_err(too_many_issuers)
}

/// Signs the new token and returns its record: the same settings and lifetime as the old token,
/// within the current limits.
async fn successor(
    context: &Context<'_>,
    caller: &Caller,
    old: &Admitted,
) -> Result<(IssuedText, Record), Problem> {
    let Context { service, now, .. } = *context;
    let record = &old.record;
    let life = record.expires_at.unwrap_or(Timestamp::MAX).since(record.issued_at);
    let expires_at = now.after(life).min(service.settings.latest_expiry(now));
    let cap = [record.expiry_cap, expiry::cap_of(service, caller)].into_iter().flatten().min();
    // The text goes to the caller, so that it must not outlive the caller's own log-in either.
    let authenticated_at = record.authenticated_at.min(caller.authenticated_at(now));
    let latest = expiry::latest(context, authenticated_at)?;
    let expires_at = expires_at.min(latest).min(cap.unwrap_or(Timestamp::MAX));
    let shape = if record.format == Format::Jwt { Shape::Key } else { Shape::Signed };
    let signed = sign(context, &old.user, shape, expires_at).await?;
    let binding = service.settings.binding(record.format).clone();
    let new = Record {
        id: signed.id,
        issued_at: now,
        issued_by: record.id.to_string(),
        expires_at: Some(expires_at),
        fingerprint: binding.fingerprint(&old.user),
        snapshot: Snapshot::new(&signed.id.hash, &binding, &old.user),
        binding,
        family: family(record, caller, signed.id)?,
        key_id: signed.key_id.clone(),
        payload_digest: signed.payload_digest,
        authenticated_at,
        expiry_cap: cap,
        replaces: Some(record.id.hash),
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        expiry_notified: None,
        reused_at: None,
        purge_at: lifecycle::purge_at(Some(expires_at), None, service.settings.record_retention),
        ..record.clone()
    };
    Ok((signed, new))
}
