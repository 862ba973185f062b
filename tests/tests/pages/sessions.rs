//! A session ends with the tokens of its user, by the stream and by the sweep, and stays invalid
//! when the change is undone. The same holds for a log-in flow of two requests.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_password::password;
use serde_json::json;
use tests::{Request, Response, World, api::text, basic, tables::Item, web_client::WebClient};

/// A change of a user, which is then undone.
#[derive(Clone, Copy, Debug)]
enum Change {
    Block,
    Rename,
    Password,
    Attribute,
    Generation,
    Remove,
}

const CHANGES: [Change; 6] = [
    Change::Block,
    Change::Rename,
    Change::Password,
    Change::Attribute,
    Change::Generation,
    Change::Remove,
];

/// The way in which prune learns of a change.
#[derive(Clone, Copy, Debug)]
enum Prune {
    Stream,
    Sweep,
}

async fn bring_about(world: &World, id: &str, change: Change) {
    let (attribute, value) = match change {
        Change::Block => ("status", text("blocked")),
        Change::Rename => ("username", text("another")),
        Change::Password => ("password_hash", text(&password::hash("another", [9; 16]).unwrap())),
        Change::Attribute => ("mail", text("new@example.org")),
        Change::Generation => ("token_generation", AttributeValue::N("77".to_owned())),
        Change::Remove => return world.remove_user(id).await,
    };
    world.set_user(id, attribute, Some(value)).await;
}

/// Lets prune handle the change, and restores the user.
async fn undo(world: &World, before: Item, prune: Prune) {
    match prune {
        Prune::Stream => {
            world.delivery.drain().await.unwrap();
        }
        Prune::Sweep => {
            world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
        }
    }
    world.put("Users", before).await;
    if matches!(prune, Prune::Stream) {
        world.delivery.drain().await.unwrap();
    }
}

async fn world() -> World {
    World::with(&[("HALLPASS_INVALIDATE_ON", "username,password_hash,status,mail")]).await
}

/// Returns the status of the user's page for a browser with the cookies of this request.
async fn own_page(world: &World, request: &Request) -> u16 {
    world.send("Console", request.clone()).await.status
}

fn own() -> Request {
    Request::new("GET", "/profile/developer")
}

/// Tries everything that a session allows: the pages, and every form of them.
async fn try_everything(
    world: &World,
    web_client: &WebClient<'_>,
    token: &str,
) -> Vec<(String, Response)> {
    let hash = token.split('.').next_back().unwrap().to_owned();
    let mut responses = Vec::new();
    for (function, method, route, fields) in [
        ("Console", "GET", "/profile/developer", &[][..]),
        ("Console", "GET", "/admin/users", &[]),
        ("Console", "GET", "/admin/users/{user_id}", &[]),
        (
            "Generate",
            "POST",
            "/profile/developer",
            &[("do", "make"), ("name", "a"), ("limit", "all")],
        ),
        ("Generate", "POST", "/profile/developer", &[("do", "regenerate")]),
        ("Generate", "POST", "/profile/developer", &[("do", "rotate"), ("id", token)]),
        ("Generate", "POST", "/admin/users/{user_id}", &[("name", "a"), ("limit", "all")]),
        ("Revoke", "POST", "/profile/developer/tokens/{id}", &[]),
        ("Revoke", "POST", "/admin/users/{user_id}/tokens/{id}", &[("do", "delete")]),
        ("Revoke", "POST", "/admin/users/{user_id}/access", &[("do", "block")]),
        ("Revoke", "POST", "/sign-out", &[]),
    ] {
        let request = Request::new(method, route)
            .parameter("user_id", "1")
            .parameter("id", &format!("2.{hash}"));
        let request = if method == "GET" {
            web_client.with_cookies(request)
        } else {
            web_client.with_form(request, fields)
        };
        responses
            .push((format!("{method} {route} {fields:?}"), world.send(function, request).await));
    }
    responses
}

#[tokio::test]
async fn a_session_stays_invalid_when_the_change_that_invalidated_it_is_undone() {
    let world = world().await;
    for prune in [Prune::Stream, Prune::Sweep] {
        for change in CHANGES {
            world.delivery.drain().await.unwrap();
            let web_client = WebClient::signed_in(&world, "admin", "letmein").await;
            let token = world.token_of("admin", "letmein").await;
            let id = world.store.records_of(&"2".parse().unwrap()).await.unwrap()[0].id.to_string();
            let before = world.user_item("2").await;
            world.advance(5);
            bring_about(&world, "2", change).await;
            undo(&world, before, prune).await;
            assert_ne!(
                world.verdict(&format!("Bearer {token}")).await,
                "allow",
                "{change:?} {prune:?}"
            );
            let records = world.count_records("2").await;
            for (what, response) in try_everything(&world, &web_client, &id).await {
                assert_eq!(response.status, 401, "{change:?} {prune:?} {what}: {}", response.body);
            }
            assert_eq!(world.count_records("2").await, records, "{change:?} {prune:?}");
            assert_eq!(world.user_item("1").await["status"], text("active"));
        }
    }
}

#[tokio::test]
async fn a_session_that_no_change_invalidated_stays_valid() {
    let world = world().await;
    let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
    bring_about(&world, "1", Change::Block).await;
    world.set_user("2", "full_name", Some(text("Another"))).await;
    world.delivery.drain().await.unwrap();
    let swept = world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
    assert_eq!((&swept["invalidated"], &swept["unreadable"]), (&json!(0), &json!(0)), "{swept}");
    assert_eq!(
        web_client.open("Console", Request::new("GET", "/profile/developer")).await.status,
        200
    );
    // It is deleted after its expiry.
    world.advance(1_800);
    let swept = world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
    assert_eq!(swept["purged"], json!(1), "{swept}");
    assert_eq!(
        web_client.open("Console", Request::new("GET", "/profile/developer")).await.status,
        401
    );
}

#[tokio::test]
async fn a_log_in_flow_stays_invalid_when_the_change_that_invalidated_it_is_undone() {
    let world = world().await;
    for prune in [Prune::Stream, Prune::Sweep] {
        for change in CHANGES {
            world.delivery.drain().await.unwrap();
            let begin = Request::new("GET", "/rs/authorize-implicit");
            let begin = begin.query("client_id", "app").query("response_type", "token");
            let flow =
                world.send("Generate", begin.authorization(&basic("admin", "letmein"))).await;
            let before = world.user_item("2").await;
            world.advance(5);
            bring_about(&world, "2", change).await;
            undo(&world, before, prune).await;
            let decide =
                Request::new("GET", "/rs/authorize-implicit/decision").query("client_id", "app");
            let decide =
                decide.header("Cookie", flow.header("set-cookie").split(';').next().unwrap());
            let decide = decide.query("oauthDecision", "allow");
            let authenticity = flow.json()["authenticityToken"].as_str().unwrap().to_owned();
            let response = world
                .send("Generate", decide.query("session_authenticity_token", &authenticity))
                .await;
            assert_eq!(response.status, 400, "{change:?} {prune:?} {}", response.body);
        }
    }
}

#[tokio::test]
async fn sessions_flows_and_used_forms_are_no_tokens() {
    let world = World::with(&[("HALLPASS_MAX_TOKENS", "2")]).await;
    for _ in 0..3 {
        WebClient::signed_in(&world, "my_username", "topsecret").await;
        let begin = Request::new("GET", "/rs/authorize-implicit");
        let begin = begin.query("client_id", "app").query("response_type", "token");
        let flow =
            world.send("Generate", begin.authorization(&basic("my_username", "topsecret"))).await;
        assert_eq!(flow.status, 200);
    }
    let token = world.token().await;
    for name in ["one", "two"] {
        world.created(&token, &json!({"name": name})).await;
    }
    assert_eq!(world.count_records("1").await, 3);
    let list = world.list(&token, &[("limit", "2")]).await.json();
    assert_eq!(
        list["tokens"].as_array().unwrap().len(),
        2,
        "a page has the requested length: {list}"
    );
    let rest = world
        .list(&token, &[("limit", "2"), ("cursor", list["next"].as_str().unwrap())])
        .await
        .json();
    assert_eq!(rest["tokens"].as_array().unwrap().len(), 1, "{rest}");
}

#[tokio::test]
async fn signing_in_ends_the_previous_session_of_any_user() {
    let world = World::new().await;
    for (name, password) in [("my_username", "topsecret"), ("admin", "letmein")] {
        let mut browser = WebClient::signed_in(&world, "my_username", "topsecret").await;
        let own = Request::new("GET", "/profile/developer");
        let before = browser.with_cookies(own.clone());
        let elsewhere = WebClient::signed_in(&world, "my_username", "topsecret")
            .await
            .with_cookies(own.clone());
        assert_eq!(world.send("Console", before.clone()).await.status, 200);
        let fields = [("username", name), ("password", password)];
        browser.open("Console", Request::new("GET", "/sign-in")).await;
        assert_eq!(
            browser.submit("Generate", Request::new("POST", "/sign-in"), &fields).await.status,
            303
        );
        assert_eq!(world.send("Console", before).await.status, 401, "{name}");
        assert_eq!(
            world.send("Console", elsewhere).await.status,
            200,
            "another browser is not concerned"
        );
        assert_eq!(browser.open("Console", own).await.status, 200);
        // A wrong password does not end the session.
        browser.open("Console", Request::new("GET", "/sign-in")).await;
        let fields = [("username", name), ("password", "wrong")];
        assert_eq!(
            browser.submit("Generate", Request::new("POST", "/sign-in"), &fields).await.status,
            401
        );
        assert_eq!(
            browser.open("Console", Request::new("GET", "/profile/developer")).await.status,
            200
        );
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_of_this_browser_alone() {
    let world = World::new().await;
    let mut one = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let two = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let (of_one, of_two) = (one.with_cookies(own()), two.with_cookies(own()));
    // A form of the page in one browser has no effect in the other.
    let regenerate = Request::new("POST", "/profile/developer");
    let crossed = two.with_cookies_of(&one.with_form(regenerate, &[("do", "regenerate")]));
    assert_eq!(world.send("Generate", crossed).await.status, 403);
    assert_eq!(one.submit("Revoke", Request::new("POST", "/sign-out"), &[]).await.status, 303);
    assert_eq!((own_page(&world, &of_one).await, own_page(&world, &of_two).await), (401, 200));
    // It has expired by a slow clock, too.
    let sessions = world.store.sessions_of(&"1".parse().unwrap()).await.unwrap();
    assert_eq!(
        sessions.iter().filter(|(_, session)| session.expires_at > session.started_at).count(),
        1
    );
    assert_eq!(world.count_records("1").await, 0);
}

#[tokio::test]
async fn forms_of_one_user_have_no_effect_once_another_has_signed_in() {
    let world = World::new().await;
    let mut browser = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let form =
        browser.with_form(Request::new("POST", "/profile/developer"), &[("do", "regenerate")]);
    let sign_out = browser.with_form(Request::new("POST", "/sign-out"), &[]);
    browser.sign_in_again(&world, "admin", "letmein").await;
    // The form of the old tab, with the earlier cookies and with the current ones.
    assert_eq!(world.send("Generate", form.clone()).await.status, 401);
    assert_eq!(world.send("Generate", browser.with_cookies_of(&form)).await.status, 403);
    assert_eq!(world.send("Revoke", browser.with_cookies_of(&sign_out)).await.status, 403);
    assert_eq!(
        own_page(&world, &browser.with_cookies(own())).await,
        200,
        "the form of another user does not sign out"
    );
    assert_eq!((world.count_records("1").await, world.count_records("2").await), (0, 0));
}

#[tokio::test]
async fn signing_in_again_ends_an_invalidated_session() {
    let world = World::new().await;
    for (number, prune) in (1..).zip([None, Some(Prune::Stream), Some(Prune::Sweep)]) {
        let mut browser = WebClient::signed_in(&world, "my_username", "topsecret").await;
        let stale = browser.with_cookies(own());
        let generation = AttributeValue::N((100 * number).to_string());
        world.set_user("1", "token_generation", Some(generation)).await;
        match prune {
            None => {}
            Some(Prune::Stream) => world.delivery.drain().await.unwrap(),
            Some(Prune::Sweep) => {
                world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
            }
        }
        let elsewhere =
            WebClient::signed_in(&world, "my_username", "topsecret").await.with_cookies(own());
        let response = browser.submit("Revoke", Request::new("POST", "/sign-out"), &[]).await;
        assert_eq!(response.status, 401, "{prune:?}");
        assert_eq!(
            own_page(&world, &elsewhere).await,
            200,
            "{prune:?}: the newer session is not concerned"
        );
        browser.sign_in_again(&world, "my_username", "topsecret").await;
        assert_eq!(own_page(&world, &browser.with_cookies(own())).await, 200, "{prune:?}");
        assert_eq!(own_page(&world, &stale).await, 401, "{prune:?}");
    }
}

#[tokio::test]
async fn the_session_of_a_removed_user_stays_invalid_when_the_id_is_reused() {
    let world = World::new().await;
    for is_pruned in [false, true] {
        let mut browser = WebClient::signed_in(&world, "my_username", "topsecret").await;
        let stale = browser.with_cookies(own());
        let before = world.user_item("1").await;
        world.remove_user("1").await;
        for (what, response) in try_everything(&world, &browser, "1.AAAAAAAAAAAAAAAAAAAAAA").await {
            assert_eq!(response.status, 401, "{what}: {}", response.body);
        }
        if is_pruned {
            world.delivery.drain().await.unwrap();
            assert!(world.store.sessions_of(&"1".parse().unwrap()).await.unwrap().is_empty());
        }
        // Another person gets the ID and the name.
        let mut next = before.clone();
        next.insert(
            "password_hash".to_owned(),
            text(&password::hash("other-secret-7", [9; 16]).unwrap()),
        );
        world.put("Users", next).await;
        assert_eq!(own_page(&world, &stale).await, 401);
        // In the same browser, too.
        browser.sign_in_again(&world, "my_username", "other-secret-7").await;
        assert_eq!(own_page(&world, &browser.with_cookies(own())).await, 200);
        assert_eq!(own_page(&world, &stale).await, 401);
        world.put("Users", before).await;
        world.delivery.drain().await.unwrap();
        assert_eq!(own_page(&world, &stale).await, 401);
    }
}

#[tokio::test]
async fn the_secret_of_a_session_is_valid_for_its_own_user_alone() {
    let world = World::new().await;
    let mine =
        WebClient::signed_in(&world, "my_username", "topsecret").await.cookie("__Secure-hallpass");
    WebClient::signed_in(&world, "admin", "letmein").await;
    let check = async |cookie: &str, status: u16| {
        let request = own().header("Accept", "text/html").header("Cookie", cookie);
        assert_eq!(own_page(&world, &request).await, status, "{cookie}");
    };
    check(&mine, 200).await;
    for id in ["2", "3", "unknown"] {
        check(&mine.replace("=1.", &format!("={id}.")), 401).await;
    }
}
