//! A local emulator of an API Gateway REST API.
//!
//! A request passes through these modules in order: `call` parses it, `route` finds its function
//! and authorizer, `authorizer` calls the authorizer or uses a cached decision, `policy` evaluates
//! the decision, and `proxy` builds the event of the function and the response to the client, or
//! `upstream` forwards the request to an application's own API. A
//! request that is rejected on the way becomes a `response::Rejection`.
//!
//! Known differences from API Gateway: throttling, usage plans, request validation, response
//! caching, compression and CORS preflight responses are not implemented; header names are in lower
//! case, as those of an HTTP/2 client; Lambda's payload limit of 6 MB is not enforced.

pub mod access;
mod authorizer;
mod call;
mod policy;
mod proxy;
mod response;
mod route;
pub mod upstream;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use self::access::AccessLog;
use self::authorizer::{Cache, Verdict};
use self::call::Call;
pub use self::policy::{Decision, Policy};
use self::response::{Kind, Rejection, Responses};
use self::route::{Matched, Routes};
use self::upstream::Upstream;
use crate::template::{Authorizer, Template, TemplateError};

/// The largest body of a request
/// ([quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)).
pub const MAX_BODY: usize = 10 * 1024 * 1024;

/// The time limit for a function (quotas).
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// The time limit for an authorizer.
const AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(10);

/// A future of a function's response.
pub type FunctionFuture = Pin<Box<dyn Future<Output = Result<Value, FunctionError>> + Send>>;

/// A closure that invokes a function by its logical ID.
pub type Invoke = Arc<dyn Fn(&str, Value) -> FunctionFuture + Send + Sync>;

/// The failure of a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// The `errorMessage` of the failed invocation.
    pub message: String,
}

/// The options of a gateway that the template does not contain.
#[derive(Clone)]
pub struct Options {
    /// How long authorizer responses are cached. Overrides the template; 0 turns the cache off.
    pub cache_seconds: Option<u32>,
    /// The path under which the API is mounted: empty, or a slash and the name of the stage.
    pub base_path: String,
    /// Returns the Unix time in seconds.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Invokes a function.
    pub invoke: Invoke,
}

/// An API.
pub struct Gateway {
    routes: Routes,
    authorizers: BTreeMap<String, Authorizer>,
    responses: Responses,
    binary: Vec<String>,
    /// The API that all routes lead to, in place of their functions.
    upstream: Option<Upstream>,
    log: Option<AccessLog>,
    stage: String,
    options: Options,
    cache: Cache,
    requests: AtomicU64,
    limit: Duration,
}

impl Gateway {
    /// Creates the API of a template.
    pub fn new(template: &Template, mut options: Options) -> Result<Self, TemplateError> {
        options.base_path.truncate(options.base_path.trim_end_matches('/').len());
        let stage = match options.base_path.strip_prefix('/') {
            Some(stage) => stage.to_owned(),
            None => template.stage.clone(),
        };
        Ok(Self {
            routes: Routes::new(&template.routes)?,
            authorizers: template.authorizers.clone(),
            responses: Responses::new(&template.gateway_responses)?,
            binary: template.binary_media_types.clone(),
            upstream: None,
            log: None,
            stage,
            options,
            cache: Cache::default(),
            requests: AtomicU64::new(0),
            limit: INTEGRATION_TIMEOUT,
        })
    }

    /// Forwards every accepted request to this API instead of invoking a function.
    #[must_use]
    pub fn in_front_of(self, upstream: Upstream) -> Self {
        Self { upstream: Some(upstream), ..self }
    }

    /// Logs every request.
    #[must_use]
    pub fn with_log(self, log: Option<AccessLog>) -> Self {
        Self { log, ..self }
    }

    /// Responds to a request. Every failure becomes a response.
    pub async fn answer(&self, request: Request<Bytes>, source_ip: IpAddr) -> Response<Bytes> {
        let id = self.next_id();
        let entry = self.log.as_ref().map(|log| (log, log.begin(&request)));
        let mut verdict = None;
        let response = match self.forward(&id, request, source_ip, &mut verdict).await {
            Ok(response) => response,
            Err(rejection) => self.responses.write(&rejection, &id),
        };
        if let Some((log, entry)) = entry {
            log.end(&entry, response.status(), verdict.as_deref());
        }
        response
    }

    /// Responds to a request, or rejects it. `verdict` receives what the authorizer decided, if it
    /// accepted the request.
    async fn forward(
        &self,
        id: &str,
        request: Request<Bytes>,
        source_ip: IpAddr,
        verdict: &mut Option<Arc<Verdict>>,
    ) -> Result<Response<Bytes>, Rejection> {
        let at = (self.options.clock)();
        let call = Call::read(request, &self.options.base_path, &self.stage, id, at, source_ip)?;
        let matched = self
            .routes
            .find(&call.method, &call.path)
            .ok_or(Rejection::of(Kind::MissingAuthenticationToken))?;
        *verdict = self.authorize(&call, &matched).await?;
        match timeout(self.limit, self.integrate(&call, &matched, verdict.as_deref())).await {
            Ok(response) => response,
            Err(_) => Err(Rejection::of(Kind::IntegrationTimeout)),
        }
    }

    /// Invokes the function of a route, or forwards the call to the API.
    async fn integrate(
        &self,
        call: &Call,
        matched: &Matched<'_>,
        verdict: Option<&Verdict>,
    ) -> Result<Response<Bytes>, Rejection> {
        if let Some(upstream) = &self.upstream {
            return upstream.send(call, verdict).await;
        }
        let event = proxy::event(call, matched, verdict, &self.binary);
        let output = (self.options.invoke)(&matched.target.function, event).await;
        let output = output.map_err(|_| Rejection::of(Kind::BadIntegration))?;
        proxy::response(output, call, &self.binary)
    }

    /// Authorizes a call. Returns the authorizer's verdict, or `None` for a route without an
    /// authorizer.
    async fn authorize(
        &self,
        call: &Call,
        matched: &Matched<'_>,
    ) -> Result<Option<Arc<Verdict>>, Rejection> {
        let Some(name) = &matched.target.authorizer else { return Ok(None) };
        let authorizer =
            self.authorizers.get(name).ok_or(Rejection::of(Kind::AuthorizerConfigurationError))?;
        let identity = authorizer::identity(authorizer, &call.headers)
            .ok_or(Rejection::of(Kind::Unauthorized))?;
        let arn = authorizer::method_arn(call);
        let verdict = if let Some(verdict) = self.cache.find(name, &identity, call.at) {
            verdict
        } else {
            let event = authorizer::event(authorizer, call, matched, &arn, &identity);
            let verdict = Arc::new(self.decide(&authorizer.function, event).await?);
            let ttl = self.options.cache_seconds.unwrap_or(authorizer.ttl_seconds);
            self.cache.keep(name, identity, &verdict, call.at, ttl);
            verdict
        };
        match verdict.policy.decide(&arn, call.at) {
            Decision::Allow => Ok(Some(verdict)),
            Decision::ImplicitDeny => Err(Rejection::denied(
                &verdict.context,
                "User is not authorized to access this resource",
            )),
            Decision::ExplicitDeny => Err(Rejection::denied(
                &verdict.context,
                "User is not authorized to access this resource with an explicit deny",
            )),
        }
    }

    /// Calls an authorizer. Only an error that is exactly `Unauthorized` gives a 401.
    async fn decide(&self, function: &str, event: Value) -> Result<Verdict, Rejection> {
        match timeout(AUTHORIZER_TIMEOUT, (self.options.invoke)(function, event)).await {
            Ok(Ok(result)) => {
                Verdict::read(&result).ok_or(Rejection::of(Kind::AuthorizerConfigurationError))
            }
            Ok(Err(error)) if error.message == "Unauthorized" => {
                Err(Rejection::of(Kind::Unauthorized))
            }
            Ok(Err(_)) | Err(_) => Err(Rejection::of(Kind::AuthorizerFailure)),
        }
    }

    /// Returns a request ID that is unique in this process. It has the form of AWS's but is not
    /// random.
    fn next_id(&self) -> String {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        let digits = format!("{count:012x}");
        format!("{:08x}-0000-4000-8000-{digits}", (self.options.clock)())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache_seconds", &self.cache_seconds)
            .field("base_path", &self.base_path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("stage", &self.stage)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
