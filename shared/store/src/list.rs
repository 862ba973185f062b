//! Listing a user's records, page by page. A user's tokens are one partition, so every look at them is strong.

use token::{Format, Record, UserId, cursor::Position};

use crate::{
    Failure, Store,
    item::{self, Item},
};

/// Some of a user's records, in the order of their keys.
#[derive(Debug)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Behind which the next page begins, if there is more.
    pub next: Option<Position>,
}

/// Some of a user's records that can be read.
#[derive(Debug)]
pub struct ReadablePage {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins, if there is one.
    pub next: Option<PageKey>,
}

/// A place in a user's partition: the sort key of the last record seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageKey(String);

const LISTING: &str = "listing the user's tokens";

impl Store {
    /// All records of a user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn records_of(&self, user_id: &UserId) -> Result<Vec<Record>, Failure> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (records, next) = self.part_of(user_id, None, after, None).await?;
            all.extend(records);
            after = next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// At most `limit` of a user's records, in the order of their keys, and whether there are more. `only` leaves out
    /// what this token may not see: of its own and what it issued, the page is as full as it can be.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn page_of(
        &self,
        user_id: &UserId,
        limit: usize,
        after: Option<Position>,
        only: Option<&Record>,
    ) -> Result<Page, Failure> {
        let begin = after.map(sort_key);
        // One more than asked for tells whether there is more. Its own record has no attribute to be filtered by.
        let mut records: Vec<Record> =
            only.filter(|own| begin.as_ref() < Some(&own_key(own))).cloned().into_iter().collect();
        let most = limit.saturating_add(1).saturating_add(records.len());
        let mut place = begin;
        loop {
            let missing = most.saturating_sub(records.len());
            let at_once = only.is_none().then(|| i32::try_from(missing).unwrap_or(i32::MAX));
            let (some, next) = self.part_of(user_id, at_once, place, only).await?;
            records.extend(some.into_iter().filter(|record| only.is_none_or(|own| own.id != record.id)));
            place = next;
            if place.is_none() || records.len() >= most {
                break;
            }
        }
        records.sort_by_cached_key(own_key);
        let has_more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| has_more).map(position);
        Ok(Page { records, next })
    }

    /// As many of a user's records as DynamoDB reads at once, without those that cannot be read: one that cannot is
    /// rejected anyway, and must not keep the others alive.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn readable_page_of(&self, user_id: &UserId, after: Option<PageKey>) -> Result<ReadablePage, Failure> {
        let (items, next) = self.items_of(user_id, None, after.map(|PageKey(key)| key), None).await?;
        let records = items.iter().filter_map(|item| item::to_record(item).ok()).collect();
        Ok(ReadablePage { records, next: next.map(PageKey) })
    }

    /// The records of [`Store::items_of`], all of which must be readable.
    async fn part_of(
        &self,
        user_id: &UserId,
        limit: Option<i32>,
        after: Option<String>,
        issued_by: Option<&Record>,
    ) -> Result<(Vec<Record>, Option<String>), Failure> {
        let (items, next) = self.items_of(user_id, limit, after, issued_by).await?;
        let records = items.iter().map(item::to_record).collect::<Result<_, _>>();
        Ok((records.map_err(|bad| Failure::new(LISTING, bad))?, next))
    }

    /// Some of the items of a user's tokens behind this sort key, and the sort key behind which there may be more: at
    /// most `limit`, or as many as DynamoDB reads at once; with `issued_by`, those that this token issued.
    async fn items_of(
        &self,
        user_id: &UserId,
        limit: Option<i32>,
        after: Option<String>,
        issued_by: Option<&Record>,
    ) -> Result<(Vec<Item>, Option<String>), Failure> {
        let call = self.client.query().table_name(&self.tables.tokens).consistent_read(true).set_limit(limit);
        let mut call = call
            .key_condition_expression("#user = :user AND #token >= :first")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#token", item::TOKEN)
            .expression_attribute_values(":user", item::text(user_id.as_str()))
            .expression_attribute_values(":first", item::text(item::FIRST_TOKEN));
        if let Some(issuer) = issued_by {
            call = call
                .filter_expression("#by = :by")
                .expression_attribute_names("#by", item::ISSUED_BY)
                .expression_attribute_values(":by", item::text(issuer.id.to_string()));
        }
        let call = call.set_exclusive_start_key(after.map(|token| item::key(user_id.as_str(), &token)));
        let answer = call.send().await.map_err(Failure::of(LISTING))?;
        let next = answer.last_evaluated_key.map(|key| item::required(&key, item::TOKEN)).transpose();
        Ok((answer.items.unwrap_or_default(), next.map_err(|bad| Failure::new(LISTING, bad))?))
    }
}

/// The place of this record in a list.
const fn position(record: &Record) -> Position {
    match record.format {
        Format::Developer => Position::Developer,
        Format::Signed | Format::Jwt => Position::Token(record.id.hash),
    }
}

fn own_key(record: &Record) -> String {
    sort_key(position(record))
}

fn sort_key(position: Position) -> String {
    match position {
        Position::Token(hash) => hash.to_string(),
        Position::Developer => item::DEVELOPER.to_owned(),
    }
}
