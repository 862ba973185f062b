//! `hallpass token`: the tokens of users, and a look at any token.

use clap::{Args, Subcommand};
use edge::{entropy, settings, view};
use futures_util::{StreamExt, stream};
use serde_json::json;
use store::{tokens::Marked, users::Written};
use token::{Issuer, Reason, Record, Revocation, Timestamp, TokenId, codec::inspect, lifecycle};

use crate::{
    clock,
    error::CommandError,
    interrupt::Interrupt,
    stack::{NoStack, Stack},
    terminal::{self, Terminal},
    user,
};

mod issue;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token for a user; it is printed once, alone on standard output
    Issue(issue::IssueArgs),
    /// List the tokens of a user
    List {
        /// The name the user logs in with, or `id:` and the user's id
        user: String,
    },
    /// Show a token's record
    Show {
        /// Its public id, as `list` and `inspect` show it
        id: TokenId,
    },
    /// Take a token back, or all of a user
    Revoke(RevokeArgs),
    /// Make a token that takes the place of another; it is printed once, alone on standard output
    Rotate {
        /// The public id of the old one
        id: TokenId,
    },
    /// Say what a token looks like, offline; the token comes from a prompt or from standard input
    Inspect(InspectArgs),
}

/// Which tokens are taken back.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its public id, as `list` and `inspect` show it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<TokenId>,
    /// All tokens of this user, by name, or by `id:` and the user's id
    #[arg(long, value_name = "USER")]
    all: Option<String>,
}

/// How a token is inspected.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// What stands in front of the deployment's tokens
    #[arg(long, default_value = "", env = "HALLPASS_PREFIX", hide_env_values = true)]
    prefix: String,
}

/// How many records are read at once.
const PAGE: i32 = 500;

/// How many records are marked at once.
const AT_ONCE: usize = 8;

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    match command {
        Command::Issue(args) => Box::pin(issue::issue(args, stack, terminal)).await,
        Command::List { user } => list(stack, &user, terminal).await,
        Command::Show { id } => show(stack, &id, terminal).await,
        Command::Revoke(RevokeArgs { id: Some(id), all: _ }) => revoke(stack, &id, terminal).await,
        Command::Revoke(RevokeArgs { id: None, all }) => revoke_all(stack, &all.unwrap_or_default(), terminal).await,
        Command::Rotate { id } => Box::pin(issue::rotate(&id, stack, terminal)).await,
        Command::Inspect(args) => inspect(&args, terminal),
    }
}

/// `token inspect`: needs no stack, no key and no network, and proves nothing about the token.
///
/// # Errors
/// When it is no token.
pub fn inspect(args: &InspectArgs, terminal: Terminal) -> Result<(), CommandError> {
    let issuer = Issuer::new(&args.prefix, "hallpass").map_err(|bad| CommandError::refused(bad.to_string()))?;
    let text = terminal::token("Token")?;
    let seen = inspect::inspect(&issuer, text.reveal())
        .ok_or_else(|| CommandError::refused("this is not a token of Hallpass, or its prefix is another"))?;
    // It asks nobody, so that this machine's clock has to do.
    let now = edge::clock::now();
    let id = seen.user_id.map_or_else(|| format!("….{}", seen.hash), |id| format!("{id}.{}", seen.hash));
    let state = match seen.expires_at {
        Some(end) if end.has_come(now) => "expired",
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
        ("seal", "not checked: that takes the key".to_owned()),
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
        "is_expired": seen.expires_at.map(|at| at.has_come(now)),
        "issued_at": seen.issued_at.map(|at| at.to_string()),
        "audience": seen.audience,
        "seal_checked": false,
    });
    Ok(terminal.table(["OF THE TOKEN", "IT SAYS"], &rows, &json)?)
}

async fn list(stack: &Stack, name: &str, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let user = user::find(&store, name).await?;
    let mut records = store.records_of(&user.id).await?;
    records.sort_by_key(|record| record.issued_at);
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
    let rows: Vec<[String; 6]> = records.iter().map(row).collect();
    let json = records.iter().map(|record| view::token(record, Some(&user), now)).collect();
    Ok(terminal.table(["ID", "NAME", "FORMAT", "STATE", "EXPIRES", "LAST USED"], &rows, &json)?)
}

async fn show(stack: &Stack, id: &TokenId, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let record = store.record(id).await?;
    let record = record.ok_or_else(|| CommandError::refused(format!("there is no token {id}")))?;
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
        ("scope", scope),
        ("issued", record.issued_at.to_string()),
        ("issued by", record.issued_by.clone()),
        ("expires", or_never(record.expires_at)),
        ("last used", or_never(record.last_used_at)),
        ("key", record.key_id.clone()),
    ];
    let rows = rows.map(|(name, value)| [name.to_owned(), value]);
    Ok(terminal.table(["ATTRIBUTE", "VALUE"], &rows, &view::token(&record, user.as_ref(), now))?)
}

async fn revoke(stack: &Stack, id: &TokenId, terminal: Terminal) -> Result<(), CommandError> {
    let (revocation, forget_at) = revocation(stack, terminal).await?;
    let json = |done| json!({"done": done, "id": id.to_string()});
    match stack.store()?.revoke(id, revocation, forget_at).await? {
        Marked::Now => Ok(terminal.say(&format!("revoked {id}"), &json("revoked"))?),
        Marked::Before => Ok(terminal.say(&format!("{id} was revoked before"), &json("revoked before"))?),
        Marked::Unknown => Err(CommandError::refused(format!("there is no token {id}"))),
    }
}

/// The first write voids every token of the user. Marking the records tells their holders why, and may be interrupted:
/// prune does the rest.
async fn revoke_all(stack: &Stack, name: &str, terminal: Terminal) -> Result<(), CommandError> {
    let interrupt = Interrupt::watch()?;
    let store = stack.store()?;
    let user = user::find(&store, name).await?;
    let (revocation, forget_at) = revocation(stack, terminal).await?;
    if store.raise_generation(&user.id, entropy::generation()?).await? == Written::Unknown {
        return Err(CommandError::refused(format!("there is no user {} any more", terminal::shown(&user.username))));
    }
    // What an interrupted run has left is neither revoked nor the user's any more, so that all in the index are marked.
    let bar = terminal::progress("revoking tokens", None);
    let (mut marked, mut all, mut after) = (0_usize, 0_usize, None);
    loop {
        let page = store.live_page(&user.id, revocation.at, PAGE, after).await?;
        all = all.saturating_add(page.records.len());
        let marking = stream::iter(page.records)
            .take_while(|_record| std::future::ready(!interrupt.came()))
            .map(|record| {
                let store = &store;
                async move { store.revoke_one(&record.id, record.format, revocation, forget_at).await }
            })
            .buffer_unordered(AT_ONCE);
        let mut marking = std::pin::pin!(marking);
        while let Some(done) = marking.next().await {
            done?;
            marked = marked.saturating_add(1);
            bar.inc(1);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    let username = terminal::printable(&user.username);
    let json = json!({"done": "revoked", "user_id": user.id.to_string(), "revoked": marked, "of": all});
    terminal.say(&format!("every token of {username} is void; {marked} of {all} live ones are marked"), &json)?;
    if marked < all {
        let why = "every token is void; run it again to mark the others, or leave that to prune";
        return Err(CommandError::Interrupted(why.to_owned()));
    }
    Ok(())
}

async fn revocation(stack: &Stack, terminal: Terminal) -> Result<(Revocation, Option<Timestamp>), CommandError> {
    let now = clock::now_or_here(stack, terminal).await?;
    let grace = settings::grace(&stack.lookup()).map_err(NoStack::BadSetting)?;
    Ok((Revocation { at: now, because: Reason::Revoked }, lifecycle::forget_at(None, Some(now), grace)))
}

fn or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
