//! Revokes tokens: by ID, by text (RFC 7009), or all of a user. All routes are idempotent.
//!
//! A token of another user looks absent. Responses state from when the revocation is effective
//! everywhere: an API that caches the authorizer's response may accept a revoked token until then.

use hallpass_http::{
    Problem, Response, body, gateway, problem,
    routes::{self, Revoke},
    view,
};
use hallpass_service::{CallerExpiry, Context, Revoker, authentication};
use hallpass_store::users::Written;
use hallpass_token::{Actor, Note, UserId};
use http::StatusCode;
use lambda_http::{Request, RequestExt};
use serde::Deserialize;
use serde_json::{Value, json};

use by_id::Extent;

mod by_id;
mod leaks;
mod pages;

pub use leaks::Leaks;

/// Handles one request. `leaks` is that of [`Leaks::read`].
pub async fn handle(context: &Context<'_>, leaks: Option<&Leaks>, request: &Request) -> Response {
    let expiry = CallerExpiry::default();
    let context = &context.of_request(gateway::origin(request), &expiry);
    let handling = Box::pin(response(context, leaks, request));
    expiry.shown_in(gateway::respond(&context.service.settings, request, handling).await)
}

async fn response(
    context: &Context<'_>,
    leaks: Option<&Leaks>,
    request: &Request,
) -> Result<Response, Problem> {
    match routes::operation(request)? {
        Revoke::RevokeToken => {
            Box::pin(by_id::revoke(context, request, Extent::read(request)?)).await
        }
        Revoke::UpdateToken => set_disabled(context, request).await,
        Revoke::RevokeTokensOfUser => all_of_user(context, request).await,
        Revoke::RevokeTokenByText => by_text(context, request).await,
        Revoke::ReportLeaks => Box::pin(leaks::github(context, leaks, request)).await,
        Revoke::RevokeRarogToken => as_rarog(context, request).await,
        Revoke::SignOut => {
            hallpass_web::or_message(request, pages::sign_out(context, request).await)
        }
        Revoke::RevokeTokenOnPage => {
            hallpass_web::or_message(request, pages::own(context, request).await)
        }
        Revoke::RevokeAccountTokenOnPage => {
            hallpass_web::or_message(request, pages::of_account(context, request).await)
        }
        Revoke::UpdateKeyOnPage => {
            hallpass_web::or_message(request, pages::key(context, request).await)
        }
        Revoke::UpdateUserOnPage => {
            hallpass_web::or_message(request, pages::access(context, request).await)
        }
    }
}

/// `DELETE /rest/pat/1.0/token/{id}`, compatible with Rarog, whose response has no body.
async fn as_rarog(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    authentication::reject_cookie_alone(request.headers())?;
    Box::pin(by_id::revoke(context, request, Extent::Token)).await?;
    Ok(without_body(context, StatusCode::NO_CONTENT))
}

/// Returns a response without a body. A header states from when the revocation is effective.
fn without_body(context: &Context<'_>, status: StatusCode) -> Response {
    let Context { service, now, .. } = *context;
    let mut response = problem::response(status, "application/json", String::new());
    service.add_effective_at(&mut response, now);
    response
}

/// The body of `PATCH /tokens/{id}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenChange {
    disabled: bool,
    reason: Option<String>,
}

/// Reads the words in which the caller says why, from a member or parameter with the name `reason`.
fn note(text: Option<&str>) -> Result<Option<Note>, Problem> {
    let note = text.map(Note::parse).transpose();
    note.map_err(|error| Problem::invalid_member("reason", &error.to_string()))
}

/// Reads the query parameter `reason`.
fn note_in_query(request: &Request) -> Result<Option<Note>, Problem> {
    note(request.query_string_parameters_ref().and_then(|parameters| parameters.first("reason")))
}

/// `PATCH /tokens/{id}` with `{"disabled": true|false}`, for administrators.
async fn set_disabled(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    let TokenChange { disabled, reason } = body::json(request)?;
    let reason = note(reason.as_deref())?;
    if reason.is_some() && !disabled {
        return Err(Problem::invalid_member("reason", "a token is enabled without a reason"));
    }
    let record = service.managed(&caller, &gateway::path_parameter(request, "id")).await?;
    if !service.is_administrator(&caller.scope) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let record = Revoker::of(context, Actor::Token(caller.record.id))
        .because(reason.as_ref())
        .set_disabled(record, disabled)
        .await?;
    let owner = service.owner(&caller, &record).await?;
    let mut shown = view::token(&record, owner.as_ref(), now);
    if let Value::Object(members) = &mut shown {
        members.insert("effective_at".to_owned(), service.effective_at(now).to_string().into());
    }
    Ok(problem::json(StatusCode::OK, &shown))
}

/// `POST /oauth/revoke` (RFC 7009). The token itself authorizes its revocation. The response for an
/// invalid token is the same as for a revoked one (section 2.2).
async fn by_text(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    body::expect_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    let text = body::token_parameter(request.body())?;
    let reason = body::optional_parameter(request.body(), "reason")?;
    let reason = note(reason.as_ref().map(|text| text.as_str()))?;
    let keyring = service.keyring(now).await?;
    if let Ok(claim) =
        hallpass_token::open(&keyring, &service.settings.issuer, text.expose_secret(), now)
        && let Some(id) = service.store.id_of(&claim).await?
    {
        let revoker = Revoker::of(context, Actor::Token(id)).because(reason.as_ref());
        revoker.revoke(&id, claim.format).await?;
    }
    Ok(without_body(context, StatusCode::OK))
}

/// `DELETE /users/{user_id}/tokens`: revokes all tokens of a user in one write.
async fn all_of_user(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    let user_id: UserId =
        gateway::path_parameter(request, "user_id").parse().map_err(|_| Problem::not_found())?;
    if !service.manages_user(&caller, &user_id).await? {
        return Err(Problem::not_found());
    }
    if !service.manages_all(&caller) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let reason = note_in_query(request)?;
    let revoker = Revoker::of(context, Actor::Token(caller.record.id)).because(reason.as_ref());
    match revoker.revoke_all(&user_id, context.randomness.generation()?).await? {
        Written::Unknown => Err(Problem::not_found()),
        Written::Now => {
            let body = json!({
                "user_id": user_id.to_string(),
                "effective_at": service.effective_at(now).to_string(),
            });
            Ok(problem::json(StatusCode::OK, &body))
        }
    }
}
