//! Cross-origin requests (Fetch standard, section "CORS protocol"). Only origins in
//! `HALLPASS_CORS_ALLOWED_ORIGINS` are allowed. Credentials travel in `Authorization`, never in a
//! cookie, so `Access-Control-Allow-Credentials` is not needed.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};

use crate::{Response, problem};
use hallpass_runtime::Settings;

/// Returns the response to a preflight request of an allowed origin, and `None` for every other
/// request.
pub fn preflight(settings: &Settings, method: &Method, headers: &HeaderMap) -> Option<Response> {
    if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = problem::response(StatusCode::NO_CONTENT, "text/plain", String::new());
    if allow(settings, headers, &mut response) {
        let headers = response.headers_mut();
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PATCH, DELETE"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type, Accept"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        return Some(response);
    }
    None
}

/// Returns whether the origin of a request is allowed.
pub fn is_allowed(settings: &Settings, headers: &HeaderMap) -> bool {
    let is_listed = |origin: &HeaderValue| {
        settings.cors_allowed_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    };
    headers.get(ORIGIN).is_some_and(is_listed)
}

/// Adds the CORS headers to a response if the origin of the request is allowed, and returns whether
/// it is.
pub fn allow(settings: &Settings, headers: &HeaderMap, response: &mut Response) -> bool {
    if settings.cors_allowed_origins.is_empty() {
        return false;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = headers.get(ORIGIN).filter(|_| is_allowed(settings, headers)) else {
        return false;
    };
    let exposed = HeaderValue::from_static(
        "WWW-Authenticate, X-WWW-Authenticate, Retry-After, Location, Hallpass-Effective-At, \
         Hallpass-Token-Expires",
    );
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_is_an_options_request_with_a_method_from_an_allowed_origin() {
        let settings = Settings::read(&|name| {
            (name == "HALLPASS_CORS_ALLOWED_ORIGINS").then(|| "https://a.example".to_owned())
        });
        let settings = settings.unwrap();
        let check = |method: Method, names: &[(&'static str, &'static str)], is_preflight: bool| {
            let headers = names.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let response = preflight(&settings, &method, &headers.collect());
            assert_eq!(
                response.map(|response| response.status().as_u16()),
                is_preflight.then_some(204),
                "{method} {names:?}"
            );
        };
        let (origin, asks) =
            (("origin", "https://a.example"), ("access-control-request-method", "POST"));
        check(Method::OPTIONS, &[origin, asks], true);
        check(Method::OPTIONS, &[origin], false);
        check(Method::OPTIONS, &[asks], false);
        check(Method::OPTIONS, &[("origin", "https://b.example"), asks], false);
        check(Method::GET, &[origin, asks], false);
        check(Method::POST, &[origin], false);
    }
}
