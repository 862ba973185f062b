//! Who asks for a token: somebody with a password, checked under the rate limit, or the holder of a live token.

use edge::{Problem, Service, caller, entropy::Draw, gateway};
use lambda_http::Request;
use page::Visit;
use token::{Admitted, Credential, Scope, Timestamp, User, credential::Login};

use crate::{operator, password::check_password};

/// Who asks.
pub(crate) enum Caller {
    /// Somebody who knows this user's password.
    Password(Box<User>),
    /// Somebody who is signed in with a browser.
    Visit(Box<Visit>),
    /// Whoever runs the stack, for this user.
    Operator(Box<User>),
    /// The holder of this live token.
    Token(Box<Admitted>),
}

impl Caller {
    /// The caller of a route that takes passwords: whoever the request's credential shows. `HALLPASS_GENERATE_PASSWORD`
    /// leaves live tokens only, and `HALLPASS_GENERATE_PERMISSION` holds for both.
    pub(crate) async fn of(service: &Service, request: &Request, now: Timestamp, draw: &Draw) -> Result<Self, Problem> {
        let caller = match caller::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(text) => Self::Token(Box::new(caller::admit_text(service, &text, now).await?)),
            Credential::Login(login) => Self::of_login(service, login, request, now, draw).await?,
        };
        caller.permitted(service)
    }

    /// The same for a route that takes passwords alone.
    pub(crate) async fn of_password(
        service: &Service,
        request: &Request,
        now: Timestamp,
        draw: &Draw,
    ) -> Result<Self, Problem> {
        match caller::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
            Credential::Login(login) => Self::of_login(service, login, request, now, draw).await?.permitted(service),
        }
    }

    async fn of_login(
        service: &Service,
        login: Login,
        request: &Request,
        now: Timestamp,
        draw: &Draw,
    ) -> Result<Self, Problem> {
        if !service.settings.generate_takes_passwords {
            return Err(Problem::invalid_credentials(&service.settings.issuer));
        }
        let user = check_password(service, login, &gateway::source_ip(request), now, draw).await?;
        Ok(Self::Password(Box::new(user)))
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
        Ok(Self::Token(Box::new(caller::admit(service, request.headers(), now).await?)))
    }

    pub(crate) fn user(&self) -> &User {
        match self {
            Self::Password(user) | Self::Operator(user) => user,
            Self::Visit(visit) => &visit.user,
            Self::Token(admitted) => &admitted.user,
        }
    }

    /// What the caller may do now: nothing handed out exceeds it.
    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Password(user) | Self::Operator(user) => &user.permissions,
            Self::Visit(visit) => &visit.user.permissions,
            Self::Token(admitted) => &admitted.scope,
        }
    }

    pub(crate) fn token(&self) -> Option<&Admitted> {
        match self {
            Self::Password(_) | Self::Visit(_) | Self::Operator(_) => None,
            Self::Token(admitted) => Some(admitted),
        }
    }

    /// What the record of a new token says of who made it.
    pub(crate) fn issued_by(&self) -> String {
        match self {
            Self::Password(user) => user.id.to_string(),
            Self::Visit(visit) => visit.user.id.to_string(),
            Self::Operator(_) => operator::ISSUED_BY.to_owned(),
            Self::Token(admitted) => admitted.record.id.to_string(),
        }
    }

    pub(crate) fn visit(&self) -> Option<&Visit> {
        match self {
            Self::Visit(visit) => Some(visit),
            Self::Password(_) | Self::Operator(_) | Self::Token(_) => None,
        }
    }
}
