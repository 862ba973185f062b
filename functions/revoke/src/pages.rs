//! The forms that revoke something: signing out, own tokens, and the keys and users of
//! administrators. Each redirects to the page it came from, so that reloading the page does not
//! send it again.

use hallpass_http::{Problem, Response, gateway};
use hallpass_service::{Context, Revoker, Service, users};
use hallpass_store::{changes::Change, users::Written};
use hallpass_token::{Note, Record, TokenId, User, UserId};
use hallpass_web::{Form, Submitted, WebSession, account, admin, developer, sign_in};
use http::{HeaderValue, header::SET_COOKIE};
use lambda_http::Request;
use serde::Deserialize;

/// What the form of a key does.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyAction {
    Disable,
    Enable,
    Delete,
}

/// What the form of a user's access does.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AccessAction {
    Block,
    Unblock,
    RevokeAll,
}

/// `POST /sign-out`.
pub(crate) async fn sign_out(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let Submitted { session, .. } = submitted(context, request).await?;
    let cookie = session.end(context).await?;
    let is_of_provider = session.browser_session().is_of_provider;
    let done = if is_of_provider { sign_in::SIGNED_OUT_HERE } else { "signed-out" };
    let mut response = hallpass_web::see_other(&sign_in::path(&session.base, done));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /profile/developer/tokens/{id}`: revokes one of the user's own tokens.
pub(crate) async fn own(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let Submitted { session, form, .. } = submitted(context, request).await?;
    let reason = reason(&form)?;
    let record = record_of(service, request, &session.user().id).await?;
    let revoker = Revoker::of(context, session.actor()).because(reason.as_ref());
    revoker.revoke_record(&record).await?;
    Ok(hallpass_web::see_other(&developer::path(&session.base, "revoked")))
}

/// `POST /profile/accounts/{user_id}/tokens/{id}`: revokes a token of a service account.
pub(crate) async fn of_account(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let (sent, account) = account::submitted(context, request).await?;
    if let Err(stale) = sent.check() {
        return Err(account::rejected(context, &sent.session, &account, &sent.form, stale).await);
    }
    let reason = reason(&sent.form)?;
    let record = record_of(context.service, request, &account.id).await?;
    let revoker = Revoker::of(context, sent.session.actor()).because(reason.as_ref());
    revoker.revoke_record(&record).await?;
    Ok(hallpass_web::see_other(&account::path(&sent.session.base, &account.id, "revoked")))
}

/// `POST /admin/users/{user_id}/tokens/{id}`: disables, enables or deletes a key of this user.
pub(crate) async fn key(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let (Submitted { session, form, .. }, user) =
        submitted_by_administrator(context, request).await?;
    let reason = reason(&form)?;
    let revoker = Revoker::of(context, session.actor()).because(reason.as_ref());
    let record = record_of(context.service, request, &user.id).await?;
    let done = match form.value("do")? {
        KeyAction::Disable => revoker.set_disabled(record, true).await.map(|_record| "disabled"),
        KeyAction::Enable => revoker.set_disabled(record, false).await.map(|_record| "enabled"),
        KeyAction::Delete => {
            revoker.revoke_record(&record).await.map(|_marked| "deleted").map_err(Problem::from)
        }
    }?;
    Ok(hallpass_web::see_other(&admin::path(&session.base, &user.id, done)))
}

/// `POST /admin/users/{user_id}/access`: blocks or unblocks this user, or revokes all of the user's
/// tokens.
pub(crate) async fn access(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let (Submitted { session, form, .. }, user) =
        submitted_by_administrator(context, request).await?;
    let reason = reason(&form)?;
    let revoker = Revoker::of(context, session.actor()).because(reason.as_ref());
    let fresh = context.randomness.generation()?;
    let change =
        async |change| users::change(&revoker, &service.settings, &user.id, &change, fresh).await;
    let (done, written) = match form.value("do")? {
        AccessAction::Block if user.id == session.user().id => {
            return Err(Problem::conflict("You cannot block yourself"));
        }
        AccessAction::Block => ("blocked", change(Change::Block).await?),
        AccessAction::Unblock => ("unblocked", change(Change::Unblock).await?),
        AccessAction::RevokeAll => ("all-revoked", revoker.revoke_all(&user.id, fresh).await?),
    };
    match written {
        Written::Unknown => Err(Problem::not_found()),
        Written::Now => {
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

/// Returns the words in which the person says why, if the form has any.
fn reason(form: &Form) -> Result<Option<Note>, Problem> {
    crate::note(Some(form.field("reason")).filter(|reason| !reason.is_empty()))
}

/// Checks a submitted form. An outdated one is rejected with the page of the user's own tokens,
/// which has current forms.
async fn submitted(context: &Context<'_>, request: &Request) -> Result<Submitted, Problem> {
    let sent = WebSession::submitted(context, request).await?;
    match sent.check() {
        Ok(()) => Ok(sent),
        Err(stale) => Err(developer::rejected(context, &sent.session, &sent.form, stale).await),
    }
}

/// Checks a form that an administrator submitted. An outdated form is rejected with the page of its
/// user.
async fn submitted_by_administrator(
    context: &Context<'_>,
    request: &Request,
) -> Result<(Submitted, User), Problem> {
    let (sent, user) = admin::submitted(context, request).await?;
    match sent.check() {
        Ok(()) => Ok((sent, user)),
        Err(stale) => Err(admin::rejected(context, &sent.session, &user, &sent.form, stale).await),
    }
}

/// Returns the record of the token in the path, if it belongs to this user. A token of another user
/// looks absent.
async fn record_of(
    service: &Service,
    request: &Request,
    user_id: &UserId,
) -> Result<Record, Problem> {
    let id = gateway::path_parameter(request, "id").parse::<TokenId>().ok();
    let id = id.filter(|id| id.user_id == *user_id).ok_or_else(Problem::not_found)?;
    service.store.record(&id).await?.ok_or_else(Problem::not_found)
}
