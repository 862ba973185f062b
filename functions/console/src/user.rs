//! `GET /api/user/{id}` and `GET /rs/profile`: routes behind the authorizer, compatible with Drupal's Services module and
//! Terminalfour. The caller's identity comes only from the authorizer's context.

use edge::{Problem, Response, Service, gateway, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use store::Rejected;
use token::{Reason, Rejection, Scope, Status, Timestamp, TokenId, User, UserId, lifecycle};

pub(crate) async fn show(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    let issuer = &service.settings.issuer;
    let (caller, scope) = identity(service, request, now).await?;
    let asked = user_id(&gateway::path_parameter(request, "id"))?;
    if asked.as_str() != caller && !service.is_administrator(&scope) {
        return Err(Problem::forbidden(issuer));
    }
    let user = user(service, &asked).await?;
    let body = json!({
        "uid": user.id.to_string(),
        "name": user.username,
        "full_name": user.full_name,
        "kind": user.kind(),
        "status": if user.status == Status::Active { "active" } else { "blocked" },
        "permissions": user.permissions.names().collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

/// `GET /rs/profile`, compatible with Terminalfour: returns the caller's profile.
pub(crate) async fn profile(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    let (caller, scope) = identity(service, request, now).await?;
    let user = user(service, &user_id(&caller)?).await?;
    let body = json!({
        "id": user.id.to_string(),
        "username": user.username,
        "fullName": user.display_name(),
        "permissions": scope.names().collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

/// Returns the user ID and the effective scope of the caller from the authorizer's context. Without an authorizer, no
/// caller is authenticated.
async fn identity(service: &Service, request: &Request, now: Timestamp) -> Result<(String, Scope), Problem> {
    let of_caller = |name| gateway::authorizer_context(request, name);
    let unauthenticated = || Problem::unauthenticated(&service.settings.issuer);
    let caller = of_caller("user_id").ok_or_else(unauthenticated)?;
    if let Some(scopes) = of_caller("scopes") {
        return Ok((caller, Scope::from_json(&scopes).ok_or_else(unauthenticated)?));
    }
    if of_caller("scope_truncated").as_deref() != Some("true") {
        return Err(unauthenticated());
    }
    let token_id = of_caller("token_id").and_then(|id| id.parse::<TokenId>().ok());
    let token_id = token_id.filter(|id| id.user_id.as_str() == caller).ok_or_else(unauthenticated)?;
    Ok((caller, effective_scope(service, &token_id, now).await?))
}

/// Reads the effective scope of a token whose scope did not fit into the authorizer's response.
async fn effective_scope(service: &Service, id: &TokenId, now: Timestamp) -> Result<Scope, Problem> {
    let rejected =
        |rejection: Rejection| Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(*id)));
    let record = service.store.record(id).await?.ok_or_else(|| rejected(Reason::Unknown.into()))?;
    let user = service.store.user(&id.user_id).await?;
    lifecycle::readmit(record, user, now).map(|admitted| admitted.scope).map_err(rejected)
}

fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

async fn user(service: &Service, id: &UserId) -> Result<User, Problem> {
    service.store.user(id).await?.ok_or_else(Problem::not_found)
}
