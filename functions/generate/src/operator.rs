//! Tokens for whoever runs the stack (`hallpass token issue`, `hallpass token rotate`): nobody asks over HTTP, so that no
//! token and no password is behind it. It is signed, written and limited as every other one.

use edge::{Problem, Service, entropy::Randomness};
use store::Rejected;
use token::{Reason, Record, Scope, Status, Text, Timestamp, TokenId, User};

use crate::{
    caller::Caller,
    create::{MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH, bounded, line},
    issue::{self, NewToken, Shape},
    rotate::renew,
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
pub async fn issue(
    service: &Service,
    order: Order,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<(Text, Record), Problem> {
    let Order { owner, jwt, name, description, scope, expires_at } = order;
    let marked = service.store.marked_user(&owner.id).await?;
    let marked = marked.ok_or_else(|| Problem::conflict("There is no such user"))?;
    let owner = &marked.value;
    if owner.status == Status::Blocked {
        return Err(Problem::conflict("The user is blocked"));
    }
    let name = name.map(|name| line("name", &name, MAX_NAME_LENGTH)).transpose()?;
    let description = description.map(|text| line("description", &text, MAX_DESCRIPTION_LENGTH)).transpose()?;
    let scope = scope.map(|requested| requested.intersection(&owner.permissions));
    if scope.as_ref().is_some_and(Scope::is_empty) {
        return Err(Problem::invalid_member("scopes", "nothing of it may be granted"));
    }
    let shape = if jwt { Shape::Key } else { Shape::Signed };
    let expires_at = match expires_at {
        Some(end) => bounded(service, "expires_at", end, now)?,
        None => now.after(service.settings.usual_lifetime()),
    };
    let new_token = NewToken {
        other: None,
        permissions: &[],
        shape,
        continues_family: false,
        name,
        description,
        scope,
        expires_at,
    };
    issue::issue(service, &Caller::Operator(Box::new(marked)), new_token, now, randomness).await
}

/// Makes a token that takes the place of this one, with the same settings.
///
/// # Errors
/// When the old one is not there, over, unused, or being replaced already, and when it cannot be told.
pub async fn rotate(
    service: &Service,
    id: &TokenId,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Rotation, Problem> {
    let old = service.store.record(id).await?.ok_or_else(Problem::not_found)?;
    let rejected = Rejected::new(Reason::UserRemoved, Some(*id));
    let owner = service.store.marked_user(&id.user_id).await?;
    let owner = owner.ok_or_else(|| Problem::rejected(&service.settings.issuer, &rejected))?;
    let caller = Caller::Operator(Box::new(owner));
    let (text, record, old_ends_at) = Box::pin(renew(service, &caller, &old, now, randomness)).await?;
    Ok(Rotation { text, record, old_ends_at })
}
