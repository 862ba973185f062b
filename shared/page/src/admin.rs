//! `/admin/users`: an administrator finds a user, sees and issues keys, switches them off and on, deletes them, and shuts
//! the user out or lets the user in again.

use askama::Template;
use edge::{Answer, Problem, Service, entropy::Draw, gateway};
use http::StatusCode;
use lambda_http::Request;
use login::NameKey;
use token::{Status, Timestamp, User, UserId};

use crate::{
    Form, Frame, Shown, Submitted, Visit, answer,
    developer::Make,
    parameter, refuse, render,
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
    make: Make<'a>,
    shown: Option<&'a Shown>,
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
pub async fn users(service: &Service, request: &Request, now: Timestamp, draw: &Draw) -> Result<Answer, Problem> {
    let visit = visit(service, request, Next::Users, now, draw).await?;
    let asked = parameter(request, "name");
    let Some(asked) = asked.as_deref().map(str::trim) else {
        let page = Users { frame: visit.frame(), asked: "", found: Vec::new(), wrong: None };
        return Ok(answer(StatusCode::OK, render(&page)?));
    };
    let found = find(service, asked).await?;
    let (problem, wrong) = match (found.is_empty(), asked) {
        (false, _) => {
            let page = Users { frame: visit.frame(), asked, found, wrong: None };
            return Ok(answer(StatusCode::OK, render(&page)?));
        }
        (true, "") => (Problem::invalid_member("name", "it is missing"), "Type a user name or an id."),
        (true, _) if !NameKey::new(asked).is_usable() => {
            (Problem::invalid_member("name", "it is longer than any user's"), "No user has a name like that.")
        }
        (true, _) => (Problem::not_found(), "There is no user of this name or id. Names are found whole, in any case."),
    };
    Err(refuse(problem, render(&Users { frame: visit.frame(), asked, found, wrong: Some(wrong) })?))
}

/// `GET /admin/users/{user_id}`.
///
/// # Errors
/// When there is no session, the user is no administrator, there is no such user, or the store fails.
pub async fn user(service: &Service, request: &Request, now: Timestamp, draw: &Draw) -> Result<Answer, Problem> {
    let id = gateway::path_parameter(request, "user_id").parse::<UserId>().ok();
    let visit = visit(service, request, id.map_or(Next::Users, Next::User), now, draw).await?;
    let id = id.ok_or_else(Problem::not_found)?;
    let user = service.store.user(&id).await?.ok_or_else(Problem::not_found)?;
    let notice = parameter(request, "done").and_then(|done| notice(service, &done, now));
    let html = written(service, &visit, &user, Make::new(service, &user, None, None, now), None, notice, now).await?;
    Ok(answer(StatusCode::OK, html))
}

/// The page of a user with a key that was just issued.
///
/// # Errors
/// When the store fails.
pub async fn shown(
    service: &Service,
    visit: &Visit,
    user: &User,
    shown: &Shown,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let make = Make::new(service, user, None, None, now);
    Ok(answer(StatusCode::CREATED, written(service, visit, user, make, Some(shown), None, now).await?))
}

/// The page of a user with what was wrong with a form, and all that was typed.
pub async fn refused(
    service: &Service,
    visit: &Visit,
    user: &User,
    form: &Form,
    problem: Problem,
    now: Timestamp,
) -> Problem {
    let make = Make::new(service, user, Some(form), Some(&problem), now);
    match written(service, visit, user, make, None, None, now).await {
        Ok(html) => refuse(problem, html),
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
    draw: &Draw,
) -> Result<(Submitted, User), Problem> {
    let sent = Visit::submitted(service, request, now, draw).await?;
    if !sent.visit.is_administrator {
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

async fn visit(
    service: &Service,
    request: &Request,
    next: Next,
    now: Timestamp,
    draw: &Draw,
) -> Result<Visit, Problem> {
    let visit = Visit::of(service, request, &next.parameter(), now, draw).await?;
    if visit.is_administrator { Ok(visit) } else { Err(Problem::not_permitted()) }
}

/// Whoever has this name or this id. The index by name is a pointer that may lag, so that the users themselves are read.
async fn find(service: &Service, asked: &str) -> Result<Vec<Found>, Problem> {
    let name = NameKey::new(asked);
    let mut ids = if name.is_usable() { service.store.ids_by_name(name.as_str()).await? } else { Vec::new() };
    ids.extend(asked.parse::<UserId>().ok());
    ids.sort();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        found.extend(service.store.user(&id).await?.map(|user| Found::new(&user)));
    }
    Ok(found)
}

async fn written(
    service: &Service,
    visit: &Visit,
    user: &User,
    make: Make<'_>,
    shown: Option<&Shown>,
    notice: Option<String>,
    now: Timestamp,
) -> Result<String, Problem> {
    let page = OneUser {
        frame: visit.frame(),
        user: Found::new(user),
        is_self: user.id == visit.user.id,
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
