//! `hallpass user link` and `hallpass user unlink`: the identity with which a user signs in to the
//! pages at the identity provider.

use clap::Args;
use hallpass_runtime::entropy;
use hallpass_service::users;
use hallpass_store::{
    Store,
    links::{Identity, Linked, Unlinked},
};
use serde_json::json;

use super::{Name, find};
use crate::{
    clock, effective,
    error::CommandError,
    pasted,
    revoker::revoker,
    stack::Stack,
    terminal::{self, Terminal},
};

/// The arguments of `hallpass user link`.
#[derive(Debug, Args)]
pub struct LinkArgs {
    #[command(flatten)]
    name: Name,
    /// Subject of the user at the identity provider (`sub`), which the pages show to a user who is
    /// not linked yet
    #[arg(long, value_parser = pasted::name)]
    subject: String,
    /// Issuer of the identity provider [default: that of the stack]
    #[arg(long, value_name = "URL", value_parser = pasted::name)]
    issuer: Option<String>,
}

/// The variable with the issuer of the stack.
const ISSUER: &str = "HALLPASS_OIDC_ISSUER";

/// The longest subject (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT: usize = 255;

/// Checks the form of a subject.
pub(super) fn check_subject(subject: &str) -> Result<(), &'static str> {
    if (1..=MAX_SUBJECT).contains(&subject.len()) && !subject.chars().any(char::is_control) {
        Ok(())
    } else {
        Err("a subject has 1 to 255 bytes and no control characters")
    }
}

/// The issuer that was named, or that of the stack.
pub(super) fn issuer_of(stack: &Stack, named: Option<&String>) -> Result<String, CommandError> {
    let of_stack = || stack.lookup()(ISSUER).filter(|issuer| !issuer.is_empty());
    named.cloned().or_else(of_stack).ok_or_else(|| {
        CommandError::rejected("the stack has no identity provider; name its issuer with --issuer")
    })
}

pub(super) async fn link(
    stack: &Stack,
    store: &Store,
    args: &LinkArgs,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let LinkArgs { name: Name { name }, subject, issuer } = args;
    check_subject(subject).map_err(CommandError::rejected)?;
    let issuer = issuer_of(stack, issuer.as_ref())?;
    let user = find(store, name).await?;
    let shown = terminal::printable(&user.username);
    let cause = stack.cause(clock::now_or_here(stack, terminal).await?).await;
    match users::link(store, &user.id, &Identity::new(&issuer, subject), &cause).await? {
        Linked::Now => {
            let json = json!({
                "done": "linked", "id": user.id.to_string(), "username": user.username,
                "issuer": issuer, "subject": subject,
            });
            let text = format!("linked: {shown} ({}) signs in at {issuer}", user.id);
            Ok(terminal.say(&terminal::printable(&text), &json)?)
        }
        Linked::UnknownUser => {
            Err(CommandError::rejected(format!("the user {shown} no longer exists")))
        }
        Linked::ToAnother => Err(CommandError::rejected(format!(
            "{shown} is linked to another identity; run `hallpass user unlink` first"
        ))),
        Linked::TakenBy(other) => Err(CommandError::rejected(format!(
            "the user with the ID {other} is linked to this identity"
        ))),
    }
}

pub(super) async fn unlink(
    stack: &Stack,
    store: &Store,
    name: &str,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let user = find(store, name).await?;
    let shown = terminal::printable(&user.username);
    let revoker = revoker(stack, store, terminal).await?;
    match users::unlink(&revoker, &user.id, entropy::generation()?).await? {
        Unlinked::Now => {
            let json = json!({
                "done": "unlinked", "id": user.id.to_string(), "username": user.username,
                "effective_at": effective::now(stack, terminal).await?,
            });
            let text = format!("unlinked: {shown} ({}), and the tokens are invalid", user.id);
            Ok(terminal.say(&text, &json)?)
        }
        Unlinked::Before => {
            Err(CommandError::rejected(format!("{shown} is not linked to an identity")))
        }
        Unlinked::UnknownUser => {
            Err(CommandError::rejected(format!("the user {shown} no longer exists")))
        }
    }
}
