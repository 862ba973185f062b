//! The measurement of one function: cold starts, warm calls, refusals, and both at the share of 128 MB.

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
    /// Warm calls that count, after [`uncounted`] ones.
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
    pub refused: Vec<Calls>,
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

/// Nothing here takes that long, but for a process that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures one function.
pub async fn measure(
    function: &Function,
    dynamodb: &Front,
    counts: Counts,
    share: Option<&Share>,
    log: &Path,
) -> Outcome<Measured> {
    let (mut init, mut first_answer, mut first_call) = (Vec::new(), Vec::new(), Vec::new());
    // The first start reads the files from the disk; it does not count.
    for index in 0..=counts.cold {
        let (running, times) = start(function, log, None).await?;
        if index > 0 {
            init.push(times.init);
            first_call.push(times.first_call);
            first_answer.push(times.init + times.first_call);
        }
        running.stop().await?;
    }
    let (mut running, _) = start(function, log, None).await?;
    let allowed = calls(&mut running, from_ref(&function.allowed), dynamodb, counts).await?;
    let mut refused = Vec::new();
    for case in &function.refused {
        refused.push(calls(&mut running, from_ref(case), dynamodb, counts).await?);
    }
    let peak_memory_bytes = running.peak_memory()?;
    running.stop().await?;
    let at_128_mb = match share {
        Some(share) => Some(at_share(function, dynamodb, counts, share, log).await?),
        None => None,
    };
    Ok(Measured {
        name: function.name,
        artifact_bytes: functions::size(&function.artifact)?,
        init: Spread::of(init),
        start_to_first_answer: Spread::of(first_answer),
        first_call: Spread::of(first_call),
        allowed,
        peak_memory_bytes,
        refused,
        at_128_mb,
    })
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

/// How many warm calls do not count, before so many that do.
pub fn uncounted(warm: u32) -> u32 {
    (warm / 10).max(200)
}

/// As many warm calls as `counts` says, after those that do not count. The cases take turns.
pub async fn calls(running: &mut Running, cases: &[Case], dynamodb: &Front, counts: Counts) -> Outcome<Calls> {
    let mut turns = cases.iter().cycle();
    let mut turn = || turns.next().ok_or("there is no case");
    for _ in 0..uncounted(counts.warm) {
        call(running, turn()?).await?;
    }
    let (cpu, requests) = (running.cpu()?, dynamodb.requests());
    let mut times = Vec::new();
    for _ in 0..counts.warm {
        times.push(call(running, turn()?).await?);
    }
    let cpu = running.cpu()?.saturating_sub(cpu);
    let requests = u32::try_from(dynamodb.requests() - requests)?;
    Ok(Calls {
        case: turn()?.name,
        time: Spread::of(times),
        cpu: microseconds(cpu) / f64::from(counts.warm),
        requests: f64::from(requests) / f64::from(counts.warm),
    })
}

async fn at_share(
    function: &Function,
    dynamodb: &Front,
    counts: Counts,
    share: &Share,
    log: &Path,
) -> Outcome<AtShare> {
    let mut first_call = Vec::new();
    for _ in 0..counts.cold {
        let (running, times) = start(function, log, Some(share)).await?;
        first_call.push(times.first_call);
        running.stop().await?;
    }
    let (mut running, _) = start(function, log, Some(share)).await?;
    // It takes fourteen times as long.
    let counts = Counts { warm: (counts.warm / 10).max(10), ..counts };
    let allowed = calls(&mut running, from_ref(&function.allowed), dynamodb, counts).await?.time;
    running.stop().await?;
    Ok(AtShare { first_call: Spread::of(first_call), allowed })
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
