//! Calls that take long or never finish: a response within the deadline, with any outcome but a
//! wrong acceptance.

use std::time::Duration;

use hallpass_dev::gateway::Invoke;
use hallpass_runtime::settings::REQUEST_LIMIT;
use tests::{
    TEMPLATE,
    engine::{self, Kind},
    long::long,
    tap::{ALWAYS, ANY, Fault, Tap},
};
use tokio::task::JoinSet;

use super::{Stage, cases::Case, journal::Journal, limit, outcome_of};

/// The delay of a call: each attempt is in time, but all calls together may not be.
const SLOWLY: Duration = Duration::from_millis(800);

/// The number of requests that wait together.
const TOGETHER: usize = 64;

/// The sampling: one of so many requests, and one of so many of its calls.
const SOME: (usize, usize) = (3, 4);

/// A delay of the calls from one on.
struct Slow {
    case: Case,
    call: usize,
    fault: Fault,
}

/// All requests wait together, on the same tables, so the tables are not checked here: a call that
/// never finishes has had no effect or its whole effect, like one whose connection breaks.
#[tokio::test]
async fn slow_and_endless_calls_are_abandoned_in_time() {
    if engine::kind().await != Kind::Embedded {
        return;
    }
    let (journal, _guard) = Journal::begin();
    let stage = Stage::of(None, journal).await;
    let mut all = Vec::new();
    let (some_cases, some) = if long() { (1, 1) } else { SOME };
    for case in stage.cases.iter().step_by(some_cases) {
        let calls = stage.known(case).await.calls.len();
        let slow = |call, fault| Slow { case: case.clone(), call, fault };
        all.push(slow(0, Fault::Delay(SLOWLY)));
        all.extend((0..calls).map(|call| slow(call, Fault::Hang)));
    }
    let mut rest = all.into_iter().step_by(some).peekable();
    while rest.peek().is_some() {
        let mut waiting = JoinSet::new();
        for slow in rest.by_ref().take(TOGETHER) {
            let (invoke, tap) = stage.world.tapped_once_more().await;
            waiting.spawn(check(slow, invoke, tap));
        }
        waiting.join_all().await;
    }
}

async fn check(slow: Slow, invoke: Invoke, tap: Tap) {
    let Slow { case, call, fault } = slow;
    tap.inject(ANY, call, ALWAYS, fault);
    let answering = invoke(case.function, case.event.clone());
    let response = tokio::time::timeout(limit(case.function), answering).await;
    let response =
        response.unwrap_or_else(|_| panic!("{} {call} {fault:?}: no response in time", case.name));
    let outcome = outcome_of(&case, response);
    assert!(
        !Case::is_yes(&outcome) || outcome == case.right,
        "{} {call} {fault:?}: {outcome}",
        case.name
    );
}

#[test]
fn a_function_has_more_time_than_it_takes() {
    let timeout = TEMPLATE.lines().find_map(|line| line.strip_prefix("    Timeout: ")).unwrap();
    assert!(Duration::from_secs(timeout.parse().unwrap()) > REQUEST_LIMIT);
}
