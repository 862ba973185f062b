//! `POST /api/services_token/generate`, compatible with Drupal's Services Token module: the
//! response has two members, in this order.

use hallpass_http::{Problem, Response, problem};
use hallpass_service::{
    Context,
    caller::Caller,
    issue::{NewToken, Shape, issue, own_scope},
};
use http::StatusCode;
use lambda_http::Request;
use serde::Serialize;

#[derive(Serialize)]
struct Generated<'a> {
    expires: String,
    token: &'a str,
}

pub(crate) async fn generate(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = Caller::of(context, request).await?;
    let new_token = NewToken {
        continues_family: true,
        scope: own_scope(service, &caller)?,
        ..NewToken::new(Shape::Signed, service.settings.usual_expiry(now))
    };
    let (text, record) = issue(context, &caller, new_token).await?;
    let expires = record.expires_at.unwrap_or(now).with_offset_without_colon();
    Ok(problem::json(StatusCode::OK, &Generated { expires, token: text.expose_secret() }))
}
