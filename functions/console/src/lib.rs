//! Shows tokens and users, and answers what nobody else does.

use edge::{Answer, Problem, Service, gateway, log, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use token::Timestamp;

mod list;
mod user;

/// Answers one request.
pub async fn handle(service: &Service, request: &Request, now: Timestamp) -> Answer {
    log::conclude(answer(service, request, now).await)
}

async fn answer(service: &Service, request: &Request, now: Timestamp) -> Result<Answer, Problem> {
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/tokens", "GET") => list::list(service, request, now).await,
        ("/tokens", _) => Err(Problem::method_not_allowed("GET, POST")),
        ("/api/user/{id}", "GET") => user::show(service, request).await,
        ("/healthz", "GET") => health(service, now).await,
        ("/api/user/{id}" | "/healthz", _) => Err(Problem::method_not_allowed("GET")),
        _ => Err(Problem::not_found()),
    }
}

/// `GET /healthz`: the function runs and has its key ring.
async fn health(service: &Service, now: Timestamp) -> Result<Answer, Problem> {
    service.ring(now).await?;
    Ok(problem::json(StatusCode::OK, &json!({"status": "ok"})))
}
