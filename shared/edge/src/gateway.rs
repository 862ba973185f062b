//! Lambda events of API Gateway into requests, and answers back.

use std::{convert::Infallible, future::Future, time::Duration};

use http::{
    HeaderName, HeaderValue, Method,
    header::{COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};
use lambda_http::{
    Adapter, Body, Request, RequestExt, Service as _, request::LambdaRequest, request::RequestContext, service_fn,
};
use lambda_runtime::{Context, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use store::Failure;

use crate::{Problem, Response, Settings, basic, body, cors, log};

/// The limit of a whole request, however many calls it makes. The template gives a function a second more; when that is
/// over, Lambda ends it, and nobody learns why.
pub const LIMIT: Duration = Duration::from_secs(9);

/// The most parameters of a query. No route knows more than four.
const MAX_PARAMETERS: usize = 64;

/// HSTS for a year (RFC 6797), of this host alone, and no guessing of media types.
const ON_EVERY_ANSWER: [(HeaderName, &str); 2] =
    [(STRICT_TRANSPORT_SECURITY, "max-age=31536000"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// Serves proxy events of API Gateway until Lambda ends the process.
///
/// # Errors
/// When the Runtime API cannot be reached.
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

/// Answers one proxy event, as [`serve`] does.
///
/// # Errors
/// When the event is not one of API Gateway.
pub async fn invoke<F, Answering>(event: Value, handle: F) -> Result<Value, Failure>
where
    F: Fn(Request) -> Answering + Send,
    Answering: Future<Output = Response> + Send,
{
    const DOING: &str = "answering an event of API Gateway";
    let payload: LambdaRequest = serde_json::from_value(event).map_err(|error| Failure::new(DOING, error))?;
    let response = adapt(LambdaEvent::new(payload, Context::default()), handle).await;
    serde_json::to_value(response).map_err(|error| Failure::new(DOING, error))
}

/// Ends a request: answers a preflight without asking the handler, else gives the handler up after [`LIMIT`], logs what it
/// did not, and lets the caller's origin see the answer if it may. Every answer tells browsers to stay with HTTPS and to
/// take no body for what it does not say it is.
pub async fn respond(
    settings: &Settings,
    request: &Request,
    handling: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    let mut response = unsecured(settings, request, handling).await;
    for (name, value) in ON_EVERY_ANSWER {
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
    let late = |_elapsed| Err(Failure::new("answering the request", "the time limit was reached").into());
    let outcome = match acceptable(settings, request) {
        Ok(()) => tokio::time::timeout(LIMIT, handling).await.unwrap_or_else(late),
        Err(problem) => Err(problem),
    };
    let mut response = log::conclude(outcome);
    basic::offer(settings, &mut response);
    cors::allow(settings, request.headers(), &mut response);
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Text(String::new());
    }
    response
}

/// Rejects a request that would cost more to read than any that is meant, before anything of it is parsed.
fn bounded(request: &Request) -> Result<(), Problem> {
    body::expect_at_most(request.body(), body::MAX_BYTES)?;
    let count = request.query_string_parameters_ref().map_or(0, |parameters| parameters.iter().count());
    if count > MAX_PARAMETERS {
        return Err(Problem::invalid_request("The query has too many parameters"));
    }
    Ok(())
}

/// Rejects what no handler has to look at.
fn acceptable(settings: &Settings, request: &Request) -> Result<(), Problem> {
    bounded(request)?;
    unambiguous(request)?;
    basic::reject_cross_site(settings, request)
}

/// Rejects what two readers could read in two ways: a parameter of the query that stands twice, an encoded body.
fn unambiguous(request: &Request) -> Result<(), Problem> {
    if let Some(parameters) = request.query_string_parameters_ref()
        && let Some(name) = body::first_repeated(parameters.iter().map(|(name, _)| name))
    {
        return Err(body::repeated(&name));
    }
    body::expect_no_encoding(request.headers(), request.body())
}

/// The method by which a route that is safe (RFC 9110 section 9.2.1) is looked up: `HEAD` is answered as `GET`, without
/// the content (section 9.3.2). Not for routes that take a password or create anything.
pub fn safe_method(request: &Request) -> &str {
    if request.method() == Method::HEAD { Method::GET.as_str() } else { request.method().as_str() }
}

/// The source address of a request, as API Gateway saw it.
pub fn source_ip(request: &Request) -> String {
    let ip = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.clone(),
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
        _ => None,
    };
    ip.unwrap_or_default()
}

/// The route that API Gateway matched, as the template declares it: `/tokens/{id}`. It does not depend on the stage, on
/// the mapping of a custom domain, or on how the client spelt the path.
pub fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.resource_path.clone().unwrap_or_default(),
        Some(RequestContext::ApiGatewayV2(context)) => {
            let key = context.route_key.as_deref().unwrap_or_default();
            key.split_once(' ').map_or(key, |(_method, path)| path).to_owned()
        }
        _ => String::new(),
    }
}

/// The path as the client sees it, with the stage or the mapping of a custom domain.
pub fn path(request: &Request) -> String {
    let path = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.path.clone(),
        _ => None,
    };
    path.unwrap_or_else(|| request.raw_http_path().to_owned())
}

/// What stands in front of every path of the API as the client sees it: the stage, or the mapping of a custom domain.
/// Empty, or with a leading slash and without a closing one. Not for routes that end in `{proxy+}`.
pub fn base(request: &Request) -> String {
    let (path, route) = (path(request), route(request));
    let segments = |path: &str| path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let mut base = segments(&path);
    base.truncate(base.len().saturating_sub(segments(&route).len()));
    // It goes into a cookie's attributes. Stages and mappings have no other characters.
    let known =
        |segment: &String| segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~$+!*'()".contains(&byte));
    if !base.iter().all(known) {
        return String::new();
    }
    base.iter().fold(String::new(), |base, segment| base + "/" + segment)
}

/// A parameter of the route.
pub fn path_parameter(request: &Request, name: &str) -> String {
    request.path_parameters_ref().and_then(|parameters| parameters.first(name)).unwrap_or_default().to_owned()
}

/// What the authorizer said of the caller, by this name. `None` on a route without an authorizer.
pub fn authorizer_context(request: &Request, name: &str) -> Option<String> {
    let context = request.request_context_ref()?.authorizer()?;
    let fields = &context.fields;
    // HTTP APIs put what a function said under `lambda`, REST APIs do not.
    let value = fields.get(name).or_else(|| fields.get("lambda").and_then(|lambda| lambda.get(name)))?;
    value.as_str().map(str::to_owned)
}

/// The event as a request, and the answer in the form that the event's kind of API expects.
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
    let Ok(response) = Adapter::from(handle).call(LambdaEvent::new(with_every_header(payload), context)).await;
    response
}

/// A REST event has every header twice: one value each in `headers`, all values in `multiValueHeaders`. The runtime lets
/// the first stand in for the second, which would hide a repeated `Authorization`. An event of an HTTP API has its cookies
/// one by one; the runtime joins them, and would drop all of them for one that cannot stand in a header.
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
