//! Invalidating and purging, for prune. Nothing here can make a record.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use token::{Format, Reason, Record, Revocation, Timestamp, TokenHash, TokenId, User, UserId, lifecycle};

use crate::{
    Failure, Store,
    developer::{Pointer, to_pointer},
    failure::if_met,
    item::{self, FIRST_TOKEN, Item, PURGE_AT},
    live::LiveRecord,
    marks,
    sessions::{self, Session},
    tokens::Marked,
    verify::pause,
};

/// A part of the table of tokens.
#[derive(Debug)]
pub struct Part {
    /// What is in it.
    pub entries: Vec<Entry>,
    /// Where the next part begins, if there is one.
    pub next: Option<Place>,
}

/// A place in the table of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    user_id: String,
    token: String,
}

/// One item of the table of tokens.
#[derive(Debug)]
pub struct Entry {
    /// Its key.
    pub key: Place,
    /// When it may go.
    pub purge_at: Option<Timestamp>,
    /// What it is.
    pub kind: Kind,
}

/// What an item of the table of tokens is.
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
        /// Whether it stays to say that a new token took the place of this one.
        is_replaced: bool,
    },
    /// A session of a browser, or a log-in flow.
    Session(Box<Session>),
    /// What is good for nothing but its time, such as the mark of a form that was used.
    Passing,
    /// The marker that a user has a name.
    Name {
        /// The normal form of the name.
        key: String,
        /// The user.
        owner: UserId,
    },
    /// Something this version does not know. It goes when its time comes.
    Other,
}

/// A token that a change of its user has invalidated, as prune marks it.
#[derive(Clone, Copy, Debug)]
pub struct Invalidation {
    /// The token.
    pub id: TokenId,
    /// The format of its text.
    pub format: Format,
    /// When it would have expired, if ever.
    pub expires_at: Option<Timestamp>,
    /// What became of the user.
    pub because: Reason,
}

impl Invalidation {
    /// That of this record.
    pub const fn of(record: &Record, because: Reason) -> Self {
        Self { id: record.id, format: record.format, expires_at: record.expires_at, because }
    }

    /// That of a record from the index of live ones.
    pub const fn of_live(record: &LiveRecord, because: Reason) -> Self {
        Self { id: record.id, format: record.format, expires_at: Some(record.live_until), because }
    }
}

/// How long it waits before a write to a busy partition is tried again; twice as long every time.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// The longest such wait.
const MAX_BUSY_WAIT: Duration = Duration::from_millis(1_600);

/// The key of the item that remembers where a sweep stopped. It stands beside the counters of log-ins, because prune
/// must not be able to make an item among the tokens.
const SWEEP: &str = "sweep#tokens";

/// How long it waits before keys that were left unprocessed are asked for again; twice as long every time.
const UNPROCESSED_WAIT: Duration = Duration::from_millis(20);

/// When it would have to wait longer than this, it fails, and the next sweep goes on.
const MAX_UNPROCESSED_WAIT: Duration = Duration::from_secs(2);

const DOING: &str = "sweeping the tokens";

impl Store {
    /// Revokes a token because its user changed. Repeating it changes nothing. Where the user's partition takes no more
    /// writes, it waits for up to three seconds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn invalidate(
        &self,
        change: &Invalidation,
        now: Timestamp,
        retention: Duration,
    ) -> Result<Marked, Failure> {
        let purge_at = lifecycle::purge_at(change.expires_at, Some(now), retention);
        let revocation = Revocation { at: now, because: change.because };
        let mut wait = BUSY_WAIT;
        loop {
            match self.revoke_one(&change.id, change.format, revocation, purge_at).await {
                Err(failure) if failure.is_throttled() && wait <= MAX_BUSY_WAIT => pause(wait).await,
                outcome => return outcome,
            }
            wait = wait.saturating_mul(2);
        }
    }

    /// The next part of the table of tokens.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn part(&self, after: Option<&Place>) -> Result<Part, Failure> {
        let call = self.client.scan().table_name(&self.tables.tokens).consistent_read(true);
        let call = call.set_exclusive_start_key(after.map(Place::key));
        let answer = call.send().await.map_err(Failure::of(DOING))?;
        let entries = answer.items.unwrap_or_default().into_iter().filter_map(|item| entry(&item)).collect();
        Ok(Part { entries, next: answer.last_evaluated_key.as_ref().and_then(Place::of) })
    }

    /// Purges an item whose time has come. `false` if it has not, after all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self, key: &Place, now: Timestamp) -> Result<bool, Failure> {
        let call = self.client.delete_item().table_name(&self.tables.tokens).set_key(Some(key.key()));
        let call = call.condition_expression("#purge <= :now").expression_attribute_names("#purge", PURGE_AT);
        if_met(DOING, call.expression_attribute_values(":now", item::number(now)).send().await)
    }

    /// Removes a pointer whose token is no longer its owner's. `false` if it is, or if that cannot be told because the
    /// record cannot be read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_stale_pointer(&self, hash: &TokenHash, owner: &UserId) -> Result<bool, Failure> {
        let key = item::record_key(&TokenId { user_id: *owner, hash: *hash }, Format::Developer);
        let record = self.get(key, DOING).await?;
        let other = |record| item::required::<TokenHash>(&record, item::TOKEN_HASH).is_ok_and(|its| its != *hash);
        if !record.is_none_or(other) {
            return Ok(false);
        }
        let call = self.client.delete_item().table_name(&self.tables.tokens).set_key(Some(item::pointer_key(hash)));
        let call = call.condition_expression("#owner = :owner").expression_attribute_names("#owner", item::OWNER);
        if_met(DOING, call.expression_attribute_values(":owner", item::text(owner.as_str())).send().await)
    }

    /// These users, strongly read; whoever is missing from the answer is gone. `None` for one who is there and cannot
    /// be read, which must not stop the sweep of the others.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn users(&self, ids: &[UserId]) -> Result<BTreeMap<UserId, Option<User>>, Failure> {
        let mut users = BTreeMap::new();
        // BatchGetItem takes 100 keys.
        for some in ids.chunks(100) {
            let keys = some.iter().map(item::user_key).collect();
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let keys = keys.map_err(|bad| Failure::new(DOING, bad))?;
            let mut asked = HashMap::from([(self.tables.users.clone(), keys)]);
            let mut wait = UNPROCESSED_WAIT;
            loop {
                let call = self.client.batch_get_item().set_request_items(Some(asked));
                let answer = call.send().await.map_err(Failure::of(DOING))?;
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    let id = item::required(&item, item::USER_ID).map_err(|bad| Failure::new(DOING, bad))?;
                    users.insert(id, item::to_user(item).ok());
                }
                asked = answer.unprocessed_keys.unwrap_or_default();
                if asked.is_empty() {
                    break;
                }
                if wait > MAX_UNPROCESSED_WAIT {
                    return Err(Failure::new(DOING, "keys were left unprocessed again and again"));
                }
                pause(wait).await;
                wait = wait.saturating_mul(2);
            }
        }
        Ok(users)
    }

    /// Where the last sweep stopped, if it did not come to the end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_place(&self) -> Result<Option<Place>, Failure> {
        let call = self.client.get_item().table_name(&self.tables.attempts).set_key(Some(item::attempt_key(SWEEP)));
        let answer = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        Ok(answer.item.as_ref().and_then(Place::of))
    }

    /// Remembers where a sweep stopped, or that it came to the end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remember_sweep(&self, stopped: Option<&Place>) -> Result<(), Failure> {
        let Some(place) = stopped else {
            let call =
                self.client.delete_item().table_name(&self.tables.attempts).set_key(Some(item::attempt_key(SWEEP)));
            call.send().await.map_err(Failure::of(DOING))?;
            return Ok(());
        };
        let call = self.client.update_item().table_name(&self.tables.attempts).set_key(Some(item::attempt_key(SWEEP)));
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
    /// The place of this item.
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

/// One unreadable item must not stop the sweep of the others, so it is an entry without a meaning.
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
        Some((item::USER_NAME, name)) => {
            item::required(item, item::OWNER).map_or(Kind::Other, |owner| Kind::Name { key: name.to_owned(), owner })
        }
        Some((marks::CHANGES, _)) => Kind::Passing,
        // A session or a flow, which ends by itself.
        Some(_) => Kind::Other,
        None if sessions::is_session(&key.token) => {
            Session::from_item(item).map_or(Kind::Other, |session| Kind::Session(Box::new(session)))
        }
        None if key.token.as_str() < FIRST_TOKEN && purge_at.is_some() => Kind::Passing,
        None => item::to_record(item).map_or(Kind::Other, |record| Kind::Record(Box::new(record))),
    };
    Some(Entry { key, purge_at, kind })
}
