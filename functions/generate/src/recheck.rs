//! The second look: the one rule for every route that creates a token. After the write and before the text is shown,
//! everything that the token was made on is strongly read again: the caller's record, user, session and permissions,
//! the user that the token is for, and the token that it takes the place of. If any of it no longer holds, the new
//! record is withdrawn and the request is rejected.
//!
//! A change that was undone in between looks like none. So prune leaves a mark before it looks at the tokens of a
//! changed user ([`store::marks`]), which is read with the user and once more now. Either prune has found the new
//! record among the user's tokens, or its mark was there before the record was written and is seen here.
//!
//! What happens after this look is seen by the first verification of the new token, which reads record and user.
//!
//! A browser session and a log-in flow are looked at in the same way between their write and their cookie: prune finds
//! them among the user's tokens.

use edge::{Problem, Service};
use store::{
    Rejected,
    marks::{ChangeMarks, Marked},
    sweep::Place,
};
use token::{
    Admitted, Binding, Format, Reason, Record, Rejection, Scope, Status, Timestamp, User, lifecycle,
    user::attribute::{PASSWORD_HASH, STATUS, USERNAME},
};

use crate::{caller::Caller, expiry};

/// What a new token is made on.
pub(crate) struct Basis<'a> {
    /// Who asks.
    pub(crate) caller: &'a Caller,
    /// Whose the token will be, if it is another user than the caller's own.
    pub(crate) other: Option<&'a Marked<User>>,
    /// The permissions that the caller must have for it.
    pub(crate) permissions: &'a [&'a str],
    /// The token whose place it takes.
    pub(crate) old: Option<&'a Record>,
}

/// What there is now of the caller.
struct Current {
    user: User,
    scope: Scope,
    marks: ChangeMarks,
}

impl<'a> Basis<'a> {
    /// Whose the new token will be, as the user was read before the write.
    pub(crate) fn owner(&self) -> &'a User {
        self.other.map_or_else(|| self.caller.user(), |other| &other.value)
    }

    /// Looks again, and withdraws the new record if the token was made on what no longer holds.
    pub(crate) async fn confirm(&self, service: &Service, new: &Record, now: Timestamp) -> Result<(), Problem> {
        let confirmed = Box::pin(self.still_holds(service, new, now)).await;
        or_withdraw(service, new, confirmed).await
    }

    async fn still_holds(&self, service: &Service, new: &Record, now: Timestamp) -> Result<(), Problem> {
        let current = self.caller_now(service, new, now).await?;
        let generate = service.settings.generate_permission.as_deref();
        // What asks for this permission found it before; who had it and lost it meanwhile gets nothing either way.
        let generate = generate.filter(|name| self.caller.scope().holds(name));
        if self.permissions.iter().copied().chain(generate).any(|name| !current.scope.holds(name)) {
            return Err(self.caller.lacks_permission(service));
        }
        let other = match self.other {
            None => None,
            Some(other) => Some(other_now(service, other, self.old.is_some()).await?),
        };
        self.old_now(service, new, other.as_ref().map_or(&current.user, |other| &other.value), now).await?;
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
        if is_left || owner.status != Status::Active || new.binding.fingerprint(owner) != new.fingerprint {
            return Err(changed());
        }
        self.scope_now(service, new, &current.scope, other.as_ref().map(|other| &other.value))
    }

    /// The caller as it is now.
    async fn caller_now(&self, service: &Service, new: &Record, now: Timestamp) -> Result<Current, Problem> {
        match self.caller {
            Caller::Token(before) => token_now(service, &before.value, new, now).await,
            Caller::WebSession(before) => {
                let user = before.value.again(service, now).await?.user;
                let marks = service.store.change_marks(&user.id).await?;
                Ok(Current { scope: user.permissions.clone(), user, marks })
            }
            Caller::Password { user: before, .. } => {
                let Marked { value: user, marks } = logged_in_now(service, &before.value).await?;
                Ok(Current { scope: user.permissions.clone(), user, marks })
            }
            Caller::Operator(before) => {
                let Marked { value: user, marks } = other_now(service, before, self.old.is_some()).await?;
                Ok(Current { scope: user.permissions.clone(), user, marks })
            }
        }
    }

    /// The token whose place the new one takes must still be live, for the user as it is now, and the caller's to
    /// manage.
    async fn old_now(&self, service: &Service, new: &Record, owner: &User, now: Timestamp) -> Result<(), Problem> {
        let Some(old) = self.old.filter(|_| new.replaces.is_some()) else {
            return Ok(());
        };
        // What rotates itself was looked at as the caller.
        if self.caller.token().is_some_and(|caller| caller.record.id == old.id) {
            return Ok(());
        }
        let rejected =
            |rejection: Rejection| Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(old.id)));
        let record = service.store.record(&old.id).await?.ok_or_else(|| rejected(Reason::Unknown.into()))?;
        if record.replaced_by != Some(new.id.hash) {
            let reason = lifecycle::state(&record, Some(owner), now).reason();
            return Err(rejected(reason.unwrap_or(Reason::Replaced).into()));
        }
        lifecycle::readmit(in_its_place(record, new), Some(owner.clone()), now).map(|_| ()).map_err(rejected)
    }

    /// What the new token may do and how long it lives must still be the caller's to give.
    fn scope_now(&self, service: &Service, new: &Record, scope: &Scope, other: Option<&User>) -> Result<(), Problem> {
        if let Some(caller) = self.caller.token() {
            let cap = expiry::cap(service, &caller.record, scope);
            let outlives = cap.is_some_and(|cap| new.expires_at.is_none_or(|end| end > cap));
            let is_own = self.old.is_some_and(|old| old.id == caller.record.id);
            let manages = is_own || self.old.is_none_or(|old| service.manages_with(&caller.record, scope, old));
            if outlives || !manages {
                return Err(Problem::forbidden(&service.settings.issuer));
            }
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

/// Withdraws the new record if the answer is no.
pub(crate) async fn or_withdraw(service: &Service, new: &Record, response: Result<(), Problem>) -> Result<(), Problem> {
    if response.is_err() {
        service.store.withdraw(new).await?;
    }
    response
}

/// Looks again at whose password began this session or log-in flow, and removes it if the password would begin none any
/// more, or if the user was changed meanwhile, be it for a moment.
pub(crate) async fn confirm_log_in(service: &Service, caller: &Caller, begun: &Place) -> Result<(), Problem> {
    let confirmed = Box::pin(still_logs_in(service, caller)).await;
    if confirmed.is_err() {
        service.store.remove_session(begun).await?;
    }
    confirmed
}

async fn still_logs_in(service: &Service, caller: &Caller) -> Result<(), Problem> {
    let before = caller.user();
    let Marked { value: user, marks } = logged_in_now(service, before).await?;
    if service.settings.generate_permission.as_deref().is_some_and(|name| !user.permissions.holds(name)) {
        return Err(Problem::not_permitted());
    }
    if caller.marks().left_by(&marks, &service.settings.session_binding().fingerprint(before)) {
        return Err(Problem::conflict("The user was changed meanwhile. Try again"));
    }
    Ok(())
}

/// The user who showed a password, as it is now, with its marks.
async fn logged_in_now(service: &Service, before: &User) -> Result<Marked<User>, Problem> {
    let again = service.store.marked_user(&before.id).await?;
    let again = again.filter(|again| is_same(service, before, &again.value));
    again.ok_or_else(|| Problem::invalid_credentials(&service.settings.issuer))
}

/// The token that asks, as it is now.
async fn token_now(service: &Service, before: &Admitted, new: &Record, now: Timestamp) -> Result<Current, Problem> {
    let id = before.record.id;
    let rejected =
        |rejection: Rejection| Problem::rejected(&service.settings.issuer, &Rejected::new(rejection, Some(id)));
    let found = service.store.reread(&before.record).await?;
    // A developer token that regenerates itself has put the new one into its own place, if it was live then.
    let regenerates_itself = before.record.format == Format::Developer && new.format == Format::Developer;
    let record = found.record.filter(|record| record.id == if regenerates_itself { new.id } else { id });
    let record = record.ok_or_else(|| rejected(Reason::Unknown.into()))?;
    let admitted = lifecycle::readmit(in_its_place(record, new), found.user, now).map_err(rejected)?;
    Ok(Current { user: admitted.user, scope: admitted.scope, marks: found.marks })
}

/// The record as it was before the new token took its place.
fn in_its_place(record: Record, new: &Record) -> Record {
    if record.replaced_by == Some(new.id.hash) {
        return Record { replaced_by: None, replaced_at: None, ..record };
    }
    record
}

/// The user that the token is for, as it is now. What becomes of one who was changed is told by the token whose place
/// the new one takes, if there is one.
async fn other_now(service: &Service, before: &Marked<User>, replaces: bool) -> Result<Marked<User>, Problem> {
    let again = service.store.marked_user(&before.value.id).await?;
    let again = again.ok_or_else(|| Problem::conflict("There is no such user"))?;
    if again.value.status == Status::Blocked && !replaces {
        return Err(Problem::conflict("The user is blocked"));
    }
    Ok(again)
}

/// Whether a user who showed a password could do so now: it is the same password, for the same name.
fn is_same(service: &Service, before: &User, now: &User) -> bool {
    let names = [USERNAME, PASSWORD_HASH, STATUS].map(str::to_owned);
    let binding = Binding::new(service.settings.session_binding().names().iter().cloned().chain(names));
    now.status == Status::Active && binding.fingerprint(before) == binding.fingerprint(now)
}

fn changed() -> Problem {
    Problem::conflict("The user was changed while the token was being created. Try again")
}
