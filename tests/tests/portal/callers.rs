//! Who can ask for a link to a portal session, for whom, and where the session leads back.

use serde_json::json;
use tests::{api::text, pages::OWN};

use super::{BACK, Setup};

#[tokio::test]
async fn a_caller_asks_for_links_within_its_permissions() {
    let setup = Setup::new().await;
    let Setup { system, admin } = &setup;
    setup.permit("1", &["ROLE_USER", "tokens", "a"]).await;
    setup.permit("2", &["ROLE_USER", "ROLE_ADMIN", "tokens", "a"]).await;
    setup.permit("3", &["ROLE_USER", "secret"]).await;
    system.set_user("4", "status", text("blocked")).await;
    let user = system.token_of("my_username", "topsecret").await;
    let scoped = async |token: &str, scopes: &[&str]| {
        let body = json!({"name": "scoped", "scopes": scopes});
        system.created(token, &body).await["token"].as_str().unwrap().to_owned()
    };
    let (managing, narrow) = (scoped(&user, &["tokens"]).await, scoped(&user, &["a"]).await);
    let narrow_admin = scoped(admin, &["ROLE_ADMIN", "ROLE_USER"]).await;
    let no_admin = scoped(admin, &["ROLE_USER", "tokens", "a"]).await;
    for (token, user_id, status) in [
        (admin, "1", 201),
        (admin, "2", 201),
        (admin, "3", 403), // has a permission that the administrator lacks
        (admin, "4", 409),
        (admin, "99", 404),
        (&narrow_admin, "1", 403), // has a permission that the token lacks
        (&narrow_admin, "2", 201), // its own user
        (&no_admin, "1", 403),
        (&no_admin, "99", 403),
        (&no_admin, "2", 201),
        (&user, "1", 201),
        (&user, "2", 403),
        (&user, "4", 403),
        (&user, "99", 403),
        (&managing, "1", 201),
        (&narrow, "1", 403),
    ] {
        let reply = setup.ask(token, &json!({"user_id": user_id})).await;
        assert_eq!(reply.status, status, "{user_id} {}", reply.body);
    }
    setup.permit("3", &["ROLE_USER", "ROLE_ADMIN"]).await;
    setup.ask(admin, &json!({"user_id": "3"})).await.body_of(201);
    for body in [json!({}), json!({"user_id": "a b"}), json!({"user_id": "1", "x": 1})] {
        setup.ask(admin, &body).await.body_of(400);
    }
    let reply = system.send("POST", "/portal/sessions", &[], "{}").await;
    assert_eq!(reply.status, 401);
    let basic = tests::basic("my_username", "topsecret");
    let reply = system.json("POST", "/portal/sessions", &basic, &json!({"user_id": "1"})).await;
    assert_eq!(reply.status, 401, "a password is no token");
    setup.system.stop().await;
}

#[tokio::test]
async fn a_session_leads_back_to_a_page_in_the_list_alone() {
    let setup = Setup::new().await;
    let ask =
        async |url: &str| setup.ask(&setup.admin, &json!({"user_id": "1", "return_to": url})).await;
    for wrong in [
        "",
        "https://app.example.com:8443/account",
        "https://app.example.com:8443/account?tab=tokens ",
        "https://app.example.com:8443/account?tab=tokens#x",
        "HTTPS://app.example.com:8443/account?tab=tokens",
        "https://a.example.com",
        "https://a.example.com/,",
        "javascript:alert(1)",
    ] {
        let problem = ask(wrong).await.body_of(400);
        assert_eq!(problem["member"], "return_to", "{wrong}");
    }
    let body = ask(BACK).await.body_of(201);
    let link = body["url"].as_str().unwrap().strip_prefix("https://localhost").unwrap();
    let mut web_client = setup.follow(link).await;
    let pages = [OWN, "/profile/developer/new"];
    for path in pages {
        let page = web_client.get(path).await;
        let elements = page.elements();
        let back: Vec<_> =
            elements.iter().filter(|element| element.attribute("href") == Some(BACK)).collect();
        assert_eq!(back.len(), 1, "{path}");
        assert_eq!(back[0].text, "Back to app.example.com:8443", "{path}");
    }
    let done = web_client.post_and_follow("/sign-out", &[]).await;
    assert!(done.text().contains("You are signed out."), "{}", done.text());
    assert_eq!(web_client.get(OWN).await.status, 303, "no cookie is left");
    setup.system.stop().await;
}
