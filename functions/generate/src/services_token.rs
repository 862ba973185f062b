//! `POST /api/services_token/generate`, compatible with Drupal's Services Token module: the response has two members, in
//! this order.

use edge::{Problem, Response, Service, entropy::Randomness, problem};
use http::StatusCode;
use lambda_http::Request;
use serde::Serialize;
use token::Timestamp;

use crate::{
    caller::Caller,
    issue::{NewToken, Shape, issue, own_scope},
};

#[derive(Serialize)]
struct Generated<'a> {
    expires: String,
    token: &'a str,
}

pub(crate) async fn generate(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Response, Problem> {
    let caller = Caller::of(service, request, now, randomness).await?;
    let new_token = NewToken {
        other: None,
        permissions: &[],
        shape: Shape::Signed,
        continues_family: true,
        name: None,
        description: None,
        scope: own_scope(service, caller.token())?,
        expires_at: now.after(service.settings.usual_lifetime()),
    };
    let (text, record) = issue(service, &caller, new_token, now, randomness).await?;
    let expires = record.expires_at.unwrap_or(now).with_offset_without_colon();
    Ok(problem::json(StatusCode::OK, &Generated { expires, token: text.expose_secret() }))
}
