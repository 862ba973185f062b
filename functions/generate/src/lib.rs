//! Creates tokens for the holder of a password or a live token, and adds and changes users for
//! administrators. This is the only function that checks or sets passwords or issues tokens.
//!
//! | module | contents |
//! |---|---|
//! | `services_token` | `POST /api/services_token/generate`, compatible with Drupal's Services Token module |
//! | `authorise`, `implicit` | `GET /rs/authorise` and the legacy flow, compatible with Terminalfour |
//! | `rarog` | `POST /rest/pat/1.0/token/…/create`, compatible with Rarog |
//! | `developer` | `POST /profile/developer`, compatible with hypothesis/h |
//! | `pages` | the forms of the pages: signing in, own tokens, keys of administrators |
//! | `oidc` | signing in to the pages at an identity provider |
//! | `portal` | signing in to the pages from an application |
//! | `users` | the forms with which administrators add and change users |
//! | `create`, `rotate` | `POST /tokens` and `POST /tokens/{id}/rotate` |

use hallpass_http::{
    Problem, Response, gateway,
    routes::{self, Generate},
};
use hallpass_oidc::Provider;
use hallpass_service::{CallerExpiry, Context};
use lambda_http::Request;

mod authorise;
mod create;
mod developer;
mod identity;
mod implicit;
mod offers;
pub mod oidc;
mod pages;
mod portal;
mod rarog;
mod rotate;
mod services_token;
mod users;

/// Handles one request. `provider` is that of [`oidc::provider`].
pub async fn handle(
    context: &Context<'_>,
    provider: Option<&Provider>,
    request: &Request,
) -> Response {
    let expiry = CallerExpiry::default();
    let context = &context.of_request(gateway::origin(request), &expiry);
    let handling = Box::pin(response(context, provider, request));
    expiry.shown_in(gateway::respond(&context.service.settings, request, handling).await)
}

async fn response(
    context: &Context<'_>,
    provider: Option<&Provider>,
    request: &Request,
) -> Result<Response, Problem> {
    match routes::operation(request)? {
        Generate::GenerateToken => services_token::generate(context, request).await,
        Generate::CreateToken => create::create(context, request).await,
        Generate::RotateToken => Box::pin(rotate::rotate(context, request)).await,
        Generate::Authorise => authorise::authorise(context, request).await,
        Generate::BeginImplicitFlow | Generate::BeginImplicitFlowByForm => {
            implicit::deprecated(context.service, implicit::begin(context, request).await)
        }
        Generate::DecideImplicitFlow | Generate::DecideImplicitFlowByForm => {
            implicit::deprecated(context.service, implicit::decide(context, request).await)
        }
        Generate::CreateUserToken => rarog::create_for_user(context, request).await,
        Generate::CreateAppToken => rarog::create_for_app(context, request).await,
        Generate::RegenerateDeveloperToken if hallpass_web::is_form(request) => {
            hallpass_web::or_message(request, Box::pin(pages::own(context, request)).await)
        }
        Generate::RegenerateDeveloperToken => {
            Box::pin(developer::regenerate(context, request)).await
        }
        Generate::CreateAccountTokenOnPage => {
            hallpass_web::or_message(request, Box::pin(pages::of_account(context, request)).await)
        }
        Generate::SignIn => {
            hallpass_web::or_message(request, pages::sign_in(context, request).await)
        }
        Generate::BeginSignInAtProvider => {
            hallpass_web::or_message(request, oidc::begin(context, provider, request).await)
        }
        Generate::FinishSignInAtProvider => {
            let finishing = Box::pin(oidc::finish(context, provider, request));
            hallpass_web::or_message(request, finishing.await)
        }
        Generate::SignOutAtProvider => {
            hallpass_web::or_message(request, oidc::sign_out(context, provider, request).await)
        }
        Generate::EndSessionsByProvider => {
            Box::pin(oidc::back_channel_logout(context, provider, request)).await
        }
        Generate::CreatePortalSession => portal::create(context, request).await,
        Generate::SignInFromPortal => {
            hallpass_web::or_message(request, Box::pin(portal::sign_in(context, request)).await)
        }
        Generate::IssueKeyOnPage => {
            hallpass_web::or_message(request, Box::pin(pages::issue_key(context, request)).await)
        }
        Generate::AddUserOnPage => {
            hallpass_web::or_message(request, Box::pin(users::add(context, request)).await)
        }
        Generate::ChangeUserOnPage => {
            hallpass_web::or_message(request, Box::pin(users::change(context, request)).await)
        }
    }
}
