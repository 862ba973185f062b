//! The web pages: sessions, forms, HTML.
//!
//! Only this crate renders pages, from templates that escape every value. The pages work without
//! scripts; one script adds a copy button and the reader's time zone. This crate verifies no
//! tokens, and reads the secret of a session only from its cookie, never from `Authorization`.
//!
//! | module | contents |
//! |---|---|
//! | [`session`], [`csrf`] | browser sessions, and what binds forms to them |
//! | [`form`] | submitted forms |
//! | [`view`], `offer` | tokens, instants and offers as pages show them |
//! | `usage`, `happened` | the uses and the changes of a token as pages show them |
//! | [`impact`], `notice` | what an action ends, and what it did |
//! | [`sign_in`] | the sign-in page |
//! | [`portal`] | the page that begins a portal session |
//! | [`developer`] | the pages of a user's own tokens |
//! | [`account`] | the page of a service account, for its maintainers |
//! | [`admin`] | the pages for administrators: users, their keys, and the audit log |
//! | [`asset`] | stylesheet, script and icon |

use askama::Template;
use hallpass_http::{Problem, Response, body, gateway, problem};
use hallpass_store::Failure;
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Request, RequestExt, request::RequestContext};

pub mod account;
pub mod admin;
pub mod asset;
pub mod csrf;
pub mod developer;
pub mod form;
mod happened;
pub mod impact;
mod notice;
mod offer;
pub mod portal;
pub mod session;
pub mod sign_in;
mod usage;
pub mod view;

pub use form::Form;
pub use session::{Submitted, WebSession};
pub use view::CreatedToken;

/// The frame around the contents of every page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The prefix of every link: the stage, or the mapping of a custom domain.
    pub base: String,
    /// The signed-in user, if any.
    signed_in: Option<SignedIn>,
}

/// The entries of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// The pages of the user's own tokens.
    Tokens,
    /// The pages of users, for administrators.
    Users,
    /// The page of the tokens of all users, for administrators.
    AllTokens,
    /// The page of the audit log, for administrators.
    Audit,
}

#[derive(Clone, Debug)]
struct SignedIn {
    name: String,
    is_administrator: bool,
    csrf: String,
    tab: Tab,
    /// Whether an application began the session.
    is_portal: bool,
    /// Where that application wants the user back.
    back: Option<Back>,
}

/// The page of an application to which a portal session leads back.
#[derive(Clone, Debug)]
struct Back {
    url: String,
    host: String,
}

/// A page with a single message.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: &'a Frame,
    title: &'a str,
    detail: &'a str,
    /// The parameter `next` of the sign-in page, if signing in helps.
    sign_in: Option<String>,
}

/// Allows the stylesheet, script and icon of this host only, nothing inline and nothing from
/// elsewhere (CSP level 3).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                                       img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every page.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

impl Back {
    fn new(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Self { url: url.to_owned(), host: host.to_owned() }
    }
}

impl Frame {
    /// Returns the frame of a page that requires no sign-in.
    pub fn of(request: &Request) -> Self {
        Self { base: gateway::base(request), signed_in: None }
    }

    /// Returns the CSRF token for the forms of this page.
    fn csrf(&self) -> &str {
        self.signed_in.as_ref().map_or("", |signed_in| &signed_in.csrf)
    }

    /// Whether an application began the session.
    fn is_portal(&self) -> bool {
        self.signed_in.as_ref().is_some_and(|signed_in| signed_in.is_portal)
    }

    /// Returns where the application that began the session wants the user back.
    fn back(&self) -> Option<&Back> {
        self.signed_in.as_ref().and_then(|signed_in| signed_in.back.as_ref())
    }

    /// Returns the URL of a file with its version, so that browsers can cache it until it changes.
    fn asset(&self, file: &str) -> String {
        asset::File::named(file).map_or_else(String::new, |asset| {
            format!("{}/assets/{file}?v={}", self.base, asset.version())
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn user(&self, id: &str) -> String {
        format!("{}/admin/users/{id}", self.base)
    }
}

/// Returns a response with an HTML page.
pub fn response(status: StatusCode, html: String) -> Response {
    let mut response = problem::response(status, problem::HTML, html);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Shows a problem as an HTML page.
pub fn reject(problem: Problem, html: String) -> Problem {
    HEADERS
        .into_iter()
        .fold(problem.shown_as(html), |problem, (name, value)| problem.with_header(name, value))
}

/// Redirects to another page after a form was processed (RFC 9110 section 15.4.4).
pub fn see_other(location: &str) -> Response {
    let mut response = problem::response(StatusCode::SEE_OTHER, problem::HTML, String::new());
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// `GET /`: redirects to the page of the user's own tokens, which redirects to the sign-in page if
/// necessary.
pub fn home(request: &Request) -> Response {
    see_other(&sign_in::Next::Developer.path(&gateway::base(request)))
}

/// Adds a page to a problem if a browser sent the request from its address bar or from a link.
pub fn or_message_to_browser(request: &Request, problem: Problem) -> Problem {
    let headers = request.headers();
    let is_page = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.starts_with("text/html")));
    if is_page && !headers.contains_key(header::AUTHORIZATION) {
        or_message(request, Err(problem)).err().unwrap_or_else(Problem::not_found)
    } else {
        problem
    }
}

/// Adds a page with a message to every problem that has no page yet. Used by the routes of pages.
pub fn or_message(
    request: &Request,
    outcome: Result<Response, Problem>,
) -> Result<Response, Problem> {
    outcome.map_err(|problem| {
        if problem.is_shown() || problem.status() == StatusCode::SEE_OTHER {
            return problem;
        }
        let message = Message {
            frame: &Frame::of(request),
            title: title(problem.status()),
            detail: &sentence(problem.detail()),
            sign_in: (problem.status() == StatusCode::UNAUTHORIZED)
                .then(|| sign_in::Next::of(request).parameter()),
        };
        match render(&message) {
            Ok(html) => reject(problem, html),
            Err(failure) => failure.into(),
        }
    })
}

/// Returns a query parameter as the user typed it. A REST API decodes parameters, but leaves
/// percent signs encoded as `%25` (API Gateway Developer Guide, "important notes").
pub fn parameter(request: &Request, name: &str) -> Option<String> {
    let parameters = request.query_string_parameters_ref()?;
    let value = parameters.first(name)?;
    let is_rest = matches!(request.request_context_ref(), Some(RequestContext::ApiGatewayV1(_)));
    Some(if is_rest { value.replace("%25", "%") } else { value.to_owned() })
}

/// Returns whether a request may come from a form of a page. A request with `Authorization` comes
/// from an API client.
pub fn is_form(request: &Request) -> bool {
    body::is_of_media_type(request.headers(), form::MEDIA_TYPE)
        && !request.headers().contains_key(header::AUTHORIZATION)
}

/// Returns the host of a request if it has only the characters of a name or address with a port.
pub(crate) fn host(request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (!host.is_empty() && host.chars().all(is_fit)).then(|| host.to_owned())
}

/// Ends a description with exactly one full stop.
pub(crate) fn sentence(detail: &str) -> String {
    format!("{}.", detail.trim_end_matches('.'))
}

/// Returns the title of the page for a status code.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "You are signed out",
        StatusCode::FORBIDDEN => "Not permitted",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::CONFLICT => "Not possible",
        StatusCode::GONE => "This link no longer works",
        StatusCode::SERVICE_UNAVAILABLE => "Service unavailable",
        _ => "Something went wrong",
    }
}

fn render(page: &impl Template) -> Result<String, Failure> {
    page.render().map_err(|error| Failure::new("writing the page", error))
}
