//! Changes of users, from the stream: invalidates every token that the change shut out, so that a change back revives none.

use std::{collections::BTreeMap, time::Duration};

use aws_lambda_events::{
    event::dynamodb::EventRecord,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use edge::log;
use futures_util::future::join_all;
use serde_dynamo::AttributeValue;
use store::{
    Failure,
    live::{LivePlace, LiveRecord},
    marks::ChangeMark,
    sessions::Session,
    sweep::Invalidation,
};
use token::{Reason, Timestamp, User, UserId, Value, user::attribute::USER_ID};

use crate::{AT_ONCE, Prune, VOIDING, no_time_left};

/// One change of a user.
#[derive(Debug)]
pub struct Change {
    sequence_number: String,
    at: Timestamp,
    old: Image,
    new: Image,
}

/// A user before or after a change.
#[derive(Debug)]
enum Image {
    Absent,
    /// There was an item, and it was no user: nothing could be decided about it, and no token could be made for it.
    Unreadable,
    User(Box<User>),
}

/// The stream's clock and ours may differ by this much, so that a token issued this soon after a change may be invalidated
/// with it.
const CLOCK_SKEW: Duration = Duration::from_secs(2);

/// How many tokens of a user are looked at before it is another user's turn.
const PAGE: i32 = 500;

/// What a batch says of one user, and how far the user's tokens have been looked at.
struct Drain {
    user_id: UserId,
    changes: Vec<Change>,
    after: Option<LivePlace>,
}

impl Prune {
    /// Deals with a batch. What fails is named, so that Lambda delivers it again and the rest is done.
    ///
    /// Every user of the batch gets one page of tokens looked at before any gets a second, so that one with very many
    /// keeps no other waiting. Who has more than there is time for is named too: what is revoked leaves the index, so
    /// that the next delivery goes on where this one stopped, however many deliveries it takes.
    pub(crate) async fn stream(
        &self,
        records: Vec<EventRecord>,
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<DynamoDbEventResponse, Failure> {
        let drain = |(user_id, changes)| Drain { user_id, changes, after: None };
        let mut waiting: Vec<Drain> = changes(records, now)?.into_iter().map(drain).collect();
        let mut unfinished: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
        while !waiting.is_empty() {
            let mut next = Vec::new();
            while !waiting.is_empty() {
                let some = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
                let outcomes = join_all(some.iter().map(|drain| self.invalidate_page(drain, now, may_go_on))).await;
                for (drain, (place, outcome)) in some.into_iter().zip(outcomes) {
                    let goes_on = place.is_some() && may_go_on();
                    let no_time = place.is_some() && !goes_on;
                    if let Some(failure) = outcome.err().or_else(|| no_time.then(no_time_left)) {
                        log::failed(&failure);
                        let numbers = drain.changes.iter().map(|change| change.sequence_number.clone());
                        unfinished.insert(drain.user_id, numbers.collect());
                    }
                    if goes_on {
                        next.push(Drain { after: place, ..drain });
                    }
                }
            }
            waiting = next;
        }
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = unfinished.values().flatten().map(|number| failed(number)).collect();
        Ok(response)
    }

    /// Revokes what a change of the user has invalidated in one page of the user's tokens: where the next page begins,
    /// and what failed in this one.
    async fn invalidate_page(
        &self,
        drain: &Drain,
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> (Option<LivePlace>, Result<(), Failure>) {
        let marked = self.mark(drain, now).await;
        match self.read_page(drain, now).await {
            Ok((invalidated, next)) => (next, self.invalidate_all(&invalidated, now, may_go_on).await.and(marked)),
            Err(failure) => (None, Err(failure)),
        }
    }

    /// Leaves a mark before the first page of tokens is read: a token that is in no page was written after it, so that
    /// its issuer sees the mark in the second look (`generate`), though the change may be undone by now. A mark that
    /// cannot be left keeps no token alive, but the record has to come again.
    async fn mark(&self, drain: &Drain, now: Timestamp) -> Result<(), Failure> {
        if drain.after.is_some() {
            return Ok(());
        }
        let marks = drain.changes.iter().filter_map(|change| self.mark_of(change)).collect();
        self.store.mark_changes(&drain.user_id, &marks, now).await
    }

    /// Sessions and tokens are read before the user: a token that is in the page was made from a user no newer than the
    /// one that is read then, so that a difference means a change and never a token that was made in between.
    async fn read_page(
        &self,
        drain: &Drain,
        now: Timestamp,
    ) -> Result<(Vec<Invalidation>, Option<LivePlace>), Failure> {
        let Drain { user_id, changes, after } = drain;
        let sessions = if after.is_none() { self.store.sessions_of(user_id).await? } else { Vec::new() };
        let page = self.store.live_page(user_id, now, PAGE, after.clone()).await?;
        if page.records.is_empty() && sessions.is_empty() {
            return Ok((Vec::new(), page.next));
        }
        let user = self.store.user(user_id).await?;
        let ended = sessions.iter().filter(|(_, session)| why_session(session, user.as_ref(), changes).is_some());
        self.remove_sessions(ended.map(|(place, _)| place)).await?;
        let invalidated = page.records.iter().filter_map(|record| {
            let because = why(record, user.as_ref(), changes)?;
            Some(Invalidation::of_live(record, because))
        });
        Ok((invalidated.collect(), page.next))
    }
}

impl Prune {
    /// The mark of a change that invalidates tokens or sessions of the state that the user left. A user who is new had
    /// none.
    fn mark_of(&self, change: &Change) -> Option<ChangeMark> {
        let fingerprint = |user: &User| self.bound_to.as_ref().map(|bound_to| bound_to.fingerprint(user));
        let left = match (&change.old, &change.new) {
            (Image::Absent, _) => return None,
            (Image::Unreadable, _) => None,
            (Image::User(old), Image::Absent | Image::Unreadable) => fingerprint(old),
            (Image::User(old), Image::User(new)) => {
                let left = fingerprint(old);
                if left.is_some() && left == fingerprint(new) {
                    return None;
                }
                left
            }
        };
        Some(ChangeMark::new(left.as_ref(), &change.sequence_number))
    }
}

/// What the records of a batch say of each user, in their order.
///
/// # Errors
/// When a record could not be reported, so that the whole batch has to come again.
pub fn changes(records: Vec<EventRecord>, now: Timestamp) -> Result<BTreeMap<UserId, Vec<Change>>, Failure> {
    let mut users: BTreeMap<UserId, Vec<Change>> = BTreeMap::new();
    for record in records {
        if let Some((user_id, change)) = change(record, now)? {
            users.entry(user_id).or_default().push(change);
        }
    }
    Ok(users)
}

/// Why this token is invalidate: the user is not, or was for a while not, the one it was made for.
pub fn why(record: &LiveRecord, user: Option<&User>, changes: &[Change]) -> Option<Reason> {
    why_bound(record.issued_at, &|user| record.invalidated(user), user, changes)
}

/// The same for a session.
fn why_session(session: &Session, user: Option<&User>, changes: &[Change]) -> Option<Reason> {
    why_bound(session.started_at, &|user| session.invalidated(user), user, changes)
}

fn why_bound(
    issued_at: Timestamp,
    invalidated: &dyn Fn(Option<&User>) -> Option<Reason>,
    user: Option<&User>,
    changes: &[Change],
) -> Option<Reason> {
    let now_other = invalidated(user);
    let was_other = changes.iter().find_map(|change| {
        let was_its = matches!(&change.old, Image::User(old) if invalidated(Some(old)).is_none());
        let before = issued_at < change.at.after(CLOCK_SKEW);
        if !(was_its && before) {
            return None;
        }
        match &change.new {
            Image::Absent => invalidated(None),
            Image::Unreadable => Some(Reason::UserChanged),
            Image::User(new) => invalidated(Some(new)),
        }
    });
    now_other.or(was_other)
}

/// `None` for a record of something that cannot hold a token.
fn change(record: EventRecord, now: Timestamp) -> Result<Option<(UserId, Change)>, Failure> {
    let record = record.change;
    let keys = record.keys.into_inner();
    let Some(AttributeValue::S(user_id)) = keys.get(USER_ID) else {
        return Ok(None);
    };
    let Ok(user_id) = user_id.parse() else {
        return Ok(None);
    };
    // Without its sequence number a record cannot be reported, so that the whole batch has to come again.
    let sequence_number =
        record.sequence_number.ok_or_else(|| Failure::new(VOIDING, "a record has no sequence number"))?;
    // A record may have no time, which is read as 1970. Taken as of now it invalidates rather more.
    let at = u64::try_from(record.approximate_creation_date_time.timestamp()).ok().filter(|seconds| *seconds > 0);
    let at = at.and_then(Timestamp::from_unix).unwrap_or(now);
    let change = Change { sequence_number, at, old: image(record.old_image), new: image(record.new_image) };
    Ok(Some((user_id, change)))
}

fn image(item: serde_dynamo::Item) -> Image {
    let attributes: BTreeMap<String, Value> =
        item.into_inner().into_iter().map(|(name, value)| (name, to_value(value))).collect();
    if attributes.is_empty() {
        return Image::Absent;
    }
    User::from_attributes(attributes).map_or(Image::Unreadable, |user| Image::User(Box::new(user)))
}

fn to_value(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::N(number) => Value::Number(number),
        AttributeValue::Bool(flag) => Value::Flag(flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::B(bytes) => Value::Bytes(bytes),
        AttributeValue::Ss(set) => Value::TextSet(set),
        AttributeValue::Ns(set) => Value::NumberSet(set),
        AttributeValue::Bs(set) => Value::BytesSet(set),
        AttributeValue::L(list) => Value::List(list.into_iter().map(to_value).collect()),
        AttributeValue::M(map) => Value::Map(map.into_iter().map(|(name, value)| (name, to_value(value))).collect()),
    }
}

fn failed(sequence_number: &str) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(sequence_number.to_owned());
    failure
}
