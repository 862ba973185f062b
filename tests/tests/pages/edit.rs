//! The forms with which administrators change users.

use aws_sdk_dynamodb::types::AttributeValue;
use tests::{
    pages::{OWN, WebClient},
    system::System,
};

use super::impact::text_of_form;

const PROFILE: &str = "/admin/users/1/profile";

async fn administrator(system: &System) -> WebClient<'_> {
    WebClient::signed_in(system, "admin", "letmein").await
}

/// A form, the start of what the page says afterwards, and the status of its response.
type Case<'a> = (&'a str, &'a str, &'a str, u16, &'a str);

/// Sends a form of the user 1 with one field, and checks the outcome. A rejected form comes back
/// with what was typed, but never with a password.
async fn check(admin: &mut WebClient<'_>, (action, field, value, status, says): Case<'_>) {
    admin.get("/admin/users/1").await;
    let reply = admin.post(PROFILE, &[("do", action), (field, value)]).await;
    assert_eq!(reply.status, status, "{action} {value:?} {}", reply.body);
    let page = if status == 303 {
        let place = reply.header("location").to_owned();
        admin.get(&place).await
    } else {
        assert_eq!(reply.wrong(), says, "{action} {value:?}");
        let is_kept = !["deny", "password"].contains(&action);
        let typed = reply.elements().into_iter().any(|element| {
            element.attribute("name") == Some(field)
                && element.attribute("type") != Some("hidden")
                && element.attribute("value") == Some(value)
        });
        assert_eq!(typed, is_kept, "{action} {value:?} {}", reply.body);
        reply
    };
    assert!(page.text().contains(says), "{action} {value:?} {}", page.text());
}

const FULL_NAME_FORM: &str =
    "Full name: it must have 1 to 256 characters and no control characters.";

/// A token with a valid form.
const TOKEN: &str = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";

/// What becomes of the forms of a user, one after the other.
const CASES: [Case<'_>; 22] = [
    ("rename", "username", "ada", 303, "The user is renamed."),
    ("rename", "username", "ada", 303, "Nothing changed."),
    ("rename", "username", " Ada ", 303, "The user is renamed."),
    ("rename", "username", "ADMIN", 409, "Another user has this name."),
    ("rename", "username", "ci-bot", 409, "Another user has this name."),
    ("rename", "username", "a:b", 400, "User name: it must not contain a colon."),
    ("rename", "username", "", 400, "User name: it must contain a visible character."),
    ("rename", "username", TOKEN, 400, "User name: it must not be a token."),
    ("full-name", "full_name", "Ada Lovelace", 303, "The full name is set."),
    ("full-name", "full_name", "", 400, FULL_NAME_FORM),
    ("grant", "permission", "orders:read", 303, "The permission is added."),
    ("grant", "permission", " orders:read ", 303, "Nothing changed."),
    ("grant", "permission", "a,b", 400, "Permission: not a valid name of a permission."),
    ("grant", "permission", "", 400, "Permission: not a valid name of a permission."),
    ("grant", "permission", TOKEN, 400, "Permission: it must not be a token."),
    ("deny", "permission", "orders:read", 303, "The permission is removed."),
    ("deny", "permission", "orders:read", 303, "Nothing changed."),
    ("password", "password", "s7ort", 400, "Password: a password must have at least 8 characters."),
    (
        "password",
        "password",
        "qwertyuiop",
        400,
        "Password: this password is one of the 10,000 most common ones; choose another.",
    ),
    ("password", "password", "a new one of ada", 303, "The password is set."),
    (
        "rename",
        "username",
        "\u{202e}a",
        400,
        "User name: it must not contain characters that change the direction of text.",
    ),
    ("grant", "permission", "ROLE_ADMIN", 303, "The permission is added."),
];

#[tokio::test]
async fn a_user_is_changed_as_by_the_command() {
    let system = System::start(&[]).await;
    let mut admin = administrator(&system).await;
    for case in CASES {
        check(&mut admin, case).await;
    }
    let (name, full_name) = ("x".repeat(513), "x".repeat(257));
    let says = "User name: it must have at most 512 bytes.";
    check(&mut admin, ("rename", "username", &name, 400, says)).await;
    check(&mut admin, ("full-name", "full_name", &full_name, 400, FULL_NAME_FORM)).await;
    let mut ada = WebClient::signed_in(&system, "ADA", "a new one of ada").await;
    assert_eq!(ada.get("/admin/users").await.status, 200, "an administrator now");
    let page = admin.get("/admin/users?name=ada%20love").await;
    assert!(page.text().contains("Ada Lovelace"), "{}", page.text());
    assert_eq!(admin.post(PROFILE, &[("do", "nonsense")]).await.status, 400);
    assert_eq!(admin.post("/admin/users/99/profile", &[("do", "rename")]).await.status, 404);
    system.stop().await;
}

/// What tokens are bound to, a change, whether it ends tokens, and a part of what the form says
/// before.
type Bound = (&'static str, (&'static str, &'static str, &'static str), bool, &'static str);

const CHANGES: [Bound; 9] = [
    (
        "",
        ("rename", "username", "ada"),
        true,
        "This ends 1 active token, never used, and every session",
    ),
    (
        "",
        ("password", "password", "a new one of ada"),
        true,
        "This ends 1 active token, never used, and every session",
    ),
    ("", ("full-name", "full_name", "Ada"), false, ""),
    ("", ("grant", "permission", "a"), false, ""),
    (
        "",
        ("deny", "permission", "ROLE_USER"),
        false,
        "This takes it from the user and from 1 active token, never used",
    ),
    (
        "permissions",
        ("grant", "permission", "a"),
        true,
        "This ends 1 active token, never used, and every session",
    ),
    (
        "permissions",
        ("deny", "permission", "ROLE_USER"),
        true,
        "This ends 1 active token, never used, and every session",
    ),
    ("permissions", ("rename", "username", "ada"), false, ""),
    (
        "full_name",
        ("full-name", "full_name", "Ada"),
        true,
        "This ends 1 active token, never used, and every session",
    ),
];

#[tokio::test]
async fn a_change_ends_the_tokens_that_are_bound_to_it_and_says_so_before() {
    for (bound, change, ends, says) in CHANGES {
        let settings = [("HALLPASS_INVALIDATE_ON", bound)];
        let system = System::start(if bound.is_empty() { &[] } else { &settings }).await;
        let mut admin = administrator(&system).await;
        let token = system.token_of("my_username", "topsecret").await;
        let page = admin.get("/admin/users/1").await;
        let (action, field, value) = change;
        let button = match action {
            "rename" => "Rename the user",
            "full-name" => "Set the full name",
            "grant" => "Add the permission",
            "deny" => "Remove the permission",
            _ => "Set the password",
        };
        let text = text_of_form(&page, button);
        assert!(text.contains(says), "{bound} {action}: {text}");
        assert_eq!(text.contains("This ends"), ends, "{bound} {action}: {text}");
        admin.post_and_follow(PROFILE, &[("do", action), (field, value)]).await;
        let expected = if ends { "user_changed" } else { "allow" };
        assert_eq!(system.verdict(&token).await, expected, "{bound} {action}");
        if action == "deny" && !ends {
            let shown = system.ask("GET", "/rs/profile", &format!("Bearer {token}")).await;
            assert!(!shown.body.contains("ROLE_USER"), "{}", shown.body);
        }
        system.stop().await;
    }
}

#[tokio::test]
async fn no_administrator_is_locked_out_unawares() {
    let system = System::start(&[]).await;
    let mut admin = administrator(&system).await;
    let own = "/admin/users/2/profile";
    let page = admin.get("/admin/users/2").await;
    assert!(page.text().contains("You cannot remove it from yourself."), "{}", page.text());
    let kept = admin.post(own, &[("do", "deny"), ("permission", "ROLE_ADMIN")]).await;
    assert_eq!(
        (kept.status, kept.wrong().as_str()),
        (409, "You cannot remove this permission from yourself.")
    );
    let page = admin.post_and_follow(own, &[("do", "deny"), ("permission", "ROLE_USER")]).await;
    assert!(page.text().contains("The permission is removed."), "{}", page.text());
    // A change that ends the session leads to the sign-in page, which says what was done.
    for (form, name, password, says) in [
        ([("do", "rename"), ("username", "boss")], "boss", "letmein", "The user is renamed."),
        (
            [("do", "password"), ("password", "a new one of the boss")],
            "boss",
            "a new one of the boss",
            "The password is set.",
        ),
    ] {
        let page = admin.get("/admin/users/2").await;
        assert!(page.text().contains("including this one"), "{}", page.text());
        let page = admin.post_and_follow(own, &form).await;
        assert!(page.text().contains(says) && page.field("username").is_some(), "{}", page.text());
        assert_eq!(admin.get(OWN).await.status, 401);
        admin = WebClient::signed_in(&system, name, password).await;
    }
    // Another administrator's permission can be removed, and works no longer at once.
    let names = ["ROLE_ADMIN", "ROLE_USER"].map(str::to_owned).to_vec();
    system.set_user("1", "permissions", AttributeValue::Ss(names)).await;
    let mut other = WebClient::signed_in(&system, "my_username", "topsecret").await;
    assert_eq!(other.get("/admin/users/2").await.status, 200);
    admin.get("/admin/users/1").await;
    admin.post_and_follow(PROFILE, &[("do", "deny"), ("permission", "ROLE_ADMIN")]).await;
    assert_eq!(other.get("/admin/users/2").await.status, 403);
    system.stop().await;
}

#[tokio::test]
async fn unreadable_permissions_are_not_overwritten() {
    let system = System::start(&[]).await;
    let mut admin = administrator(&system).await;
    system.set_user("1", "permissions", AttributeValue::N("7".to_owned())).await;
    for action in ["grant", "deny"] {
        let reply = admin.post(PROFILE, &[("do", action), ("permission", "a")]).await;
        assert_eq!(reply.status, 409, "{action} {}", reply.body);
        assert!(reply.wrong().starts_with("The permissions of this user cannot be read."));
    }
    system.stop().await;
}

#[tokio::test]
async fn a_user_is_added() {
    let system = System::start(&[]).await;
    let mut admin = administrator(&system).await;
    let form = |changed: &[(&'static str, &'static str)]| {
        let mut fields = vec![
            ("username", "ada"),
            ("full_name", " Ada Lovelace "),
            ("kind", "person"),
            ("password", "a password of ada"),
            ("permissions", "ROLE_USER\r\n\r\n generate services token \r\norders:read"),
        ];
        for (name, value) in changed {
            fields.retain(|(field, _)| field != name);
            fields.push((name, value));
        }
        fields
    };
    let new = "/admin/users/new";
    for (changed, status, says) in [
        (&[("username", "")][..], 400, "User name: it must contain a visible character."),
        (&[("username", "Admin")], 409, "Another user has this name."),
        (&[("full_name", "a\nb")], 400, FULL_NAME_FORM),
        (&[("kind", "robot")], 400, "Kind: choose one."),
        (
            &[("password", "topsecret")],
            400,
            "Password: this password is one of the 10,000 most common ones; choose another.",
        ),
        (&[("permissions", "a\nb,c")], 400, "Permissions: not a valid name of a permission."),
    ] {
        admin.get(new).await;
        let fields = form(changed);
        let reply = admin.post(new, &fields).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (status, says), "{changed:?}");
        let typed = |name| fields.iter().find(|(field, _)| *field == name).unwrap().1.to_owned();
        assert_eq!(reply.field("username"), Some(typed("username")), "{changed:?}");
        assert_eq!(reply.field("password").as_deref(), Some(""), "{changed:?}");
        assert!(reply.text().contains(typed("permissions").lines().last().unwrap()), "{changed:?}");
    }
    admin.get(new).await;
    let csrf = admin.csrf.clone();
    let page = admin.post_and_follow(new, &form(&[])).await;
    for says in ["The user is added.", "ada", "Ada Lovelace", "generate services token", "person"] {
        assert!(page.text().contains(says), "{says}: {}", page.text());
    }
    WebClient::signed_in(&system, "ADA", "a password of ada").await;
    // Once, however often the form is sent; also with another name in it.
    admin.csrf = csrf;
    let again = admin.post(new, &form(&[("username", "another")])).await;
    let says = "This form was sent before, and the user was added.";
    assert_eq!((again.status, again.wrong().as_str()), (409, says));
    let page = admin.get("/admin/users?name=another").await;
    assert!(page.text().contains("No user matches."), "{}", page.text());
    // Without a password, as an application.
    admin.get(new).await;
    let fields =
        form(&[("username", "robot"), ("kind", "app"), ("password", ""), ("full_name", "")]);
    let page = admin.post_and_follow(new, &fields).await;
    assert!(page.text().contains("application"), "{}", page.text());
    system.stop().await;
}
