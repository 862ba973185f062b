//! The sign-in page. The password is checked by the function generate, as all passwords are.

use askama::Template;
use hallpass_http::{Problem, Response, gateway};
use hallpass_runtime::entropy::Randomness;
use hallpass_service::{Context, Service};
use hallpass_token::{TokenId, UserId};
use http::{HeaderValue, StatusCode, header};
use lambda_http::Request;

use crate::{
    Form, Frame, WebSession, csrf, parameter, reject, render, sentence,
    view::{contained, notice},
};

/// The page to open after signing in. It is always a page of Hallpass: no location comes from a
/// request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The page of the user's own tokens.
    Developer,
    /// The form for a new token.
    NewToken,
    /// The page of one of the user's own tokens.
    Token(TokenId),
    /// The page of a service account, for its maintainers.
    Account(UserId),
    /// The page to find users.
    Users,
    /// The form for a new user.
    NewUser,
    /// The tokens of all users.
    AllTokens,
    /// The audit log.
    Audit,
    /// The page of one user.
    User(UserId),
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    frame: Frame,
    csrf: String,
    next: Next,
    /// The user as whom the browser is signed in already.
    signed_in: Option<String>,
    username: &'a str,
    wrong: Option<&'a str>,
    notice: Option<String>,
    /// Whether the page asks for a password.
    takes_password: bool,
    /// The host of the identity provider.
    provider: Option<&'a str>,
    /// Whether the browser has just ended a session that began there.
    is_signed_out_here: bool,
}

/// The action after which the sign-in page offers to sign out at the identity provider too.
pub const SIGNED_OUT_HERE: &str = "signed-out-here";

/// The page after a sign-in at the identity provider. A browser sends the session cookie only with
/// a request that a page of Hallpass caused, so that the provider cannot redirect it to the next
/// page.
#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedIn {
    frame: Frame,
    next: Next,
}

impl Next {
    /// Parses the parameter or field `next`. Anything that names no page is [`Next::Developer`].
    pub fn read(text: &str) -> Self {
        match text.split_once('/') {
            None if text == "users" => Self::Users,
            None if text == "new-token" => Self::NewToken,
            None if text == "new-user" => Self::NewUser,
            None if text == "all-tokens" => Self::AllTokens,
            None if text == "audit" => Self::Audit,
            Some(("tokens", id)) => id.parse().map_or(Self::Developer, Self::Token),
            Some(("accounts", id)) => id.parse().map_or(Self::Developer, Self::Account),
            Some(("users", id)) => id.parse().map_or(Self::Users, Self::User),
            _ => Self::Developer,
        }
    }

    /// Returns the page that a request is for.
    pub fn of(request: &Request) -> Self {
        let id = gateway::path_parameter(request, "id");
        let user_id = gateway::path_parameter(request, "user_id");
        match gateway::route(request).as_str() {
            "/admin/users" => Self::Users,
            "/admin/users/new" => Self::NewUser,
            "/admin/tokens" => Self::AllTokens,
            "/admin/audit" => Self::Audit,
            route if route.starts_with("/admin/users/") => {
                user_id.parse().map_or(Self::Users, Self::User)
            }
            route if route.starts_with("/profile/accounts/") => {
                user_id.parse().map_or(Self::Developer, Self::Account)
            }
            "/profile/developer/new" => Self::NewToken,
            "/profile/developer/tokens/{id}" => id.parse().map_or(Self::Developer, Self::Token),
            _ => Self::Developer,
        }
    }

    /// Returns the text that [`Next::read`] parses.
    pub fn parameter(&self) -> String {
        match self {
            Self::Developer => "developer".to_owned(),
            Self::NewToken => "new-token".to_owned(),
            Self::Token(id) => format!("tokens/{id}"),
            Self::Account(id) => format!("accounts/{id}"),
            Self::Users => "users".to_owned(),
            Self::NewUser => "new-user".to_owned(),
            Self::AllTokens => "all-tokens".to_owned(),
            Self::Audit => "audit".to_owned(),
            Self::User(id) => format!("users/{id}"),
        }
    }

    /// Returns the path of the page.
    pub fn path(&self, base: &str) -> String {
        match self {
            Self::Developer => format!("{base}/profile/developer/"),
            Self::NewToken => format!("{base}/profile/developer/new"),
            Self::Token(id) => format!("{base}/profile/developer/tokens/{id}"),
            Self::Account(id) => format!("{base}/profile/accounts/{id}"),
            Self::Users => format!("{base}/admin/users"),
            Self::NewUser => format!("{base}/admin/users/new"),
            Self::AllTokens => format!("{base}/admin/tokens"),
            Self::Audit => format!("{base}/admin/audit"),
            Self::User(id) => format!("{base}/admin/users/{id}"),
        }
    }
}

/// `GET /sign-in`. A browser that is signed in can go on without signing in again.
///
/// # Errors
/// Returns 503 if DynamoDB cannot be read.
pub async fn page(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let randomness = context.randomness;
    let parameter = |name| parameter(request, name).unwrap_or_default();
    let user = WebSession::signed_in(context, request).await?;
    let page = SignIn {
        signed_in: user.map(|user| contained(user.display_name())),
        notice: notice(context, &parameter("done")),
        is_signed_out_here: parameter("done") == SIGNED_OUT_HERE,
        ..SignIn::new(context.service, Next::read(&parameter("next")))
    };
    let (html, cookie) = render_page(request, randomness, page)?;
    let mut response = crate::response(StatusCode::OK, html);
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Returns the page with an error and the user name that was typed.
pub fn again(context: &Context<'_>, request: &Request, form: &Form, problem: Problem) -> Problem {
    let wrong = match problem.status() {
        StatusCode::UNAUTHORIZED => "The user name or the password is wrong.".to_owned(),
        _ => sentence(problem.detail()),
    };
    let page = SignIn::new(context.service, Next::read(form.field("next")));
    let page = SignIn { username: form.field("username"), wrong: Some(&wrong), ..page };
    rejected(context, request, page, problem)
}

/// Returns the page with the error of a sign-in at the identity provider.
pub fn failed(context: &Context<'_>, request: &Request, next: Next, problem: Problem) -> Problem {
    let wrong = sentence(problem.detail());
    let page = SignIn { wrong: Some(&wrong), ..SignIn::new(context.service, next) };
    rejected(context, request, page, problem)
}

/// Returns the page after a sign-in at the identity provider, which leads to the next one.
///
/// # Errors
/// Returns 503 if the page cannot be written.
pub fn signed_in(request: &Request, next: Next) -> Result<Response, Problem> {
    let page = SignedIn { frame: Frame::of(request), next };
    Ok(crate::response(StatusCode::OK, render(&page)?))
}

fn rejected(
    context: &Context<'_>,
    request: &Request,
    page: SignIn<'_>,
    problem: Problem,
) -> Problem {
    match render_page(request, context.randomness, page) {
        Err(failed) => failed,
        Ok((html, cookie)) => {
            let problem = reject(problem, html);
            match cookie {
                Some(cookie) => problem.with_header(header::SET_COOKIE, cookie),
                None => problem,
            }
        }
    }
}

/// Returns the URL of the page, with the name of the action that was done.
pub fn path(base: &str, done: &str) -> String {
    format!("{base}/sign-in?done={done}")
}

fn render_page(
    request: &Request,
    randomness: &Randomness,
    page: SignIn<'_>,
) -> Result<(String, Option<String>), Problem> {
    let (secret, cookie) = csrf::before(request, randomness)?;
    let page = SignIn { frame: Frame::of(request), csrf: csrf::csrf(&secret), ..page };
    Ok((render(&page)?, cookie))
}

impl<'a> SignIn<'a> {
    fn new(service: &'a Service, next: Next) -> Self {
        let frame = Frame { base: String::new(), signed_in: None };
        let settings = &service.settings;
        Self {
            frame,
            csrf: String::new(),
            next,
            signed_in: None,
            username: "",
            wrong: None,
            notice: None,
            takes_password: settings.password_sign_in && settings.generate_takes_passwords,
            provider: settings.identity_provider.as_deref(),
            is_signed_out_here: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_hallpass() {
        let check =
            |text: &str, path: &str| assert_eq!(Next::read(text).path("/prod"), path, "{text}");
        check("", "/prod/profile/developer/");
        check("developer", "/prod/profile/developer/");
        check("users", "/prod/admin/users");
        check("users/7", "/prod/admin/users/7");
        check("new-token", "/prod/profile/developer/new");
        check("new-user", "/prod/admin/users/new");
        check("all-tokens", "/prod/admin/tokens");
        check("tokens/7", "/prod/profile/developer/");
        check("accounts/7", "/prod/profile/accounts/7");
        check("accounts/../../x", "/prod/profile/developer/");
        check("tokens/../../x", "/prod/profile/developer/");
        check("users/../../x", "/prod/admin/users");
        check("//example.org", "/prod/profile/developer/");
        check("https://example.org", "/prod/profile/developer/");
        for next in [Next::Developer, Next::Users, Next::User("7".parse().unwrap())] {
            assert_eq!(Next::read(&next.parameter()), next);
        }
    }
}
