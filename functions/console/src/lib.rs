//! Serves tokens, users, pages and the API documentation, and all routes that no other function handles.

use edge::{Problem, Response, Service, entropy::Randomness, gateway, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use store::Failure;
use token::Timestamp;

mod introspect;
mod list;
mod pages;
mod user;

/// Handles one request. `randomness` is for the forms of a page.
pub async fn handle(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: Result<Randomness, Failure>,
) -> Response {
    gateway::respond(&service.settings, request, Box::pin(response(service, request, now, randomness))).await
}

async fn response(
    service: &Service,
    request: &Request,
    now: Timestamp,
    randomness: Result<Randomness, Failure>,
) -> Result<Response, Problem> {
    match (gateway::route(request).as_str(), gateway::safe_method(request)) {
        ("/tokens", "GET") => list::list(service, request, now).await,
        ("/tokens/{id}", "GET") => list::show(service, request, now).await,
        ("/rest/pat/1.0/token", "GET") => list::as_rarog(service, request, now).await,
        ("/oauth/introspect", "POST") => introspect::introspect(service, request, now).await,
        ("/api/user/{id}", "GET") => user::show(service, request, now).await,
        ("/rs/profile", "GET") => user::profile(service, request, now).await,
        ("/sign-in", "GET") => page::or_message(request, page::sign_in::page(service, request, now, &randomness?)),
        ("/profile/developer", "GET") => {
            page::or_message(request, page::developer::page(service, request, now, &randomness?).await)
        }
        ("/admin/users", "GET") => {
            page::or_message(request, page::admin::users(service, request, now, &randomness?).await)
        }
        ("/admin/users/{user_id}", "GET") => {
            page::or_message(request, page::admin::user(service, request, now, &randomness?).await)
        }
        ("/assets/{file}", "GET") => page::asset::serve(request),
        ("/docs/swagger-ui/{file}", "GET") => pages::swagger(request),
        ("/openapi.json", "GET") => pages::openapi(request),
        ("/healthz", "GET") => health(service, now).await,
        (route, _) => Err(allowed(route).map_or_else(Problem::not_found, Problem::method_not_allowed)),
    }
}

/// Returns the methods of a route in all functions, for 405 responses.
fn allowed(route: &str) -> Option<&'static str> {
    match route {
        "/tokens" | "/sign-in" | "/admin/users/{user_id}" => Some("GET, HEAD, POST"),
        "/oauth/introspect" => Some("POST"),
        "/rest/pat/1.0/token"
        | "/api/user/{id}"
        | "/rs/profile"
        | "/openapi.json"
        | "/healthz"
        | "/admin/users"
        | "/assets/{file}"
        | "/docs/swagger-ui/{file}" => Some("GET, HEAD"),
        _ => None,
    }
}

/// `GET /healthz`: succeeds if the function runs and has its keyring.
async fn health(service: &Service, now: Timestamp) -> Result<Response, Problem> {
    service.keyring(now).await?;
    Ok(problem::json(StatusCode::OK, &json!({"status": "ok"})))
}
