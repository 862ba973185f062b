//! `GET /rs/authorise`, compatible with Terminalfour: exchanges a password for a JWT that is valid
//! for half an hour.

use std::time::Duration;

use hallpass_http::{Problem, Response, problem};
use hallpass_service::{
    Context,
    caller::Caller,
    issue::{NewToken, Shape, issue, own_scope},
};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;

/// The lifetime of a temporary token.
const TEMPORARY: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn authorise(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(context, request).await?;
    temporary(context, &caller).await
}

/// Issues a temporary token to the caller.
pub(crate) async fn temporary(context: &Context<'_>, caller: &Caller) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let new_token = NewToken {
        continues_family: true,
        scope: own_scope(service, caller)?,
        ..NewToken::new(
            Shape::Temporary,
            now.after(TEMPORARY).min(service.settings.latest_expiry(now)),
        )
    };
    let (text, _) = issue(context, caller, new_token).await?;
    Ok(problem::json(StatusCode::OK, &json!({"accessToken": text.expose_secret()})))
}
