//! The hourly digests of the audit log.
//!
//! The digest of an hour lists every object that no digest before it lists. An object that is late
//! has a key of an earlier hour, because its key has the time of its changes.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join_all;
use hallpass_audit::{
    Area, Digest, Hour,
    digest::{self, Link, Listed},
};
use hallpass_runtime::log::TARGET;
use hallpass_sinks::{Bucket, SigningKey};
use hallpass_store::Failure;
use hallpass_token::Timestamp;
use serde::Serialize;

use crate::Notify;

/// The time after an hour from which its digest is written: longer than an invocation takes, so
/// that most objects of the hour exist.
const SETTLED: Duration = Duration::from_secs(5 * 60);

/// The number of hours for which an object can be late: the stream keeps a record for a day.
const LATE: u64 = 26;

/// The number of objects that are read concurrently.
const AT_ONCE: usize = 16;

/// The result of a run of the schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Digested {
    /// The number of digests that were written.
    pub digests: u64,
    /// The number of objects that they list.
    pub objects: u64,
    /// Whether every past hour has a digest. If not, the next run continues.
    pub finished: bool,
}

/// The last digests of a log.
#[derive(Default)]
struct Last {
    /// The last digest.
    link: Option<(Hour, Link)>,
    /// The keys of the objects that the last digests list.
    listed: BTreeSet<String>,
}

impl Notify {
    /// Writes the digest of every past hour that has none.
    pub(crate) async fn digests(
        &self,
        now: Timestamp,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Digested, Failure> {
        let mut digested = Digested::default();
        let Some((bucket, key)) = &self.audit else {
            return Ok(Digested { finished: true, ..digested });
        };
        let current = Hour::of(now.before(SETTLED));
        let mut last = Last::read(bucket, current).await?;
        let mut hour = match &last.link {
            Some((hour, _)) => hour.next(),
            None => first_hour(bucket, current).await?,
        };
        while hour < current {
            if !may_go_on() {
                return Ok(digested);
            }
            let objects = write(bucket, key, hour, &mut last).await?;
            digested.digests = digested.digests.saturating_add(1);
            digested.objects = digested.objects.saturating_add(objects);
            hour = hour.next();
        }
        digested.finished = true;
        let Digested { digests, objects, .. } = digested;
        tracing::info!(target: TARGET, { digests, objects }, "digested");
        Ok(digested)
    }
}

impl Last {
    /// Reads the last [`LATE`] digests. The next one considers the objects of its own hour and of
    /// as many hours before it, and no earlier digest has one of these.
    async fn read(bucket: &Bucket, current: Hour) -> Result<Self, Failure> {
        let count = usize::try_from(LATE).unwrap_or(usize::MAX);
        let recent = current.before(LATE.saturating_mul(2)).path();
        let mut keys =
            bucket.all_keys(digest::PREFIX, &format!("{}{recent}", digest::PREFIX)).await?;
        // A young log, or one after an outage.
        if keys.len() < count {
            keys = bucket.all_keys(digest::PREFIX, "").await?;
        }
        keys.drain(..keys.len().saturating_sub(count));
        let mut last = Self::default();
        for key in keys {
            let Some(bytes) = bucket.get(&key).await? else { continue };
            last.listed.extend(digest::listed(&bytes).into_iter().map(|object| object.key));
            last.link = digest::hour_of(&key).zip(digest::link(&bytes)).or(last.link);
        }
        Ok(last)
    }
}

/// The hour with which a log begins: that of its first object, or else the last one that has ended.
async fn first_hour(bucket: &Bucket, current: Hour) -> Result<Hour, Failure> {
    let mut first = current.before(1);
    for area in Area::ALL {
        let page = bucket.list(area.prefix(), "").await?;
        let hour = page.objects.first().and_then(|object| Area::of_key(&object.key));
        first = hour.map_or(first, |(_, hour)| hour.min(first));
    }
    Ok(first)
}

/// Writes the digest of an hour, and returns the number of objects that it lists.
async fn write(
    bucket: &Bucket,
    key: &SigningKey,
    hour: Hour,
    last: &mut Last,
) -> Result<u64, Failure> {
    let mut keys = Vec::new();
    for area in Area::ALL {
        let after = format!("{}{}", area.prefix(), hour.before(LATE).path());
        keys.extend(bucket.all_keys(area.prefix(), &after).await?);
    }
    keys.retain(|key| {
        let is_past = Area::of_key(key).is_some_and(|(_, of)| of <= hour);
        is_past && !last.listed.contains(key)
    });
    let mut objects = Vec::new();
    for some in keys.chunks(AT_ONCE) {
        let read = try_join_all(some.iter().map(|key| listed(bucket, key))).await?;
        objects.extend(read.into_iter().flatten());
    }
    let count = u64::try_from(objects.len()).unwrap_or(u64::MAX);
    last.listed.extend(objects.iter().map(|object| object.key.clone()));
    let previous = last.link.as_ref().map(|(_, link)| link.clone());
    let signed = Digest::new(hour, objects, previous).sign(key).await?;
    bucket.put(&signed.key, signed.bytes.clone()).await?;
    // Another run may have written it. What it wrote is then what the next digest links to.
    let written = bucket.get(&signed.key).await?.unwrap_or(signed.bytes);
    last.listed.extend(digest::listed(&written).into_iter().map(|object| object.key));
    last.link = digest::link(&written).map(|link| (hour, link));
    Ok(count)
}

/// Reads what a digest lists of an object. An object whose name does not have its sum was changed,
/// and is listed by what it is now: verification finds it by its name.
async fn listed(bucket: &Bucket, key: &str) -> Result<Option<Listed>, Failure> {
    let bytes = bucket.get(key).await?;
    Ok(bytes.map(|bytes| Listed::of(key, &bytes)))
}
