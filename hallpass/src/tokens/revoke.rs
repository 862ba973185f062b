//! `hallpass token revoke`: one token, its family, what its family issued for any user, or all tokens of a user.

use clap::Args;
use edge::{entropy, settings};
use futures_util::{StreamExt, stream};
use revoke::family::{self, Issuer, Search};
use serde_json::json;
use store::{
    Store,
    marking::{Invalidate, Mark},
    tokens::Marked,
    users::Written,
};
use token::{Reason, Record, Revocation, TokenId, lifecycle};

use crate::{
    clock, effective,
    error::CommandError,
    interrupt::Interrupt,
    stack::{NoStack, Stack},
    terminal::{self, Terminal},
    user,
};

/// Which tokens are revoked.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its public id, as `list` and `inspect` show it
    #[arg(required_unless_present_any = ["all", "issued_by"], conflicts_with_all = ["all", "issued_by"])]
    id: Option<TokenId>,
    /// The whole family: the tokens generated, rotated and regenerated from one another
    #[arg(long, conflicts_with = "all")]
    family: bool,
    /// The family, or the browser's session, and everything it issued for any user, itself or through others
    #[arg(long, conflicts_with = "all")]
    descendants: bool,
    /// Everything that this family or browser's session issued for any user; a token will do in place of its family
    #[arg(long, value_name = "FAMILY_OR_TOKEN", conflicts_with = "all")]
    issued_by: Option<TokenId>,
    /// All tokens of this user, by name, or by `id:` and the user's id
    #[arg(long, value_name = "USER")]
    all: Option<String>,
}

/// How many records are read at once.
const PAGE: i32 = 500;

/// How many records are marked at once.
const AT_ONCE: usize = 8;

/// How often the whole table is searched while more and more tokens appear.
const MAX_PASSES: u32 = 50;

/// Runs the command.
///
/// # Errors
/// When there is no such token or user, or not everything is revoked.
pub(super) async fn run(args: RevokeArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let RevokeArgs { id, family, descendants, issued_by, all } = args;
    match (id, issued_by, all) {
        (Some(id), ..) if !family && !descendants => one(stack, &id, terminal).await,
        (Some(id), ..) => leaked(stack, id, true, descendants, terminal).await,
        (None, Some(id), _) => leaked(stack, id, family || descendants, true, terminal).await,
        (None, None, all) => of_user(stack, &all.unwrap_or_default(), terminal).await,
    }
}

async fn one(stack: &Stack, id: &TokenId, terminal: Terminal) -> Result<(), CommandError> {
    let mark = mark(stack, terminal).await?;
    let (revocation, purge_at) = mark;
    let (done, text) = match stack.store()?.revoke(id, revocation, purge_at).await? {
        Marked::Now => ("revoked", format!("revoked {id}")),
        Marked::Before => ("revoked before", format!("{id} was revoked before")),
        Marked::Unknown => return Err(CommandError::rejected(format!("there is no token {id}"))),
    };
    let effective_at = effective::at(stack, revocation.at, terminal)?;
    Ok(terminal.say(&text, &json!({"done": done, "id": id.to_string(), "effective_at": effective_at}))?)
}

/// Ends a family, what it issued, or both. Repeating it goes on, and a second run in vain says that nothing is left.
async fn leaked(
    stack: &Stack,
    id: TokenId,
    ends_family: bool,
    ends_issued: bool,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let (interrupt, store, began) = (Interrupt::watch()?, stack.store()?, mark(stack, terminal).await?);
    let issuer = Issuer::find(&store, id).await?;
    if ends_family && issuer.could_be_session() && store.end_session_of(&id, began.0.at).await? {
        terminal.note("the browser's session of this family is ended")?;
    }
    let mut search = Search::new(issuer);
    let mut revoked = if ends_family { family_of(&store, &search, began).await? } else { 0 };
    let bar = terminal::progress("revoking what was issued", None);
    let (mut passes, mut is_over) = (0, !ends_issued);
    while !is_over {
        if interrupt.came() || passes >= MAX_PASSES {
            bar.finish_and_clear();
            return Err(unfinished(revoked, interrupt.came()));
        }
        let step = search.step(&store, began).await?;
        revoked = revoked.saturating_add(family::count(&step.revoked));
        bar.inc(family::count(&step.revoked));
        is_over = step.is_over;
        if search.is_at_start() && !is_over {
            passes = passes.saturating_add(1);
            if ends_family {
                // The search may have learnt which family it is.
                revoked = revoked.saturating_add(family_of(&store, &search, began).await?);
            }
        }
    }
    bar.finish_and_clear();
    let (family, effective_at) = (search.issuer().family().to_string(), effective::now(stack, terminal).await?);
    let json = json!({"done": "revoked", "family_id": family, "revoked": revoked, "effective_at": effective_at});
    let what = match (ends_family, ends_issued) {
        (true, false) => "tokens of the family",
        (true, true) => "tokens of the family and of those it issued",
        (false, _) => "tokens that the family issued",
    };
    Ok(terminal.say(&format!("revoked {revoked} {what} {family}"), &json)?)
}

/// Ends the family as far as it is known, and says how many that were.
async fn family_of(store: &Store, search: &Search, mark: Mark) -> Result<u64, CommandError> {
    let family = search.issuer().family();
    let ends = |record: &Record| record.family.id == family;
    let revoked = store.revoke_of_user(&family.user_id, ends, mark).await?;
    revoked.ok_or_else(|| CommandError::rejected("the family grows while it is revoked; run it again"))
}

fn unfinished(revoked: u64, is_interrupted: bool) -> CommandError {
    if is_interrupted {
        return CommandError::Interrupted(format!("{revoked} tokens are revoked; run it again to go on"));
    }
    let why = "and more are issued all the time; end the family as well, with --family, and run it again";
    CommandError::rejected(format!("{revoked} tokens are revoked, {why}"))
}

/// The first write revokes every token of the user. Marking the records tells their holders why, and may be interrupted:
/// prune does the rest.
async fn of_user(stack: &Stack, name: &str, terminal: Terminal) -> Result<(), CommandError> {
    let interrupt = Interrupt::watch()?;
    let store = stack.store()?;
    let user = user::find(&store, name).await?;
    let mark = mark(stack, terminal).await?;
    let (revocation, purge_at) = mark;
    let how =
        Invalidate { fresh: entropy::generation()?, now: revocation.at, retention: stack.settings()?.record_retention };
    if store.raise_generation(&user.id, how).await? == Written::Unknown {
        return Err(CommandError::rejected(format!("there is no user {} any more", terminal::excerpt(&user.username))));
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
                async move { store.revoke_one(&record.id, record.format, revocation, purge_at).await }
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
    let json = json!({
        "done": "revoked", "user_id": user.id.to_string(), "revoked": marked, "of": all,
        "effective_at": effective::at(stack, revocation.at, terminal)?,
    });
    terminal.say(&format!("every token of {username} is invalidate; {marked} of {all} live ones are marked"), &json)?;
    if marked < all {
        let why = "every token is invalidate; run it again to mark the others, or leave that to prune";
        return Err(CommandError::Interrupted(why.to_owned()));
    }
    Ok(())
}

async fn mark(stack: &Stack, terminal: Terminal) -> Result<Mark, CommandError> {
    let now = clock::now_or_here(stack, terminal).await?;
    let retention = settings::record_retention(&stack.lookup()).map_err(NoStack::ConfigError)?;
    Ok((Revocation { at: now, because: Reason::Revoked }, lifecycle::purge_at(None, Some(now), retention)))
}
