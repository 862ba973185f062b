//! Converts Lambda events of API Gateway to requests, and responses back.

use std::{convert::Infallible, future::Future};

use hallpass_store::{Failure, Rejected};
use hallpass_token::Origin;
use http::{
    HeaderName, HeaderValue, Method,
    header::{COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};
use lambda_http::{
    Adapter, Body, Request, RequestExt, Service as _, request::LambdaRequest,
    request::RequestContext, service_fn,
};
use lambda_runtime::{Context, LambdaEvent};
use serde::Serialize;
use serde_json::Value;

use crate::{Problem, Response, basic, body, cors};
use hallpass_runtime::{Event, Settings};

/// The maximum number of query parameters. No route has more than four.
const MAX_PARAMETERS: usize = 64;

/// Headers of every response: HSTS for a year, for this host alone (RFC 6797), and no media type
/// sniffing.
const SECURITY_HEADERS: [(HeaderName, &str); 2] =
    [(STRICT_TRANSPORT_SECURITY, "max-age=31536000"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// Serves proxy events of API Gateway until Lambda stops the process.
///
/// # Errors
/// Returns an error if the Lambda Runtime API cannot be reached.
pub async fn serve<F, Answering>(handle: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request) -> Answering + Clone + Send + Sync,
    Answering: Future<Output = Response> + Send,
{
    let serve = |event: LambdaEvent<LambdaRequest>| {
        let handle = handle.clone();
        async move { Ok::<_, Infallible>(adapt(event, handle).await) }
    };
    lambda_runtime::run(service_fn(serve)).await
}

/// Handles one proxy event, as [`serve`] does.
///
/// # Errors
/// Returns a [`Failure`] if the event is not an API Gateway proxy event.
pub async fn invoke<F, Answering>(event: Value, handle: F) -> Result<Value, Failure>
where
    F: Fn(Request) -> Answering + Send,
    Answering: Future<Output = Response> + Send,
{
    const DOING: &str = "handling an API Gateway event";
    let payload: LambdaRequest =
        serde_json::from_value(event).map_err(|error| Failure::new(DOING, error))?;
    let response = adapt(LambdaEvent::new(payload, Context::default()), handle).await;
    serde_json::to_value(response).map_err(|error| Failure::new(DOING, error))
}

/// Runs the handler of a request and completes its response. Preflight requests never reach the
/// handler, and a handler that takes longer than [`Settings::request_limit`] is cancelled.
/// Rejections and failures are logged, and security and CORS headers are added.
pub async fn respond(
    settings: &Settings,
    request: &Request,
    handling: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    let mut response = unsecured(settings, request, handling).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn unsecured(
    settings: &Settings,
    request: &Request,
    handling: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    if let Some(response) = cors::preflight(settings, request.method(), request.headers()) {
        return response;
    }
    let late =
        |_elapsed| Err(Failure::new("handling the request", "the time limit was reached").into());
    let outcome = match acceptable(settings, request) {
        Ok(()) => tokio::time::timeout(settings.request_limit, handling).await.unwrap_or_else(late),
        Err(problem) => Err(problem),
    };
    let mut response = conclude(outcome, origin(request));
    basic::offer(settings, &mut response);
    cors::allow(settings, request.headers(), &mut response);
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Text(String::new());
    }
    response
}

/// Converts the outcome of a handler to a response, and logs rejections and failures.
pub fn conclude(outcome: Result<Response, Problem>, origin: Origin<'_>) -> Response {
    let problem = match outcome {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let details = problem.details();
    match (&details.failure, details.reason) {
        (Some(failure), _) => Event::Failed(failure).log_from(origin),
        (None, Some(reason)) => {
            let rejected = Rejected::new(reason, details.token_id);
            Event::Rejected(&Rejected { changed: details.changed, ..rejected }).log_from(origin);
        }
        (None, None) => {
            Event::RequestRejected {
                counts_as: details.counts_as,
                login: details.login.as_deref(),
                status: details.status.as_u16(),
            }
            .log_from(origin);
        }
    }
    problem.into_response()
}

/// Rejects a request that is larger than any legitimate one, before it is parsed.
fn bounded(request: &Request) -> Result<(), Problem> {
    body::expect_at_most(request.body(), body::MAX_BYTES)?;
    let count =
        request.query_string_parameters_ref().map_or(0, |parameters| parameters.iter().count());
    if count > MAX_PARAMETERS {
        return Err(Problem::invalid_request("The query has too many parameters"));
    }
    Ok(())
}

/// Rejects requests that are invalid on every route.
fn acceptable(settings: &Settings, request: &Request) -> Result<(), Problem> {
    bounded(request)?;
    unambiguous(request)?;
    basic::reject_cross_site(settings, request)
}

/// Rejects ambiguous requests: those with a repeated query parameter or an encoded body.
fn unambiguous(request: &Request) -> Result<(), Problem> {
    if let Some(parameters) = request.query_string_parameters_ref()
        && let Some(name) = body::first_repeated(parameters.iter().map(|(name, _)| name))
    {
        return Err(body::repeated(&name));
    }
    body::expect_no_encoding(request.headers(), request.body())
}

/// Returns the source address and the ID of a request, as API Gateway reports them.
pub fn origin(request: &Request) -> Origin<'_> {
    let (ip, id, agent) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => {
            let identity = &context.identity;
            (&identity.source_ip, &context.request_id, &identity.user_agent)
        }
        Some(RequestContext::ApiGatewayV2(context)) => {
            let http = &context.http;
            (&http.source_ip, &context.request_id, &http.user_agent)
        }
        _ => return Origin::default(),
    };
    Origin::new(ip.as_deref(), id.as_deref()).with_user_agent(agent.as_deref())
}

/// Returns the route that API Gateway matched, as the template declares it: `/tokens/{id}`. It does
/// not depend on the stage, on the mapping of a custom domain, or on how the client encoded the
/// path.
pub fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => {
            context.resource_path.clone().unwrap_or_default()
        }
        Some(RequestContext::ApiGatewayV2(context)) => {
            let key = context.route_key.as_deref().unwrap_or_default();
            key.split_once(' ').map_or(key, |(_method, path)| path).to_owned()
        }
        _ => String::new(),
    }
}

/// Returns the path as the client sees it, with the stage or the mapping of a custom domain.
pub fn path(request: &Request) -> String {
    let path = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.path.clone(),
        _ => None,
    };
    path.unwrap_or_else(|| request.raw_http_path().to_owned())
}

/// Returns the prefix of every path of the API as the client sees it: the stage, or the mapping of
/// a custom domain. It is empty, or has a leading slash and no trailing one. It does not work for
/// routes that end in `{proxy+}`.
pub fn base(request: &Request) -> String {
    let (path, route) = (path(request), route(request));
    let segments = |path: &str| {
        path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut base = segments(&path);
    base.truncate(base.len().saturating_sub(segments(&route).len()));
    // The prefix goes into the attributes of a cookie. Stages and mappings have no other
    // characters.
    let known = |segment: &String| {
        segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~$+!*'()".contains(&byte))
    };
    if !base.iter().all(known) {
        return String::new();
    }
    base.iter().fold(String::new(), |base, segment| base + "/" + segment)
}

/// Returns a path parameter of the route, or an empty string if it is absent.
pub fn path_parameter(request: &Request, name: &str) -> String {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first(name))
        .unwrap_or_default()
        .to_owned()
}

/// Returns a field of the authorizer's context, or `None` on a route without an authorizer.
pub fn authorizer_context(request: &Request, name: &str) -> Option<String> {
    let context = request.request_context_ref()?.authorizer()?;
    let fields = &context.fields;
    // HTTP APIs nest the context of a Lambda authorizer under `lambda`; REST APIs do not.
    let value =
        fields.get(name).or_else(|| fields.get("lambda").and_then(|lambda| lambda.get(name)))?;
    value.as_str().map(str::to_owned)
}

/// Converts the event to a request, and the response to the form that this type of API expects.
async fn adapt<F, Answering>(event: LambdaEvent<LambdaRequest>, handle: F) -> impl Serialize
where
    F: Fn(Request) -> Answering + Send,
    Answering: Future<Output = Response> + Send,
{
    let LambdaEvent { payload, context } = event;
    let handle = service_fn(|request| {
        let answering = handle(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let Ok(response) =
        Adapter::from(handle).call(LambdaEvent::new(with_every_header(payload), context)).await;
    response
}

/// Keeps every header and cookie of an event. A REST event has each header twice: its last value in
/// `headers`, and all values in `multiValueHeaders`. The runtime prefers the former, which would
/// hide a repeated `Authorization`. An event of an HTTP API lists its cookies one by one; the
/// runtime joins them, and would drop all of them if one is not a valid header value.
fn with_every_header(mut event: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV1(request) = &mut event
        && !request.multi_value_headers.is_empty()
    {
        request.headers.clear();
    }
    if let LambdaRequest::ApiGatewayV2(request) = &mut event {
        let cookies = request.cookies.take().unwrap_or_default();
        for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
            request.headers.append(COOKIE, cookie);
        }
    }
    event
}
