//! `hallpass user list` and `hallpass user show`. Applications may have written any value: an item
//! that cannot be read is listed as unreadable and does not hide the others.

use clap::{Args, ValueEnum};
use hallpass_password::NameKey;
use hallpass_store::{Store, management::Listed};
use hallpass_token::{Status, User, UserId, user::attribute::USER_ID};
use serde_json::{Value, json};

use crate::{
    arguments::count,
    error::CommandError,
    pasted,
    terminal::{Terminal, excerpt},
};

/// The options of `hallpass user list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List users in this state only; `unreadable` users have an attribute of the wrong type
    #[arg(long)]
    state: Option<State>,
    /// List users whose ID, user name or full name contains this text, in any case
    #[arg(long, value_name = "TEXT", value_parser = pasted::name)]
    search: Option<String>,
    /// List at most this many users
    #[arg(long, value_name = "COUNT", value_parser = count)]
    limit: Option<usize>,
    /// Sort by this
    #[arg(long, default_value = "name")]
    sort: Order,
}

/// The state of a user in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Active,
    Blocked,
    Unreadable,
}

/// The order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Id,
    Name,
    State,
}

/// Prints the users.
pub(super) async fn list(
    args: &ListArgs,
    store: &Store,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let mut users = store.all_users().await?;
    users.retain(|listed| {
        let is_found = args.search.as_deref().is_none_or(|text| contains(listed, text));
        is_found && args.state.is_none_or(|state| is_in(listed, state))
    });
    users.sort_by(|one, two| {
        let by_name = name(one).cmp(name(two));
        match args.sort {
            Order::Id => one.key().cmp(two.key()),
            Order::Name => by_name,
            Order::State => status_of(one).cmp(status_of(two)).then(by_name),
        }
    });
    let found = users.len();
    users.truncate(args.limit.unwrap_or(found));
    let rows: Vec<[String; 5]> = users.iter().map(row).collect();
    let json: Vec<Value> = users.iter().map(view_of).collect();
    let mut pages = terminal.pages(["ID", "NAME", "KIND", "STATUS", "PERMISSIONS"]);
    pages.print(&rows, &json)?;
    pages.end()?;
    if users.len() < found {
        terminal.note(&format!("{} of {found} users; --limit cut the list", users.len()))?;
    }
    Ok(())
}

fn contains(listed: &Listed, text: &str) -> bool {
    let folded = |text: &str| NameKey::new(text).as_str().to_owned();
    let user = listed.user();
    let parts = [
        Some(listed.key()),
        user.map(|user| user.username.as_str()),
        user.and_then(|user| user.full_name.as_deref()),
    ];
    parts.into_iter().flatten().any(|part| folded(part).contains(&folded(text)))
}

fn is_in(listed: &Listed, state: State) -> bool {
    let status = listed.user().map(|user| user.status);
    match state {
        State::Active => status == Some(Status::Active),
        State::Blocked => status == Some(Status::Blocked),
        State::Unreadable => listed.user().is_none_or(|user| !user.unreadable.is_empty()),
    }
}

fn status_of(listed: &Listed) -> &'static str {
    listed.user().map_or("unreadable", |user| user.status.as_str())
}

/// Prints one user.
pub(super) fn show(user: &User, terminal: Terminal) -> Result<(), CommandError> {
    let password = if user.password_hash().is_some() { "set" } else { "none" };
    let identity = match (user.oidc_identity(), user.sign_in_due_at()) {
        (None, _) => "none".to_owned(),
        (Some(_), None) => "linked".to_owned(),
        (Some(_), Some(due)) => format!("linked; the next sign-in is due at {due}"),
    };
    let permissions = user.permissions.to_string();
    let permissions = if user.has_permissions_of_provider() {
        format!("{permissions} (named by the identity provider)")
    } else {
        permissions
    };
    let rows = [
        ("id", user.id.to_string()),
        ("name", excerpt(&user.username)),
        ("full name", excerpt(user.full_name.as_deref().unwrap_or_default())),
        ("kind", excerpt(user.kind())),
        ("status", status(user)),
        ("password", password.to_owned()),
        ("identity", identity),
        ("permissions", permissions),
        ("maintainers", joined(&user.maintainers())),
        ("maintains", joined(&user.maintained())),
    ]
    .map(|(name, value)| [name.to_owned(), value]);
    Ok(terminal.table(["ATTRIBUTE", "VALUE"], &rows, &view(user))?)
}

/// Returns IDs, separated by commas.
fn joined(ids: &[UserId]) -> String {
    ids.iter().map(UserId::as_str).collect::<Vec<_>>().join(",")
}

fn name(listed: &Listed) -> &str {
    listed.user().map_or("", |user| &user.username)
}

fn row(listed: &Listed) -> [String; 5] {
    match listed {
        Listed::User(user) => [
            user.id.to_string(),
            excerpt(&user.username),
            excerpt(user.kind()),
            status(user),
            user.permissions.to_string(),
        ],
        Listed::Unreadable(key) => [
            excerpt(key),
            String::new(),
            String::new(),
            format!("unreadable: {USER_ID}"),
            String::new(),
        ],
    }
}

fn view_of(listed: &Listed) -> Value {
    match listed {
        Listed::User(user) => view(user),
        Listed::Unreadable(key) => json!({"id": key, "unreadable": [USER_ID]}),
    }
}

/// Returns a user in JSON, without the password hash.
fn view(user: &User) -> Value {
    let mut view = json!({
        "id": user.id.to_string(),
        "username": user.username,
        "full_name": user.full_name,
        "kind": user.kind(),
        "status": user.status.as_str(),
        "has_password": user.password_hash().is_some(),
        "permissions": user.permissions.names().collect::<Vec<_>>(),
    });
    let ids = |ids: Vec<UserId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (maintainers, maintains) = (ids(user.maintainers()), ids(user.maintained()));
    if let Value::Object(members) = &mut view {
        let optional = [
            ("maintainers", json!(maintainers)),
            ("maintains", json!(maintains)),
            ("unreadable", json!(user.unreadable)),
        ];
        let present = optional.into_iter().filter(|(_, value)| *value != json!([]));
        members.extend(present.map(|(name, value)| (name.to_owned(), value)));
    }
    view
}

fn status(user: &User) -> String {
    let status = user.status.as_str();
    if user.unreadable.is_empty() {
        return status.to_owned();
    }
    format!("{status}, unreadable: {}", user.unreadable.join(" "))
}
