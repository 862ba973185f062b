//! `POST /profile/developer`, as hypothesis/h has it: the one developer token of a user, made and remade.

use edge::{Answer, Problem, Service, caller, entropy::Draw, log, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use store::{Failure, developer::Replaced};
use token::{
    Admitted, Family, Format, Record, Snapshot, Text, Timestamp, TokenHash, User, codec::developer, lifecycle,
};

use crate::{
    limit,
    mint::{end_of_chain, own_scope},
};

pub(crate) async fn remake(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    caller::refuse_cookie_alone(request.headers())?;
    let parent = caller::admit(service, request.headers(), now).await?;
    let (text, record) = make(service, &parent.user, Some(&parent), now, draw).await?;
    Ok(problem::json(StatusCode::CREATED, &json!({"id": record.id.to_string(), "token": text.reveal()})))
}

/// The developer token of this user, asked for by this token or by the user in person.
pub(crate) async fn make(
    service: &Service,
    user: &User,
    parent: Option<&Admitted>,
    now: Timestamp,
    draw: &Draw,
) -> Result<(Text, Record), Problem> {
    let chain_started_at = parent.map_or(now, |parent| parent.record.chain_started_at);
    let chain_ends_at = end_of_chain(service, chain_started_at, now)?;
    let configured = service.settings.developer_lifetime.map(|lifetime| now.after(lifetime));
    let expires_at = [chain_ends_at, configured].into_iter().flatten().min();
    // A developer token remakes itself, and never one that has come after it.
    let old = match parent.filter(|parent| parent.record.format == Format::Developer) {
        Some(parent) => Some(parent.record.clone()),
        None => service.store.developer_of(&user.id).await?,
    };
    let ring = service.ring(now).await?;
    let sealed = developer::seal(&ring, &service.settings.issuer, now, user.id, &draw.secret());
    let sealed = sealed.map_err(|error| Failure::new("sealing the token", error))?;
    let scope = own_scope(service, parent)?;
    let binding = service.settings.binding(Format::Developer).clone();
    let record = Record {
        id: sealed.id,
        format: Format::Developer,
        name: None,
        description: None,
        scope,
        issued_at: now,
        issued_by: parent.map_or_else(|| user.id.to_string(), |parent| parent.record.id.to_string()),
        expires_at,
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(user),
        snapshot: Snapshot::new(&sealed.id.hash, &binding, user),
        binding,
        key_id: sealed.key_id.clone(),
        family: parent.map_or_else(|| Family::new(sealed.id), |parent| parent.record.family.clone()),
        payload_digest: sealed.payload_digest,
        chain_started_at,
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        forget_at: lifecycle::forget_at(expires_at, None, service.settings.grace),
    };
    replace(service, parent, &record, old.as_ref().map(|old| old.id.hash), now).await?;
    // In the place of one that counts, the new one adds nothing.
    if !old.is_some_and(|old| lifecycle::state(&old, Some(user), now).counts())
        && let Err(problem) = limit::check(service, user, &record, now).await
    {
        service.store.withdraw(&record).await?;
        return Err(problem);
    }
    log::allowed("issued", Some(&record.id), None);
    Ok((sealed.text, record))
}

/// One transaction makes the record the user's developer token, if the token that asks still lives then.
async fn replace(
    service: &Service,
    parent: Option<&Admitted>,
    record: &Record,
    old: Option<TokenHash>,
    now: Timestamp,
) -> Result<(), Problem> {
    let lost = || Problem::conflict("Another request made the developer token meanwhile");
    let forget_old_at = now.after(service.settings.grace);
    let parent_record = parent.map(|parent| &parent.record);
    match (service.store.replace_developer(record, old, parent_record, forget_old_at).await?, parent) {
        (Replaced::Now, _) => Ok(()),
        (Replaced::ParentEnded, Some(parent)) => match service.store.verify_again(parent, now).await? {
            Err(refused) => Err(Problem::refused(&service.settings.issuer, &refused)),
            Ok(_) => Err(lost()),
        },
        (Replaced::Lost | Replaced::ParentEnded, _) => Err(lost()),
    }
}
