//! `hallpass token`: the tokens of users, and a look at any token.

use clap::{Args, Subcommand};
use edge::{clock, settings};
use store::tokens::Marked;
use token::{Issuer, Reason, Record, Revocation, Text, TokenId, codec::inspect, lifecycle};

use crate::{cli::CommandError, stack::Stack, terminal, user};

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the tokens of a user
    List {
        /// The name the user logs in with
        name: String,
    },
    /// Take a token back
    Revoke {
        /// Its public id, as `list` and `inspect` show it
        id: TokenId,
    },
    /// Say what a token looks like, offline; the token comes from a prompt or from standard input
    Inspect(InspectArgs),
}

/// How a token is inspected.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// What stands in front of the deployment's tokens
    #[arg(long, default_value = "", env = "HALLPASS_PREFIX")]
    prefix: String,
}

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(command: Command, stack: &Stack) -> Result<(), CommandError> {
    match command {
        Command::List { name } => list(stack, &name).await,
        Command::Revoke { id } => revoke(stack, &id).await,
        Command::Inspect(args) => inspect(&args),
    }
}

/// `token inspect`: needs no stack, no key and no network, and proves nothing about the token.
///
/// # Errors
/// When it is no token.
pub fn inspect(args: &InspectArgs) -> Result<(), CommandError> {
    let issuer = Issuer::new(&args.prefix, "hallpass").map_err(|bad| CommandError::refused(bad.to_string()))?;
    let text = Text::new(terminal::secret("Token")?.trim());
    let seen = inspect::inspect(&issuer, text.reveal())
        .ok_or_else(|| CommandError::refused("this is not a token of Hallpass, or its prefix is another"))?;
    let now = clock::now();
    let instant = |at: Option<token::Timestamp>| at.map_or_else(|| "its record says".to_owned(), |at| at.to_string());
    let user = seen.user_id.map_or_else(|| "its pointer says".to_owned(), |id| id.to_string());
    let state = match seen.expires_at {
        Some(end) if end.has_come(now) => "expired",
        Some(_) => "not expired",
        None => "its record says",
    };
    let mut rows = vec![
        ["format".to_owned(), seen.format.to_string()],
        ["user id".to_owned(), user],
        [
            "token id".to_owned(),
            seen.user_id.map_or_else(|| format!("….{}", seen.hash), |id| format!("{id}.{}", seen.hash)),
        ],
        ["expires".to_owned(), instant(seen.expires_at)],
        ["state".to_owned(), state.to_owned()],
        ["seal".to_owned(), "not checked: that takes the key".to_owned()],
    ];
    rows.extend(seen.issued_at.map(|at| ["issued".to_owned(), at.to_string()]));
    rows.extend(seen.audience.map(|audience| ["audience".to_owned(), audience]));
    Ok(terminal::table(["OF THE TOKEN", "IT SAYS"], &rows)?)
}

async fn list(stack: &Stack, name: &str) -> Result<(), CommandError> {
    let store = stack.store()?;
    let user = user::find(&store, name).await?;
    let mut records = store.records_of(&user.id).await?;
    records.sort_by_key(|record| record.issued_at);
    let now = clock::now();
    let text = |at: Option<token::Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let state = |record: &Record| {
        let end = record.end(now).or_else(|| lifecycle::readmit(record.clone(), Some(user.clone()), now).err());
        end.map_or("live", Reason::as_str).to_owned()
    };
    let row = |record: &Record| {
        [
            record.id.to_string(),
            record.name.clone().unwrap_or_default(),
            record.format.to_string(),
            state(record),
            text(record.expires_at),
            text(record.last_used_at),
        ]
    };
    let rows: Vec<[String; 6]> = records.iter().map(row).collect();
    Ok(terminal::table(["ID", "NAME", "FORMAT", "STATE", "EXPIRES", "LAST USED"], &rows)?)
}

async fn revoke(stack: &Stack, id: &TokenId) -> Result<(), CommandError> {
    let now = clock::now();
    let grace = settings::grace(&stack.lookup()).map_err(|bad| CommandError::refused(bad.to_string()))?;
    let revocation = Revocation { at: now, because: Reason::Revoked };
    let forget_at = lifecycle::forget_at(None, Some(now), grace);
    match stack.store()?.revoke(id, revocation, forget_at).await? {
        Marked::Now => Ok(terminal::line(&format!("revoked {id}"))?),
        Marked::Before => Ok(terminal::line(&format!("{id} was revoked before"))?),
        Marked::Unknown => Err(CommandError::refused(format!("there is no token {id}"))),
    }
}
