//! `hallpass user list` and `hallpass user show`. Applications may have written any value: an item
//! that cannot be read is listed as unreadable and does not hide the others.

use hallpass_store::{Store, management::Listed};
use hallpass_token::{User, user::attribute::USER_ID};
use serde_json::{Value, json};

use crate::{
    error::CommandError,
    terminal::{Terminal, excerpt},
};

/// Prints all users, sorted by name.
pub(super) async fn list(store: &Store, terminal: Terminal) -> Result<(), CommandError> {
    let mut users = store.all_users().await?;
    users.sort_by(|one, two| name(one).cmp(name(two)));
    let rows: Vec<[String; 5]> = users.iter().map(row).collect();
    let json = users.iter().map(view_of).collect();
    Ok(terminal.table(["ID", "NAME", "KIND", "STATUS", "PERMISSIONS"], &rows, &json)?)
}

/// Prints one user.
pub(super) fn show(user: &User, terminal: Terminal) -> Result<(), CommandError> {
    let password = if user.password_hash().is_some() { "set" } else { "none" };
    let rows = [
        ("id", user.id.to_string()),
        ("name", excerpt(&user.username)),
        ("full name", excerpt(user.full_name.as_deref().unwrap_or_default())),
        ("kind", excerpt(user.kind())),
        ("status", status(user)),
        ("password", password.to_owned()),
        ("permissions", user.permissions.to_string()),
    ]
    .map(|(name, value)| [name.to_owned(), value]);
    Ok(terminal.table(["ATTRIBUTE", "VALUE"], &rows, &view(user))?)
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
    if let Value::Object(members) = &mut view
        && !user.unreadable.is_empty()
    {
        members.insert("unreadable".to_owned(), json!(user.unreadable));
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
