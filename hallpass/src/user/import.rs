//! `hallpass user import`: checks all lines first and writes nothing if one is invalid. Then each
//! user is one conditional write, so that an interrupted import can be run again: users that
//! already exist are skipped.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use futures_util::{StreamExt, stream};
use hallpass_password::password;
use hallpass_runtime::entropy;
use hallpass_service::users;
use hallpass_store::{
    Failure, Store,
    management::{Added, NewUser},
};
use hallpass_token::{User, UserId};
use serde_json::json;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::lines::{self, Format, Password, Row, Wrong};
use crate::{
    error::CommandError,
    interrupt::Interrupt,
    terminal::{self, Terminal},
};

pub(super) const MEMBERS: &str = "\
CSV columns, or members of the JSON object in each line; only the first two are required:
  user_id        1 to 64 of A-Z a-z 0-9 _ -
  username       user name, with which the user logs in
  full_name      full name, for display
  kind           person or app
  status         active or blocked
  permissions    in CSV separated by `;`, in JSON a list
  password       plain password, which is hashed; or
  password_hash  a hash of Argon2id, bcrypt ($2a$, $2b$, $2y$), scrypt ($scrypt$) or PBKDF2 ($pbkdf2-sha256$,
                 $pbkdf2-sha512$)
A user with neither is an external user.";

/// The options of `hallpass user import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// File to import, `.csv` or `.jsonl`; `-` reads standard input
    file: PathBuf,
    /// Format of the file [default: by its extension]
    #[arg(long)]
    format: Option<Format>,
}

/// The number of users written concurrently. Each costs a query of the index and a write.
const AT_ONCE: usize = 16;

/// The number of invalid lines that are reported; the rest are counted.
const MAX_COMPLAINTS: usize = 100;

const HASHING: &str = "hashing a password";

/// The outcome for one user of the file.
enum Done {
    Added,
    Conflict(Wrong),
    /// The work stopped before this user was begun.
    Left,
}

/// The outcome of the import.
#[derive(Default)]
struct Import {
    users: usize,
    added: usize,
    present: usize,
    conflicts: Vec<Wrong>,
}

pub(super) async fn run(
    args: &ImportArgs,
    store: &Store,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let format = format(args)?;
    let (rows, wrong) = lines::read(&text(&args.file)?, format);
    if !wrong.is_empty() {
        print_errors(terminal, &args.file, &wrong)?;
        if terminal.is_json() {
            terminal
                .say("", &summary(&Import { users: rows.len(), ..Import::default() }, &wrong))?;
        }
        return Err(CommandError::rejected(format!(
            "nothing was written; invalid lines: {}",
            wrong.len()
        )));
    }
    let is_kept = args.file != Path::new("-");
    if is_kept && rows.iter().any(|row| matches!(row.password, Password::Plain(_))) {
        terminal.note(&format!(
            "{} contains passwords; delete it after the import",
            args.file.display()
        ))?;
    }
    let interrupt = Interrupt::watch()?;
    let mut import = Import { users: rows.len(), ..Import::default() };
    let written = write(store, rows, &interrupt, &mut import).await;
    print_errors(terminal, &args.file, &import.conflicts)?;
    let Import { users, added, present, ref conflicts } = import;
    let so_far =
        format!("added: {added}, already present: {present}, conflicts: {}", conflicts.len());
    terminal.say(&so_far, &summary(&import, &[]))?;
    written?;
    let left = users.saturating_sub(added).saturating_sub(present).saturating_sub(conflicts.len());
    if left > 0 {
        return Err(CommandError::Interrupted(format!(
            "{left} of {users} users are left; run the command again to continue"
        )));
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(CommandError::rejected(format!(
        "users not imported because of a conflict: {}",
        conflicts.len()
    )))
}

async fn write(
    store: &Store,
    rows: Vec<Row>,
    interrupt: &Interrupt,
    import: &mut Import,
) -> Result<(), CommandError> {
    let missing = missing(store, rows, interrupt, import).await?;
    let bar = terminal::progress("adding users:", u64::try_from(missing.len()).ok());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let hashing = Semaphore::new(processors);
    let adding = stream::iter(missing)
        .take_while(|_row| std::future::ready(!interrupt.came()))
        .map(|row| add(store, row, &hashing, interrupt))
        .buffer_unordered(AT_ONCE.max(processors));
    let mut adding = std::pin::pin!(adding);
    let mut failed = None;
    // Users already begun when the work stops are awaited, so that they are counted.
    while let Some(done) = adding.next().await {
        match done {
            Ok(Done::Added) => import.added = import.added.saturating_add(1),
            Ok(Done::Conflict(wrong)) => import.conflicts.push(wrong),
            Ok(Done::Left) => continue,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    import.conflicts.sort_by_key(|wrong| wrong.line);
    failed.map_or(Ok(()), Err)
}

/// Returns the users of the file who do not exist yet. The others are compared and counted.
async fn missing(
    store: &Store,
    rows: Vec<Row>,
    interrupt: &Interrupt,
    import: &mut Import,
) -> Result<Vec<Row>, CommandError> {
    let bar = terminal::progress("looking for existing users:", u64::try_from(rows.len()).ok());
    let mut missing = Vec::new();
    let mut rest = rows.into_iter();
    loop {
        let some: Vec<Row> = rest.by_ref().take(100).collect();
        if some.is_empty() || interrupt.came() {
            break;
        }
        let ids: Vec<UserId> = some.iter().map(|row| row.id).collect();
        let mut existing = store.users(&ids).await?;
        for row in some {
            match existing.remove(&row.id) {
                None => missing.push(row),
                Some(Some(user)) if is_same(&row, &user) => {
                    import.present = import.present.saturating_add(1);
                }
                Some(_) => import.conflicts.push(Wrong {
                    line: row.line,
                    what: format!("the user {} already exists with different values", row.id),
                }),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(missing)
}

/// Returns whether the user equals the line. A plain password is not compared: that would cost a
/// hash, and a continued import must not repeat that work.
fn is_same(row: &Row, user: &User) -> bool {
    let has_same_password = match (&row.password, user.password_hash()) {
        (Password::None, None) | (Password::Plain(_), Some(_)) => true,
        (Password::Hash(hash), Some(present)) => hash == present,
        _ => false,
    };
    has_same_password
        && row.username == user.username
        && row.full_name == user.full_name
        && row.status == user.status
        && row.permissions == user.permissions
        && user.kind() == row.kind.as_str()
}

async fn add(
    store: &Store,
    row: Row,
    hashing: &Semaphore,
    interrupt: &Interrupt,
) -> Result<Done, CommandError> {
    let Row { line, id, username, key, full_name, kind, status, permissions, password } = row;
    let conflict = |what: String| Ok(Done::Conflict(Wrong { line, what }));
    let name_taken = || format!("the user {id} cannot be added: another user has the same name");
    // Do not hash the password of a user who cannot be added.
    if store.is_name_taken(&key, Some(&id)).await? {
        return conflict(name_taken());
    }
    let password_hash = match password {
        Password::None => None,
        Password::Hash(hash) => Some(hash),
        Password::Plain(plain) => {
            let turn = hashing.acquire().await.map_err(|error| Failure::new(HASHING, error))?;
            if interrupt.came() {
                return Ok(Done::Left);
            }
            let hash = hash(plain).await?;
            drop(turn);
            Some(hash)
        }
    };
    let token_generation = entropy::generation()?;
    let user =
        NewUser { id, username, full_name, kind, password_hash, permissions, token_generation };
    match users::add(store, &user, status).await? {
        Added::Now => Ok(Done::Added),
        Added::IdTaken => {
            conflict(format!("the user {id} was added by another process in the meantime"))
        }
        Added::NameTaken => conflict(name_taken()),
    }
}

/// Hashes a password on a blocking thread.
async fn hash(plain: Zeroizing<String>) -> Result<String, Failure> {
    let salt = entropy::bytes()?;
    let hashed = tokio::task::spawn_blocking(move || password::hash(&plain, salt)).await;
    let hashed = hashed.map_err(|error| Failure::new(HASHING, error))?;
    hashed.ok_or_else(|| Failure::new(HASHING, "the password is empty or too long"))
}

fn format(args: &ImportArgs) -> Result<Format, CommandError> {
    let by_name = match args.file.extension().and_then(|end| end.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("jsonl" | "ndjson") => Some(Format::Jsonl),
        _ => None,
    };
    args.format.or(by_name).ok_or_else(|| {
        CommandError::Usage(
            "the file name does not end in .csv or .jsonl; pass --format csv or --format jsonl"
                .to_owned(),
        )
    })
}

fn text(file: &Path) -> Result<Zeroizing<String>, CommandError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| CommandError::Usage(format!("cannot read {}: {error}", file.display())))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes
            .get(..error.valid_up_to())
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .count();
        CommandError::rejected(format!(
            "nothing was written; {}:{line}: not valid UTF-8",
            file.display()
        ))
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Prints the errors, except in JSON, where the summary contains them.
fn print_errors(terminal: Terminal, file: &Path, wrong: &[Wrong]) -> io::Result<()> {
    if terminal.is_json() {
        return Ok(());
    }
    for Wrong { line, what } in wrong.iter().take(MAX_COMPLAINTS) {
        terminal.note(&format!("{}:{line}: {what}", file.display()))?;
    }
    match wrong.len().saturating_sub(MAX_COMPLAINTS) {
        0 => Ok(()),
        more => terminal.note(&format!("and {more} more")),
    }
}

fn summary(import: &Import, bad: &[Wrong]) -> serde_json::Value {
    let lines = |wrong: &[Wrong]| -> serde_json::Value {
        wrong.iter().map(|Wrong { line, what }| json!({"line": line, "wrong": what})).collect()
    };
    json!({
        "users": import.users,
        "added": import.added,
        "present": import.present,
        "conflicts": lines(&import.conflicts),
        "bad": lines(bad),
    })
}
