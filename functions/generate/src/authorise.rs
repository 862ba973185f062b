//! `GET /rs/authorise`, compatible with Terminalfour: exchanges a password for a JWT that is valid for half an hour.

use std::time::Duration;

use edge::{Problem, Response, Service, entropy::Randomness, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::Timestamp;

use crate::{
    caller::Caller,
    issue::{NewToken, Shape, issue, own_scope},
};

/// The lifetime of a temporary token.
const TEMPORARY: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn authorise(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Response, Problem> {
    let caller = Caller::of(service, request, now, randomness).await?;
    temporary(service, &caller, now, randomness).await
}

/// Issues a temporary token to the caller.
pub(crate) async fn temporary(
    service: &Service,
    caller: &Caller,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Response, Problem> {
    let new_token = NewToken {
        other: None,
        permissions: &[],
        shape: Shape::Temporary,
        continues_family: true,
        name: None,
        description: None,
        scope: own_scope(service, caller.token())?,
        expires_at: now.after(TEMPORARY.min(service.settings.max_lifetime)),
    };
    let (text, _) = issue(service, caller, new_token, now, randomness).await?;
    Ok(problem::json(StatusCode::OK, &json!({"accessToken": text.expose_secret()})))
}
