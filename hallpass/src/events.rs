//! `hallpass events`: follows what the development stack publishes.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use clap::Subcommand;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    error::CommandError,
    interrupt::Interrupt,
    stack::Stack,
    terminal::{Terminal, printable},
};

/// The subcommands of `hallpass events`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the events of the development stack as they happen, until Ctrl-C
    Tail {
        /// Also print the events that were published before
        #[arg(long)]
        all: bool,
        /// Stop after this many events
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
    },
}

/// The file of the published events in a data directory.
const FILE: &str = "events.jsonl";

/// The interval between two looks at the file.
const POLL: Duration = Duration::from_millis(200);

/// Runs a subcommand over the data directory of a running development stack.
///
/// # Errors
/// Returns a [`CommandError`] if no stack runs there, or if its events cannot be read.
pub async fn run(command: Command, data: &Path, terminal: Terminal) -> Result<(), CommandError> {
    let Command::Tail { all, limit } = command;
    Stack::find(data)?;
    let interrupt = Interrupt::watch()?;
    let mut file = BufReader::new(File::open(data.join(FILE))?);
    if !all {
        file.seek(SeekFrom::End(0))?;
    }
    let (mut left, mut line) = (limit.unwrap_or(usize::MAX), String::new());
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while left > 0 && !interrupt.came() {
        // A line is complete with its line break; the rest of it comes with a later look.
        if file.read_line(&mut line)? > 0 && line.ends_with('\n') {
            print(&line, terminal)?;
            line.clear();
            left = left.saturating_sub(1);
        } else {
            ticks.tick().await;
        }
    }
    Ok(())
}

fn print(line: &str, terminal: Terminal) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Ok(event) = serde_json::from_str::<Value>(line) else { return Ok(()) };
    if terminal.is_json() {
        writeln!(out, "{event}")?;
    } else {
        let text = |name: &str| event.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let of = ["/detail/token_id", "/detail/user_id"].map(text);
        let of = of.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let (at, kind, actor) = (text("/detail/at"), text("/detail-type"), text("/detail/actor"));
        let because = text("/detail/because");
        let why = if because.is_empty() { String::new() } else { format!(": {because}") };
        writeln!(out, "{}", printable(&format!("{at}  {kind}  {of}  by {actor}{why}")))?;
    }
    out.flush()
}
