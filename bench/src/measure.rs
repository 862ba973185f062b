//! The measurement of one function: cold starts, warm calls, rejections, and both at the share of 128 MB.

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

/// How often everything is done.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    /// Cold starts.
    pub cold: u32,
    /// Warm calls that count, after [`uncounted`] ones in each turn.
    pub warm: u32,
}

/// What came out for one function. Times are in microseconds.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub name: &'static str,
    /// The bytes that are deployed, without the language's own runtime.
    pub artifact_bytes: u64,
    /// From the start of the process until it asks for its first event.
    pub init: Spread,
    /// From the start of the process until its first answer.
    pub start_to_first_answer: Spread,
    /// From its first event until the answer.
    pub first_call: Spread,
    /// A good token.
    pub allowed: Calls,
    /// The most memory, in bytes, after all of the above.
    pub peak_memory_bytes: u64,
    /// Tokens that are not good.
    pub rejected: Vec<Calls>,
    /// With the share of 128 MB from the end of the init on, where this machine can give it.
    pub at_128_mb: Option<AtShare>,
}

/// Many calls of one kind.
#[derive(Debug, Serialize)]
pub struct Calls {
    /// What was in them.
    pub case: &'static str,
    /// From the event to the answer.
    pub time: Spread,
    /// Processor time of a call.
    pub cpu: f64,
    /// Requests to DynamoDB for each call.
    pub requests: f64,
}

/// What a function of 128 MB sees.
#[derive(Debug, Serialize)]
pub struct AtShare {
    /// Its first call.
    pub first_call: Spread,
    /// The calls after that, one right after the other.
    pub allowed: Spread,
}

/// Nothing here takes that long, not even a sweep of a million tokens, but for a process that hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// The readings of one function so far.
#[derive(Debug, Default)]
struct Readings {
    init: Vec<Duration>,
    first_call: Vec<Duration>,
    first_answer: Vec<Duration>,
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

/// Measures all functions in turns, so that what a machine does better now and worse then is shared by all.
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
    functions.iter().zip(all).map(|(function, readings)| readings.measured(function, share.is_some())).collect()
}

/// How many turns each function has.
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
        // The first start reads the files from the disk; it does not count.
        for index in 0..=counts.cold {
            let (running, times) = start(function, log, None).await?;
            if index > 0 {
                self.init.push(times.init);
                self.first_call.push(times.first_call);
                self.first_answer.push(times.init + times.first_call);
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
        // It takes fourteen times as long.
        let warm = (counts.warm / 10).max(10);
        self.allowed_at_share.read(&mut running, from_ref(&function.allowed), dynamodb, warm).await?;
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
            start_to_first_answer: Spread::of(self.first_answer),
            first_call: Spread::of(self.first_call),
            allowed: self.allowed.calls(function.allowed.name)?,
            peak_memory_bytes: self.peak_memory,
            rejected: rejected.map(|(readings, case)| readings.calls(case.name)).collect::<Outcome<_>>()?,
            at_128_mb: with_share.then_some(at_128_mb),
        })
    }
}

impl CallReadings {
    /// So many warm calls, after those that do not count. The cases take turns.
    pub async fn read(&mut self, running: &mut Running, cases: &[Case], dynamodb: &Front, warm: u32) -> Outcome<()> {
        let mut turns = cases.iter().cycle();
        let mut turn = || turns.next().ok_or("there is no case");
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

    /// What they come to.
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

/// How many warm calls do not count, before so many that do.
pub fn uncounted(warm: u32) -> u32 {
    (warm / 10).max(200)
}

struct Times {
    init: Duration,
    first_call: Duration,
}

/// Starts a function and asks it once, at a share that it gets at the end of its init.
async fn start(function: &Function, log: &Path, share: Option<&Share>) -> Outcome<(Running, Times)> {
    let began = now();
    let (mut running, asked) = ready(function, log).await?;
    if let Some(share) = share {
        running.limit(share)?;
    }
    let first_call = call(&mut running, &function.allowed).await?;
    Ok((running, Times { init: asked - began, first_call }))
}

/// Starts a function and waits until it asks for its first event.
pub async fn ready(function: &Function, log: &Path) -> Outcome<(Running, Instant)> {
    let mut running = Running::start(function, log).await?;
    match next(&mut running).await? {
        Seen::Asked(asked) => Ok((running, asked)),
        other => Err(format!("before the first event: {other:?}").into()),
    }
}

/// One call, until the function asks for the next event.
pub async fn call(running: &mut Running, case: &Case) -> Outcome<Duration> {
    Ok(call_for_answer(running, case).await?.0)
}

/// The same, with what was answered.
pub async fn call_for_answer(running: &mut Running, case: &Case) -> Outcome<(Duration, String)> {
    running.api.give(Bytes::clone(&case.event));
    let Seen::Got(got) = next(running).await? else {
        return Err("an answer without an event".into());
    };
    let Seen::Answered(answered, answer) = next(running).await? else {
        return Err("the function asked again without an answer".into());
    };
    // Python writes a space behind a colon.
    let answer = String::from_utf8_lossy(&answer).replace("\": ", "\":");
    if !answer.contains(case.expected) {
        return Err(format!("{}: expected {}, got {answer}", case.name, case.expected).into());
    }
    match next(running).await? {
        Seen::Asked(_) => Ok((answered - got, answer)),
        other => Err(format!("after the answer: {other:?}").into()),
    }
}

/// What the function does next, which must not be its end.
async fn next(running: &mut Running) -> Outcome<Seen> {
    let Ok(seen) = timeout(PATIENCE, running.seen()).await else {
        return Err(format!("nothing happened for {PATIENCE:?}: {}", running.last_words()).into());
    };
    match seen? {
        Seen::Failed(what) => Err(format!("{what}: {}", running.last_words()).into()),
        seen => Ok(seen),
    }
}
