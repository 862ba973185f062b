//! The six functions, invoked as Lambda invokes them: they take an event, and return a response or
//! an error message.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hallpass_generate::oidc;
use hallpass_http::gateway;
use hallpass_notify::Notify;
use hallpass_oidc::Provider;
use hallpass_prune::Prune;
use hallpass_revoke::Leaks;
use hallpass_runtime::{
    entropy,
    settings::{ConfigError, Lookup},
};
use hallpass_service::{Context, Service};
use hallpass_sinks::Bucket;
use hallpass_token::{Cause, Timestamp};
use hallpass_verify_authorizer::Authorizer;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;

use super::{
    StartError,
    gateway::{FunctionError, FunctionFuture, Invoke},
    template::Template,
};

/// A clock: this machine's, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The functions of the template, each with the environment that the template defines for it.
#[derive(Clone)]
pub struct Functions {
    verify_authorizer: Arc<Authorizer>,
    generate: Arc<Service>,
    provider: Arc<Option<Provider>>,
    revoke: Arc<Service>,
    leaks: Arc<Option<Leaks>>,
    console: Arc<Service>,
    audit_log: Arc<Option<Bucket>>,
    prune: Arc<Prune>,
    notify: Arc<Notify>,
    clock: Clock,
}

impl Functions {
    /// Creates the functions. `overrides` take precedence over the environment in the template.
    ///
    /// # Errors
    /// Returns a [`StartError`] that names the first invalid setting.
    pub fn new(
        template: &Template,
        overrides: &BTreeMap<String, String>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let service =
            |function: &str| with_environment(template, overrides, function, Service::new);
        let authorizer = |lookup: Lookup<'_>| Authorizer::new(Service::new(lookup)?, lookup);
        Ok(Self {
            verify_authorizer: with_environment(
                template,
                overrides,
                "VerifyAuthorizer",
                authorizer,
            )?,
            generate: service("Generate")?,
            provider: with_environment(template, overrides, "Generate", oidc::provider)?,
            revoke: service("Revoke")?,
            leaks: with_environment(template, overrides, "Revoke", Leaks::read)?,
            console: service("Console")?,
            audit_log: with_environment(
                template,
                overrides,
                "Console",
                hallpass_console::audit_log,
            )?,
            prune: with_environment(template, overrides, "Prune", Prune::new)?,
            notify: with_environment(template, overrides, "Notify", Notify::new)?,
            clock,
        })
    }

    /// Sets another time limit for requests than that of the deployed functions.
    #[must_use]
    pub fn with_request_limit(mut self, limit: Duration) -> Self {
        for service in [&mut self.generate, &mut self.revoke, &mut self.console] {
            if let Some(service) = Arc::get_mut(service) {
                service.settings.request_limit = limit;
            }
        }
        self
    }

    /// Returns a closure that invokes a function by its logical ID. A panic in a function is a
    /// failed invocation, as on Lambda.
    pub fn invoke(&self) -> Invoke {
        let functions = self.clone();
        Arc::new(move |function, event| {
            let (functions, function) = (functions.clone(), function.to_owned());
            let invocation = tokio::spawn(async move { functions.call(&function, event).await });
            let outcome: FunctionFuture = Box::pin(async move {
                invocation.await.unwrap_or_else(|_| {
                    Err(FunctionError { message: "the function panicked".to_owned() })
                })
            });
            outcome
        })
    }

    /// Returns the clock of the functions.
    pub fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    async fn call(&self, function: &str, event: Value) -> Result<Value, FunctionError> {
        let (now, randomness) = ((self.clock)(), entropy::randomness());
        let response = match function {
            "VerifyAuthorizer" => {
                return serialized(self.verify_authorizer.handle(parsed(event)?, now).await);
            }
            "Prune" => {
                let cause = Cause::system(now);
                return serialized(self.prune.handle(parsed(event)?, &cause, &|| true).await);
            }
            "Notify" => {
                let cause = Cause::system(now);
                return serialized(self.notify.handle(parsed(event)?, &cause, &|| true).await);
            }
            "Generate" => {
                let context = Context::new(&self.generate, now, &randomness);
                gateway::invoke(event, |request| async move {
                    let provider = self.provider.as_ref().as_ref();
                    hallpass_generate::handle(&context, provider, &request).await
                })
                .await
            }
            "Revoke" => {
                let context = Context::new(&self.revoke, now, &randomness);
                gateway::invoke(event, |request| async move {
                    hallpass_revoke::handle(&context, self.leaks.as_ref().as_ref(), &request).await
                })
                .await
            }
            "Console" => {
                let context = Context::new(&self.console, now, &randomness);
                gateway::invoke(event, |request| async move {
                    let audit_log = self.audit_log.as_ref().as_ref();
                    hallpass_console::handle(&context, audit_log, &request).await
                })
                .await
            }
            other => {
                return Err(FunctionError {
                    message: format!("no function has the logical ID {other}"),
                });
            }
        };
        response.map_err(|failure| FunctionError { message: failure.report() })
    }
}

fn with_environment<T>(
    template: &Template,
    overrides: &BTreeMap<String, String>,
    function: &str,
    start: impl Fn(Lookup<'_>) -> Result<T, ConfigError>,
) -> Result<Arc<T>, StartError> {
    let environment = template.environment(function);
    let lookup = |name: &str| overrides.get(name).or_else(|| environment.get(name)).cloned();
    start(&lookup)
        .map(Arc::new)
        .map_err(|bad| StartError::new(format!("cannot start {function}"), bad.to_string()))
}

fn parsed<T: serde::de::DeserializeOwned>(event: Value) -> Result<T, FunctionError> {
    serde_json::from_value(event).map_err(|error| FunctionError { message: error.to_string() })
}

fn serialized<T: Serialize, E: Into<Diagnostic>>(
    outcome: Result<T, E>,
) -> Result<Value, FunctionError> {
    let response =
        outcome.map_err(|error| FunctionError { message: error.into().error_message })?;
    serde_json::to_value(response).map_err(|error| FunctionError { message: error.to_string() })
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Functions")
    }
}
