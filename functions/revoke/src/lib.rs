//! Takes tokens back: by id, by text (RFC 7009), or all of a user. Repeating it changes nothing.
//!
//! Another's token looks like an absent one. An answer says from when it is effective everywhere: an API whose gateway
//! caches the authorizer's answer may let a revoked token in until then.

use edge::{Answer, Problem, Service, body, caller, gateway, log, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use store::{tokens::Marked, users::Written};
use token::{Reason, Revocation, Text, Timestamp, TokenId, UserId, lifecycle};

/// Answers one request.
pub async fn handle(service: &Service, request: &Request, now: Timestamp) -> Answer {
    log::conclude(answer(service, request, now).await)
}

async fn answer(service: &Service, request: &Request, now: Timestamp) -> Result<Answer, Problem> {
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/tokens/{id}", "DELETE") => by_id(service, request, now).await,
        ("/tokens/{id}" | "/users/{user_id}/tokens", method) if method != "DELETE" => {
            Err(Problem::method_not_allowed("DELETE"))
        }
        ("/oauth/revoke", "POST") => by_text(service, request, now).await,
        ("/oauth/revoke", _) => Err(Problem::method_not_allowed("POST")),
        ("/users/{user_id}/tokens", _) => all_of_user(service, request, now).await,
        _ => Err(Problem::not_found()),
    }
}

/// `DELETE /tokens/{id}`, where `current` is the token that asks.
async fn by_id(service: &Service, request: &Request, now: Timestamp) -> Result<Answer, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    let id = match gateway::path_parameter(request, "id").as_str() {
        "current" => caller.record.id,
        text => text.parse::<TokenId>().map_err(|_| Problem::not_found())?,
    };
    if id.user_id != caller.user.id && !service.is_administrator(&caller.scope) {
        return Err(Problem::not_found());
    }
    // Only a token that does not manage all has to be held against the record.
    if !service.manages_all(&caller) {
        let record = service.store.record(&id).await?.ok_or_else(Problem::not_found)?;
        if !service.manages(&caller, &record) {
            return Err(Problem::not_found());
        }
    }
    let (revocation, forget_at) = revocation(service, now);
    match service.store.revoke(&id, revocation, forget_at).await? {
        Marked::Unknown => Err(Problem::not_found()),
        Marked::Now | Marked::Before => {
            log::allowed("revoked", Some(&id), None);
            Ok(problem::json(
                StatusCode::OK,
                &json!({"id": id.to_string(), "effective_at": effective_at(service, now)}),
            ))
        }
    }
}

/// `POST /oauth/revoke` (RFC 7009). The token is its own authority: whoever holds it may end it. A token that is not
/// valid, or no longer, is answered like one that was just revoked (section 2.2).
async fn by_text(service: &Service, request: &Request, now: Timestamp) -> Result<Answer, Problem> {
    body::expect_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    let text = token_parameter(body::bytes(request.body()))?;
    let ring = service.ring(now).await?;
    if let Ok(claim) = token::open(&ring, &service.settings.issuer, text.reveal(), now)
        && let Some(id) = service.store.id_of(&claim).await?
    {
        let (revocation, forget_at) = revocation(service, now);
        service.store.revoke_one(&id, claim.format, revocation, forget_at).await?;
        log::allowed("revoked", Some(&id), None);
    }
    Ok(problem::answer(StatusCode::OK, "application/json", String::new()))
}

/// `DELETE /users/{user_id}/tokens`: one write, however many tokens there are.
async fn all_of_user(service: &Service, request: &Request, now: Timestamp) -> Result<Answer, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    let user_id: UserId = gateway::path_parameter(request, "user_id").parse().map_err(|_| Problem::not_found())?;
    if user_id != caller.user.id && !service.is_administrator(&caller.scope) {
        return Err(Problem::not_found());
    }
    if !service.manages_all(&caller) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    match service.store.raise_generation(&user_id).await? {
        Written::Unknown => Err(Problem::not_found()),
        Written::Now => {
            log::allowed("revoked all", None, Some(&user_id));
            let body = json!({"user_id": user_id.to_string(), "effective_at": effective_at(service, now)});
            Ok(problem::json(StatusCode::OK, &body))
        }
    }
}

fn revocation(service: &Service, now: Timestamp) -> (Revocation, Option<Timestamp>) {
    let forget_at = lifecycle::forget_at(None, Some(now), service.settings.grace);
    (Revocation { at: now, because: Reason::Revoked }, forget_at)
}

fn effective_at(service: &Service, now: Timestamp) -> String {
    now.after(service.settings.authorizer_cache).to_string()
}

/// The one parameter `token` of a form; others, such as `token_type_hint`, do not matter (RFC 7009 section 2.1).
fn token_parameter(form: &[u8]) -> Result<Text, Problem> {
    let mut tokens =
        form_urlencoded::parse(form).filter(|(name, _)| name == "token").map(|(_, value)| Text::new(value));
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => Err(Problem::invalid_member("token", "it is missing")),
        (Some(_), Some(_)) => Err(Problem::invalid_member("token", "it is there twice")),
    }
}
