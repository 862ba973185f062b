//! The entries of the log in pages, the newest first.
//!
//! S3 lists keys in ascending order alone, so that a page reads which days of a month have objects,
//! then the keys of a whole day, and then the objects of its hours from the last one back. Within
//! an hour, objects of users and of tokens have no common order, so that entries of the same hour
//! can be on two pages in another order.

use std::{cmp::Reverse, time::Duration};

use futures_util::future::try_join_all;
use hallpass_audit::{Area, Entry, Hour};
use hallpass_store::Failure;

use crate::bucket::Bucket;

pub use hallpass_audit::listing::{Filter, Page};

/// The number of entries from which a page is full. It shows the whole of its last object, which
/// has the changes of a batch of the stream.
const ENTRIES: usize = 50;

/// The maximum number of objects that a page reads.
const OBJECTS: usize = 128;

/// The maximum number of months that a page lists.
const MONTHS: usize = 12;

/// The number of objects that are read concurrently.
const AT_ONCE: usize = 16;

/// The most time by which the hour of an object can differ from the times of its entries: a request
/// takes seconds, and a batch holds the changes of seconds.
const DIFFERENCE: Duration = Duration::from_secs(3_600);

/// Returns the page that starts after this position, which is that of an earlier page of the same
/// list. A page can have no entries and not be the last.
///
/// # Errors
/// Returns a [`Failure`] if S3 cannot be read.
pub async fn page(bucket: &Bucket, filter: &Filter, after: Option<&str>) -> Result<Page, Failure> {
    let mut page = unsorted(bucket, filter, after).await?;
    // Objects of users and of tokens are not in one order within an hour.
    page.entries.sort_by_key(|entry| Reverse((entry.event.at, entry.event.version)));
    Ok(page)
}

async fn unsorted(bucket: &Bucket, filter: &Filter, after: Option<&str>) -> Result<Page, Failure> {
    let (mut page, mut read) = (Page::default(), 0_usize);
    let first = Hour::of(filter.from.before(DIFFERENCE));
    let start = after.and_then(Area::of_key).map(|(_, hour)| hour);
    let mut hour = start.unwrap_or_else(|| Hour::of(filter.until.after(DIFFERENCE)));
    let place = after.map(order);
    for _ in 0..MONTHS {
        for day in days_of(bucket, hour).await? {
            let mut keys = keys_of(bucket, day).await?;
            keys.retain(|key| Area::of_key(key).is_some_and(|(_, at)| at >= first && at <= hour));
            keys.retain(|key| place.as_ref().is_none_or(|place| order(key) > *place));
            for some in keys.chunks(AT_ONCE) {
                let objects = try_join_all(some.iter().map(|key| bucket.get(key))).await?;
                for (key, object) in some.iter().zip(objects) {
                    if page.entries.len() >= ENTRIES || read >= OBJECTS {
                        return Ok(page);
                    }
                    page.entries.extend(object.iter().flat_map(|object| entries(object, filter)));
                    read = read.saturating_add(1);
                    page.next = Some(key.clone());
                }
            }
        }
        match last_of_month_before(hour).filter(|last| *last >= first) {
            Some(last) => hour = last,
            None => return Ok(Page { next: None, ..page }),
        }
        page.next = Some(before_all(hour));
    }
    Ok(page)
}

/// Reads the entries of an object that the filter lists. A line that is no entry is left out.
fn entries(object: &[u8], filter: &Filter) -> impl Iterator<Item = Entry> {
    let lines = object.split(|byte| *byte == b'\n');
    let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    entries.filter(|entry| filter.lists(entry))
}

/// The month of an hour in the names of objects: `YYYY/MM/`.
fn month(hour: Hour) -> String {
    hour.path().chars().take("YYYY/MM/".len()).collect()
}

/// The last hour of the month before that of this hour, or `None` in the first month.
fn last_of_month_before(hour: Hour) -> Option<Hour> {
    let first = Hour::from_path(&format!("{}01/00", month(hour)))?;
    let last = first.before(1);
    (last < first).then_some(last)
}

/// The position before all objects of an hour. A month without objects has no key to continue from.
fn before_all(hour: Hour) -> String {
    format!("{}{}/~", Area::Tokens.prefix(), hour.path())
}

/// Lists the days with objects in the month of this hour that begin until then, the last day first.
/// Each is its last hour.
async fn days_of(bucket: &Bucket, hour: Hour) -> Result<Vec<Hour>, Failure> {
    let mut days = Vec::new();
    for area in [Area::Tokens, Area::Users] {
        let folders = bucket.folders(&format!("{}{}", area.prefix(), month(hour))).await?;
        let day = |folder: &String| {
            Hour::from_path(&format!("{}23", folder.strip_prefix(area.prefix())?))
        };
        days.extend(folders.iter().filter_map(day).filter(|day| day.before(23) <= hour));
    }
    days.sort_by_key(|day| Reverse(*day));
    days.dedup();
    Ok(days)
}

/// Lists the objects of the day of this hour, those of its last hour first.
async fn keys_of(bucket: &Bucket, hour: Hour) -> Result<Vec<String>, Failure> {
    let path = hour.path();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_back_by_whole_months() {
        let check = |path: &str, expected: Option<&str>| {
            let last = last_of_month_before(Hour::from_path(path).unwrap());
            assert_eq!(last, expected.and_then(Hour::from_path), "{path}");
        };
        check("2026/03/31/23", Some("2026/02/28/23"));
        check("2028/03/01/00", Some("2028/02/29/23"));
        check("2027/01/15/08", Some("2026/12/31/23"));
        check("1970/02/01/00", Some("1970/01/31/23"));
        check("1970/01/31/23", None);
    }

    #[test]
    fn objects_are_in_the_order_of_their_hours_and_changes() {
        let key = |area: &str, hour: &str, number: u64| format!("audit/{area}/{hour}/{number:040}");
        let newest_first = [
            before_all(Hour::from_path("2026/01/31/23").unwrap()),
            key("tokens", "2026/01/31/23", 1),
            key("users", "2026/01/31/22", 9),
            key("tokens", "2026/01/31/22", 8),
            before_all(Hour::from_path("2025/12/31/23").unwrap()),
            key("tokens", "2025/12/31/23", 7),
        ];
        assert!(newest_first.is_sorted_by_key(|key| order(key)), "{newest_first:?}");
    }
}
