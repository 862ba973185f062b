//! Who asks for a token: a user with a password, checked under the rate limit, or the holder of a live token.

use edge::{Problem, Service, caller, entropy::Randomness, gateway};
use lambda_http::Request;
use page::WebSession;
use store::{
    Failure, Rejected,
    marks::{ChangeMarks, Marked},
};
use token::{Admitted, Credential, Family, Reason, Rejection, Scope, Timestamp, User, credential::Login, lifecycle};

use crate::{operator, password::check_password};

/// Who asks.
pub(crate) enum Caller {
    /// A person or program that showed this user's password.
    Password {
        /// The user.
        user: Box<Marked<User>>,
        /// When the password was checked.
        checked_at: Timestamp,
    },
    /// Somebody who is signed in with a browser.
    WebSession(Box<Marked<WebSession>>),
    /// Whoever runs the stack, for this user.
    Operator(Box<Marked<User>>),
    /// The holder of this live token.
    Token(Box<Marked<Admitted>>),
}

impl Caller {
    /// The caller of a route that takes passwords, by the request's credential. `HALLPASS_GENERATE_PASSWORD`
    /// leaves live tokens only, and `HALLPASS_GENERATE_PERMISSION` holds for both.
    pub(crate) async fn of(
        service: &Service,
        request: &Request,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<Self, Problem> {
        let caller = match caller::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(text) => Self::Token(Box::new(caller::admit_text_to_issue(service, &text, now).await?)),
            Credential::Login(login) => Self::of_login(service, login, request, now, randomness).await?,
        };
        caller.permitted(service)
    }

    /// The same for a route that takes passwords alone.
    pub(crate) async fn of_password(
        service: &Service,
        request: &Request,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<Self, Problem> {
        match caller::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
            Credential::Login(login) => {
                Self::of_login(service, login, request, now, randomness).await?.permitted(service)
            }
        }
    }

    async fn of_login(
        service: &Service,
        login: Login,
        request: &Request,
        now: Timestamp,
        randomness: &Randomness,
    ) -> Result<Self, Problem> {
        if !service.settings.generate_takes_passwords {
            return Err(Problem::invalid_credentials(&service.settings.issuer));
        }
        let user = check_password(service, login, &gateway::source_ip(request), now, randomness).await?;
        Ok(Self::Password { user: Box::new(user), checked_at: now })
    }

    /// The caller, if `HALLPASS_GENERATE_PERMISSION` asks for nothing that the caller lacks.
    pub(crate) fn permitted(self, service: &Service) -> Result<Self, Problem> {
        let permission = service.settings.generate_permission.as_deref();
        if permission.is_some_and(|name| !self.scope().holds(name)) {
            return Err(Problem::not_permitted());
        }
        Ok(self)
    }

    /// The holder of the live token that the request carries; a password is not taken.
    pub(crate) async fn of_token(service: &Service, request: &Request, now: Timestamp) -> Result<Self, Problem> {
        Ok(Self::Token(Box::new(caller::admit_to_issue(service, request.headers(), now).await?)))
    }

    /// The caller of a form of the pages.
    pub(crate) async fn of_web_session(service: &Service, session: &WebSession) -> Result<Self, Failure> {
        let marks = service.store.change_marks(&session.user.id).await?;
        Ok(Self::WebSession(Box::new(Marked { value: session.clone(), marks })))
    }

    pub(crate) fn user(&self) -> &User {
        match self {
            Self::Password { user, .. } | Self::Operator(user) => &user.value,
            Self::WebSession(session) => &session.value.user,
            Self::Token(admitted) => &admitted.value.user,
        }
    }

    /// What the caller may do now: nothing handed out exceeds it.
    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Password { .. } | Self::Operator(_) | Self::WebSession(_) => &self.user().permissions,
            Self::Token(admitted) => &admitted.value.scope,
        }
    }

    /// The marks of the caller's user, as they were when the user was read.
    pub(crate) fn marks(&self) -> &ChangeMarks {
        match self {
            Self::Password { user, .. } | Self::Operator(user) => &user.marks,
            Self::WebSession(session) => &session.marks,
            Self::Token(admitted) => &admitted.marks,
        }
    }

    pub(crate) fn token(&self) -> Option<&Admitted> {
        match self {
            Self::Password { .. } | Self::WebSession(_) | Self::Operator(_) => None,
            Self::Token(admitted) => Some(&admitted.value),
        }
    }

    /// The family behind what the caller issues: that of its token or of its session. A password has none.
    pub(crate) fn family(&self) -> Option<Family> {
        match self {
            Self::Password { .. } | Self::Operator(_) => None,
            Self::WebSession(session) => Some(session.value.family()),
            Self::Token(admitted) => Some(admitted.value.record.family.clone()),
        }
    }

    /// What the record of a new token says of who made it.
    pub(crate) fn issued_by(&self) -> String {
        match self {
            Self::Password { .. } | Self::WebSession(_) => self.user().id.to_string(),
            Self::Operator(_) => operator::ISSUED_BY.to_owned(),
            Self::Token(admitted) => admitted.value.record.id.to_string(),
        }
    }

    /// When the user showed the password that everything here goes back to, or now for an operator.
    pub(crate) fn authenticated_at(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Password { checked_at, .. } => *checked_at,
            Self::WebSession(session) => session.value.started_at,
            Self::Operator(_) => now,
            Self::Token(admitted) => admitted.value.record.authenticated_at,
        }
    }

    /// Rejects a caller whose token has ended meanwhile, and says why. It costs a read, so that it is for what went
    /// wrong.
    pub(crate) async fn must_be_live(&self, service: &Service, now: Timestamp) -> Result<(), Problem> {
        let Some(before) = self.token() else { return Ok(()) };
        let id = before.record.id;
        let rejected =
            |rejection: Rejection| Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(id)));
        let found = service.store.reread(&before.record).await?;
        let record = found.record.filter(|record| record.id == id).ok_or_else(|| rejected(Reason::Unknown.into()))?;
        lifecycle::readmit(record, found.user, now).map(|_| ()).map_err(rejected)
    }

    /// The caller has not, or no longer, the permission that something takes.
    pub(crate) fn lacks_permission(&self, service: &Service) -> Problem {
        if self.token().is_some() { Problem::forbidden(&service.settings.issuer) } else { Problem::not_permitted() }
    }
}
