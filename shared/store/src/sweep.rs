//! Invalidates and purges tokens, for prune. Nothing here can create a record.

use std::{collections::BTreeMap, time::Duration};

use hallpass_token::{
    Cause, Format, Reason, Record, Revocation, Timestamp, TokenHash, TokenId, User, UserId,
    lifecycle,
};

use crate::{
    Failure, Store,
    developer::{Pointer, to_pointer},
    failure::{Corrupt, if_met},
    item::{self, Item, PURGE_AT},
    live::LiveRecord,
    marks, notes, portal,
    sessions::{self, Session},
    tokens::Marked,
    verify::pause,
};

/// A page of the table of tokens.
#[derive(Debug)]
pub struct Part {
    /// The items of the page.
    pub entries: Vec<Entry>,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<Place>,
}

/// A position in the table of tokens: the key of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    user_id: String,
    token: String,
}

/// An item of the table of tokens.
#[derive(Debug)]
pub struct Entry {
    /// The key of the item.
    pub key: Place,
    /// The time from which the item can be purged.
    pub purge_at: Option<Timestamp>,
    /// The kind of the item, with its contents.
    pub kind: Kind,
}

/// The kind of an item in the table of tokens.
#[derive(Debug)]
pub enum Kind {
    /// The record of a token.
    Record(Box<Record>),
    /// The pointer from a developer token to its owner.
    Pointer {
        /// The token's hash.
        hash: TokenHash,
        /// The owner.
        owner: UserId,
        /// Whether a new token has replaced this one, and the pointer is kept only for its holder
        /// to learn that.
        is_replaced: bool,
    },
    /// A browser session or a log-in flow.
    Session(Box<Session>),
    /// An item that is only purged, such as the mark of a used form.
    Passing,
    /// The marker that a user has this name.
    Name {
        /// The normal form of the name.
        key: String,
        /// The user.
        owner: UserId,
    },
    /// An item of a kind unknown to this version, or an unreadable one. It is only purged.
    Other,
}

/// A token to mark as invalidated, because its user changed.
#[derive(Clone, Copy, Debug)]
pub struct Invalidation {
    /// The token's public ID.
    pub id: TokenId,
    /// The format of the token's text.
    pub format: Format,
    /// The expiry, or `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The reason, which depends on the change.
    pub because: Reason,
}

impl Invalidation {
    /// The invalidation of a record.
    pub const fn of(record: &Record, because: Reason) -> Self {
        Self { id: record.id, format: record.format, expires_at: record.expires_at, because }
    }

    /// The invalidation of a record from the index of live tokens.
    pub const fn of_live(record: &LiveRecord, because: Reason) -> Self {
        Self { id: record.id, format: record.format, expires_at: Some(record.live_until), because }
    }
}

/// The first wait before a write to a busy partition is repeated. It doubles each time.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// The maximum wait for a busy partition.
const MAX_BUSY_WAIT: Duration = Duration::from_millis(1_600);

/// The key of the item that holds the position at which a sweep stopped. It is in the table of
/// attempts, because prune is not permitted to create items among the tokens.
const SWEEP: &str = "sweep#tokens";

const DOING: &str = "sweeping the tokens";

impl Store {
    /// Revokes a token because its user changed. A repeated call changes nothing. If the user's
    /// partition is throttled, the call is repeated for up to three seconds.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn invalidate(
        &self,
        change: &Invalidation,
        retention: Duration,
        cause: &Cause<'_>,
    ) -> Result<Marked, Failure> {
        let purge_at = lifecycle::purge_at(change.expires_at, Some(cause.at), retention);
        let mark = (Revocation { at: cause.at, because: change.because }, purge_at);
        let mut wait = BUSY_WAIT;
        loop {
            match self.revoke_one(&change.id, change.format, mark, cause).await {
                Err(failure) if failure.is_throttled() && wait <= MAX_BUSY_WAIT => {
                    pause(wait).await;
                }
                outcome => return outcome,
            }
            wait = wait.saturating_mul(2);
        }
    }

    /// Reads the next page of the table of tokens.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn part(&self, after: Option<&Place>) -> Result<Part, Failure> {
        let call = self.client.scan().table_name(&self.tables.tokens).consistent_read(true);
        let call = call.set_exclusive_start_key(after.map(Place::key));
        let response = call.send().await.map_err(Failure::of(DOING))?;
        let entries = response
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| entry(&item))
            .collect();
        Ok(Part { entries, next: response.last_evaluated_key.as_ref().and_then(Place::of) })
    }

    /// Deletes an item whose `purge_at` has passed. Returns `false` if it has not passed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn purge(&self, key: &Place, now: Timestamp) -> Result<bool, Failure> {
        let call =
            self.client.delete_item().table_name(&self.tables.tokens).set_key(Some(key.key()));
        let call = call
            .condition_expression("#purge <= :now")
            .expression_attribute_names("#purge", PURGE_AT);
        if_met(DOING, call.expression_attribute_values(":now", item::number(now)).send().await)
    }

    /// Deletes a pointer whose token is no longer the developer token of its owner. Returns `false`
    /// if it still is, or if the record is unreadable.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn drop_stale_pointer(
        &self,
        hash: &TokenHash,
        owner: &UserId,
    ) -> Result<bool, Failure> {
        let key = item::record_key(&TokenId { user_id: *owner, hash: *hash }, Format::Developer);
        let record = self.get(key, DOING).await?;
        let other = |record| {
            item::required::<TokenHash>(&record, item::TOKEN_HASH).is_ok_and(|known| known != *hash)
        };
        if !record.is_none_or(other) {
            return Ok(false);
        }
        let call = self
            .client
            .delete_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::pointer_key(hash)));
        let call = call
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", item::OWNER);
        if_met(
            DOING,
            call.expression_attribute_values(":owner", item::text(owner.as_str())).send().await,
        )
    }

    /// Reads these users with strong consistency. A user who does not exist is missing from the
    /// result. A user whose item is unreadable is `None`, so that the sweep of the others
    /// continues.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn users(&self, ids: &[UserId]) -> Result<BTreeMap<UserId, Option<User>>, Failure> {
        let items = self
            .get_all(&self.tables.users, ids.iter().map(item::user_key).collect(), DOING)
            .await?;
        let user =
            |item: Item| Ok((item::required(&item, item::USER_ID)?, item::to_user(item).ok()));
        items
            .into_iter()
            .map(user)
            .collect::<Result<_, Corrupt>>()
            .map_err(|bad| Failure::new(DOING, bad))
    }

    /// The position at which the last sweep stopped, or `None` if it was complete.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn sweep_place(&self) -> Result<Option<Place>, Failure> {
        let call = self
            .client
            .get_item()
            .table_name(&self.tables.attempts)
            .set_key(Some(item::attempt_key(SWEEP)));
        let response = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        Ok(response.item.as_ref().and_then(Place::of))
    }

    /// Saves the position at which a sweep stopped, or deletes it after a complete sweep.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn save_sweep_place(&self, stopped: Option<&Place>) -> Result<(), Failure> {
        let Some(place) = stopped else {
            let call = self
                .client
                .delete_item()
                .table_name(&self.tables.attempts)
                .set_key(Some(item::attempt_key(SWEEP)));
            call.send().await.map_err(Failure::of(DOING))?;
            return Ok(());
        };
        let call = self
            .client
            .update_item()
            .table_name(&self.tables.attempts)
            .set_key(Some(item::attempt_key(SWEEP)));
        let call = call
            .update_expression("SET #user = :user, #token = :token")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#token", item::TOKEN)
            .expression_attribute_values(":user", item::text(&place.user_id))
            .expression_attribute_values(":token", item::text(&place.token));
        call.send().await.map_err(Failure::of(DOING))?;
        Ok(())
    }
}

impl Place {
    /// The key of this item, or `None` if it has no valid one.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let part = |name| item::required(item, name).ok();
        Some(Self { user_id: part(item::USER_ID)?, token: part(item::TOKEN)? })
    }

    pub(crate) const fn new(user_id: String, token: String) -> Self {
        Self { user_id, token }
    }

    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.user_id, &self.token)
    }

    pub(crate) fn key(&self) -> Item {
        item::key(&self.user_id, &self.token)
    }
}

/// Classifies an item. An unreadable one is [`Kind::Other`], so that the sweep of the others
/// continues.
fn entry(item: &Item) -> Option<Entry> {
    let key = Place::of(item)?;
    let purge_at = item::instant(item, PURGE_AT).ok().flatten();
    let kind = match key.user_id.split_once('#') {
        Some((item::DEVELOPER, hash)) => match (hash.parse(), to_pointer(item)) {
            (Ok(hash), Ok(Pointer { owner, replaced_at })) => {
                Kind::Pointer { hash, owner, is_replaced: replaced_at.is_some() }
            }
            _ => Kind::Other,
        },
        Some((item::USER_NAME, name)) => item::required(item, item::OWNER)
            .map_or(Kind::Other, |owner| Kind::Name { key: name.to_owned(), owner }),
        // A link without its other side links no one.
        Some((marks::CHANGES | item::IDENTITY | notes::USAGE, _)) => Kind::Passing,
        // Every other kind expires on its own.
        Some(_) => Kind::Other,
        None if sessions::is_session(&key.token) => {
            let session = Session::from_item(item).or_else(|_| portal::read(item));
            session.map_or(Kind::Other, |session| Kind::Session(Box::new(session)))
        }
        // No token's sort key begins so.
        None if key.token.starts_with('#') && purge_at.is_some() => Kind::Passing,
        None => item::to_record(item).map_or(Kind::Other, |record| Kind::Record(Box::new(record))),
    };
    Some(Entry { key, purge_at, kind })
}
