//! `hallpass audit`: verifies, lists and exports the audit log.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use hallpass_audit::{Area, Entry, Event, Options, Report, Sum, listing::Asked};
use hallpass_sinks::{
    Bucket, pages,
    verification::{self, Progress},
};
use hallpass_store::connect::Connection;
use hallpass_token::{Timestamp, TokenId};
use serde_json::{Value, json};

use crate::{
    clock,
    error::CommandError,
    pasted,
    stack::{NoStack, Stack},
    terminal::{self, Terminal},
    trust, user,
};

/// The subcommands of `hallpass audit`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove that the log is complete and unchanged, and that the tokens are what it says
    Verify(VerifyArgs),
    /// List what happened, the newest first, by default in the last 30 days
    List(ListArgs),
    /// Write all entries as lines of JSON: those of tokens, then those of users, each in their
    /// order
    Export(ExportArgs),
}

/// The options of `hallpass audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Verify only the log, and do not compare the table of tokens with it
    #[arg(long)]
    log_only: bool,
    /// SHA-256 of a digest that must be in the log, as an earlier run printed it; without it, a log
    /// whose last hours were deleted looks complete if the table was changed back too
    #[arg(long, value_name = "SHA256")]
    expect_digest: Option<Sum>,
}

/// The options that select entries by their time.
#[derive(Debug, Args)]
pub struct Times {
    /// Entries from this time on, such as 2027-01-31T09:30:00Z
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Entries before this time
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
}

/// The options of `hallpass audit list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Entries of this user and the user's tokens: a user name, or `id:` followed by the user ID
    #[arg(long, value_parser = pasted::name)]
    user: Option<String>,
    /// Entries of this token
    #[arg(long, value_name = "TOKEN_ID")]
    token: Option<TokenId>,
    #[command(flatten)]
    times: Times,
    /// List at most this many entries
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

/// The options of `hallpass audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    times: Times,
    /// File to create, readable only by its owner [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How far the log can be behind the table. Notify reads the stream within seconds.
const LAG: Duration = Duration::from_secs(10 * 60);

/// The time before now from which entries are listed without `--from`.
const LISTED: Duration = Duration::from_secs(30 * 86_400);

/// The maximum number of findings in the JSON output.
const MAX_FINDINGS: usize = 10_000;

/// Runs a subcommand.
///
/// # Errors
/// Returns a [`CommandError`] if the log cannot be read, or if it is not what was written.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    match command {
        Command::Verify(args) => verify(&args, stack, terminal).await,
        Command::List(args) => list(&args, stack, terminal).await,
        Command::Export(args) => export(&args, stack, terminal).await,
    }
}

fn connection(stack: &Stack) -> Result<Connection, CommandError> {
    Ok(trust::connection(&stack.lookup()).map_err(NoStack::ConfigError)?)
}

fn bucket(stack: &Stack, connection: &Connection) -> Result<Bucket, CommandError> {
    let bucket = hallpass_sinks::bucket(connection, &stack.lookup());
    bucket
        .map_err(NoStack::ConfigError)?
        .ok_or_else(|| CommandError::rejected("the stack keeps no audit log"))
}

async fn verify(args: &VerifyArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let connection = connection(stack)?;
    let bucket = bucket(stack, &connection)?;
    let key = hallpass_sinks::signing_key(&connection, &stack.lookup());
    let key = key.map_err(NoStack::ConfigError)?;
    let store = stack.store()?;
    let options = Options {
        keys: [key.public_key().await?].into(),
        now: if args.log_only {
            // The log outlives the tables.
            clock::now_or_here(stack, terminal).await?
        } else {
            clock::now(stack, terminal).await?
        },
        lag: LAG,
        expected_digest: args.expect_digest,
        from: None,
        has_table: !args.log_only,
    };
    let bar = terminal::progress("hours and parts of the table verified:", None);
    let mut findings = Vec::new();
    let mut failed = None;
    let verified =
        verification::verify(&bucket, options, (!args.log_only).then_some(&store), |progress| {
            match progress {
                Progress::Found(finding) if terminal.is_json() => {
                    if findings.len() < MAX_FINDINGS {
                        findings.push(Value::from(finding.to_string()));
                    }
                }
                Progress::Found(finding) => {
                    let line = terminal::printable(&finding.to_string());
                    failed = failed.take().or(writeln!(io::stdout(), "{line}").err());
                }
                Progress::Hour | Progress::Part => bar.inc(1),
            }
        })
        .await;
    bar.finish_and_clear();
    let verified = verified?;
    failed.map_or(Ok(()), Err)?;
    say(&verified, &findings, terminal)?;
    if verified.report.findings > 0 {
        return Err(CommandError::rejected("the audit log or the table is not what was written"));
    }
    Ok(())
}

fn say(
    verified: &verification::Verified,
    findings: &[Value],
    terminal: Terminal,
) -> Result<(), CommandError> {
    let Report { digests, objects, entries, user_entries, repeats, unread, .. } = verified.report;
    let Report { objects_without_digest, records, equal, pending, predating, live, .. } =
        verified.report;
    let last = verified.last_digest.as_ref().map(ToString::to_string);
    let text = format!(
        "{digests} digests, {objects} objects and {objects_without_digest} new ones, {entries} \
         changes of tokens, {user_entries} of users; {equal} of {records} records are as in the \
         log, {pending} too new; {} findings{}",
        verified.report.findings,
        last.as_ref().map(|sum| format!("\nlast digest {sum}")).unwrap_or_default(),
    );
    let json = json!({
        "digests": digests, "objects": objects, "objects_without_digest": objects_without_digest,
        "entries": entries, "user_entries": user_entries, "repeats": repeats, "unread": unread,
        "live": live, "records": records, "equal": equal, "pending": pending,
        "predating": predating, "last_digest": last, "findings": findings,
    });
    Ok(terminal.say(&text, &json)?)
}

async fn list(args: &ListArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let bucket = bucket(stack, &connection(stack)?)?;
    let now = clock::now(stack, terminal).await?;
    let user_id = match &args.user {
        Some(name) => Some(user::id_of(&stack.store()?, name).await?),
        None => None,
    };
    let from = Some(args.times.from.unwrap_or_else(|| now.before(LISTED)));
    let asked = Asked { user_id, token_id: args.token, from, until: args.times.until };
    let filter = asked.filter(now);
    let mut printed = terminal.pages(["TIME", "EVENT", "OF", "BY", "FROM", "WHY"]);
    let (mut left, mut after) = (args.limit, None);
    loop {
        let mut page = pages::page(&bucket, &filter, after.as_deref()).await?;
        page.entries.truncate(left);
        left = left.saturating_sub(page.entries.len());
        let rows: Vec<[String; 6]> = page.entries.iter().map(row).collect();
        let json: Vec<Value> = page.entries.iter().map(|entry| entry.event.detail()).collect();
        printed.print(&rows, &json)?;
        after = page.next;
        if after.is_none() || left == 0 {
            return Ok(printed.end()?);
        }
    }
}

fn row(entry: &Entry) -> [String; 6] {
    let Event { at, kind, token_id, user_id, actor, source, because, reason, .. } = &entry.event;
    [
        at.to_string(),
        kind.as_str().to_owned(),
        token_id.as_ref().unwrap_or(user_id).clone(),
        actor.clone(),
        source.clone().unwrap_or_default(),
        because.as_ref().or(reason.as_ref()).cloned().unwrap_or_default(),
    ]
}

async fn export(args: &ExportArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let bucket = bucket(stack, &connection(stack)?)?;
    let mut out: Box<dyn Write> = match &args.out {
        None => Box::new(io::stdout().lock()),
        Some(file) => Box::new(BufWriter::new(create(file)?)),
    };
    let (from, until) = (args.times.from, args.times.until);
    let mut count = 0_u64;
    for area in [Area::Tokens, Area::Users] {
        for key in bucket.all_keys(area.prefix(), "").await? {
            let Some(bytes) = bucket.get(&key).await? else { continue };
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let at = serde_json::from_slice::<Entry>(line).map(|entry| entry.event.at).ok();
                let is_in = |at: Timestamp| {
                    from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until)
                };
                if at.is_none_or(is_in) {
                    out.write_all(line)?;
                    out.write_all(b"\n")?;
                    count = count.saturating_add(1);
                }
            }
        }
    }
    out.flush()?;
    drop(out);
    // The entries themselves are the output if they go there.
    let Some(file) = &args.out else { return Ok(()) };
    let file = file.display().to_string();
    let text = format!("wrote {count} entries to {}", terminal::printable(&file));
    Ok(terminal.say(&text, &json!({"wrote": file, "entries": count}))?)
}

fn create(file: &Path) -> Result<std::fs::File, CommandError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    created.map_err(|error| CommandError::rejected(format!("--out: {}: {error}", file.display())))
}
