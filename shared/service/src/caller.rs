//! The caller that requests a token: a user with a password, checked under the rate limit, or the
//! holder of a live token.

use hallpass_http::Problem;
use hallpass_store::{
    Failure, Rejected,
    marks::{ChangeMarks, Marked},
};
use hallpass_token::{
    Actor, Admitted, Credential, Family, Reason, Rejection, Scope, Timestamp, User,
    credential::Login, lifecycle,
};
use lambda_http::Request;

use crate::{Context, Service, authentication, password::check_password, session::BrowserSession};

/// The `issued_by` of a token for the operator. No token has this ID, so no token can manage it as
/// its issuer.
const OPERATOR: &str = "operator";

/// The caller that requests a token.
#[derive(Debug)]
pub enum Caller {
    /// A user who has just logged in, with a password or at the identity provider.
    LogIn {
        /// The user.
        user: Box<Marked<User>>,
        /// The time of the log-in.
        at: Timestamp,
    },
    /// A user who is signed in with a browser.
    BrowserSession(Box<Marked<BrowserSession>>),
    /// The operator of the stack, on behalf of this user.
    Operator {
        /// The user.
        user: Box<Marked<User>>,
        /// The name of the operator.
        name: String,
    },
    /// The holder of this live token.
    Token(Box<Marked<Admitted>>),
}

impl Caller {
    /// Authenticates the caller of a route that accepts passwords and live tokens.
    /// `HALLPASS_GENERATE_PASSWORD=off` leaves only live tokens. `HALLPASS_GENERATE_PERMISSION`
    /// applies to both.
    pub async fn of(context: &Context<'_>, request: &Request) -> Result<Self, Problem> {
        let service = context.service;
        let caller = match authentication::credential(request.headers(), &service.settings.issuer)?
        {
            Credential::Token(text) => {
                Self::Token(Box::new(authentication::admit_text_to_issue(context, &text).await?))
            }
            Credential::Login(login) => Self::of_login(context, login).await?,
        };
        caller.permitted(service)
    }

    /// Authenticates the caller of a route that accepts only passwords.
    pub async fn of_password(context: &Context<'_>, request: &Request) -> Result<Self, Problem> {
        let service = context.service;
        match authentication::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
            Credential::Login(login) => Self::of_login(context, login).await?.permitted(service),
        }
    }

    async fn of_login(context: &Context<'_>, login: Login) -> Result<Self, Problem> {
        let Context { service, now, .. } = *context;
        if !service.settings.generate_takes_passwords {
            return Err(Problem::invalid_credentials(&service.settings.issuer));
        }
        let user = check_password(context, login).await?;
        Ok(Self::LogIn { user: Box::new(user), at: now })
    }

    /// Returns the caller if it holds `HALLPASS_GENERATE_PERMISSION`, and 403 otherwise, and for a
    /// user who must sign in at the identity provider first.
    pub fn permitted(self, service: &Service) -> Result<Self, Problem> {
        if let Self::LogIn { user, at } = &self
            && user.value.is_sign_in_due(*at)
        {
            return Err(Problem::not_signed_in("Sign in at the identity provider first"));
        }
        let permission = service.settings.generate_permission.as_deref();
        if permission.is_some_and(|name| !self.scope().holds(name)) {
            return Err(Problem::not_permitted());
        }
        Ok(self)
    }

    /// Authenticates the caller of a route that accepts only live tokens.
    pub async fn of_token(context: &Context<'_>, request: &Request) -> Result<Self, Problem> {
        Ok(Self::Token(Box::new(authentication::admit_to_issue(context, request.headers()).await?)))
    }

    /// Returns the caller behind a submitted form.
    pub async fn of_session(service: &Service, session: &BrowserSession) -> Result<Self, Failure> {
        let marks = service.store.change_marks(&session.user.id).await?;
        Ok(Self::BrowserSession(Box::new(Marked { value: session.clone(), marks })))
    }

    /// Returns the caller's user.
    pub fn user(&self) -> &User {
        match self {
            Self::LogIn { user, .. } | Self::Operator { user, .. } => &user.value,
            Self::BrowserSession(session) => &session.value.user,
            Self::Token(admitted) => &admitted.value.user,
        }
    }

    /// Returns the caller's current scope. No token that the caller creates exceeds it.
    pub fn scope(&self) -> &Scope {
        match self {
            Self::LogIn { .. } | Self::Operator { .. } => &self.user().permissions,
            Self::BrowserSession(session) => session.value.scope(),
            Self::Token(admitted) => &admitted.value.scope,
        }
    }

    /// Returns the scope that no token of the caller's user exceeds whose text the caller receives,
    /// even if it would have all permissions of the user: the scope of a portal session.
    pub fn limit(&self) -> Option<&Scope> {
        match self {
            Self::LogIn { .. } | Self::Operator { .. } | Self::Token(_) => None,
            Self::BrowserSession(session) => session.value.limit(),
        }
    }

    /// Returns whether the caller manages the tokens of this account as one of its maintainers. A
    /// portal session manages the user's own tokens alone.
    pub fn maintains(&self, service: &Service, account: &User) -> bool {
        let is_whole = match self {
            Self::LogIn { .. } | Self::Operator { .. } => false,
            Self::BrowserSession(session) => session.value.limit().is_none(),
            Self::Token(admitted) => service.manages_all(&admitted.value),
        };
        is_whole && account.is_maintained_by(self.user())
    }

    /// Returns the change marks of the caller's user, as read together with the user.
    pub fn marks(&self) -> &ChangeMarks {
        match self {
            Self::LogIn { user, .. } | Self::Operator { user, .. } => &user.marks,
            Self::BrowserSession(session) => &session.marks,
            Self::Token(admitted) => &admitted.marks,
        }
    }

    /// Returns the caller's token, if it authenticated by one.
    pub fn token(&self) -> Option<&Admitted> {
        match self {
            Self::LogIn { .. } | Self::BrowserSession(_) | Self::Operator { .. } => None,
            Self::Token(admitted) => Some(&admitted.value),
        }
    }

    /// Returns the token by which the caller acts: its own, or the one that began its portal
    /// session.
    pub fn authority(&self) -> Option<&Admitted> {
        match self {
            Self::LogIn { .. } | Self::Operator { .. } => None,
            Self::BrowserSession(session) => {
                session.value.portal.as_ref().map(|portal| &portal.begun_by)
            }
            Self::Token(admitted) => Some(&admitted.value),
        }
    }

    /// Returns the family of the caller's token or session. A log-in has none.
    pub fn family(&self) -> Option<Family> {
        match self {
            Self::LogIn { .. } | Self::Operator { .. } => None,
            Self::BrowserSession(session) => Some(session.value.family()),
            Self::Token(admitted) => Some(admitted.value.record.family.clone()),
        }
    }

    /// Returns the actor of what the caller changes.
    pub fn actor(&self) -> Actor<'_> {
        match self {
            Self::LogIn { user, .. } => Actor::User(user.value.id),
            Self::BrowserSession(session) => Actor::Session(session.value.user.id),
            Self::Operator { name, .. } => Actor::Operator(name),
            Self::Token(admitted) => Actor::Token(admitted.value.record.id),
        }
    }

    /// Returns the `issued_by` of the tokens that the caller creates.
    pub fn issued_by(&self) -> String {
        match self {
            Self::LogIn { .. } | Self::BrowserSession(_) => self.user().id.to_string(),
            Self::Operator { .. } => OPERATOR.to_owned(),
            Self::Token(admitted) => admitted.value.record.id.to_string(),
        }
    }

    /// Returns the time of the log-in that the caller descends from, or `now` for an operator.
    pub fn authenticated_at(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::LogIn { at, .. } => *at,
            Self::BrowserSession(session) => session.value.authenticated_at(),
            Self::Operator { .. } => now,
            Self::Token(admitted) => admitted.value.record.authenticated_at,
        }
    }

    /// Rejects a caller whose token is no longer live, with the reason. This costs a read, so it is
    /// called only after something went wrong.
    pub async fn must_be_live(&self, context: &Context<'_>) -> Result<(), Problem> {
        let Context { service, now, .. } = *context;
        let Some(before) = self.token() else { return Ok(()) };
        let id = before.record.id;
        let rejected = |rejection: Rejection| {
            Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(id)))
        };
        let found = service.store.reread(&before.record).await?;
        let record = found
            .record
            .filter(|record| record.id == id)
            .ok_or_else(|| rejected(Reason::Unknown.into()))?;
        lifecycle::readmit(record, found.user, now).map(|_| ()).map_err(rejected)
    }

    /// Returns the problem for a caller that lacks a permission.
    pub fn lacks_permission(&self, service: &Service) -> Problem {
        if self.token().is_some() {
            Problem::forbidden(&service.settings.issuer)
        } else {
            Problem::not_permitted()
        }
    }
}
