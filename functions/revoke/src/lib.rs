//! Revokes tokens: by ID, by text (RFC 7009), or all of a user. All routes are idempotent.
//!
//! A token of another user looks absent. Responses state from when the revocation is effective everywhere: an API that
//! caches the authorizer's response may accept a revoked token until then.

use edge::{
    Problem, Response, Service, body, caller,
    entropy::{self, Randomness},
    gateway, log, problem, view,
};
use http::StatusCode;
use lambda_http::Request;
use serde_json::{Value, json};
use store::{Failure, marking::Invalidate, tokens::Marked, users::Written};
use token::{Reason, Record, Revocation, Timestamp, UserId, lifecycle};

use by_id::Extent;

mod by_id;
pub mod family;
mod pages;

/// Handles one request. `randomness` is for the forms of a page.
pub async fn handle(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: Result<Randomness, Failure>,
) -> Response {
    gateway::respond(&service.settings, request, Box::pin(response(service, request, now, randomness))).await
}

async fn response(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: Result<Randomness, Failure>,
) -> Result<Response, Problem> {
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/tokens/{id}", "DELETE") => Box::pin(by_id::revoke(service, request, Extent::read(request)?, now)).await,
        ("/tokens/{id}", "PATCH") => switch(service, request, now).await,
        ("/tokens/{id}", _) => Err(Problem::method_not_allowed("GET, HEAD, PATCH, DELETE")),
        ("/rest/pat/1.0/token/{id}", "DELETE") => {
            caller::reject_cookie_alone(request.headers())?;
            as_rarog(service, request, now).await
        }
        ("/sign-out", "POST") => page::or_message(request, pages::sign_out(service, request, now, &randomness?).await),
        ("/profile/developer/tokens/{id}", "POST") => {
            page::or_message(request, pages::own(service, request, now, &randomness?).await)
        }
        ("/admin/users/{user_id}/tokens/{id}", "POST") => {
            page::or_message(request, pages::key(service, request, now, &randomness?).await)
        }
        ("/admin/users/{user_id}/access", "POST") => {
            page::or_message(request, pages::access(service, request, now, &randomness?).await)
        }
        ("/oauth/revoke", "POST") => by_text(service, request, now).await,
        (
            "/oauth/revoke"
            | "/sign-out"
            | "/profile/developer/tokens/{id}"
            | "/admin/users/{user_id}/tokens/{id}"
            | "/admin/users/{user_id}/access",
            _,
        ) => Err(Problem::method_not_allowed("POST")),
        ("/users/{user_id}/tokens", "DELETE") => all_of_user(service, request, now).await,
        ("/rest/pat/1.0/token/{id}" | "/users/{user_id}/tokens", _) => Err(Problem::method_not_allowed("DELETE")),
        _ => Err(Problem::not_found()),
    }
}

/// `DELETE /rest/pat/1.0/token/{id}`, compatible with Rarog, whose response has no body.
async fn as_rarog(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    Box::pin(by_id::revoke(service, request, Extent::Token, now)).await?;
    Ok(without_body(service, StatusCode::NO_CONTENT, now))
}

/// Returns a response without a body. A header states from when the revocation is effective.
fn without_body(service: &Service, status: StatusCode, now: Timestamp) -> Response {
    let mut response = problem::response(status, "application/json", String::new());
    service.add_effective_at(&mut response, now);
    response
}

/// `PATCH /tokens/{id}` with `{"disabled": true|false}`, for administrators.
async fn switch(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    let mut body = body::json_object(request.headers(), request.body())?;
    let disabled = match body.take("disabled") {
        Some(Value::Bool(disabled)) => disabled,
        Some(_) => return Err(Problem::invalid_member("disabled", "it must be true or false")),
        None => return Err(Problem::invalid_member("disabled", "it is missing")),
    };
    body.done()?;
    let record = service.managed(&caller, &gateway::path_parameter(request, "id")).await?;
    if !service.is_administrator(&caller.scope) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let disabled_at = disabled.then_some(now);
    match service.store.set_disabled(&record, disabled_at).await? {
        Marked::Unknown => Err(Problem::not_found()),
        Marked::Before => Err(Problem::conflict("The token was revoked")),
        Marked::Now => {
            log::allowed(if disabled { "disabled" } else { "enabled" }, Some(&record.id), None);
            let record = Record { disabled_at, ..record };
            let owner = service.owner(&caller, &record).await?;
            let mut shown = view::token(&record, owner.as_ref(), now);
            if let Value::Object(members) = &mut shown {
                members.insert("effective_at".to_owned(), service.effective_at(now).to_string().into());
            }
            Ok(problem::json(StatusCode::OK, &shown))
        }
    }
}

/// `POST /oauth/revoke` (RFC 7009). The token itself authorizes its revocation. The response for an invalid token is the
/// same as for a revoked one (section 2.2).
async fn by_text(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    body::expect_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    let text = body::token_parameter(request.body())?;
    let keyring = service.keyring(now).await?;
    if let Ok(claim) = token::open(&keyring, &service.settings.issuer, text.expose_secret(), now)
        && let Some(id) = service.store.id_of(&claim).await?
    {
        let (revocation, purge_at) = revocation(service, now);
        if service.store.revoke_one(&id, claim.format, revocation, purge_at).await? != Marked::Unknown {
            log::allowed("revoked", Some(&id), None);
        }
    }
    Ok(without_body(service, StatusCode::OK, now))
}

/// `DELETE /users/{user_id}/tokens`: revokes all tokens of a user in one write.
async fn all_of_user(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    let user_id: UserId = gateway::path_parameter(request, "user_id").parse().map_err(|_| Problem::not_found())?;
    if user_id != caller.user.id && !service.is_administrator(&caller.scope) {
        return Err(Problem::not_found());
    }
    if !service.manages_all(&caller) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    match service.store.raise_generation(&user_id, invalidate(service, now)?).await? {
        Written::Unknown => Err(Problem::not_found()),
        Written::Now => {
            log::allowed("revoked_all", None, Some(&user_id));
            let body = json!({"user_id": user_id.to_string(), "effective_at": service.effective_at(now).to_string()});
            Ok(problem::json(StatusCode::OK, &body))
        }
    }
}

/// Returns the parameters for invalidating all tokens of a user.
pub(crate) fn invalidate(service: &Service, now: Timestamp) -> Result<Invalidate, Problem> {
    Ok(Invalidate { fresh: entropy::generation()?, now, retention: service.settings.record_retention })
}

fn revocation(service: &Service, now: Timestamp) -> (Revocation, Option<Timestamp>) {
    let purge_at = lifecycle::purge_at(None, Some(now), service.settings.record_retention);
    (Revocation { at: now, because: Reason::Revoked }, purge_at)
}
