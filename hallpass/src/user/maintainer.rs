//! `hallpass user maintainer`: who manages the tokens of a service account.

use clap::{Args, Subcommand};
use hallpass_service::users;
use hallpass_store::{
    Store,
    maintainers::{MAX_MAINTAINERS, Maintenance},
};
use hallpass_token::{User, UserId};
use serde_json::json;

use super::{find, id_of};
use crate::{
    clock,
    error::CommandError,
    pasted,
    stack::Stack,
    terminal::{self, Terminal},
};

/// The subcommands of `hallpass user maintainer`.
#[derive(Debug, Subcommand)]
pub enum MaintainerCommand {
    /// Add a maintainer
    Add(AccountAndUser),
    /// Remove a maintainer; the tokens of the account stay valid
    Remove(AccountAndUser),
}

/// The arguments that select a service account and a maintainer.
#[derive(Debug, Args)]
pub struct AccountAndUser {
    /// Name of the service account, or `id:` followed by its ID
    #[arg(value_parser = pasted::name)]
    account: String,
    /// Name of the maintainer, or `id:` followed by the user ID
    #[arg(value_parser = pasted::name)]
    user: String,
}

pub(super) async fn run(
    stack: &Stack,
    store: &Store,
    command: MaintainerCommand,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let (AccountAndUser { account, user }, adds) = match command {
        MaintainerCommand::Add(args) => (args, true),
        MaintainerCommand::Remove(args) => (args, false),
    };
    let account = find(store, &account).await?;
    let user = if adds { find(store, &user).await?.id } else { id_of(store, &user).await? };
    let cause = stack.cause(clock::now_or_here(stack, terminal).await?).await;
    let outcome = if adds {
        users::add_maintainer(store, &account.id, &user, &cause).await?
    } else {
        users::remove_maintainer(store, &account.id, &user, &cause).await?
    };
    say(&account, &user, adds, outcome, terminal)
}

fn say(
    account: &User,
    user: &UserId,
    adds: bool,
    outcome: Maintenance,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let name = terminal::printable(&account.username);
    let rejected = |wrong: String| Err(CommandError::rejected(wrong));
    let (done, text) = match outcome {
        Maintenance::Now if adds => ("maintainer_added", "maintainer added"),
        Maintenance::Now => ("maintainer_removed", "maintainer removed"),
        Maintenance::Before => ("unchanged", "unchanged"),
        Maintenance::UnknownAccount => {
            return rejected(format!("the user {name} no longer exists"));
        }
        Maintenance::UnknownUser => return rejected(format!("the user {user} no longer exists")),
        Maintenance::NoAccount => {
            return rejected(format!(
                "{name} is not a service account that another user can maintain; add one with \
                 `hallpass user add --app`"
            ));
        }
        Maintenance::TooMany => {
            return rejected(format!(
                "{name} has {MAX_MAINTAINERS} maintainers, which is the limit"
            ));
        }
    };
    let json = json!({
        "done": done, "id": account.id.to_string(), "username": account.username,
        "maintainer": user.to_string(),
    });
    let verb = if adds { "manages" } else { "does not manage" };
    let text = format!("{text}: the user {user} {verb} the tokens of {name} ({})", account.id);
    Ok(terminal.say(&text, &json)?)
}
