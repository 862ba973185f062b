//! Who signed in with a browser: a cookie, the session that it leads to, and the token that every form repeats.
//!
//! The cookie holds 32 random bytes, of which the store knows a digest only. It is `__Host-` where the API is at the
//! root of its host; a stage in the path rules that prefix out, and the cookie is `__Secure-` and for that path alone
//! (RFC 6265bis section 4.1.3). `SameSite=Strict` keeps it from every request that another site causes.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use edge::{Problem, Service, caller, entropy::Draw, gateway, log};
use lambda_http::Request;
use store::sessions::Session;
use token::{Status, Text, Timestamp, User, secret::Digest};

use crate::{Form, Frame, Visitor};

/// How long a session lives.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who it is, as read for this request.
    pub user: User,
    /// Whether the user is an administrator.
    pub is_administrator: bool,
    /// What stands in front of every link.
    pub base: String,
    secret: Text,
}

/// The cookie of a session.
const SESSION: &str = "hallpass";

/// The cookie that a form repeats before there is a session.
const BEFORE: &str = "hallpass-form";

/// How long the secret of a cookie is: 32 bytes in base64url.
const SECRET_LENGTH: usize = 43;

/// The field of a form that shows that one of our pages sent it.
const CSRF: &str = "csrf";

impl Visit {
    /// Who sent this request for a page. Somebody without a cookie is sent to sign in, and comes back to `next`.
    ///
    /// # Errors
    /// 303 without a session, 401 if it is over, 503 if it cannot be told.
    pub async fn of(service: &Service, request: &Request, next: &str, now: Timestamp) -> Result<Self, Problem> {
        let base = gateway::base(request);
        let Some(secret) = cookie(request, &base, SESSION) else {
            return Err(Problem::see_other(format!("{base}/sign-in?next={next}")));
        };
        Self::by_secret(service, base, secret, now).await
    }

    /// Who sent this form, and what it says.
    ///
    /// # Errors
    /// 401 without a session, 403 if no page of ours sent the form, 503 if it cannot be told.
    pub async fn submitted(service: &Service, request: &Request, now: Timestamp) -> Result<(Self, Form), Problem> {
        let base = gateway::base(request);
        let secret = cookie(request, &base, SESSION);
        let secret = secret.ok_or_else(|| Problem::session_ended(&service.settings.issuer))?;
        let visit = Self::by_secret(service, base, secret, now).await?;
        let form = Form::read(request)?;
        if !repeats(&visit.secret, &form) {
            return Err(Problem::stale_form());
        }
        Ok((visit, form))
    }

    /// Begins a session of this user. What it gives is the value of the header `Set-Cookie`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(
        service: &Service,
        request: &Request,
        user: &User,
        now: Timestamp,
        draw: &Draw,
    ) -> Result<String, Problem> {
        let (secret, _) = draw.session();
        let secret = Base64UrlUnpadded::encode_string(&secret);
        let session = Session::of(user, service.settings.session_binding(), now.after(LIFETIME));
        service.store.begin_session(&Digest::of(secret.as_bytes()), &session).await?;
        log::allowed("signed in", None, Some(&user.id));
        Ok(set_cookie(&gateway::base(request), SESSION, &secret, LIFETIME))
    }

    /// Ends the session. What it gives is the value of the header `Set-Cookie` that takes the cookie away.
    ///
    /// # Errors
    /// When the store fails; the session lives on then.
    pub async fn end(&self, service: &Service) -> Result<String, Problem> {
        service.store.end_session(&Digest::of(self.secret.reveal().as_bytes())).await?;
        log::allowed("signed out", None, Some(&self.user.id));
        Ok(set_cookie(&self.base, SESSION, "", Duration::ZERO))
    }

    /// The same visitor, looked at once more: the user may have changed meanwhile.
    ///
    /// # Errors
    /// 401 if the session is over by now, 503 if it cannot be told.
    pub async fn again(&self, service: &Service, now: Timestamp) -> Result<Self, Problem> {
        Self::by_secret(service, self.base.clone(), self.secret.clone(), now).await
    }

    /// The frame of this visitor's pages.
    pub fn frame(&self) -> Frame {
        let name = self.user.display_name().to_owned();
        let visitor = Visitor { name, is_administrator: self.is_administrator, csrf: csrf(&self.secret) };
        Frame { base: self.base.clone(), visitor: Some(visitor) }
    }

    async fn by_secret(service: &Service, base: String, secret: Text, now: Timestamp) -> Result<Self, Problem> {
        let ended = || Problem::session_ended(&service.settings.issuer);
        let session = service.store.session(&Digest::of(secret.reveal().as_bytes())).await?;
        let session = session.filter(|session| !session.expires_at.has_come(now)).ok_or_else(ended)?;
        let user = service.store.user(&session.user_id).await?;
        let user = user.filter(|user| user.status == Status::Active && session.is_of(user)).ok_or_else(ended)?;
        let is_administrator = service.is_administrator(&user.permissions);
        Ok(Self { user, is_administrator, base, secret })
    }
}

/// The secret that the form for signing in repeats: the one that the browser has, or a new one with its cookie.
pub fn before(request: &Request, draw: &Draw) -> (Text, Option<String>) {
    let base = gateway::base(request);
    if let Some(secret) = cookie(request, &base, BEFORE) {
        return (secret, None);
    }
    let (_, secret) = draw.session();
    let secret = Base64UrlUnpadded::encode_string(&secret);
    let cookie = set_cookie(&base, BEFORE, &secret, LIFETIME);
    (Text::new(secret), Some(cookie))
}

/// Whether the form for signing in was sent by our page in this browser.
pub fn is_from_before(request: &Request, form: &Form) -> bool {
    cookie(request, &gateway::base(request), BEFORE).is_some_and(|secret| repeats(&secret, form))
}

/// What a form of this secret's browser repeats. It tells nothing of the secret.
pub(crate) fn csrf(secret: &Text) -> String {
    Digest::of(&[b"hallpass form 1\0", secret.reveal().as_bytes()].concat()).text()
}

fn repeats(secret: &Text, form: &Form) -> bool {
    Digest::of(csrf(secret).as_bytes()).is_of(form.field(CSRF).as_bytes())
}

/// The secret in a cookie of ours.
fn cookie(request: &Request, base: &str, name: &str) -> Option<Text> {
    let value = caller::cookie(request.headers(), &prefixed(base, name))?;
    (value.len() == SECRET_LENGTH).then(|| Text::new(value))
}

fn set_cookie(base: &str, name: &str, value: &str, lifetime: Duration) -> String {
    let path = if base.is_empty() { "/" } else { base };
    let (name, seconds) = (prefixed(base, name), lifetime.as_secs());
    format!("{name}={value}; Path={path}; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

fn prefixed(base: &str, name: &str) -> String {
    if base.is_empty() { format!("__Host-{name}") } else { format!("__Secure-{name}") }
}
