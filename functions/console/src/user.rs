//! `GET /api/user/{id}` and `GET /rs/profile`: routes of a protected API, as Drupal's Services module and Terminalfour
//! have them. Who asks is what the authorizer said, and nothing else.

use edge::{Answer, Problem, Service, gateway, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::{Scope, Status, User, UserId, Value, user::attribute::KIND};

pub(crate) async fn show(service: &Service, request: &Request) -> Result<Answer, Problem> {
    let issuer = &service.settings.issuer;
    let (caller, scope) = identity(service, request)?;
    let asked = user_id(&gateway::path_parameter(request, "id"))?;
    if asked.as_str() != caller && !service.is_administrator(&scope) {
        return Err(Problem::forbidden(issuer));
    }
    let user = user(service, &asked).await?;
    let kind = match user.attributes.get(KIND) {
        Some(Value::Text(kind)) => kind,
        _ => "person",
    };
    let body = json!({
        "uid": user.id.to_string(),
        "name": user.username,
        "full_name": user.full_name,
        "kind": kind,
        "status": if user.status == Status::Active { "active" } else { "blocked" },
        "permissions": user.permissions.names().collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

/// `GET /rs/profile`, as Terminalfour has it: who the caller is.
pub(crate) async fn profile(service: &Service, request: &Request) -> Result<Answer, Problem> {
    let (caller, scope) = identity(service, request)?;
    let user = user(service, &user_id(&caller)?).await?;
    let body = json!({
        "id": user.id.to_string(),
        "username": user.username,
        "fullName": user.display_name(),
        "permissions": scope.names().collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

/// Whom the authorizer let in, and what that token may do. Without an authorizer in front, nobody has been verified.
fn identity(service: &Service, request: &Request) -> Result<(String, Scope), Problem> {
    let of_caller = |name| gateway::authorizer_context(request, name);
    let (Some(caller), Some(scope)) = (of_caller("user_id"), of_caller("scope")) else {
        return Err(Problem::unauthenticated(&service.settings.issuer));
    };
    Ok((caller, scope.split(',').filter_map(|name| name.parse().ok()).collect()))
}

fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

async fn user(service: &Service, id: &UserId) -> Result<User, Problem> {
    service.store.user(id).await?.ok_or_else(Problem::not_found)
}
