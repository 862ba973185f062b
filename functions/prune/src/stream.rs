//! Processes user changes from the stream: invalidates every affected token, so that undoing the
//! change revives none.

use std::{collections::BTreeMap, time::Duration};

use aws_lambda_events::{
    event::dynamodb::EventRecord,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use futures_util::future::join_all;
use hallpass_runtime::Event as ServiceEvent;
use hallpass_store::{
    Failure,
    live::{LivePlace, LiveRecord},
    marks::ChangeMark,
    sessions::Session,
    sweep::Invalidation,
};
use hallpass_token::{Cause, Reason, Timestamp, User, UserId, Value, user::attribute::USER_ID};
use serde_dynamo::AttributeValue;

use crate::{AT_ONCE, INVALIDATING, Prune, no_time_left};

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
    /// The item was not a valid user, so no token could be verified or issued for it.
    Unreadable,
    User(Box<User>),
}

/// The tolerated difference between the clocks of the stream and of the functions. A token issued
/// within this time after a change may be invalidated with it.
const CLOCK_SKEW: Duration = Duration::from_secs(2);

/// The number of tokens of a user that are processed before the next user's turn.
const PAGE: i32 = 500;

/// The changes of one user in a batch, and the position among the user's tokens.
struct Drain {
    user_id: UserId,
    changes: Vec<Change>,
    after: Option<LivePlace>,
}

impl Prune {
    /// Processes a batch. Reports failed records, so that Lambda delivers only those again.
    ///
    /// One page of tokens is processed for every user before a second page for any, so a user with
    /// very many tokens does not delay the others. Users whose tokens exceed the time limit are
    /// reported too. Invalidated tokens leave the index, so the next delivery continues where this
    /// one stopped, however many deliveries it takes.
    pub(crate) async fn stream(
        &self,
        records: Vec<EventRecord>,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<DynamoDbEventResponse, Failure> {
        let said = self.said(&records, cause.at);
        let numbers = records.iter().filter_map(|record| record.change.sequence_number.clone());
        let numbers: Vec<String> = numbers.collect();
        let drain = |(user_id, changes)| Drain { user_id, changes, after: None };
        let mut waiting: Vec<Drain> = changes(records, cause.at)?.into_iter().map(drain).collect();
        let mut unfinished: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
        while !waiting.is_empty() {
            let mut next = Vec::new();
            while !waiting.is_empty() {
                let some = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
                let outcomes = join_all(
                    some.iter().map(|drain| self.invalidate_page(drain, cause, may_go_on)),
                )
                .await;
                for (drain, (place, outcome)) in some.into_iter().zip(outcomes) {
                    let goes_on = place.is_some() && may_go_on();
                    let no_time = place.is_some() && !goes_on;
                    if let Some(failure) = outcome.err().or_else(|| no_time.then(no_time_left)) {
                        ServiceEvent::Failed(&failure).log(cause);
                        let numbers =
                            drain.changes.iter().map(|change| change.sequence_number.clone());
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
        response.batch_item_failures =
            unfinished.values().flatten().map(|number| failed(number)).collect();
        // Tokens are invalidated regardless of the log and the bus.
        if let Err(failure) = self.keep(said).await {
            ServiceEvent::Failed(&failure).log(cause);
            response.batch_item_failures = numbers.iter().map(|number| failed(number)).collect();
        }
        Ok(response)
    }

    /// Invalidates the affected tokens in one page of the user's tokens. Returns the position of
    /// the next page, and the failure of this one.
    async fn invalidate_page(
        &self,
        drain: &Drain,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> (Option<LivePlace>, Result<(), Failure>) {
        let marked = self.mark(drain, cause.at).await;
        match self.read_page(drain, cause.at).await {
            Ok((invalidated, next)) => {
                (next, self.invalidate_all(&invalidated, cause, may_go_on).await.and(marked))
            }
            Err(failure) => (None, Err(failure)),
        }
    }

    /// Writes a mark before the first page of tokens is read. A token that is in no page was
    /// written later, so its issuer finds the mark in the recheck (`generate`), even if the change
    /// has been undone. If the mark cannot be written, tokens are still invalidated, but the record
    /// must be delivered again.
    async fn mark(&self, drain: &Drain, now: Timestamp) -> Result<(), Failure> {
        if drain.after.is_some() {
            return Ok(());
        }
        let marks = drain.changes.iter().filter_map(|change| self.mark_of(change)).collect();
        self.store.mark_changes(&drain.user_id, &marks, now).await
    }

    /// Reads a page of sessions and tokens before the user. Every token in the page was therefore
    /// issued for this state of the user or an earlier one, and a difference always means a change.
    async fn read_page(
        &self,
        drain: &Drain,
        now: Timestamp,
    ) -> Result<(Vec<Invalidation>, Option<LivePlace>), Failure> {
        let Drain { user_id, changes, after } = drain;
        let sessions =
            if after.is_none() { self.store.sessions_of(user_id).await? } else { Vec::new() };
        let page = self.store.live_page(user_id, now, PAGE, after.clone()).await?;
        if page.records.is_empty() && sessions.is_empty() {
            return Ok((Vec::new(), page.next));
        }
        let user = self.store.user(user_id).await?;
        let ended = sessions
            .iter()
            .filter(|(_, session)| why_session(session, user.as_ref(), changes).is_some());
        self.remove_sessions(ended.map(|(place, _)| place)).await?;
        let invalidated = page.records.iter().filter_map(|record| {
            let because = why(record, user.as_ref(), changes)?;
            Some(Invalidation::of_live(record, because))
        });
        Ok((invalidated.collect(), page.next))
    }
}

impl Prune {
    /// Returns the mark of a change that invalidates tokens or sessions of the user's old state. A
    /// new user had none.
    fn mark_of(&self, change: &Change) -> Option<ChangeMark> {
        let fingerprint =
            |user: &User| self.bound_to.as_ref().map(|bound_to| bound_to.fingerprint(user));
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

/// Groups the records of a batch by user, in order.
///
/// # Errors
/// Returns a [`Failure`] if a record has no sequence number and so could not be reported. The whole
/// batch must be delivered again.
pub fn changes(
    records: Vec<EventRecord>,
    now: Timestamp,
) -> Result<BTreeMap<UserId, Vec<Change>>, Failure> {
    let mut users: BTreeMap<UserId, Vec<Change>> = BTreeMap::new();
    for record in records {
        if let Some((user_id, change)) = change(record, now)? {
            users.entry(user_id).or_default().push(change);
        }
    }
    Ok(users)
}

/// Returns why a token is invalid: the user no longer matches the state that it was issued for, or
/// temporarily did not.
pub fn why(record: &LiveRecord, user: Option<&User>, changes: &[Change]) -> Option<Reason> {
    why_bound(record.issued_at, &|user| record.invalidated(user), user, changes)
}

/// Returns why a session is invalid, as [`why`] does for a token.
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
        let matched = matches!(&change.old, Image::User(old) if invalidated(Some(old)).is_none());
        let is_earlier = issued_at < change.at.after(CLOCK_SKEW);
        if !(matched && is_earlier) {
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

/// Reads a stream record. Returns `None` for an item that cannot have tokens.
fn change(record: EventRecord, now: Timestamp) -> Result<Option<(UserId, Change)>, Failure> {
    let record = record.change;
    let keys = record.keys.into_inner();
    let Some(AttributeValue::S(user_id)) = keys.get(USER_ID) else {
        return Ok(None);
    };
    let Ok(user_id) = user_id.parse() else {
        return Ok(None);
    };
    // A record without a sequence number cannot be reported, so the whole batch must be delivered
    // again.
    let sequence_number = record
        .sequence_number
        .ok_or_else(|| Failure::new(INVALIDATING, "a record has no sequence number"))?;
    // A missing time reads as 1970. Using the current time instead invalidates rather too much than
    // too little.
    let at = u64::try_from(record.approximate_creation_date_time.timestamp())
        .ok()
        .filter(|seconds| *seconds > 0);
    let at = at.and_then(Timestamp::from_unix).unwrap_or(now);
    let change =
        Change { sequence_number, at, old: image(record.old_image), new: image(record.new_image) };
    Ok(Some((user_id, change)))
}

fn image(item: serde_dynamo::Item) -> Image {
    let attributes = values(item);
    if attributes.is_empty() {
        return Image::Absent;
    }
    User::from_attributes(attributes).map_or(Image::Unreadable, |user| Image::User(Box::new(user)))
}

/// Returns the values of the attributes of an item.
pub(crate) fn values(item: serde_dynamo::Item) -> BTreeMap<String, Value> {
    item.into_inner().into_iter().map(|(name, value)| (name, to_value(value))).collect()
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
        AttributeValue::M(map) => {
            Value::Map(map.into_iter().map(|(name, value)| (name, to_value(value))).collect())
        }
    }
}

fn failed(sequence_number: &str) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(sequence_number.to_owned());
    failure
}
