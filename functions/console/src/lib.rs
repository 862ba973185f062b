//! Serves tokens, users, pages and the API documentation, and all routes that no other function
//! handles.

use hallpass_http::{
    Problem, Response, gateway, problem,
    routes::{self, Console},
};
use hallpass_runtime::settings::{ConfigError, Lookup};
use hallpass_service::{CallerExpiry, Context, service};
use hallpass_sinks::Bucket;
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;

mod audit;
mod explain;
mod introspect;
mod list;
mod pages;
mod usage;
mod user;

/// Reads the name of the audit log's bucket, which is not contacted. Returns `None` if the stack
/// keeps no audit log.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first invalid setting.
pub fn audit_log(lookup: Lookup<'_>) -> Result<Option<Bucket>, ConfigError> {
    hallpass_sinks::bucket(&service::connection(lookup)?, lookup)
}

/// Handles one request. `audit_log` is that of [`audit_log`].
pub async fn handle(
    context: &Context<'_>,
    audit_log: Option<&Bucket>,
    request: &Request,
) -> Response {
    let expiry = CallerExpiry::default();
    let context = &context.of_request(gateway::origin(request), &expiry);
    let handling = Box::pin(response(context, audit_log, request));
    expiry.shown_in(gateway::respond(&context.service.settings, request, handling).await)
}

async fn response(
    context: &Context<'_>,
    audit_log: Option<&Bucket>,
    request: &Request,
) -> Result<Response, Problem> {
    let operation = routes::operation(request)
        .map_err(|problem| hallpass_web::or_message_to_browser(request, problem))?;
    match operation {
        Console::ListTokens => list::list(context, request).await,
        Console::ShowToken => list::show(context, request).await,
        Console::ShowTokenUsage => usage::show(context, request).await,
        Console::ListAuditEntries => audit::list(context, audit_log, request).await,
        Console::IntrospectToken => introspect::introspect(context, request).await,
        Console::ExplainToken => explain::explain(context, request).await,
        Console::ListRarogTokens => list::as_rarog(context, request).await,
        Console::ShowUser => user::show(context, request).await,
        Console::ShowProfile => user::profile(context, request).await,
        Console::ShowSignInPage => {
            hallpass_web::or_message(request, hallpass_web::sign_in::page(context, request).await)
        }
        Console::ShowPortalPage => {
            hallpass_web::or_message(request, hallpass_web::portal::page(context, request).await)
        }
        Console::ShowHome => Ok(hallpass_web::home(request)),
        Console::ShowDeveloperPage => {
            hallpass_web::or_message(request, hallpass_web::developer::page(context, request).await)
        }
        Console::ShowNewTokenPage => hallpass_web::or_message(
            request,
            hallpass_web::developer::new_token(context, request).await,
        ),
        Console::ShowTokenPage => hallpass_web::or_message(
            request,
            hallpass_web::developer::token(context, request).await,
        ),
        Console::ShowAccountPage => {
            hallpass_web::or_message(request, hallpass_web::account::page(context, request).await)
        }
        Console::ShowUsersPage => {
            hallpass_web::or_message(request, hallpass_web::admin::users(context, request).await)
        }
        Console::ShowNewUserPage => {
            hallpass_web::or_message(request, hallpass_web::admin::new_user(context, request).await)
        }
        Console::ShowAllTokensPage => {
            hallpass_web::or_message(request, hallpass_web::admin::tokens(context, request).await)
        }
        Console::ShowAuditPage => {
            hallpass_web::or_message(request, audit::page(context, audit_log, request).await)
        }
        Console::ShowUserPage => {
            hallpass_web::or_message(request, hallpass_web::admin::user(context, request).await)
        }
        Console::ShowAsset => hallpass_web::asset::serve(request),
        Console::ShowSwaggerUi => pages::swagger(request),
        Console::ShowDocument => pages::openapi(request),
        Console::ShowHealth => health(context).await,
    }
}

/// `GET /healthz`: succeeds if the function runs and has its keyring.
async fn health(context: &Context<'_>) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    service.keyring(now).await?;
    Ok(problem::json(StatusCode::OK, &json!({"status": "ok"})))
}
