//! Counts the instructions that the authorizer executes, with callgrind. Unlike times, the counts
//! are the same on every machine, so that a change that increases them can be rejected.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use tokio::{process::Command, time::timeout};

use crate::{
    Outcome,
    functions::{Case, Function},
    measure::{call, ready},
};

/// The number of calls over which the count of one call is averaged.
const CALLS: u64 = 200;

/// The kinds of text that `opening` supports: a valid token of each format, and texts that are
/// rejected.
const KINDS: [&str; 6] = ["signed", "developer", "jwt", "forged", "expired", "foreign"];

/// The number of calls of `hallpass_token::open` over which the count of one is averaged.
const OPENS: u64 = 1_000;

/// The permitted increase over the recorded counts, in percent.
const TOLERANCE: u64 = 3;

/// The time limit for a function to exit after its Runtime API has stopped, and for callgrind to
/// write its file.
const EXIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The maximum number of rounds. How often a function is woken up for one response of the Runtime
/// API differs from process to process, and one wake-up costs 9,000 instructions per call.
const ROUNDS: usize = 5;

/// Returns the counts to record: the median of several rounds.
pub async fn typical(
    function: &Function,
    opening: &Path,
    folder: &Path,
) -> Outcome<BTreeMap<String, u64>> {
    let mut rounds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (what, count) in count(function, opening, folder).await? {
            rounds.entry(what).or_default().push(count);
        }
    }
    Ok(rounds.into_iter().map(|(what, counts)| (what, median(counts))).collect())
}

fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or_default()
}

/// Counts until no count exceeds the recorded one, and returns the lowest counts. Fails if even
/// these are too high after [`ROUNDS`].
pub async fn check(
    function: &Function,
    opening: &Path,
    folder: &Path,
    recorded: &BTreeMap<String, u64>,
) -> Outcome<BTreeMap<String, u64>> {
    let mut lowest = count(function, opening, folder).await?;
    for _ in 1..ROUNDS {
        if compare(&lowest, recorded).is_ok() {
            break;
        }
        keep_lowest(&mut lowest, count(function, opening, folder).await?);
    }
    compare(&lowest, recorded)?;
    Ok(lowest)
}

fn keep_lowest(lowest: &mut BTreeMap<String, u64>, counted: BTreeMap<String, u64>) {
    for (what, count) in counted {
        lowest.entry(what).and_modify(|lowest| *lowest = count.min(*lowest)).or_insert(count);
    }
}

/// Returns the counts of the function and of `hallpass_token::open`, by name.
async fn count(
    function: &Function,
    opening: &Path,
    folder: &Path,
) -> Outcome<BTreeMap<String, u64>> {
    let traced = traced(function, folder)?;
    let mut counts = opens(opening, folder).await?;
    let first = run(&traced, &traced.allowed, 1, folder).await?;
    counts.insert("start to first response".to_owned(), first);
    for case in std::iter::once(&traced.allowed).chain(&traced.rejected) {
        // The difference contains neither the start nor the first calls of a kind.
        let few = run(&traced, case, CALLS / 10, folder).await?;
        let many = run(&traced, case, CALLS / 10 + CALLS, folder).await?;
        counts.insert(format!("a call, {}", case.name), many.saturating_sub(few) / CALLS);
    }
    Ok(counts)
}

/// Returns the counts of [`hallpass_token::open`] for each kind of text, measured with the program
/// `opening` under callgrind.
async fn opens(opening: &Path, folder: &Path) -> Outcome<BTreeMap<String, u64>> {
    let counted = async |kind: &str, times: u64| {
        let mut command = Command::new("valgrind");
        command.args(valgrind(folder)?).arg(opening).args([kind, &times.to_string()]);
        let status = timeout(EXIT_TIMEOUT, command.status()).await??;
        if status.success() {
            total(folder)
        } else {
            Err(format!("opening {kind}: {status}").into())
        }
    };
    let mut counts = BTreeMap::new();
    for kind in KINDS {
        let (few, many) = (counted(kind, OPENS).await?, counted(kind, 2 * OPENS).await?);
        counts.insert(format!("token::open, {kind}"), many.saturating_sub(few) / OPENS);
    }
    Ok(counts)
}

/// Compares the counts with the recorded ones, and fails with those that are too high.
fn compare(counted: &BTreeMap<String, u64>, recorded: &BTreeMap<String, u64>) -> Outcome<()> {
    let mut higher = Vec::new();
    for (what, recorded) in recorded {
        let counted = counted.get(what).ok_or_else(|| format!("{what} was not counted"))?;
        if *counted > recorded + recorded * TOLERANCE / 100 {
            higher.push(format!("{what}: {counted} instructions, recorded: {recorded}"));
        }
    }
    if higher.is_empty() { Ok(()) } else { Err(higher.join("; ").into()) }
}

/// Returns the function with a command that runs it under callgrind.
fn traced(function: &Function, folder: &Path) -> Outcome<Function> {
    let mut command = vec!["valgrind".to_owned()];
    command.extend(valgrind(folder)?);
    command.extend_from_slice(&function.command);
    Ok(Function { command, ..function.clone() })
}

const FILE: &str = "callgrind.out";

fn valgrind(folder: &Path) -> Outcome<[String; 3]> {
    let file = folder.join(FILE);
    let file = file.to_str().ok_or("a path is not text")?;
    Ok([
        "--quiet".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={file}"),
    ])
}

/// Returns callgrind's last count.
fn total(folder: &Path) -> Outcome<u64> {
    let text = fs::read_to_string(folder.join(FILE))?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    Ok(total.ok_or("callgrind wrote no count")?.trim().parse()?)
}

/// Returns the number of instructions of a process that handles this many calls and then exits.
async fn run(function: &Function, case: &Case, calls: u64, folder: &Path) -> Outcome<u64> {
    let (mut running, _) = ready(function, &folder.join("function.log")).await?;
    for _ in 0..calls {
        call(&mut running, case).await?;
    }
    timeout(EXIT_TIMEOUT, running.leave()).await??;
    total(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_the_tolerance_pass_and_higher_or_missing_ones_do_not() {
        let counts = |count| BTreeMap::from([("a call".to_owned(), count)]);
        for (counted, is_good) in [(0, true), (1_000, true), (1_030, true), (1_031, false)] {
            assert_eq!(compare(&counts(counted), &counts(1_000)).is_ok(), is_good, "{counted}");
        }
        assert!(compare(&BTreeMap::new(), &counts(1_000)).is_err());
    }

    #[test]
    fn the_median_of_several_counts_is_recorded() {
        assert_eq!(median(vec![3, 1, 2]), 2);
        assert_eq!(median(vec![]), 0);
    }

    #[test]
    fn the_lowest_of_several_counts_is_kept() {
        let mut lowest = BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 20)]);
        keep_lowest(
            &mut lowest,
            BTreeMap::from([("a".to_owned(), 12), ("b".to_owned(), 18), ("c".to_owned(), 1)]),
        );
        assert_eq!(
            lowest,
            BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 18), ("c".to_owned(), 1)])
        );
    }
}
