//! What a person sees with a browser: sessions, forms, HTML.
//!
//! Pages are rendered here and nowhere else, from templates that escape whatever is put into them. They need no script:
//! one file of ours adds a copy button and the reader's own time zone. No token is verified by anything in this crate,
//! and the secret of a session is looked for in its cookie alone, never in `Authorization`.
//!
//! | file | what it holds |
//! |---|---|
//! | [`session`] | who signed in: the cookie, the session, the token of every form |
//! | [`form`] | what a form sent |
//! | [`view`] | tokens, users and instants as pages show them |
//! | [`sign_in`] | the page with the password |
//! | [`developer`] | a user's own tokens |
//! | [`admin`] | the users and keys of an administrator |
//! | [`asset`] | stylesheet, script and icon |

use askama::Template;
use edge::{Problem, Response, body, gateway, problem};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Request, RequestExt, request::RequestContext};
use store::Failure;

pub mod admin;
pub mod asset;
pub mod developer;
pub mod form;
pub mod session;
pub mod sign_in;
pub mod view;

pub use form::Form;
pub use session::{Submitted, WebSession};
pub use view::CreatedToken;

/// What stands around every page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What stands in front of every link: the stage, or the mapping of a custom domain.
    pub base: String,
    /// Who is signed in, if anybody is.
    signed_in: Option<SignedIn>,
}

#[derive(Clone, Debug)]
struct SignedIn {
    name: String,
    is_administrator: bool,
    csrf: String,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: &'a Frame,
    title: &'a str,
    detail: &'a str,
    sign_in: bool,
}

/// What a page may load: our own stylesheet, script and icon, nothing inline, nothing from elsewhere (CSP level 3).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every page.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

impl Frame {
    /// The frame of a page that anybody may see.
    pub fn of(request: &Request) -> Self {
        Self { base: gateway::base(request), signed_in: None }
    }

    /// What every form of this visitor repeats.
    fn csrf(&self) -> &str {
        self.signed_in.as_ref().map_or("", |signed_in| &signed_in.csrf)
    }

    /// The address of a file, with its version, so that browsers may keep it for as long as it is the same.
    fn asset(&self, file: &str) -> String {
        asset::File::named(file)
            .map_or_else(String::new, |it| format!("{}/assets/{file}?v={}", self.base, it.version()))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn user(&self, id: &str) -> String {
        format!("{}/admin/users/{id}", self.base)
    }
}

/// A page as an answer.
pub fn response(status: StatusCode, html: String) -> Response {
    let mut response = problem::response(status, problem::HTML, html);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A "no" as a page.
pub fn reject(problem: Problem, html: String) -> Problem {
    HEADERS.into_iter().fold(problem.shown_as(html), |problem, (name, value)| problem.with_header(name, value))
}

/// Goes on to another page, after something was done (RFC 9110 section 15.4.4).
pub fn see_other(location: &str) -> Response {
    let mut response = problem::response(StatusCode::SEE_OTHER, problem::HTML, String::new());
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// For the end of a route that has pages: whatever rejection has no page yet gets one that says just that.
pub fn or_message(request: &Request, outcome: Result<Response, Problem>) -> Result<Response, Problem> {
    outcome.map_err(|problem| {
        if problem.is_shown() || problem.status() == StatusCode::SEE_OTHER {
            return problem;
        }
        let message = Message {
            frame: &Frame::of(request),
            title: title(problem.status()),
            detail: &sentence(problem.detail()),
            sign_in: problem.status() == StatusCode::UNAUTHORIZED,
        };
        match render(&message) {
            Ok(html) => reject(problem, html),
            Err(failure) => failure.into(),
        }
    })
}

/// A parameter of the query, as it was typed. A REST API decodes it, but writes a percent sign as `%25` again (API
/// Gateway Developer Guide, "important notes").
pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    let parameters = request.query_string_parameters_ref()?;
    let value = parameters.first(name)?;
    let is_rest = matches!(request.request_context_ref(), Some(RequestContext::ApiGatewayV1(_)));
    Some(if is_rest { value.replace("%25", "%") } else { value.to_owned() })
}

/// Whether a request may come from a form of a page. One with a credential of its own is a client's.
pub fn is_form(request: &Request) -> bool {
    body::is_of_media_type(request.headers(), form::MEDIA_TYPE)
        && !request.headers().contains_key(header::AUTHORIZATION)
}

/// What is wrong, as a sentence.
pub(crate) fn sentence(detail: &str) -> String {
    format!("{}.", detail.trim_end_matches('.'))
}

/// What a person calls a status.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "You are signed out",
        StatusCode::FORBIDDEN => "Not permitted",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::CONFLICT => "Not possible",
        StatusCode::SERVICE_UNAVAILABLE => "Out of order",
        _ => "That did not work",
    }
}

fn render(page: &impl Template) -> Result<String, Failure> {
    page.render().map_err(|error| Failure::new("writing the page", error))
}
