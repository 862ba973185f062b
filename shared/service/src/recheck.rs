//! The recheck that every route performs when it creates a token. After the write and before the
//! text is returned, everything the token is based on is read again with strong consistency: the
//! caller's record, user, session and permissions, the owner of the token, and the token that it
//! replaces. If anything no longer holds, the new record is withdrawn and the request is rejected.
//!
//! A change that was undone in between would go unnoticed. Therefore prune leaves a mark before it
//! reads the tokens of a changed user ([`hallpass_store::marks`]). The marks are read with the
//! user, and again in the recheck. Either prune finds the new record among the user's tokens, or
//! its mark was written before the record and is found here.
//!
//! Later changes are found by the first verification of the new token, which reads the record and
//! the user.
//!
//! A browser session and a log-in flow are rechecked in the same way between their write and their
//! cookie. Prune finds them among the user's tokens.

use crate::{Context, Service};
use hallpass_http::Problem;
use hallpass_store::{
    Rejected,
    marks::{ChangeMarks, Marked},
    sweep::Place,
};
use hallpass_token::{
    Admitted, Binding, Cause, Format, Reason, Record, Rejection, Scope, Status, Timestamp, User,
    lifecycle,
    user::attribute::{OIDC_IDENTITY, PASSWORD_HASH, STATUS, USERNAME},
};

use crate::{caller::Caller, expiry, rotation::is_within};

/// Everything that a new token is based on.
#[derive(Debug)]
pub struct Basis<'a> {
    /// The caller that creates the token.
    pub caller: &'a Caller,
    /// The owner of the token, if it is not the caller's own user.
    pub other: Option<&'a Marked<User>>,
    /// The permissions that the caller must hold.
    pub permissions: &'a [&'a str],
    /// Whether the caller must be a maintainer of the owner.
    pub as_maintainer: bool,
    /// The token that the new one replaces.
    pub old: Option<&'a Record>,
}

/// The current state of the caller.
struct Current {
    user: User,
    scope: Scope,
    /// The scope that no token exceeds whose text the caller receives.
    limit: Option<Scope>,
    /// The latest expiry of tokens that the caller creates.
    cap: Option<Timestamp>,
    marks: ChangeMarks,
}

impl Current {
    /// Returns whether the caller still manages the tokens of this account as one of its
    /// maintainers.
    fn maintains(&self, service: &Service, caller: &Caller, account: &User) -> bool {
        let manages = |token: &Admitted| service.manages_all_with(&token.record, &self.scope);
        self.limit.is_none()
            && caller.token().is_none_or(manages)
            && account.is_maintained_by(&self.user)
    }

    /// Returns the state of a caller with all permissions of this user.
    fn of(user: Marked<User>) -> Self {
        let Marked { value: user, marks } = user;
        Self { scope: user.permissions.clone(), user, limit: None, cap: None, marks }
    }
}

impl<'a> Basis<'a> {
    /// Returns the owner of the new token, as read before the write.
    pub fn owner(&self) -> &'a User {
        self.other.map_or_else(|| self.caller.user(), |other| &other.value)
    }

    /// Rechecks the basis of the token, and withdraws the new record if it no longer holds.
    pub async fn confirm(&self, context: &Context<'_>, new: &Record) -> Result<(), Problem> {
        let service = context.service;
        let confirmed = Box::pin(self.still_holds(context, new)).await;
        or_withdraw(service, new, confirmed, &context.cause(self.caller.actor())).await
    }

    async fn still_holds(&self, context: &Context<'_>, new: &Record) -> Result<(), Problem> {
        let service = context.service;
        let current = self.caller_now(context, new).await?;
        let generate = service.settings.generate_permission.as_deref();
        // Routes that require this permission checked it before. A caller that lost it meanwhile is
        // rejected on any route.
        let generate = generate.filter(|name| self.caller.scope().holds(name));
        if self.permissions.iter().copied().chain(generate).any(|name| !current.scope.holds(name)) {
            return Err(self.caller.lacks_permission(service));
        }
        let other = match self.other {
            None => None,
            Some(other) => Some(other_now(service, other, self.old.is_some()).await?),
        };
        let account = other.as_ref().filter(|_| self.as_maintainer);
        if account.is_some_and(|account| !current.maintains(service, self.caller, &account.value)) {
            return Err(self.caller.lacks_permission(service));
        }
        self.old_now(context, new, other.as_ref().map_or(&current.user, |other| &other.value))
            .await?;
        let binding = service.settings.session_binding();
        let left = |before: &User, marks: &ChangeMarks, later: &ChangeMarks| {
            marks.left_by(later, &binding.fingerprint(before))
        };
        let is_left = left(self.caller.user(), self.caller.marks(), &current.marks)
            || self
                .other
                .zip(other.as_ref())
                .is_some_and(|(before, now)| left(&before.value, &before.marks, &now.marks));
        let owner = other.as_ref().map_or(&current.user, |other| &other.value);
        if is_left
            || owner.status != Status::Active
            || new.binding.fingerprint(owner) != new.fingerprint
        {
            return Err(changed());
        }
        self.scope_now(service, new, &current, other.as_ref().map(|other| &other.value))
    }

    /// Reads the current state of the caller.
    async fn caller_now(&self, context: &Context<'_>, new: &Record) -> Result<Current, Problem> {
        let service = context.service;
        match self.caller {
            Caller::Token(before) => token_now(context, &before.value, new).await,
            Caller::BrowserSession(before) => {
                let session = before.value.again(context).await?;
                let marks = service.store.change_marks(&session.user.id).await?;
                let (scope, limit) = (session.scope().clone(), session.limit().cloned());
                let by = session.portal.as_ref().map(|portal| &portal.begun_by);
                let cap = by.and_then(|by| expiry::cap(service, &by.record, &by.scope));
                Ok(Current { user: session.user, scope, limit, cap, marks })
            }
            Caller::LogIn { user: before, .. } => {
                Ok(Current::of(logged_in_now(service, &before.value).await?))
            }
            Caller::Operator { user: before, .. } => {
                Ok(Current::of(other_now(service, before, self.old.is_some()).await?))
            }
        }
    }

    /// Checks that the replaced token was still live, for the current state of its user.
    async fn old_now(
        &self,
        context: &Context<'_>,
        new: &Record,
        owner: &User,
    ) -> Result<(), Problem> {
        let Context { service, now, .. } = *context;
        let Some(old) = self.old.filter(|_| new.replaces.is_some()) else {
            return Ok(());
        };
        // A token that rotates itself was rechecked as the caller.
        if self.caller.token().is_some_and(|caller| caller.record.id == old.id) {
            return Ok(());
        }
        let rejected = |rejection: Rejection| {
            Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(old.id)))
        };
        let record =
            service.store.record(&old.id).await?.ok_or_else(|| rejected(Reason::Unknown.into()))?;
        if record.replaced_by != Some(new.id.hash) {
            let reason = lifecycle::state(&record, Some(owner), now).reason();
            return Err(rejected(reason.unwrap_or(Reason::Replaced).into()));
        }
        lifecycle::readmit(record, Some(owner.clone()), now).map(|_| ()).map_err(rejected)
    }

    /// Checks that the caller can still grant the scope and the expiry of the new token, and manage
    /// the replaced one.
    fn scope_now(
        &self,
        service: &Service,
        new: &Record,
        current: &Current,
        other: Option<&User>,
    ) -> Result<(), Problem> {
        let scope = &current.scope;
        let outlives = current.cap.is_some_and(|cap| new.expires_at.is_none_or(|end| end > cap));
        let manages = self.caller.token().is_none_or(|caller| {
            let is_own = self.old.is_some_and(|old| old.id == caller.record.id);
            is_own || self.old.is_none_or(|old| service.manages_with(&caller.record, scope, old))
        });
        let exceeds = current.limit.as_ref().is_some_and(|limit| !is_within(new, limit));
        if outlives || !manages || exceeds {
            return Err(self.caller.lacks_permission(service));
        }
        // A rotated token keeps its settings, even if its user's permissions have changed.
        let limit = if new.replaces.is_some() { None } else { new.scope.as_ref() };
        let most = other.map_or(scope, |user| &user.permissions);
        if limit.is_some_and(|limit| limit.intersection(most) != *limit) {
            return Err(self.caller.lacks_permission(service));
        }
        Ok(())
    }
}

/// Withdraws the new record if the result is an error.
pub async fn or_withdraw(
    service: &Service,
    new: &Record,
    response: Result<(), Problem>,
    cause: &Cause<'_>,
) -> Result<(), Problem> {
    if response.is_err() {
        service.store.withdraw(new, cause).await?;
    }
    response
}

/// Rechecks the user whose log-in began a session or log-in flow. Removes the session or flow if
/// the log-in would no longer be accepted, or if the user was changed meanwhile, even if the change
/// was undone.
pub async fn confirm_log_in(
    service: &Service,
    caller: &Caller,
    begun: &Place,
) -> Result<(), Problem> {
    let confirmed = Box::pin(still_logs_in(service, caller)).await;
    if confirmed.is_err() {
        service.store.remove_session(begun).await?;
    }
    confirmed
}

async fn still_logs_in(service: &Service, caller: &Caller) -> Result<(), Problem> {
    let before = caller.user();
    let Marked { value: user, marks } = logged_in_now(service, before).await?;
    if service
        .settings
        .generate_permission
        .as_deref()
        .is_some_and(|name| !user.permissions.holds(name))
    {
        return Err(Problem::not_permitted());
    }
    if caller.marks().left_by(&marks, &service.settings.session_binding().fingerprint(before)) {
        return Err(Problem::conflict("The user was changed during the log-in. Try again"));
    }
    Ok(())
}

/// Reads the current state of a user who logged in, with the change marks.
async fn logged_in_now(service: &Service, before: &User) -> Result<Marked<User>, Problem> {
    let again = service.store.marked_user(&before.id).await?;
    let again = again.filter(|again| is_same(service, before, &again.value));
    again.ok_or_else(|| Problem::invalid_credentials(&service.settings.issuer))
}

/// Reads the current state of the caller's token.
async fn token_now(
    context: &Context<'_>,
    before: &Admitted,
    new: &Record,
) -> Result<Current, Problem> {
    let Context { service, now, .. } = *context;
    let id = before.record.id;
    let rejected = |rejection: Rejection| {
        Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(id)))
    };
    let found = service.store.reread(&before.record).await?;
    // A developer token that regenerated itself was live at that time, and the new one is now in
    // its place.
    let regenerates_itself =
        before.record.format == Format::Developer && new.format == Format::Developer;
    let record =
        found.record.filter(|record| record.id == if regenerates_itself { new.id } else { id });
    let record = record.ok_or_else(|| rejected(Reason::Unknown.into()))?;
    let admitted = lifecycle::readmit(record, found.user, now).map_err(rejected)?;
    let cap = expiry::cap(service, &before.record, &admitted.scope);
    let Admitted { user, scope, .. } = admitted;
    Ok(Current { user, scope, limit: None, cap, marks: found.marks })
}

/// Reads the current state of the token's owner. If the new token replaces another, the check of
/// that token decides whether a blocked owner is rejected.
async fn other_now(
    service: &Service,
    before: &Marked<User>,
    replaces: bool,
) -> Result<Marked<User>, Problem> {
    let again = service.store.marked_user(&before.value.id).await?;
    let again = again.ok_or_else(|| Problem::conflict("There is no such user"))?;
    if again.value.status == Status::Blocked && !replaces {
        return Err(Problem::conflict("The user is blocked"));
    }
    Ok(again)
}

/// Returns whether a user who logged in could still do so: active, with the same name, password and
/// identity.
fn is_same(service: &Service, before: &User, now: &User) -> bool {
    let names = [USERNAME, PASSWORD_HASH, STATUS, OIDC_IDENTITY].map(str::to_owned);
    let binding =
        Binding::new(service.settings.session_binding().names().iter().cloned().chain(names));
    now.status == Status::Active && binding.fingerprint(before) == binding.fingerprint(now)
}

fn changed() -> Problem {
    Problem::conflict("The user was changed while the token was being created. Try again")
}
