//! `/admin/users`: an administrator finds a user, sees and issues keys, switches them off and on, deletes them, and shuts
//! the user out or lets the user in again.

use askama::Template;
use edge::{Problem, Response, Service, entropy::Randomness, gateway};
use http::StatusCode;
use lambda_http::Request;
use login::NameKey;
use token::{Status, Timestamp, User, UserId};

use crate::{
    CreatedToken, Form, Frame, Submitted, WebSession,
    developer::CreateForm,
    parameter, reject, render, response,
    sign_in::Next,
    view::{Tokens, contained, isolated, notice},
};

#[derive(Template)]
#[template(path = "users.html")]
struct Users<'a> {
    frame: Frame,
    asked: &'a str,
    found: Vec<Found>,
    wrong: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "user.html")]
struct OneUser<'a> {
    frame: Frame,
    user: Found,
    is_self: bool,
    permissions: Vec<String>,
    tokens: Tokens,
    make: CreateForm<'a>,
    shown: Option<&'a CreatedToken>,
    notice: Option<String>,
}

/// A user as the pages show one.
#[derive(Debug)]
struct Found {
    id: String,
    username: String,
    full_name: Option<String>,
    is_app: bool,
    is_blocked: bool,
    has_password: bool,
}

/// `GET /admin/users`, with `?name=` a look for a user by name or id.
///
/// # Errors
/// When there is no session, the user is no administrator, or the store fails.
pub async fn users(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Response, Problem> {
    let session = session(service, request, Next::Users, now, randomness).await?;
    let asked = parameter(request, "name");
    let Some(asked) = asked.as_deref().map(str::trim) else {
        let page = Users { frame: session.frame(), asked: "", found: Vec::new(), wrong: None };
        return Ok(response(StatusCode::OK, render(&page)?));
    };
    let found = find(service, asked).await?;
    let (problem, wrong) = match (found.is_empty(), asked) {
        (false, _) => {
            let page = Users { frame: session.frame(), asked, found, wrong: None };
            return Ok(response(StatusCode::OK, render(&page)?));
        }
        (true, "") => (Problem::invalid_member("name", "it is missing"), "Type a user name or an id."),
        (true, _) if !NameKey::new(asked).is_usable() => {
            (Problem::invalid_member("name", "it is longer than any user's"), "No user has a name like that.")
        }
        (true, _) => (Problem::not_found(), "There is no user of this name or id. Names are found whole, in any case."),
    };
    Err(reject(problem, render(&Users { frame: session.frame(), asked, found, wrong: Some(wrong) })?))
}

/// `GET /admin/users/{user_id}`.
///
/// # Errors
/// When there is no session, the user is no administrator, there is no such user, or the store fails.
pub async fn user(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Response, Problem> {
    let id = gateway::path_parameter(request, "user_id").parse::<UserId>().ok();
    let session = session(service, request, id.map_or(Next::Users, Next::User), now, randomness).await?;
    let id = id.ok_or_else(Problem::not_found)?;
    let user = service.store.user(&id).await?.ok_or_else(Problem::not_found)?;
    let notice = parameter(request, "done").and_then(|done| notice(service, &done, now));
    let html =
        render_page(service, &session, &user, CreateForm::new(service, &user, None, None, now), None, notice, now)
            .await?;
    Ok(response(StatusCode::OK, html))
}

/// The page of a user with a key that was just issued.
///
/// # Errors
/// When the store fails.
pub async fn created_page(
    service: &Service,
    session: &WebSession,
    user: &User,
    shown: &CreatedToken,
    now: Timestamp,
) -> Result<Response, Problem> {
    let make = CreateForm::new(service, user, None, None, now);
    Ok(response(StatusCode::CREATED, render_page(service, session, user, make, Some(shown), None, now).await?))
}

/// The page of a user with what was wrong with a form, and all that was typed.
pub async fn rejected(
    service: &Service,
    session: &WebSession,
    user: &User,
    form: &Form,
    problem: Problem,
    now: Timestamp,
) -> Problem {
    let make = CreateForm::new(service, user, Some(form), Some(&problem), now);
    match render_page(service, session, user, make, None, None, now).await {
        Ok(html) => reject(problem, html),
        Err(failed) => failed,
    }
}

/// What an administrator sent from the page of a user, and that user.
///
/// # Errors
/// Those of [`Visit::submitted`]; 403 for others, 404 without such a user.
pub async fn submitted(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<(Submitted, User), Problem> {
    let sent = WebSession::submitted(service, request, now, randomness).await?;
    if !sent.session.is_administrator {
        return Err(Problem::not_permitted());
    }
    let id: UserId = gateway::path_parameter(request, "user_id").parse().map_err(|_| Problem::not_found())?;
    let user = service.store.user(&id).await?.ok_or_else(Problem::not_found)?;
    Ok((sent, user))
}

/// Where the page of a user is, with a word for what was done.
pub fn path(base: &str, id: &UserId, done: &str) -> String {
    format!("{base}/admin/users/{id}?done={done}")
}

async fn session(
    service: &Service,
    request: &Request,
    next: Next,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<WebSession, Problem> {
    let session = WebSession::of(service, request, &next.parameter(), now, randomness).await?;
    if session.is_administrator { Ok(session) } else { Err(Problem::not_permitted()) }
}

/// Whoever has this name or this id. The index by name is a pointer that may lag, so that the users themselves are read.
async fn find(service: &Service, asked: &str) -> Result<Vec<Found>, Problem> {
    let name = NameKey::new(asked);
    let mut ids = if name.is_usable() { service.store.ids_by_name(&name).await? } else { Vec::new() };
    ids.extend(asked.parse::<UserId>().ok());
    ids.sort();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        found.extend(service.store.user(&id).await?.map(|user| Found::new(&user)));
    }
    Ok(found)
}

async fn render_page(
    service: &Service,
    session: &WebSession,
    user: &User,
    make: CreateForm<'_>,
    shown: Option<&CreatedToken>,
    notice: Option<String>,
    now: Timestamp,
) -> Result<String, Problem> {
    let page = OneUser {
        frame: session.frame(),
        user: Found::new(user),
        is_self: user.id == session.user.id,
        permissions: user.permissions.names().map(contained).collect(),
        tokens: Tokens::of(service, user, now).await?,
        make,
        shown,
        notice,
    };
    Ok(render(&page)?)
}

impl Found {
    /// What the table of this user's tokens is called.
    fn caption(&self) -> String {
        format!("Keys and tokens of {}", self.isolated())
    }

    /// The name where no element can stand.
    fn isolated(&self) -> String {
        isolated(&self.username)
    }

    fn new(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            username: contained(&user.username),
            full_name: user.full_name.as_deref().map(contained),
            is_app: user.kind() == "app",
            is_blocked: user.status == Status::Blocked,
            has_password: user.password_hash().is_some(),
        }
    }
}
