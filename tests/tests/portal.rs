//! Portal sessions: how often and how long a link works, and how a session ends.
//! `portal/callers.rs` tests who can ask for a link, and `portal/rights.rs` what a session is
//! permitted to do.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tests::{
    api::{bearer, text},
    capability::{Capability, lacks},
    client::Reply,
    pages::{OWN, WebClient},
    system::{System, members},
};

mod callers;
mod rights;

pub(crate) const BACK: &str = "https://app.example.com:8443/account?tab=tokens";

/// A stack with an administrator's token.
pub(crate) struct Setup {
    pub(crate) system: System,
    pub(crate) admin: String,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        let returns = format!("https://a.example.com/, {BACK} http://localhost:3000");
        let system = System::start(&[("HALLPASS_PORTAL_RETURN_TO", &returns)]).await;
        let admin = system.token_of("admin", "letmein").await;
        Self { system, admin }
    }

    /// Asks for a link.
    pub(crate) async fn ask(&self, token: &str, body: &Value) -> Reply {
        self.system.json("POST", "/portal/sessions", &bearer(token), body).await
    }

    /// Returns the path of a link that the token asks for.
    pub(crate) async fn link_by(&self, token: &str, body: &Value) -> String {
        let body = self.ask(token, body).await.body_of(201);
        body["url"].as_str().unwrap().strip_prefix("https://localhost").unwrap().to_owned()
    }

    /// Returns the path of a link for this user.
    pub(crate) async fn link(&self, user_id: &str) -> String {
        self.link_by(&self.admin, &json!({"user_id": user_id})).await
    }

    /// Returns a browser that has followed the link and shows the tokens.
    pub(crate) async fn follow(&self, link: &str) -> WebClient<'_> {
        let mut web_client = WebClient::new(&self.system, "");
        let reply = take(&mut web_client, link).await;
        assert_eq!((reply.status, reply.header("location")), (303, OWN), "{}", reply.body);
        assert_eq!(web_client.get(OWN).await.status, 200);
        web_client
    }

    /// Returns a browser with a session of this user.
    pub(crate) async fn session(&self, user_id: &str) -> WebClient<'_> {
        self.follow(&self.link(user_id).await).await
    }

    /// Sets the permissions of a user.
    pub(crate) async fn permit(&self, user_id: &str, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.system.set_user(user_id, "permissions", AttributeValue::Ss(names)).await;
    }
}

fn secret_of(link: &str) -> &str {
    link.strip_prefix("/portal/sign-in?session=").unwrap()
}

/// Opens a link and presses its button.
async fn take(web_client: &mut WebClient<'_>, link: &str) -> Reply {
    let page = web_client.get(link).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.field("session").as_deref(), Some(secret_of(link)));
    press(web_client, link).await
}

async fn press(web_client: &mut WebClient<'_>, link: &str) -> Reply {
    web_client.post("/portal/sign-in", &[("session", secret_of(link))]).await
}

/// Checks that a link no longer works, and that its page says where to go.
async fn check_ended(web_client: &mut WebClient<'_>, link: &str) {
    let page = web_client.get(link).await;
    assert_eq!(page.status, 410, "{}", page.body);
    assert!(page.wrong().contains("Go back to the application"), "{}", page.body);
    web_client.get("/sign-in").await;
    let pressed = press(web_client, link).await;
    assert_eq!(pressed.status, 410, "{}", pressed.body);
    assert!(!web_client.cookies.contains_key("__Host-hallpass"), "{:?}", web_client.cookies);
}

#[tokio::test]
async fn a_link_leads_to_the_tokens_of_its_user() {
    let setup = Setup::new().await;
    let body = setup.ask(&setup.admin, &json!({"user_id": "1"})).await.body_of(201);
    assert_eq!((members(&body), &body["expires_in"]), (vec!["url", "expires_in"], &json!(60)));
    let link = body["url"].as_str().unwrap().strip_prefix("https://localhost").unwrap();
    let (id, secret) = secret_of(link).split_once('.').unwrap();
    assert_eq!((id, secret.len()), ("1", 43));
    let mut web_client = WebClient::new(&setup.system, "");
    // A program that follows links consumes nothing.
    for _ in 0..3 {
        let page = web_client.get(link).await;
        assert_eq!(page.status, 200);
        for shown in ["You continue as", "my_username", "Continue to your tokens"] {
            assert!(page.text().contains(shown), "{}", page.text());
        }
        assert_eq!(setup.system.send("HEAD", link, &[], "").await.status, 200);
    }
    let reply = press(&mut web_client, link).await;
    assert_eq!((reply.status, reply.header("location")), (303, OWN), "{}", reply.body);
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let own = web_client.get(OWN).await;
    assert!(
        own.text().contains("my_username") && own.text().contains("Sign out"),
        "{}",
        own.text()
    );
    check_ended(&mut WebClient::new(&setup.system, ""), link).await;
    setup.system.stop().await;
}

#[tokio::test]
async fn a_link_begins_one_session_however_often_it_is_used_at_once() {
    let setup = Setup::new().await;
    let link = setup.link("1").await;
    let mut browsers = [(); 4].map(|()| WebClient::new(&setup.system, ""));
    for browser in &mut browsers {
        assert_eq!(browser.get(&link).await.status, 200);
    }
    let [one, two, three, four] = &mut browsers;
    let replies =
        tokio::join!(press(one, &link), press(two, &link), press(three, &link), press(four, &link));
    let mut statuses = [replies.0.status, replies.1.status, replies.2.status, replies.3.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410, 410]);
    let sessions = setup.system.store().sessions_of(&"1".parse().unwrap()).await.unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    setup.system.stop().await;
}

#[tokio::test]
async fn a_link_ends_after_a_minute() {
    let setup = Setup::new().await;
    let link = setup.link("1").await;
    setup.system.advance(59);
    let mut web_client = WebClient::new(&setup.system, "");
    assert_eq!(web_client.get(&link).await.status, 200);
    setup.system.advance(1);
    assert_eq!(press(&mut web_client, &link).await.status, 410);
    check_ended(&mut web_client, &link).await;
    // The session lasts half an hour.
    let mut web_client = setup.session("1").await;
    setup.system.advance(1_799);
    assert_eq!(web_client.get(OWN).await.status, 200);
    setup.system.advance(1);
    assert_eq!(web_client.get(OWN).await.status, 401);
    setup.system.stop().await;
}

#[tokio::test]
async fn another_link_begins_no_session() {
    let setup = Setup::new().await;
    let link = setup.link("1").await;
    let session = setup.session("1").await.cookies["__Host-hallpass"].clone();
    let (id, secret) = secret_of(&link).split_once('.').unwrap();
    let rest = &secret[1..];
    let first = if secret.starts_with('A') { 'B' } else { 'A' };
    for other in [
        String::new(),
        "1".to_owned(),
        secret.to_owned(),
        format!("2.{secret}"),
        format!("9.{secret}"),
        format!("{id}.{first}{rest}"),
        format!("{id}.{secret}A"),
        format!("{id}.{rest}"),
        session,
    ] {
        let mut web_client = WebClient::new(&setup.system, "");
        check_ended(&mut web_client, &format!("/portal/sign-in?session={other}")).await;
    }
    assert_eq!(WebClient::new(&setup.system, "").get("/portal/sign-in").await.status, 410);
    // The secret of a link is not one of a session.
    let mut web_client = WebClient::new(&setup.system, "");
    web_client.cookies.insert("__Host-hallpass".to_owned(), secret_of(&link).to_owned());
    assert_eq!(web_client.get(OWN).await.status, 401);
    assert_eq!(take(&mut web_client, &link).await.status, 303);
    setup.system.stop().await;
}

#[tokio::test]
async fn a_form_that_the_page_did_not_send_begins_no_session() {
    let setup = Setup::new().await;
    let link = setup.link("1").await;
    let mut web_client = WebClient::new(&setup.system, "");
    assert_eq!(press(&mut web_client, &link).await.status, 403);
    let mut other = WebClient::new(&setup.system, "");
    assert_eq!(other.get(&link).await.status, 200);
    web_client.csrf = other.csrf.clone();
    assert_eq!(press(&mut web_client, &link).await.status, 403);
    assert_eq!(press(&mut other, &link).await.status, 303);
    setup.system.stop().await;
}

#[tokio::test]
async fn a_session_takes_the_place_of_the_one_before() {
    let setup = Setup::new().await;
    let mut web_client = WebClient::signed_in(&setup.system, "admin", "letmein").await;
    let before = web_client.clone();
    assert_eq!(take(&mut web_client, &setup.link("1").await).await.status, 303);
    assert_eq!(before.clone().get(OWN).await.status, 401);
    assert!(web_client.get(OWN).await.text().contains("my_username"));
    assert_eq!(web_client.get("/admin/users").await.status, 403);
    // And a sign-in takes its place.
    let before = web_client.clone();
    assert_eq!(web_client.sign_in("admin", "letmein").await.status, 303);
    assert_eq!(before.clone().get(OWN).await.status, 401);
    assert_eq!(web_client.get("/admin/users").await.status, 200);
    setup.system.stop().await;
}

/// A change that ends links and sessions.
#[derive(Clone, Copy, Debug)]
enum Change {
    BlockUser,
    RenameUser,
    RevokeToken,
    DisableToken,
    BlockCaller,
    DemoteCaller,
    RotateToken,
}

async fn bring_about(setup: &Setup, token: &str, change: Change) {
    let Setup { system, admin } = setup;
    let id = system.ask("GET", "/tokens/current", &bearer(token)).await.body_of(200)["id"].clone();
    let path = format!("/tokens/{}", id.as_str().unwrap());
    match change {
        Change::BlockUser => system.set_user("1", "status", text("blocked")).await,
        Change::RenameUser => system.set_user("1", "username", text("another")).await,
        Change::BlockCaller => system.set_user("2", "status", text("blocked")).await,
        Change::DemoteCaller => setup.permit("2", &["ROLE_USER"]).await,
        Change::RevokeToken => drop(system.ask("DELETE", &path, &bearer(admin)).await.body_of(200)),
        Change::DisableToken => {
            let disabled = json!({"disabled": true});
            drop(system.json("PATCH", &path, &bearer(admin), &disabled).await.body_of(200));
        }
        Change::RotateToken => {
            let path = format!("{path}/rotate");
            let rotated = system.ask("POST", &path, &bearer(token)).await.body_of(201);
            assert_eq!(system.verdict(rotated["token"].as_str().unwrap()).await, "allow");
        }
    }
}

#[tokio::test]
async fn a_change_of_the_user_or_of_the_calling_token_ends_the_link_and_the_session() {
    let setup = Setup::new().await;
    for change in [
        Change::BlockUser,
        Change::RenameUser,
        Change::RevokeToken,
        Change::DisableToken,
        Change::BlockCaller,
        Change::DemoteCaller,
        Change::RotateToken,
    ] {
        let token = setup.system.created(&setup.admin, &json!({"name": "portal"})).await;
        let token = token["token"].as_str().unwrap();
        let body = json!({"user_id": "1"});
        let mut web_client = setup.follow(&setup.link_by(token, &body).await).await;
        let link = setup.link_by(token, &body).await;
        let mut waiting = WebClient::new(&setup.system, "");
        assert_eq!(waiting.get(&link).await.status, 200, "{change:?}");
        bring_about(&setup, token, change).await;
        assert_eq!(press(&mut waiting, &link).await.status, 410, "{change:?}");
        check_ended(&mut waiting, &link).await;
        let form = [("do", "make"), ("name", "a"), ("limit", "some"), ("scope", "ROLE_USER")];
        assert_eq!(web_client.clone().post(OWN, &form).await.status, 401, "{change:?}");
        assert_eq!(web_client.get(OWN).await.status, 401, "{change:?}");
        for (id, name) in [("1", "my_username"), ("2", "admin")] {
            setup.system.set_user(id, "status", text("active")).await;
            setup.system.set_user(id, "username", text(name)).await;
        }
        setup.permit("2", &["ROLE_USER", "ROLE_ADMIN"]).await;
    }
    setup.system.stop().await;
}

#[tokio::test]
async fn a_change_of_the_user_that_is_undone_ends_the_link_and_the_session() {
    let setup = Setup::new().await;
    if !lacks(Capability::DevStack, "no change is undone").await {
        let mut web_client = setup.session("1").await;
        let link = setup.link("1").await;
        for name in ["another", "my_username"] {
            setup.system.set_user("1", "username", text(name)).await;
            setup.system.drain().await;
        }
        check_ended(&mut WebClient::new(&setup.system, ""), &link).await;
        assert_eq!(web_client.get(OWN).await.status, 401);
    }
    // Revoking all tokens of the user ends both at once.
    let mut web_client = setup.session("1").await;
    let link = setup.link("1").await;
    let all = setup.system.ask("DELETE", "/users/1/tokens", &bearer(&setup.admin)).await;
    all.body_of(200);
    check_ended(&mut WebClient::new(&setup.system, ""), &link).await;
    assert_eq!(web_client.get(OWN).await.status, 401);
    setup.system.stop().await;
}

#[tokio::test]
async fn a_user_who_must_sign_in_at_the_provider_gets_no_link_and_follows_none() {
    let setup = Setup::new().await;
    let link = setup.link("1").await;
    let due = AttributeValue::N(setup.system.now().unix().to_string());
    setup.system.set_user("1", "sign_in_due_at", due).await;
    let asked = setup.ask(&setup.admin, &json!({"user_id": "1"})).await;
    assert_eq!(asked.status, 409, "{}", asked.body);
    check_ended(&mut WebClient::new(&setup.system, ""), &link).await;
    setup.system.stop().await;
}
