//! `POST /profile/developer`, compatible with hypothesis/h: creates or regenerates the single
//! developer token of a user.

use hallpass_http::{Problem, Response, problem};
use hallpass_service::{Context, authentication, caller::Caller, developer};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;

pub(crate) async fn regenerate(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    authentication::reject_cookie_alone(request.headers())?;
    let caller = Caller::of_token(context, request).await?;
    let (text, record, has_replaced) = developer::regenerate(context, &caller).await?;
    let body = json!({"id": record.id.to_string(), "token": text.expose_secret()});
    let mut response = problem::json(StatusCode::CREATED, &body);
    // The body is that of the original.
    if has_replaced {
        service.add_effective_at(&mut response, now);
    }
    Ok(response)
}
