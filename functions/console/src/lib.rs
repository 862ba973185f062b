//! Shows tokens and users, and answers what nobody else does.

use edge::{Answer, Problem, Service, gateway, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::Timestamp;

mod introspect;
mod list;
mod user;

/// What `openapi.yaml` says, as JSON; the build script translates it.
const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Answers one request.
pub async fn handle(service: &Service, request: &Request, now: Timestamp) -> Answer {
    gateway::respond(&service.settings, request, Box::pin(answer(service, request, now))).await
}

async fn answer(service: &Service, request: &Request, now: Timestamp) -> Result<Answer, Problem> {
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/tokens", "GET") => list::list(service, request, now).await,
        ("/tokens/{id}", "GET") => list::show(service, request, now).await,
        ("/rest/pat/1.0/token", "GET") => list::as_rarog(service, request, now).await,
        ("/oauth/introspect", "POST") => introspect::introspect(service, request, now).await,
        ("/api/user/{id}", "GET") => user::show(service, request).await,
        ("/rs/profile", "GET") => user::profile(service, request).await,
        ("/openapi.json", "GET") => Ok(problem::answer(StatusCode::OK, "application/json", OPENAPI.to_owned())),
        ("/healthz", "GET") => health(service, now).await,
        (route, _) => Err(allowed(route).map_or_else(Problem::not_found, Problem::method_not_allowed)),
    }
}

/// The methods of each route, of whichever function they are.
fn allowed(route: &str) -> Option<&'static str> {
    match route {
        "/tokens" => Some("GET, POST"),
        "/oauth/introspect" => Some("POST"),
        "/rest/pat/1.0/token" | "/api/user/{id}" | "/rs/profile" | "/openapi.json" | "/healthz" => Some("GET"),
        _ => None,
    }
}

/// `GET /healthz`: the function runs and has its key ring.
async fn health(service: &Service, now: Timestamp) -> Result<Answer, Problem> {
    service.ring(now).await?;
    Ok(problem::json(StatusCode::OK, &json!({"status": "ok"})))
}
