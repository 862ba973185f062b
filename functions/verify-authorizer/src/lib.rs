//! The Lambda authorizer: verifies the token of a request for API Gateway.
//!
//! It takes four steps: read the credential, verify the signature (pure), read the record (one
//! strongly consistent read), decide (pure). The response stays correct in API Gateway's cache,
//! which reuses it for every method and path of the stage.

use std::time::Duration;

use hallpass_http::challenge;
use hallpass_runtime::{
    Event as ServiceEvent,
    settings::{ConfigError, Lookup, text},
};
use hallpass_service::Service;
use hallpass_store::{Failure, Rejected, Verification};
use hallpass_token::{Credential, Origin, Reason, Timestamp, credential::Unusable};
use lambda_runtime::Diagnostic;

mod event;
mod response;

pub use event::Event;
pub use hallpass_runtime::settings::Routes;
pub use response::Response;

use event::Form;

/// The authorizer with its settings.
#[derive(Debug)]
pub struct Authorizer {
    service: Service,
    /// Whether HTTP APIs with payload 2.0 expect a policy instead of a simple response.
    always_policy: bool,
}

/// The time limit of a decision, including the keyring, the reads and finishing a rotation.
const LIMIT: Duration = Duration::from_millis(2_900);

/// The reason for an error instead of a response.
#[derive(Debug)]
pub enum Unanswered {
    /// The request carries no credential. A REST API maps this exact text to its `UNAUTHORIZED`
    /// response (AWS: "Configure a Lambda authorizer using the API Gateway console").
    Unauthorized,
    /// The token could not be verified. API Gateway responds with 500 and never admits the request.
    CannotTell(Failure),
}

impl Authorizer {
    /// Creates an authorizer with the setting `HALLPASS_AUTHORIZER_RESPONSE`.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the invalid setting.
    pub fn new(service: Service, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        const RESPONSE: &str = "HALLPASS_AUTHORIZER_RESPONSE";
        let always_policy = match text(lookup, RESPONSE).as_deref() {
            None | Some("auto") => false,
            Some("policy") => true,
            Some(_) => return Err(ConfigError::new(RESPONSE, "must be auto or policy")),
        };
        Ok(Self { service, always_policy })
    }

    /// Handles one event within three seconds.
    ///
    /// # Errors
    /// Returns [`Unanswered`] if a REST request carries no credential, or if the token cannot be
    /// verified.
    pub async fn handle(&self, event: Event, now: Timestamp) -> Result<Response, Unanswered> {
        let origin = event.origin();
        let deciding =
            tokio::time::timeout(LIMIT, Box::pin(self.decide(&event, origin, now))).await;
        let late = |_elapsed| Err(Failure::new("deciding", "the time limit was reached").into());
        let decided = deciding.unwrap_or_else(late);
        match &decided {
            // Lambda counts this as an error of the function, so it is logged separately.
            Err(Unanswered::Unauthorized) => ServiceEvent::Unauthenticated.log_from(origin),
            Err(Unanswered::CannotTell(failure)) => ServiceEvent::Failed(failure).log_from(origin),
            Ok(_) => {}
        }
        decided
    }

    async fn decide(
        &self,
        event: &Event,
        origin: Origin<'_>,
        now: Timestamp,
    ) -> Result<Response, Unanswered> {
        let form = event.form(self.always_policy)?;
        let text = match Credential::from_header(event.authorization()) {
            Ok(None) => return self.without_credential(&form),
            Ok(Some(Credential::Token(text))) => text,
            // Passwords are accepted only where tokens are created.
            Ok(Some(Credential::Login(_))) => return Ok(self.reject_password(&form, origin)),
            Err(Unusable::Doubled | Unusable::Malformed) => {
                return Ok(self.reject(&form, &Rejected::new(Reason::Malformed, None), origin));
            }
        };
        let keyring = self.service.keyring(now).await?;
        let issuer = &self.service.settings.issuer;
        match self.service.store.verify(&keyring, issuer, &text, now).await? {
            Verification::Rejected(rejected) => {
                self.service.record_reuse(&rejected, now, origin).await;
                Ok(self.reject(&form, &rejected, origin))
            }
            Verification::Accepted(admitted) => {
                let response = response::allow(&form, &self.service.settings, &admitted)?;
                // Off the common path: the first of the two must succeed before the request is
                // accepted.
                self.service.finish_rotation(&admitted, now, origin).await?;
                self.service.record_last_used(&admitted.record, now, origin).await;
                ServiceEvent::Accepted(&admitted.record.id).log_from(origin);
                Ok(response)
            }
        }
    }

    fn reject(&self, form: &Form, rejected: &Rejected, origin: Origin<'_>) -> Response {
        ServiceEvent::Rejected(rejected).log_from(origin);
        response::deny(form, &self.service.settings, rejected)
    }

    fn reject_password(&self, form: &Form, origin: Origin<'_>) -> Response {
        ServiceEvent::Rejected(&Rejected::new(Reason::Malformed, None)).log_from(origin);
        let settings = &self.service.settings;
        response::deny_with(
            form,
            settings,
            challenge::bare(&settings.issuer),
            Reason::Malformed.as_str(),
            "Invalid credentials.",
        )
    }

    fn without_credential(&self, form: &Form) -> Result<Response, Unanswered> {
        if form.is_rest() {
            return Err(Unanswered::Unauthorized);
        }
        let settings = &self.service.settings;
        let challenge = challenge::bare(&settings.issuer);
        Ok(response::deny_with(
            form,
            settings,
            challenge,
            "unauthenticated",
            "An access token is required",
        ))
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::CannotTell(failure)
    }
}

impl From<Unanswered> for Diagnostic {
    fn from(unanswered: Unanswered) -> Self {
        let message = match unanswered {
            Unanswered::Unauthorized => "Unauthorized",
            Unanswered::CannotTell(_) => "the token could not be verified",
        };
        Self { error_type: "Hallpass".to_owned(), error_message: message.to_owned() }
    }
}
