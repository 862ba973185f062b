//! The clients of hypothesis/h: one opaque `6879-` token per user, created and regenerated on
//! demand, and validators that are chosen by prefix.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, forged},
    basic,
    client::Reply,
    system::{System, members},
    web_client::WebClient,
};
use tokio::task::JoinSet;

mod requests;

const DEVELOPER: &str = "/profile/developer";

/// Creates or regenerates the developer token, with the request of the original's clients.
async fn regenerate(system: &System, authorization: &str) -> Reply {
    let headers = [("Authorization", authorization), ("Accept", "application/json")];
    system.send("POST", "/profile/developer/", &headers, "").await
}

async fn regenerate_in(world: &World, token: &str) -> tests::Response {
    let request = Request::new("POST", DEVELOPER).header("Accept", "application/json");
    world.send("Generate", request.authorization(&bearer(token))).await
}

fn text_of(body: &Value) -> String {
    body["token"].as_str().unwrap().to_owned()
}

/// Returns the number of the user's developer tokens: none or one.
async fn developers(world: &World) -> usize {
    let records = world.store.records_of(&"1".parse().unwrap()).await.unwrap();
    records.iter().filter(|record| record.format == Format::Developer).count()
}

#[tokio::test]
async fn a_developer_token_is_created_and_regenerated_and_the_old_one_is_dead_at_once() {
    let system = System::start(&[]).await;
    let token = system.token_of("my_username", "topsecret").await;
    let list = async || {
        let list = system.ask("GET", "/tokens", &bearer(&token)).await.body_of(200);
        let list = list["tokens"].as_array().unwrap().clone();
        list.into_iter().filter(|one| one["format"] == "developer").collect::<Vec<_>>()
    };
    assert_eq!(list().await, Vec::<Value>::new(), "none at first");
    let first = regenerate(&system, &bearer(&token)).await.body_of(201);
    assert_eq!(members(&first), ["id", "token"]);
    let developer = text_of(&first);
    let (prefix, opaque) = developer.split_at(5);
    assert_eq!((prefix, opaque.len()), ("6879-", 43));
    assert!(
        opaque.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "{opaque}"
    );
    for authorization in [
        bearer(&text_of(&first)),
        format!("Token {}", text_of(&first)),
        basic(&text_of(&first), ""),
    ] {
        let user = system.ask("GET", "/api/user/1", &authorization).await.body_of(200);
        assert_eq!(user["name"], "my_username");
    }

    // With another token, then with the developer token itself.
    let second = regenerate(&system, &bearer(&token)).await.body_of(201);
    assert_eq!(
        (system.verdict(&text_of(&first)).await, system.verdict(&text_of(&second)).await),
        ("replaced".to_owned(), "allow".to_owned())
    );
    let third = regenerate(&system, &bearer(&text_of(&second))).await.body_of(201);
    assert_eq!(system.verdict(&text_of(&second)).await, "replaced");
    assert_eq!(
        regenerate(&system, &bearer(&text_of(&second))).await.body_of(401)["reason"],
        "replaced"
    );
    let [one] = list().await.try_into().unwrap();
    let latest = system.now().after(Duration::from_secs(366 * 86_400)).to_string();
    assert_eq!(
        (&one["id"], &one["expires_at"], &one["state"]),
        (&third["id"], &json!(latest), &json!("live"))
    );
    system.advance(366 * 86_400 - 1);
    assert_eq!(system.verdict(&text_of(&third)).await, "allow");
    system.advance(1);
    assert_eq!(
        system.verdict(&text_of(&third)).await,
        "expired",
        "the log-in behind it is too old"
    );
    system.stop().await;
}

#[tokio::test]
async fn only_a_live_token_creates_a_developer_token() {
    let system = System::start(&[]).await;
    let token = system.token_of("my_username", "topsecret").await;
    let first = regenerate(&system, &bearer(&token)).await.body_of(201);
    assert_eq!(
        regenerate(&system, &basic("my_username", "topsecret")).await.body_of(401)["detail"],
        "Invalid credentials."
    );
    assert_eq!(
        regenerate(&system, &bearer(&forged(&text_of(&first)))).await.body_of(401)["reason"],
        "malformed"
    );
    let cookie = system.send("POST", DEVELOPER, &[("Cookie", "session=1")], "").await;
    assert_eq!(cookie.body_of(403)["detail"], "The user is not permitted to do this");
    assert_eq!(
        system.send("POST", DEVELOPER, &[], "").await.body_of(401)["detail"],
        "An access token is required"
    );
    system.ask("DELETE", "/tokens/current", &bearer(&token)).await.body_of(200);
    assert_eq!(regenerate(&system, &bearer(&token)).await.body_of(401)["reason"], "revoked");
    assert_eq!(
        system.verdict(&text_of(&first)).await,
        "allow",
        "none of the requests regenerated it"
    );
    system.ask("DELETE", "/tokens/current", &bearer(&text_of(&first))).await.body_of(200);
    assert_eq!(system.verdict(&text_of(&first)).await, "revoked");
    assert_eq!(
        regenerate(&system, &bearer(&text_of(&first))).await.body_of(401)["reason"],
        "revoked"
    );
    // A revoked token makes room for the next.
    let token = system.token_of("my_username", "topsecret").await;
    let next = regenerate(&system, &bearer(&token)).await.body_of(201);
    assert_eq!(system.verdict(&text_of(&next)).await, "allow");
    let put = system.ask("PUT", DEVELOPER, &bearer(&token)).await;
    put.body_of(405);
    assert!(put.header("allow").contains("POST"), "{}", put.header("allow"));
    system.stop().await;
}

#[tokio::test]
async fn a_developer_token_has_the_permissions_of_its_issuer() {
    let world = World::new().await;
    let admin = world.token_of("admin", "letmein").await;
    let narrow = world.created(&admin, &json!({"name": "narrow", "scopes": ["ROLE_USER"]})).await;
    let scope = async |token: &str| {
        let body = regenerate_in(&world, token).await.json();
        let shown = Request::new("GET", "/tokens/{id}").parameter("id", "current");
        world.send("Console", shown.authorization(&bearer(&text_of(&body)))).await.json()["scopes"]
            .clone()
    };
    assert_eq!(scope(narrow["token"].as_str().unwrap()).await, json!(["ROLE_USER"]));
    assert_eq!(scope(&admin).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_concurrent_regenerations_one_token_survives_and_losers_get_none() {
    let system = Arc::new(System::start(&[]).await);
    let token = system.token_of("my_username", "topsecret").await;
    let at_once = async |token: &str| {
        let mut regenerates = JoinSet::new();
        for _ in 0..20 {
            let (system, token) = (Arc::clone(&system), bearer(token));
            regenerates.spawn(async move { regenerate(&system, &token).await });
        }
        let mut living = Vec::new();
        for reply in regenerates.join_all().await {
            if reply.status == 201 {
                let text = text_of(&reply.json());
                if system.verdict(&text).await == "allow" {
                    living.push(text);
                }
            } else {
                assert!(!reply.body.contains("6879-"), "{}", reply.body);
                assert!(matches!(reply.status, 401 | 409), "{}", reply.body);
                let problem = reply.body_of(reply.status);
                let conflict = "Another request created the developer token at the same time";
                assert!(reply.status == 401 || problem["detail"] == conflict, "{}", reply.body);
            }
        }
        let [living] = living.try_into().unwrap();
        living
    };
    // First without a developer token, then with one, then authenticated by the token itself, which
    // is replaced by the first winner.
    let first = at_once(&token).await;
    let second = at_once(&token).await;
    assert_eq!(system.verdict(&first).await, "replaced");
    at_once(&second).await;
    assert_eq!(system.verdict(&second).await, "replaced");
}

#[tokio::test]
async fn a_developer_token_with_an_expiry_is_reported_as_expired_for_the_retention() {
    let world = World::with(&[("HALLPASS_DEVELOPER_LIFETIME", "90d")]).await;
    let token = world.token().await;
    let developer = text_of(&regenerate_in(&world, &token).await.json());
    world.advance(90 * 86_400 - 1);
    assert_eq!(world.verdict(&bearer(&developer)).await, "allow");
    world.advance(1);
    assert_eq!(world.verdict(&bearer(&developer)).await, "expired");
    world.advance(86_399);
    assert_eq!(world.verdict(&bearer(&developer)).await, "expired");
    world.advance(1);
    world.invoke("Prune", json!({"sweep": true})).await.unwrap();
    assert_eq!(world.verdict(&bearer(&developer)).await, "unknown");
    assert_eq!(developers(&world).await, 0);
}

#[tokio::test]
async fn a_developer_token_is_revoked_with_its_family() {
    let world = World::with(&[("HALLPASS_MAX_AUTHENTICATION_AGE", "40d")]).await;
    let token = world.token().await;
    world.advance(86_400);
    let developer = text_of(&regenerate_in(&world, &token).await.json());
    world.advance(39 * 86_400 - 1);
    assert_eq!(world.verdict(&bearer(&developer)).await, "allow");
    world.advance(1);
    assert_eq!(world.verdict(&bearer(&developer)).await, "expired");
    let began_at = world.now().before(Duration::from_secs(40 * 86_400));
    let old = world
        .create_token_with(Format::Developer, "2", 9, |record| record.authenticated_at = began_at)
        .await;
    assert_eq!(regenerate_in(&world, &old.text).await.problem(401)["reason"], "expired");
}

#[tokio::test]
async fn a_narrow_token_regenerates_only_a_developer_token_that_it_manages() {
    let world = World::with(&[("HALLPASS_TOKENS_PERMISSION", "manage-tokens")]).await;
    let names = ["a", "tokens", "manage-tokens"].map(str::to_owned).to_vec();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(names))).await;
    let whole = world.token().await;
    let narrow = async |scopes: Value| {
        let token = world.created(&whole, &json!({"name": "narrow", "scopes": scopes})).await;
        token["token"].as_str().unwrap().to_owned()
    };
    let (reader, other, manager) = (
        narrow(json!(["a", "tokens"])).await,
        narrow(json!(["a"])).await,
        narrow(json!(["manage-tokens"])).await,
    );
    let check = async |token: &str, old: &str, is_permitted: bool| {
        let response = regenerate_in(&world, token).await;
        if is_permitted {
            assert_eq!(response.status, 201, "{}", response.body);
            assert_eq!(world.verdict(&bearer(old)).await, "replaced");
            return text_of(&response.json());
        }
        assert_eq!(response.problem(403)["error"], "insufficient_scope");
        assert_eq!(world.verdict(&bearer(old)).await, "allow");
        old.to_owned()
    };
    let broad = text_of(&regenerate_in(&world, &whole).await.json());
    let broad = check(&reader, &broad, false).await;
    // With the permission, then a developer token that it created itself, then a developer token by
    // itself.
    let developer = check(&manager, &broad, true).await;
    let developer = check(&developer, &developer, true).await;
    let developer = check(&other, &developer, false).await;
    let developer = check(&whole, &developer, true).await;
    assert_eq!(world.revoke(&developer).await.status, 200);
    // A dead developer token has no owner to consider; one that the narrow token created is that
    // token's to regenerate.
    let developer = text_of(&regenerate_in(&world, &other).await.json());
    let developer = check(&other, &developer, true).await;
    check(&reader, &developer, false).await;
}

#[tokio::test]
async fn a_regenerated_token_states_from_when_the_old_one_is_rejected_everywhere() {
    let world = World::with(&[("HALLPASS_AUTHORIZER_CACHE_TTL", "300")]).await;
    let token = world.token().await;
    let create = async || {
        let request = Request::new("POST", "/profile/developer").authorization(&bearer(&token));
        let response = world.send("Generate", request).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.header("hallpass-effective-at").to_owned()
    };
    assert_eq!(create().await, "", "it replaces none");
    assert_eq!(create().await, world.now().after(Duration::from_secs(300)).to_string());
    let mut web_client = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let form = Request::new("POST", "/profile/developer");
    web_client.open("Console", Request::new("GET", "/profile/developer")).await;
    let page = web_client.submit("Generate", form, &[("do", "regenerate")]).await;
    assert_eq!(page.status, 201, "{}", page.body);
    let at = world.now().after(Duration::from_secs(300)).to_string();
    assert!(
        page.body.contains(&format!("accepts the old one until {at} at the latest")),
        "{}",
        page.body
    );
}
