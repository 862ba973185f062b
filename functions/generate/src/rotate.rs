//! `POST /tokens/{id}/rotate`: a new token with the same settings. The old one ends at the new one's first use, or at the
//! end of the window (`HALLPASS_ROTATION_WINDOW`), whichever is first.

use edge::{Answer, Problem, Service, caller, entropy::Draw, gateway, log, problem, view};
use http::StatusCode;
use lambda_http::Request;
use serde_json::Value;
use store::{Refused, rotation::Rotated};
use token::{Admitted, Family, Format, Record, Sealed, Snapshot, Text, Timestamp, TokenId, lifecycle};

use crate::mint::{Shape, end_of_chain, seal, too_many_issuers};

pub(crate) async fn rotate(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    let old = service.managed(&caller, &gateway::path_parameter(request, "id")).await?;
    let (text, new, window) = renew(service, &old, Some(&caller), now, draw).await?;
    let mut shown = view::issued(&new, &text);
    if let Value::Object(members) = &mut shown {
        members.insert("replaces".to_owned(), old.id.to_string().into());
        members.insert("replaced_ends_at".to_owned(), window.to_string().into());
    }
    Ok(problem::json(StatusCode::CREATED, &shown))
}

/// The successor of this token, asked for by this caller or by its user in person, and when the old one ends at the
/// latest.
pub(crate) async fn renew(
    service: &Service,
    old: &Record,
    caller: Option<&Admitted>,
    now: Timestamp,
    draw: &Draw,
) -> Result<(Text, Record, Timestamp), Problem> {
    if old.format == Format::Developer {
        return Err(Problem::conflict("A developer token is remade with POST /profile/developer"));
    }
    // Else a chain of unused successors would go beyond any limit of tokens.
    if old.replaces.is_some() {
        return Err(Problem::conflict("The token has not been used yet"));
    }
    let same_user = caller.filter(|caller| caller.user.id == old.id.user_id);
    let owner = match same_user {
        Some(caller) => Some(caller.user.clone()),
        None => service.store.user(&old.id.user_id).await?,
    };
    let ended = |rejection| Problem::refused(&service.settings.issuer, &Refused::new(rejection, Some(old.id)));
    let admitted = lifecycle::readmit(old.clone(), owner, now).map_err(ended)?;
    // The text goes to the caller, so that the new token must not be more than the caller is, whatever its user may do
    // one day.
    if same_user.is_some_and(|caller| is_broader(old, &caller.record)) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let (sealed, new) = successor(service, &admitted, caller, now, draw).await?;
    let window = now.after(service.settings.rotation_window);
    replace(service, caller, old, &new, window, now).await?;
    log::allowed("rotated", Some(&new.id), None);
    Ok((sealed.text, new, window))
}

/// One transaction writes the new record and marks the old one, if the token that asks still lives then.
async fn replace(
    service: &Service,
    caller: Option<&Admitted>,
    old: &Record,
    new: &Record,
    window: Timestamp,
    now: Timestamp,
) -> Result<(), Problem> {
    let lost = || Problem::conflict("The token is being replaced already, or was taken back");
    let parent = caller.map(|caller| &caller.record).filter(|record| record.id != old.id);
    match (service.store.rotate(new, old, window, parent).await?, caller) {
        (Rotated::Now, _) => Ok(()),
        (Rotated::ParentEnded, Some(caller)) => match service.store.verify_again(caller, now).await? {
            Err(refused) => Err(Problem::refused(&service.settings.issuer, &refused)),
            Ok(_) => Err(lost()),
        },
        (Rotated::Lost | Rotated::ParentEnded, _) => Err(lost()),
    }
}

/// Whether this token has something in its scope that the other has not; without a scope it has all.
fn is_broader(token: &Record, than: &Record) -> bool {
    than.scope
        .as_ref()
        .is_some_and(|limit| token.scope.as_ref().is_none_or(|scope| scope.intersection(limit) != *scope))
}

/// The new token stays in the old one's family, unless a token of another user asked: then its text goes to that user,
/// and it begins a family of its own.
fn family(old: &Record, caller: Option<&Admitted>, new: TokenId) -> Result<Family, Problem> {
    let Some(caller) = caller else { return Ok(old.family.clone()) };
    let id = if caller.user.id == old.id.user_id { old.family.id } else { new };
    caller.record.family.issue(id).map_err(too_many_issuers)
}

/// The new token: the same settings and the same length of life, within the limits of today.
async fn successor(
    service: &Service,
    old: &Admitted,
    caller: Option<&Admitted>,
    now: Timestamp,
    draw: &Draw,
) -> Result<(Sealed, Record), Problem> {
    let record = &old.record;
    let life = record.expires_at.unwrap_or(Timestamp::MAX).since(record.issued_at);
    let expires_at = now.after(life.min(service.settings.max_lifetime));
    let chain_ends_at = end_of_chain(service, record.chain_started_at, now)?;
    let expires_at = chain_ends_at.map_or(expires_at, |end| end.min(expires_at));
    let shape = if record.format == Format::Jwt { Shape::Key } else { Shape::Signed };
    let sealed = seal(service, &old.user, shape, expires_at, now, draw).await?;
    let binding = service.settings.binding(record.format).clone();
    let new = Record {
        id: sealed.id,
        issued_at: now,
        issued_by: record.id.to_string(),
        expires_at: Some(expires_at),
        fingerprint: binding.fingerprint(&old.user),
        snapshot: Snapshot::new(&sealed.id.hash, &binding, &old.user),
        binding,
        family: family(record, caller, sealed.id)?,
        key_id: sealed.key_id.clone(),
        payload_digest: sealed.payload_digest,
        replaces: Some(record.id.hash),
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        forget_at: lifecycle::forget_at(Some(expires_at), None, service.settings.grace),
        ..record.clone()
    };
    Ok((sealed, new))
}
