//! The forms that change a user, and the page with the form for a new one.

use askama::Template;
use hallpass_http::{Problem, Response};
use hallpass_service::{Context, users::invalidates};
use hallpass_token::user::attribute::{FULL_NAME, PASSWORD_HASH, PERMISSIONS, USERNAME};
use http::StatusCode;
use lambda_http::Request;

use super::session;
use crate::{
    Form, Frame, Submitted, Tab, WebSession, developer::Wrong, impact::Impact, reject, render,
    response, sign_in::Next, view::Tokens,
};

#[derive(Template)]
#[template(path = "new_user.html")]
struct NewUser<'a> {
    frame: Frame,
    username: &'a str,
    full_name: &'a str,
    permissions: &'a str,
    is_app: bool,
    wrong: Option<Wrong<'a>>,
}

/// The forms of a user's page that change the user, with the values that were typed and the error
/// of one of them.
#[derive(Debug, Default)]
pub(super) struct EditForm<'a> {
    /// The action of the form with the error.
    action: &'a str,
    username: Option<&'a str>,
    full_name: Option<&'a str>,
    pub(super) permission: &'a str,
    wrong: Option<Wrong<'a>>,
}

/// What each action on a user ends.
#[derive(Debug)]
pub(super) struct Impacts {
    pub(super) all: Impact,
    pub(super) rename: Impact,
    pub(super) full_name: Impact,
    pub(super) password: Impact,
    pub(super) permissions: Impact,
}

/// The actions of the forms.
const ACTIONS: [&str; 5] = ["rename", "full-name", "grant", "deny", "password"];

/// `GET /admin/users/new`.
///
/// # Errors
/// Returns 303 or 401 without a live session, 403 if the user is not an administrator, and 503 if
/// DynamoDB cannot be read.
pub async fn new_user(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let session = session(context, request, Next::NewUser).await?;
    Ok(response(StatusCode::OK, render(&NewUser::new(&session, None, None))?))
}

/// Reads the form for a new user.
///
/// # Errors
/// Returns the errors of [`WebSession::submitted`], and 403 if the sender is not an administrator.
pub async fn submitted_new(context: &Context<'_>, request: &Request) -> Result<Submitted, Problem> {
    let sent = WebSession::submitted(context, request).await?;
    if sent.session.is_administrator { Ok(sent) } else { Err(Problem::not_permitted()) }
}

/// Returns the form for a new user with its error and the values that were typed, except for the
/// password.
pub fn rejected_new(session: &WebSession, form: &Form, problem: Problem) -> Problem {
    match render(&NewUser::new(session, Some(form), Some(&problem))) {
        Ok(html) => reject(problem, html),
        Err(failed) => failed.into(),
    }
}

impl<'a> NewUser<'a> {
    fn new(session: &WebSession, form: Option<&'a Form>, problem: Option<&'a Problem>) -> Self {
        let field = |name| form.map(|form| form.field(name)).unwrap_or_default();
        Self {
            frame: session.frame(Tab::Users),
            username: field("username"),
            full_name: field("full_name"),
            permissions: field("permissions"),
            is_app: field("kind") == "app",
            wrong: problem.map(Wrong::new),
        }
    }

    /// Whether the error concerns this field.
    fn is_wrong(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.field == field)
    }
}

impl<'a> EditForm<'a> {
    /// Whether a form is one of those that change a user.
    pub(super) fn is_of(form: &Form) -> bool {
        ACTIONS.contains(&form.field("do"))
    }

    /// Creates the forms with the values that were typed in one of them, and its error.
    pub(super) fn rejected(form: &'a Form, problem: &'a Problem) -> Self {
        let typed = |action, field| (form.field("do") == action).then(|| form.field(field));
        Self {
            action: form.field("do"),
            username: typed("rename", "username"),
            full_name: typed("full-name", "full_name"),
            permission: typed("grant", "permission").unwrap_or_default(),
            wrong: Some(Wrong::new(problem)),
        }
    }

    /// Returns the error of the form with this action.
    pub(super) fn wrong(&self, action: &str) -> Option<&Wrong<'a>> {
        self.wrong.as_ref().filter(|_| self.action == action)
    }

    /// Returns the user name in the form.
    pub(super) fn username<'b>(&'b self, user: &'b str) -> &'b str {
        self.username.unwrap_or(user)
    }

    /// Returns the full name in the form.
    pub(super) fn full_name<'b>(&'b self, user: &'b str) -> &'b str {
        self.full_name.unwrap_or(user)
    }
}

impl Impacts {
    /// Returns what each action on the user of these tokens ends.
    pub(super) fn of(context: &Context<'_>, tokens: &Tokens) -> Self {
        let Context { service, now, .. } = *context;
        let settings = &service.settings;
        let sessions = settings.session_binding();
        let of = |attribute: &str| {
            let ends_all = invalidates(settings, attribute);
            let ends_sessions = ends_all || sessions.names().iter().any(|name| name == attribute);
            Impact::of(tokens, now, ends_sessions, |token| ends_all || token.is_bound_to(attribute))
        };
        Self {
            all: Impact::of(tokens, now, true, |_| true),
            rename: of(USERNAME),
            full_name: of(FULL_NAME),
            password: of(PASSWORD_HASH),
            permissions: of(PERMISSIONS),
        }
    }
}
