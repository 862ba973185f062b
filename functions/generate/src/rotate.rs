//! `POST /tokens/{id}/rotate`: a new token with the same settings. The old one ends at the new one's first use, or at the
//! end of the window (`HALLPASS_ROTATION_WINDOW`), whichever is first.

use edge::{Answer, Problem, Service, caller, entropy::Draw, gateway, log, problem, view};
use http::StatusCode;
use lambda_http::Request;
use serde_json::Value;
use store::{Refused, rotation::Rotated};
use token::{Admitted, Format, Record, Sealed, Timestamp, lifecycle};

use crate::mint::{Shape, end_of_chain, seal};

pub(crate) async fn rotate(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    let old = service.managed(&caller, &gateway::path_parameter(request, "id")).await?;
    if old.format == Format::Developer {
        return Err(Problem::conflict("A developer token is remade with POST /profile/developer"));
    }
    let same_user = old.id.user_id == caller.user.id;
    let owner = if same_user { Some(caller.user.clone()) } else { service.store.user(&old.id.user_id).await? };
    let ended = |reason| Problem::refused(&service.settings.issuer, &Refused { reason, token_id: Some(old.id) });
    let admitted = lifecycle::readmit(old.clone(), owner, now).map_err(ended)?;
    // The text goes to the caller, so that the new token must not be more than the caller is.
    if same_user && admitted.scope.intersection(&caller.scope) != admitted.scope {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let (sealed, new) = successor(service, &admitted, now, draw).await?;
    let window = now.after(service.settings.rotation_window);
    if service.store.rotate(&new, &old, window).await? == Rotated::Lost {
        return Err(Problem::conflict("The token is being replaced already, or was taken back"));
    }
    // A token that rotates itself was looked at by the transaction.
    if caller.record.id != old.id
        && let Err(refused) = service.store.verify_again(&caller, now).await?
    {
        service.store.undo_rotation(&new, &old).await?;
        return Err(Problem::refused(&service.settings.issuer, &refused));
    }
    log::allowed("rotated", Some(&new.id), None);
    let mut shown = view::issued(&new, &sealed.text, now);
    if let Value::Object(members) = &mut shown {
        members.insert("replaces".to_owned(), old.id.to_string().into());
        members.insert("replaced_ends_at".to_owned(), window.to_string().into());
    }
    Ok(problem::json(StatusCode::CREATED, &shown))
}

/// The new token: the same settings and the same length of life, within the limits of today.
async fn successor(
    service: &Service,
    old: &Admitted,
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
        binding,
        key_id: sealed.key_id.clone(),
        replaces: Some(record.id.hash),
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        forget_at: lifecycle::forget_at(Some(expires_at), None, service.settings.grace),
        ..record.clone()
    };
    Ok((sealed, new))
}
