//! What an action of an administrator ends is on the page before the action is confirmed.

use hallpass_token::Format;
use tests::{
    Request, World,
    api::bearer,
    client::Reply,
    pages::{OWN, WebClient},
    system::System,
    web_client,
};

/// Returns the text of the first form with this button, without the markup.
pub(super) fn text_of_form(page: &Reply, button: &str) -> String {
    let elements = page.elements();
    let forms = elements.split(|element| element.name == "form");
    let form = forms.into_iter().find(|form| form.iter().any(|element| element.text == button));
    let form = form.unwrap_or_else(|| panic!("no {button} in {}", page.body));
    let end = form.iter().position(|element| element.name == "/form").unwrap();
    let text: Vec<_> = form[..end].iter().map(|element| element.text.trim()).collect();
    text.join(" ").replace(" ,", ",")
}

/// What each form says before anything is confirmed.
async fn check(admin: &mut WebClient<'_>, expected: &str) {
    let page = admin.get("/admin/users/1").await;
    for button in ["Block the user", "Revoke all tokens"] {
        let text = text_of_form(&page, button);
        let expected = format!("This ends {expected}, and every session");
        assert!(text.contains(&expected), "{button}: {text:?} lacks {expected:?}");
    }
}

#[tokio::test]
async fn a_destructive_form_says_what_it_ends() {
    let system = System::start(&[]).await;
    let mut admin = WebClient::signed_in(&system, "admin", "letmein").await;
    check(&mut admin, "no active tokens").await;
    let mut user = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let first = user.create_token(&[("name", "first"), ("limit", "all")]).await;
    check(&mut admin, "1 active token, never used").await;
    assert_eq!(system.verdict(&first).await, "allow");
    check(&mut admin, "1 active token, last used less than a minute ago").await;
    // The first token is the oldest.
    system.advance(10);
    for number in 0..3 {
        user.create_token(&[("name", &number.to_string()), ("limit", "all")]).await;
    }
    system.advance(130);
    check(&mut admin, "4 active tokens, last used 2 minutes ago").await;
    // The developer token counts. A disabled or revoked token is not active.
    user.get(OWN).await;
    let developer = user.post(OWN, &[("do", "regenerate")]).await.shown_token();
    check(&mut admin, "5 active tokens, last used 2 minutes ago").await;
    let shown = system.ask("GET", "/tokens/current", &bearer(&first)).await.body_of(200);
    let path = format!("/admin/users/1/tokens/{}", shown["id"].as_str().unwrap());
    let page = admin.get("/admin/users/1").await;
    let text = text_of_form(&page, "Delete the key");
    assert!(text.contains("cannot be restored. It was never used."), "the newest: {text}");
    admin.post(&path, &[("do", "disable")]).await;
    check(&mut admin, "4 active tokens, never used").await;
    system.ask("DELETE", "/tokens/current", &bearer(&developer)).await;
    check(&mut admin, "3 active tokens, never used").await;
    // The page of the user says the same of a single token.
    let page = user.get(OWN).await;
    let text = text_of_form(&page, "Revoke the token");
    assert!(text.contains("It stops working at once. It was never used."), "{text}");
    admin.get("/admin/users/1").await;
    admin.post("/admin/users/1/access", &[("do", "revoke-all")]).await;
    check(&mut admin, "no active tokens").await;
    system.stop().await;
}

#[tokio::test]
async fn the_number_of_very_many_tokens_is_a_lower_bound() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    world.multiply(&token, 1_010).await;
    let mut admin = web_client::WebClient::signed_in(&world, "admin", "letmein").await;
    let page = Request::new("GET", "/admin/users/{user_id}").parameter("user_id", "1");
    let page = admin.open("Console", page).await;
    assert!(page.body.contains("This ends at least 200 active tokens, "), "{}", page.body);
}
