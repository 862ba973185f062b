//! Basic authentication (RFC 7617) next to Bearer. It is offered to clients that wait for a
//! challenge, and rejected when a page of another site makes a browser send the Basic credentials
//! it has stored.

use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use lambda_http::Request;

use crate::{Problem, Response, challenge, cors, gateway, problem};
use hallpass_runtime::Settings;

/// The relation between the page that caused a request and its target (Fetch Metadata Request
/// Headers, section 2.3).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Adds Basic to the challenge of a response (`HALLPASS_BASIC_CHALLENGE`), except on pages, where a
/// person signs in with a form. `X-WWW-Authenticate` keeps Bearer alone.
pub(crate) fn offer(settings: &Settings, response: &mut Response) {
    let is_page = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|media_type| media_type.as_bytes() == problem::HTML.as_bytes());
    if response.status() != StatusCode::UNAUTHORIZED || is_page || !settings.basic_challenge {
        return;
    }
    let bearer = response.headers().get(WWW_AUTHENTICATE).and_then(|bearer| bearer.to_str().ok());
    let both =
        bearer.map(|bearer| HeaderValue::try_from(challenge::with_basic(bearer, &settings.issuer)));
    if let Some(Ok(both)) = both {
        response.headers_mut().insert(WWW_AUTHENTICATE, both);
    }
}

/// Rejects a state-changing request that a page of another site made a browser send with stored
/// Basic credentials. For cookies, `SameSite` prevents this; browsers have no such protection for
/// Basic. Origins in `HALLPASS_CORS_ALLOWED_ORIGINS` are exempt.
///
/// # Errors
/// Returns 403 if the request is cross-site and carries Basic credentials.
pub(crate) fn reject_cross_site(settings: &Settings, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let all = |name: HeaderName| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    let begins = |value: &[u8]| {
        value
            .trim_ascii_start()
            .get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
    };
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    // These routes create tokens by GET, as Terminalfour does.
    let changes = !is_safe || gateway::route(request).starts_with("/rs/auth");
    let is_cross_site =
        all(SEC_FETCH_SITE).any(|site| site.trim_ascii().eq_ignore_ascii_case(b"cross-site"));
    if changes
        && is_cross_site
        && all(AUTHORIZATION).any(begins)
        && !cors::is_allowed(settings, headers)
    {
        return Err(Problem::cross_site());
    }
    Ok(())
}
