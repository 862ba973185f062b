//! Changes of users, from the stream: voids every token that the change shut out, so that a change back revives none.

use std::{collections::BTreeMap, time::Duration};

use aws_lambda_events::{
    event::dynamodb::EventRecord,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use edge::log;
use futures_util::future::{join_all, try_join_all};
use serde_dynamo::AttributeValue;
use store::{Failure, sessions::Session};
use token::{Reason, Record, Timestamp, User, UserId, Value, lifecycle, user::attribute::USER_ID};

use crate::{AT_ONCE, Prune};

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

/// The stream's clock and ours may differ by this much, so that a token issued this soon after a change may be voided
/// with it.
const CLOCK_SKEW: Duration = Duration::from_secs(2);

const DOING: &str = "voiding the tokens of a changed user";

impl Prune {
    /// Deals with a batch. What fails is named, so that Lambda delivers it again and the rest is done.
    pub(crate) async fn stream(
        &self,
        records: Vec<EventRecord>,
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<DynamoDbEventResponse, Failure> {
        let users: Vec<(UserId, Vec<Change>)> = changes(records, now)?.into_iter().collect();
        let mut answer = DynamoDbEventResponse::default();
        for some in users.chunks(AT_ONCE) {
            let voiding = some.iter().map(|(user_id, changes)| self.void_after(user_id, changes, now, may_go_on));
            let outcomes = join_all(voiding).await;
            for ((_, changes), outcome) in some.iter().zip(outcomes) {
                if let Err(failure) = outcome {
                    log::failed(&failure);
                    answer.batch_item_failures.extend(changes.iter().map(|change| failed(&change.sequence_number)));
                }
            }
        }
        Ok(answer)
    }

    /// Sessions and tokens are read before the user: a token that is in the list was made from a user no newer than the one that
    /// is read then, so that a difference means a change and never a token that was made in between.
    ///
    /// A user may have more tokens than there is time for. What is void stays void, and the rest is done when the record
    /// comes again.
    async fn void_after(
        &self,
        user_id: &UserId,
        changes: &[Change],
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        let sessions = self.store.sessions_of(user_id).await?;
        let records = self.store.readable_records_of(user_id).await?;
        let live: Vec<Record> = records.into_iter().filter(|record| record.revoked.is_none()).collect();
        if live.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        let user = self.store.user(user_id).await?;
        let ended = sessions.iter().filter(|(_, session)| why_session(session, user.as_ref(), changes).is_some());
        self.remove_sessions(ended.map(|(place, _)| place)).await?;
        let voided: Vec<(&Record, Reason)> =
            live.iter().filter_map(|record| Some((record, why(record, user.as_ref(), changes)?))).collect();
        for some in voided.chunks(AT_ONCE) {
            if !may_go_on() {
                return Err(Failure::new(DOING, "there was no time for all of them"));
            }
            try_join_all(some.iter().map(|(record, because)| self.void(record, *because, now))).await?;
        }
        Ok(())
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

/// Why this token is void: the user is not, or was for a while not, the one it was made for.
pub fn why(record: &Record, user: Option<&User>, changes: &[Change]) -> Option<Reason> {
    why_bound(record.issued_at, &|user| lifecycle::voided(record, user), user, changes)
}

/// The same for a session.
fn why_session(session: &Session, user: Option<&User>, changes: &[Change]) -> Option<Reason> {
    why_bound(session.started_at, &|user| session.voided(user), user, changes)
}

fn why_bound(
    issued_at: Timestamp,
    voided: &dyn Fn(Option<&User>) -> Option<Reason>,
    user: Option<&User>,
    changes: &[Change],
) -> Option<Reason> {
    let now_other = voided(user);
    let was_other = changes.iter().find_map(|change| {
        let was_its = matches!(&change.old, Image::User(old) if voided(Some(old)).is_none());
        let before = issued_at < change.at.after(CLOCK_SKEW);
        if !(was_its && before) {
            return None;
        }
        match &change.new {
            Image::Absent => voided(None),
            Image::Unreadable => Some(Reason::UserChanged),
            Image::User(new) => voided(Some(new)),
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
        record.sequence_number.ok_or_else(|| Failure::new(DOING, "a record has no sequence number"))?;
    // A record may have no time, which is read as 1970. Taken as of now it voids rather more.
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
