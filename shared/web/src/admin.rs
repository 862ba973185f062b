//! `/admin`: the pages on which administrators find, add, change, block and unblock users, list, issue,
//! disable, enable and delete their keys, and read the audit log.

use askama::Template;
use hallpass_http::{Problem, Response, gateway};
use hallpass_service::Context;
use hallpass_token::{Status, User, UserId};
use http::StatusCode;
use lambda_http::Request;

use crate::{
    CreatedToken, Form, Frame, Submitted, Tab, WebSession,
    developer::CreateForm,
    offer::OfferRow,
    parameter, reject, render, response,
    sign_in::Next,
    view::{Instant, Tokens, contained, isolated, notice},
};

mod audit;
mod edit;
mod list;
mod paging;
mod tokens;

pub use audit::audit;
pub use edit::{new_user, rejected_new, submitted_new};
pub use list::users;
pub use tokens::tokens;

use edit::{EditForm, Impacts};

#[derive(Template)]
#[template(path = "user.html")]
struct OneUser<'a> {
    frame: Frame,
    user: Found,
    is_self: bool,
    provider: Option<AtProvider>,
    permissions: Vec<String>,
    tokens: Tokens,
    offers: Vec<OfferRow>,
    edit: EditForm<'a>,
    /// The user name and the full name as they are stored.
    stored: (&'a str, &'a str),
    /// The permission that administrators have.
    admin_permission: &'a str,
    impacts: Impacts,
    make: CreateForm<'a>,
    shown: Option<&'a CreatedToken>,
    notice: Option<String>,
}

/// What a user's page says about the identity provider.
struct AtProvider {
    /// When the next sign-in is due, if there is a limit.
    due: Option<Instant>,
    /// Whether the provider names the permissions.
    names_permissions: bool,
}

/// The forms of a user's page, with the values that were typed and the error of one of them.
struct Forms<'a> {
    make: CreateForm<'a>,
    edit: EditForm<'a>,
}

/// A user as pages show it.
#[derive(Debug)]
struct Found {
    id: String,
    username: String,
    full_name: Option<String>,
    is_app: bool,
    is_blocked: bool,
    has_password: bool,
    /// The number of permissions.
    permissions: usize,
}

/// `GET /admin/users/{user_id}`.
///
/// # Errors
/// Returns 303 or 401 without a live session, 403 if the user is not an administrator, 404 if the
/// requested user does not exist, and 503 if DynamoDB cannot be read.
pub async fn user(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let id = gateway::path_parameter(request, "user_id").parse::<UserId>().ok();
    let session = session(context, request, id.map_or(Next::Users, Next::User)).await?;
    let id = id.ok_or_else(Problem::not_found)?;
    let user = service.store.user(&id).await?.ok_or_else(Problem::not_found)?;
    let notice = parameter(request, "done").and_then(|done| notice(context, &done));
    let forms = Forms::empty(context, &user);
    Ok(response(StatusCode::OK, render_page(context, &session, &user, forms, None, notice).await?))
}

/// Returns the page of a user with a newly issued key.
///
/// # Errors
/// Returns 503 if DynamoDB cannot be read.
pub async fn created_page(
    context: &Context<'_>,
    session: &WebSession,
    user: &User,
    shown: &CreatedToken,
) -> Result<Response, Problem> {
    let forms = Forms::empty(context, user);
    Ok(response(
        StatusCode::CREATED,
        render_page(context, session, user, forms, Some(shown), None).await?,
    ))
}

/// Returns the page of a user with the error of a form and the values that were typed.
pub async fn rejected(
    context: &Context<'_>,
    session: &WebSession,
    user: &User,
    form: &Form,
    problem: Problem,
) -> Problem {
    let forms = if EditForm::is_of(form) {
        Forms { edit: EditForm::rejected(form, &problem), ..Forms::empty(context, user) }
    } else {
        let make = CreateForm::new(context, user, Some(form), Some(&problem));
        Forms { make, edit: EditForm::default() }
    };
    match render_page(context, session, user, forms, None, None).await {
        Ok(html) => reject(problem, html),
        Err(failed) => failed,
    }
}

/// Reads a form that an administrator sent from the page of a user, and returns it with that user.
///
/// # Errors
/// Returns the errors of [`WebSession::submitted`], 403 if the sender is not an administrator, and
/// 404 if the user does not exist.
pub async fn submitted(
    context: &Context<'_>,
    request: &Request,
) -> Result<(Submitted, User), Problem> {
    let service = context.service;
    let sent = WebSession::submitted(context, request).await?;
    if !sent.session.is_administrator {
        return Err(Problem::not_permitted());
    }
    let id: UserId =
        gateway::path_parameter(request, "user_id").parse().map_err(|_| Problem::not_found())?;
    let user = service.store.user(&id).await?.ok_or_else(Problem::not_found)?;
    Ok((sent, user))
}

/// Returns the URL of a user's page, with the name of the action that was done.
pub fn path(base: &str, id: &UserId, done: &str) -> String {
    format!("{base}/admin/users/{id}?done={done}")
}

async fn session(
    context: &Context<'_>,
    request: &Request,
    next: Next,
) -> Result<WebSession, Problem> {
    let session = WebSession::of(context, request, next).await?;
    if session.is_administrator { Ok(session) } else { Err(Problem::not_permitted()) }
}

async fn render_page(
    context: &Context<'_>,
    session: &WebSession,
    user: &User,
    Forms { make, edit }: Forms<'_>,
    shown: Option<&CreatedToken>,
    notice: Option<String>,
) -> Result<String, Problem> {
    let tokens = Tokens::of(context, user).await?;
    let page = OneUser {
        frame: session.frame(Tab::Users),
        user: Found::new(user),
        is_self: user.id == session.user().id,
        provider: user.oidc_identity().map(|_identity| AtProvider {
            due: user.sign_in_due_at().map(|due| Instant::new(due, context.now)),
            names_permissions: user.has_permissions_of_provider(),
        }),
        permissions: user.permissions.names().map(contained).collect(),
        edit,
        stored: (&user.username, user.full_name.as_deref().unwrap_or_default()),
        admin_permission: &context.service.settings.admin_permission,
        impacts: Impacts::of(context, &tokens),
        tokens,
        offers: OfferRow::of(context, user).await?,
        make,
        shown,
        notice,
    };
    Ok(render(&page)?)
}

impl OneUser<'_> {
    /// Returns the URL of the forms that change the user.
    fn profile(&self) -> String {
        format!("{}/profile", self.frame.user(&self.user.id))
    }
}

impl Forms<'_> {
    fn empty(context: &Context<'_>, user: &User) -> Self {
        Self { make: CreateForm::new(context, user, None, None), edit: EditForm::default() }
    }
}

impl Found {
    /// Returns the caption of the table of this user's tokens.
    fn caption(&self) -> String {
        format!("Keys and tokens of {}", self.isolated())
    }

    /// Returns the kind of the account in words.
    const fn kind(&self) -> &'static str {
        match (self.is_app, self.has_password) {
            (true, _) => "application",
            (false, true) => "person",
            (false, false) => "person with an external password",
        }
    }

    /// Returns the status in words.
    const fn status(&self) -> &'static str {
        if self.is_blocked { "blocked" } else { "active" }
    }

    /// Returns the name for places where HTML elements are not allowed.
    fn isolated(&self) -> String {
        isolated(&self.username)
    }

    fn new(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            username: contained(&user.username),
            full_name: user.full_name.as_deref().map(contained),
            is_app: user.is_app(),
            is_blocked: user.status == Status::Blocked,
            has_password: user.password_hash().is_some(),
            permissions: user.permissions.count(),
        }
    }
}
