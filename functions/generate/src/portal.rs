//! Portal sessions: `POST /portal/sessions`, with which an application asks for a link, and `POST
//! /portal/sign-in`, the button of the page that the link opens.

use hallpass_http::{Problem, Response, body, gateway, members::Parsed, problem};
use hallpass_service::{
    Context, authentication,
    caller::Caller,
    portal::{OFFER_LIFETIME, Offered, offer},
    recheck::confirm_log_in,
};
use hallpass_token::{Text, UserId};
use hallpass_web::{
    Form, WebSession, csrf,
    portal::{SESSION, url},
    session::Began,
    sign_in::Next,
};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
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

/// `POST /portal/sessions`.
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

/// `POST /portal/sign-in`.
pub(crate) async fn sign_in(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let form = Form::read(request)?;
    if !csrf::is_from_before(request, &form) {
        return Err(Problem::stale_form());
    }
    let offered = Offered::read(context, &Text::new(form.field(SESSION))).await?;
    let caller = Caller::LogIn { user: Box::new(offered.user.clone()), at: now };
    let caller = caller.permitted(service)?;
    offered.take(context).await?;
    let began = Began::ByPortal(offered.origin);
    let session = WebSession::begin(context, request, caller.user(), began).await?;
    confirm_log_in(service, &caller, &session.place).await?;
    let mut response = hallpass_web::see_other(&Next::Developer.path(&gateway::base(request)));
    if let Ok(cookie) = HeaderValue::try_from(session.into_set_cookie(context)) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
