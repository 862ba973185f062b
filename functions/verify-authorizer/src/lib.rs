//! The Lambda authorizer: decides at the gateway whether the token of a request lets its holder in.
//!
//! Four steps, one direction: credential, open (pure), read (one strong read), admit (pure). Its answer is right under
//! API Gateway's cache, which reuses it for every method and path of the stage.

use std::time::Duration;

use edge::{
    Service, challenge, log,
    settings::{ConfigError, Lookup, text},
};
use lambda_runtime::Diagnostic;
use store::{Failure, Rejected};
use token::{Admitted, Credential, Reason, Timestamp, credential::Unusable};

mod event;
mod response;
mod routes;

pub use event::Event;
pub use response::Response;
pub use routes::Routes;

use event::Form;

/// The authorizer with its settings.
#[derive(Debug)]
pub struct Authorizer {
    service: Service,
    routes: Option<Routes>,
    /// HTTP APIs with payload 2.0 expect a policy instead of a simple answer.
    always_policy: bool,
}

/// The limit of a whole decision: the keyring, the reads, the end of a rotation.
const LIMIT: Duration = Duration::from_millis(2_900);

/// The limit of noting the use.
const NOTE_LIMIT: Duration = Duration::from_millis(300);

/// What API Gateway gets instead of an answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The request carries no credential. A REST API turns this, by its exact text, into its `UNAUTHORIZED` answer
    /// (AWS: "Configure a Lambda authorizer using the API Gateway console").
    Unauthorized,
    /// It cannot be told. API Gateway answers 500; it is never a yes.
    CannotTell(Failure),
}

impl Authorizer {
    /// An authorizer with the settings `HALLPASS_ROUTES` and `HALLPASS_AUTHORIZER_RESPONSE`.
    ///
    /// # Errors
    /// Names the setting that makes no sense.
    pub fn new(service: Service, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let bad = |name, wrong: &str| ConfigError { name, wrong: wrong.to_owned() };
        let routes = text(lookup, "HALLPASS_ROUTES").map(|json| Routes::parse(&json)).transpose();
        let always_policy = match text(lookup, "HALLPASS_AUTHORIZER_RESPONSE").as_deref() {
            None | Some("auto") => false,
            Some("policy") => true,
            Some(_) => return Err(bad("HALLPASS_AUTHORIZER_RESPONSE", "must be auto or policy")),
        };
        Ok(Self { service, routes: routes.map_err(|wrong| bad("HALLPASS_ROUTES", &wrong))?, always_policy })
    }

    /// Decides one event, or fails, within three seconds.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn handle(&self, event: Event, now: Timestamp) -> Result<Response, Unanswered> {
        match tokio::time::timeout(LIMIT, Box::pin(self.decide(event, now))).await {
            Ok(response) => response,
            Err(_elapsed) => Err(unanswered(Failure::new("deciding", "the time limit was reached"))),
        }
    }

    async fn decide(&self, event: Event, now: Timestamp) -> Result<Response, Unanswered> {
        let form = event.form(self.always_policy).map_err(unanswered)?;
        let credential = match Credential::from_header(event.authorization()) {
            Ok(None) => return self.without_credential(&form),
            Ok(Some(Credential::Token(text))) => Ok(text),
            // A password is good where tokens are made, and nowhere else.
            Ok(Some(Credential::Login(_))) => return Ok(self.reject_password(&form)),
            Err(Unusable::Doubled | Unusable::Malformed) => Err(Reason::Malformed),
        };
        let text = match credential {
            Ok(text) => text,
            Err(reason) => return Ok(self.reject(&form, &Rejected::new(reason, None))),
        };
        let keyring = self.service.keyring(now).await.map_err(unanswered)?;
        let issuer = &self.service.settings.issuer;
        match self.service.store.verify(&keyring, issuer, &text, now).await.map_err(unanswered)? {
            Err(rejected) => Ok(self.reject(&form, &rejected)),
            Ok(admitted) => {
                let response = response::allow(&form, &self.service.settings, &admitted, self.routes.as_ref())
                    .map_err(unanswered)?;
                self.record_last_used(&admitted, now).await.map_err(unanswered)?;
                log::allowed("accepted", Some(&admitted.record.id), None);
                Ok(response)
            }
        }
    }

    /// The two writes off the common path: the end of a rotation, which must be written before anybody is let in, and
    /// the hour of the last use, which need not.
    async fn record_last_used(&self, admitted: &Admitted, now: Timestamp) -> Result<(), Failure> {
        let record = &admitted.record;
        self.service.finish_rotation(admitted, now).await?;
        // Whoever waits for the answer does not wait for this.
        let noting = tokio::time::timeout(NOTE_LIMIT, self.service.store.record_last_used(record, now));
        if let Ok(Err(failure)) = noting.await {
            log::failed(&failure);
        }
        Ok(())
    }

    fn reject(&self, form: &Form, rejected: &Rejected) -> Response {
        log::rejected(rejected);
        response::deny(form, &self.service.settings, rejected)
    }

    fn reject_password(&self, form: &Form) -> Response {
        log::rejected(&Rejected::new(Reason::Malformed, None));
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
            // Lambda counts it as an error of the function, which it is not.
            log::unauthenticated();
            return Err(Unanswered::Unauthorized);
        }
        let settings = &self.service.settings;
        let challenge = challenge::bare(&settings.issuer);
        Ok(response::deny_with(form, settings, challenge, "unauthenticated", "An access token is required"))
    }
}

fn unanswered(failure: Failure) -> Unanswered {
    log::failed(&failure);
    Unanswered::CannotTell(failure)
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
