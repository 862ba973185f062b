//! `hallpass user`: the users of an application that has no user management of its own.

use std::convert::Infallible;

use clap::{Args, Subcommand};
use edge::{Settings, entropy};
use login::{NameKey, name, password, text};
use serde_json::{Value, json};
use store::{
    Store,
    changes::Change,
    management::{Added, NewUser, Renamed},
    marking::Invalidate,
    users::Written,
};
use token::{
    Format, Permission, User, UserId,
    user::attribute::{PASSWORD_HASH, PERMISSIONS, STATUS, USERNAME},
};

use crate::{
    clock, effective,
    error::CommandError,
    stack::Stack,
    terminal::{self, Terminal, excerpt},
};

mod administrators;
mod import;
mod lines;
mod list;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a user; the password comes from a prompt or from standard input
    Add(AddArgs),
    /// List all users
    List,
    /// Show a user
    Show(Name),
    /// Set a new password, from a prompt or from standard input
    Passwd(Name),
    /// Give a user another name
    Rename {
        /// The name of today
        old: String,
        /// The new name
        #[arg(value_parser = trimmed)]
        new: String,
    },
    /// Shut a user out, with every token
    Block(Name),
    /// Unblock a user; earlier tokens stay invalid
    Unblock(Name),
    /// Remove a user
    Remove(Name),
    /// Add or remove a permission of a user
    #[command(subcommand)]
    Permission(PermissionCommand),
    /// Add the users of a file, CSV with a head or JSON lines; nothing is written if a line is bad, and running it
    /// again goes on where it was interrupted
    #[command(after_help = import::MEMBERS)]
    Import(import::ImportArgs),
}

/// What can be done with the permissions of a user.
#[derive(Debug, Subcommand)]
pub enum PermissionCommand {
    /// Add a permission
    Add(NameAndPermission),
    /// Remove a permission
    Remove(NameAndPermission),
}

/// The user that is to be added.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The name to log in with
    #[arg(value_parser = trimmed)]
    name: String,
    /// The id, 1 to 64 of A-Z a-z 0-9 _ - [default: random]
    #[arg(long)]
    id: Option<UserId>,
    /// The name to be called by
    #[arg(long, value_parser = trimmed)]
    full_name: Option<String>,
    /// It is an application's account
    #[arg(long)]
    app: bool,
    /// It has no password here: a directory user, or an application
    #[arg(long)]
    no_password: bool,
    /// What the user may do; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<Permission>,
}

/// Which user.
#[derive(Debug, Args)]
pub struct Name {
    /// The name the user logs in with, or `id:` and the user's id
    name: String,
}

/// Which user, and which permission.
#[derive(Debug, Args)]
pub struct NameAndPermission {
    /// The name the user logs in with, or `id:` and the user's id
    name: String,
    /// The permission
    permission: Permission,
}

/// The longest full name, in characters.
const MAX_FULL_NAME_LENGTH: usize = 256;

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let change = async |name: &str, change: Change, attribute: &str, done: &str| {
        let (user, settings) = (find(&store, name).await?, stack.settings()?);
        let how = invalidate(stack, &settings, attribute, terminal).await?;
        let written = store.change_user(&user.id, &change, how).await?;
        let ends = matches!(change, Change::Block | Change::Password(_));
        say_done(stack, terminal, written, &user, Done { done, ends }).await?;
        administrators::warn_without(&store, &settings, &user, terminal).await
    };
    match command {
        Command::Add(args) => add(&store, args, terminal).await,
        Command::List => list::list(&store, terminal).await,
        Command::Show(Name { name }) => list::show(&find(&store, &name).await?, terminal),
        Command::Passwd(Name { name }) => {
            // Nobody is asked for the password of a user who is not there.
            find(&store, &name).await?;
            change(&name, Change::Password(new_password()?), PASSWORD_HASH, "password set").await
        }
        Command::Rename { old, new } => rename(&store, stack, &old, &new, terminal).await,
        Command::Block(Name { name }) => change(&name, Change::Block, STATUS, "blocked").await,
        Command::Unblock(Name { name }) => change(&name, Change::Unblock, STATUS, "unblocked").await,
        Command::Remove(Name { name }) => {
            let (user, settings) = (find(&store, &name).await?, stack.settings()?);
            let removed = store.remove_user(&user.id).await?;
            say_done(stack, terminal, removed, &user, Done { done: "removed", ends: true }).await?;
            administrators::warn_without(&store, &settings, &user, terminal).await
        }
        Command::Permission(PermissionCommand::Add(NameAndPermission { name, permission })) => {
            change(&name, Change::Grant(permission), PERMISSIONS, "permission added").await
        }
        Command::Permission(PermissionCommand::Remove(NameAndPermission { name, permission })) => {
            change(&name, Change::Deny(permission), PERMISSIONS, "permission removed").await
        }
        Command::Import(args) => import::run(&args, &store, terminal).await,
    }
}

/// The user of this name, or of the id behind `id:`, which no name can begin with. The index is a pointer that may lag
/// or be wrong, so that the user's own name is compared.
///
/// # Errors
/// When there is no such user, or more than one.
pub async fn find(store: &Store, name: &str) -> Result<User, CommandError> {
    let none = || CommandError::rejected(format!("there is no user {}", excerpt(name)));
    if let Some(id) = name.strip_prefix("id:") {
        return store.user(&id.parse().map_err(|_| none())?).await?.ok_or_else(none);
    }
    let key = NameKey::new(name);
    if !key.is_usable() {
        return Err(none());
    }
    let mut found = Vec::new();
    for id in store.ids_by_name(key.as_str()).await? {
        found.extend(store.user(&id).await?.filter(|user| NameKey::new(&user.username) == key));
    }
    match (found.pop(), found.is_empty()) {
        (Some(user), true) => Ok(user),
        (None, _) => Err(none()),
        (Some(_), false) => {
            Err(CommandError::rejected(format!("more than one user is called {}; name one by `id:`", excerpt(name))))
        }
    }
}

async fn add(store: &Store, args: AddArgs, terminal: Terminal) -> Result<(), CommandError> {
    let key = usable_name(&args.name).map_err(CommandError::rejected)?;
    // There is no prompt for the password of a user who cannot be added.
    if store.is_name_taken(&key, None).await? {
        return Err(name_taken(&args.name));
    }
    if let Some(wrong) = args.full_name.as_deref().and_then(wrong_full_name) {
        return Err(CommandError::Rejected(wrong));
    }
    let id = match args.id {
        Some(id) => id,
        None => format!("u{:016x}", u64::from_be_bytes(entropy::bytes()?))
            .parse()
            .map_err(|_| CommandError::rejected("no id could be made"))?,
    };
    let user = NewUser {
        id,
        username: args.name,
        full_name: args.full_name,
        is_app: args.app,
        password_hash: if args.no_password { None } else { Some(new_password()?) },
        permissions: args.permissions.into_iter().collect(),
        token_generation: entropy::generation()?,
    };
    match store.add_user(&user).await? {
        Added::Now => {
            let json = json!({"done": "added", "id": id.to_string(), "username": user.username});
            Ok(terminal.say(&format!("added {} with the id {id}", terminal::printable(&user.username)), &json)?)
        }
        Added::IdTaken => Err(CommandError::rejected(format!("the id {id} is taken"))),
        Added::NameTaken => Err(name_taken(&user.username)),
    }
}

async fn rename(store: &Store, stack: &Stack, old: &str, new: &str, terminal: Terminal) -> Result<(), CommandError> {
    let (user, settings) = (find(store, old).await?, stack.settings()?);
    usable_name(new).map_err(CommandError::rejected)?;
    let how = invalidate(stack, &settings, USERNAME, terminal).await?;
    let written = match store.rename_user(&user.id, new, how).await? {
        Renamed::Now => Written::Now,
        Renamed::Unknown => Written::Unknown,
        Renamed::NameTaken => return Err(name_taken(new)),
    };
    say_done(stack, terminal, written, &user, Done { done: "renamed", ends: true }).await
}

fn name_taken(name: &str) -> CommandError {
    CommandError::rejected(format!("the name {} is taken", excerpt(name)))
}

/// A text of the command line without the white space around it.
#[expect(clippy::unnecessary_wraps, reason = "it stands in the place of a parser")]
fn trimmed(text: &str) -> Result<String, Infallible> {
    Ok(text::trimmed(text).to_owned())
}

/// The normal form of a name that a user may be given.
fn usable_name(name: &str) -> Result<NameKey, &'static str> {
    name::check(name).map_err(|_| name::FORM)
}

/// What is wrong with a full name, if something is.
fn wrong_full_name(name: &str) -> Option<String> {
    text::check(name, MAX_FULL_NAME_LENGTH).is_err().then(|| {
        format!(
            "a full name has at most {MAX_FULL_NAME_LENGTH} characters, a visible one among them, and no control \
             characters, nor any that change the direction of text"
        )
    })
}

/// How a change of this attribute invalidates tokens of all formats at once, if it does.
async fn invalidate(
    stack: &Stack,
    settings: &Settings,
    attribute: &str,
    terminal: Terminal,
) -> Result<Option<Invalidate>, CommandError> {
    let binds = |format| settings.binding(format).names().iter().any(|name| name == attribute);
    if ![Format::Signed, Format::Developer, Format::Jwt].into_iter().all(binds) {
        return Ok(None);
    }
    let now = clock::now_or_here(stack, terminal).await?;
    Ok(Some(Invalidate { fresh: entropy::generation()?, now, retention: settings.record_retention }))
}

/// What was done to a user, and whether it ends tokens.
#[derive(Clone, Copy)]
struct Done<'a> {
    done: &'a str,
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
        return Err(CommandError::rejected(format!("there is no user {name} any more")));
    }
    let mut json = json!({"done": done, "id": user.id.to_string(), "username": user.username});
    if let (true, Value::Object(members)) = (ends, &mut json) {
        members.insert("effective_at".to_owned(), effective::now(stack, terminal).await?.into());
    }
    Ok(terminal.say(&format!("{done}: {name} ({})", user.id), &json)?)
}

fn new_password() -> Result<String, CommandError> {
    let secret = terminal::new_secret("Password")?;
    let hash = password::hash(&secret, entropy::bytes()?);
    hash.ok_or_else(|| CommandError::rejected(password::FORM))
}
