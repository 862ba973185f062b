//! The administrator's pages.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use tests::{
    api::bearer,
    pages::{OWN, WebClient},
    system::System,
};

async fn administrator(system: &System) -> WebClient<'_> {
    WebClient::signed_in(system, "admin", "letmein").await
}

/// Issues a key with the form of a user's page, and returns the key that the page shows.
async fn issue(web_client: &mut WebClient<'_>, user: &str, name: &str) -> String {
    web_client
        .post(&format!("/admin/users/{user}"), &[("name", name), ("limit", "all")])
        .await
        .shown_token()
}

/// Returns the path of the form of this key of this user.
async fn path_of(system: &System, user: &str, token: &str) -> String {
    let shown = system.ask("GET", "/tokens/current", &bearer(token)).await.body_of(200);
    format!("/admin/users/{user}/tokens/{}", shown["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_for_an_external_user_lives_as_the_administrator_chooses() {
    let system = System::start(&[]).await;
    let mut web_client = administrator(&system).await;
    let page = "/admin/users/3";
    let tomorrow =
        system.now().after(std::time::Duration::from_secs(86_400)).to_string()[..10].to_owned();
    let fields =
        [("name", "sync <b>"), ("expires", &*tomorrow), ("limit", "some"), ("scope", "ROLE_USER")];
    let issued = web_client.post(page, &fields).await;
    let key = issued.shown_token();
    assert_eq!((key.split('.').count(), issued.text().contains("sync <b>")), (3, true), "a JWT");
    let profile = system.ask("GET", "/rs/profile", &bearer(&key)).await.body_of(200);
    assert_eq!(profile["username"], "ldap_user", "{profile}");
    let shown = system.ask("GET", "/tokens/current", &bearer(&key)).await.body_of(200);
    assert_eq!(shown["expires_at"], format!("{tomorrow}T23:59:59Z"));
    let path = path_of(&system, "3", &key).await;
    for (what, verdict, said) in [
        ("disable", "disabled", "The key is disabled until you enable it."),
        ("disable", "disabled", "The key is disabled until you enable it."),
        ("enable", "allow", "The key is enabled again."),
        ("disable", "disabled", "The key is disabled until you enable it."),
        ("delete", "revoked", "The key is deleted and no longer works."),
        ("delete", "revoked", "The key is deleted and no longer works."),
    ] {
        let after = web_client.post_and_follow(&path, &[("do", what)]).await;
        assert!(
            after.text().contains(said) && !after.body.contains(&key),
            "{what}: {}",
            after.text()
        );
        assert_eq!(system.verdict(&key).await, verdict, "{what}");
    }
    let late = web_client.post(&path, &[("do", "enable")]).await;
    assert_eq!((late.status, late.wrong().as_str()), (409, "The token was revoked."));
    assert_eq!(web_client.post(&path, &[("do", "nonsense")]).await.status, 400);

    // A rejected form keeps its input.
    let fields =
        [("name", "<i>"), ("expires", "2026-01-01"), ("limit", "some"), ("scope", "ROLE_USER")];
    let rejected = web_client.post(page, &fields).await;
    assert_eq!((rejected.status, rejected.field("name").unwrap().as_str()), (400, "<i>"));
    assert_eq!(rejected.wrong(), "Expiry date: it is not in the future.");
    let fields = [("name", "x"), ("limit", "some"), ("scope", "ROLE_ADMIN")];
    let rejected = web_client.post(page, &fields).await;
    assert_eq!(
        rejected.wrong(),
        "Permissions: none of these permissions can be granted.",
        "not more than the user may"
    );

    // A token of another user does not belong to this one.
    let other = system.token_of("my_username", "topsecret").await;
    let path = path_of(&system, "3", &other).await;
    assert_eq!(web_client.post(&path, &[("do", "delete")]).await.status, 404);
    assert_eq!(system.verdict(&other).await, "allow");
    assert_eq!(
        web_client.post("/admin/users/99", &[("name", "x"), ("limit", "all")]).await.status,
        404
    );
    system.stop().await;
}

#[tokio::test]
async fn a_user_is_blocked_and_unblocked() {
    let system = System::start(&[]).await;
    let mut web_client = administrator(&system).await;
    let access = "/admin/users/1/access";
    let (key, token) =
        (issue(&mut web_client, "1", "k").await, system.token_of("my_username", "topsecret").await);
    let page = web_client.post_and_follow(access, &[("do", "revoke-all")]).await;
    assert!(page.text().contains("All tokens of this user are revoked."));
    for dead in [&key, &token] {
        assert_eq!(system.verdict(dead).await, "revoked");
    }
    let key = issue(&mut web_client, "1", "k").await;
    let page = web_client.post_and_follow(access, &[("do", "block")]).await;
    assert!(page.text().contains("The user is blocked and cannot have keys."));
    assert_eq!(system.verdict(&key).await, "user_blocked");
    let rejected = web_client.post("/admin/users/1", &[("name", "typed"), ("limit", "all")]).await;
    assert_eq!((rejected.status, rejected.wrong().as_str()), (409, "The user is blocked."));
    assert_eq!(WebClient::new(&system, "").sign_in("my_username", "topsecret").await.status, 401);
    let page = web_client.post_and_follow(access, &[("do", "unblock")]).await;
    assert!(page.text().contains("Earlier tokens stay invalid."));
    assert_eq!(system.verdict(&key).await, "revoked", "nothing comes back");
    WebClient::signed_in(&system, "my_username", "topsecret").await;

    assert_eq!(web_client.post(access, &[("do", "nonsense")]).await.status, 400);
    assert_eq!(web_client.post("/admin/users/99/access", &[("do", "block")]).await.status, 404);
    let own = web_client.post("/admin/users/2/access", &[("do", "block")]).await;
    assert_eq!((own.status, own.wrong().as_str()), (409, "You cannot block yourself."));
    assert!(
        !web_client.get("/admin/users/2").await.body.contains("value=\"block\""),
        "nor is it offered"
    );
    let over = web_client.post_and_follow("/admin/users/2/access", &[("do", "revoke-all")]).await;
    assert!(over.text().contains("All tokens of this user are revoked."), "{}", over.text());
    assert_eq!(web_client.get(OWN).await.status, 401, "the session was one of them");
    system.stop().await;
}

#[tokio::test]
async fn blocking_invalidates_tokens_that_are_not_bound_to_the_status() {
    let system = System::start(&[("HALLPASS_INVALIDATE_ON", "username")]).await;
    let mut web_client = administrator(&system).await;
    let token = system.token_of("my_username", "topsecret").await;
    web_client.post_and_follow("/admin/users/1/access", &[("do", "block")]).await;
    assert_eq!(system.verdict(&token).await, "user_blocked");
    web_client.post_and_follow("/admin/users/1/access", &[("do", "unblock")]).await;
    assert_eq!(system.verdict(&token).await, "revoked", "nothing comes back");
    system.stop().await;
}

/// Every route of an administrator, with a form that would have an effect.
const ROUTES: [(&str, &str, &str); 15] = [
    ("GET", "/admin/users", ""),
    ("GET", "/admin/users?name=admin", ""),
    ("GET", "/admin/users/1", ""),
    ("POST", "/admin/users/1", "&name=x&limit=all"),
    ("POST", "/admin/users/1/access", "&do=block"),
    ("POST", "/admin/users/1/access", "&do=revoke-all"),
    ("GET", "/admin/users/new", ""),
    ("GET", "/admin/tokens", ""),
    ("GET", "/admin/audit", ""),
    ("POST", "/admin/users/new", "&username=x&kind=person"),
    ("POST", "/admin/users/1/profile", "&do=deny&permission=ROLE_USER"),
    ("POST", "/admin/users/1/profile", "&do=rename&username=x"),
    ("POST", "/admin/users/1/profile", "&do=password&password=a+new+one+of+ada"),
    ("POST", "KEY", "&do=disable"),
    ("POST", "KEY", "&do=delete"),
];

/// Checks that every route rejects this browser and changes nothing.
async fn gets_nowhere(system: &System, web_client: &mut WebClient<'_>, key: &str, status: u16) {
    let path = path_of(system, "1", key).await;
    for (method, route, form) in ROUTES {
        let form = format!("csrf={}{form}", web_client.csrf);
        let reply =
            web_client.send(method, if route == "KEY" { &path } else { route }, &form).await;
        assert_eq!(reply.status, status, "{method} {route}");
        assert_eq!(system.verdict(key).await, "allow", "{method} {route}");
    }
}

#[tokio::test]
async fn a_former_administrator_is_rejected_everywhere() {
    let system = System::start(&[]).await;
    let mut web_client = administrator(&system).await;
    let key = issue(&mut web_client, "1", "k").await;
    let mut user = WebClient::signed_in(&system, "my_username", "topsecret").await;
    assert!(!user.get(OWN).await.body.contains("/admin/users"), "it is not offered either");
    gets_nowhere(&system, &mut user, &key, 403).await;
    // In the middle of a session, without ending it.
    let permissions =
        |names: &[&str]| AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect());
    system.set_user("2", "permissions", permissions(&["ROLE_USER"])).await;
    gets_nowhere(&system, &mut web_client, &key, 403).await;
    assert_eq!(web_client.get(OWN).await.status, 200);
    system.set_user("2", "permissions", permissions(&["ROLE_USER", "ROLE_ADMIN"])).await;
    assert_eq!(web_client.get("/admin/users").await.status, 200);
    // A form without its CSRF token.
    let own = web_client.csrf.clone();
    for (method, route, form) in ROUTES.iter().filter(|(method, _, _)| *method == "POST") {
        let path = path_of(&system, "1", &key).await;
        // The page in the response has a valid one.
        let form = format!("csrf={}{form}", user.csrf);
        let reply =
            web_client.send(method, if *route == "KEY" { &path } else { route }, &form).await;
        assert_eq!(reply.status, 403, "{method} {route}");
    }
    assert_eq!(system.verdict(&key).await, "allow");
    assert_ne!(own, user.csrf);
    // A token of an administrator is not a session.
    let token = system.token_of("admin", "letmein").await;
    assert_eq!(system.ask("GET", "/admin/users", &bearer(&token)).await.status, 303);
    assert_eq!(
        system.json("POST", "/admin/users/1/access", &bearer(&token), &json!({})).await.status,
        401
    );
    system.stop().await;
}
