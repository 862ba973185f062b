//! Everything that takes a password, and everything that makes a token: a password or a live token in, a token out.
//!
//! | file | what it holds |
//! |---|---|
//! | `caller` | who asks: a password, checked under the limiter, or a live token |
//! | `mint` | one new token: sealed, written, looked at again, and only then shown |
//! | `services_token` | `POST /api/services_token/generate`, as Drupal's module has it |
//! | `create` | `POST /tokens` |

use edge::{Answer, Problem, Service, gateway, log};
use lambda_http::Request;
use store::Failure;
use token::{Entropy, Timestamp};

mod caller;
mod create;
mod mint;
mod services_token;

/// Answers one request. `secret` is for the token that it may make.
pub async fn handle(service: &Service, request: &Request, now: Timestamp, secret: Result<Entropy, Failure>) -> Answer {
    log::conclude(answer(service, request, now, secret).await)
}

async fn answer(
    service: &Service,
    request: &Request,
    now: Timestamp,
    secret: Result<Entropy, Failure>,
) -> Result<Answer, Problem> {
    match (gateway::route(request).as_str(), request.method().as_str()) {
        ("/api/services_token/generate", "POST") => services_token::generate(service, request, now, &secret?).await,
        ("/api/services_token/generate", _) => Err(Problem::method_not_allowed("POST")),
        ("/tokens", "POST") => create::create(service, request, now, &secret?).await,
        _ => Err(Problem::not_found()),
    }
}
