//! `POST /api/services_token/generate`, as Drupal's module has it: two members, in this order, and nothing else.

use edge::{Answer, Problem, Service, entropy::Draw, problem};
use http::StatusCode;
use lambda_http::Request;
use serde::Serialize;
use token::Timestamp;

use crate::{
    caller::Caller,
    mint::{Shape, Wanted, mint, own_scope},
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
    draw: &Draw,
) -> Result<Answer, Problem> {
    let caller = Caller::of(service, request, now, draw).await?;
    let wanted = Wanted {
        other: None,
        permissions: &[],
        shape: Shape::Signed,
        continues_family: true,
        name: None,
        description: None,
        scope: own_scope(service, caller.token())?,
        expires_at: now.after(service.settings.usual_lifetime()),
    };
    let (text, record) = mint(service, &caller, wanted, now, draw).await?;
    let expires = record.expires_at.unwrap_or(now).with_offset_without_colon();
    Ok(problem::json(StatusCode::OK, &Generated { expires, token: text.reveal() }))
}
