//! A sign-in from its beginning to the user's identity.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use form_urlencoded::Serializer;
use hallpass_runtime::settings::oidc::Oidc;
use hallpass_store::{
    Failure,
    client_secret::ClientSecret,
    connect::{Https, Trust},
    links::Identity,
    sessions::ProviderSession,
};
use hallpass_token::{Text, Timestamp};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Claims, Flow,
    id_token::{self, Expected},
    jwks::Keys,
    jws::{self, LEEWAY, Parties, TokenError},
    logout,
    metadata::Metadata,
    token_endpoint::{self, REDEEMING},
};

/// The identity provider of this deployment.
#[derive(Debug)]
pub struct Provider {
    settings: Oidc,
    secret: Option<ClientSecret>,
    https: Https,
    documents: Mutex<Option<Documents>>,
    /// When the documents were last asked for, with or without success.
    asked_at: Mutex<Option<Timestamp>>,
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
    /// The subject, by which an administrator links the identity to a user. It is not secret, and
    /// can have any characters.
    pub subject: String,
    /// The session at the provider.
    pub session: ProviderSession,
    /// What the provider says about the user.
    pub claims: Claims,
}

/// A user whose sessions the provider ends.
#[derive(Clone, Debug)]
pub struct SignedOut {
    /// The user's identity.
    pub identity: Identity,
    /// The session at the provider; all of them without it.
    pub session: Option<ProviderSession>,
    /// The sessions that began after this time are not meant.
    pub until: Timestamp,
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

/// How long the documents are used. A key that is unknown is looked up at once.
const REFRESH: Duration = Duration::from_secs(3_600);

const DISCOVERING: &str = "reading the metadata of the identity provider";
const FETCHING_KEYS: &str = "reading the keys of the identity provider";
const CHECKING: &str = "checking the ID token of the identity provider";
const READING_CLAIMS: &str = "reading what the identity provider says about the user";

/// How often keys are looked up for a logout token, which anyone can send.
const KEYS_FOR_LOGOUT: Duration = Duration::from_secs(60);

/// The claim that is the name of a new user.
const USERNAME: &str = "preferred_username";

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
        Ok(Self {
            settings,
            secret,
            https: Https::new(trust)?,
            documents: Mutex::new(None),
            asked_at: Mutex::new(None),
        })
    }

    /// Checks that the provider can be reached, and that its metadata and keys can be used.
    ///
    /// # Errors
    /// Returns a [`Failure`] that says why not.
    pub async fn check(&self, now: Timestamp) -> Result<(), Failure> {
        self.fetch(now).await.map(drop)
    }

    /// Returns the settings of the provider.
    pub const fn settings(&self) -> &Oidc {
        &self.settings
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
        Ok(with_query(&metadata.authorization_endpoint, &query))
    }

    /// Returns the URL to which the browser is sent to sign out at the provider (OpenID Connect
    /// RP-Initiated Logout 1.0 section 2), or `None` if the provider has none. Hallpass does not
    /// keep ID tokens, so that the provider may ask the user to confirm.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the provider cannot be reached or its metadata cannot be used.
    pub async fn end_session_url(&self, now: Timestamp) -> Result<Option<String>, Failure> {
        let metadata = self.documents(now).await?.metadata;
        let query = Serializer::new(String::new())
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &self.settings.sign_in_page())
            .finish();
        Ok(metadata.end_session_endpoint.as_ref().map(|endpoint| with_query(endpoint, &query)))
    }

    /// Checks a logout token of the provider. Returns `None` if it is none.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the provider cannot be reached or its metadata cannot be used.
    pub async fn signed_out(
        &self,
        token: &Text,
        now: Timestamp,
    ) -> Result<Option<SignedOut>, Failure> {
        // Anyone can send a request here, so it leads to few of them there.
        let may_ask = self.asked_at().is_none_or(|at| at.after(KEYS_FOR_LOGOUT).has_passed(now));
        let documents = match self.known(now) {
            Some(known) => known,
            None if may_ask => self.fetch(now).await?,
            None => return Err(Failure::new(DISCOVERING, "it failed less than a minute ago")),
        };
        let parties = self.parties(now);
        let mut verified = logout::verify(token.expose_secret(), &documents.keys, parties);
        if verified == Err(TokenError::UnknownKey) && may_ask {
            let documents = self.fetch(now).await?;
            verified = logout::verify(token.expose_secret(), &documents.keys, parties);
        }
        Ok(verified.ok().map(|logout| SignedOut {
            identity: Identity::new(&self.settings.issuer, &logout.subject),
            session: logout.sid.as_deref().map(|sid| ProviderSession::new(Some(sid))),
            until: logout.issued_at.after(LEEWAY),
        }))
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
            parties: self.parties(now),
            nonce: &nonce,
            access_token: access_token.expose_secret(),
        };
        let id_token = Text::new(tokens.id_token);
        let mut verified = id_token::verify(id_token.expose_secret(), &documents.keys, expected);
        if verified == Err(TokenError::UnknownKey) {
            // The provider has published new keys since.
            let documents = self.fetch(now).await?;
            verified = id_token::verify(id_token.expose_secret(), &documents.keys, expected);
        }
        let claims = match verified {
            Ok(claims) => claims,
            // The code is of another sign-in, which someone else began.
            Err(TokenError::Nonce) => return Err(Error::Stale),
            Err(wrong) => return Err(Failure::new(CHECKING, wrong).into()),
        };
        let subject = jws::text(&claims, "sub").unwrap_or_default().to_owned();
        let session = ProviderSession::new(jws::text(&claims, "sid"));
        let identity = Identity::new(&self.settings.issuer, &subject);
        let claims = self.all_claims(&documents.metadata, claims, &subject, &access_token).await?;
        Ok(SignedIn { identity, subject, session, claims })
    }

    /// Returns the claims of the ID token, and those of the `UserInfo` endpoint (OpenID Connect Core
    /// 1.0 section 5.3) if one that is needed is not among the first.
    async fn all_claims(
        &self,
        metadata: &Metadata,
        claims: Map<String, Value>,
        subject: &str,
        access_token: &Text,
    ) -> Result<Claims, Failure> {
        let mut claims = Claims::new(claims);
        let Oidc { link_by, permissions, provisions, .. } = &self.settings;
        let permissions = permissions.as_ref().map(|permissions| permissions.claim.as_str());
        let username = provisions.then_some(USERNAME);
        let mut wanted = link_by.as_deref().into_iter().chain(permissions).chain(username);
        if let Some(url) = &metadata.userinfo_endpoint
            && wanted.any(|name| !claims.has(name))
        {
            let mut bearer =
                HeaderValue::try_from(format!("Bearer {}", access_token.expose_secret()))
                    .map_err(|_| Failure::new(READING_CLAIMS, "the access token is malformed"))?;
            bearer.set_sensitive(true);
            let body = self.https.get(READING_CLAIMS, url, Some(bearer)).await?;
            let more: Map<String, Value> = serde_json::from_slice(&body)
                .map_err(|_| Failure::new(READING_CLAIMS, "the response is not a JSON object"))?;
            // The response can be of another user (section 5.3.2).
            if jws::text(&more, "sub") != Some(subject) {
                return Err(Failure::new(READING_CLAIMS, "the response is about another user"));
            }
            claims.add(more);
        }
        if permissions.is_some_and(|name| claims.is_elsewhere(name)) {
            let wrong =
                "the claim of HALLPASS_OIDC_PERMISSIONS has too many values for an ID token";
            return Err(Failure::new(READING_CLAIMS, wrong));
        }
        Ok(claims)
    }

    const fn parties(&self, now: Timestamp) -> Parties<'_> {
        let Oidc { issuer, client_id, .. } = &self.settings;
        Parties { issuer: issuer.as_str(), client_id: client_id.as_str(), now }
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
        let authorization = in_header
            .map(|secret| token_endpoint::basic(&self.settings.client_id, secret))
            .transpose()?;
        let url = &metadata.token_endpoint;
        let response = self.https.post(REDEEMING, url, authorization, form).await?;
        if response.status == StatusCode::OK {
            let malformed = |_| Failure::new(REDEEMING, "the response is not that of a sign-in");
            return Ok(serde_json::from_slice(&response.body).map_err(malformed)?);
        }
        Err(token_endpoint::refusal(&response))
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
        match self.known(now) {
            Some(known) => Ok(known),
            None => self.fetch(now).await,
        }
    }

    fn known(&self, now: Timestamp) -> Option<Documents> {
        let known = self.documents.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| !known.at.after(REFRESH).has_passed(now))
    }

    fn asked_at(&self) -> Option<Timestamp> {
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, now: Timestamp) -> Result<Documents, Failure> {
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let issuer = &self.settings.issuer;
        let metadata = self.https.get(DISCOVERING, &Metadata::url(issuer), None).await?;
        let metadata =
            Metadata::parse(&metadata, issuer).map_err(|wrong| Failure::new(DISCOVERING, wrong))?;
        let keys = self.https.get(FETCHING_KEYS, &metadata.jwks_uri, None).await?;
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

/// Adds a query to an endpoint, which can have one of its own (RFC 6749 section 3.1).
fn with_query(endpoint: &str, query: &str) -> String {
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{separator}{query}")
}
