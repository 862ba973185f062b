//! Blocks a user with very many tokens, and drains the stream for real: by prune's handler on the
//! engine, with the time that Lambda gives an invocation and the retries that the template gives
//! the stream.
//!
//! `cargo test` takes 2,000 tokens, and `HALLPASS_LONG=1` 200,000.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hallpass_dev::template::Template;
use hallpass_prune::{Event, Notices, Prune, Response};
use hallpass_token::{Cause, Format};
use serde_json::json;
use tests::{TEMPLATE, World, api::text, long::long, tables::RETENTION};

use super::{failures, live, number, patient, verdict};

/// The number of the user's tokens in the long form.
const MANY: usize = 200_000;

/// The duration in milliseconds of sixteen writes where a partition's 1,000 write units a second
/// leave prune a fifth: each is two units, one for the record and one for its index entry. Each
/// check of the remaining time takes this long.
const STEP: u64 = 16 * 2 * 1_000 / (1_000 / 5);

/// How many milliseconds before its timeout prune stops, as in its `main`.
const RESERVE: u64 = 10_000;

/// The time of Lambda, in milliseconds.
struct Clock(AtomicU64);

impl Clock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Returns whether it is before the deadline. Each call takes a step.
    fn is_before(&self, deadline: u64) -> bool {
        self.0.fetch_add(STEP, Ordering::SeqCst) < deadline
    }
}

/// Returns the duration of an invocation in milliseconds, and the number of invocations for a
/// record of the stream.
fn budget() -> (u64, u64) {
    let resources = Template::resolved(TEMPLATE, &[]).unwrap()["Resources"].take();
    let prune = &resources["Prune"]["Properties"];
    let retries =
        prune["Events"]["UserStream"]["Properties"]["MaximumRetryAttempts"].as_u64().unwrap();
    (prune["Timeout"].as_u64().unwrap() * 1_000, retries + 1)
}

/// Returns the memory of this process in megabytes, where the system reports it.
fn megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default()
        / 1_024
}

/// Measured with 200,000 tokens on the embedded engine in this process, in the debug profile: 8 of
/// the 21 invocations, and 2,112 s of Lambda's time, which is 95 tokens a second. The process held
/// 357 MB, the tables among them, before the first page, and 358 MB at most: nothing is kept from
/// one page to the next.
#[tokio::test]
async fn blocking_a_user_with_very_many_tokens_is_handled_within_the_retries_of_the_stream() {
    let tokens = if long() { MANY } else { MANY / 100 };
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    world.multiply(&token, tokens - 1).await;
    world.advance(60);
    world.set_user("1", "status", Some(text("blocked"))).await;
    let records = world.user_stream().split_off(4);
    let prune = Prune {
        store: patient(&world),
        retention: Duration::from_secs(RETENTION),
        bound_to: None,
        notices: Notices::NONE,
        audit: None,
        bus: None,
    };
    let (timeout, invocations) = budget();
    // The short form has less time in proportion to its fewer tokens.
    let time = (timeout - RESERVE) * tokens as u64 / MANY as u64;
    let clock = Clock(AtomicU64::new(0));
    let (before, most, mut used) = (megabytes(), AtomicU64::new(0), 0);
    loop {
        used += 1;
        assert!(
            used <= invocations,
            "{} tokens are left after {invocations} invocations",
            live(&world).await
        );
        let deadline = clock.now() + time;
        let may_go_on = || {
            most.fetch_max(megabytes(), Ordering::SeqCst);
            clock.is_before(deadline)
        };
        let event = serde_json::from_value::<Event>(json!({"Records": records})).unwrap();
        let response: Response =
            prune.handle(event, &Cause::system(world.now()), &may_go_on).await.unwrap();
        assert!(clock.now() < deadline + RESERVE, "prune stops before Lambda ends the invocation");
        match failures(response).as_slice() {
            [] => break,
            failed => assert_eq!(failed, [number(&records[0])]),
        }
    }
    println!(
        "{tokens} tokens: {used} of {invocations} invocations, {} s of Lambda's time",
        clock.now() / 1_000
    );
    println!("memory: {before} MB before, at most {} MB", most.load(Ordering::SeqCst));
    assert_eq!(live(&world).await, 0);
    world.set_user("1", "status", Some(text("active"))).await;
    assert_eq!(verdict(&world, &token).await, "user_blocked");
}
