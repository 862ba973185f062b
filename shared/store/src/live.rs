//! The records of a user that may be accepted: a sparse index of the user's partition, by the instant until which a
//! record is live as far as it tells itself. A record leaves the index when it is revoked, so that what is read does
//! not grow with what is over.
//!
//! The index is a local one, because only those are read strongly. It has what decides about a token and no more.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use token::{
    Binding, Fingerprint, Format, Record, Snapshot, Timestamp, TokenHash, TokenId, User, UserId, lifecycle::Bound,
};

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, Item},
    verify::pause,
};

/// The index, and the attribute that it is by.
pub const LIVE_INDEX: &str = item::LIVE_UNTIL;

/// A record as the index has it.
#[derive(Clone, Debug)]
pub struct LiveRecord {
    /// The token's public ID.
    pub id: TokenId,
    /// The format of its text.
    pub format: Format,
    /// Whether it has a name.
    pub is_named: bool,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires or is replaced; [`Timestamp::MAX`] for never.
    pub live_until: Timestamp,
    /// The user's fingerprint at that time.
    pub fingerprint: Fingerprint,
    /// What that fingerprint is made of.
    pub binding: Binding,
    /// What of the user a rejection can name.
    pub snapshot: Snapshot,
}

/// Some of a user's records that may be accepted, those that expire first before the others.
#[derive(Debug)]
pub struct LivePage {
    /// The records.
    pub records: Vec<LiveRecord>,
    /// How many records more there are that cannot be read.
    pub unreadable: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<LivePlace>,
}

/// A place in the index.
#[derive(Clone, Debug)]
pub struct LivePlace(Item);

/// How many tokens of a user are accepted, or may be accepted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCount {
    /// All of them.
    pub all: usize,
    /// Those with a name.
    pub named: usize,
}

/// How many records are read at once for a count: about a third of the megabyte that DynamoDB reads at once.
const PAGE: i32 = 1_000;

/// When it would have to wait longer than this for keys that were left unprocessed, it fails.
const MAX_WAIT: Duration = Duration::from_millis(500);

const DOING: &str = "reading the user's live tokens";

impl Store {
    /// One page of at most `limit` records of a user that are neither revoked nor over at this time. Whether a change
    /// of the user has invalidated one is for the caller to see.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn live_page(
        &self,
        user_id: &UserId,
        now: Timestamp,
        limit: i32,
        after: Option<LivePlace>,
    ) -> Result<LivePage, Failure> {
        let call = self.client.query().table_name(&self.tables.tokens).index_name(LIVE_INDEX);
        let call = call.consistent_read(true).limit(limit).set_exclusive_start_key(after.map(|LivePlace(key)| key));
        let call = call
            .key_condition_expression("#user = :user AND #live > :now")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#live", item::LIVE_UNTIL)
            .expression_attribute_values(":user", item::text(user_id.as_str()))
            .expression_attribute_values(":now", item::number(now));
        let answer = call.send().await.map_err(Failure::of(DOING))?;
        let items = answer.items.unwrap_or_default();
        let records: Vec<LiveRecord> = items.iter().filter_map(|item| live_record(item).ok()).collect();
        let unreadable = items.len().saturating_sub(records.len());
        Ok(LivePage { records, unreadable, next: answer.last_evaluated_key.map(LivePlace) })
    }

    /// The whole records of these, strongly read; those that are gone meanwhile are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn whole_records(&self, live: &[LiveRecord]) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        // BatchGetItem takes 100 keys.
        for some in live.chunks(100) {
            let keys = some.iter().map(|record| item::record_key(&record.id, record.format)).collect();
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let keys = keys.map_err(|bad| Failure::new(DOING, bad))?;
            let mut asked = HashMap::from([(self.tables.tokens.clone(), keys)]);
            let mut wait = Duration::from_millis(20);
            loop {
                let call = self.client.batch_get_item().set_request_items(Some(asked));
                let answer = call.send().await.map_err(Failure::of(DOING))?;
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    records.push(item::to_record(&item).map_err(|bad| Failure::new(DOING, bad))?);
                }
                asked = answer.unprocessed_keys.unwrap_or_default();
                if asked.is_empty() {
                    break;
                }
                if wait > MAX_WAIT {
                    return Err(Failure::new(DOING, "keys were left unprocessed again and again"));
                }
                pause(wait).await;
                wait = wait.saturating_mul(2);
            }
        }
        Ok(records)
    }

    /// At most `most` of the user's records that may be accepted and that this predicate takes.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn live_records(
        &self,
        user_id: &UserId,
        now: Timestamp,
        most: usize,
        takes: impl Fn(&LiveRecord) -> bool,
    ) -> Result<Vec<LiveRecord>, Failure> {
        let (mut live, mut after) = (Vec::new(), None);
        loop {
            let page = self.live_page(user_id, now, PAGE, after).await?;
            live.extend(page.records.into_iter().filter(|record| takes(record)));
            after = page.next;
            if after.is_none() || live.len() >= most {
                live.truncate(most);
                return Ok(live);
            }
        }
    }

    /// Counts the tokens of this user that are accepted or may be accepted again, until they are enough. One that
    /// cannot be read counts, and counts as named.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_live(
        &self,
        user: &User,
        now: Timestamp,
        is_enough: impl Fn(LiveCount) -> bool,
    ) -> Result<LiveCount, Failure> {
        let (mut count, mut after) = (LiveCount::default(), None);
        loop {
            let page = self.live_page(&user.id, now, PAGE, after).await?;
            let counted = page.records.iter().filter(|record| record.invalidated(Some(user)).is_none());
            for is_named in counted.map(|record| record.is_named).chain(std::iter::repeat_n(true, page.unreadable)) {
                count.all = count.all.saturating_add(1);
                count.named = count.named.saturating_add(usize::from(is_named));
            }
            after = page.next;
            if after.is_none() || is_enough(count) {
                return Ok(count);
            }
        }
    }
}

impl LiveRecord {
    /// Why a change of the user has invalidated this token for good, if one has.
    pub fn invalidated(&self, user: Option<&User>) -> Option<token::Reason> {
        let Self { id, fingerprint, binding, snapshot, .. } = self;
        Bound { hash: &id.hash, fingerprint, binding, snapshot }.invalidated(user)
    }
}

fn live_record(item: &Item) -> Result<LiveRecord, Corrupt> {
    let format = item::format(item)?;
    let hash: TokenHash = item::hash(item, format)?;
    Ok(LiveRecord {
        id: TokenId { user_id: item::required(item, item::USER_ID)?, hash },
        format,
        is_named: item.contains_key(item::NAME),
        issued_at: item::instant(item, item::ISSUED_AT)?.ok_or(Corrupt(item::ISSUED_AT))?,
        live_until: item::instant(item, item::LIVE_UNTIL)?.ok_or(Corrupt(item::LIVE_UNTIL))?,
        fingerprint: item::fingerprint(item)?,
        binding: item::binding(item)?,
        snapshot: item::snapshot(item)?,
    })
}
