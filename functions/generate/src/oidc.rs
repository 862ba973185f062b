//! Signing in to the pages at an identity provider. The provider leads the browser back to the
//! callback, which begins a session for the user who is linked to the identity.

use std::time::Duration;

use hallpass_http::{Problem, Response, cookies, gateway};
use hallpass_oidc::{self as oidc, Declined, Flow, Provider};
use hallpass_runtime::{
    Event,
    settings::{self, ConfigError, Lookup},
};
use hallpass_service::{Context, caller::Caller, recheck::confirm_log_in, service::connection};
use hallpass_store::client_secret::ClientSecret;
use hallpass_token::{Actor, Text};
use hallpass_web::{Form, WebSession, parameter, session::Began, sign_in, sign_in::Next};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use lambda_http::Request;

use crate::identity;

/// The name of the cookie that binds a sign-in to the browser. Its path is `/`, which the prefix
/// demands, and its value the page that comes next and the secret of the flow.
const FLOW: &str = "__Host-hallpass-sign-in";

/// How long a sign-in at the provider may take.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Creates the identity provider of these settings, if there is one.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first setting that is missing or invalid.
pub fn provider(lookup: Lookup<'_>) -> Result<Option<Provider>, ConfigError> {
    let Some(settings) = settings::oidc::read(lookup)? else { return Ok(None) };
    let secret = match &settings.secret {
        Some(arn) => Some(ClientSecret::new(connection(lookup)?.secrets(), arn.clone())),
        None => None,
    };
    let provider = Provider::new(settings, secret);
    provider.map(Some).map_err(|bad| ConfigError::new("HALLPASS_OIDC_ISSUER", bad.report()))
}

/// `GET /sign-in/oidc`: sends the browser to the provider.
pub(crate) async fn begin(
    context: &Context<'_>,
    provider: Option<&Provider>,
    request: &Request,
) -> Result<Response, Problem> {
    let provider = provider.ok_or_else(|| no_provider(request))?;
    let next = Next::read(&parameter(request, "next").unwrap_or_default());
    let (random, _) = context.randomness.session()?;
    let flow = Flow::new(&random);
    let url = match provider.authorization_url(&flow, context.now).await {
        Ok(url) => url,
        Err(failure) => return Err(sign_in::failed(context, request, next, failure.into())),
    };
    // The browser does not send the session with the request that ends the sign-in, because another
    // site causes it.
    let former = WebSession::end_former(context, request).await?;
    let value = Text::new(format!("{}.{}", next.parameter(), flow.expose_secret()));
    let mut response = hallpass_web::see_other(&url);
    add_cookie(&mut response, &cookies::set_lax(FLOW, value.expose_secret(), "/", LIFETIME));
    if let Some(former) = former {
        add_cookie(&mut response, &former);
    }
    Ok(response)
}

/// `GET /sign-in/oidc/callback`: the provider has sent the browser back.
pub(crate) async fn finish(
    context: &Context<'_>,
    provider: Option<&Provider>,
    request: &Request,
) -> Result<Response, Problem> {
    let provider = provider.ok_or_else(|| no_provider(request))?;
    let state = Text::new(parameter(request, "state").unwrap_or_default());
    let flows = cookies::values(request.headers(), FLOW, read);
    let current = flows.into_iter().find(|(flow, _)| flow.is_of_state(state.expose_secret()));
    let Some((flow, next)) = current else {
        let problem = Problem::stale_sign_in();
        return Err(sign_in::failed(context, request, Next::Developer, problem));
    };
    // The flow ends here, with and without success.
    let ended = cookies::set_lax(FLOW, "", "/", Duration::ZERO);
    match Box::pin(session_cookie(context, provider, request, &flow)).await {
        Ok(session) => {
            let mut response = sign_in::signed_in(request, next)?;
            add_cookie(&mut response, &session);
            add_cookie(&mut response, &ended);
            Ok(response)
        }
        Err(problem) => {
            Err(sign_in::failed(context, request, next, problem).with_header(SET_COOKIE, ended))
        }
    }
}

/// Begins a session for the user who is linked to the identity. Returns the cookie.
async fn session_cookie(
    context: &Context<'_>,
    provider: &Provider,
    request: &Request,
    flow: &Flow,
) -> Result<String, Problem> {
    let service = context.service;
    let response = oidc::Response {
        code: parameter(request, "code").map(Text::new),
        error: parameter(request, "error"),
        iss: parameter(request, "iss"),
    };
    let signed_in = provider.identity(flow, &response, context.now).await.map_err(problem)?;
    let user = Box::pin(identity::user(context, provider.settings(), &signed_in)).await?;
    let caller = Caller::LogIn { user: Box::new(user), at: context.now }.permitted(service)?;
    let began = Began::AtProvider(signed_in.session);
    let session = WebSession::begin(context, request, caller.user(), began).await?;
    confirm_log_in(service, &caller, &session.place).await?;
    Ok(session.into_set_cookie(context))
}

/// `GET /sign-in/oidc/sign-out`: sends the browser to the provider, to end the session there. The
/// session here has ended before.
pub(crate) async fn sign_out(
    context: &Context<'_>,
    provider: Option<&Provider>,
    request: &Request,
) -> Result<Response, Problem> {
    let provider = provider.ok_or_else(|| no_provider(request))?;
    match provider.end_session_url(context.now).await {
        Ok(Some(url)) => Ok(hallpass_web::see_other(&url)),
        Ok(None) => Err(no_provider(request)),
        Err(failure) => Err(sign_in::failed(context, request, Next::Developer, failure.into())),
    }
}

/// `POST /sign-in/oidc/back-channel-logout`: the provider ends the sessions of a user, or those that
/// began in one session there (OpenID Connect Back-Channel Logout 1.0 section 2.5).
pub(crate) async fn back_channel_logout(
    context: &Context<'_>,
    provider: Option<&Provider>,
    request: &Request,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let provider =
        provider.ok_or_else(|| Problem::invalid_request("There is no identity provider"))?;
    let token = Text::new(Form::read(request)?.field("logout_token"));
    let wrong = || Problem::invalid_member("logout_token", "is not a logout token of the provider");
    let signed_out = provider.signed_out(&token, now).await?.ok_or_else(wrong)?;
    if let Some(user) = service.store.user_of_identity(&signed_out.identity).await? {
        let (id, until) = (user.value.id, signed_out.until);
        let of = signed_out.session.as_ref();
        if service.store.end_provider_sessions(&id, of, until, now).await? > 0 {
            Event::SignedOut(&id).log(&context.cause(Actor::User(id)));
        }
    }
    Ok(hallpass_http::problem::response(StatusCode::OK, "text/plain", ""))
}

/// Without an identity provider, its routes lead to the sign-in page.
fn no_provider(request: &Request) -> Problem {
    Problem::see_other(format!("{}/sign-in", gateway::base(request)))
}

fn problem(error: oidc::Error) -> Problem {
    match error {
        oidc::Error::Stale => Problem::stale_sign_in(),
        oidc::Error::Failed(failure) => failure.into(),
        oidc::Error::Declined(declined) => Problem::not_signed_in(match declined {
            Declined::AccessDenied => "You cancelled, or your account may not use Hallpass",
            Declined::Unavailable => "The identity provider is unavailable. Try again later",
            Declined::Other => "The identity provider did not sign you in. Ask an administrator",
        }),
    }
}

fn read(cookie: &str) -> Option<(Flow, Next)> {
    let (next, flow) = cookie.rsplit_once('.')?;
    Some((Flow::parse(flow)?, Next::read(next)))
}

fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}
