//! The entries of the log in pages, the newest first.
//!
//! S3 lists keys in ascending order alone, so that a page reads the keys of a whole day, and then
//! the objects of its hours from the last one back.

use std::{cmp::Reverse, time::Duration};

use futures_util::future::try_join_all;
use hallpass_audit::{Area, Entry, Hour};
use hallpass_store::Failure;
use hallpass_token::Timestamp;

use crate::bucket::Bucket;

/// The entries that a list shows.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Those of this user and of the user's tokens.
    pub user_id: Option<String>,
    /// Those of this token.
    pub token_id: Option<String>,
    /// Those from this time on.
    pub from: Timestamp,
    /// Those before this time.
    pub until: Timestamp,
}

/// A page of entries.
#[derive(Debug, Default)]
pub struct Page {
    /// The entries, the newest first.
    pub entries: Vec<Entry>,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<String>,
}

/// The number of entries from which a page is full. It shows the whole of its last object.
const ENTRIES: usize = 50;

/// The maximum number of objects that a page reads.
const OBJECTS: usize = 128;

/// The maximum number of days that a page lists.
const DAYS: usize = 62;

/// The number of objects that are read concurrently.
const AT_ONCE: usize = 16;

const DAY: Duration = Duration::from_secs(86_400);

impl Filter {
    fn lists(&self, entry: &Entry) -> bool {
        let event = &entry.event;
        self.user_id.as_ref().is_none_or(|id| *id == event.user_id)
            && self.token_id.as_ref().is_none_or(|id| event.token_id.as_ref() == Some(id))
            && event.at >= self.from
            && event.at < self.until
    }
}

/// Returns the page that starts after this position, which is the key of an object.
///
/// # Errors
/// Returns a [`Failure`] if S3 cannot be read.
pub async fn page(bucket: &Bucket, filter: &Filter, after: Option<&str>) -> Result<Page, Failure> {
    let (mut page, mut read) = (Page::default(), 0_usize);
    let start = after.and_then(Area::of_key).map(|(_, hour)| hour.start());
    let mut day = start.unwrap_or(filter.until);
    let mut after = after.map(str::to_owned);
    for _ in 0..DAYS {
        let mut keys = keys_of(bucket, day).await?;
        if let Some(after) = after.take() {
            let place = order(&after);
            keys.retain(|key| order(key) > place);
        }
        for some in keys.chunks(AT_ONCE) {
            if page.entries.len() >= ENTRIES || read >= OBJECTS {
                return Ok(page);
            }
            page.entries.extend(entries_of(bucket, some, filter).await?);
            read = read.saturating_add(some.len());
            page.next = some.last().cloned();
        }
        if day.before(DAY) < filter.from.before(DAY) {
            page.next = None;
            return Ok(page);
        }
        day = day.before(DAY);
        // A day without objects has no key to go on from; its first hour has one.
        page.next = Some(format!("{}{}/~", Area::Tokens.prefix(), Hour::of(day).path()));
    }
    Ok(page)
}

/// Reads the entries of these objects that the filter lists, the newest first.
async fn entries_of(
    bucket: &Bucket,
    keys: &[String],
    filter: &Filter,
) -> Result<Vec<Entry>, Failure> {
    let objects = try_join_all(keys.iter().map(|key| bucket.get(key))).await?;
    let lines = objects.iter().flatten().flat_map(|object| object.split(|byte| *byte == b'\n'));
    let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    let mut entries: Vec<Entry> = entries.filter(|entry| filter.lists(entry)).collect();
    entries.sort_by_key(|entry| Reverse((entry.event.at, entry.event.version)));
    Ok(entries)
}

/// Lists the objects of the day of this instant, those of its last hour first.
async fn keys_of(bucket: &Bucket, day: Timestamp) -> Result<Vec<String>, Failure> {
    let path = Hour::of(day).path();
    let day = path.rsplit_once('/').map_or(path.as_str(), |(day, _hour)| day);
    let mut keys = Vec::new();
    for area in [Area::Tokens, Area::Users] {
        let prefix = format!("{}{day}/", area.prefix());
        keys.extend(bucket.all_keys(&prefix, "").await?);
    }
    keys.sort_by_key(|key| order(key));
    Ok(keys)
}

/// The order of objects in a list.
fn order(key: &str) -> Reverse<(Option<Hour>, String)> {
    let placed = Area::of_key(key);
    let rest = placed.map_or(key, |(area, _)| key.strip_prefix(area.prefix()).unwrap_or(key));
    Reverse((placed.map(|(_, hour)| hour), rest.to_owned()))
}
