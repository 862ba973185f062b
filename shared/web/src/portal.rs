//! The page that begins a portal session. It only has a button, so that a program that follows
//! links does not use up the link.

use askama::Template;
use hallpass_http::{Problem, Response, gateway};
use hallpass_service::{Context, portal::Offered};
use hallpass_token::Text;
use http::{HeaderValue, StatusCode, header};
use lambda_http::Request;

use crate::{Frame, csrf, host, parameter, render, response, view::contained};

/// The parameter of the link, and the field of the form, with the secret of the offer.
pub const SESSION: &str = "session";

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalPage {
    frame: Frame,
    csrf: String,
    name: String,
    session: Text,
}

/// Returns the URL of the page.
///
/// # Errors
/// Returns 400 if the request does not name the host of the API.
pub fn url(request: &Request) -> Result<String, Problem> {
    let host = host(request);
    let host = host.ok_or_else(|| Problem::invalid_request("The request has no valid Host"))?;
    Ok(format!("https://{host}{}/portal/sign-in", gateway::base(request)))
}

/// `GET /portal/sign-in`.
///
/// # Errors
/// Returns 410 unless the offer can be taken now, and 503 if DynamoDB cannot be read.
pub async fn page(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let session = Text::new(parameter(request, SESSION).unwrap_or_default());
    let offered = Offered::read(context, &session).await?;
    let (secret, cookie) = csrf::before(request, context.randomness)?;
    let page = PortalPage {
        frame: Frame::of(request),
        csrf: csrf::csrf(&secret),
        name: contained(offered.user.value.display_name()),
        session,
    };
    let mut response = response(StatusCode::OK, render(&page)?);
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
