//! Faults at every call of every request: no wrong acceptance, no panic, a response in time, the
//! right metric, and tables that are as before or as after, so that a repeated request completes
//! the work.
//!
//! One table of requests, one of faults, and every call of every request: `cargo test` runs a part
//! of the product, and `HALLPASS_LONG=1` all of it.

use std::{collections::BTreeMap, time::Duration};

use hallpass_dev::gateway::FunctionError;
use serde_json::Value;
use tests::{
    World,
    damage::Damage,
    engine::{self, Kind},
    long::long,
    tap::{ALWAYS, ANSWERED_AT_ONCE, ANY, Fault, Seen, Tap},
};

pub(crate) mod cases;
mod journal;
mod slow;
pub(crate) mod state;

use cases::{Case, cases};
use journal::Journal;
use state::{State, minus};

/// An authorizer responds within three seconds, the other functions within the `Timeout` of the
/// template.
fn limit(function: &str) -> Duration {
    Duration::from_secs(match function {
        "VerifyAuthorizer" => 3,
        // The `Timeout` of prune covers all of its work; a failure must come earlier.
        "Prune" => 60,
        _ => 10,
    })
}

/// The requests of a function, and the tables that they begin with.
struct Stage {
    world: World,
    tap: Tap,
    beginning: State,
    cases: Vec<Case>,
    journal: Journal,
}

/// Counted events by name.
type Counts = BTreeMap<String, u64>;

/// A request, and its outcome without faults.
struct Known<'a> {
    case: &'a Case,
    /// The operation of each call, and its response.
    calls: Vec<(String, Value)>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Known<'_> {
    fn describe(&self, call: usize, times: usize, fault: Fault) -> String {
        let (operation, response) = &self.calls[call];
        let attribute =
            if let Fault::Damage(damage) = fault { damage.name(response) } else { None };
        let often = if times == 1 { "once" } else { "always" };
        format!("{operation} {call} {fault:?} {} {often}", attribute.unwrap_or_default())
    }

    /// Returns whether damage makes a disabled record look enabled, by removing `disabled_at`.
    fn enables(&self, call: usize, fault: Fault) -> bool {
        let Fault::Damage(damage) = fault else { return false };
        damage.becomes.is_none()
            && damage.name(&self.calls[call].1).as_deref() == Some("disabled_at")
    }
}

/// The outcome of one request.
struct Came {
    outcome: String,
    state: State,
    lines: Vec<String>,
}

impl Stage {
    /// Returns the requests of this function, or of all functions.
    async fn of(function: Option<&str>, journal: Journal) -> Self {
        let (world, tap) = World::tapped(&[("HALLPASS_APP_USER", "2")]).await;
        let mut cases = cases(&world).await;
        cases.retain(|case| function.is_none_or(|function| case.function == function));
        let beginning = State::of(&world).await;
        Self { world, tap, beginning, cases, journal }
    }

    async fn ask(&self, case: &Case) -> Came {
        let answering = self.world.invoke(case.function, case.event.clone());
        let response = tokio::time::timeout(limit(case.function), answering)
            .await
            .expect("no response in time");
        let outcome = outcome_of(case, response);
        let state = State::of(&self.world).await;
        let lines = state.lines(&self.beginning);
        Came { outcome, state, lines }
    }

    async fn known<'a>(&self, case: &'a Case) -> Known<'a> {
        self.tap.seen();
        self.journal.counts();
        let first = self.ask(case).await;
        self.beginning.restore(&self.world, &first.state).await;
        assert_eq!(first.outcome, case.right, "{}", case.name);
        let counts = self.journal.counts();
        assert_eq!(counts.get("failed"), None, "{}", case.name);
        assert!(
            case.counts.is_empty() || counts.contains_key(case.counts),
            "{}: {counts:?}",
            case.name
        );
        let call = |seen: Seen| {
            (seen.operation.clone(), seen.response().expect("no fault was injected").clone())
        };
        let calls: Vec<_> = self.tap.seen().into_iter().map(call).collect();
        Known { case, calls, before: self.beginning.lines(&self.beginning), after: first.lines }
    }

    /// Breaks one call or all calls from it on, heals the engine, and repeats the request.
    async fn check(
        &self,
        known: &Known<'_>,
        call: usize,
        times: usize,
        fault: Fault,
    ) -> Result<(), String> {
        let case = known.case;
        self.journal.counts();
        self.tap.inject(ANY, call, times, fault);
        let first = self.ask(case).await;
        self.tap.heal();
        let counts = self.journal.counts();
        let is_damage = matches!(fault, Fault::Damage(_));
        let describe = |error: String| format!("{error}: {} {counts:?}", first.outcome);
        let judged = if known.enables(call, fault) {
            Ok(())
        } else {
            self.judge(known, &first, &counts, fault).map_err(describe)
        };
        // The tables are unchanged, so the repeated request is the known one.
        if first.state == self.beginning {
            return judged;
        }
        let again = self.ask(case).await;
        self.beginning.restore(&self.world, &again.state).await;
        let describe = |error: String| {
            format!("{error}: {} {counts:?}, then {}", first.outcome, again.outcome)
        };
        judged.and(judge_again(known, &first, &again, is_damage).map_err(describe))
    }

    /// Returns whether the outcome of a request with a fault keeps every promise.
    fn judge(
        &self,
        known: &Known<'_>,
        came: &Came,
        counts: &Counts,
        fault: Fault,
    ) -> Result<(), String> {
        let Known { case, before, after, .. } = known;
        let count = |name: &str| counts.get(name).copied().unwrap_or_default();
        let (is_right, is_error) = (came.outcome == case.right, came.outcome == "error");
        let (is_done, is_untouched) = (came.lines == *after, came.lines == *before);
        let changes =
            || format!("{:?} {:?}", minus(&came.lines, before), minus(before, &came.lines));
        let ensure = |holds: bool, promise: &str| {
            if holds { Ok(()) } else { Err(format!("{promise} {}", changes())) }
        };
        if matches!(fault, Fault::Damage(_)) {
            let is_no = !is_error && !Case::is_yes(&came.outcome);
            ensure(is_right || is_error || is_no, "a wrong acceptance")?;
            let is_whole = self.beginning.keys().is_subset(&came.state.keys());
            ensure(is_done || is_whole || case.in_steps, "an item was deleted")?;
        } else {
            let is_over = !is_untouched && case.again.contains(&&*came.outcome);
            // A request that conflicts with another transaction is told so, and has no effect.
            let is_conflict =
                is_untouched && came.outcome == "409" && matches!(fault, Fault::Cancel(_));
            ensure(is_right || is_error || is_over || is_conflict, "a wrong response")?;
            let is_between =
                || case.in_steps && minus(&came.lines, &[&before[..], after].concat()).is_empty();
            ensure(is_done || is_untouched || is_between(), "neither as before nor as after")?;
            ensure(!is_right || is_done, "a response that the tables contradict")?;
            ensure(
                !is_right || case.counts.is_empty() || count(case.counts) > 0,
                "a success that is not counted",
            )?;
        }
        ensure(!is_error || count("failed") > 0, "a failure that is not counted")?;
        ensure(
            !is_error || !is_untouched || case.counts.is_empty() || count(case.counts) == 0,
            "a wrong success",
        )
    }
}

/// Returns whether a repeated request without faults completes the work.
fn judge_again(
    known: &Known<'_>,
    came: &Came,
    again: &Came,
    is_damage: bool,
) -> Result<(), String> {
    let Known { case, before, after, .. } = known;
    if again.outcome == case.right {
        // A token that was not shown to the caller may be left, next to the one that was.
        let (left, missing, more) =
            (minus(&came.lines, before), minus(after, &again.lines), minus(&again.lines, after));
        let is_done = is_damage || (missing.is_empty() && minus(&more, &left).is_empty());
        return if is_done {
            Ok(())
        } else {
            Err(format!("once more, and it is not done {more:?} {missing:?}"))
        };
    }
    let is_over =
        case.again.contains(&&*again.outcome) && came.lines != *before && again.lines == came.lines;
    if is_over { Ok(()) } else { Err("once more, and it is rejected".to_owned()) }
}

/// Returns the outcome of a request in one word.
fn outcome_of(case: &Case, response: Result<Value, FunctionError>) -> String {
    match response {
        Err(error) => {
            assert_ne!(error.message, "the function panicked", "{}", case.name);
            "error".to_owned()
        }
        Ok(response) => read(case, &response),
    }
}

fn read(case: &Case, response: &Value) -> String {
    match case.function {
        "VerifyAuthorizer" => {
            match response["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap() {
                "Allow" => "allow".to_owned(),
                _ => response["context"]["reason"].as_str().unwrap().to_owned(),
            }
        }
        "Prune" => match response["batchItemFailures"].as_array() {
            Some(failures) if !failures.is_empty() => "error".to_owned(),
            _ => "done".to_owned(),
        },
        _ => {
            let body = response["body"].as_str().unwrap_or_default();
            let body_text = body.to_lowercase();
            let active =
                serde_json::from_str::<Value>(body).ok().and_then(|body| body["active"].as_bool());
            match (response["statusCode"].as_u64().unwrap(), active) {
                (503, _) => {
                    let inside =
                        ["dynamodb", "127.0.0.1", "throttl", "exception", "user_fingerprint"];
                    assert!(!inside.iter().any(|word| body_text.contains(word)), "{body_text}");
                    "error".to_owned()
                }
                (_, Some(true)) => "active".to_owned(),
                (_, Some(false)) => "inactive".to_owned(),
                (status, None) => status.to_string(),
            }
        }
    }
}

/// Returns the possible faults of a call of this operation.
fn faults(operation: &str) -> Vec<Fault> {
    let own = match operation {
        "BatchGetItem" => vec![Fault::Unprocessed],
        "TransactWriteItems" => {
            vec![
                Fault::Cancel(&["TransactionConflict", "None"]),
                Fault::Cancel(&["ThrottlingError", "None"]),
            ]
        }
        _ => Vec::new(),
    };
    [ANSWERED_AT_ONCE.to_vec(), own].concat()
}

/// A fault of a call of a request, once or from then on.
type Happening = (usize, usize, Fault);

/// Returns all faults of a request.
type Happenings = fn(&Known<'_>) -> Vec<Happening>;

/// Checks a sample of the faults of a function's requests: one of every `breaks` faults, and of
/// every `damages` damages.
#[expect(clippy::print_stdout, reason = "how much of how much was checked")]
async fn check_all(function: &str, breaks: usize, damages: usize) {
    // The tap injects the faults, so they are the same on every engine.
    if engine::kind().await != Kind::Embedded {
        return;
    }
    let (journal, _guard) = Journal::begin();
    let stage = Stage::of(Some(function), journal).await;
    let kinds: [(Happenings, usize); 2] = [(broken, breaks), (damaged, damages)];
    let (mut places, mut done, mut wrong) = ([0_usize; 2], 0, Vec::new());
    for case in &stage.cases {
        let known = stage.known(case).await;
        for (place, (happens, every)) in places.iter_mut().zip(kinds) {
            for (call, times, fault) in happens(&known) {
                *place += 1;
                // A stride that shares no divisor, so that it does not hit the same fault of every
                // call.
                if !long() && *place % every != 0 {
                    continue;
                }
                done += 1;
                if let Err(error) = stage.check(&known, call, times, fault).await {
                    wrong.push(format!(
                        "{}: {} {error}",
                        case.name,
                        known.describe(call, times, fault)
                    ));
                }
            }
        }
    }
    println!("{function}: {done} of {places:?}");
    assert!(done > 0 && wrong.is_empty(), "{} of {done}:\n{}", wrong.len(), wrong.join("\n"));
}

fn broken(known: &Known<'_>) -> Vec<Happening> {
    let calls = known.calls.iter().enumerate();
    let faults = calls.flat_map(|(call, (operation, _))| {
        faults(operation).into_iter().map(move |fault| (call, fault))
    });
    faults.flat_map(|(call, fault)| [1, ALWAYS].map(|times| (call, times, fault))).collect()
}

fn damaged(known: &Known<'_>) -> Vec<Happening> {
    let calls = known.calls.iter().enumerate();
    calls
        .flat_map(|(call, (_, response))| {
            Damage::all_of(response).into_iter().map(move |damage| (call, 1, Fault::Damage(damage)))
        })
        .collect()
}

#[tokio::test]
async fn no_fault_under_the_authorizer_does_harm() {
    check_all("VerifyAuthorizer", 17, 61).await;
}

#[tokio::test]
async fn no_fault_under_generate_does_harm() {
    check_all("Generate", 83, 641).await;
}

#[tokio::test]
async fn no_fault_under_revoke_does_harm() {
    check_all("Revoke", 47, 383).await;
}

#[tokio::test]
async fn no_fault_under_the_console_does_harm() {
    check_all("Console", 47, 641).await;
}

#[tokio::test]
async fn no_fault_under_prune_does_harm() {
    check_all("Prune", 11, 383).await;
}
