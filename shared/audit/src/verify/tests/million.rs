//! What the verification of a large log costs: `cargo test --release -p hallpass-audit -- --ignored
//! --nocapture a_large_log`. The log is made hour by hour and is never in memory as a whole.

use std::{fs, time::Duration};

use super::*;
use crate::{
    Digest, Entry, Object, Written,
    digest::Link,
    sample::{at, ready},
};

/// The peak of the process' memory in KiB, from Linux.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

const TOKENS: u64 = 10_000;

/// The changes of one hour. They are in memory while the hour is made, so that there must be few.
const PER_HOUR: u64 = 1_000;
const PER_OBJECT: usize = 500;

/// Verifies a log with this many changes of [`TOKENS`] tokens, and returns how long it took.
#[expect(clippy::disallowed_methods, reason = "this measures")]
fn verify(changes: u64) -> Duration {
    let log = Log::empty();
    let mut options = log.options();
    options.now = at(START + changes / PER_HOUR * HOUR);
    options.has_table = false;
    let mut verifier = Verifier::new(options);
    let mut took = Duration::ZERO;
    let mut previous: Option<Link> = None;
    for count in 0..changes / PER_HOUR {
        let hour = log::hour(count);
        let written = Written { at: hour.start(), by_ttl: false };
        let entries = (count * PER_HOUR..(count + 1) * PER_HOUR).map(|number| {
            let hash = base64::Engine::encode(
                &base64::prelude::BASE64_URL_SAFE_NO_PAD,
                u128::from(number % TOKENS).to_be_bytes(),
            );
            let version = number / TOKENS + 1;
            let new = with(
                &crate::sample::record(&hash, version),
                &[("name", text("deploy")), ("changed_from", text("192.0.2.7"))],
            );
            let old = crate::sample::record(&hash, version - 1);
            let old = (version > 1).then_some(&old);
            Entry::of_token(old, Some(&new), written, &(number + 1).to_string()).unwrap().remove(0)
        });
        let entries: Vec<Entry> = entries.collect();
        let objects = entries.chunks(PER_OBJECT);
        let objects: Vec<Object> = objects
            .map(|some| Object::of_entries(Area::Tokens, hour.start(), some).unwrap())
            .collect();
        let listed = objects.iter().map(Listed::from).collect();
        let signed = ready(Digest::new(hour, listed, previous).sign(&log.signer)).unwrap();
        previous = Some(signed.link());
        let began = std::time::Instant::now();
        for (listed, object) in verifier.digest(&signed.key, &signed.bytes).iter().zip(&objects) {
            verifier.object(listed, Some(&object.bytes));
        }
        took += began.elapsed();
    }
    let (report, findings) = verifier.finish();
    assert_eq!(findings, []);
    assert_eq!((report.entries, report.live), (changes, TOKENS));
    took
}

#[test]
#[ignore = "it takes a minute, and measures the process that it runs in"]
fn a_large_log_takes_no_more_memory_than_a_small_one() {
    // A second verification reuses the memory of the first only in part.
    verify(100_000);
    let small = (verify(100_000), peak());
    let large = (verify(1_000_000), peak());
    println!(
        "100,000 changes: {:?}, {} KiB; 1,000,000 changes: {:?}, {} KiB",
        small.0, small.1, large.0, large.1
    );
    // Ten times as many changes of as many tokens. The tolerance is that of the allocator.
    assert!(large.1 < small.1 + 1_024, "{small:?} {large:?}");
}
