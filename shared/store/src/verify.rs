//! Decides about the text of a token: verifies the text without a read, reads the record and the
//! user with strong consistency, and admits or rejects.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use hallpass_token::{
    Admitted, Changed, Claim, Format, Issuer, Keyring, Reason, Record, Rejection, Text, Timestamp,
    TokenId, User, UserId, lifecycle,
};

use crate::{
    Failure, Store,
    developer::Pointer,
    item::{self, Item},
    last_change::{self, LastChange},
    marks::{self, ChangeMarks, Marked},
};

/// A rejected token, with its public ID if its signature was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The rejection reason.
    pub reason: Reason,
    /// The token's public ID, if its signature was good and its user is known.
    pub token_id: Option<TokenId>,
    /// The kinds of the user's attributes that changed, if that is the reason and the record has
    /// digests.
    pub changed: Changed,
    /// The format of a replaced token, unless a use since its replacement was recorded.
    pub reused: Option<Format>,
}

impl Rejected {
    /// Creates the rejection of a token.
    pub fn new(rejection: impl Into<Rejection>, token_id: Option<TokenId>) -> Self {
        let Rejection { reason, changed } = rejection.into();
        Self { reason, token_id, changed, reused: None }
    }
}

/// The outcome of a verification. `T` is an [`Admitted`] or contains one.
#[derive(Clone, Debug)]
pub enum Verification<T> {
    /// The token is accepted.
    Accepted(T),
    /// The token is rejected.
    Rejected(Rejected),
}

impl<T> Verification<T> {
    /// Returns what was accepted, or the rejection.
    ///
    /// # Errors
    /// Returns the [`Rejected`] if the token is rejected.
    pub fn accepted(self) -> Result<T, Rejected> {
        match self {
            Self::Accepted(accepted) => Ok(accepted),
            Self::Rejected(rejected) => Err(rejected),
        }
    }
}

/// The result of one read of a token and its user.
#[derive(Debug, Default)]
pub struct Found {
    /// The token's record.
    pub record: Option<Record>,
    /// The token's user.
    pub user: Option<User>,
    /// The token's public ID, if it is a developer token that a new one has replaced.
    pub replaced: Option<TokenId>,
    /// When the new one replaced it.
    pub replaced_at: Option<Timestamp>,
    /// The last change of the record, if the read includes it.
    pub last_change: Option<LastChange>,
    /// The marks of the user's changes, if the read includes them.
    pub marks: ChangeMarks,
}

/// The items that a verification reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    RecordAndUser,
    MarkToo,
    LastChangeToo,
}

/// A verification and everything that it has read, for an explanation.
#[derive(Debug)]
pub struct Examined {
    /// The outcome.
    pub verification: Verification<Admitted>,
    /// What was read. Empty if the text alone decided.
    pub found: Found,
}

/// The time limit of all reads of one verification. An authorizer responds or fails within three
/// seconds.
pub const READ_LIMIT: Duration = Duration::from_millis(2_800);

const DOING: &str = "reading the record and the user";

impl Store {
    /// Verifies a token. A text that is malformed, forged or expired is rejected without a read.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB does not respond within [`READ_LIMIT`], or if an item is
    /// corrupt. Treat it as a rejection.
    pub async fn verify(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
    ) -> Result<Verification<Admitted>, Failure> {
        Ok(match self.check(keyring, issuer, text, now, Reading::RecordAndUser).await? {
            Verification::Accepted(marked) => Verification::Accepted(marked.value),
            Verification::Rejected(rejected) => Verification::Rejected(rejected),
        })
    }

    /// Verifies a token that is about to issue another one. Reads the marks of its user's changes
    /// with it.
    ///
    /// # Errors
    /// As for [`Store::verify`].
    pub async fn verify_to_issue(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
    ) -> Result<Verification<Marked<Admitted>>, Failure> {
        self.check(keyring, issuer, text, now, Reading::MarkToo).await
    }

    /// Reads an admitted token again: its record, its user and the user's marks, in one strongly
    /// consistent read. For a developer token, the record can be that of its replacement.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB does not respond within [`READ_LIMIT`], or if an item is
    /// corrupt.
    pub async fn reread(&self, record: &Record) -> Result<Found, Failure> {
        let Record { id, format, .. } = record;
        within_limit(self.read_all(item::record_key(id, *format), id.user_id, Reading::MarkToo))
            .await
    }

    /// Verifies a token as [`Store::verify`] does, and also returns what was read.
    ///
    /// # Errors
    /// As for [`Store::verify`].
    pub async fn examine(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
    ) -> Result<Examined, Failure> {
        let claim = match hallpass_token::open(keyring, issuer, text.expose_secret(), now) {
            Ok(claim) => claim,
            Err(reason) => {
                let verification = Verification::Rejected(Rejected::new(reason, None));
                return Ok(Examined { verification, found: Found::default() });
            }
        };
        let found = within_limit(self.read(&claim, Reading::LastChangeToo)).await?;
        let (record, user) = (found.record.clone(), found.user.clone());
        let same = Found { record, user, replaced: found.replaced, ..Found::default() };
        let verification = match decide(&claim, same, now) {
            Verification::Accepted(marked) => Verification::Accepted(marked.value),
            Verification::Rejected(rejected) => Verification::Rejected(rejected),
        };
        Ok(Examined { verification, found })
    }

    /// Reads a token again by its record, and decides whether its text would be accepted, which a
    /// key that is no longer in the keyring does not verify.
    ///
    /// # Errors
    /// As for [`Store::verify`].
    pub async fn examine_record(
        &self,
        keyring: &Keyring,
        record: &Record,
        now: Timestamp,
    ) -> Result<Examined, Failure> {
        let Record { id, format, .. } = record;
        let key = item::record_key(id, *format);
        let mut found =
            within_limit(self.read_all(key, id.user_id, Reading::LastChangeToo)).await?;
        found.record = found.record.filter(|record| record.id == *id);
        let decided = match found.record.clone() {
            None => Err(Reason::Unknown.into()),
            Some(record) if !keyring.keys().iter().any(|key| key.id() == record.key_id) => {
                Err(Reason::Forged.into())
            }
            Some(record) => lifecycle::readmit(record, found.user.clone(), now),
        };
        let verification = match decided {
            Ok(admitted) => Verification::Accepted(admitted),
            Err(rejection) => Verification::Rejected(Rejected::new(rejection, Some(*id))),
        };
        Ok(Examined { verification, found })
    }

    async fn check(
        &self,
        keyring: &Keyring,
        issuer: &Issuer,
        text: &Text,
        now: Timestamp,
        reading: Reading,
    ) -> Result<Verification<Marked<Admitted>>, Failure> {
        let claim = match hallpass_token::open(keyring, issuer, text.expose_secret(), now) {
            Ok(claim) => claim,
            Err(reason) => return Ok(Verification::Rejected(Rejected::new(reason, None))),
        };
        let found = within_limit(self.read(&claim, reading)).await?;
        Ok(decide(&claim, found, now))
    }

    /// The public ID of a verified claim. The text of a developer token does not name its user, so
    /// its pointer is read.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
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
                Some(Pointer { owner: user_id, replaced_at: Some(at) }) => {
                    let replaced = Some(TokenId { user_id, hash: claim.hash });
                    return Ok(Found { replaced, replaced_at: Some(at), ..Found::default() });
                }
                Some(Pointer { owner, replaced_at: None }) => owner,
            },
        };
        let id = TokenId { user_id, hash: claim.hash };
        self.read_all(item::record_key(&id, claim.format), user_id, reading).await
    }

    async fn read_all(
        &self,
        record_key: Item,
        user_id: UserId,
        reading: Reading,
    ) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mark_key = (reading == Reading::MarkToo).then(|| marks::mark_key(user_id.as_str()));
        let mut request = HashMap::from([
            (self.tables.tokens.clone(), strong([record_key].into_iter().chain(mark_key))?),
            (self.tables.users.clone(), strong([item::user_key(&user_id)])?),
        ]);
        // Under load DynamoDB can leave keys unprocessed. The caller's time limit ends the loop.
        let mut wait = Duration::from_millis(10);
        loop {
            let call = self.client.batch_get_item().set_request_items(Some(request));
            let response = call.send().await.map_err(Failure::of(DOING))?;
            for (table, items) in response.responses.unwrap_or_default() {
                for item in items {
                    if table != self.tables.tokens {
                        found.user =
                            Some(item::to_user(item).map_err(|bad| Failure::new(DOING, bad))?);
                    } else if reading == Reading::MarkToo && marks::is_mark(&item) {
                        found.marks =
                            marks::to_marks(&item).map_err(|bad| Failure::new(DOING, bad))?;
                    } else {
                        found.record =
                            Some(item::to_record(&item).map_err(|bad| Failure::new(DOING, bad))?);
                        if reading == Reading::LastChangeToo {
                            found.last_change = last_change::of(&item);
                        }
                    }
                }
            }
            request = response.unprocessed_keys.unwrap_or_default();
            if request.is_empty() {
                return Ok(found);
            }
            pause(wait).await;
            wait = wait.saturating_mul(2);
        }
    }
}

/// Decides about a verified claim, given what was read for it.
fn decide(claim: &Claim, found: Found, now: Timestamp) -> Verification<Marked<Admitted>> {
    if found.replaced.is_some() {
        // The record of the new token says whether the use of the old one was recorded.
        let rejected = Rejected::new(Reason::Replaced, found.replaced);
        let reused = Some(Format::Developer);
        return Verification::Rejected(Rejected { reused, ..rejected });
    }
    let token_id = claim.user_id.map(|user_id| TokenId { user_id, hash: claim.hash });
    let token_id = token_id.or(found.record.as_ref().map(|record| record.id));
    let marks = found.marks;
    let unrecorded = found.record.as_ref().filter(|record| record.reused_at.is_none());
    let reused = unrecorded.map(|record| record.format);
    match hallpass_token::admit(claim, found.record, found.user, now) {
        Ok(value) => Verification::Accepted(Marked { value, marks }),
        Err(rejection) => {
            let reused = reused.filter(|_| rejection.reason == Reason::Replaced);
            let rejected = Rejected::new(rejection, token_id);
            Verification::Rejected(Rejected { reused, ..rejected })
        }
    }
}

fn strong(keys: impl IntoIterator<Item = Item>) -> Result<KeysAndAttributes, Failure> {
    let keys = keys.into_iter().collect();
    let read = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    read.map_err(|bad| Failure::new(DOING, bad))
}

async fn within_limit(
    reading: impl Future<Output = Result<Found, Failure>>,
) -> Result<Found, Failure> {
    match tokio::time::timeout(READ_LIMIT, reading).await {
        Ok(found) => found,
        Err(_elapsed) => Err(Failure::new(DOING, "the time limit was reached")),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "AWS advises a wait before unprocessed keys are read again"
)]
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
