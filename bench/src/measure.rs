//! Measures a function: cold starts, warm calls and rejections, and cold and warm calls at the CPU
//! share of 128 MB.

use std::{
    path::Path,
    slice::from_ref,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    Outcome,
    front::Front,
    functions::{self, Case, Function},
    process::{Running, Share},
    runtime_api::Seen,
    stopwatch::{Spread, microseconds, now},
};

/// The numbers of repetitions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    /// Cold starts.
    pub cold: u32,
    /// Measured warm calls, after [`uncounted`] others in each turn.
    pub warm: u32,
}

/// The results of one function. Times are in microseconds.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The name of the function.
    pub name: &'static str,
    /// The deployed size in bytes, without the language's own runtime.
    pub artifact_bytes: u64,
    /// The time from the start of the process until it requests its first event.
    pub init: Spread,
    /// The time from the start of the process until its first response.
    pub start_to_first_answer: Spread,
    /// The time from the first event until the response.
    pub first_call: Spread,
    /// Calls with a valid token.
    pub allowed: Calls,
    /// The peak memory in bytes, after all of the above.
    pub peak_memory_bytes: u64,
    /// Calls with invalid tokens.
    pub rejected: Vec<Calls>,
    /// The results with the CPU share of 128 MB after the init, if this machine can limit it.
    pub at_128_mb: Option<AtShare>,
}

/// The results of many calls of one kind.
#[derive(Debug, Serialize)]
pub struct Calls {
    /// The name of the case.
    pub case: &'static str,
    /// The time from the event to the response.
    pub time: Spread,
    /// The processor time per call.
    pub cpu: f64,
    /// The requests to DynamoDB per call.
    pub requests: f64,
}

/// The results at the CPU share of 128 MB.
#[derive(Debug, Serialize)]
pub struct AtShare {
    /// The first call.
    pub first_call: Spread,
    /// The calls after that, one right after the other.
    pub allowed: Spread,
}

/// The time after which a process counts as hanging. Even a sweep of a million tokens is faster.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The readings of one function so far.
#[derive(Debug, Default)]
struct Readings {
    init: Vec<Duration>,
    first_call: Vec<Duration>,
    first_response: Vec<Duration>,
    allowed: CallReadings,
    rejected: Vec<CallReadings>,
    peak_memory: u64,
    first_call_at_share: Vec<Duration>,
    allowed_at_share: CallReadings,
}

/// The readings of many calls of one kind.
#[derive(Debug, Default)]
pub struct CallReadings {
    times: Vec<Duration>,
    cpu: Duration,
    requests: u64,
}

/// Measures all functions in turns, so that variations of the machine affect all of them.
pub async fn measure(
    functions: &[Function],
    dynamodb: &Front,
    counts: Counts,
    share: Option<&Share>,
    log: &Path,
) -> Outcome<Vec<Measured>> {
    let turn = Counts { cold: counts.cold.div_ceil(TURNS), warm: counts.warm.div_ceil(TURNS) };
    let mut all: Vec<Readings> = functions.iter().map(|_| Readings::default()).collect();
    for number in 1..=TURNS {
        for (function, readings) in functions.iter().zip(&mut all) {
            eprintln!("{number} of {TURNS}: {}", function.name);
            let read = readings.read(function, dynamodb, turn, share, log).await;
            read.map_err(|error| format!("{}: {error}", function.name))?;
        }
    }
    functions
        .iter()
        .zip(all)
        .map(|(function, readings)| readings.measured(function, share.is_some()))
        .collect()
}

/// The number of turns per function.
pub const TURNS: u32 = 5;

impl Readings {
    async fn read(
        &mut self,
        function: &Function,
        dynamodb: &Front,
        counts: Counts,
        share: Option<&Share>,
        log: &Path,
    ) -> Outcome<()> {
        // The first start is not counted because it reads the files from the disk.
        for index in 0..=counts.cold {
            let (running, times) = start(function, log, None).await?;
            if index > 0 {
                self.init.push(times.init);
                self.first_call.push(times.first_call);
                self.first_response.push(times.init + times.first_call);
            }
            running.stop().await?;
        }
        let (mut running, _) = start(function, log, None).await?;
        self.allowed.read(&mut running, from_ref(&function.allowed), dynamodb, counts.warm).await?;
        self.rejected.resize_with(function.rejected.len(), CallReadings::default);
        for (case, readings) in function.rejected.iter().zip(&mut self.rejected) {
            readings.read(&mut running, from_ref(case), dynamodb, counts.warm).await?;
        }
        self.peak_memory = self.peak_memory.max(running.peak_memory()?);
        running.stop().await?;
        let Some(share) = share else { return Ok(()) };
        for _ in 0..counts.cold {
            let (running, times) = start(function, log, Some(share)).await?;
            self.first_call_at_share.push(times.first_call);
            running.stop().await?;
        }
        let (mut running, _) = start(function, log, Some(share)).await?;
        // A call takes fourteen times as long.
        let warm = (counts.warm / 10).max(10);
        self.allowed_at_share
            .read(&mut running, from_ref(&function.allowed), dynamodb, warm)
            .await?;
        running.stop().await
    }

    fn measured(self, function: &Function, with_share: bool) -> Outcome<Measured> {
        let rejected = self.rejected.into_iter().zip(&function.rejected);
        let at_128_mb = AtShare {
            first_call: Spread::of(self.first_call_at_share),
            allowed: self.allowed_at_share.calls("allowed")?.time,
        };
        Ok(Measured {
            name: function.name,
            artifact_bytes: functions::size(&function.artifact)?,
            init: Spread::of(self.init),
            start_to_first_answer: Spread::of(self.first_response),
            first_call: Spread::of(self.first_call),
            allowed: self.allowed.calls(function.allowed.name)?,
            peak_memory_bytes: self.peak_memory,
            rejected: rejected
                .map(|(readings, case)| readings.calls(case.name))
                .collect::<Outcome<_>>()?,
            at_128_mb: with_share.then_some(at_128_mb),
        })
    }
}

impl CallReadings {
    /// Makes `warm` measured calls, after [`uncounted`] others. The cases take turns.
    pub async fn read(
        &mut self,
        running: &mut Running,
        cases: &[Case],
        dynamodb: &Front,
        warm: u32,
    ) -> Outcome<()> {
        let mut turns = cases.iter().cycle();
        let mut turn = || turns.next().ok_or("no case");
        for _ in 0..uncounted(warm) {
            call(running, turn()?).await?;
        }
        let (cpu, requests) = (running.cpu()?, dynamodb.requests());
        for _ in 0..warm {
            self.times.push(call(running, turn()?).await?);
        }
        self.cpu += running.cpu()?.saturating_sub(cpu);
        self.requests += dynamodb.requests() - requests;
        Ok(())
    }

    /// Evaluates the readings.
    pub fn calls(self, case: &'static str) -> Outcome<Calls> {
        let count = f64::from(u32::try_from(self.times.len())?.max(1));
        Ok(Calls {
            case,
            time: Spread::of(self.times),
            cpu: microseconds(self.cpu) / count,
            requests: f64::from(u32::try_from(self.requests)?) / count,
        })
    }
}

/// Returns the number of warm calls before `warm` measured ones.
pub fn uncounted(warm: u32) -> u32 {
    (warm / 10).max(200)
}

struct Times {
    init: Duration,
    first_call: Duration,
}

/// Starts a function and calls it once. A CPU share is applied at the end of the init.
async fn start(
    function: &Function,
    log: &Path,
    share: Option<&Share>,
) -> Outcome<(Running, Times)> {
    let began = now();
    let (mut running, ready_at) = ready(function, log).await?;
    if let Some(share) = share {
        running.limit(share)?;
    }
    let first_call = call(&mut running, &function.allowed).await?;
    Ok((running, Times { init: ready_at - began, first_call }))
}

/// Starts a function and waits until it requests its first event.
pub async fn ready(function: &Function, log: &Path) -> Outcome<(Running, Instant)> {
    let mut running = Running::start(function, log).await?;
    match next(&mut running).await? {
        Seen::Asked(at) => Ok((running, at)),
        other => Err(format!("before the first event: {other:?}").into()),
    }
}

/// Makes one call, and waits until the function requests the next event. Returns the time of the
/// call.
pub async fn call(running: &mut Running, case: &Case) -> Outcome<Duration> {
    Ok(call_for_response(running, case).await?.0)
}

/// Like [`call`], and also returns the response.
pub async fn call_for_response(running: &mut Running, case: &Case) -> Outcome<(Duration, String)> {
    running.api.give(Bytes::clone(&case.event));
    let Seen::Got(got) = next(running).await? else {
        return Err("a response without an event".into());
    };
    let Seen::Answered(answered, response) = next(running).await? else {
        return Err("the function requested another event without a response".into());
    };
    // Python writes a space after a colon.
    let response = String::from_utf8_lossy(&response).replace("\": ", "\":");
    if !response.contains(case.expected) {
        return Err(format!("{}: expected {}, got {response}", case.name, case.expected).into());
    }
    match next(running).await? {
        Seen::Asked(_) => Ok((answered - got, response)),
        other => Err(format!("after the response: {other:?}").into()),
    }
}

/// Returns the next request of the function. It is an error if the function fails or exits instead.
async fn next(running: &mut Running) -> Outcome<Seen> {
    let Ok(seen) = timeout(TIMEOUT, running.seen()).await else {
        return Err(format!("no request within {TIMEOUT:?}: {}", running.last_words()).into());
    };
    match seen? {
        Seen::Failed(what) => Err(format!("{what}: {}", running.last_words()).into()),
        seen => Ok(seen),
    }
}
