//! `POST /portal/sign-in`: the button of the page that begins a portal session.

use hallpass_http::{Problem, Response, gateway};
use hallpass_service::{Context, caller::Caller, portal::Offered, recheck::confirm_log_in};
use hallpass_token::Text;
use hallpass_web::{
    Form, WebSession,
    portal::SESSION,
    session::{self, Began},
    sign_in::Next,
};
use http::{HeaderValue, header::SET_COOKIE};
use lambda_http::Request;

pub(crate) async fn sign_in(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let form = Form::read(request)?;
    if !session::is_from_before(request, &form) {
        return Err(Problem::stale_form());
    }
    let offered = Offered::read(context, &Text::new(form.field(SESSION))).await?;
    let caller = Caller::LogIn { user: Box::new(offered.user.clone()), at: now };
    let caller = caller.permitted(service)?;
    offered.take(context).await?;
    let began = Began::ByPortal(offered.origin);
    let session = WebSession::begin(context, request, caller.user(), began).await?;
    confirm_log_in(service, &caller, &session.place).await?;
    let mut response = hallpass_web::see_other(&Next::Developer.path(&gateway::base(request)));
    if let Ok(cookie) = HeaderValue::try_from(session.into_set_cookie()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
