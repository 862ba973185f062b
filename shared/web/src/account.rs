//! `/profile/accounts/{user_id}`: the tokens of a service account, for its maintainers.

use askama::Template;
use hallpass_http::{Problem, Response, gateway};
use hallpass_service::{Context, Service};
use hallpass_store::Failure;
use hallpass_token::{User, UserId};
use http::StatusCode;
use lambda_http::Request;

use crate::{
    CreatedToken, Form, Frame, Submitted, Tab, WebSession,
    developer::CreateForm,
    parameter, reject, render, response,
    sign_in::Next,
    view::{Tokens, contained, isolated, notice},
};

/// The maximum number of accounts that the page of a user's own tokens links to.
const MAX_LINKS: usize = 20;

/// A link to the page of an account.
#[derive(Debug)]
pub(crate) struct AccountLink {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    frame: Frame,
    id: String,
    name: String,
    tokens: Tokens,
    make: CreateForm<'a>,
    shown: Option<&'a CreatedToken>,
    notice: Option<String>,
}

impl AccountPage<'_> {
    /// Returns the URL of the page.
    fn here(&self) -> String {
        format!("{}/profile/accounts/{}", self.frame.base, self.id)
    }

    /// Returns the name for places where HTML elements are not allowed.
    fn isolated(&self) -> String {
        isolated(&self.name)
    }
}

/// `GET /profile/accounts/{user_id}`.
///
/// # Errors
/// Returns 303 or 401 without a live session, 404 unless the user is a maintainer of the account,
/// and 503 if DynamoDB cannot be read.
pub async fn page(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let session = WebSession::of(context, request, Next::of(request)).await?;
    let account = account(context.service, &session, request).await?;
    let notice = parameter(request, "done").and_then(|done| notice(context, &done));
    let make = CreateForm::new(context, &account, None, None);
    let html = render_page(context, &session, &account, make, None, notice).await?;
    Ok(response(StatusCode::OK, html))
}

/// Reads a form that a maintainer sent from the page of an account, and returns it with that
/// account.
///
/// # Errors
/// Returns the errors of [`WebSession::submitted`], and 404 unless the sender is a maintainer of the
/// account.
pub async fn submitted(
    context: &Context<'_>,
    request: &Request,
) -> Result<(Submitted, User), Problem> {
    let sent = WebSession::submitted(context, request).await?;
    let account = account(context.service, &sent.session, request).await?;
    Ok((sent, account))
}

/// Returns the page with a newly created token.
///
/// # Errors
/// Returns 503 if DynamoDB cannot be read.
pub async fn created_page(
    context: &Context<'_>,
    session: &WebSession,
    account: &User,
    shown: &CreatedToken,
) -> Result<Response, Problem> {
    let make = CreateForm::new(context, account, None, None);
    let html = render_page(context, session, account, make, Some(shown), None).await?;
    Ok(response(StatusCode::CREATED, html))
}

/// Returns the page with the error of a form and the values that were typed.
pub async fn rejected(
    context: &Context<'_>,
    session: &WebSession,
    account: &User,
    form: &Form,
    problem: Problem,
) -> Problem {
    let make = CreateForm::new(context, account, Some(form), Some(&problem));
    match render_page(context, session, account, make, None, None).await {
        Ok(html) => reject(problem, html),
        Err(failed) => failed,
    }
}

/// Returns the URL of the page of an account, with the name of the action that was done.
pub fn path(base: &str, id: &UserId, done: &str) -> String {
    format!("{base}/profile/accounts/{id}?done={done}")
}

/// Returns links to the accounts that the user of a session maintains. A portal session has none.
pub(crate) async fn links(
    service: &Service,
    session: &WebSession,
) -> Result<Vec<AccountLink>, Failure> {
    let mut links = Vec::new();
    if session.limit().is_some() {
        return Ok(links);
    }
    for id in session.user().maintained().into_iter().take(MAX_LINKS) {
        let account = service.store.user(&id).await?;
        let account = account.filter(|account| account.is_maintained_by(session.user()));
        links.extend(account.map(|account| AccountLink {
            id: id.to_string(),
            name: contained(account.display_name()),
        }));
    }
    Ok(links)
}

/// Returns the account in the path. One that the user does not maintain looks absent.
async fn account(
    service: &Service,
    session: &WebSession,
    request: &Request,
) -> Result<User, Problem> {
    let id = gateway::path_parameter(request, "user_id").parse::<UserId>().ok();
    let is_named =
        |id: &UserId| session.limit().is_none() && session.user().maintained().contains(id);
    let id = id.filter(is_named).ok_or_else(Problem::not_found)?;
    let account = service.store.user(&id).await?;
    let account = account.filter(|account| account.is_maintained_by(session.user()));
    account.ok_or_else(Problem::not_found)
}

async fn render_page(
    context: &Context<'_>,
    session: &WebSession,
    account: &User,
    make: CreateForm<'_>,
    shown: Option<&CreatedToken>,
    notice: Option<String>,
) -> Result<String, Problem> {
    let page = AccountPage {
        frame: session.frame(Tab::Tokens),
        id: account.id.to_string(),
        name: contained(account.display_name()),
        tokens: Tokens::of(context, account).await?,
        make,
        shown,
        notice,
    };
    Ok(render(&page)?)
}
