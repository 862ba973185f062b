//! Browser sessions: the cookie, and the session it identifies.
//!
//! The cookie holds the ID of the user, whose partition contains the session, and 32 random bytes.
//! The database stores only a digest. If the API is at the root of its host, the cookie has the
//! prefix `__Host-`. A stage in the path rules that prefix out, and the cookie is `__Secure-` and
//! limited to that path (RFC 6265bis section 4.1.3). `SameSite=Strict` keeps it out of every
//! request that another site causes.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_http::{Problem, cookies, gateway};
use hallpass_runtime::Event;
use hallpass_service::{Context, Service, session::BrowserSession};
use hallpass_store::{
    Failure,
    portal::Origin,
    sessions::{ProviderSession, Session},
    sweep::Place,
};
use hallpass_token::{Actor, Family, Scope, Text, User, UserId, secret::Digest};
use lambda_http::Request;

use crate::{
    Back, Form, Frame, SignedIn, Tab,
    csrf::{CSRF, csrf, repeats},
    host,
    sign_in::Next,
    view::contained,
};

/// The lifetime of a session.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The live session of a signed-in user.
#[derive(Clone, Debug)]
pub struct WebSession {
    /// Whether the user is an administrator.
    pub is_administrator: bool,
    /// The prefix of every link.
    pub base: String,
    /// The host of the request, if it is one.
    host: Option<String>,
    session: BrowserSession,
    cookie: Cookie,
    /// The nonce of the forms on the page that this request returns.
    nonce: String,
}

/// A form that a signed-in user sent. Check it before use: with [`Submitted::check_once`] if it
/// creates something, with [`Submitted::check`] otherwise.
#[derive(Debug)]
pub struct Submitted {
    /// The session that sent the form.
    pub session: WebSession,
    /// The fields of the form.
    pub form: Form,
    /// Whether the form belongs to a page of this session.
    is_current: bool,
}

/// A new session whose cookie has not been sent yet.
#[derive(Debug)]
pub struct NewSession {
    /// The location of the session in the table.
    pub place: Place,
    base: String,
    cookie: Cookie,
}

/// How a session began.
#[derive(Debug)]
pub enum Began {
    /// The user signed in with a password.
    WithPassword,
    /// The user signed in at the identity provider, in this session there.
    AtProvider(ProviderSession),
    /// An application led the user here.
    ByPortal(Origin),
}

/// The value of a session cookie: `<user id>.<secret>`. Forms are bound to the whole value.
#[derive(Clone, Debug)]
struct Cookie {
    user_id: UserId,
    text: Text,
}

/// The name of the session cookie.
const SESSION: &str = "hallpass";

/// How long a used form is kept: far longer than the session that it belongs to.
const USED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

impl WebSession {
    /// Returns the session of a request for a page. A browser without a session cookie is
    /// redirected to the sign-in page, which returns to `next`.
    ///
    /// # Errors
    /// Returns 303 without a session cookie, 401 if the session has expired, and 503 if DynamoDB
    /// cannot be read.
    pub async fn of(context: &Context<'_>, request: &Request, next: Next) -> Result<Self, Problem> {
        let base = gateway::base(request);
        let cookies = Cookie::all(request, &base);
        if cookies.is_empty() {
            return Err(Problem::see_other(format!("{base}/sign-in?next={}", next.parameter())));
        }
        Self::by_cookies(context, request, base, cookies).await
    }

    /// Returns the user if the browser is signed in.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be read.
    pub async fn signed_in(
        context: &Context<'_>,
        request: &Request,
    ) -> Result<Option<User>, Problem> {
        let cookies = Cookie::all(request, &gateway::base(request));
        Ok(first_live(context, cookies).await?.map(|(session, _)| session.user))
    }

    /// Returns the session and the fields of a submitted form.
    ///
    /// # Errors
    /// Returns 401 without a live session, 400 or 415 if the form cannot be read, and 503 if
    /// DynamoDB cannot be read.
    pub async fn submitted(context: &Context<'_>, request: &Request) -> Result<Submitted, Problem> {
        let base = gateway::base(request);
        let mut cookies = Cookie::all(request, &base);
        let form = Form::read(request);
        // If the browser has several sessions, prefer the one that the form belongs to.
        cookies.sort_by_key(|cookie| !form.as_ref().is_ok_and(|form| repeats(&cookie.text, form)));
        let session = Self::by_cookies(context, request, base, cookies).await?;
        let form = form?;
        let is_current = repeats(&session.cookie.text, &form);
        Ok(Submitted { session, form, is_current })
    }

    /// Begins a session for this user, and deletes the sessions that the browser had before.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be written.
    pub async fn begin(
        context: &Context<'_>,
        request: &Request,
        user: &User,
        began: Began,
    ) -> Result<NewSession, Problem> {
        let Context { service, now, randomness, .. } = *context;
        let base = gateway::base(request);
        Self::end_former(context, request).await?;
        let (secret, _) = randomness.session()?;
        let text = Text::new(format!("{}.{}", user.id, BASE64_URL_SAFE_NO_PAD.encode(secret)));
        let cookie = Cookie { user_id: user.id, text };
        let binding = service.settings.session_binding();
        let session = Session::of(user, binding, now, now.after(LIFETIME));
        let session = match began {
            Began::WithPassword => session,
            Began::AtProvider(at) => Session { provider_session: Some(at), ..session },
            Began::ByPortal(origin) => Session { origin: Some(origin), ..session },
        };
        let place = service.store.begin_session(&cookie.digest(), &session).await?;
        Ok(NewSession { place, base, cookie })
    }

    /// Deletes the sessions that the browser has. Returns the value of the `Set-Cookie` header that
    /// removes their cookie, or `None` if there is none.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be written.
    pub async fn end_former(
        context: &Context<'_>,
        request: &Request,
    ) -> Result<Option<String>, Problem> {
        let base = gateway::base(request);
        let former = Cookie::all(request, &base);
        for cookie in &former {
            let store = &context.service.store;
            store.end_session(&cookie.user_id, &cookie.digest(), context.now).await?;
        }
        Ok((!former.is_empty()).then(|| set_cookie(&base, SESSION, "", Duration::ZERO)))
    }

    /// Deletes the session. Returns the value of the `Set-Cookie` header that removes the cookie.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be written. The session stays live then.
    pub async fn end(&self, context: &Context<'_>) -> Result<String, Problem> {
        let Context { service, now, .. } = *context;
        service.store.end_session(&self.cookie.user_id, &self.cookie.digest(), now).await?;
        Event::SignedOut(&self.session.user.id).log(&context.cause(self.actor()));
        Ok(set_cookie(&self.base, SESSION, "", Duration::ZERO))
    }

    /// Returns the user, as read for this request.
    pub const fn user(&self) -> &User {
        &self.session.user
    }

    /// Returns the actor of what is done in the session.
    pub const fn actor(&self) -> Actor<'static> {
        Actor::Session(self.session.user.id)
    }

    /// Returns the scope of a session that an application began.
    pub fn limit(&self) -> Option<&Scope> {
        self.session.limit()
    }

    /// Returns the session without what only pages need.
    pub fn browser_session(&self) -> BrowserSession {
        self.session.clone()
    }

    /// Returns the URL of a path of this API, as the browser that holds the session reaches it.
    pub fn url(&self, path: &str) -> String {
        let host = self.host.as_deref().unwrap_or("YOUR-API");
        format!("https://{host}{}{path}", self.base)
    }

    /// Returns the frame of the pages of this session.
    pub fn frame(&self, tab: Tab) -> Frame {
        let name = contained(self.session.user.display_name());
        let csrf = format!("{}.{}", csrf(&self.cookie.text), self.nonce);
        let portal = self.session.portal.as_ref();
        let back = portal.and_then(|portal| portal.return_to.as_deref()).map(Back::new);
        let is_administrator = self.is_administrator;
        let is_portal = portal.is_some();
        let signed_in = SignedIn { name, is_administrator, csrf, tab, is_portal, back };
        Frame { base: self.base.clone(), signed_in: Some(signed_in) }
    }

    async fn by_cookies(
        context: &Context<'_>,
        request: &Request,
        base: String,
        cookies: Vec<Cookie>,
    ) -> Result<Self, Problem> {
        let Context { service, randomness, .. } = *context;
        let (session, cookie) = first_live(context, cookies)
            .await?
            .ok_or_else(|| Problem::session_ended(&service.settings.issuer))?;
        let is_administrator = session.is_administrator(service);
        let nonce = BASE64_URL_SAFE_NO_PAD.encode(randomness.form()?);
        Ok(Self { is_administrator, base, host: host(request), session, cookie, nonce })
    }
}

impl NewSession {
    /// Signs the user in. Returns the value of the `Set-Cookie` header.
    pub fn into_set_cookie(self, context: &Context<'_>) -> String {
        let cause = context.cause(Actor::User(self.cookie.user_id));
        Event::SignedIn(&self.cookie.family().id).log(&cause);
        set_cookie(&self.base, SESSION, self.cookie.text.expose_secret(), LIFETIME)
    }
}

impl Submitted {
    /// Checks that the form belongs to a page of this session.
    ///
    /// # Errors
    /// Returns 403 if it does not.
    pub fn check(&self) -> Result<(), Problem> {
        if self.is_current { Ok(()) } else { Err(Problem::stale_form()) }
    }

    /// Checks a form that creates something, and marks it as used. Of several concurrent requests
    /// with the same form, one succeeds. `place` is the target of the form; it and the action
    /// distinguish the forms of one page.
    ///
    /// # Errors
    /// Returns 403 for a form of another session, 409 for one that was sent before, and 503 if
    /// DynamoDB cannot be written.
    pub async fn check_once(&self, context: &Context<'_>, place: &str) -> Result<(), Problem> {
        let Context { service, now, .. } = *context;
        let Some(nonce) = self.nonce() else {
            return Err(Problem::stale_form());
        };
        let digest = self.digest(nonce, place);
        let user_id = &self.session.user().id;
        if !self.is_current {
            // The form may belong to an earlier session, and may have been used there.
            let is_used = service.store.is_form_used(user_id, &digest).await?;
            return Err(if is_used { Problem::used_form() } else { Problem::stale_form() });
        }
        // The nonce of the page in the response is unique to this request.
        let request = Digest::of(self.session.nonce.as_bytes());
        let is_first =
            service.store.use_form(user_id, &digest, &request, now.after(USED_FOR)).await?;
        if is_first { Ok(()) } else { Err(Problem::used_form()) }
    }

    /// Releases a form that was rejected and created nothing, so that the sender can correct it and
    /// send it again.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn release(&self, service: &Service, place: &str) -> Result<(), Failure> {
        let Some(nonce) = self.nonce() else { return Ok(()) };
        let request = Digest::of(self.session.nonce.as_bytes());
        service
            .store
            .release_form(&self.session.user().id, &self.digest(nonce, place), &request)
            .await
    }

    /// Returns the digest that identifies a form: its page, its target and its action.
    fn digest(&self, nonce: &str, place: &str) -> Digest {
        let what = [nonce, place, self.form.field("do"), self.form.field("id")].join("\0");
        Digest::of(&[b"hallpass used form 1\0", what.as_bytes()].concat())
    }

    /// Returns the nonce of the page that the form belongs to.
    fn nonce(&self) -> Option<&str> {
        let (_, nonce) = self.form.field(CSRF).split_once('.')?;
        let mut bytes = [0; 16];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes).ok()?;
        (length == bytes.len()).then_some(nonce)
    }
}

impl Cookie {
    /// Returns all session cookies of a request. Another application on the host may use the same
    /// name.
    fn all(request: &Request, base: &str) -> Vec<Self> {
        cookies::values(request.headers(), &prefixed(base, SESSION), |text| {
            let (user_id, secret) = text.split_once('.')?;
            Digest::parse(secret)?;
            Some(Self { user_id: user_id.parse().ok()?, text: Text::new(text) })
        })
    }

    fn family(&self) -> Family {
        Family::of_session(self.user_id, &self.digest())
    }

    fn digest(&self) -> Digest {
        Digest::of(self.text.expose_secret().as_bytes())
    }
}

/// Returns the first live session of these cookies.
async fn first_live(
    context: &Context<'_>,
    cookies: Vec<Cookie>,
) -> Result<Option<(BrowserSession, Cookie)>, Problem> {
    for cookie in cookies {
        let session = BrowserSession::read(context, &cookie.user_id, cookie.digest()).await?;
        if let Some(session) = session {
            return Ok(Some((session, cookie)));
        }
    }
    Ok(None)
}

pub(crate) fn set_cookie(base: &str, name: &str, value: &str, lifetime: Duration) -> String {
    let path = if base.is_empty() { "/" } else { base };
    cookies::set(&prefixed(base, name), value, path, lifetime)
}

pub(crate) fn prefixed(base: &str, name: &str) -> String {
    if base.is_empty() { format!("__Host-{name}") } else { format!("__Secure-{name}") }
}
