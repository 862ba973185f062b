//! The forms of the pages that make something: signing in, one's own tokens, an administrator's keys. What they ask for
//! is read by the same code as the requests of the API.

use edge::{Answer, Problem, Service, body::Members, entropy::Draw, gateway};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use lambda_http::Request;
use page::{Form, Shown, Visit, admin, developer, session, sign_in as sign_in_page, sign_in::Next};
use serde_json::{Map, Value};
use token::{Record, Timestamp, TokenId, User, UserId, credential::Login};

use crate::{
    caller::{Caller, check_password},
    create::issue,
    developer::make,
    rotate::renew,
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
    let login = Login::new(form.field("username"), form.field("password"));
    let login = login.ok_or_else(|| Problem::invalid_credentials(&service.settings.issuer))?;
    let user = check_password(service, login, &gateway::source_ip(request), now).await?;
    Visit::begin(service, request, &user, now, draw).await
}

/// `POST /profile/developer` from its page.
pub(crate) async fn own(service: &Service, request: &Request, now: Timestamp, draw: &Draw) -> Result<Answer, Problem> {
    let (visit, form) = Visit::submitted(service, request, now).await?;
    match made(service, &visit, &form, now, draw).await {
        Ok(shown) => developer::shown(service, &visit, &shown, now).await,
        Err(problem) => Err(developer::refused(service, &visit, &form, problem, now).await),
    }
}

async fn made(service: &Service, visit: &Visit, form: &Form, now: Timestamp, draw: &Draw) -> Result<Shown, Problem> {
    match form.field("do") {
        "make" => {
            let caller = Caller::Visit(Box::new(visit.clone()));
            let (text, record) = issue(service, &caller, members(form)?, now, draw).await?;
            Ok(Shown { text, name: named(&record), note: "" })
        }
        "remake" => {
            let (text, _) = make(service, &visit.user, None, now, draw).await?;
            let note = "Any developer token of before has stopped working.";
            Ok(Shown { text, name: "Your developer token".to_owned(), note })
        }
        "rotate" => {
            let old = own_record(service, &visit.user, form.field("id")).await?;
            let renewed = renew(service, &old, None, now, draw).await;
            let (text, record, _) = renewed.map_err(|problem| match problem.status() {
                // It is the token that is refused, and not whoever is signed in.
                StatusCode::UNAUTHORIZED => Problem::conflict(problem.detail()),
                _ => problem,
            })?;
            Ok(Shown { text, name: named(&record), note: "The old one ends when this one is first used." })
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
    let (visit, form, user) = admin::submitted(service, request, now).await?;
    let caller = Caller::Visit(Box::new(visit.clone()));
    let issued = match members_of_key(&form, &user.id) {
        Ok(members) => issue(service, &caller, members, now, draw).await,
        Err(problem) => Err(problem),
    };
    match issued {
        Ok((text, record)) => {
            let shown = Shown { text, name: named(&record), note: "Hand it over in a way that nobody else can read." };
            admin::shown(service, &visit, &user, &shown, now).await
        }
        Err(problem) => Err(admin::refused(service, &visit, &user, &form, problem, now).await),
    }
}

/// What the form for a token asks for, in the words of `POST /tokens`.
fn members(form: &Form) -> Result<Members, Problem> {
    Ok(Members::new(asked(form)?))
}

fn members_of_key(form: &Form, user_id: &UserId) -> Result<Members, Problem> {
    let mut asked = asked(form)?;
    asked.insert("format".to_owned(), "jwt".into());
    asked.insert("user_id".to_owned(), user_id.to_string().into());
    Ok(Members::new(asked))
}

fn asked(form: &Form) -> Result<Map<String, Value>, Problem> {
    let mut asked = Map::new();
    asked.insert("name".to_owned(), form.field("name").trim().into());
    let expires = form.field("expires").trim();
    if !expires.is_empty() {
        // A day ends with its last second.
        let end = format!("{expires}T23:59:59Z");
        if Timestamp::parse_rfc3339(&end).is_none() {
            return Err(Problem::invalid_member("expires_at", "it is not a date such as 2027-01-31"));
        }
        asked.insert("expires_at".to_owned(), end.into());
    }
    if form.field("limit") != "all" {
        asked.insert("scopes".to_owned(), form.fields("scope").collect());
    }
    Ok(asked)
}

fn named(record: &Record) -> String {
    match &record.name {
        Some(name) => format!("New token “{name}”"),
        None => "New token".to_owned(),
    }
}
