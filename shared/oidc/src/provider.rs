//! A sign-in from its beginning to the user's identity.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use form_urlencoded::Serializer;
use hallpass_runtime::settings::oidc::Oidc;
use hallpass_store::{Failure, client_secret::ClientSecret, connect::Trust, links::Identity};
use hallpass_token::{Text, Timestamp};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

use crate::{
    Flow,
    https::{self, Https},
    id_token::{self, Expected, IdTokenError},
    jwks::Keys,
    metadata::Metadata,
};

/// The identity provider of this deployment.
#[derive(Debug)]
pub struct Provider {
    settings: Oidc,
    secret: Option<ClientSecret>,
    https: Https,
    documents: Mutex<Option<Documents>>,
}

/// The parameters with which the provider sends the browser back (OpenID Connect Core 1.0 section
/// 3.1.2.5, RFC 9207).
#[derive(Debug, Default)]
pub struct Response {
    /// The code of a successful sign-in, which can be used once.
    pub code: Option<Text>,
    /// The error of any other (RFC 6749 section 4.1.2.1).
    pub error: Option<String>,
    /// The issuer.
    pub iss: Option<String>,
}

/// A user who has signed in at the provider.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user's identity.
    pub identity: Identity,
    /// The subject, by which an administrator links the identity to a user. It is not secret, and can
    /// have any characters.
    pub subject: String,
}

/// Why a sign-in did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user or the provider declined, with this code of RFC 6749 or OpenID Connect.
    #[error("the identity provider declined the sign-in")]
    Declined(Declined),
    /// The response is not of this sign-in, or was used before.
    #[error("the sign-in is no longer current")]
    Stale,
    /// The provider cannot be reached, or its responses cannot be trusted.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What the provider said when it declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// `access_denied`: the user cancelled, or may not use this application.
    AccessDenied,
    /// `temporarily_unavailable` or `server_error`.
    Unavailable,
    /// Any other code.
    Other,
}

/// What the provider publishes.
#[derive(Clone, Debug)]
struct Documents {
    metadata: Arc<Metadata>,
    keys: Arc<Keys>,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

/// How long the documents are used. A key that is unknown is looked up at once.
const REFRESH: Duration = Duration::from_secs(3_600);

const DISCOVERING: &str = "reading the metadata of the identity provider";
const FETCHING_KEYS: &str = "reading the keys of the identity provider";
const REDEEMING: &str = "redeeming the code of the identity provider";
const CHECKING: &str = "checking the ID token of the identity provider";

impl Provider {
    /// Creates the provider of these settings. It is called at the first sign-in, so that it can be
    /// away while functions start.
    ///
    /// # Errors
    /// Returns a [`Failure`] if rustls does not support ring, which would fail every start.
    pub fn new(settings: Oidc, secret: Option<ClientSecret>) -> Result<Self, Failure> {
        // The provider can be anywhere, with a certificate of any authority that the system trusts.
        // One that cannot be read is not trusted; if it is needed, the TLS handshake fails.
        let trust = Trust::from_certificates(rustls_native_certs::load_native_certs().certs);
        Ok(Self { settings, secret, https: Https::new(trust)?, documents: Mutex::new(None) })
    }

    /// Checks that the provider can be reached, and that its metadata and keys can be used.
    ///
    /// # Errors
    /// Returns a [`Failure`] that says why not.
    pub async fn check(&self, now: Timestamp) -> Result<(), Failure> {
        self.fetch(now).await.map(drop)
    }

    /// Returns the URL to which the browser is sent to sign in (OpenID Connect Core 1.0 section
    /// 3.1.2.1).
    ///
    /// # Errors
    /// Returns a [`Failure`] if the provider cannot be reached or its metadata cannot be used.
    pub async fn authorization_url(&self, flow: &Flow, now: Timestamp) -> Result<String, Failure> {
        let metadata = self.documents(now).await?.metadata;
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("scope", &self.settings.scopes)
            .append_pair("state", &flow.state())
            .append_pair("nonce", &flow.nonce())
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256")
            .finish();
        // The endpoint can have a query of its own (RFC 6749 section 3.1).
        let endpoint = &metadata.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{query}"))
    }

    /// Returns the identity of the user who has signed in. The caller has checked that the response
    /// is of this flow ([`Flow::is_of_state`]).
    ///
    /// # Errors
    /// Returns an [`Error`].
    pub async fn identity(
        &self,
        flow: &Flow,
        response: &Response,
        now: Timestamp,
    ) -> Result<SignedIn, Error> {
        let documents = self.documents(now).await?;
        if !documents.metadata.is_from_issuer(response.iss.as_deref()) {
            return Err(Error::Stale);
        }
        if let Some(error) = &response.error {
            return Err(Error::Declined(Declined::named(error)));
        }
        let code = response.code.as_ref().ok_or(Error::Stale)?;
        let tokens = self.redeem(&documents.metadata, flow, code).await?;
        let (nonce, access_token) = (flow.nonce(), Text::new(tokens.access_token));
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &nonce,
            access_token: access_token.expose_secret(),
            now,
        };
        let id_token = Text::new(tokens.id_token);
        let mut verified = id_token::verify(id_token.expose_secret(), &documents.keys, expected);
        if verified == Err(IdTokenError::UnknownKey) {
            // The provider has published new keys since.
            let documents = self.fetch(now).await?;
            verified = id_token::verify(id_token.expose_secret(), &documents.keys, expected);
        }
        let claims = match verified {
            Ok(claims) => claims,
            // The code is of another sign-in, which someone else began.
            Err(IdTokenError::Nonce) => return Err(Error::Stale),
            Err(wrong) => return Err(Failure::new(CHECKING, wrong).into()),
        };
        let subject = claims.get("sub").and_then(serde_json::Value::as_str).unwrap_or_default();
        let identity = Identity::new(&self.settings.issuer, subject);
        Ok(SignedIn { identity, subject: subject.to_owned() })
    }

    /// Exchanges the code for tokens (OpenID Connect Core 1.0 section 3.1.3).
    async fn redeem(&self, metadata: &Metadata, flow: &Flow, code: &Text) -> Result<Tokens, Error> {
        let secret = match &self.secret {
            Some(secret) => Some(secret.read().await?),
            None => None,
        };
        let in_body = secret.as_ref().filter(|_| metadata.wants_secret_in_body());
        let in_header = secret.as_ref().filter(|_| !metadata.wants_secret_in_body());
        let form = self.code_form(flow, code, in_body);
        let authorization =
            in_header.map(|secret| basic(&self.settings.client_id, secret)).transpose()?;
        let url = &metadata.token_endpoint;
        let response = self.https.post(REDEEMING, url, authorization, form).await?;
        if response.status == StatusCode::OK {
            let malformed = |_| Failure::new(REDEEMING, "the response is not that of a sign-in");
            return Ok(serde_json::from_slice(&response.body).map_err(malformed)?);
        }
        Err(refusal(&response))
    }

    fn code_form(&self, flow: &Flow, code: &Text, secret: Option<&Text>) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose_secret())
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("code_verifier", flow.verifier().expose_secret());
        if let Some(secret) = secret {
            form.append_pair("client_secret", secret.expose_secret());
        }
        form.finish()
    }

    /// Returns what the provider publishes, at most [`REFRESH`] old.
    async fn documents(&self, now: Timestamp) -> Result<Documents, Failure> {
        let known = self.documents.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known.filter(|known| !known.at.after(REFRESH).has_passed(now)) {
            Some(known) => Ok(known),
            None => self.fetch(now).await,
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Documents, Failure> {
        let issuer = &self.settings.issuer;
        let metadata = self.https.get(DISCOVERING, &Metadata::url(issuer)).await?;
        let metadata =
            Metadata::parse(&metadata, issuer).map_err(|wrong| Failure::new(DISCOVERING, wrong))?;
        let keys = self.https.get(FETCHING_KEYS, &metadata.jwks_uri).await?;
        let keys = Keys::parse(&keys)
            .ok_or_else(|| Failure::new(FETCHING_KEYS, "the response is not a JWK set"))?;
        let documents = Documents { metadata: Arc::new(metadata), keys: Arc::new(keys), at: now };
        *self.documents.lock().unwrap_or_else(PoisonError::into_inner) = Some(documents.clone());
        Ok(documents)
    }
}

impl Declined {
    fn named(code: &str) -> Self {
        match code {
            "access_denied" => Self::AccessDenied,
            "temporarily_unavailable" | "server_error" => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

/// `client_secret_basic`: both parts are form-encoded before they are joined (RFC 6749 section
/// 2.3.1).
fn basic(client_id: &str, secret: &Text) -> Result<HeaderValue, Failure> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Text::new([encoded(client_id), encoded(secret.expose_secret())].join(":"));
    let value = Text::new(BASE64_STANDARD.encode(pair.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", value.expose_secret()))
        .map_err(|_| Failure::new(REDEEMING, "the client secret cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Converts the error of the token endpoint (RFC 6749 section 5.2). A code that is not valid was used
/// before or is of another sign-in; all else is wrong with the provider or the settings.
fn refusal(response: &https::Response) -> Error {
    let error = serde_json::from_slice::<TokenError>(&response.body).ok();
    let known =
        ["invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type"];
    match error.as_ref().map(|error| error.error.as_str()) {
        Some("invalid_grant") => Error::Stale,
        Some(code) if known.contains(&code) => Failure::new(REDEEMING, code.to_owned()).into(),
        Some(_) | None => {
            let status = response.status.as_u16();
            Failure::new(REDEEMING, format!("the status is {status}")).into()
        }
    }
}
