//! Random sequences of everything that can happen to users and tokens, with the real functions, the
//! real delivery of the stream and a real engine. A model predicts every verification, and the
//! system must agree.
//!
//! Once prune has received every change, no token that was issued before a change that rejected it
//! is ever accepted again, even if the user returns to exactly the state for which it was issued.

use std::{
    cell::{Cell, RefCell},
    thread,
};

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tests::{
    capability::say,
    engine::{self, Kind},
    long::long,
};

mod both;
mod model;
mod steps;

use both::Ground;
use steps::{Step, sequences};

/// The number of sequences in the short and the long form.
const SEQUENCES: [u32; 2] = [200, 15_000];

/// The number of sequences that share their tables.
const TOGETHER: u32 = 50;

/// The number of sequences between progress messages, which only the long form reaches.
const TOLD: u32 = 1_000;

/// The number of sequences that run at once.
const AT_ONCE: u32 = 2;

#[test]
fn the_system_and_the_model_agree_on_every_verification() {
    if is_elsewhere() {
        return;
    }
    let cases = SEQUENCES[usize::from(long())] / AT_ONCE;
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(move || run(cases));
        }
    });
}

/// Returns whether the tests run on another engine than the embedded one, whose clock and TTL the
/// sequences control.
fn is_elsewhere() -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let is_elsewhere = runtime.block_on(engine::kind()) != Kind::Embedded;
    if is_elsewhere {
        say("the sequences run on the embedded engine only\n");
    }
    is_elsewhere
}

/// Runs sequences one after the other, and shrinks one that fails.
fn run(cases: u32) {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ground: RefCell<Option<Ground>> = RefCell::default();
    let done = Cell::new(0_u32);
    let outcome = TestRunner::new(config).run(&sequences(), |steps| {
        let mut ground = ground.borrow_mut();
        done.set(done.get() + 1);
        if done.get().is_multiple_of(TOLD) {
            say(&format!("{} sequences of {cases}\n", done.get()));
        }
        let outcome = runtime.block_on(async {
            if ground.as_ref().is_none_or(|ground| ground.sequences() >= TOGETHER) {
                *ground = Some(Ground::new().await);
            }
            ground.as_mut().unwrap().run(&steps).await
        });
        outcome.map_err(TestCaseError::fail)
    });
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
}

/// Sequences that are checked on every run.
#[tokio::test]
async fn these_sequences_agree_too() {
    let issue = |form| Step::Issue { user: 0, form, parent: 0 };
    let deliver = Step::Deliver { new: [u8::MAX; 2], again: [0; 2] };
    let mut ground = Ground::new().await;
    for form in [model::Form::Signed, model::Form::Developer, model::Form::Jwt] {
        for steps in [
            // A change that was undone before prune received it.
            vec![issue(form), Step::Rename(0), Step::Rename(0), Step::Verify(0), deliver],
            // The same, delivered in two batches, the first of them twice.
            vec![
                issue(form),
                Step::Block(0),
                Step::Block(0),
                Step::Deliver { new: [1, 0], again: [0; 2] },
                Step::Deliver { new: [0; 2], again: [1, 0] },
                deliver,
            ],
            // Issued within two seconds after a change that was undone, and later.
            vec![Step::Rename(0), Step::Rename(0), Step::Pass(1), issue(form), deliver],
            vec![Step::Rename(0), Step::Rename(0), Step::Pass(2), issue(form), deliver],
            // A change that was undone after the sweep saw it, and before the stream delivered it.
            vec![issue(form), Step::Block(0), Step::Sweep, Step::Block(0), Step::Verify(0)],
            // Rotated, with the first use of the successor before and after the end of the window.
            vec![issue(form), Step::Rotate(0), Step::Verify(0), Step::Verify(1), Step::Verify(0)],
            vec![
                issue(form),
                Step::Rotate(0),
                Step::Pass(3_600),
                Step::Verify(0),
                Step::Sweep,
                Step::Verify(1),
            ],
            // Rotated, and the family revoked after the end of the window.
            vec![
                issue(form),
                Step::Rotate(0),
                Step::Pass(3_600),
                Step::RevokeFamily { token: 1, descendants: false },
                Step::Verify(0),
            ],
            vec![
                issue(model::Form::Developer),
                Step::Rotate(72),
                Step::Pass(3_600),
                Step::RevokeFamily { token: 1, descendants: false },
            ],
            // Issued after all were revoked, for a user who was then restored to the state before
            // that.
            vec![Step::RevokeAll(0), issue(form), Step::Remove(0), Step::Remove(0)],
            // Purged, and still rejected.
            vec![
                issue(form),
                Step::Revoke(0),
                Step::Pass(86_400),
                Step::Ttl,
                Step::Sweep,
                Step::RevokeByText(0),
            ],
        ] {
            ground.run(&steps).await.unwrap_or_else(|difference| panic!("{steps:?}: {difference}"));
        }
    }
}
