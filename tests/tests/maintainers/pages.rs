//! The page of a service account, and the link to it.

use serde_json::json;
use tests::{
    api::{bearer, text},
    pages::{OWN, WebClient},
    system::System,
};

use super::{ACCOUNT, MAINTAINER, id, set};

const PAGE: &str = "/profile/accounts/4";

async fn start() -> System {
    let system = System::start(&[]).await;
    system.set_user(ACCOUNT, "permissions", set(&["ROLE_USER", "deploy"])).await;
    system.set_user(MAINTAINER, "permissions", set(&["ROLE_USER", "own"])).await;
    system.store().add_maintainer(&id(ACCOUNT), &id(MAINTAINER), &tests::CAUSE).await.unwrap();
    system
}

const MAKE: [(&str, &str); 4] =
    [("do", "make"), ("name", "nightly"), ("limit", "some"), ("scope", "deploy")];

#[tokio::test]
async fn a_maintainer_manages_the_account_on_its_page() {
    let system = start().await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let own = web_client.get(OWN).await;
    assert!(own.text().contains("Service accounts:"), "{}", own.text());
    assert!(own.body.contains(&format!("href=\"{PAGE}\"")), "{}", own.body);
    let page = web_client.get(PAGE).await;
    assert!(page.text().contains("ci-bot"), "{}", page.text());
    assert!(page.text().contains("The account has no tokens."), "{}", page.text());
    assert!(page.body.contains("value=\"deploy\"") && !page.body.contains("value=\"own\""));
    // Create, with what the account has.
    let token = web_client.post(PAGE, &MAKE).await.shown_token();
    let shown = system.ask("GET", "/tokens/current", &bearer(&token)).await.body_of(200);
    assert_eq!(shown["scopes"], json!(["deploy"]));
    let token_id = shown["id"].as_str().unwrap().to_owned();
    assert!(token_id.starts_with("4."), "{token_id}");
    assert!(web_client.get(PAGE).await.text().contains("nightly"));
    assert!(!web_client.get(OWN).await.text().contains("nightly"), "it is not the user's own");
    // Rotate.
    web_client.get(PAGE).await;
    let rotated = web_client.post(PAGE, &[("do", "rotate"), ("id", &token_id)]).await.shown_token();
    assert_eq!(system.verdict(&rotated).await, "allow");
    assert_eq!(system.verdict(&token).await, "replaced");
    // Revoke.
    let shown = system.ask("GET", "/tokens/current", &bearer(&rotated)).await.body_of(200);
    let path = format!("{PAGE}/tokens/{}", shown["id"].as_str().unwrap());
    web_client.get(PAGE).await;
    let done = web_client.post_and_follow(&path, &[]).await;
    assert!(done.text().contains("The token is revoked"), "{}", done.text());
    assert_eq!(system.verdict(&rotated).await, "revoked");
    system.stop().await;
}

#[tokio::test]
async fn a_form_of_the_page_is_checked_like_every_other() {
    let system = start().await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    web_client.get(PAGE).await;
    let csrf = web_client.csrf.clone();
    let wrong = web_client.post(PAGE, &[("do", "make"), ("name", ""), ("limit", "all")]).await;
    assert!(wrong.status == 400 && wrong.wrong().starts_with("Name:"), "{}", wrong.body);
    let form = [("do", "make"), ("name", "a"), ("limit", "all")];
    web_client.csrf = csrf.clone();
    assert_eq!(web_client.post(PAGE, &form).await.status, 201);
    web_client.csrf = csrf;
    assert_eq!(web_client.post(PAGE, &form).await.status, 409, "it was sent before");
    for (path, form) in [(PAGE, &MAKE[..]), ("/profile/accounts/4/tokens/4.x", &[])] {
        web_client.csrf = "x".to_owned();
        assert_eq!(web_client.post(path, form).await.status, 403, "{path}");
    }
    web_client.get(PAGE).await;
    let own = system.token_of("my_username", "topsecret").await;
    let own = system.ask("GET", "/tokens/current", &bearer(&own)).await.body_of(200)["id"].clone();
    let own = own.as_str().unwrap();
    let path = format!("{PAGE}/tokens/{own}");
    assert_eq!(web_client.post(&path, &[]).await.status, 404, "a token of another user");
    web_client.get(PAGE).await;
    assert_eq!(web_client.post(PAGE, &[("do", "rotate"), ("id", own)]).await.status, 404);
    system.set_user(ACCOUNT, "status", text("blocked")).await;
    web_client.get(PAGE).await;
    assert_eq!(web_client.post(PAGE, &MAKE).await.status, 409, "the account is blocked");
    system.stop().await;
}

/// Checks that the page and its forms look absent, and that nothing links to them.
async fn check_absent(web_client: &mut WebClient<'_>, page: &str, what: &str) {
    assert_eq!(web_client.get(page).await.status, 404, "{what}");
    let own = web_client.get(OWN).await;
    assert!(!own.text().contains("Service accounts"), "{what}: {}", own.text());
    assert_eq!(web_client.post(page, &MAKE).await.status, 404, "{what}");
    let path = format!("{page}/tokens/4.AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(web_client.post(&path, &[]).await.status, 404, "{what}");
}

#[tokio::test]
async fn the_page_is_absent_for_everyone_else() {
    let system = start().await;
    let mut admin = WebClient::signed_in(&system, "admin", "letmein").await;
    check_absent(&mut admin, PAGE, "an administrator, who has the page of the user").await;
    // A portal session of the maintainer.
    let token = system.token_of("admin", "letmein").await;
    system.set_user("2", "permissions", set(&["ROLE_ADMIN", "ROLE_USER", "own"])).await;
    let body = json!({"user_id": MAINTAINER});
    let asked = system.json("POST", "/portal/sessions", &bearer(&token), &body).await.body_of(201);
    let link = asked["url"].as_str().unwrap().strip_prefix("https://localhost").unwrap();
    let mut portal = WebClient::new(&system, "");
    assert_eq!(portal.get(link).await.status, 200);
    let secret = link.split('=').next_back().unwrap();
    assert_eq!(portal.post("/portal/sign-in", &[("session", secret)]).await.status, 303);
    check_absent(&mut portal, PAGE, "a portal session").await;
    // One who is no longer a maintainer.
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    for other in ["/profile/accounts/2", "/profile/accounts/99", "/profile/accounts/a%20b"] {
        assert_eq!(web_client.get(other).await.status, 404, "{other}");
    }
    system.store().remove_maintainer(&id(ACCOUNT), &id(MAINTAINER), &tests::CAUSE).await.unwrap();
    check_absent(&mut web_client, PAGE, "no longer a maintainer").await;
    system.stop().await;
}
