//! Who asks for a token: somebody with a password, checked under the limiter, or the holder of a live token.

use edge::{Problem, Service, caller, gateway};
use lambda_http::Request;
use login::{NameKey, pace::Counters, password};
use page::Visit;
use store::{
    Failure,
    attempts::{self, Pace},
};
use token::{Admitted, Credential, Scope, Status, Timestamp, User, credential::Login};

use crate::operator;

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
    /// Whoever the request's credential shows.
    pub(crate) async fn of(service: &Service, request: &Request, now: Timestamp) -> Result<Self, Problem> {
        match caller::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(text) => Ok(Self::Token(Box::new(caller::admit_text(service, &text, now).await?))),
            Credential::Login(login) => {
                let user = check_password(service, login, &gateway::source_ip(request), now).await?;
                Ok(Self::Password(Box::new(user)))
            }
        }
    }

    /// Whoever knows the password that the request carries; a token is not taken.
    pub(crate) async fn of_password(service: &Service, request: &Request, now: Timestamp) -> Result<Self, Problem> {
        match caller::credential(request.headers(), &service.settings.issuer)? {
            Credential::Token(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
            Credential::Login(login) => {
                let user = check_password(service, login, &gateway::source_ip(request), now).await?;
                Ok(Self::Password(Box::new(user)))
            }
        }
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

/// Counts the attempt, then looks for the user, then spends one hash, whoever it is, and only then says yes or no.
pub(crate) async fn check_password(
    service: &Service,
    login: Login,
    source_ip: &str,
    now: Timestamp,
) -> Result<User, Problem> {
    let name = NameKey::new(login.username());
    let counters = Counters::new(&name, source_ip, attempts::window(now));
    if let Pace::Wait(wait) = service.store.count_attempt(&counters, now).await? {
        return Err(Problem::too_many_requests(wait));
    }
    let user = find(service, &name).await?;
    // An unknown, blocked or directory user has no hash to check; a dummy takes its place.
    let phc = user.as_ref().filter(|user| user.status == Status::Active).and_then(|user| user.password_hash());
    let phc = phc.map(str::to_owned);
    let checking = tokio::task::spawn_blocking(move || password::verify(login.reveal_password(), phc.as_deref()));
    let is_right = checking.await.map_err(|error| Failure::new("checking the password", error))?;
    match user.filter(|_| is_right) {
        Some(user) => {
            service.store.clear_attempts(&counters).await?;
            Ok(user)
        }
        None => Err(Problem::invalid_credentials(&service.settings.issuer)),
    }
}

/// The one user of this name. The index is a pointer that may lag, so that the user itself is read and its name compared.
async fn find(service: &Service, name: &NameKey) -> Result<Option<User>, Failure> {
    if !name.is_usable() {
        return Ok(None);
    }
    let ids = service.store.ids_by_name(name.as_str()).await?;
    let [id] = ids.as_slice() else {
        return Ok(None);
    };
    let user = service.store.user(id).await?;
    Ok(user.filter(|user| NameKey::new(&user.username) == *name))
}
