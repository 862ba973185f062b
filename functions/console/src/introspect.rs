//! `POST /oauth/introspect` (RFC 7662): returns the state of a token to its own user or to a caller
//! with the permission `introspect`. Any other caller gets the same response as for a token that is
//! not live.

use hallpass_http::{Problem, Response, body, problem};
use hallpass_service::{Context, authentication};
use hallpass_token::User;
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;

/// The permission to introspect the tokens of others.
const PERMISSION: &str = "introspect";

pub(crate) async fn introspect(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    body::expect_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    let text = body::token_parameter(request.body())?;
    let keyring = service.keyring(now).await?;
    let verified = service.store.verify(&keyring, &service.settings.issuer, &text, now).await?;
    let is_permitted = |user: &User| user.id == caller.user.id || caller.scope.holds(PERMISSION);
    let Some(admitted) = verified.accepted().ok().filter(|admitted| is_permitted(&admitted.user))
    else {
        return Ok(problem::json(StatusCode::OK, &json!({"active": false})));
    };
    let record = &admitted.record;
    // `scope` (RFC 7662) is separated by spaces, which names can contain. `scopes` lists all names.
    let mut response = json!({
        "active": true,
        "scope": admitted.scope.to_oauth(),
        "scopes": admitted.scope.names().collect::<Vec<_>>(),
        "username": admitted.user.username,
        "token_type": "Bearer",
        "iat": record.issued_at.unix(),
        "sub": record.id.user_id.to_string(),
        "iss": service.settings.issuer.realm(),
        "token_id": record.id.to_string(),
        "format": record.format.as_str(),
    });
    if let (Some(end), Some(members)) = (record.expires_at, response.as_object_mut()) {
        members.insert("exp".to_owned(), end.unix().into());
    }
    Ok(problem::json(StatusCode::OK, &response))
}
