//! The local stand-in for an API Gateway REST API: what API Gateway does with a request, and no more.
//!
//! A request goes straight down: `call` what arrived, `route` who answers it, `authorizer` who may decide and
//! what was decided before, `policy` what the decision allows, `proxy` what the function is told and what its
//! answer becomes. Whatever ends early is a `response::Rejection`.
//!
//! The differences from API Gateway that are known: throttling, usage plans, request validation, response caching,
//! compression and CORS preflight answers are not there; header names arrive as those of an HTTP/2 client do, in small
//! letters; the 6 MB that Lambda takes and gives are not counted.

mod authorizer;
mod call;
mod policy;
mod proxy;
mod response;
mod route;

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

use self::authorizer::{Cache, Verdict};
use self::call::Call;
pub use self::policy::{Decision, Policy};
use self::response::{Kind, Rejection, Responses};
use self::route::{Matched, Routes};
use crate::dev::template::{Authorizer, Template, TemplateError};

/// The largest body of a request
/// ([quotas](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)).
pub const MAX_BODY: usize = 10 * 1024 * 1024;

/// How long a function may take to answer (quotas).
const INTEGRATION_LIMIT: Duration = Duration::from_secs(29);

/// How long an authorizer may take to decide.
const AUTHORIZER_LIMIT: Duration = Duration::from_secs(10);

/// The answer of a function, when it comes.
pub type FunctionFuture = Pin<Box<dyn Future<Output = Result<Value, FunctionError>> + Send>>;

/// What calls a function by its logical id.
pub type Invoke = Arc<dyn Fn(&str, Value) -> FunctionFuture + Send + Sync>;

/// The failure of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// The `errorMessage` of the failed invocation.
    pub message: String,
}

/// What a gateway needs besides the template.
#[derive(Clone)]
pub struct Options {
    /// How long every authorizer's answer is kept, in place of what the template says; 0 is not at all.
    pub cache_seconds: Option<u32>,
    /// Where the API is mounted: nothing, or a slash and the name of the stage.
    pub base_path: String,
    /// The time, in seconds of the Unix era.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Calls a function.
    pub invoke: Invoke,
}

/// An API, ready to answer.
pub struct Gateway {
    routes: Routes,
    authorizers: BTreeMap<String, Authorizer>,
    responses: Responses,
    binary: Vec<String>,
    stage: String,
    options: Options,
    cache: Cache,
    requests: AtomicU64,
    limit: Duration,
}

impl Gateway {
    /// The API of a template.
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
            stage,
            options,
            cache: Cache::default(),
            requests: AtomicU64::new(0),
            limit: INTEGRATION_LIMIT,
        })
    }

    /// Answers a request, whatever happens.
    pub async fn answer(&self, request: Request<Bytes>, source_ip: IpAddr) -> Response<Bytes> {
        let id = self.next_id();
        match self.forward(&id, request, source_ip).await {
            Ok(response) => response,
            Err(rejection) => self.responses.write(&rejection, &id),
        }
    }

    async fn forward(
        &self,
        id: &str,
        request: Request<Bytes>,
        source_ip: IpAddr,
    ) -> Result<Response<Bytes>, Rejection> {
        let at = (self.options.clock)();
        let call = Call::read(request, &self.options.base_path, &self.stage, id, at, source_ip)?;
        let matched =
            self.routes.find(&call.method, &call.path).ok_or(Rejection::of(Kind::MissingAuthenticationToken))?;
        let verdict = self.authorize(&call, &matched).await?;
        let event = proxy::event(&call, &matched, verdict.as_deref(), &self.binary);
        let answer = match timeout(self.limit, (self.options.invoke)(&matched.target.function, event)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return Err(Rejection::of(Kind::BadIntegration)),
            Err(_) => return Err(Rejection::of(Kind::IntegrationTimeout)),
        };
        proxy::answer(answer, &call, &self.binary)
    }

    /// Who the caller is, for a route with an authorizer; nobody, for one without.
    async fn authorize(&self, call: &Call, matched: &Matched<'_>) -> Result<Option<Arc<Verdict>>, Rejection> {
        let Some(name) = &matched.target.authorizer else { return Ok(None) };
        let authorizer = self.authorizers.get(name).ok_or(Rejection::of(Kind::AuthorizerConfigurationError))?;
        let identity = authorizer::identity(authorizer, &call.headers).ok_or(Rejection::of(Kind::Unauthorized))?;
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
            Decision::ImplicitDeny => {
                Err(Rejection::denied(&verdict.context, "User is not authorized to access this resource"))
            }
            Decision::ExplicitDeny => Err(Rejection::denied(
                &verdict.context,
                "User is not authorized to access this resource with an explicit deny",
            )),
        }
    }

    /// Asks an authorizer. Only the error `Unauthorized`, to the letter, is the caller's fault.
    async fn decide(&self, function: &str, event: Value) -> Result<Verdict, Rejection> {
        match timeout(AUTHORIZER_LIMIT, (self.options.invoke)(function, event)).await {
            Ok(Ok(result)) => Verdict::read(&result).ok_or(Rejection::of(Kind::AuthorizerConfigurationError)),
            Ok(Err(error)) if error.message == "Unauthorized" => Err(Rejection::of(Kind::Unauthorized)),
            Ok(Err(_)) | Err(_) => Err(Rejection::of(Kind::AuthorizerFailure)),
        }
    }

    /// A request id that no other request of this process has; it only looks like the random ones of AWS.
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
        f.debug_struct("Gateway").field("stage", &self.stage).field("options", &self.options).finish_non_exhaustive()
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FunctionError {}

#[cfg(test)]
mod tests;
