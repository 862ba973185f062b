//! Everything that takes a password, and everything that makes a token: a password or a live token in, a token out.
//!
//! | file | what it holds |
//! |---|---|
//! | `caller` | who asks: a password or a live token |
//! | `password` | the check of a password, under the rate limit |
//! | `mint` | one new token: sealed, written, looked at again, and only then shown |
//! | `limit` | how many live tokens a user may have |
//! | `expiry` | how long a new token may live |
//! | `second_look` | whether what a token was made on still holds after it was written |
//! | `services_token` | `POST /api/services_token/generate`, as Drupal's module has it |
//! | `authorise`, `implicit` | `GET /rs/authorise` and the legacy flow, as Terminalfour has them |
//! | `rarog` | `POST /rest/pat/1.0/token/…/create`, as Rarog has it |
//! | `developer` | `POST /profile/developer`, as hypothesis/h has it |
//! | `pages` | the forms of the pages: signing in, one's own tokens, an administrator's keys |
//! | `create`, `rotate` | `POST /tokens` and `POST /tokens/{id}/rotate` |
//! | [`operator`] | the same for whoever runs the stack, past every caller |

use edge::{Answer, Problem, Service, entropy::Draw, gateway};
use lambda_http::Request;
use store::Failure;
use token::Timestamp;

mod authorise;
mod caller;
mod create;
mod developer;
mod expiry;
mod implicit;
mod limit;
mod mint;
pub mod operator;
mod pages;
mod password;
mod rarog;
mod rotate;
mod second_look;
mod services_token;

/// Answers one request. `draw` is for what it may make.
pub async fn handle(service: &Service, request: &Request, now: Timestamp, draw: Result<Draw, Failure>) -> Answer {
    gateway::respond(&service.settings, request, Box::pin(answer(service, request, now, draw))).await
}

async fn answer(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: Result<Draw, Failure>,
) -> Result<Answer, Problem> {
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/api/services_token/generate", "POST") => services_token::generate(service, request, now, &draw?).await,
        ("/rs/authorise", "GET") => authorise::authorise(service, request, now, &draw?).await,
        ("/rs/authorize-implicit", "GET" | "POST") => {
            implicit::deprecated(service, implicit::begin(service, request, now, &draw?).await)
        }
        ("/rs/authorize-implicit/decision", "GET" | "POST") => {
            implicit::deprecated(service, implicit::decide(service, request, now, &draw?).await)
        }
        ("/rest/pat/1.0/token/user/create", "POST") => rarog::create_for_user(service, request, now, &draw?).await,
        ("/rest/pat/1.0/token/app/create", "POST") => rarog::create_for_app(service, request, now, &draw?).await,
        ("/sign-in", "POST") => page::or_message(request, pages::sign_in(service, request, now, &draw?).await),
        ("/profile/developer", "POST") if page::is_form(request) => {
            page::or_message(request, Box::pin(pages::own(service, request, now, &draw?)).await)
        }
        ("/admin/users/{user_id}", "POST") => {
            page::or_message(request, Box::pin(pages::issue_key(service, request, now, &draw?)).await)
        }
        ("/profile/developer", "POST") => Box::pin(developer::remake(service, request, now, &draw?)).await,
        ("/tokens", "POST") => create::create(service, request, now, &draw?).await,
        ("/tokens/{id}/rotate", "POST") => Box::pin(rotate::rotate(service, request, now, &draw?)).await,
        (route, _) => Err(allowed(route).map_or_else(Problem::not_found, Problem::method_not_allowed)),
    }
}

/// The method of each route that is no other function's too.
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
