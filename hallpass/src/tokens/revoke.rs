//! `hallpass token revoke`: revokes a token, its family, everything its family issued, or all
//! tokens of a user.

use clap::Args;
use futures_util::{StreamExt, stream};
use hallpass_runtime::entropy;
use hallpass_service::{
    Revoker,
    family::{Issuer, Search},
};
use hallpass_store::{tokens::Marked, users::Written};
use hallpass_token::{Note, Record, TokenId};
use serde_json::json;

use crate::{
    confirm::Confirmation,
    effective,
    error::CommandError,
    interrupt::Interrupt,
    pasted,
    revoker::revoker,
    stack::Stack,
    terminal::{self, Terminal},
    user,
};

/// The options of `hallpass token revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Token ID, as printed by `list` and `inspect`
    #[arg(required_unless_present_any = ["all", "issued_by"], conflicts_with_all = ["all", "issued_by"])]
    id: Option<TokenId>,
    /// Revoke the whole family: the tokens generated, rotated and regenerated from one another
    #[arg(long, conflicts_with = "all")]
    family: bool,
    /// Revoke the family, or the browser session, and everything it issued for any user, directly
    /// or through other tokens
    #[arg(long, conflicts_with = "all")]
    descendants: bool,
    /// Revoke everything that this family or browser session issued for any user; takes a family
    /// ID, or the ID of one of its tokens
    #[arg(long, value_name = "FAMILY_OR_TOKEN", conflicts_with = "all")]
    issued_by: Option<TokenId>,
    /// Revoke all tokens of this user: a user name, or `id:` followed by the user ID
    #[arg(long, value_name = "USER", value_parser = pasted::name)]
    all: Option<String>,
    /// Say why, in at most 200 characters; the record and the audit log keep it
    #[arg(long, value_name = "TEXT", value_parser = Note::parse)]
    reason: Option<Note>,
    /// Revoke because the text was found in public; the token is then rejected as leaked
    #[arg(long, conflicts_with = "reason")]
    leaked: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// The number of records read per page.
const PAGE: i32 = 500;

/// The number of records marked concurrently.
const AT_ONCE: usize = 8;

/// The number of times the whole table is searched while new tokens keep appearing.
const MAX_PASSES: u32 = 50;

/// Runs the command.
///
/// # Errors
/// Returns a [`CommandError`] if the token or user does not exist, or if some tokens could not be
/// revoked.
pub(super) async fn run(
    args: RevokeArgs,
    stack: &Stack,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let RevokeArgs { id, family, descendants, issued_by, all, reason, leaked: is_leaked, .. } =
        args;
    let confirmation = args.confirmation;
    let reason = if is_leaked { Some(Note::leaked()) } else { reason };
    let reason = reason.as_ref();
    let ask = |question: &str| confirmation.ask(question, terminal);
    match (id, issued_by, all) {
        (Some(id), ..) if !family && !descendants => one(stack, &id, reason, terminal).await,
        (Some(id), ..) => {
            let more = if descendants { " and everything that it issued" } else { "" };
            ask(&format!("revoke the family of {id}{more}?"))?;
            leaked(stack, id, (true, descendants), reason, terminal).await
        }
        (None, Some(id), _) => {
            ask(&format!("revoke everything that the family of {id} issued?"))?;
            leaked(stack, id, (family || descendants, true), reason, terminal).await
        }
        (None, None, all) => {
            let name = all.unwrap_or_default();
            of_user(stack, &name, confirmation, reason, terminal).await
        }
    }
}

async fn one(
    stack: &Stack,
    id: &TokenId,
    reason: Option<&Note>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let store = stack.store()?;
    let revoker = revoker(stack, &store, terminal).await?.because(reason);
    let (done, text) = match revoker.revoke_by_id(id).await? {
        Marked::Now => ("revoked", format!("revoked {id}")),
        Marked::Before | Marked::Same => ("revoked before", format!("{id} was already revoked")),
        Marked::Unknown => return Err(CommandError::rejected(format!("there is no token {id}"))),
    };
    let effective_at = effective::at(stack, revoker.cause.at, terminal)?;
    Ok(terminal
        .say(&text, &json!({"done": done, "id": id.to_string(), "effective_at": effective_at}))?)
}

/// Revokes a family, everything it issued, or both. Another run continues the work, and reports
/// zero tokens once nothing is left.
async fn leaked(
    stack: &Stack,
    id: TokenId,
    (ends_family, ends_issued): (bool, bool),
    reason: Option<&Note>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let (interrupt, store) = (Interrupt::watch()?, stack.store()?);
    let revoker = revoker(stack, &store, terminal).await?.because(reason);
    if ends_family && revoker.end_session(&id).await? {
        terminal.note("ended the browser session of this family")?;
    }
    let mut search = Search::new(Issuer::find(&store, id).await?);
    let mut count = if ends_family { family_of(&revoker, &search).await? } else { 0 };
    let bar = terminal::progress("revoking issued tokens:", None);
    let (mut passes, mut is_over) = (0, !ends_issued);
    while !is_over {
        if interrupt.came() || passes >= MAX_PASSES {
            bar.finish_and_clear();
            return Err(unfinished(count, interrupt.came()));
        }
        let step = search.step(&revoker).await?;
        count = count.saturating_add(step.revoked);
        bar.inc(step.revoked);
        is_over = step.is_over;
        passes = passes.saturating_add(u32::from(step.ends_pass));
        if ends_family && step.found_family {
            count = count.saturating_add(family_of(&revoker, &search).await?);
        }
    }
    bar.finish_and_clear();
    let (family, effective_at) =
        (search.issuer().family().to_string(), effective::now(stack, terminal).await?);
    let json = json!({
        "done": "revoked", "family_id": family, "revoked": count, "effective_at": effective_at,
    });
    let which = match (ends_family, ends_issued) {
        (true, false) => "of the family",
        (true, true) => "of or issued by the family",
        (false, _) => "issued by the family",
    };
    let tokens = if count == 1 { "token" } else { "tokens" };
    Ok(terminal.say(&format!("revoked {count} {tokens} {which} {family}"), &json)?)
}

/// Revokes the known part of the family, and returns the number of revoked tokens.
async fn family_of(revoker: &Revoker<'_>, search: &Search) -> Result<u64, CommandError> {
    let family = search.issuer().family();
    let ends = |record: &Record| record.family.id == family;
    let count = revoker.revoke_matching(&family.user_id, ends).await?;
    count.ok_or_else(|| {
        CommandError::rejected(
            "the family keeps growing while it is revoked; run the command again",
        )
    })
}

fn unfinished(revoked: u64, is_interrupted: bool) -> CommandError {
    if is_interrupted {
        return CommandError::Interrupted(format!(
            "{revoked} tokens are revoked; run the command again to continue"
        ));
    }
    let why = "but more keep being issued; add --family to revoke the family as well, and run the \
               command again";
    CommandError::rejected(format!("{revoked} tokens are revoked, {why}"))
}

/// Revokes all tokens of a user. The first write invalidates every token; marking the records then
/// lets a rejection name the reason. If marking is interrupted, prune completes it.
async fn of_user(
    stack: &Stack,
    name: &str,
    confirmation: Confirmation,
    reason: Option<&Note>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let store = stack.store()?;
    let user = user::find(&store, name).await?;
    confirmation
        .ask(&format!("revoke all tokens of {} ({})?", user.username, user.id), terminal)?;
    let interrupt = Interrupt::watch()?;
    let revoker = revoker(stack, &store, terminal).await?.because(reason);
    if revoker.revoke_all(&user.id, entropy::generation()?).await? == Written::Unknown {
        return Err(CommandError::rejected(format!(
            "the user {} no longer exists",
            terminal::excerpt(&user.username)
        )));
    }
    let mark = revoker.mark();
    // Records left by an interrupted run are neither revoked nor bound to the present user, so mark
    // all in the index.
    let bar = terminal::progress("revoking tokens:", None);
    let (mut marked, mut all, mut after) = (0_usize, 0_usize, None);
    loop {
        let page = store.live_page(&user.id, revoker.cause.at, PAGE, after).await?;
        all = all.saturating_add(page.records.len());
        let marking = stream::iter(page.records)
            .take_while(|_record| std::future::ready(!interrupt.came()))
            .map(|record| {
                let (store, cause) = (&store, &revoker.cause);
                async move { store.revoke_one(&record.id, record.format, mark, cause).await }
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
        "effective_at": effective::at(stack, revoker.cause.at, terminal)?,
    });
    terminal.say(
        &format!("every token of {username} is invalid; {marked} of {all} live tokens are marked"),
        &json,
    )?;
    if marked < all {
        let why = "every token is invalid; run the command again to mark the rest, or leave that \
                   to prune";
        return Err(CommandError::Interrupted(why.to_owned()));
    }
    Ok(())
}
