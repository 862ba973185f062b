//! `hallpass user import`: checks all lines first and writes nothing if one is invalid. Then each
//! user is one conditional write, so that an interrupted import can be run again: users that
//! already exist are skipped, or with `--update` changed.

use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{StreamExt, stream};
use hallpass_password::{NameKey, password};
use hallpass_runtime::entropy;
use hallpass_service::users;
use hallpass_store::{
    Failure, Store,
    links::Identity,
    management::{Added, NewLink, NewUser},
};
use hallpass_token::{User, UserId};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{
    lines::{self, Format, Password, Row, Wrong},
    link,
    update::{Outcome, Updater},
};
use crate::{
    error::CommandError,
    interrupt::Interrupt,
    pasted,
    stack::Stack,
    terminal::{self, Terminal},
};

mod file;
mod report;

use self::{
    file::{format, text},
    report::{print_errors, progress_of, summary},
};

pub(super) const MEMBERS: &str = "\
CSV columns, or members of the JSON object in each line; only the first two are required:
  user_id        1 to 64 of A-Z a-z 0-9 _ -
  username       user name, with which the user logs in
  full_name      full name, for display
  kind           person or app
  status         active or blocked
  permissions    in CSV separated by `;`, in JSON a list
  password       plain password of at least 8 characters, which is hashed; or
  password_hash  a hash of Argon2id, bcrypt ($2a$, $2b$, $2y$), scrypt ($scrypt$) or PBKDF2 ($pbkdf2-sha256$,
                 $pbkdf2-sha512$)
  oidc_subject   subject (`sub`) with which the user signs in at the identity provider
A user without a password is an external user.

With --update, an attribute that a line does not have is left alone, and so is the password of a line without one.";

/// The options of `hallpass user import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// File to import, `.csv` or `.jsonl`; `-` reads standard input
    file: PathBuf,
    /// Format of the file [default: by its extension]
    #[arg(long)]
    format: Option<Format>,
    /// Change existing users to what the file says; a change that invalidates tokens does so here
    #[arg(long)]
    update: bool,
    /// Issuer of the identity provider of `oidc_subject` [default: that of the stack]
    #[arg(long, value_name = "URL", value_parser = pasted::name)]
    issuer: Option<String>,
    /// Check the file and the users, and write nothing; plain passwords are not compared
    #[arg(long)]
    dry_run: bool,
}

/// The number of users written concurrently. Each costs a query of the index and a write.
const AT_ONCE: usize = 16;

const HASHING: &str = "hashing a password";

const NAME_TAKEN: &str = "cannot be added: another user has the same name";

const IDENTITY_TAKEN: &str = "cannot be linked: another user is linked to the same subject";

const NEW_NAME_TAKEN: &str = "cannot be renamed: another user has the same name";

/// The outcome for one user of the file.
enum Done {
    Added,
    Updated,
    Present,
    Conflict(Wrong),
    /// The work stopped before this user was begun.
    Left,
}

/// The outcome of the import.
#[derive(Default)]
struct Import {
    users: usize,
    added: usize,
    updated: usize,
    present: usize,
    conflicts: Vec<Wrong>,
}

/// The users of a file, by what there is to do for them.
#[derive(Default)]
struct Sorted {
    missing: Vec<Row>,
    /// With `--update`.
    existing: Vec<(Row, User)>,
}

pub(super) async fn run(
    args: &ImportArgs,
    stack: &Stack,
    store: &Store,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let format = format(args)?;
    let (mut rows, wrong) = lines::read(&text(&args.file)?, format);
    if !wrong.is_empty() {
        print_errors(terminal, &args.file, &wrong)?;
        if terminal.is_json() {
            terminal.say(
                "",
                &summary(args, &Import { users: rows.len(), ..Import::default() }, &wrong),
            )?;
        }
        return Err(CommandError::rejected(format!(
            "nothing was written; invalid lines: {}",
            wrong.len()
        )));
    }
    if rows.iter().any(|row| row.subject.is_some()) {
        let issuer = link::issuer_of(stack, args.issuer.as_ref())?;
        for row in &mut rows {
            row.identity = row.subject.as_ref().map(|subject| Identity::new(&issuer, subject));
        }
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
    let written = if args.dry_run {
        check(args, store, rows, &interrupt, &mut import).await
    } else {
        let updater = Updater::new(stack, store, terminal).await?;
        write(args, &updater, rows, &interrupt, &mut import).await
    };
    import.conflicts.sort_by_key(|wrong| wrong.line);
    print_errors(terminal, &args.file, &import.conflicts)?;
    terminal.say(&progress_of(args, &import), &summary(args, &import, &[]))?;
    written?;
    let Import { users, added, updated, present, ref conflicts } = import;
    let done = added.saturating_add(updated).saturating_add(present);
    let left = users.saturating_sub(done).saturating_sub(conflicts.len());
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
    args: &ImportArgs,
    updater: &Updater<'_>,
    rows: Vec<Row>,
    interrupt: &Interrupt,
    import: &mut Import,
) -> Result<(), CommandError> {
    let Sorted { missing, existing } = sort(args, updater.store, rows, interrupt, import).await?;
    let all = missing.len().saturating_add(existing.len());
    let bar = terminal::progress("writing users:", u64::try_from(all).ok());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let hashing = Semaphore::new(processors);
    let work = missing.into_iter().map(|row| (row, None));
    let work = work.chain(existing.into_iter().map(|(row, user)| (row, Some(user))));
    let writing = stream::iter(work)
        .take_while(|_row| std::future::ready(!interrupt.came()))
        .map(async |(row, user)| match user {
            None => add(updater, row, &hashing, interrupt).await,
            Some(user) => update(updater, row, &user, &hashing, interrupt).await,
        })
        .buffer_unordered(AT_ONCE.max(processors));
    let mut writing = std::pin::pin!(writing);
    let mut failed = None;
    // Users already begun when the work stops are awaited, so that they are counted.
    while let Some(done) = writing.next().await {
        match done {
            Ok(Done::Left) => continue,
            Ok(done) => import.count(done),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    failed.map_or(Ok(()), Err)
}

/// Checks what an import would do, and writes nothing.
async fn check(
    args: &ImportArgs,
    store: &Store,
    rows: Vec<Row>,
    interrupt: &Interrupt,
    import: &mut Import,
) -> Result<(), CommandError> {
    let Sorted { missing, existing } = sort(args, store, rows, interrupt, import).await?;
    for row in missing {
        let is_taken = store.is_name_taken(&row.key, Some(&row.id)).await?;
        import.count(if is_taken { row.conflict(NAME_TAKEN) } else { Done::Added });
    }
    for (row, user) in existing {
        let is_renamed = NameKey::new(&user.username) != row.key;
        let is_taken = is_renamed && store.is_name_taken(&row.key, Some(&row.id)).await?;
        import.count(match Updater::differs(&row, &user) {
            _ if is_taken => row.conflict(NEW_NAME_TAKEN),
            true => Done::Updated,
            false => Done::Present,
        });
    }
    Ok(())
}

async fn update(
    updater: &Updater<'_>,
    row: Row,
    user: &User,
    hashing: &Semaphore,
    interrupt: &Interrupt,
) -> Result<Done, CommandError> {
    let (turn, mut new_hash) = (hashing.acquire().await, None);
    let turn = turn.map_err(|error| Failure::new(HASHING, error))?;
    if interrupt.came() {
        return Ok(Done::Left);
    }
    if let Password::Plain(plain) = &row.password
        && !is_password(plain.clone(), user).await?
    {
        new_hash = Some(hash(plain.clone()).await?);
    }
    drop(turn);
    Ok(match updater.update(&row, user, new_hash).await? {
        Outcome::Updated => Done::Updated,
        Outcome::Present => Done::Present,
        Outcome::NameTaken => row.conflict(NEW_NAME_TAKEN),
        Outcome::Removed => row.conflict("was removed by another process in the meantime"),
        Outcome::IdentityTaken => row.conflict(IDENTITY_TAKEN),
        Outcome::Linked => row.conflict("is linked to another subject; unlink the user first"),
        Outcome::Unreadable => row.conflict("has permissions that cannot be read"),
    })
}

impl Import {
    fn count(&mut self, done: Done) {
        let counter = match done {
            Done::Added => &mut self.added,
            Done::Updated => &mut self.updated,
            Done::Present => &mut self.present,
            Done::Conflict(wrong) => return self.conflicts.push(wrong),
            Done::Left => return,
        };
        *counter = counter.saturating_add(1);
    }
}

impl Row {
    fn conflict(&self, what: &str) -> Done {
        Done::Conflict(Wrong { line: self.line, what: format!("the user {} {what}", self.id) })
    }
}

/// Sorts the users of the file by whether they exist. Without `--update`, the existing ones are
/// compared and counted.
async fn sort(
    args: &ImportArgs,
    store: &Store,
    rows: Vec<Row>,
    interrupt: &Interrupt,
    import: &mut Import,
) -> Result<Sorted, CommandError> {
    let bar = terminal::progress("looking for existing users:", u64::try_from(rows.len()).ok());
    let mut sorted = Sorted::default();
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
                None => sorted.missing.push(row),
                Some(Some(user)) if args.update => sorted.existing.push((row, user)),
                Some(Some(user)) if is_same(&row, &user) => import.count(Done::Present),
                Some(_) => import.count(row.conflict("already exists with different values")),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(sorted)
}

/// Returns whether the user equals the line. A plain password is not compared: that would cost a
/// hash, and a continued import must not repeat that work.
fn is_same(row: &Row, user: &User) -> bool {
    let has_same_password = match (&row.password, user.password_hash()) {
        (Password::None, None) | (Password::Plain(_), Some(_)) => true,
        (Password::Hash(hash), Some(present)) => hash == present,
        _ => false,
    };
    let has_identity = row.identity.as_ref().is_none_or(|identity| identity.is_of(user));
    has_same_password
        && has_identity
        && row.username == user.username
        && row.full_name == user.full_name
        && row.status == user.status
        && row.permissions == user.permissions
        && user.kind() == row.kind.as_str()
}

async fn add(
    updater: &Updater<'_>,
    row: Row,
    hashing: &Semaphore,
    interrupt: &Interrupt,
) -> Result<Done, CommandError> {
    let Updater { store, revoker, .. } = updater;
    // Do not hash the password of a user who cannot be added.
    if store.is_name_taken(&row.key, Some(&row.id)).await? {
        return Ok(row.conflict(NAME_TAKEN));
    }
    let password_hash = match &row.password {
        Password::None => None,
        Password::Hash(hash) => Some(hash.clone()),
        Password::Plain(plain) => {
            let turn = hashing.acquire().await.map_err(|error| Failure::new(HASHING, error))?;
            if interrupt.came() {
                return Ok(Done::Left);
            }
            let hash = hash(plain.clone()).await?;
            drop(turn);
            Some(hash)
        }
    };
    let user = NewUser {
        id: row.id,
        username: row.username.clone(),
        full_name: row.full_name.clone(),
        kind: row.kind,
        password_hash,
        permissions: row.permissions.clone(),
        token_generation: entropy::generation()?,
    };
    let link = row.identity.as_ref();
    let link = link.map(|identity| NewLink { identity, gives_permissions: false });
    Ok(match users::add(store, &user, row.status, link, &revoker.cause).await? {
        Added::Now => Done::Added,
        Added::IdTaken => row.conflict("was added by another process in the meantime"),
        Added::NameTaken => row.conflict(NAME_TAKEN),
        Added::IdentityTaken => row.conflict(IDENTITY_TAKEN),
    })
}

/// Returns whether this is the user's password, on a blocking thread.
async fn is_password(plain: Zeroizing<String>, user: &User) -> Result<bool, Failure> {
    let Some(hash) = user.password_hash().map(str::to_owned) else { return Ok(false) };
    let verified = tokio::task::spawn_blocking(move || password::verify(&plain, Some(&hash))).await;
    verified.map_err(|error| Failure::new(HASHING, error))
}

/// Hashes a password on a blocking thread.
async fn hash(plain: Zeroizing<String>) -> Result<String, Failure> {
    let salt = entropy::bytes()?;
    let hashed = tokio::task::spawn_blocking(move || password::hash(&plain, salt)).await;
    let hashed = hashed.map_err(|error| Failure::new(HASHING, error))?;
    hashed.ok_or_else(|| Failure::new(HASHING, "the password is empty or too long"))
}
