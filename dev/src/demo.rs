//! The users of a new development stack.

use hallpass_password::password;
use hallpass_store::{Failure, Store, management::NewUser};
use hallpass_token::{Scope, Status, UserId, UserKind};

/// The ID of the application account.
pub const APP_USER: &str = "4";

struct Demo {
    id: &'static str,
    username: &'static str,
    password: Option<&'static str>,
    permissions: &'static [&'static str],
    kind: UserKind,
}

const USERS: [Demo; 4] = [
    Demo {
        id: "1",
        username: "my_username",
        password: Some("topsecret"),
        permissions: &["ROLE_USER"],
        kind: UserKind::Person,
    },
    Demo {
        id: "2",
        username: "admin",
        password: Some("letmein"),
        permissions: &["ROLE_USER", "ROLE_ADMIN"],
        kind: UserKind::Person,
    },
    // An external user: the password is kept elsewhere.
    Demo {
        id: "3",
        username: "ldap_user",
        password: None,
        permissions: &["ROLE_USER"],
        kind: UserKind::Person,
    },
    Demo {
        id: APP_USER,
        username: "ci-bot",
        password: None,
        permissions: &["ROLE_USER"],
        kind: UserKind::App,
    },
];

/// A demo user as it was added: its name, its public password, if it has one, and its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// The user name.
    pub username: &'static str,
    /// The password.
    pub password: Option<&'static str>,
    /// The permissions.
    pub permissions: &'static [&'static str],
}

/// Returns the demo users that are still as they were added.
///
/// # Errors
/// Returns a [`Failure`] if the users cannot be read.
pub async fn unchanged(store: &Store) -> Result<Vec<DemoUser>, Failure> {
    let ids: Vec<UserId> = USERS.iter().filter_map(|demo| demo.id.parse().ok()).collect();
    let users = store.users(&ids).await?;
    let is_unchanged = |demo: &&Demo| {
        let id = demo.id.parse::<UserId>().ok();
        let Some(Some(user)) = id.and_then(|id| users.get(&id)) else { return false };
        let has_password = match (demo.password, user.password_hash()) {
            (Some(password), hash) => password::verify(password, hash),
            (None, hash) => hash.is_none(),
        };
        has_password
            && user.status == Status::Active
            && user.username == demo.username
            && user.permissions.names().count() == demo.permissions.len()
            && demo.permissions.iter().all(|name| user.permissions.holds(name))
    };
    let shown = |demo: &Demo| DemoUser {
        username: demo.username,
        password: demo.password,
        permissions: demo.permissions,
    };
    Ok(USERS.iter().filter(is_unchanged).map(shown).collect())
}

/// Adds the demo users if no user exists. `hash` returns the hash of their passwords, which are
/// public.
///
/// # Errors
/// Returns a [`Failure`] if the users cannot be read or written.
pub async fn add(
    store: &Store,
    hash: impl Fn(&str) -> Option<String>,
    token_generation: u32,
) -> Result<(), Failure> {
    const DOING: &str = "adding the demo users";
    if !store.all_users().await?.is_empty() {
        return Ok(());
    }
    for Demo { id, username, password, permissions, kind } in USERS {
        let bad = |what: &'static str| Failure::new(DOING, what);
        let permissions = permissions.iter().map(|name| name.parse()).collect::<Result<Scope, _>>();
        let user = NewUser {
            id: id.parse().map_err(|_| bad("a user ID is invalid"))?,
            username: username.to_owned(),
            full_name: None,
            kind,
            password_hash: password.and_then(&hash),
            permissions: permissions.map_err(|_| bad("a permission is invalid"))?,
            token_generation,
        };
        // The table has no user yet, and no other process writes to it.
        store.put_user(&user).await?;
    }
    Ok(())
}
