//! The forms that revoke something: signing out, own tokens, and the keys and users of administrators. Each redirects
//! to the page it came from, so that reloading the page does not send it again.

use hallpass_http::{Problem, Response, gateway};
use hallpass_runtime::Event;
use hallpass_service::{Context, Service};
use hallpass_store::{changes::Change, tokens::Marked, users::Written};
use hallpass_token::{Record, Timestamp, TokenId, User, UserId};
use hallpass_web::{Submitted, WebSession, admin, developer, sign_in};
use http::{HeaderValue, header::SET_COOKIE};
use lambda_http::Request;

use crate::{invalidate, revocation};

/// `POST /sign-out`.
pub(crate) async fn sign_out(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let session = submitted(context, request).await?;
    let cookie = session.end(context).await?;
    let mut response = hallpass_web::see_other(&sign_in::path(&session.base, "signed-out"));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /profile/developer/tokens/{id}`: revokes one of the user's own tokens.
pub(crate) async fn own(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let session = submitted(context, request).await?;
    let record = record_of(service, request, &session.user().id).await?;
    revoke(context, &record).await?;
    Ok(hallpass_web::see_other(&developer::path(&session.base, "revoked")))
}

/// `POST /admin/users/{user_id}/tokens/{id}`: disables, enables or deletes a key of this user.
pub(crate) async fn key(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let (Submitted { session, form, .. }, user) = submitted_by_administrator(context, request).await?;
    let record = record_of(service, request, &user.id).await?;
    let done = match form.field("do") {
        "disable" => switch(service, &record, Some(now)).await.map(|()| "disabled"),
        "enable" => switch(service, &record, None).await.map(|()| "enabled"),
        "delete" => revoke(context, &record).await.map(|()| "deleted"),
        _ => Err(Problem::invalid_member("do", "it is unknown")),
    }?;
    Ok(hallpass_web::see_other(&admin::path(&session.base, &user.id, done)))
}

/// `POST /admin/users/{user_id}/access`: blocks or unblocks this user, or revokes all of the user's tokens.
pub(crate) async fn access(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let (Submitted { session, form, .. }, user) = submitted_by_administrator(context, request).await?;
    let how = invalidate(context)?;
    let (done, event, written) = match form.field("do") {
        "block" if user.id == session.user().id => return Err(Problem::conflict("You cannot block yourself")),
        "block" => {
            ("blocked", Event::Blocked(&user.id), service.store.change_user(&user.id, &Change::Block, Some(how)).await?)
        }
        "unblock" => (
            "unblocked",
            Event::Unblocked(&user.id),
            service.store.change_user(&user.id, &Change::Unblock, Some(how)).await?,
        ),
        "revoke-all" => {
            ("all-revoked", Event::RevokedAll(&user.id), service.store.raise_generation(&user.id, how).await?)
        }
        _ => return Err(Problem::invalid_member("do", "it is unknown")),
    };
    match written {
        Written::Unknown => Err(Problem::not_found()),
        Written::Now => {
            event.log();
            // Revoking all of one's tokens also ends the session.
            let is_signed_out = done == "all-revoked" && user.id == session.user().id;
            let place = if is_signed_out {
                sign_in::path(&session.base, done)
            } else {
                admin::path(&session.base, &user.id, done)
            };
            Ok(hallpass_web::see_other(&place))
        }
    }
}

/// Checks a submitted form and returns its session. An outdated form is rejected with the page of the user's own
/// tokens, which has current forms.
async fn submitted(context: &Context<'_>, request: &Request) -> Result<WebSession, Problem> {
    let sent = WebSession::submitted(context, request).await?;
    match sent.check() {
        Ok(()) => Ok(sent.session),
        Err(stale) => Err(developer::rejected(context, &sent.session, &sent.form, stale).await),
    }
}

/// Checks a form that an administrator submitted. An outdated form is rejected with the page of its user.
async fn submitted_by_administrator(context: &Context<'_>, request: &Request) -> Result<(Submitted, User), Problem> {
    let (sent, user) = admin::submitted(context, request).await?;
    match sent.check() {
        Ok(()) => Ok((sent, user)),
        Err(stale) => Err(admin::rejected(context, &sent.session, &user, &sent.form, stale).await),
    }
}

/// Returns the record of the token in the path, if it belongs to this user. A token of another user looks absent.
async fn record_of(service: &Service, request: &Request, user_id: &UserId) -> Result<Record, Problem> {
    let id = gateway::path_parameter(request, "id").parse::<TokenId>().ok();
    let id = id.filter(|id| id.user_id == *user_id).ok_or_else(Problem::not_found)?;
    service.store.record(&id).await?.ok_or_else(Problem::not_found)
}

async fn revoke(context: &Context<'_>, record: &Record) -> Result<(), Problem> {
    let service = context.service;
    let (revocation, purge_at) = revocation(context);
    service.store.revoke_one(&record.id, record.format, revocation, purge_at).await?;
    Event::Revoked(&record.id).log();
    Ok(())
}

async fn switch(service: &Service, record: &Record, disabled_at: Option<Timestamp>) -> Result<(), Problem> {
    match service.store.set_disabled(record, disabled_at).await? {
        Marked::Unknown => Err(Problem::not_found()),
        Marked::Before => Err(Problem::conflict("The token was revoked")),
        Marked::Now => {
            if disabled_at.is_some() { Event::Disabled(&record.id) } else { Event::Enabled(&record.id) }.log();
            Ok(())
        }
    }
}
