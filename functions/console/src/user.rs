//! `GET /api/user/{id}`: a route of the protected API, as Drupal's Services module has it. Who asks is what the
//! authorizer said, and nothing else.

use edge::{Answer, Problem, Service, gateway, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::{Scope, Status, UserId, Value, user::attribute::KIND};

pub(crate) async fn show(service: &Service, request: &Request) -> Result<Answer, Problem> {
    let issuer = &service.settings.issuer;
    let of_caller = |name| gateway::authorizer_context(request, name);
    // Without an authorizer in front, nobody has been verified.
    let (Some(caller), Some(scope)) = (of_caller("user_id"), of_caller("scope")) else {
        return Err(Problem::unauthenticated(issuer));
    };
    let scope: Scope = scope.split(',').filter_map(|name| name.parse().ok()).collect();
    let asked = gateway::path_parameter(request, "id");
    if asked != caller && !service.is_administrator(&scope) {
        return Err(Problem::forbidden(issuer));
    }
    let id: UserId = asked.parse().map_err(|_| Problem::not_found())?;
    let user = service.store.user(&id).await?.ok_or_else(Problem::not_found)?;
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
