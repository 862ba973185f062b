//! `POST /rest/pat/1.0/token/user/create` and `…/app/create`, compatible with Rarog: create named
//! tokens with their own authorities, for the caller or for the application account.

use hallpass_http::{Problem, Response, body, members::Parsed, problem};
use hallpass_service::{
    Context,
    authentication::reject_cookie_alone,
    caller::Caller,
    issue::{NewToken, Shape, issue},
    validate::{self, MAX_NAME_LENGTH, line},
};
use hallpass_store::marks::Marked;
use hallpass_token::{Scope, Timestamp, User};
use http::StatusCode;
use lambda_http::Request;
use serde::Deserialize;
use serde_json::json;

use crate::create::ScopeList;

/// The body of a request. Every member is required.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    name: String,
    expiration: Parsed<Timestamp>,
    authorities: ScopeList,
}

pub(crate) async fn create_for_user(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = caller(context, request).await?;
    let requested = body::json(request)?;
    create(context, &caller, None, requested).await
}

pub(crate) async fn create_for_app(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let service = context.service;
    let caller = caller(context, request).await?;
    if !service.is_administrator(caller.scope()) {
        return Err(Problem::not_permitted());
    }
    let requested = body::json(request)?;
    let none = || Problem::conflict("There is no application account");
    let id = service.settings.app_user.ok_or_else(none)?;
    // The application account itself gives no more than the token that it shows.
    if id == caller.user().id {
        return create(context, &caller, None, requested).await;
    }
    let app = service.store.marked_user(&id).await?.ok_or_else(none)?;
    create(context, &caller, Some(&app), requested).await
}

async fn caller(context: &Context<'_>, request: &Request) -> Result<Caller, Problem> {
    reject_cookie_alone(request.headers())?;
    Caller::of(context, request).await
}

async fn create(
    context: &Context<'_>,
    caller: &Caller,
    app: Option<&Marked<User>>,
    requested: TokenRequest,
) -> Result<Response, Problem> {
    let service = context.service;
    let name = line("name", &requested.name, MAX_NAME_LENGTH)?;
    let expires_at = validate::expiry(context, "expiration", requested.expiration.0)?;
    let granted = validate::scope("authorities", requested.authorities.0)?
        .intersection(app.map_or_else(|| caller.scope(), |app| &app.value.permissions));
    if granted.is_empty() {
        return Err(Problem::invalid_member(
            "authorities",
            "none of these permissions can be granted",
        ));
    }
    let administers = [service.settings.admin_permission.as_str()];
    let permissions: &[&str] = if app.is_some() { &administers } else { &[] };
    let new_token = NewToken {
        other: app,
        permissions,
        name: Some(name),
        scope: Some(granted),
        ..NewToken::new(Shape::Signed, expires_at)
    };
    let (text, record) = issue(context, caller, new_token).await?;
    let body = json!({
        "name": record.name,
        "expiration": record.expires_at.map(Timestamp::with_milliseconds),
        "value": text.expose_secret(),
        "id": record.id.to_string(),
        "authorities": record.scope.iter().flat_map(Scope::names).collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}
