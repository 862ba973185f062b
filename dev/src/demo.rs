//! The users of a new development stack.

use hallpass_password::password;
use hallpass_store::{Failure, Store, management::NewUser};
use hallpass_token::{Scope, UserKind};

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

/// Adds the demo users if no user exists. `salt` is shared by their passwords, which are public.
///
/// # Errors
/// Returns a [`Failure`] if the users cannot be read or written.
pub async fn add(store: &Store, salt: [u8; 16], token_generation: u32) -> Result<(), Failure> {
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
            password_hash: password.and_then(|password| password::hash(password, salt)),
            permissions: permissions.map_err(|_| bad("a permission is invalid"))?,
            token_generation,
        };
        // The table has no user yet, and no other process writes to it.
        store.put_user(&user).await?;
    }
    Ok(())
}
