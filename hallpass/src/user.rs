//! `hallpass user`: manages the users of an application that has no user management.

use clap::{Args, Subcommand};
use hallpass_password::{NameKey, name, password, strength, text};
use hallpass_runtime::entropy;
use hallpass_service::users::{self, MAX_FULL_NAME_LENGTH};
use hallpass_store::{
    Store,
    changes::Change,
    management::{Added, NewUser, Renamed},
    users::Written,
};
use hallpass_token::{Permission, Status, User, UserId, UserKind, scope::ParsePermissionError};
use serde_json::{Value, json};

use crate::{
    clock, effective,
    error::CommandError,
    pasted,
    revoker::revoker,
    stack::Stack,
    terminal::{self, Terminal, excerpt},
};

mod administrators;
mod import;
mod lines;
mod link;
mod list;
mod maintainer;
mod remove;
mod update;

/// The subcommands of `hallpass user`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a user; the password, of at least 8 characters, is read from a prompt or standard input
    Add(AddArgs),
    /// List users
    List(list::ListArgs),
    /// Show a user
    Show(Name),
    /// Set a new password of at least 8 characters, read from a prompt or standard input
    Passwd(Name),
    /// Rename a user
    Rename {
        /// Current user name, or `id:` followed by the user ID
        #[arg(value_parser = pasted::name)]
        old: String,
        /// New user name
        #[arg(value_parser = trimmed)]
        new: String,
    },
    /// Block a user and invalidate the user's tokens
    Block(Name),
    /// Unblock a user; tokens from before stay invalid
    Unblock(Name),
    /// Remove a user; asks for confirmation on a terminal
    Remove(remove::RemoveArgs),
    /// Add or remove a permission of a user
    #[command(subcommand)]
    Permission(PermissionCommand),
    /// Add or remove a maintainer, who manages the tokens of a service account
    #[command(subcommand)]
    Maintainer(maintainer::MaintainerCommand),
    /// Link a user to an identity at the identity provider, with which the user then signs in to
    /// the pages
    Link(link::LinkArgs),
    /// Unlink a user from the identity and invalidate the user's tokens
    Unlink(Name),
    /// Add the users of a file, CSV with a header or JSON lines; nothing is written if a line is
    /// invalid, and running the command again continues an interrupted import
    #[command(after_help = import::MEMBERS)]
    Import(import::ImportArgs),
}

/// The subcommands of `hallpass user permission`.
#[derive(Debug, Subcommand)]
pub enum PermissionCommand {
    /// Add a permission
    Add(NameAndPermission),
    /// Remove a permission
    Remove(NameAndPermission),
}

/// The options of `hallpass user add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// User name, with which the user logs in
    #[arg(value_parser = trimmed)]
    name: String,
    /// User ID, 1 to 64 of A-Z a-z 0-9 _ - [default: random]
    #[arg(long)]
    id: Option<UserId>,
    /// Full name, for display
    #[arg(long, value_parser = trimmed)]
    full_name: Option<String>,
    /// Add an application's account instead of a person's
    #[arg(long)]
    app: bool,
    /// Add the user without a password, such as an external user (LDAP, SSO) or an application
    #[arg(long)]
    no_password: bool,
    /// Permission of the user; can be repeated
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = permission)]
    permissions: Vec<Permission>,
}

/// The argument that selects a user.
#[derive(Debug, Args)]
pub struct Name {
    /// User name, or `id:` followed by the user ID
    #[arg(value_parser = pasted::name)]
    name: String,
}

/// The arguments that select a user and a permission.
#[derive(Debug, Args)]
pub struct NameAndPermission {
    /// User name, or `id:` followed by the user ID
    #[arg(value_parser = pasted::name)]
    name: String,
    /// Permission to add or remove
    #[arg(value_parser = permission)]
    permission: Permission,
}

/// Runs a subcommand.
///
/// # Errors
/// Returns a [`CommandError`] if the subcommand fails or rejects its arguments.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let change = async |name: &str, change: Change, done: &str| {
        let (user, settings) = (Box::pin(find(&store, name)).await?, stack.settings()?);
        if users::replaces_unreadable(&change, &user) {
            return Err(CommandError::rejected(format!(
                "the permissions of {} cannot be read; write a set of strings to the attribute \
                 permissions first",
                terminal::printable(&user.username)
            )));
        }
        let done = match unchanged(&change, &user) {
            Some(why) => {
                terminal.note(&why)?;
                "unchanged"
            }
            None => done,
        };
        let (revoker, fresh) =
            (Box::pin(revoker(stack, &store, terminal)).await?, entropy::generation()?);
        let changing = users::change(&revoker, &settings, &user.id, &change, fresh);
        let written = Box::pin(changing).await?;
        let ends = matches!(change, Change::Block | Change::Password(_));
        Box::pin(say_done(stack, terminal, written, &user, Done { done, ends })).await?;
        Box::pin(administrators::warn_without(&store, &settings, &user, terminal)).await
    };
    match command {
        Command::Add(args) => add(stack, &store, args, terminal).await,
        Command::List(args) => list::list(&args, &store, terminal).await,
        Command::Show(Name { name }) => list::show(&find(&store, &name).await?, terminal),
        Command::Passwd(Name { name }) => {
            // Do not prompt for the password of a user who does not exist.
            find(&store, &name).await?;
            change(&name, Change::Password(new_password()?), "password set").await
        }
        Command::Rename { old, new } => Box::pin(rename(&store, stack, &old, &new, terminal)).await,
        Command::Block(Name { name }) => change(&name, Change::Block, "blocked").await,
        Command::Unblock(Name { name }) => change(&name, Change::Unblock, "unblocked").await,
        Command::Remove(args) => Box::pin(remove::remove(stack, &store, &args, terminal)).await,
        Command::Permission(PermissionCommand::Add(NameAndPermission { name, permission })) => {
            change(&name, Change::Grant(permission), "permission added").await
        }
        Command::Permission(PermissionCommand::Remove(NameAndPermission { name, permission })) => {
            change(&name, Change::Deny(permission), "permission removed").await
        }
        Command::Maintainer(command) => maintainer::run(stack, &store, command, terminal).await,
        Command::Link(args) => link::link(stack, &store, &args, terminal).await,
        Command::Unlink(Name { name }) => link::unlink(stack, &store, &name, terminal).await,
        Command::Import(args) => import::run(&args, stack, &store, terminal).await,
    }
}

/// Returns why a change of permissions changes nothing, or `None` if it changes something.
fn unchanged(change: &Change, user: &User) -> Option<String> {
    if !users::is_unchanged(change, user) {
        return None;
    }
    let name = terminal::printable(&user.username);
    match change {
        Change::Grant(permission) => {
            Some(format!("{name} already has the permission {}", permission.as_str()))
        }
        Change::Deny(permission) => {
            Some(format!("{name} does not have the permission {}", permission.as_str()))
        }
        Change::Password(_)
        | Change::Block
        | Change::Unblock
        | Change::FullName(_)
        | Change::Kind(_) => None,
    }
}

/// Returns the ID of a user. An ID needs no user, because the user can have been removed.
///
/// # Errors
/// Returns the same errors as [`find`] for a name.
pub(crate) async fn id_of(store: &Store, name: &str) -> Result<UserId, CommandError> {
    match name.strip_prefix("id:").and_then(|id| id.parse().ok()) {
        Some(id) => Ok(id),
        None => Ok(find(store, name).await?.id),
    }
}

/// Finds a user by name, or by ID after `id:`, with which no name can begin. The index can lag
/// behind or be wrong, so the name in the user's item is compared.
///
/// # Errors
/// Returns [`CommandError::Rejected`] if no user or more than one has this name, or
/// [`CommandError::Failure`] if the database cannot be read.
pub async fn find(store: &Store, name: &str) -> Result<User, CommandError> {
    let none = || CommandError::rejected(format!("there is no user {}", excerpt(name)));
    if let Some(id) = name.strip_prefix("id:") {
        let id = id.parse().map_err(|bad| {
            CommandError::rejected(format!("there is no user {}: {bad}", excerpt(name)))
        })?;
        return store.user(&id).await?.ok_or_else(none);
    }
    let key = NameKey::new(name);
    // The form of `curl -u`: what follows the colon may be a password.
    if name.contains(':') {
        return Err(CommandError::rejected("there is no such user: a user name has no colon"));
    }
    if !key.is_usable() {
        return Err(none());
    }
    let mut found = Vec::new();
    for id in store.ids_by_name(&key).await? {
        found.extend(store.user(&id).await?.filter(|user| NameKey::new(&user.username) == key));
    }
    match (found.pop(), found.is_empty()) {
        (Some(user), true) => Ok(user),
        (None, _) => Err(none()),
        (Some(_), false) => Err(CommandError::rejected(format!(
            "more than one user has the name {}; use `id:` followed by the user ID",
            excerpt(name)
        ))),
    }
}

async fn add(
    stack: &Stack,
    store: &Store,
    args: AddArgs,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let key = usable_name(&args.name).map_err(CommandError::rejected)?;
    // Do not prompt for the password of a user who cannot be added.
    if store.is_name_taken(&key, None).await? {
        return Err(name_taken(&args.name));
    }
    if let Some(wrong) = args.full_name.as_deref().and_then(wrong_full_name) {
        return Err(CommandError::Rejected(wrong));
    }
    let id = match args.id {
        Some(id) => id,
        None => entropy::user_id()?,
    };
    let user = NewUser {
        id,
        username: args.name,
        full_name: args.full_name,
        kind: if args.app { UserKind::App } else { UserKind::Person },
        password_hash: if args.no_password { None } else { Some(new_password()?) },
        permissions: args.permissions.into_iter().collect(),
        token_generation: entropy::generation()?,
    };
    let cause = stack.cause(clock::now_or_here(stack, terminal).await?).await;
    match users::add(store, &user, Status::Active, None, &cause).await? {
        Added::Now => {
            let json = json!({"done": "added", "id": id.to_string(), "username": user.username});
            Ok(terminal.say(
                &format!("added {} with the ID {id}", terminal::printable(&user.username)),
                &json,
            )?)
        }
        Added::IdTaken => Err(CommandError::rejected(format!("the ID {id} is taken"))),
        Added::NameTaken | Added::IdentityTaken => Err(name_taken(&user.username)),
    }
}

async fn rename(
    store: &Store,
    stack: &Stack,
    old: &str,
    new: &str,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let (user, settings) = (find(store, old).await?, stack.settings()?);
    usable_name(new).map_err(CommandError::rejected)?;
    let (revoker, fresh) = (revoker(stack, store, terminal).await?, entropy::generation()?);
    let written = match users::rename(&revoker, &settings, &user.id, new, fresh).await? {
        Renamed::Now => Written::Now,
        Renamed::Unknown => Written::Unknown,
        Renamed::NameTaken => return Err(name_taken(new)),
    };
    let (id, was) = (user.id, terminal::printable(&user.username));
    if written == Written::Unknown {
        return Err(CommandError::rejected(format!("the user {was} no longer exists")));
    }
    let json = json!({
        "done": "renamed", "id": id.to_string(), "username": new, "was": user.username,
        "effective_at": effective::now(stack, terminal).await?,
    });
    Ok(terminal.say(&format!("renamed: {was} → {} ({id})", terminal::printable(new)), &json)?)
}

fn name_taken(name: &str) -> CommandError {
    CommandError::rejected(format!("the name {} is taken", excerpt(name)))
}

/// Parses a new name: removes the white space around it.
fn trimmed(text: &str) -> Result<String, &'static str> {
    pasted::name(text::trimmed(text))
}

/// Parses the name of a permission.
pub(crate) fn permission(text: &str) -> Result<Permission, String> {
    pasted::name(text)?.parse().map_err(|bad: ParsePermissionError| bad.to_string())
}

/// Checks a new user name, and returns its normal form.
fn usable_name(name: &str) -> Result<NameKey, &'static str> {
    if pasted::advice(name).is_some() {
        return Err("it must not be a token");
    }
    name::check(name).map_err(|_| name::FORM)
}

/// Returns an error message if the full name is invalid.
fn wrong_full_name(name: &str) -> Option<String> {
    text::check(name, MAX_FULL_NAME_LENGTH).is_err().then(|| {
        format!(
            "a full name has at most {MAX_FULL_NAME_LENGTH} characters, at least one of them \
             visible, and no control characters or characters that change the direction of text"
        )
    })
}

/// A completed change of a user.
#[derive(Clone, Copy)]
struct Done<'a> {
    /// The change, as printed.
    done: &'a str,
    /// Whether the change invalidates tokens.
    ends: bool,
}

async fn say_done(
    stack: &Stack,
    terminal: Terminal,
    written: Written,
    user: &User,
    Done { done, ends }: Done<'_>,
) -> Result<(), CommandError> {
    let name = terminal::printable(&user.username);
    if written == Written::Unknown {
        return Err(CommandError::rejected(format!("the user {name} no longer exists")));
    }
    let mut json = json!({"done": done, "id": user.id.to_string(), "username": user.username});
    if let (true, Value::Object(members)) = (ends, &mut json) {
        members.insert("effective_at".to_owned(), effective::now(stack, terminal).await?.into());
    }
    Ok(terminal.say(&format!("{done}: {name} ({})", user.id), &json)?)
}

fn new_password() -> Result<String, CommandError> {
    let secret = terminal::new_secret("Password")?;
    strength::check(&secret).map_err(CommandError::rejected)?;
    let hash = password::hash(&secret, entropy::bytes()?);
    hash.ok_or_else(|| CommandError::rejected(password::FORM))
}
