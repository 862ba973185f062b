//! The forms that create something: signing in, own tokens, keys of administrators. The same code
//! reads forms and API requests.

use hallpass_http::{Problem, Response, gateway, members::Parsed};
use hallpass_runtime::Event;
use hallpass_service::{
    Context, Service, caller::Caller, developer as developer_token, password::check_password,
    recheck::confirm_log_in, rotation::rotate,
};
use hallpass_token::{Record, Text, Timestamp, TokenId, User, credential::Login};
use hallpass_web::{
    CreatedToken, Form, Submitted, WebSession, account, admin, csrf, developer,
    session::Began,
    sign_in as sign_in_page,
    sign_in::Next,
    view::{Instant, contained},
};
use http::{HeaderValue, StatusCode, header::SET_COOKIE};
use lambda_http::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    create::{RequestedFormat, ScopeList, TokenRequest, issue_requested},
    offers,
};

/// What the form of the own page does.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Make,
    Regenerate,
    Rotate,
    Accept,
}

/// What the form of a service account does.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AccountAction {
    Make,
    Rotate,
}

/// `POST /sign-in`.
pub(crate) async fn sign_in(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let form = Form::read(request)?;
    match signed_in(context, request, &form).await {
        Err(problem) => Err(sign_in_page::again(context, request, &form, problem)),
        Ok(cookie) => {
            let mut response = hallpass_web::see_other(
                &Next::read(form.field("next")).path(&gateway::base(request)),
            );
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(response)
        }
    }
}

async fn signed_in(
    context: &Context<'_>,
    request: &Request,
    form: &Form,
) -> Result<String, Problem> {
    let Context { service, now, .. } = *context;
    if !service.settings.generate_takes_passwords || !service.settings.password_sign_in {
        return Err(Problem::passwords_are_off());
    }
    if !csrf::is_from_before(request, form) {
        return Err(Problem::stale_form());
    }
    let login = Login::new(form.field("username"), form.field("password"));
    let login = login.ok_or_else(|| Problem::invalid_credentials(&service.settings.issuer))?;
    let user = check_password(context, login).await?;
    let caller = Caller::LogIn { user: Box::new(user), at: now }.permitted(service)?;
    let session = WebSession::begin(context, request, caller.user(), Began::WithPassword).await?;
    confirm_log_in(service, &caller, &session.place).await?;
    Ok(session.into_set_cookie(context))
}

/// `POST /profile/developer` from its page.
pub(crate) async fn own(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let sent = WebSession::submitted(context, request).await?;
    if sent.form.field("do") == "decline" {
        sent.check()?;
        offers::withdraw(context, &sent, &sent.session.user().id).await?;
        return Ok(hallpass_web::see_other(&developer::path(&sent.session.base, "declined")));
    }
    match Box::pin(once(context, &sent, "own", create_from_form(context, &sent))).await {
        Ok(shown) => developer::created_page(&sent.session, &shown),
        Err(problem) => Err(developer::rejected(context, &sent.session, &sent.form, problem).await),
    }
}

async fn create_from_form(
    context: &Context<'_>,
    sent: &Submitted,
) -> Result<CreatedToken, Problem> {
    let Context { service, now, .. } = *context;
    let Submitted { session, form, .. } = sent;
    let caller = Caller::of_session(service, &session.browser_session()).await?;
    match form.value("do")? {
        Action::Make => {
            let caller = caller.permitted(service)?;
            let (text, record) =
                Box::pin(issue_requested(context, &caller, requested(context, form)?)).await?;
            Ok(created(context, text, &record, String::new()))
        }
        Action::Regenerate => {
            let caller = caller.permitted(service)?;
            let (text, record, has_replaced) =
                developer_token::regenerate(context, &caller).await?;
            let note = if !has_replaced {
                String::new()
            } else if service.settings.authorizer_cache.is_zero() {
                "The old one no longer works.".to_owned()
            } else {
                let at = service.effective_at(now);
                format!(
                    "An API that caches responses accepts the old one until {at} at the latest."
                )
            };
            Ok(CreatedToken {
                title: "Your developer token",
                ..created(context, text, &record, note)
            })
        }
        Action::Accept => {
            let caller = caller.permitted(service)?;
            let (text, record) = Box::pin(offers::accept(context, sent, &caller)).await?;
            Ok(created(context, text, &record, String::new()))
        }
        Action::Rotate => {
            let old = own_record(service, session.user(), form.field("id")).await?;
            rotated(context, &caller, &old).await
        }
    }
}

/// Rotates a token.
async fn rotated(
    context: &Context<'_>,
    caller: &Caller,
    old: &Record,
) -> Result<CreatedToken, Problem> {
    let renewed = Box::pin(rotate(context, caller, old)).await;
    let (text, record, window) = renewed.map_err(|problem| match problem.status() {
        // The token is rejected, not the signed-in user.
        StatusCode::UNAUTHORIZED => Problem::conflict(problem.detail()),
        _ => problem,
    })?;
    let note =
        format!("The old token expires when this one is first used, at {window} at the latest.");
    Ok(created(context, text, &record, note))
}

/// `POST /profile/accounts/{user_id}`: creates or rotates a token of a service account.
pub(crate) async fn of_account(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let (sent, account) = account::submitted(context, request).await?;
    let creating = create_for_account(context, &sent, &account);
    let place = format!("account {}", account.id);
    let created = Box::pin(once(context, &sent, &place, creating)).await;
    let Submitted { session, form, .. } = sent;
    match created {
        Ok(shown) => account::created_page(context, &session, &account, &shown).await,
        Err(problem) => Err(account::rejected(context, &session, &account, &form, problem).await),
    }
}

async fn create_for_account(
    context: &Context<'_>,
    sent: &Submitted,
    account: &User,
) -> Result<CreatedToken, Problem> {
    let (service, form) = (context.service, &sent.form);
    let caller = Caller::of_session(service, &sent.session.browser_session()).await?;
    match form.value("do")? {
        AccountAction::Make => {
            let caller = caller.permitted(service)?;
            let requested =
                TokenRequest { user_id: Some(Parsed(account.id)), ..requested(context, form)? };
            let (text, record) = Box::pin(issue_requested(context, &caller, requested)).await?;
            Ok(created(context, text, &record, String::new()))
        }
        AccountAction::Rotate => {
            let old = own_record(service, account, form.field("id")).await?;
            rotated(context, &caller, &old).await
        }
    }
}

/// Does what a form asks for, once, however often the form is sent. A form that was rejected has
/// created nothing, and can be corrected and sent again.
async fn once<T>(
    context: &Context<'_>,
    sent: &Submitted,
    place: &str,
    creating: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    sent.check_once(context, place).await?;
    or_release(context, sent, place, creating.await).await
}

/// Returns what a form has created. Releases a form that was rejected.
pub(crate) async fn or_release<T>(
    context: &Context<'_>,
    sent: &Submitted,
    place: &str,
    created: Result<T, Problem>,
) -> Result<T, Problem> {
    let service = context.service;
    if created.as_ref().is_err_and(|problem| problem.status().is_client_error())
        && let Err(failure) = sent.release(service, place).await
    {
        Event::Failed(&failure).log_from(context.origin);
    }
    created
}

/// Returns the record of a token of this user. A token of another user looks absent.
async fn own_record(service: &Service, user: &User, id: &str) -> Result<Record, Problem> {
    let id = id
        .parse::<TokenId>()
        .ok()
        .filter(|id| id.user_id == user.id)
        .ok_or_else(Problem::not_found)?;
    service.store.record(&id).await?.ok_or_else(Problem::not_found)
}

/// `POST /admin/users/{user_id}`: issues a key for this user.
pub(crate) async fn issue_key(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let (sent, user) = admin::submitted(context, request).await?;
    let done = |done| Ok(hallpass_web::see_other(&admin::path(&sent.session.base, &user.id, done)));
    if sent.form.field("do") == "withdraw" {
        sent.check()?;
        offers::withdraw(context, &sent, &user.id).await?;
        return done("withdrawn");
    }
    if sent.form.field("claim") == "on" {
        let offering = offered_key(context, &sent, &user);
        return match Box::pin(once(context, &sent, user.id.as_str(), offering)).await {
            Ok(_offer) => done("offered"),
            Err(problem) => {
                Err(admin::rejected(context, &sent.session, &user, &sent.form, problem).await)
            }
        };
    }
    let issuing = issued_key(context, &sent, &user);
    let issued = Box::pin(once(context, &sent, user.id.as_str(), issuing)).await;
    let Submitted { session, form, .. } = sent;
    match issued {
        Ok((text, record)) => {
            let note = "Send it through a channel that no one else can read.".to_owned();
            let shown = created(context, text, &record, note);
            admin::created_page(context, &session, &user, &shown).await
        }
        Err(problem) => Err(admin::rejected(context, &session, &user, &form, problem).await),
    }
}

async fn issued_key(
    context: &Context<'_>,
    sent: &Submitted,
    user: &User,
) -> Result<(Text, Record), Problem> {
    let (caller, requested) = requested_key(context, sent, user).await?;
    Box::pin(issue_requested(context, &caller, requested)).await
}

async fn offered_key(
    context: &Context<'_>,
    sent: &Submitted,
    user: &User,
) -> Result<Value, Problem> {
    let (caller, requested) = requested_key(context, sent, user).await?;
    Box::pin(offers::offer(context, &caller, requested)).await
}

async fn requested_key(
    context: &Context<'_>,
    sent: &Submitted,
    user: &User,
) -> Result<(Caller, TokenRequest), Problem> {
    let service = context.service;
    let caller =
        Caller::of_session(service, &sent.session.browser_session()).await?.permitted(service)?;
    let requested = TokenRequest {
        format: Some(RequestedFormat::Jwt),
        user_id: Some(Parsed(user.id)),
        ..requested(context, &sent.form)?
    };
    Ok((caller, requested))
}

/// Converts the form for a token to the body of `POST /tokens`.
fn requested(context: &Context<'_>, form: &Form) -> Result<TokenRequest, Problem> {
    let expires = match form.field("until") {
        "custom" if form.field("expires").trim().is_empty() => {
            return Err(Problem::invalid_member("expires_at", "choose a day"));
        }
        "" | "custom" => form.field("expires").trim(),
        day => day,
    };
    let expires_at = (!expires.is_empty()).then(|| end_of_day(context, expires)).transpose()?;
    let chosen: Vec<&str> = form.fields("scope").collect();
    let scopes = match (form.field("limit"), chosen.is_empty()) {
        ("all", true) => Ok(None),
        ("all", false) => Err("choose either all permissions or some of them"),
        (_, true) => Err("choose at least one, or all of them"),
        (_, false) => ScopeList::try_from(chosen.into_iter().collect::<Value>()).map(Some),
    };
    let scopes = scopes.map_err(|wrong| Problem::invalid_member("scopes", wrong))?;
    let description = form.field("description").trim();
    Ok(TokenRequest {
        name: form.field("name").trim().to_owned(),
        description: (!description.is_empty()).then(|| description.to_owned()),
        scopes,
        expires_at: expires_at.map(Parsed),
        expires_in: None,
        format: None,
        user_id: None,
        claim: None,
    })
}

/// Returns the last second of a day in UTC. On the last permitted day, returns the latest permitted
/// instant.
fn end_of_day(context: &Context<'_>, text: &str) -> Result<Timestamp, Problem> {
    let Context { service, now, .. } = *context;
    let wrong = |wrong: &str| Problem::invalid_member("expires_at", wrong);
    let end = format!("{text}T23:59:59Z").parse::<Timestamp>().ok();
    let end = end.ok_or_else(|| wrong("it is not a date such as 2027-01-31"))?;
    let latest = service.settings.latest_expiry(now);
    let last_day = developer::day(latest);
    match end > latest {
        false => Ok(end),
        true if developer::day(end) == last_day => Ok(latest),
        true => Err(wrong(&format!("it is later than {last_day}, which is the latest"))),
    }
}

/// Returns a token as the page shows it that was just created.
fn created(context: &Context<'_>, text: Text, record: &Record, note: String) -> CreatedToken {
    CreatedToken {
        text,
        title: "New token",
        name: record.name.as_deref().map(contained),
        expires: record.expires_at.map(|at| Instant::new(at, context.now)),
        note,
    }
}
