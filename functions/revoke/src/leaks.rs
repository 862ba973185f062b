//! `POST /leaks/github`: GitHub's secret scanning reports texts that it found in public and that look
//! like tokens of this deployment. Those that are tokens are revoked, as leaked.
//!
//! The route exists only with `HALLPASS_PREFIX`: without one, GitHub has nothing to look for.

use std::sync::Arc;

use hallpass_http::{Problem, Response, body, problem};
use hallpass_leaks::{Delivery, Error, Fetched, KeyCache, Label, Leak, keys::URL, report};
use hallpass_runtime::{
    Event,
    settings::{self, ConfigError, Lookup, oidc::is_secure},
};
use hallpass_service::{Context, Revoker};
use hallpass_store::{
    Failure,
    connect::{Https, Trust},
};
use hallpass_token::{Actor, Note, Reason};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lambda_http::Request;

/// The keys of GitHub, and the client that fetches them.
#[derive(Clone, Debug)]
pub struct Leaks {
    https: Https,
    url: String,
    cache: Arc<KeyCache>,
}

/// The setting with another URL of the keys than GitHub's, such as that of a GitHub Enterprise
/// Server.
const KEYS_URL: &str = "HALLPASS_LEAK_KEYS_URL";

/// The number of tokens that are looked up and revoked concurrently.
const AT_ONCE: usize = 16;

const FETCHING: &str = "fetching the keys of GitHub";

impl Leaks {
    /// Reads the settings. Returns `None` if tokens have no prefix.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if the URL of the keys is neither an `https` URL nor of this machine,
    /// or if the certificates cannot be read.
    pub fn read(lookup: Lookup<'_>) -> Result<Option<Self>, ConfigError> {
        let url = settings::text(lookup, KEYS_URL).unwrap_or_else(|| URL.to_owned());
        if !is_secure(&url) {
            return Err(ConfigError::new(
                KEYS_URL,
                "must be an https URL, or an http URL of this machine",
            ));
        }
        if settings::text(lookup, "HALLPASS_PREFIX").is_none() {
            return Ok(None);
        }
        // GitHub's certificate is of an authority that the system trusts. One that cannot be read
        // is not trusted; if it is needed, the TLS handshake fails.
        let trust = Trust::from_certificates(rustls_native_certs::load_native_certs().certs);
        let https =
            Https::new(trust).map_err(|failure| ConfigError::new(KEYS_URL, failure.report()))?;
        Ok(Some(Self { https, url, cache: Arc::default() }))
    }

    /// Fetches the keys, unless they are those with this `ETag`.
    async fn fetch(&self, etag: Option<String>) -> Result<Fetched, Failure> {
        let mut headers = HeaderMap::new();
        // GitHub rejects requests without this header.
        headers.insert(header::USER_AGENT, HeaderValue::from_static("hallpass"));
        if let Some(etag) = etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(header::IF_NONE_MATCH, etag);
        }
        let response = self.https.get_with(FETCHING, &self.url, headers).await?;
        match response.status {
            StatusCode::NOT_MODIFIED => Ok(Fetched::NotModified),
            StatusCode::OK => {
                let etag = response.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
                Ok(Fetched::Document { etag: etag.map(str::to_owned), body: response.body })
            }
            status => Err(Failure::new(FETCHING, format!("the status is {}", status.as_u16()))),
        }
    }
}

/// Handles a report.
pub(crate) async fn github(
    context: &Context<'_>,
    leaks: Option<&Leaks>,
    request: &Request,
) -> Result<Response, Problem> {
    let leaks = leaks.ok_or_else(Problem::not_found)?;
    let delivery = Delivery::new(request.headers(), body::bytes(request.body()));
    let delivery = delivery.map_err(rejected)?;
    let verifying = leaks.cache.verify(&delivery, context.now, |etag| leaks.fetch(etag));
    let verified = verifying.await.map_err(rejected)?;
    if let Some(cause) = &verified.stale {
        Event::Failed(&Failure::new(FETCHING, cause.to_string())).log_from(context.origin);
    }
    let found = verified.leaks().map_err(rejected)?;
    let mut labels = Vec::new();
    for some in found.chunks(AT_ONCE) {
        let revoking = some.iter().map(|leak| revoke(context, leak));
        labels.extend(futures_util::future::try_join_all(revoking).await?);
    }
    let feedback = report::response(found.iter().zip(labels));
    Ok(problem::response(StatusCode::OK, "application/json", feedback))
}

/// Revokes a token that was found. Any text that this deployment has signed counts as a token, also
/// one that has expired or was revoked.
async fn revoke(context: &Context<'_>, leak: &Leak) -> Result<Label, Problem> {
    let Context { service, now, .. } = *context;
    let keyring = service.keyring(now).await?;
    let text = leak.token.expose_secret();
    let claim = match hallpass_token::open(&keyring, &service.settings.issuer, text, now) {
        Ok(claim) => claim,
        Err(Reason::Expired) => return Ok(Label::TruePositive),
        Err(_) => return Ok(Label::FalsePositive),
    };
    let reason = Note::leaked();
    let revoker = Revoker::of(context, Actor::System).because(Some(&reason));
    if let Some(id) = service.store.id_of(&claim).await? {
        revoker.revoke(&id, claim.format).await?;
    }
    Ok(Label::TruePositive)
}

/// Returns the problem of a report that is rejected.
fn rejected(error: Error) -> Problem {
    match error.status() {
        400 => Problem::invalid_request(error.to_string()),
        413 => Problem::content_too_large(hallpass_leaks::delivery::MAX_BODY),
        503 => Failure::new(FETCHING, error).into(),
        _ => Problem::not_signed(error.to_string()),
    }
}
