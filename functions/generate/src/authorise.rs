//! `GET /rs/authorise`, as Terminalfour has it: a password becomes a JWT for half an hour.

use std::time::Duration;

use edge::{Answer, Problem, Service, entropy::Draw, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::Timestamp;

use crate::{
    caller::Caller,
    mint::{Shape, Wanted, mint, own_scope},
};

/// How long a temporary token lives.
const TEMPORARY: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn authorise(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let caller = Caller::of(service, request, now, draw).await?;
    temporary(service, &caller, now, draw).await
}

/// A temporary token for whoever asks.
pub(crate) async fn temporary(
    service: &Service,
    caller: &Caller,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let wanted = Wanted {
        other: None,
        permissions: &[],
        shape: Shape::Temporary,
        continues_family: true,
        name: None,
        description: None,
        scope: own_scope(service, caller.token())?,
        expires_at: now.after(TEMPORARY.min(service.settings.max_lifetime)),
    };
    let (text, _) = mint(service, caller, wanted, now, draw).await?;
    Ok(problem::json(StatusCode::OK, &json!({"accessToken": text.reveal()})))
}
