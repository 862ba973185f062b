//! `POST /oauth/introspect` (RFC 7662): what a token is worth now. For its own user, or with the permission
//! `introspect`; to anybody else, and of any token that is not live, the answer is the same.

use edge::{Problem, Response, Service, body, caller, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::{Timestamp, User};

/// The permission to introspect the tokens of others.
const PERMISSION: &str = "introspect";

pub(crate) async fn introspect(service: &Service, request: &Request, now: Timestamp) -> Result<Response, Problem> {
    let caller = caller::admit(service, request.headers(), now).await?;
    body::expect_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    let text = body::token_parameter(request.body())?;
    let keyring = service.keyring(now).await?;
    let verified = service.store.verify(&keyring, &service.settings.issuer, &text, now).await?;
    let may_see = |user: &User| user.id == caller.user.id || caller.scope.holds(PERMISSION);
    let Some(admitted) = verified.ok().filter(|admitted| may_see(&admitted.user)) else {
        return Ok(problem::json(StatusCode::OK, &json!({"active": false})));
    };
    let record = &admitted.record;
    // The scope of RFC 7662 is separated by spaces, which a name here may hold; `scopes` has them one by one.
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
