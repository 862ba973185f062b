//! `POST /api/services_token/generate`, as Drupal's module has it: two members, in this order, and nothing else.

use edge::{Answer, Problem, Service, problem};
use http::StatusCode;
use lambda_http::Request;
use serde::Serialize;
use token::{Entropy, Format, Timestamp};

use crate::{
    caller::Caller,
    mint::{Wanted, mint, own_scope},
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
    secret: &Entropy,
) -> Result<Answer, Problem> {
    let caller = Caller::of(service, request, now).await?;
    let wanted = Wanted {
        owner: caller.user(),
        format: Format::Signed,
        name: None,
        description: None,
        scope: own_scope(service, &caller)?,
        expires_at: now.after(service.settings.usual_lifetime()),
    };
    let (text, record) = mint(service, &caller, wanted, now, secret).await?;
    let expires = record.expires_at.unwrap_or(now).with_offset_without_colon();
    Ok(problem::json(StatusCode::OK, &Generated { expires, token: text.reveal() }))
}
