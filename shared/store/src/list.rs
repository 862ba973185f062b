//! Lists a user's records, page by page. A user's tokens are in one partition, so every read of
//! them is strongly consistent.

use hallpass_token::{Format, Record, UserId, cursor::Position};

use crate::{
    Failure, Store,
    item::{self, Item},
};

/// A page of a user's records, in the order of their keys.
#[derive(Debug)]
pub struct Page {
    /// The records of the page.
    pub records: Vec<Record>,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<Position>,
}

/// A page of a user's readable records.
#[derive(Debug)]
pub struct ReadablePage {
    /// The records of the page.
    pub records: Vec<Record>,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<PageKey>,
}

/// A position in a user's partition: the sort key of the last record read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageKey(String);

const LISTING: &str = "listing the user's tokens";

impl Store {
    /// Reads all records of a user.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if a record is corrupt.
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

    /// Reads a page of at most `limit` of a user's records, in the order of their keys. With
    /// `only`, the page contains only this token and those that it issued. It is never shorter than
    /// it has to be.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if a record is corrupt.
    pub async fn page_of(
        &self,
        user_id: &UserId,
        limit: usize,
        after: Option<Position>,
        only: Option<&Record>,
    ) -> Result<Page, Failure> {
        let begin = after.map(sort_key);
        // One record more than `limit` shows whether another page exists. The token's own record
        // does not match the filter.
        let mut records: Vec<Record> =
            only.filter(|own| begin.as_ref() < Some(&own_key(own))).cloned().into_iter().collect();
        let most = limit.saturating_add(1).saturating_add(records.len());
        let mut place = begin;
        loop {
            let missing = most.saturating_sub(records.len());
            let at_once = only.is_none().then(|| i32::try_from(missing).unwrap_or(i32::MAX));
            let (some, next) = self.part_of(user_id, at_once, place, only).await?;
            records.extend(
                some.into_iter().filter(|record| only.is_none_or(|own| own.id != record.id)),
            );
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

    /// Reads as many of a user's records as DynamoDB returns at once. Unreadable ones are omitted:
    /// they are never accepted, and must not keep the others from being revoked.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn readable_page_of(
        &self,
        user_id: &UserId,
        after: Option<PageKey>,
    ) -> Result<ReadablePage, Failure> {
        let (items, next) =
            self.items_of(user_id, None, after.map(|PageKey(key)| key), None).await?;
        let records = items.iter().filter_map(|item| item::to_record(item).ok()).collect();
        Ok(ReadablePage { records, next: next.map(PageKey) })
    }

    /// Reads the items of [`Store::items_of`] as records, all of which must be readable.
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

    /// Reads items of a user's tokens after this sort key: at most `limit`, or as many as DynamoDB
    /// returns at once. With `issued_by`, only those that this token issued. Also returns the sort
    /// key after which more items can follow.
    async fn items_of(
        &self,
        user_id: &UserId,
        limit: Option<i32>,
        after: Option<String>,
        issued_by: Option<&Record>,
    ) -> Result<(Vec<Item>, Option<String>), Failure> {
        let call = self
            .client
            .query()
            .table_name(&self.tables.tokens)
            .consistent_read(true)
            .set_limit(limit);
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
        let call =
            call.set_exclusive_start_key(after.map(|token| item::key(user_id.as_str(), &token)));
        let response = call.send().await.map_err(Failure::of(LISTING))?;
        let next =
            response.last_evaluated_key.map(|key| item::required(&key, item::TOKEN)).transpose();
        Ok((response.items.unwrap_or_default(), next.map_err(|bad| Failure::new(LISTING, bad))?))
    }
}

/// The position of this record in a list.
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
