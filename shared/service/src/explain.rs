//! Explains a verification: which check decides about a token, and since when.
//!
//! The verdict is that of the verification itself ([`Store::examine`], which decides as
//! [`Store::verify`] does); this module only says in words what was compared. An explanation is no
//! use of the token: it writes nothing, and finishes no rotation.
//!
//! [`Store::examine`]: hallpass_store::Store::examine
//! [`Store::verify`]: hallpass_store::Store::verify

use hallpass_http::Problem;
use hallpass_store::{
    Failure, Verification,
    last_change::LastChange,
    verify::{Examined, Found},
};
use hallpass_token::{
    Admitted, Keyring, Reason, Record, Text, Timestamp, TokenId, UserId,
    codec::{
        checksum::Checksum,
        inspect::{Appearance, inspect},
    },
};

use self::check::Facts;
pub use self::{
    call::{BadCall, Call, Rules},
    check::{Check, Name, Outcome},
};
use crate::Service;

mod call;
mod check;
mod view;

/// The explanation of one verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The token's public ID, if the text names it.
    pub token_id: Option<TokenId>,
    /// The rejection reason, or `insufficient_scope`. `None` if the token is accepted.
    pub reason: Option<&'static str>,
    /// The check that rejects. `None` if the token is accepted.
    pub decided_by: Option<Name>,
    /// Since when it rejects, if that is known.
    pub since: Option<Timestamp>,
    /// The time from which no API accepts the token, cached responses of the authorizer included.
    pub effective_at: Option<Timestamp>,
    /// Every check, in the order of verification.
    pub checks: Vec<Check>,
    /// The last change of the record, for administrators.
    pub last_change: Option<LastChange>,
}

/// What is asked about a token besides the token.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The request that the token is meant for.
    pub call: Option<&'a Call>,
    /// The route rules.
    pub rules: Rules<'a>,
    /// The time of the verification.
    pub now: Timestamp,
}

/// Who reads the explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The owner of the token, or a maintainer. Attributes of the application are not named.
    Owner,
    /// An administrator or the operator, who also sees the names of all attributes and who last
    /// changed the record.
    Administrator,
}

/// A text, and what was found for it.
struct Subject {
    appearance: Option<Appearance>,
    examined: Examined,
    /// The record of a text that no key of the keyring signed, if its key was retired.
    retired: Option<Record>,
}

impl Service {
    /// Explains the verification of a text to the operator.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the keyring or DynamoDB cannot be read.
    pub async fn explain_text(
        &self,
        text: &Text,
        question: &Question<'_>,
    ) -> Result<Explanation, Failure> {
        let subject = self.subject(text, question.now).await?;
        Ok(self.explanation_of(&subject, question, Viewer::Administrator))
    }

    /// Explains the verification of the token with this record to the operator. Its text is not
    /// verified, but its key must be in the keyring.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the keyring or DynamoDB cannot be read.
    pub async fn explain_record(
        &self,
        record: &Record,
        question: &Question<'_>,
    ) -> Result<Explanation, Failure> {
        self.explain_record_to(Viewer::Administrator, record, question).await
    }

    /// Explains the verification of a text to the holder of a token. A text that the caller's token
    /// cannot manage looks the same whether or not it is a token, except that anyone can see
    /// whether it has the form of one.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the keyring or DynamoDB cannot be read.
    pub async fn explain_text_to(
        &self,
        caller: &Admitted,
        text: &Text,
        question: &Question<'_>,
    ) -> Result<Explanation, Failure> {
        let subject = self.subject(text, question.now).await?;
        if !subject.has_form() || self.is_visible_to(caller, &subject).await? {
            return Ok(self.explanation_of(&subject, question, self.viewer(caller)));
        }
        Ok(Explanation::of_invisible_text())
    }

    /// Explains the verification of the token with this ID to the holder of a token that can manage
    /// it. The ID `current` names the caller's own token.
    ///
    /// # Errors
    /// Returns 404 if the token does not exist or the caller cannot manage it, and 503 if the
    /// keyring or DynamoDB cannot be read.
    pub async fn explain_id_to(
        &self,
        caller: &Admitted,
        id: &str,
        question: &Question<'_>,
    ) -> Result<Explanation, Problem> {
        let record = self.managed(caller, id).await?;
        Ok(self.explain_record_to(self.viewer(caller), &record, question).await?)
    }

    async fn explain_record_to(
        &self,
        viewer: Viewer,
        record: &Record,
        question: &Question<'_>,
    ) -> Result<Explanation, Failure> {
        let keyring = self.keyring(question.now).await?;
        let examined = self.store.examine_record(&keyring, record, question.now).await?;
        let facts = Facts {
            appearance: None,
            is_by_text: false,
            is_key_retired: is_retired(&keyring, record),
            found: &examined.found,
            viewer,
        };
        Ok(self.explanation(&facts, &examined.verification, question))
    }

    async fn subject(&self, text: &Text, now: Timestamp) -> Result<Subject, Failure> {
        let (keyring, issuer) = (self.keyring(now).await?, &self.settings.issuer);
        let examined = self.store.examine(&keyring, issuer, text, now).await?;
        let appearance = inspect(issuer, text.expose_secret());
        let mut subject = Subject { appearance, examined, retired: None };
        if matches!(&subject.examined.verification, Verification::Rejected(rejected)
            if rejected.reason == Reason::Forged)
        {
            let record = self.record_of(subject.appearance.as_ref()).await?;
            subject.retired = record.filter(|record| is_retired(&keyring, record));
        }
        Ok(subject)
    }

    /// Reads the record that a text without a valid signature names.
    async fn record_of(&self, appearance: Option<&Appearance>) -> Result<Option<Record>, Failure> {
        let Some(Appearance { user_id, hash, .. }) = appearance else { return Ok(None) };
        let user_id = match user_id {
            Some(user_id) => Some(*user_id),
            None => self.store.pointer(hash).await?.map(|pointer| pointer.owner),
        };
        let Some(user_id) = user_id else { return Ok(None) };
        self.store.record(&TokenId { user_id, hash: *hash }).await
    }

    /// Whether the caller can manage the token of a text, or would if it had a record.
    async fn is_visible_to(&self, caller: &Admitted, subject: &Subject) -> Result<bool, Failure> {
        if self.is_administrator(&caller.scope) {
            return Ok(true);
        }
        let Some(owner) = subject.owner() else { return Ok(false) };
        let manages = match subject.record() {
            Some(record) => self.manages(caller, record),
            None => self.manages_all(caller),
        };
        Ok(manages && self.manages_user(caller, &owner).await?)
    }

    fn viewer(&self, caller: &Admitted) -> Viewer {
        if self.is_administrator(&caller.scope) { Viewer::Administrator } else { Viewer::Owner }
    }

    fn explanation_of(
        &self,
        subject: &Subject,
        question: &Question<'_>,
        viewer: Viewer,
    ) -> Explanation {
        let facts = Facts {
            appearance: subject.appearance.as_ref(),
            is_by_text: true,
            is_key_retired: subject.retired.is_some(),
            found: &subject.examined.found,
            viewer,
        };
        let explanation = self.explanation(&facts, &subject.examined.verification, question);
        let token_id = explanation.token_id.or_else(|| subject.signed_id());
        Explanation { token_id, ..explanation }
    }

    fn explanation(
        &self,
        facts: &Facts<'_>,
        verification: &Verification<Admitted>,
        question: &Question<'_>,
    ) -> Explanation {
        let (token_id, rejection, scope) = match verification {
            Verification::Accepted(admitted) => {
                (Some(admitted.record.id), None, Some(&admitted.scope))
            }
            Verification::Rejected(rejected) => (rejected.token_id, Some(*rejected), None),
        };
        let checks = facts.checks(rejection.as_ref(), scope, question);
        let deciding = checks.iter().find(|check| check.outcome == Outcome::Failed);
        let since = deciding.and_then(|check| check.since);
        let is_for_all = facts.viewer == Viewer::Administrator;
        Explanation {
            token_id,
            reason: deciding.and_then(|check| check.reason),
            decided_by: deciding.map(|check| check.name),
            since,
            effective_at: since.map(|since| self.effective_at(since)),
            last_change: facts.found.last_change.clone().filter(|_| is_for_all),
            checks,
        }
    }
}

impl Explanation {
    /// Whether the token is accepted, and permits the request that was asked about.
    pub const fn is_accepted(&self) -> bool {
        self.decided_by.is_none()
    }

    /// The explanation of every text that the caller's token cannot manage.
    fn of_invisible_text() -> Self {
        let detail = "The caller's token can manage no token with this text";
        let check = Check {
            reason: Some(Reason::Unknown.as_str()),
            ..Check::new(Name::Record, Outcome::Failed, detail)
        };
        Self {
            token_id: None,
            reason: check.reason,
            decided_by: Some(check.name),
            since: None,
            effective_at: None,
            checks: vec![check],
            last_change: None,
        }
    }
}

impl Subject {
    /// Whether the text has the form of a token and no wrong checksum, which takes no key to see.
    fn has_form(&self) -> bool {
        self.appearance.as_ref().is_some_and(|seen| seen.checksum != Checksum::Wrong)
    }

    /// The ID that the text names, if its signature is good or its key was retired.
    fn signed_id(&self) -> Option<TokenId> {
        let retired = self.retired.as_ref().map(|record| record.id);
        let is_expired = matches!(&self.examined.verification, Verification::Rejected(rejected)
            if rejected.reason == Reason::Expired);
        let named = self.appearance.as_ref().filter(|_| is_expired);
        let named = named.and_then(|Appearance { user_id, hash, .. }| {
            Some(TokenId { user_id: (*user_id)?, hash: *hash })
        });
        retired.or(named)
    }

    fn record(&self) -> Option<&Record> {
        self.examined.found.record.as_ref().or(self.retired.as_ref())
    }

    /// The user of the token, or the one that the text names.
    fn owner(&self) -> Option<UserId> {
        let Found { replaced, .. } = &self.examined.found;
        let known = self.record().map(|record| record.id).or(*replaced);
        let named = || self.appearance.as_ref().and_then(|seen| seen.user_id);
        known.map(|id| id.user_id).or_else(named)
    }
}

fn is_retired(keyring: &Keyring, record: &Record) -> bool {
    !keyring.keys().iter().any(|key| key.id() == record.key_id)
}
