//! Reads the whole log in order, and then the table, for [`hallpass_audit::Verifier`].

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use hallpass_audit::{Area, Finding, Hour, Image, Options, Report, Sum, Verifier, digest};
use hallpass_store::{Failure, Store, sweep::Place};

use crate::bucket::{Bucket, Stored};

/// The number of objects that are read concurrently.
const AT_ONCE: usize = 16;

/// The objects of one area, which are listed as the verification reaches their hours.
struct Listing {
    area: Area,
    waiting: VecDeque<Stored>,
    /// The last key that was listed, or `None` after the last page.
    after: Option<String>,
}

/// What a verification tells its caller.
#[derive(Debug)]
pub enum Progress {
    /// Something is not what was written.
    Found(Finding),
    /// The digest of one more hour was verified, with its objects.
    Hour,
    /// One more part of the table was compared.
    Part,
}

/// What was verified.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    /// The counts.
    pub report: Report,
    /// The SHA-256 of the last digest, which the next verification can expect.
    pub last_digest: Option<Sum>,
}

/// Verifies the log, and with a store also compares the table with it. Memory grows with the number
/// of tokens, and not with the number of changes.
///
/// # Errors
/// Returns a [`Failure`] if S3 or DynamoDB cannot be read.
pub async fn verify(
    bucket: &Bucket,
    options: Options,
    store: Option<&Store>,
    mut report: impl FnMut(Progress),
) -> Result<Verified, Failure> {
    let mut last_digest = None;
    let from = options.from;
    let mut verifier = Verifier::new(Options { has_table: store.is_some(), ..options });
    let mut listings = Area::ALL.map(|area| Listing::new(area, from));
    let after = from.map(|from| before(digest::PREFIX, from)).unwrap_or_default();
    for key in bucket.all_keys(digest::PREFIX, &after).await? {
        let Some(bytes) = bucket.get(&key).await? else { continue };
        let listed = verifier.digest(&key, &bytes);
        last_digest = Some(Sum::of(&bytes));
        for some in listed.chunks(AT_ONCE) {
            let read = try_join_all(some.iter().map(|object| bucket.get(&object.key))).await?;
            for (object, bytes) in some.iter().zip(read) {
                verifier.object(object, bytes.as_deref());
            }
        }
        if let Some(hour) = digest::hour_of(&key) {
            see(&mut listings, bucket, &mut verifier, Some(hour)).await?;
        }
        for finding in verifier.findings() {
            report(Progress::Found(finding));
        }
        report(Progress::Hour);
    }
    see(&mut listings, bucket, &mut verifier, None).await?;
    for key in verifier.without_digest() {
        if let Some(bytes) = bucket.get(&key).await? {
            verifier.object_without_digest(&key, &bytes);
        }
    }
    if let Some(store) = store {
        compare(store, &mut verifier, &mut report).await?;
    }
    let (sums, findings) = verifier.finish();
    for finding in findings {
        report(Progress::Found(finding));
    }
    Ok(Verified { report: sums, last_digest })
}

/// Compares the table, which must be read after the log.
async fn compare(
    store: &Store,
    verifier: &mut Verifier,
    report: &mut impl FnMut(Progress),
) -> Result<(), Failure> {
    let mut place: Option<Place> = None;
    loop {
        let part = store.images(place.as_ref()).await?;
        for attributes in part.items {
            verifier.record(&Image::new(attributes));
        }
        for finding in verifier.findings() {
            report(Progress::Found(finding));
        }
        report(Progress::Part);
        place = part.next;
        if place.is_none() {
            return Ok(());
        }
    }
}

/// Shows the verifier the objects of every hour up to this one, or all that are left.
async fn see(
    listings: &mut [Listing],
    bucket: &Bucket,
    verifier: &mut Verifier,
    until: Option<Hour>,
) -> Result<(), Failure> {
    for listing in listings {
        while let Some(stored) = listing.next(bucket, until).await? {
            verifier.seen(&stored.key, stored.written_at);
        }
    }
    Ok(())
}

/// The last possible key before those of this hour.
fn before(prefix: &str, hour: Hour) -> String {
    format!("{prefix}{}", hour.path())
}

impl Listing {
    fn new(area: Area, from: Option<Hour>) -> Self {
        let after = from.map(|from| before(area.prefix(), from)).unwrap_or_default();
        Self { area, waiting: VecDeque::new(), after: Some(after) }
    }

    /// The next object of an hour up to this one.
    async fn next(
        &mut self,
        bucket: &Bucket,
        until: Option<Hour>,
    ) -> Result<Option<Stored>, Failure> {
        if self.waiting.is_empty()
            && let Some(after) = self.after.take()
        {
            let page = bucket.list(self.area.prefix(), &after).await?;
            let last = page.objects.last().map(|stored| stored.key.clone());
            self.after = last.filter(|_| page.has_more);
            self.waiting = page.objects.into();
        }
        let is_due = |stored: &Stored| {
            let hour = Area::of_key(&stored.key).map(|(_, hour)| hour);
            until.is_none_or(|until| hour.is_none_or(|hour| hour <= until))
        };
        Ok(self.waiting.pop_front_if(|stored| is_due(stored)))
    }
}
