//! Creates tokens for the holder of a password or a live token. This is the only function that checks passwords or
//! issues tokens.
//!
//! | module | contents |
//! |---|---|
//! | `caller` | the caller: a password or a live token |
//! | `password` | password checks, under the rate limit |
//! | `issue` | issuing a token |
//! | `limit` | the limits on live tokens per user |
//! | `expiry` | the limits on the expiry of a new token |
//! | `recheck` | rechecking the caller after the record was written |
//! | `services_token` | `POST /api/services_token/generate`, compatible with Drupal's Services Token module |
//! | `authorise`, `implicit` | `GET /rs/authorise` and the legacy flow, compatible with Terminalfour |
//! | `rarog` | `POST /rest/pat/1.0/token/…/create`, compatible with Rarog |
//! | `developer` | `POST /profile/developer`, compatible with hypothesis/h |
//! | `pages` | the forms of the pages: signing in, own tokens, keys of administrators |
//! | `create`, `rotate` | `POST /tokens` and `POST /tokens/{id}/rotate` |
//! | [`operator`] | issuing and rotating tokens for the operator of the stack |

use edge::{Problem, Response, Service, entropy::Randomness, gateway};
use lambda_http::Request;
use store::Failure;
use token::Timestamp;

mod authorise;
mod caller;
mod create;
mod developer;
mod expiry;
mod implicit;
mod issue;
mod limit;
pub mod operator;
mod pages;
mod password;
mod rarog;
mod recheck;
mod rotate;
mod services_token;

/// Handles one request. `randomness` is for the token or session it may create.
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
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/api/services_token/generate", "POST") => services_token::generate(service, request, now, &randomness?).await,
        ("/rs/authorise", "GET") => authorise::authorise(service, request, now, &randomness?).await,
        ("/rs/authorize-implicit", "GET" | "POST") => {
            implicit::deprecated(service, implicit::begin(service, request, now, &randomness?).await)
        }
        ("/rs/authorize-implicit/decision", "GET" | "POST") => {
            implicit::deprecated(service, implicit::decide(service, request, now, &randomness?).await)
        }
        ("/rest/pat/1.0/token/user/create", "POST") => {
            rarog::create_for_user(service, request, now, &randomness?).await
        }
        ("/rest/pat/1.0/token/app/create", "POST") => rarog::create_for_app(service, request, now, &randomness?).await,
        ("/sign-in", "POST") => page::or_message(request, pages::sign_in(service, request, now, &randomness?).await),
        ("/profile/developer", "POST") if page::is_form(request) => {
            page::or_message(request, Box::pin(pages::own(service, request, now, &randomness?)).await)
        }
        ("/admin/users/{user_id}", "POST") => {
            page::or_message(request, Box::pin(pages::issue_key(service, request, now, &randomness?)).await)
        }
        ("/profile/developer", "POST") => Box::pin(developer::regenerate(service, request, now, &randomness?)).await,
        ("/tokens", "POST") => create::create(service, request, now, &randomness?).await,
        ("/tokens/{id}/rotate", "POST") => Box::pin(rotate::rotate(service, request, now, &randomness?)).await,
        (route, _) => Err(allowed(route).map_or_else(Problem::not_found, Problem::method_not_allowed)),
    }
}

/// Returns the methods of a route, for 405 responses.
fn allowed(route: &str) -> Option<&'static str> {
    match route {
        "/profile/developer" => Some("GET, HEAD, POST"),
        "/rs/authorise" => Some("GET"),
        "/rs/authorize-implicit" | "/rs/authorize-implicit/decision" => Some("GET, POST"),
        "/api/services_token/generate"
        | "/rest/pat/1.0/token/user/create"
        | "/rest/pat/1.0/token/app/create"
        | "/tokens/{id}/rotate" => Some("POST"),
        _ => None,
    }
}
