//! `hallpass token`: the tokens of users, and a look at any token.

use clap::{Args, Subcommand};
use edge::view;
use serde_json::json;
use token::{Issuer, Reason, Record, Timestamp, TokenId, User, codec::inspect, lifecycle};

use crate::{
    clock,
    error::CommandError,
    stack::Stack,
    terminal::{self, Terminal},
    user,
};

mod issue;
mod revoke;

/// How many tokens of a list are held at once.
const PAGE: usize = 500;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token for a user; it is printed once, alone on standard output
    Issue(issue::IssueArgs),
    /// List the tokens of a user, those of each 500 by the time of their issue
    List {
        /// The name the user logs in with, or `id:` and the user's id
        user: String,
    },
    /// Show a token's record
    Show {
        /// Its public id, as `list` and `inspect` show it
        id: TokenId,
    },
    /// Revoke a token, its family, what its family issued, or all tokens of a user
    Revoke(revoke::RevokeArgs),
    /// Make a token that takes the place of another; it is printed once, alone on standard output
    Rotate {
        /// The public id of the old one
        id: TokenId,
    },
    /// Say what a token looks like, offline; the token comes from a prompt or from standard input
    Inspect(InspectArgs),
}

/// How a token is inspected.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// What stands in front of the deployment's tokens
    #[arg(long, default_value = "", env = "HALLPASS_PREFIX", hide_env_values = true)]
    prefix: String,
}

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    match command {
        Command::Issue(args) => Box::pin(issue::issue(args, stack, terminal)).await,
        Command::List { user } => list(stack, &user, terminal).await,
        Command::Show { id } => show(stack, &id, terminal).await,
        Command::Revoke(args) => Box::pin(revoke::run(args, stack, terminal)).await,
        Command::Rotate { id } => Box::pin(issue::rotate(&id, stack, terminal)).await,
        Command::Inspect(args) => inspect(&args, terminal),
    }
}

/// `token inspect`: needs no stack, no key and no network, and proves nothing about the token.
///
/// # Errors
/// When it is no token.
pub fn inspect(args: &InspectArgs, terminal: Terminal) -> Result<(), CommandError> {
    let issuer = Issuer::new(&args.prefix, "hallpass").map_err(|bad| CommandError::rejected(bad.to_string()))?;
    let text = terminal::token("Token")?;
    let seen = inspect::inspect(&issuer, text.expose_secret())
        .ok_or_else(|| CommandError::rejected("this is not a token of Hallpass, or its prefix is another"))?;
    // It makes no request, so that this machine's clock has to do.
    let now = edge::clock::now();
    let id = seen.user_id.map_or_else(|| format!("….{}", seen.hash), |id| format!("{id}.{}", seen.hash));
    let state = match seen.expires_at {
        Some(end) if end.has_passed(now) => "expired",
        Some(_) => "not expired",
        None => "its record says",
    };
    let its_record_says = || "its record says".to_owned();
    let mut rows = vec![
        ("format", seen.format.to_string()),
        ("user id", seen.user_id.map_or_else(|| "its pointer says".to_owned(), |id| id.to_string())),
        ("token id", id),
        ("expires", seen.expires_at.map_or_else(its_record_says, |at| at.to_string())),
        ("state", state.to_owned()),
        ("sign", "not checked: that takes the key".to_owned()),
    ];
    rows.extend(seen.issued_at.map(|at| ("issued", at.to_string())));
    rows.extend(seen.audience.clone().map(|audience| ("audience", audience)));
    let rows: Vec<[String; 2]> = rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect();
    let json = json!({
        "format": seen.format.as_str(),
        "user_id": seen.user_id.map(|id| id.to_string()),
        "hash": seen.hash.to_string(),
        "id": seen.user_id.map(|id| format!("{id}.{}", seen.hash)),
        "expires_at": seen.expires_at.map(|at| at.to_string()),
        "is_expired": seen.expires_at.map(|at| at.has_passed(now)),
        "issued_at": seen.issued_at.map(|at| at.to_string()),
        "audience": seen.audience,
        "sign_checked": false,
    });
    Ok(terminal.table(["OF THE TOKEN", "IT SAYS"], &rows, &json)?)
}

async fn list(stack: &Stack, name: &str, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let user = user::find(&store, name).await?;
    let now = clock::now(stack, terminal).await?;
    let row = |record: &Record| {
        [
            record.id.to_string(),
            record.name.clone().unwrap_or_default(),
            record.format.to_string(),
            lifecycle::state(record, Some(&user), now).as_str().to_owned(),
            or_never(record.expires_at),
            or_never(record.last_used_at),
        ]
    };
    let mut pages = terminal.pages(["ID", "NAME", "FORMAT", "STATE", "EXPIRES", "LAST USED"]);
    let mut after = None;
    loop {
        let mut page = store.page_of(&user.id, PAGE, after, None).await?;
        page.records.sort_by_key(|record| record.issued_at);
        let rows: Vec<[String; 6]> = page.records.iter().map(row).collect();
        let json: Vec<_> = page.records.iter().map(|record| view::token(record, Some(&user), now)).collect();
        pages.print(&rows, &json)?;
        after = page.next;
        if after.is_none() {
            return Ok(pages.end()?);
        }
    }
}

async fn show(stack: &Stack, id: &TokenId, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let record = store.record(id).await?;
    let record = record.ok_or_else(|| CommandError::rejected(format!("there is no token {id}")))?;
    let user = store.user(&id.user_id).await?;
    let now = clock::now(stack, terminal).await?;
    let scope = record.scope.as_ref().map_or_else(|| "all its user may do".to_owned(), ToString::to_string);
    let rows = [
        ("id", record.id.to_string()),
        ("name", record.name.clone().unwrap_or_default()),
        ("description", record.description.clone().unwrap_or_default()),
        ("user", user.as_ref().map(|user| user.username.clone()).unwrap_or_default()),
        ("format", record.format.to_string()),
        ("state", lifecycle::state(&record, user.as_ref(), now).as_str().to_owned()),
        ("changed", changed(&record, user.as_ref(), now)),
        ("scope", scope),
        ("issued", record.issued_at.to_string()),
        ("issued by", record.issued_by.clone()),
        ("family", record.family.id.to_string()),
        ("issued by family", record.family.issued_by().map(|family| family.to_string()).unwrap_or_default()),
        ("expires", or_never(record.expires_at)),
        ("last used", or_never(record.last_used_at)),
        ("key", record.key_id.clone()),
    ];
    let rows = rows.map(|(name, value)| [name.to_owned(), value]);
    Ok(terminal.table(["ATTRIBUTE", "VALUE"], &rows, &view::token(&record, user.as_ref(), now))?)
}

/// The attributes of the user that changed, if that is why the token is rejected and its record can tell.
fn changed(record: &Record, user: Option<&User>, now: Timestamp) -> String {
    let is_changed = lifecycle::state(record, user, now).reason() == Some(Reason::UserChanged);
    let differences = user.filter(|_| is_changed).map(|user| lifecycle::differences(record, user));
    differences.map(|differences| differences.attributes.join(", ")).unwrap_or_default()
}

fn or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
