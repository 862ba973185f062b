//! Tokens for the operator of the stack (`hallpass token issue`, `hallpass token rotate`). No HTTP
//! request, token or password is involved. These tokens are signed, written and limited like all
//! others.

use crate::Context;
use hallpass_http::Problem;
use hallpass_store::Rejected;
use hallpass_token::{Reason, Record, Scope, Status, Text, Timestamp, TokenId, User};

use crate::{
    caller::Caller,
    issue::{self, NewToken, Shape},
    rotation, validate,
};

/// The token to issue.
#[derive(Debug)]
pub struct Order {
    /// The name of the operator.
    pub operator: String,
    /// The user of the token.
    pub owner: User,
    /// Whether to issue a JWT instead of a signed token.
    pub jwt: bool,
    /// The name. A named token counts against `HALLPASS_MAX_TOKENS`.
    pub name: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The scope. `None` means all permissions of the owner.
    pub scope: Option<Scope>,
    /// The expiry. `None` means the default lifetime.
    pub expires_at: Option<Timestamp>,
}

/// A token that replaces another.
#[derive(Debug)]
pub struct Rotation {
    /// The text of the new token.
    pub text: Text,
    /// The record of the new token.
    pub record: Record,
    /// When the old token expires, unless the new one is used earlier.
    pub old_ends_at: Timestamp,
}

/// Issues a token for a user.
///
/// # Errors
/// Returns 400 if the order is invalid, 409 if the user is blocked or has too many tokens, and 503
/// if DynamoDB or the keyring is unavailable.
pub async fn issue(context: &Context<'_>, order: Order) -> Result<(Text, Record), Problem> {
    let Context { service, now, .. } = *context;
    let Order { operator, owner, jwt, name, description, scope, expires_at } = order;
    let marked = service.store.marked_user(&owner.id).await?;
    let marked = marked.ok_or_else(|| Problem::conflict("There is no such user"))?;
    let owner = &marked.value;
    if owner.status == Status::Blocked {
        return Err(Problem::conflict("The user is blocked"));
    }
    let name =
        name.map(|name| validate::line("name", &name, validate::MAX_NAME_LENGTH)).transpose()?;
    let description = description
        .map(|text| validate::line("description", &text, validate::MAX_DESCRIPTION_LENGTH))
        .transpose()?;
    let scope = scope.map(|requested| validate::scope("scopes", requested)).transpose()?;
    let scope = scope.map(|requested| requested.intersection(&owner.permissions));
    if scope.as_ref().is_some_and(Scope::is_empty) {
        return Err(Problem::invalid_member("scopes", "none of these permissions can be granted"));
    }
    let shape = if jwt { Shape::Key } else { Shape::Signed };
    let expires_at = match expires_at {
        Some(end) => validate::expiry(context, "expires_at", end)?,
        None => service.settings.usual_expiry(now),
    };
    let new_token = NewToken { name, description, scope, ..NewToken::new(shape, expires_at) };
    let caller = Caller::Operator { user: Box::new(marked), name: operator };
    issue::issue(context, &caller, new_token).await
}

/// Issues a token that replaces this one, with the same settings.
///
/// # Errors
/// Returns 404 if the old token does not exist, 401 if it is no longer live, 409 if it is unused or
/// already being replaced, and 503 if DynamoDB or the keyring is unavailable.
pub async fn rotate(
    context: &Context<'_>,
    operator: String,
    id: &TokenId,
) -> Result<Rotation, Problem> {
    let service = context.service;
    let old = service.store.record(id).await?.ok_or_else(Problem::not_found)?;
    let rejected = Rejected::new(Reason::UserRemoved, Some(*id));
    let owner = service.store.marked_user(&id.user_id).await?;
    let owner = owner.ok_or_else(|| Problem::rejected(&service.settings.issuer, &rejected))?;
    let caller = Caller::Operator { user: Box::new(owner), name: operator };
    let (text, record, old_ends_at) = Box::pin(rotation::rotate(context, &caller, &old)).await?;
    Ok(Rotation { text, record, old_ends_at })
}
