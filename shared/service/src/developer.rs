//! The developer token of a user, compatible with hypothesis/h: at most one, which is created or
//! regenerated.

use hallpass_http::Problem;
use hallpass_runtime::Event;
use hallpass_store::{
    Failure,
    developer::{Old, Replaced},
};
use hallpass_token::{
    Family, Format, Record, Snapshot, Text, TokenId, codec::developer, lifecycle,
};

use crate::{
    Context,
    caller::Caller,
    expiry,
    issue::{own_scope, too_many_issuers},
    limit,
    recheck::{Basis, or_withdraw},
};

/// Creates or regenerates the developer token of the caller's user. The last value tells whether it
/// replaced one that was live.
pub async fn regenerate(
    context: &Context<'_>,
    caller: &Caller,
) -> Result<(Text, Record, bool), Problem> {
    let Context { service, now, .. } = *context;
    let old = old(context, caller).await?;
    let (text, record) = sign(context, caller).await?;
    replace(context, caller, &record, old.as_ref()).await?;
    let counted = old.filter(|old| lifecycle::state(old, Some(caller.user()), now).counts());
    let basis = Basis {
        caller,
        other: None,
        permissions: &[],
        as_maintainer: false,
        old: counted.as_ref(),
    };
    basis.confirm(context, &record).await?;
    let cause = context.cause(caller.actor());
    // A token that replaces a counted one does not change the count.
    if counted.is_none() {
        let limited = limit::check(context, caller.user(), &record).await;
        or_withdraw(service, &record, limited, &cause).await?;
    }
    Event::Issued(&record.id).log(&cause);
    Ok((text, record, counted.is_some()))
}

/// Returns the developer token to replace, if one exists. A developer token regenerates only
/// itself, never a successor. Any other token must be able to manage the existing one.
async fn old(context: &Context<'_>, caller: &Caller) -> Result<Option<Record>, Problem> {
    let Context { service, now, .. } = *context;
    if let Some(itself) = caller.token().filter(|token| token.record.format == Format::Developer) {
        return Ok(Some(itself.record.clone()));
    }
    let Some(old) = service.store.developer_of(&caller.user().id).await? else {
        return Ok(None);
    };
    // A token that is no longer usable can be replaced by any caller.
    let counts = lifecycle::state(&old, Some(caller.user()), now).counts();
    if counts && caller.token().is_some_and(|token| !service.manages(token, &old)) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    Ok(Some(old))
}

async fn sign(context: &Context<'_>, caller: &Caller) -> Result<(Text, Record), Problem> {
    let Context { service, now, randomness, .. } = *context;
    let user = caller.user();
    let authenticated_at = caller.authenticated_at(now);
    let latest = expiry::latest(context, authenticated_at)?;
    let configured = service.settings.developer_lifetime.map(|lifetime| lifetime.after(now));
    let cap = expiry::cap_of(service, caller);
    let expires_at =
        [configured, cap].into_iter().flatten().min().map_or(latest, |end| end.min(latest));
    let scope = own_scope(service, caller)?;
    let keyring = service.keyring(now).await?;
    let signed =
        developer::sign(&keyring, &service.settings.issuer, now, user.id, &randomness.secret()?);
    let signed = signed.map_err(|error| Failure::new("signing the token", error))?;
    let binding = service.settings.binding(Format::Developer).clone();
    let record = Record {
        id: signed.id,
        format: Format::Developer,
        name: None,
        description: None,
        scope,
        issued_at: now,
        issued_by: caller.issued_by(),
        expires_at: Some(expires_at),
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(user),
        snapshot: Snapshot::new(&signed.id.hash, &binding, user),
        binding,
        key_id: signed.key_id.clone(),
        family: family(caller, signed.id)?,
        payload_digest: signed.payload_digest,
        authenticated_at,
        expiry_cap: cap,
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        expiry_notified: None,
        reused_at: None,
        purge_at: lifecycle::purge_at(Some(expires_at), None, service.settings.record_retention),
    };
    Ok((signed.text, record))
}

/// Returns the family of the developer token: that of the caller's token, or a new one for a
/// session or a password.
fn family(caller: &Caller, new: TokenId) -> Result<Family, Problem> {
    match (caller.token(), caller.family()) {
        (Some(parent), _) => Ok(parent.record.family.clone()),
        (None, Some(session)) => session.issue(new).map_err(too_many_issuers),
        (None, None) => Ok(Family::new(new)),
    }
}

/// Makes the record the user's developer token, in one transaction, if the caller's token is still
/// live.
async fn replace(
    context: &Context<'_>,
    caller: &Caller,
    record: &Record,
    old: Option<&Record>,
) -> Result<(), Problem> {
    let Context { service, now, .. } = *context;
    let (old, parent) = (old.map(Old::of), caller.token().map(|parent| &parent.record));
    let purge_old_at = lifecycle::purge_replaced_at(now, service.settings.record_retention);
    let cause = context.cause(caller.actor());
    match service.store.replace_developer(record, old, parent, purge_old_at, &cause).await? {
        Replaced::Now => Ok(()),
        Replaced::Lost | Replaced::ParentEnded => {
            caller.must_be_live(context).await?;
            Err(Problem::conflict("Another request created the developer token at the same time"))
        }
    }
}
