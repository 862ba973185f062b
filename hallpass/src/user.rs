//! `hallpass user`: the users of an application that has no user management of its own.

use clap::{Args, Subcommand};
use edge::{Settings, entropy};
use login::{NameKey, password};
use store::{
    Store,
    management::{Added, Change, NewUser},
    users::Written,
};
use token::{
    Format, Permission, Status, User, UserId, Value,
    user::attribute::{KIND, PASSWORD_HASH, PERMISSIONS, STATUS, USERNAME},
};

use crate::{cli::CommandError, stack::Stack, terminal};

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
        new: String,
    },
    /// Shut a user out, with every token
    Block(Name),
    /// Let a user in again; the tokens of before stay void
    Unblock(Name),
    /// Remove a user
    Remove(Name),
    /// Give a user a permission
    Grant(NameAndPermission),
    /// Take a permission from a user
    Deny(NameAndPermission),
}

/// The user that is to be added.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The name to log in with
    name: String,
    /// The id, 1 to 64 of A-Z a-z 0-9 _ - [default: random]
    #[arg(long)]
    id: Option<UserId>,
    /// The name to be called by
    #[arg(long)]
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
    /// The name the user logs in with
    name: String,
}

/// Which user, and which permission.
#[derive(Debug, Args)]
pub struct NameAndPermission {
    /// The name the user logs in with
    name: String,
    /// The permission
    permission: Permission,
}

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(command: Command, stack: &Stack) -> Result<(), CommandError> {
    let (store, settings) = (stack.store()?, stack.settings()?);
    match command {
        Command::Add(args) => add(&store, args).await,
        Command::List => list(&store).await,
        Command::Show(Name { name }) => show(&find(&store, &name).await?),
        Command::Passwd(Name { name }) => {
            let user = find(&store, &name).await?;
            let change = Change::Password(new_password()?);
            change_user(&store, &settings, &user, &change, PASSWORD_HASH).await
        }
        Command::Rename { old, new } => {
            let user = find(&store, &old).await?;
            refuse_taken(&store, &new, Some(&user.id)).await?;
            change_user(&store, &settings, &user, &Change::Rename(new), USERNAME).await
        }
        Command::Block(Name { name }) => {
            change_user(&store, &settings, &find(&store, &name).await?, &Change::Block, STATUS).await
        }
        Command::Unblock(Name { name }) => {
            change_user(&store, &settings, &find(&store, &name).await?, &Change::Unblock, STATUS).await
        }
        Command::Remove(Name { name }) => {
            let user = find(&store, &name).await?;
            done(store.remove_user(&user.id).await?, &user)
        }
        Command::Grant(NameAndPermission { name, permission }) => {
            let user = find(&store, &name).await?;
            change_user(&store, &settings, &user, &Change::Grant(permission), PERMISSIONS).await
        }
        Command::Deny(NameAndPermission { name, permission }) => {
            let user = find(&store, &name).await?;
            change_user(&store, &settings, &user, &Change::Deny(permission), PERMISSIONS).await
        }
    }
}

/// The user of this name; whoever has no normal form of it in the index is found by the name itself.
///
/// # Errors
/// When there is no such user, or more than one.
pub async fn find(store: &Store, name: &str) -> Result<User, CommandError> {
    let none = || CommandError::refused(format!("there is no user {name}"));
    let key = NameKey::new(name);
    if !key.is_usable() {
        return Err(none());
    }
    match store.ids_by_name(key.as_str()).await?.as_slice() {
        [id] => store.user(id).await?.ok_or_else(none),
        [] => Err(none()),
        _ => Err(CommandError::refused(format!("more than one user is called {name}"))),
    }
}

async fn add(store: &Store, args: AddArgs) -> Result<(), CommandError> {
    refuse_taken(store, &args.name, None).await?;
    let id = match args.id {
        Some(id) => id,
        None => format!("u{:016x}", u64::from_be_bytes(entropy::bytes()?))
            .parse()
            .map_err(|_| CommandError::refused("no id could be made"))?,
    };
    let user = NewUser {
        id,
        username: args.name,
        full_name: args.full_name,
        is_app: args.app,
        password_hash: if args.no_password { None } else { Some(new_password()?) },
        permissions: args.permissions.into_iter().collect(),
        // Half of the range is left to raise it.
        token_generation: u32::from_be_bytes(entropy::bytes()?) >> 1,
    };
    match store.add_user(&user).await? {
        Added::Now => Ok(terminal::line(&format!("added {} with the id {id}", user.username))?),
        Added::IdTaken => Err(CommandError::refused(format!("the id {id} is taken"))),
    }
}

/// A name belongs to one user, and must have a form that can be looked up.
async fn refuse_taken(store: &Store, name: &str, but: Option<&UserId>) -> Result<(), CommandError> {
    let key = NameKey::new(name);
    if !key.is_usable() || name.contains(':') || name.chars().any(char::is_control) {
        return Err(CommandError::refused("a user name is 1 to 512 bytes without colons and control characters"));
    }
    let others = store.ids_by_name(key.as_str()).await?;
    if others.iter().any(|id| Some(id) != but) {
        return Err(CommandError::refused(format!("the name {name} is taken")));
    }
    Ok(())
}

async fn change_user(
    store: &Store,
    settings: &Settings,
    user: &User,
    change: &Change,
    attribute: &str,
) -> Result<(), CommandError> {
    let binds = |format| settings.binding(format).names().iter().any(|name| name == attribute);
    let voids = [Format::Signed, Format::Developer, Format::Jwt].into_iter().all(binds);
    done(store.change_user(&user.id, change, voids).await?, user)
}

fn done(written: Written, user: &User) -> Result<(), CommandError> {
    match written {
        Written::Now => Ok(terminal::line(&format!("done: {} ({})", user.username, user.id))?),
        Written::Unknown => Err(CommandError::refused(format!("there is no user {} any more", user.username))),
    }
}

async fn list(store: &Store) -> Result<(), CommandError> {
    let mut users = store.all_users().await?;
    users.sort_by(|one, two| one.username.cmp(&two.username));
    let row = |user: &User| {
        [user.id.to_string(), printable(&user.username), kind(user), status(user), user.permissions.to_string()]
    };
    let rows: Vec<[String; 5]> = users.iter().map(row).collect();
    Ok(terminal::table(["ID", "NAME", "KIND", "STATUS", "PERMISSIONS"], &rows)?)
}

fn show(user: &User) -> Result<(), CommandError> {
    let password = if user.password_hash().is_some() { "set" } else { "none here" };
    let rows = [
        ["id".to_owned(), user.id.to_string()],
        ["name".to_owned(), printable(&user.username)],
        ["full name".to_owned(), printable(user.full_name.as_deref().unwrap_or_default())],
        ["kind".to_owned(), kind(user)],
        ["status".to_owned(), status(user)],
        ["password".to_owned(), password.to_owned()],
        ["permissions".to_owned(), user.permissions.to_string()],
    ];
    Ok(terminal::table(["ATTRIBUTE", "VALUE"], &rows)?)
}

fn new_password() -> Result<String, CommandError> {
    let secret = terminal::new_secret("Password")?;
    let hash = password::hash(&secret, entropy::bytes()?);
    hash.ok_or_else(|| CommandError::refused(format!("a password has 1 to {} bytes", password::MAX_BYTES)))
}

fn kind(user: &User) -> String {
    match user.attributes.get(KIND) {
        Some(Value::Text(kind)) => printable(kind),
        _ => "person".to_owned(),
    }
}

fn status(user: &User) -> String {
    if user.status == Status::Active { "active".to_owned() } else { "blocked".to_owned() }
}

/// What an application wrote may hold control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
