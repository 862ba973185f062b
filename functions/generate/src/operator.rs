//! Tokens for whoever runs the stack (`hallpass token issue`, `hallpass token rotate`): nobody asks over HTTP, so that no
//! token and no password is behind it. It is sealed, written and limited as every other one.

use edge::{Problem, Service, entropy::Draw, log};
use store::{Refused, rotation::Rotated};
use token::{Format, Record, Scope, Status, Text, Timestamp, TokenId, User, lifecycle};

use crate::{
    create::{LONGEST_DESCRIPTION, LONGEST_NAME, line},
    mint::{Shape, seal},
    rotate::successor,
};

/// Who issued such a token, as its record says. No token has this id, so that nobody manages it for having made it.
pub const ISSUED_BY: &str = "operator";

/// The token that is asked for.
#[derive(Debug)]
pub struct Order {
    /// Whose it will be.
    pub owner: User,
    /// Whether it is to be a JWT.
    pub jwt: bool,
    /// What to call it; a named token counts against the limit of its owner.
    pub name: Option<String>,
    /// What to say about it.
    pub description: Option<String>,
    /// What to limit it to; nothing means all that its owner may do.
    pub scope: Option<Scope>,
    /// When it ends; nothing means after the usual time.
    pub expires_at: Option<Timestamp>,
}

/// A token that took the place of another.
#[derive(Debug)]
pub struct Rotation {
    /// The text of the new token.
    pub text: Text,
    /// Its record.
    pub record: Record,
    /// When the old one ends, if the new one is not used before.
    pub old_ends_at: Timestamp,
}

/// Makes a token for this user.
///
/// # Errors
/// When the user is blocked or has too many tokens, or what is asked for cannot be, and when it cannot be told.
pub async fn issue(service: &Service, order: Order, now: Timestamp, draw: &Draw) -> Result<(Text, Record), Problem> {
    let Order { owner, jwt, name, description, scope, expires_at } = order;
    if owner.status == Status::Blocked {
        return Err(Problem::conflict("The user is blocked"));
    }
    let name = name.map(|name| line("name", name, LONGEST_NAME)).transpose()?;
    let description = description.map(|text| line("description", text, LONGEST_DESCRIPTION)).transpose()?;
    let scope = scope.map(|asked| asked.intersection(&owner.permissions));
    if scope.as_ref().is_some_and(Scope::is_empty) {
        return Err(Problem::invalid_member("scopes", "nothing of it may be granted"));
    }
    let expires_at = end(service, expires_at, now)?;
    let shape = if jwt { Shape::Key } else { Shape::Signed };
    let sealed = seal(service, &owner, shape, expires_at, now, draw).await?;
    let format = if jwt { Format::Jwt } else { Format::Signed };
    let binding = service.settings.binding(format).clone();
    let record = Record {
        id: sealed.id,
        format,
        name,
        description,
        scope,
        issued_at: now,
        issued_by: ISSUED_BY.to_owned(),
        expires_at: Some(expires_at),
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(&owner),
        binding,
        key_id: sealed.key_id.clone(),
        root: sealed.id,
        chain_started_at: now,
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        forget_at: lifecycle::forget_at(Some(expires_at), None, service.settings.grace),
    };
    service.store.insert(&record).await?;
    if let Err(problem) = keep_the_limit(service, &record, now).await {
        service.store.withdraw(&record).await?;
        return Err(problem);
    }
    log::allowed("issued", Some(&record.id), None);
    Ok((sealed.text, record))
}

/// Makes a token that takes the place of this one, with the same settings.
///
/// # Errors
/// When the old one is not there, over, unused, or being replaced already, and when it cannot be told.
pub async fn rotate(service: &Service, id: &TokenId, now: Timestamp, draw: &Draw) -> Result<Rotation, Problem> {
    let old = service.store.record(id).await?.ok_or_else(Problem::not_found)?;
    if old.format == Format::Developer {
        return Err(Problem::conflict("A developer token is remade by its user"));
    }
    if old.replaces.is_some() {
        return Err(Problem::conflict("The token has not been used yet"));
    }
    let owner = service.store.user(&id.user_id).await?;
    let ended = |reason| Problem::refused(&service.settings.issuer, &Refused { reason, token_id: Some(*id) });
    let admitted = lifecycle::readmit(old.clone(), owner, now).map_err(ended)?;
    let (sealed, new) = successor(service, &admitted, now, draw).await?;
    let record = Record { issued_by: ISSUED_BY.to_owned(), ..new };
    let old_ends_at = now.after(service.settings.rotation_window);
    match service.store.rotate(&record, &old, old_ends_at, None).await? {
        Rotated::Now => {
            log::allowed("rotated", Some(&record.id), None);
            Ok(Rotation { text: sealed.text, record, old_ends_at })
        }
        Rotated::Lost | Rotated::ParentEnded => {
            Err(Problem::conflict("The token is being replaced already, or was taken back"))
        }
    }
}

fn end(service: &Service, asked: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Problem> {
    let latest = now.after(service.settings.max_lifetime);
    // A chain that begins now ends by the longest renewal, as every other does.
    let chain = service.settings.max_renewal.map_or(Timestamp::MAX, |longest| now.after(longest));
    match asked {
        None => Ok(now.after(service.settings.usual_lifetime()).min(chain)),
        Some(end) if end.has_come(now) => Err(Problem::invalid_member("expires_at", "it is not in the future")),
        Some(end) if end > latest => {
            let wrong = format!("it is later than {latest}, which is the latest");
            Err(Problem::invalid_member("expires_at", &wrong))
        }
        Some(end) => Ok(end.min(chain)),
    }
}

/// Others may have made tokens meanwhile, so that it is counted after the record was written.
async fn keep_the_limit(service: &Service, record: &Record, now: Timestamp) -> Result<(), Problem> {
    if record.name.is_none() {
        return Ok(());
    }
    let records = service.store.records_of(&record.id.user_id).await?;
    let live = records.iter().filter(|other| other.name.is_some() && other.end(now).is_none()).count();
    let limit = service.settings.max_tokens;
    if live > limit {
        return Err(Problem::conflict(format!("The user has {limit} live tokens, which is the limit")));
    }
    Ok(())
}
