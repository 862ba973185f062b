//! Tokens that an administrator offers, and that only their user sees.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tests::{
    api::{bearer, text},
    client::Reply,
    pages::{OWN, WebClient},
    system::System,
};

/// Offers a token to the user 1.
async fn offer(system: &System, change: impl FnOnce(&mut Value)) -> Reply {
    let admin = system.token_of("admin", "letmein").await;
    let mut body = json!({"name": "build", "user_id": "1", "scopes": ["ROLE_USER"], "claim": true});
    change(&mut body);
    system.json("POST", "/tokens", &bearer(&admin), &body).await
}

async fn offered(system: &System) -> String {
    let reply = offer(system, |_| {}).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    reply.json()["id"].as_str().unwrap().to_owned()
}

async fn user(system: &System) -> WebClient<'_> {
    let mut browser = WebClient::signed_in(system, "my_username", "topsecret").await;
    browser.get(OWN).await;
    browser
}

async fn accept(browser: &mut WebClient<'_>, id: &str) -> Reply {
    browser.get(OWN).await;
    browser.post(OWN, &[("do", "accept"), ("id", id)]).await
}

/// The number of tokens of the user 1.
async fn count(system: &System) -> usize {
    let admin = system.token_of("admin", "letmein").await;
    let list = system.ask("GET", "/tokens?user_id=1", &bearer(&admin)).await;
    list.json()["tokens"].as_array().unwrap().len()
}

const GONE: &str = "This offer is no longer open.";

#[tokio::test]
async fn an_offered_token_is_created_once_and_for_its_user_alone() {
    let system = System::start(&[]).await;
    let reply = offer(&system, |body| body["description"] = json!("Runs at three")).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let offered = reply.json();
    assert_eq!(
        (&offered["name"], &offered["scopes"], &offered["format"]),
        (&json!("build"), &json!(["ROLE_USER"]), &json!("signed"))
    );
    assert!(!reply.body.contains("token\""), "{}", reply.body);
    let id = offered["id"].as_str().unwrap();
    assert_eq!(count(&system).await, 0, "no token exists yet");

    let mut other = WebClient::signed_in(&system, "admin", "letmein").await;
    assert!(!other.get(OWN).await.body.contains(id));
    assert_eq!(accept(&mut other, id).await.wrong(), GONE);
    let shown = other.get("/admin/users/1").await;
    assert!(shown.body.contains(id) && shown.text().contains("Offered:"), "{}", shown.body);

    let mut browser = user(&system).await;
    let page = browser.get(OWN).await.text();
    assert!(page.contains("An administrator offers you the token"), "{page}");
    assert!(page.contains("Runs at three") && page.contains("ROLE_USER"), "{page}");
    let created = accept(&mut browser, id).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let token = created.shown_token();
    assert_eq!(system.verdict(&token).await, "allow");
    let own = system.ask("GET", "/tokens/current", &bearer(&token)).await.json();
    assert_eq!((&own["name"], &own["scopes"]), (&json!("build"), &json!(["ROLE_USER"])));
    assert_eq!(own["description"], "Runs at three");
    assert!(!browser.get(OWN).await.body.contains(id));
    assert_eq!(accept(&mut browser, id).await.wrong(), GONE);
    system.stop().await;
}

#[tokio::test]
async fn of_acceptances_at_once_one_creates_the_token() {
    let system = System::start(&[]).await;
    let id = offered(&system).await;
    let browsers = [user(&system).await, user(&system).await, user(&system).await];
    let accepting = browsers.into_iter().map(async |mut browser| accept(&mut browser, &id).await);
    let replies = futures_util::future::join_all(accepting).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!((created, count(&system).await), (1, 1));
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_cannot_accept_with_a_password_of_theirs() {
    // Without this setting the new password ends the offer.
    for (bound, wrong) in [
        ("", GONE),
        ("username", "Your password was set after this token was offered. Ask for a new offer."),
    ] {
        let system = System::start(&[("HALLPASS_INVALIDATE_ON", bound)]).await;
        let id = offered(&system).await;
        let mut admin = WebClient::signed_in(&system, "admin", "letmein").await;
        admin.get("/admin/users/1").await;
        let form = [("do", "password"), ("password", "set by an administrator")];
        assert_eq!(admin.post("/admin/users/1/profile", &form).await.status, 303);
        let mut browser =
            WebClient::signed_in(&system, "my_username", "set by an administrator").await;
        let reply = accept(&mut browser, &id).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (409, wrong), "{bound}");
        assert_eq!(count(&system).await, 0);
        system.stop().await;
    }
}

#[tokio::test]
async fn an_offer_ends_with_its_time_with_a_change_of_its_user_and_when_it_is_withdrawn() {
    let system = System::start(&[]).await;
    let mut admin = WebClient::signed_in(&system, "admin", "letmein").await;
    let rejected = async |id: &str| {
        let reply = accept(&mut user(&system).await, id).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (409, GONE));
    };
    let id = offered(&system).await;
    let generation = AttributeValue::N("99".to_owned());
    system.set_user("1", "token_generation", generation).await;
    rejected(&id).await;
    let id = offered(&system).await;
    admin.get("/admin/users/1").await;
    let withdrawn =
        admin.post_and_follow("/admin/users/1", &[("do", "withdraw"), ("id", &id)]).await;
    assert!(withdrawn.text().contains("The offer is withdrawn."));
    rejected(&id).await;
    let id = offered(&system).await;
    let mut browser = user(&system).await;
    let declined = browser.post_and_follow(OWN, &[("do", "decline"), ("id", &id)]).await;
    assert!(declined.text().contains("The offer is declined."), "{}", declined.text());
    rejected(&id).await;
    let id = offered(&system).await;
    system.advance(7 * 86_400);
    rejected(&id).await;
    for id in ["", "x", "../x"] {
        rejected(id).await;
    }
    system.stop().await;
}

#[tokio::test]
async fn an_offer_gives_at_most_what_its_user_has_when_it_is_accepted() {
    let system = System::start(&[("HALLPASS_INVALIDATE_ON", "username")]).await;
    let id = offered(&system).await;
    system.set_user("1", "permissions", AttributeValue::Ss(vec!["other".to_owned()])).await;
    let reply = accept(&mut user(&system).await, &id).await;
    let wrong = "You no longer have the permissions of this token.";
    assert_eq!((reply.status, reply.wrong().as_str()), (409, wrong));
    // The offer is still open.
    let permissions = ["ROLE_USER", "other"].map(str::to_owned).to_vec();
    system.set_user("1", "permissions", AttributeValue::Ss(permissions)).await;
    let token = accept(&mut user(&system).await, &id).await.shown_token();
    let own = system.ask("GET", "/tokens/current", &bearer(&token)).await.json();
    assert_eq!(own["scopes"], json!(["ROLE_USER"]));
    system.stop().await;
}

#[tokio::test]
async fn only_administrators_offer_tokens_and_only_to_others() {
    let system = System::start(&[]).await;
    let status = async |change: &dyn Fn(&mut Value)| offer(&system, change).await.status;
    assert_eq!(status(&|body| body["user_id"] = json!(null)).await, 400);
    assert_eq!(status(&|body| body["user_id"] = json!("2")).await, 400, "the administrator's own");
    assert_eq!(status(&|body| body["user_id"] = json!("99")).await, 400);
    assert_eq!(status(&|body| body["name"] = json!("")).await, 400);
    assert_eq!(status(&|body| body["claim"] = json!("yes")).await, 400);
    assert_eq!(status(&|body| body["claim"] = json!(false)).await, 201);
    let own = system.token_of("my_username", "topsecret").await;
    let body = json!({"name": "a", "user_id": "2", "claim": true});
    assert_eq!(system.json("POST", "/tokens", &bearer(&own), &body).await.status, 403);
    system.set_user("1", "status", text("blocked")).await;
    assert_eq!(status(&|_| {}).await, 409);
    system.set_user("1", "status", text("active")).await;
    for _ in 0..20 {
        offered(&system).await;
    }
    assert_eq!(status(&|_| {}).await, 409);
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_offers_a_key_with_the_form() {
    let system = System::start(&[]).await;
    let mut admin = WebClient::signed_in(&system, "admin", "letmein").await;
    admin.get("/admin/users/1").await;
    let form = [("do", "make"), ("name", "of the form"), ("limit", "all"), ("claim", "on")];
    let page = admin.post_and_follow("/admin/users/1", &form).await;
    assert!(page.text().contains("The token is offered."), "{}", page.text());
    assert!(page.text().contains("Offered:"), "{}", page.text());
    assert_eq!(count(&system).await, 0);
    let mut browser = user(&system).await;
    let id = browser.get(OWN).await.field("id").unwrap();
    let token = accept(&mut browser, &id).await.shown_token();
    assert_eq!(system.verdict(&token).await, "allow");
    system.stop().await;
}
