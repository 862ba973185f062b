//! `POST /portal/sessions`: an application begins a session on the pages for one of its own users.

use hallpass_http::{Problem, Response, body, members::Parsed, problem};
use hallpass_service::{
    Context, authentication,
    portal::{OFFER_LIFETIME, offer},
};
use hallpass_token::UserId;
use hallpass_web::portal::{SESSION, url};
use http::StatusCode;
use lambda_http::Request;
use serde::Deserialize;
use serde_json::json;

/// The body of `POST /portal/sessions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortalRequest {
    user_id: Parsed<UserId>,
    return_to: Option<String>,
}

pub(crate) async fn create(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let caller = authentication::admit(context, request.headers()).await?;
    let PortalRequest { user_id: Parsed(user_id), return_to } = body::json(request)?;
    let page = url(request)?;
    let secret = offer(context, &caller, &user_id, return_to).await?;
    let body = json!({
        "url": format!("{page}?{SESSION}={}", secret.expose_secret()),
        "expires_in": OFFER_LIFETIME.as_secs(),
    });
    Ok(problem::json(StatusCode::CREATED, &body))
}
