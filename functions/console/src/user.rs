//! `GET /api/user/{id}` and `GET /rs/profile`: routes behind the authorizer, compatible with
//! Drupal's Services module and Terminalfour. The caller's identity comes only from the
//! authorizer's context.

use hallpass_http::{Problem, Response, gateway, problem};
use hallpass_service::{Context, Service};
use hallpass_store::Rejected;
use hallpass_token::{Reason, Rejection, Scope, TokenId, User, UserId, lifecycle};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;

pub(crate) async fn show(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let issuer = &service.settings.issuer;
    let (caller, scope) = identity(context, request).await?;
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
        "status": user.status.as_str(),
        "permissions": user.permissions.names().collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

/// `GET /rs/profile`, compatible with Terminalfour: returns the caller's profile.
pub(crate) async fn profile(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let (caller, scope) = identity(context, request).await?;
    let user = user(service, &user_id(&caller)?).await?;
    let body = json!({
        "id": user.id.to_string(),
        "username": user.username,
        "fullName": user.display_name(),
        "permissions": scope.names().collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

/// Returns the user ID and the effective scope of the caller from the authorizer's context. Without
/// an authorizer, no caller is authenticated.
async fn identity(context: &Context<'_>, request: &Request) -> Result<(String, Scope), Problem> {
    let service = context.service;
    let of_caller = |name| gateway::authorizer_context(request, name);
    let unauthenticated = || Problem::unauthenticated(&service.settings.issuer);
    let caller = of_caller("user_id").ok_or_else(unauthenticated)?;
    context.accepted(of_caller("expires_at").and_then(|at| at.parse().ok()));
    if let Some(scopes) = of_caller("scopes") {
        return Ok((caller, Scope::from_json(&scopes).ok_or_else(unauthenticated)?));
    }
    if of_caller("scope_truncated").as_deref() != Some("true") {
        return Err(unauthenticated());
    }
    let token_id = of_caller("token_id").and_then(|id| id.parse::<TokenId>().ok());
    let token_id =
        token_id.filter(|id| id.user_id.as_str() == caller).ok_or_else(unauthenticated)?;
    Ok((caller, effective_scope(context, &token_id).await?))
}

/// Reads the effective scope of a token whose scope did not fit into the authorizer's response.
async fn effective_scope(context: &Context<'_>, id: &TokenId) -> Result<Scope, Problem> {
    let Context { service, now, .. } = *context;
    let rejected = |rejection: Rejection| {
        Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(*id)))
    };
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
