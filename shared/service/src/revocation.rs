//! Revokes, disables and enables tokens.
//!
//! Needs the tables and two numbers, and neither a key nor any other setting, so that revoking
//! works when the rest is broken.

use std::time::Duration;

use hallpass_http::Problem;
use hallpass_runtime::Event;
use hallpass_store::{
    Failure, Store,
    marking::{Invalidate, Mark},
    tokens::Marked,
    users::Written,
};
use hallpass_token::{
    Actor, Cause, Format, Note, Reason, Record, Revocation, TokenId, UserId, lifecycle,
};

use crate::Context;

/// Revokes tokens at one time, and logs an event for each.
#[derive(Clone, Copy, Debug)]
pub struct Revoker<'a> {
    /// Access to the DynamoDB tables.
    pub store: &'a Store,
    /// The record retention.
    pub retention: Duration,
    /// Who revokes, when, from where and why.
    pub cause: Cause<'a>,
}

impl<'a> Revoker<'a> {
    /// Creates a revoker for what this actor does with a request.
    pub const fn of(context: &Context<'a>, actor: Actor<'a>) -> Self {
        let service = context.service;
        let retention = service.settings.record_retention;
        Self { store: &service.store, retention, cause: context.cause(actor) }
    }

    /// Returns a revoker that gives this reason. Tokens whose reason is
    /// [`Note::leaked`] are rejected as leaked from then on.
    #[must_use]
    pub const fn because(self, reason: Option<&'a Note>) -> Self {
        Self { cause: Cause { reason, ..self.cause }, ..self }
    }

    /// Revokes the token with this ID and format.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn revoke(&self, id: &TokenId, format: Format) -> Result<Marked, Failure> {
        let marked = self.store.revoke_one(id, format, self.mark(), &self.cause).await?;
        Ok(self.logged(id, marked))
    }

    /// Revokes the token of this record.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn revoke_record(&self, record: &Record) -> Result<Marked, Failure> {
        self.revoke(&record.id, record.format).await
    }

    /// Revokes the token with this ID, whose format is not known.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn revoke_by_id(&self, id: &TokenId) -> Result<Marked, Failure> {
        Ok(self.logged(id, self.store.revoke(id, self.mark(), &self.cause).await?))
    }

    /// Revokes the live tokens of a user that match, and repeats this until none is left. Returns
    /// how many were revoked, or `None` if new ones keep appearing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn revoke_matching(
        &self,
        user_id: &UserId,
        matches: impl Fn(&Record) -> bool,
    ) -> Result<Option<u64>, Failure> {
        let revoked = self.store.revoke_of_user(user_id, matches, self.mark(), &self.cause).await?;
        for id in revoked.iter().flatten() {
            Event::Revoked(id).log(&self.cause);
        }
        Ok(revoked.map(|ids| u64::try_from(ids.len()).unwrap_or(u64::MAX)))
    }

    /// Revokes all tokens of a user in one write. `fresh` replaces a `token_generation` that cannot
    /// be raised.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn revoke_all(&self, user_id: &UserId, fresh: u32) -> Result<Written, Failure> {
        let written =
            self.store.raise_generation(user_id, self.invalidate(fresh), &self.cause).await?;
        if written == Written::Now {
            Event::RevokedAll(user_id).log(&self.cause);
        }
        Ok(written)
    }

    /// Ends the browser session with this family, and returns whether there was one.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn end_session(&self, family: &TokenId) -> Result<bool, Failure> {
        let is_ended = self.store.end_session_of(family, self.cause.at).await?;
        if is_ended {
            Event::SessionRevoked(family).log(&self.cause);
        }
        Ok(is_ended)
    }

    /// Disables a token, or enables it again. Returns its record afterwards.
    ///
    /// # Errors
    /// Returns 404 if the record no longer exists, 409 if the token is revoked, and 503 if DynamoDB
    /// cannot be written.
    pub async fn set_disabled(&self, record: Record, is_disabled: bool) -> Result<Record, Problem> {
        let disabled_at = is_disabled.then_some(self.cause.at);
        match self.store.set_disabled(&record, disabled_at, &self.cause).await? {
            Marked::Unknown => Err(Problem::not_found()),
            Marked::Before => Err(Problem::conflict("The token was revoked")),
            Marked::Same => {
                Ok(Record { disabled_at: record.disabled_at.or(disabled_at), ..record })
            }
            Marked::Now => {
                if is_disabled { Event::Disabled(&record.id) } else { Event::Enabled(&record.id) }
                    .log(&self.cause);
                Ok(Record { disabled_at, ..record })
            }
        }
    }

    /// Returns how a revoked record is marked.
    pub fn mark(&self) -> Mark {
        let at = self.cause.at;
        let is_leaked = self.cause.reason.is_some_and(Note::is_leaked);
        let because = if is_leaked { Reason::Leaked } else { Reason::Revoked };
        (Revocation { at, because }, lifecycle::purge_at(None, Some(at), self.retention))
    }

    /// Returns how a change of a user invalidates the user's tokens.
    pub(crate) const fn invalidate(&self, fresh: u32) -> Invalidate {
        Invalidate { fresh, retention: self.retention }
    }

    fn logged(&self, id: &TokenId, marked: Marked) -> Marked {
        if marked == Marked::Now {
            Event::Revoked(id).log(&self.cause);
        }
        marked
    }
}
