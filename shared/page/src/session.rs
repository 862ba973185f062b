//! Who signed in with a browser: a cookie, the session that it leads to, and the token that every form repeats.
//!
//! The cookie names the user, in whose partition the session lies, and holds 32 random bytes; the store knows a digest
//! only. It is `__Host-` where the API is at the
//! root of its host; a stage in the path rules that prefix out, and the cookie is `__Secure-` and for that path alone
//! (RFC 6265bis section 4.1.3). `SameSite=Strict` keeps it from every request that another site causes.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use edge::{Problem, Service, caller, entropy::Randomness, gateway, log};
use lambda_http::Request;
use store::{Failure, sessions::Session, sweep::Place};
use token::{Family, Status, Text, Timestamp, User, UserId, secret::Digest};

use crate::{Form, Frame, SignedIn, view::contained};

/// How long a session lives.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct WebSession {
    /// Who it is, as read for this request.
    pub user: User,
    /// Whether the user is an administrator.
    pub is_administrator: bool,
    /// When the user signed in.
    pub started_at: Timestamp,
    /// What stands in front of every link.
    pub base: String,
    cookie: Cookie,
    /// What tells the forms of the page that answers this request from those of every other.
    nonce: String,
}

/// A form that a signed-in user sent. It counts only once a check of it has passed: [`Submitted::check_once`] for
/// those that create something, [`Submitted::check`] for the others.
#[derive(Debug)]
pub struct Submitted {
    /// Who sent it.
    pub session: WebSession,
    /// What it says.
    pub form: Form,
    /// Whether it is of a page of this session.
    is_current: bool,
}

/// A session that has begun, and whose cookie the browser does not have yet.
#[derive(Debug)]
pub struct NewSession {
    /// Where it lies.
    pub place: Place,
    base: String,
    cookie: Cookie,
}

/// What the cookie of a session holds: `<user id>.<secret>`. Forms are tied to all of it.
#[derive(Clone, Debug)]
struct Cookie {
    user_id: UserId,
    text: Text,
}

/// The cookie of a session.
const SESSION: &str = "hallpass";

/// The cookie that a form repeats before there is a session.
const BEFORE: &str = "hallpass-form";

/// How long it is known that a form was sent, which is long after the end of the session that it belongs to.
const USED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The field of a form that shows that one of our pages sent it: what all forms of the session have in common, and
/// behind a full stop what the forms of one page have.
const CSRF: &str = "csrf";

impl WebSession {
    /// Who sent this request for a page. Somebody without a cookie is sent to sign in, and comes back to `next`.
    ///
    /// # Errors
    /// 303 without a session, 401 if it is over, 503 if it cannot be told.
    pub async fn of(
        service: &Service,
        request: &Request,
        next: &str,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<Self, Problem> {
        let base = gateway::base(request);
        let cookies = Cookie::all(request, &base);
        if cookies.is_empty() {
            return Err(Problem::see_other(format!("{base}/sign-in?next={next}")));
        }
        Self::by_cookies(service, base, cookies, now, randomness).await
    }

    /// Who sent this form, and what it says.
    ///
    /// # Errors
    /// 401 without a session, 503 if it cannot be told.
    pub async fn submitted(
        service: &Service,
        request: &Request,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<Submitted, Problem> {
        let base = gateway::base(request);
        let mut cookies = Cookie::all(request, &base);
        let form = Form::read(request);
        // Of several sessions it is the one that the form belongs to.
        cookies.sort_by_key(|cookie| !form.as_ref().is_ok_and(|form| repeats(&cookie.text, form)));
        let session = Self::by_cookies(service, base, cookies, now, randomness).await?;
        let form = form?;
        let is_current = repeats(&session.cookie.text, &form);
        Ok(Submitted { session, form, is_current })
    }

    /// Begins a session of this user, and ends those that the browser had before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(
        service: &Service,
        request: &Request,
        user: &User,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<NewSession, Problem> {
        let base = gateway::base(request);
        for before in Cookie::all(request, &base) {
            service.store.end_session(&before.user_id, &before.digest(), now).await?;
        }
        let (secret, _) = randomness.session();
        let text = Text::new(format!("{}.{}", user.id, Base64UrlUnpadded::encode_string(&secret)));
        let cookie = Cookie { user_id: user.id, text };
        let session = Session::of(user, service.settings.session_binding(), now, now.after(LIFETIME));
        let place = service.store.begin_session(&cookie.digest(), &session).await?;
        Ok(NewSession { place, base, cookie })
    }

    /// Ends the session. What it gives is the value of the header `Set-Cookie` that takes the cookie away.
    ///
    /// # Errors
    /// When the store fails; the session lives on then.
    pub async fn end(&self, service: &Service, now: Timestamp) -> Result<String, Problem> {
        service.store.end_session(&self.cookie.user_id, &self.cookie.digest(), now).await?;
        log::allowed("signed_out", None, Some(&self.user.id));
        Ok(set_cookie(&self.base, SESSION, "", Duration::ZERO))
    }

    /// The same visitor, looked at once more: the user may have changed meanwhile.
    ///
    /// # Errors
    /// 401 if the session is over by now, 503 if it cannot be told.
    pub async fn again(&self, service: &Service, now: Timestamp) -> Result<Self, Problem> {
        let user = self.cookie.user(service, now).await?;
        let (user, _) = user.ok_or_else(|| Problem::session_ended(&service.settings.issuer))?;
        Ok(Self { is_administrator: service.is_administrator(&user.permissions), user, ..self.clone() })
    }

    /// The family behind the tokens that this session issues.
    pub fn family(&self) -> Family {
        self.cookie.family()
    }

    /// The frame of this visitor's pages.
    pub fn frame(&self) -> Frame {
        let name = contained(self.user.display_name());
        let csrf = format!("{}.{}", csrf(&self.cookie.text), self.nonce);
        let signed_in = SignedIn { name, is_administrator: self.is_administrator, csrf };
        Frame { base: self.base.clone(), signed_in: Some(signed_in) }
    }

    /// The first of these cookies' sessions that is live.
    async fn by_cookies(
        service: &Service,
        base: String,
        cookies: Vec<Cookie>,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<Self, Problem> {
        for cookie in cookies {
            if let Some((user, started_at)) = cookie.user(service, now).await? {
                let is_administrator = service.is_administrator(&user.permissions);
                let nonce = Base64UrlUnpadded::encode_string(&randomness.form());
                return Ok(Self { user, is_administrator, started_at, base, cookie, nonce });
            }
        }
        Err(Problem::session_ended(&service.settings.issuer))
    }
}

impl NewSession {
    /// Lets the user in: the value of the header `Set-Cookie`.
    pub fn into_set_cookie(self) -> String {
        log::allowed("signed_in", Some(&self.cookie.family().id), None);
        set_cookie(&self.base, SESSION, self.cookie.text.expose_secret(), LIFETIME)
    }
}

impl Submitted {
    /// Lets a form go on that is of a page of this session.
    ///
    /// # Errors
    /// 403 for any other.
    pub fn check(&self) -> Result<(), Problem> {
        if self.is_current { Ok(()) } else { Err(Problem::stale_form()) }
    }

    /// The same for a form that creates something: it is good for one time, and of several requests that send it at
    /// once one goes on. `place` is where it was sent to; a page may have several forms, told apart by it and by what
    /// they do.
    ///
    /// # Errors
    /// 403 for a form of another page, 409 for one that was sent before, 503 if it cannot be told.
    pub async fn check_once(&self, service: &Service, place: &str, now: Timestamp) -> Result<(), Problem> {
        let Some(nonce) = self.nonce() else {
            return Err(Problem::stale_form());
        };
        let digest = self.digest(nonce, place);
        let user_id = &self.session.user.id;
        if !self.is_current {
            // It may be of the session before, and have done what it was for then.
            let is_used = service.store.is_form_used(user_id, &digest).await?;
            return Err(if is_used { Problem::used_form() } else { Problem::stale_form() });
        }
        // The nonce of the page that answers is of this request alone.
        let request = Digest::of(self.session.nonce.as_bytes());
        let is_first = service.store.use_form(user_id, &digest, &request, now.after(USED_FOR)).await?;
        if is_first { Ok(()) } else { Err(Problem::used_form()) }
    }

    /// Lets a form be sent again that was rejected and has created nothing: its sender goes back and corrects it.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn release(&self, service: &Service, place: &str) -> Result<(), Failure> {
        let Some(nonce) = self.nonce() else { return Ok(()) };
        let request = Digest::of(self.session.nonce.as_bytes());
        service.store.release_form(&self.session.user.id, &self.digest(nonce, place), &request).await
    }

    /// What names a form that was sent, with the page it is from, where it was sent to and what it does.
    fn digest(&self, nonce: &str, place: &str) -> Digest {
        let what = [nonce, place, self.form.field("do"), self.form.field("id")].join("\0");
        Digest::of(&[b"hallpass used form 1\0", what.as_bytes()].concat())
    }

    /// What tells the page of this form from every other.
    fn nonce(&self) -> Option<&str> {
        let (_, nonce) = self.form.field(CSRF).split_once('.')?;
        let mut bytes = [0; 16];
        let read = Base64UrlUnpadded::decode(nonce, &mut bytes).ok()?;
        (read.len() == bytes.len()).then_some(nonce)
    }
}

impl Cookie {
    /// Every cookie of a session that a request has. Another application on the host may use the name as well.
    fn all(request: &Request, base: &str) -> Vec<Self> {
        caller::cookies(request.headers(), &prefixed(base, SESSION), |text| {
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

    /// The user of this cookie's session and its start, if it is live and the user is still the same.
    async fn user(&self, service: &Service, now: Timestamp) -> Result<Option<(User, Timestamp)>, Problem> {
        let session = service.store.session(&self.user_id, &self.digest()).await?;
        let Some(session) = session.filter(|session| !session.expires_at.has_passed(now)) else {
            return Ok(None);
        };
        let user = service.store.user(&self.user_id).await?;
        let user = user.filter(|user| user.status == Status::Active && session.is_of(user));
        Ok(user.map(|user| (user, session.started_at)))
    }
}

/// The secret that the form for signing in repeats: the one that the browser has, or a new one with its cookie.
pub fn before(request: &Request, randomness: &Randomness) -> (Text, Option<String>) {
    let base = gateway::base(request);
    if let Some(secret) = before_cookies(request).into_iter().next() {
        return (secret, None);
    }
    let (_, secret) = randomness.session();
    let secret = Base64UrlUnpadded::encode_string(&secret);
    let cookie = set_cookie(&base, BEFORE, &secret, LIFETIME);
    (Text::new(secret), Some(cookie))
}

/// Whether the form for signing in was sent by our page in this browser.
pub fn is_from_before(request: &Request, form: &Form) -> bool {
    before_cookies(request).iter().any(|secret| repeats(secret, form))
}

/// What a form of this secret's browser repeats. It tells nothing of the secret.
pub(crate) fn csrf(secret: &Text) -> String {
    Digest::of(&[b"hallpass form 1\0", secret.expose_secret().as_bytes()].concat()).text()
}

fn repeats(secret: &Text, form: &Form) -> bool {
    let field = form.field(CSRF);
    let common = field.split_once('.').map_or(field, |(common, _)| common);
    Digest::of(csrf(secret).as_bytes()).is_of(common.as_bytes())
}

/// The secrets in the cookies that a form repeats before there is a session.
fn before_cookies(request: &Request) -> Vec<Text> {
    let name = prefixed(&gateway::base(request), BEFORE);
    caller::cookies(request.headers(), &name, |text| Digest::parse(text).map(|_| Text::new(text)))
}

fn set_cookie(base: &str, name: &str, value: &str, lifetime: Duration) -> String {
    let path = if base.is_empty() { "/" } else { base };
    let (name, seconds) = (prefixed(base, name), lifetime.as_secs());
    format!("{name}={value}; Path={path}; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

fn prefixed(base: &str, name: &str) -> String {
    if base.is_empty() { format!("__Host-{name}") } else { format!("__Secure-{name}") }
}
