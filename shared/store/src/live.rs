//! The records of a user that can be accepted, from a sparse index of the user's partition. Its
//! sort key is the time until which the record does not reject the token for good. A revoked record
//! is not in the index, and an expired one is not in the range that is read, so that the cost of a
//! read does not grow with them.
//!
//! The index is a local one, because only local indexes support strongly consistent reads. It
//! projects only the attributes that decide about a token.

use hallpass_token::{
    Binding, Fingerprint, Format, Record, Snapshot, Timestamp, TokenHash, TokenId, User, UserId,
    lifecycle::Bound,
};

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, Item},
};

/// The name of the index, which is also the name of its sort key.
pub const LIVE_INDEX: &str = item::LIVE_UNTIL;

/// A record as projected into the index.
#[derive(Clone, Debug)]
pub struct LiveRecord {
    /// The token's public ID.
    pub id: TokenId,
    /// The format of the token's text.
    pub format: Format,
    /// Whether the token has a name.
    pub is_named: bool,
    /// The issue time.
    pub issued_at: Timestamp,
    /// The time of expiry or replacement, or [`Timestamp::MAX`] for never.
    pub live_until: Timestamp,
    /// The user's fingerprint at issue.
    pub fingerprint: Fingerprint,
    /// The attributes that the fingerprint covers.
    pub binding: Binding,
    /// Digests of those attributes.
    pub snapshot: Snapshot,
}

/// A page of a user's records that can be accepted, in the order of `live_until`.
#[derive(Debug)]
pub struct LivePage {
    /// The records of the page.
    pub records: Vec<LiveRecord>,
    /// The number of unreadable records on the page.
    pub unreadable: usize,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<LivePlace>,
}

/// A position in the index.
#[derive(Clone, Debug)]
pub struct LivePlace(Item);

/// The number of a user's tokens that are accepted, or can be accepted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCount {
    /// The number of all such tokens.
    pub all: usize,
    /// The number of those with a name.
    pub named: usize,
}

/// The number of records on a page for counting: about a third of the megabyte that DynamoDB
/// returns at most.
const PAGE: i32 = 1_000;

const DOING: &str = "reading the user's live tokens";

impl Store {
    /// Reads a page of at most `limit` records of a user that are neither revoked, expired nor
    /// replaced. The caller checks whether a change of the user has invalidated them.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn live_page(
        &self,
        user_id: &UserId,
        now: Timestamp,
        limit: i32,
        after: Option<LivePlace>,
    ) -> Result<LivePage, Failure> {
        let call = self.client.query().table_name(&self.tables.tokens).index_name(LIVE_INDEX);
        let call = call
            .consistent_read(true)
            .limit(limit)
            .set_exclusive_start_key(after.map(|LivePlace(key)| key));
        let call = call
            .key_condition_expression("#user = :user AND #live > :now")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#live", item::LIVE_UNTIL)
            .expression_attribute_values(":user", item::text(user_id.as_str()))
            .expression_attribute_values(":now", item::number(now));
        let response = call.send().await.map_err(Failure::of(DOING))?;
        let items = response.items.unwrap_or_default();
        let records: Vec<LiveRecord> =
            items.iter().filter_map(|item| live_record(item).ok()).collect();
        let unreadable = items.len().saturating_sub(records.len());
        Ok(LivePage { records, unreadable, next: response.last_evaluated_key.map(LivePlace) })
    }

    /// Reads the complete records with strong consistency. Records that no longer exist are
    /// omitted.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if a record is corrupt.
    pub async fn whole_records(&self, live: &[LiveRecord]) -> Result<Vec<Record>, Failure> {
        let keys = live.iter().map(|record| item::record_key(&record.id, record.format)).collect();
        let items = self.get_all(&self.tables.tokens, keys, DOING).await?;
        items
            .iter()
            .map(item::to_record)
            .collect::<Result<_, _>>()
            .map_err(|bad| Failure::new(DOING, bad))
    }

    /// Reads at most `most` of the user's records that can be accepted and that match.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn live_records(
        &self,
        user_id: &UserId,
        now: Timestamp,
        most: usize,
        matches: impl Fn(&LiveRecord) -> bool,
    ) -> Result<Vec<LiveRecord>, Failure> {
        let (mut live, mut after) = (Vec::new(), None);
        loop {
            let page = self.live_page(user_id, now, PAGE, after).await?;
            live.extend(page.records.into_iter().filter(|record| matches(record)));
            after = page.next;
            if after.is_none() || live.len() >= most {
                live.truncate(most);
                return Ok(live);
            }
        }
    }

    /// Counts the tokens of this user that are accepted or can be accepted again, until
    /// `is_enough`. An unreadable record counts as a token with a name.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn count_live(
        &self,
        user: &User,
        now: Timestamp,
        is_enough: impl Fn(LiveCount) -> bool,
    ) -> Result<LiveCount, Failure> {
        let (mut count, mut after) = (LiveCount::default(), None);
        loop {
            let page = self.live_page(&user.id, now, PAGE, after).await?;
            let counted =
                page.records.iter().filter(|record| record.invalidated(Some(user)).is_none());
            for is_named in counted
                .map(|record| record.is_named)
                .chain(std::iter::repeat_n(true, page.unreadable))
            {
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
    /// Returns the reason if a change of the user has invalidated this token for good.
    pub fn invalidated(&self, user: Option<&User>) -> Option<hallpass_token::Reason> {
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
