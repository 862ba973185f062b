//! From the text of a token to a decision: open (no read), one strongly consistent read, admit.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use token::{
    Admitted, Changed, Claim, Issuer, Keyring, Reason, Record, Rejection, Text, Timestamp, TokenId, User, UserId,
};

use crate::{
    Failure, Store,
    developer::Pointer,
    item::{self, Item},
    marks::{self, ChangeMarks, Marked},
};

/// A token that was rejected, and its public name where the text gave it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// Which token, if its signature was good.
    pub token_id: Option<TokenId>,
    /// What of the user changed, if that is why and the record can tell.
    pub changed: Changed,
}

impl Rejected {
    /// A rejection for this reason, of this token.
    pub fn new(rejection: impl Into<Rejection>, token_id: Option<TokenId>) -> Self {
        let Rejection { reason, changed } = rejection.into();
        Self { reason, token_id, changed }
    }
}

/// What one read found of a token and its user.
#[derive(Debug, Default)]
pub struct Found {
    /// The record, if there is one.
    pub record: Option<Record>,
    /// The user, if there is one.
    pub user: Option<User>,
    /// The token itself, if it is a developer token and a new one took its place.
    pub replaced: Option<TokenId>,
    /// The marks of the user's changes, if they were asked for.
    pub marks: ChangeMarks,
}

/// What is read for a verification.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    RecordAndUser,
    MarkToo,
}

/// The limit of all reads of one verification together: an authorizer has answered or failed within three seconds.
pub const READ_LIMIT: Duration = Duration::from_millis(2_800);

const DOING: &str = "reading the record and the user";

impl Store {
    /// Whether this text lets its holder in, now. Refusals of the text alone read nothing.
    ///
    /// # Errors
    /// When the store does not answer in [`READ_LIMIT`], or holds something it must not. That is never a yes.
    pub async fn verify(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
    ) -> Result<Result<Admitted, Rejected>, Failure> {
        let checked = self.check(keyring, issuer, text, now, Reading::RecordAndUser).await?;
        Ok(checked.map(|marked| marked.value))
    }

    /// The same for a token that asks for another one: with the marks of its user's changes, from the same read.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub async fn verify_to_issue(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
    ) -> Result<Result<Marked<Admitted>, Rejected>, Failure> {
        self.check(keyring, issuer, text, now, Reading::MarkToo).await
    }

    /// What there is now of a token that was admitted a moment ago: its record, its user and the user's marks in one
    /// strong read. The record may be that of a developer token that has taken its place.
    ///
    /// # Errors
    /// When the store does not answer in [`READ_LIMIT`], or holds something it must not.
    pub async fn read_again(&self, record: &Record) -> Result<Found, Failure> {
        let Record { id, format, .. } = record;
        within_limit(self.read_all(item::record_key(id, *format), id.user_id, Reading::MarkToo)).await
    }

    async fn check(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
        reading: Reading,
    ) -> Result<Result<Marked<Admitted>, Rejected>, Failure> {
        let claim = match token::open(keyring, issuer, text.expose_secret(), now) {
            Ok(claim) => claim,
            Err(reason) => return Ok(Err(Rejected::new(reason, None))),
        };
        let token_id = claim.user_id.map(|user_id| TokenId { user_id, hash: claim.hash });
        let found = within_limit(self.read(&claim, reading)).await?;
        if found.replaced.is_some() {
            return Ok(Err(Rejected::new(Reason::Replaced, found.replaced)));
        }
        let token_id = token_id.or(found.record.as_ref().map(|record| record.id));
        let marks = found.marks;
        let admitted = token::admit(&claim, found.record, found.user, now);
        Ok(admitted.map(|value| Marked { value, marks }).map_err(|rejection| Rejected::new(rejection, token_id)))
    }

    /// The public name of a claimed token. A developer token's text does not say whose it is: its pointer does.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn id_of(&self, claim: &Claim) -> Result<Option<TokenId>, Failure> {
        let user_id = match claim.user_id {
            Some(user_id) => Some(user_id),
            None => self.pointer(&claim.hash).await?.map(|pointer| pointer.owner),
        };
        Ok(user_id.map(|user_id| TokenId { user_id, hash: claim.hash }))
    }

    async fn read(&self, claim: &Claim, reading: Reading) -> Result<Found, Failure> {
        let user_id = match claim.user_id {
            Some(user_id) => user_id,
            None => match self.pointer(&claim.hash).await? {
                None => return Ok(Found::default()),
                Some(Pointer { owner: user_id, replaced_at: Some(_) }) => {
                    let replaced = Some(TokenId { user_id, hash: claim.hash });
                    return Ok(Found { replaced, ..Found::default() });
                }
                Some(Pointer { owner, replaced_at: None }) => owner,
            },
        };
        let id = TokenId { user_id, hash: claim.hash };
        self.read_all(item::record_key(&id, claim.format), user_id, reading).await
    }

    async fn read_all(&self, record_key: Item, user_id: UserId, reading: Reading) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mark_key = (reading == Reading::MarkToo).then(|| marks::mark_key(user_id.as_str()));
        let mut asked = HashMap::from([
            (self.tables.tokens.clone(), strong([record_key].into_iter().chain(mark_key))?),
            (self.tables.users.clone(), strong([item::user_key(&user_id)])?),
        ]);
        // DynamoDB may leave keys unprocessed under load; the caller's limit ends the loop.
        let mut wait = Duration::from_millis(10);
        loop {
            let call = self.client.batch_get_item().set_request_items(Some(asked));
            let answer = call.send().await.map_err(Failure::of(DOING))?;
            for (table, items) in answer.responses.unwrap_or_default() {
                for item in items {
                    if table != self.tables.tokens {
                        found.user = Some(item::to_user(item).map_err(|bad| Failure::new(DOING, bad))?);
                    } else if reading == Reading::MarkToo && marks::is_mark(&item) {
                        found.marks = marks::to_marks(&item).map_err(|bad| Failure::new(DOING, bad))?;
                    } else {
                        found.record = Some(item::to_record(&item).map_err(|bad| Failure::new(DOING, bad))?);
                    }
                }
            }
            asked = answer.unprocessed_keys.unwrap_or_default();
            if asked.is_empty() {
                return Ok(found);
            }
            pause(wait).await;
            wait = wait.saturating_mul(2);
        }
    }
}

fn strong(keys: impl IntoIterator<Item = Item>) -> Result<KeysAndAttributes, Failure> {
    let keys = keys.into_iter().collect();
    let read = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    read.map_err(|bad| Failure::new(DOING, bad))
}

async fn within_limit(reading: impl Future<Output = Result<Found, Failure>>) -> Result<Found, Failure> {
    match tokio::time::timeout(READ_LIMIT, reading).await {
        Ok(found) => found,
        Err(_elapsed) => Err(Failure::new(DOING, "the time limit was reached")),
    }
}

#[expect(clippy::disallowed_methods, reason = "unprocessed keys are asked for again after a pause, as AWS advises")]
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
