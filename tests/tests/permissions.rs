//! The requests of each function to DynamoDB are exactly what `template.yaml` permits: on AWS any
//! other would fail.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Timestamp};
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
    basic,
    tables::TestToken,
    web_client::WebClient,
};

mod comparison;

use comparison::{check, check_addition};

#[tokio::test]
async fn the_authorizer_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[]).await;
    let old = world.create_token(Format::Signed, "1", 1).await;
    let hash = old.record.id.hash;
    let new = world
        .create_token_with(Format::Signed, "1", 2, |record| record.replaces = Some(hash))
        .await;
    assert_eq!(world.verdict(&bearer(&new.text)).await, "allow");
    assert_eq!(world.verdict(&bearer(&old.text)).await, "replaced");
    // The replaced token has already expired, so only the use is recorded.
    let again = world
        .create_token_with(Format::Developer, "1", 3, |record| record.replaces = Some(hash))
        .await;
    assert_eq!(world.verdict(&bearer(&again.text)).await, "allow");
    check(&world, &tap, "VerifyAuthorizer").await;
}

#[tokio::test]
async fn prune_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[]).await;
    let mut tokens = Vec::new();
    for (seed, format) in (1..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        tokens.push(world.create_token(format, "1", seed).await);
    }
    world.set_user("1", "username", Some(text("renamed"))).await;
    world.delivery.drain().await.unwrap();
    // A token past its retention, one whose stream record is lost, a pointer without its token, one
    // with it, and so much that the sweep has to save its position.
    world.advance(2 * 86_400);
    world.create_token(Format::Developer, "2", 11).await;
    let big = world.create_token(Format::Signed, "2", 12).await;
    for seed in 13..18 {
        let token = world.create_token(Format::Signed, "2", seed).await;
        world.set_record(&token.record, "description", Some(text(&"x".repeat(300_000)))).await;
    }
    world.set_record(&big.record, "purge_at", Some(AttributeValue::N("1".to_owned()))).await;
    // A token about whose end a notice is due.
    let ending = |record: &mut hallpass_token::Record| {
        record.expires_at = Some(world.now().after(Duration::from_secs(2 * 86_400)));
        record.issued_at = Timestamp::from_unix(1).unwrap();
    };
    world.create_token_with(Format::Developer, "3", 19, ending).await;
    let stale = world.unwritten(Format::Developer, "4", 20).await;
    let pointer = [
        ("user_id", format!("developer#{}", stale.record.id.hash)),
        ("token", "pointer".to_owned()),
        ("owner", "4".to_owned()),
    ];
    world.put("Tokens", pointer.map(|(name, value)| (name.to_owned(), text(&value))).into()).await;
    // The marker of a name that its user no longer has.
    let marker = [("user_id", "name#before"), ("token", "name"), ("owner", "4")];
    world.put("Tokens", marker.map(|(name, value)| (name.to_owned(), text(value))).into()).await;
    world.set_user("2", "username", Some(text("renamed"))).await;
    let swept = world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
    for part in ["invalidated", "dropped", "purged", "notified"] {
        assert!(swept[part] != 0, "{swept}");
    }
    check(&world, &tap, "Prune").await;
}

#[tokio::test]
async fn notify_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let key = json!({"user_id": {"S": "1"}, "token": {"S": *token.record.id.hash.text()}});
    let request = json!({"TableName": world.table("Tokens"), "Key": key});
    let before = world.call("GetItem", &request).await.unwrap()["Item"].take();
    let mut after = before.clone();
    after["last_used_at"] = json!({"N": world.now().unix().to_string()});
    tap.seen();
    let images = json!({"SequenceNumber": "1", "OldImage": before, "NewImage": after});
    let record = json!({"eventName": "MODIFY", "dynamodb": images});
    let response = world.invoke("Notify", json!({"Records": [record]})).await.unwrap();
    assert_eq!(response["batchItemFailures"], json!([]), "{response}");
    check(&world, &tap, "Notify").await;
}

#[tokio::test]
async fn notify_ends_the_family_of_a_replaced_token_as_the_template_permits() {
    let (world, tap) = World::tapped(&[("HALLPASS_ON_REUSE", "revoke_family")]).await;
    let stolen = world.token_of("admin", "letmein").await;
    let issued = world.created(&stolen, &json!({"name": "a", "user_id": "1"})).await;
    let issued = issued["token"].as_str().unwrap();
    let developer = Request::new("POST", "/profile/developer").authorization(&bearer(&stolen));
    assert_eq!(world.send("Generate", developer).await.status, 201);
    let rotate = Request::new("POST", "/tokens/{id}/rotate").parameter("id", "current");
    let rotated = world.send("Generate", rotate.authorization(&bearer(&stolen))).await.json();
    let rotated = rotated["token"].as_str().unwrap();
    assert_eq!(world.verdict(&bearer(rotated)).await, "allow");
    let records = world.store.records_of(&"2".parse().unwrap()).await.unwrap();
    let replaced = records.iter().find(|record| record.replaced_by.is_some()).unwrap().id;
    let key = json!({"user_id": {"S": "2"}, "token": {"S": *replaced.hash.text()}});
    let request = json!({"TableName": world.table("Tokens"), "Key": key});
    let image = async || world.call("GetItem", &request).await.unwrap()["Item"].take();
    let before = image().await;
    assert_eq!(world.verdict(&bearer(&stolen)).await, "replaced");
    let images = json!({"SequenceNumber": "1", "OldImage": before, "NewImage": image().await});
    let record = json!({"eventName": "MODIFY", "dynamodb": images});
    tap.seen();
    let response = world.invoke("Notify", json!({"Records": [record]})).await.unwrap();
    assert_eq!(response["batchItemFailures"], json!([]), "{response}");
    let seen = tap.seen();
    for token in [rotated, issued] {
        assert_eq!(world.verdict(&bearer(token)).await, "revoked");
    }
    check_addition("Notify", ("OnReuse", "revoke_family"), &seen);
}

/// The page to which portal sessions lead back.
const BACK: (&str, &str) = ("HALLPASS_PORTAL_RETURN_TO", "https://app.example.com/");

/// Adds a user and changes users with every form of the administrator.
async fn administer(world: &World, admin: &mut WebClient<'_>) {
    let new = [
        ("username", "ada"),
        ("full_name", "Ada"),
        ("kind", "person"),
        ("password", "apasswordofada"),
        ("permissions", "a"),
    ];
    let request = Request::new("POST", "/admin/users/new");
    let added = admin.submit("Generate", request, &new).await;
    let place = added.header("location").to_owned();
    let id = place.split_once('?').unwrap().0.rsplit('/').next().unwrap().to_owned();
    // A user whose item has no room for a generation.
    let mut item = world.user_item("4").await;
    item.remove("token_generation");
    world.fill_user(item).await;
    world.create_token(Format::Developer, "4", 31).await;
    for (id, form) in [
        (id.as_str(), [("do", "rename"), ("username", "bea")]),
        (&id, [("do", "full-name"), ("full_name", "Bea")]),
        (&id, [("do", "password"), ("password", "apasswordofbea")]),
        (&id, [("do", "grant"), ("permission", "b")]),
        (&id, [("do", "deny"), ("permission", "a")]),
        ("4", [("do", "rename"), ("username", "bot")]),
    ] {
        let request =
            Request::new("POST", "/admin/users/{user_id}/profile").parameter("user_id", id);
        let response = admin.submit("Generate", request, &form).await;
        assert_eq!(response.status, 303, "{form:?} {}", response.body);
    }
}

/// Sends both requests of the implicit flow.
async fn decide_implicitly(world: &World, login: &str) {
    let begin = Request::new("GET", "/rs/authorize-implicit")
        .query("client_id", "app")
        .query("response_type", "token");
    let reply = world.send("Generate", begin.authorization(login)).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap();
    let decide = Request::new("GET", "/rs/authorize-implicit/decision").query("client_id", "app");
    let authenticity = text_in(&reply.json(), "authenticityToken");
    let decide =
        decide.query("oauthDecision", "allow").query("session_authenticity_token", &authenticity);
    send(world, "Generate", decide.header("Cookie", cookie)).await;
}

/// Sends a request that must succeed.
async fn send(world: &World, function: &str, request: Request) -> Value {
    let response = world.send(function, request).await;
    assert!((200..400).contains(&response.status), "{}", response.body);
    serde_json::from_str(&response.body).unwrap_or_default()
}

fn text_in(response: &Value, member: &str) -> String {
    response[member].as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
}

/// Offers a token and a portal session to the user 1.
async fn offer(world: &World, admin: &str) {
    let offer = json!({
        "name": "a", "description": "b", "scopes": ["ROLE_USER"], "user_id": "1", "claim": true,
    });
    assert_eq!(world.create(&bearer(admin), &offer).await.status, 202);
    let asking = Request::new("POST", "/portal/sessions").header("Host", "api.example.com");
    let portal = json!({"user_id": "1", "return_to": BACK.1});
    send(world, "Generate", asking.authorization(&bearer(admin)).json(&portal)).await;
}

#[tokio::test]
async fn generate_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[("HALLPASS_MAX_TOKENS", "4"), BACK]).await;
    world.set_user("1", "token_generation", Some(AttributeValue::N("7".to_owned()))).await;
    let permissions = ["ROLE_USER", "ROLE_ADMIN"].map(str::to_owned).to_vec();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(permissions))).await;
    let mut web_client = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let caller = world.create_token(Format::Signed, "2", 30).await.text;
    let portal = json!({"user_id": "1", "return_to": BACK.1});
    let (waiting, secret) = WebClient::at_portal(&world, &caller, &portal).await;
    let mut in_portal = WebClient::from_portal(&world, &caller, &portal).await;
    // The pages with the forms made requests of the console.
    tap.seen();
    let login = basic("my_username", "topsecret");
    assert_eq!(world.generate(&basic("my_username", "wrong")).await.status, 401);
    let (token, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let body = json!({"name": "a", "description": "b", "scopes": ["ROLE_USER"], "format": "jwt"});
    let narrow = world.created(&token, &body).await;
    // Two families stand behind what the scoped token issues.
    world.created(&text_in(&narrow, "token"), &json!({"name": "c"})).await;
    let named = world.created(&token, &json!({"name": "a"})).await;
    let body = json!({
        "name": "of Rarog", "expiration": "2027-01-16T08:00:00.000Z", "authorities": ["ROLE_USER"],
    });
    let rarog = Request::new("POST", "/rest/pat/1.0/token/user/create").json(&body);
    send(&world, "Generate", rarog.authorization(&login)).await;
    assert_eq!(world.create(&bearer(&token), &json!({"name": "one too many"})).await.status, 409);
    world.created(&admin, &json!({"name": "for another", "user_id": "3"})).await;
    offer(&world, &admin).await;

    let with_token =
        |method: &str, route: &str| Request::new(method, route).authorization(&bearer(&token));
    let rotate = with_token("POST", "/tokens/{id}/rotate").parameter("id", &text_in(&named, "id"));
    let rotated = send(&world, "Generate", rotate).await;
    world.generate(&bearer(&text_in(&rotated, "token"))).await;
    assert_eq!(world.generate(&bearer(&text_in(&named, "token"))).await.status, 401);
    // The second replaces the first, and the third regenerates itself.
    let mut regenerating = token.clone();
    for number in 0..3 {
        let regenerate =
            Request::new("POST", "/profile/developer").authorization(&bearer(&regenerating));
        let developer =
            send(&world, "Generate", regenerate.header("Accept", "application/json")).await;
        let developer = text_in(&developer, "token");
        assert_eq!(world.generate(&bearer(&developer)).await.status, 200);
        regenerating = if number == 0 { token.clone() } else { developer };
    }
    send(&world, "Generate", Request::new("GET", "/rs/authorise").authorization(&login)).await;

    decide_implicitly(&world, &login).await;
    let form = [("do", "make"), ("name", "of the page"), ("limit", "all")];
    let own = || Request::new("POST", "/profile/developer");
    let response = web_client.submit("Generate", own(), &form).await;
    assert!([201, 409].contains(&response.status), "{response:?}");
    // A rejected form of the list shows the list.
    let rotate = [("do", "rotate"), ("id", "1.AAAAAAAAAAAAAAAAAAAAAA")];
    let response = web_client.submit("Generate", own(), &rotate).await;
    assert_eq!(response.status, 404, "{response:?}");
    administer(&world, &mut web_client).await;
    let form = waiting.portal_form(&secret);
    assert_eq!(world.send("Generate", form).await.status, 303);
    let form = [("do", "make"), ("name", "a"), ("limit", "some"), ("scope", "ROLE_USER")];
    let response = in_portal.submit("Generate", own(), &form).await;
    assert!([201, 409].contains(&response.status), "{response:?}");
    check(&world, &tap, "Generate").await;
}

#[tokio::test]
async fn the_console_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[BACK]).await;
    let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
    // Signing in made requests of generate.
    tap.seen();
    let (token, admin) = (
        world.create_token(Format::Signed, "1", 1).await,
        world.create_token(Format::Signed, "2", 2).await,
    );
    let developer = world.create_token(Format::Developer, "1", 3).await;
    // The first use of a rotated token's successor replaces it, here as on any other route.
    let rotated = world
        .create_token_with(Format::Signed, "1", 4, |record| {
            record.replaces = Some(token.record.id.hash);
        })
        .await;
    assert_eq!(world.list(&rotated.text, &[]).await.status, 200);
    assert_eq!(world.list(&token.text, &[]).await.status, 401);
    let token = rotated;
    for (token, query) in [(&token, None), (&developer, None), (&admin, Some(("user_id", "1")))] {
        assert_eq!(world.list(&token.text, query.as_slice()).await.status, 200);
    }
    let with_token =
        |method: &str, route: &str| Request::new(method, route).authorization(&bearer(&token.text));
    for token in [&token, &developer] {
        let id = token.record.id.to_string();
        send(&world, "Console", with_token("GET", "/tokens/{id}").parameter("id", &id)).await;
        let introspect =
            with_token("POST", "/oauth/introspect").body(&format!("token={}", token.text));
        let introspect = introspect.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(send(&world, "Console", introspect).await["active"], true);
    }
    let explain = |body: Value| with_token("POST", "/explain").json(&body);
    for body in [json!({"token": developer.text}), json!({"token_id": "current"})] {
        assert_eq!(send(&world, "Console", explain(body)).await["verdict"], "accepted");
    }
    send(&world, "Console", with_token("GET", "/rest/pat/1.0/token")).await;
    let context = json!({
        "user_id": "1", "scopes": r#"["ROLE_USER"]"#, "name": "my_username", "token_id": "1.a",
    });
    let user =
        Request::new("GET", "/api/user/{id}").parameter("id", "1").authorized_as(context.clone());
    send(&world, "Console", user).await;
    send(&world, "Console", Request::new("GET", "/rs/profile").authorized_as(context)).await;
    let users = Request::new("GET", "/admin/users").query("name", "my_username");
    let tokens = Request::new("GET", "/admin/tokens");
    for page in
        [users, tokens, Request::new("GET", "/admin/users/{user_id}").parameter("user_id", "1")]
    {
        let response = web_client.open("Console", page.clone()).await;
        assert_eq!(response.status, 200, "{response:?}");
    }
    check(&world, &tap, "Console").await;
}

#[tokio::test]
async fn revoke_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[]).await;
    let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
    // A user whose item has no room for a generation, with a session.
    let mut item = world.user_item("1").await;
    item.remove("token_generation");
    world.fill_user(item).await;
    WebClient::signed_in(&world, "my_username", "topsecret").await;
    // Signing in called generate.
    tap.seen();
    let before = world.create_token(Format::Signed, "2", 11).await;
    let admin = |record: &mut hallpass_token::Record| record.replaces = Some(before.record.id.hash);
    let admin = world.create_token_with(Format::Signed, "2", 1, admin).await;
    let with = |token: &TestToken, method: &str, route: &str| {
        Request::new(method, route).authorization(&bearer(&token.text))
    };
    for (seed, format) in (2..).zip([Format::Signed, Format::Developer]) {
        let token = world.create_token(format, "1", seed).await;
        let id = token.record.id.to_string();
        for disabled in [true, false] {
            let switch = with(&admin, "PATCH", "/tokens/{id}").parameter("id", &id);
            send(&world, "Revoke", switch.json(&json!({"disabled": disabled}))).await;
        }
        let family = with(&token, "DELETE", "/tokens/{id}")
            .parameter("id", "current")
            .query("family", "true");
        send(&world, "Revoke", family).await;
        let descendants = with(&admin, "DELETE", "/tokens/{id}")
            .parameter("id", &id)
            .query("descendants", "true");
        send(&world, "Revoke", descendants).await;
        assert_eq!(world.revoke(&token.text).await.status, 200);
    }
    assert_eq!(world.delete(&before.text, "current").await.status, 401);
    let token = world.create_token(Format::Signed, "1", 9).await;
    assert_eq!(world.delete(&token.text, "current").await.status, 200);
    let all = with(&admin, "DELETE", "/users/{user_id}/tokens").parameter("user_id", "3");
    send(&world, "Revoke", all).await;
    let access = Request::new("POST", "/admin/users/{user_id}/access").parameter("user_id", "3");
    assert_eq!(web_client.submit("Revoke", access, &[("do", "block")]).await.status, 303);
    world.create_token(Format::Signed, "1", 12).await;
    let all = with(&admin, "DELETE", "/users/{user_id}/tokens").parameter("user_id", "1");
    send(&world, "Revoke", all).await;
    assert_eq!(
        web_client.submit("Revoke", Request::new("POST", "/sign-out"), &[]).await.status,
        303
    );
    check(&world, &tap, "Revoke").await;
}
