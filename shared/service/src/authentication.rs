//! Authenticates the caller of a request. Routes that manage tokens verify the credential
//! themselves, because API Gateway may have reused a cached authorizer response.

use std::time::Duration;

use hallpass_runtime::Event;
use hallpass_store::{Failure, Rejected, Verification, marks::Marked};
use hallpass_token::{
    Actor, Admitted, Cause, Credential, Issuer, Origin, Reason, Record, Scope, Text, Timestamp,
    TokenId, User, UserId, credential::Unusable, lifecycle,
};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};

use crate::{Context, Service};
use hallpass_http::Problem;

/// The time limit of a write that no response depends on.
const NOTE_LIMIT: Duration = Duration::from_millis(300);

/// Returns the credential of a request.
///
/// # Errors
/// Returns 400 if the request carries more than one credential, and 401 if it carries none or a
/// malformed one.
pub fn credential(headers: &HeaderMap, issuer: &Issuer) -> Result<Credential, Problem> {
    let malformed = || Problem::rejected(issuer, &Rejected::new(Reason::Malformed, None));
    let values = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str());
    let values = values.collect::<Result<Vec<_>, _>>().map_err(|_| malformed())?;
    match Credential::from_header(values) {
        Ok(Some(credential)) => Ok(credential),
        Ok(None) => Err(Problem::unauthenticated(issuer)),
        Err(Unusable::Doubled) => Err(Problem::doubled_credentials(issuer)),
        Err(Unusable::Malformed) => Err(malformed()),
    }
}

/// Rejects a request whose only credential is a cookie. A browser sends cookies with requests that
/// other sites cause.
///
/// # Errors
/// Returns 403 if the request has a cookie and no `Authorization` header.
pub fn reject_cookie_alone(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(COOKIE) && !headers.contains_key(AUTHORIZATION) {
        return Err(Problem::not_permitted());
    }
    Ok(())
}

/// Verifies the token that a request carries. Passwords are rejected.
///
/// # Errors
/// Returns 400 or 401 with the rejection reason, and 503 if the token cannot be verified.
pub async fn admit(context: &Context<'_>, headers: &HeaderMap) -> Result<Admitted, Problem> {
    let service = context.service;
    match credential(headers, &service.settings.issuer)? {
        Credential::Token(text) => admit_text(context, &text).await,
        Credential::Login(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
    }
}

/// Verifies the text of the token that a request carries.
///
/// # Errors
/// Returns 401 with the rejection reason, and 503 if the token cannot be verified.
pub async fn admit_text(context: &Context<'_>, text: &Text) -> Result<Admitted, Problem> {
    let Context { service, now, .. } = *context;
    let issuer = &service.settings.issuer;
    let keyring = service.keyring(now).await?;
    let verified = service.store.verify(&keyring, issuer, text, now).await?;
    let admitted = accepted(context, verified).await?;
    service.finish_rotation(&admitted, now, context.origin).await?;
    context.accepted(admitted.record.expires_at);
    Ok(admitted)
}

/// Verifies the token that a request carries, for a route that creates a token. Also returns the
/// change marks of the user.
///
/// # Errors
/// Returns the same errors as [`admit`].
pub async fn admit_to_issue(
    context: &Context<'_>,
    headers: &HeaderMap,
) -> Result<Marked<Admitted>, Problem> {
    let service = context.service;
    match credential(headers, &service.settings.issuer)? {
        Credential::Token(text) => admit_text_to_issue(context, &text).await,
        Credential::Login(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
    }
}

/// Verifies the text of the token that a request carries, for a route that creates a token. Also
/// returns the change marks of the user.
///
/// # Errors
/// Returns the same errors as [`admit_text`].
pub async fn admit_text_to_issue(
    context: &Context<'_>,
    text: &Text,
) -> Result<Marked<Admitted>, Problem> {
    let Context { service, now, .. } = *context;
    let issuer = &service.settings.issuer;
    let keyring = service.keyring(now).await?;
    let verified = service.store.verify_to_issue(&keyring, issuer, text, now).await?;
    let marked = accepted(context, verified).await?;
    service.finish_rotation(&marked.value, now, context.origin).await?;
    context.accepted(marked.value.record.expires_at);
    Ok(marked)
}

/// Returns what was accepted. Records the use of a replaced token.
async fn accepted<T>(context: &Context<'_>, verified: Verification<T>) -> Result<T, Problem> {
    let Context { service, now, origin, .. } = *context;
    match verified.accepted() {
        Ok(accepted) => Ok(accepted),
        Err(rejected) => {
            service.record_reuse(&rejected, now, origin).await;
            Err(Problem::rejected(&service.settings.issuer, &rejected))
        }
    }
}

impl Service {
    /// Records the first use of a token after its replacement, which shows that it was copied. Does
    /// nothing for another rejection. The rejection does not depend on it.
    pub async fn record_reuse(&self, rejected: &Rejected, now: Timestamp, origin: Origin<'_>) {
        let (Some(format), Some(id)) = (rejected.reused, rejected.token_id) else { return };
        let cause = Cause { at: now, actor: Actor::Token(id), origin, reason: None };
        let recording =
            tokio::time::timeout(NOTE_LIMIT, self.store.record_reuse(id, format, &cause));
        if let Ok(Err(failure)) = recording.await {
            Event::Failed(&failure).log(&cause);
        }
    }

    /// Records the hour and the origin of the last use. The response does not depend on it.
    pub async fn record_last_used(&self, record: &Record, now: Timestamp, origin: Origin<'_>) {
        let recording = self.store.record_last_used(record, now, origin);
        // Bounded, so that it does not delay the response for long.
        if let Ok(Err(failure)) = tokio::time::timeout(NOTE_LIMIT, recording).await {
            Event::Failed(&failure).log_from(origin);
        }
    }

    /// Completes the rotation of a token on the first use of its successor: the replaced token
    /// expires before the successor is accepted. Does nothing for a token that replaces no other.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn finish_rotation(
        &self,
        admitted: &Admitted,
        now: Timestamp,
        origin: Origin<'_>,
    ) -> Result<(), Failure> {
        if admitted.record.replaces.is_none() {
            return Ok(());
        }
        let purge_at = lifecycle::purge_replaced_at(now, self.settings.record_retention);
        let actor = Actor::Token(admitted.record.id);
        let cause = Cause { at: now, actor, origin, reason: None };
        self.store.finish_rotation(&admitted.record, purge_at, &cause).await
    }

    /// Returns whether this scope holds `HALLPASS_ADMIN_PERMISSION`.
    pub fn is_administrator(&self, scope: &Scope) -> bool {
        scope.holds(&self.settings.admin_permission)
    }

    /// Returns whether the caller can manage all tokens of its user, not only itself and those it
    /// issued. This takes a token without a scope, or a scope with `HALLPASS_TOKENS_PERMISSION` or
    /// `HALLPASS_ADMIN_PERMISSION`.
    pub fn manages_all(&self, caller: &Admitted) -> bool {
        self.manages_all_with(&caller.record, &caller.scope)
    }

    pub(crate) fn manages_all_with(&self, record: &Record, scope: &Scope) -> bool {
        record.scope.is_none()
            || scope.holds(&self.settings.tokens_permission)
            || self.is_administrator(scope)
    }

    /// Returns whether the caller can manage the tokens of this user: its own, those of any user as
    /// an administrator, or those of a service account as one of its maintainers. The last takes a
    /// token that can manage all tokens of the maintainer.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn manages_user(&self, caller: &Admitted, id: &UserId) -> Result<bool, Failure> {
        if *id == caller.user.id || self.is_administrator(&caller.scope) {
            return Ok(true);
        }
        if !self.manages_all(caller) || !caller.user.maintained().contains(id) {
            return Ok(false);
        }
        let account = self.store.user(id).await?;
        Ok(account.is_some_and(|account| account.is_maintained_by(&caller.user)))
    }

    /// Returns the record of the token that a route names. The ID `current` names the caller's own
    /// token.
    ///
    /// # Errors
    /// Returns 404 if the token does not exist or the caller cannot manage it, and 503 if DynamoDB
    /// cannot be read.
    pub async fn managed(&self, caller: &Admitted, id: &str) -> Result<Record, Problem> {
        let id = match id {
            "current" => caller.record.id,
            text => text.parse::<TokenId>().map_err(|_| Problem::not_found())?,
        };
        if !self.manages_user(caller, &id.user_id).await? {
            return Err(Problem::not_found());
        }
        let record = self.store.record(&id).await?.ok_or_else(Problem::not_found)?;
        if self.manages(caller, &record) { Ok(record) } else { Err(Problem::not_found()) }
    }

    /// Returns the user of a record. If the record belongs to the caller's user, this is the user
    /// as verified, without another read.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn owner(&self, caller: &Admitted, record: &Record) -> Result<Option<User>, Failure> {
        if record.id.user_id == caller.user.id {
            return Ok(Some(caller.user.clone()));
        }
        self.store.user(&record.id.user_id).await
    }

    /// Returns whether the caller's token can manage another token of the same user.
    pub fn manages(&self, caller: &Admitted, other: &Record) -> bool {
        self.manages_with(&caller.record, &caller.scope, other)
    }

    /// Returns whether the token with this record and this current scope can manage another token
    /// of the same user.
    pub fn manages_with(&self, caller: &Record, scope: &Scope, other: &Record) -> bool {
        self.manages_all_with(caller, scope)
            || other.id == caller.id
            || other.issued_by == caller.id.to_string()
    }
}
