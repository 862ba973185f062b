//! The forms of the pages that make something: signing in, one's own tokens, an administrator's keys. What they ask for
//! is read by the same code as the requests of the API.

use edge::{Answer, Problem, Service, body::Members, entropy::Draw, gateway};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use lambda_http::Request;
use page::{
    Form, Shown, Submitted, Visit, admin, developer, session, sign_in as sign_in_page, sign_in::Next, view::contained,
};
use serde_json::{Map, Value};
use token::{Record, Text, Timestamp, TokenId, User, credential::Login};

use crate::{
    caller::Caller, create::issue, developer::make, password::check_password, rotate::renew,
    second_look::confirm_log_in,
};

/// `POST /sign-in`.
pub(crate) async fn sign_in(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let form = Form::read(request)?;
    match signed_in(service, request, &form, now, draw).await {
        Err(problem) => Err(sign_in_page::again(request, &form, draw, problem)),
        Ok(cookie) => {
            let mut answer = page::see_other(&Next::read(form.field("next")).path(&gateway::base(request)));
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                answer.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(answer)
        }
    }
}

async fn signed_in(
    service: &Service,
    request: &Request,
    form: &Form,
    now: Timestamp,
    draw: &Draw,
) -> Result<String, Problem> {
    if !session::is_from_before(request, form) {
        return Err(Problem::stale_form());
    }
    if !service.settings.generate_takes_passwords {
        return Err(Problem::passwords_are_off());
    }
    let login = Login::new(form.field("username"), form.field("password"));
    let login = login.ok_or_else(|| Problem::invalid_credentials(&service.settings.issuer))?;
    let user = check_password(service, login, &gateway::source_ip(request), now, draw).await?;
    let caller = Caller::Password(Box::new(user)).permitted(service)?;
    let session = Visit::begin(service, request, caller.user(), now, draw).await?;
    confirm_log_in(service, &caller, &session.place).await?;
    Ok(session.into_set_cookie())
}

/// `POST /profile/developer` from its page.
pub(crate) async fn own(service: &Service, request: &Request, now: Timestamp, draw: &Draw) -> Result<Answer, Problem> {
    let sent = Visit::submitted(service, request, now, draw).await?;
    match made(service, &sent, now, draw).await {
        Ok(shown) => developer::shown(service, &sent.visit, &shown, now).await,
        Err(problem) => Err(developer::refused(service, &sent.visit, &sent.form, problem, now).await),
    }
}

async fn made(service: &Service, sent: &Submitted, now: Timestamp, draw: &Draw) -> Result<Shown, Problem> {
    sent.check_once(service, "own", now).await?;
    let Submitted { visit, form, .. } = sent;
    let caller = Caller::of_visit(service, visit).await?;
    match form.field("do") {
        "make" => {
            let caller = caller.permitted(service)?;
            let (text, record) = Box::pin(issue(service, &caller, members(service, form, now)?, now, draw)).await?;
            Ok(Shown { text, title: NEW, name: named(&record), note: "" })
        }
        "remake" => {
            let caller = caller.permitted(service)?;
            let (text, _) = make(service, &caller, now, draw).await?;
            let note = "Any developer token of before has stopped working.";
            Ok(Shown { text, title: "Your developer token", name: None, note })
        }
        "rotate" => {
            let old = own_record(service, &visit.user, form.field("id")).await?;
            let renewed = renew(service, &caller, &old, now, draw).await;
            let (text, record, _) = renewed.map_err(|problem| match problem.status() {
                // It is the token that is refused, and not whoever is signed in.
                StatusCode::UNAUTHORIZED => Problem::conflict(problem.detail()),
                _ => problem,
            })?;
            Ok(Shown { text, title: NEW, name: named(&record), note: "The old one ends when this one is first used." })
        }
        _ => Err(Problem::invalid_member("do", "it is unknown")),
    }
}

/// A token of the user's own. Another's looks absent.
async fn own_record(service: &Service, user: &User, id: &str) -> Result<Record, Problem> {
    let id = id.parse::<TokenId>().ok().filter(|id| id.user_id == user.id).ok_or_else(Problem::not_found)?;
    service.store.record(&id).await?.ok_or_else(Problem::not_found)
}

/// `POST /admin/users/{user_id}`: a key for this user.
pub(crate) async fn issue_key(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let (sent, user) = admin::submitted(service, request, now, draw).await?;
    let issued = issued_key(service, &sent, &user, now, draw).await;
    let Submitted { visit, form, .. } = sent;
    match issued {
        Ok((text, record)) => {
            let shown = Shown {
                text,
                title: NEW,
                name: named(&record),
                note: "Hand it over in a way that nobody else can read.",
            };
            admin::shown(service, &visit, &user, &shown, now).await
        }
        Err(problem) => Err(admin::refused(service, &visit, &user, &form, problem, now).await),
    }
}

async fn issued_key(
    service: &Service,
    sent: &Submitted,
    user: &User,
    now: Timestamp,
    draw: &Draw,
) -> Result<(Text, Record), Problem> {
    sent.check_once(service, user.id.as_str(), now).await?;
    let caller = Caller::of_visit(service, &sent.visit).await?.permitted(service)?;
    let mut asked = asked(service, &sent.form, now)?;
    asked.insert("format".to_owned(), "jwt".into());
    asked.insert("user_id".to_owned(), user.id.to_string().into());
    Box::pin(issue(service, &caller, Members::new(asked), now, draw)).await
}

/// What the form for a token asks for, in the words of `POST /tokens`.
fn members(service: &Service, form: &Form, now: Timestamp) -> Result<Members, Problem> {
    Ok(Members::new(asked(service, form, now)?))
}

fn asked(service: &Service, form: &Form, now: Timestamp) -> Result<Map<String, Value>, Problem> {
    let mut asked = Map::new();
    asked.insert("name".to_owned(), form.field("name").trim().into());
    let expires = form.field("expires").trim();
    if !expires.is_empty() {
        asked.insert("expires_at".to_owned(), end_of_day(service, expires, now)?.to_string().into());
    }
    if form.field("limit") != "all" {
        asked.insert("scopes".to_owned(), form.fields("scope").collect());
    }
    Ok(asked)
}

/// The end of a day in UTC: its last second, or on the last day that is permitted the last instant that is.
fn end_of_day(service: &Service, text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let wrong = |wrong: &str| Problem::invalid_member("expires_at", wrong);
    let end = Timestamp::parse_rfc3339(&format!("{text}T23:59:59Z"));
    let end = end.ok_or_else(|| wrong("it is not a date such as 2027-01-31"))?;
    let latest = now.after(service.settings.max_lifetime);
    let last_day = developer::day(latest);
    match end > latest {
        false => Ok(end),
        true if developer::day(end) == last_day => Ok(latest),
        true => Err(wrong(&format!("it is later than {last_day}, which is the latest"))),
    }
}

/// What the page that shows a token calls it.
const NEW: &str = "New token";

fn named(record: &Record) -> Option<String> {
    record.name.as_deref().map(contained)
}
