//! The whole stack over HTTPS, as `hallpass dev` starts it and a client sees it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_dev::{Dev, Options};
use hallpass_store::{changes::Change, management::Renamed};
use hallpass_token::{Timestamp, UserId};
use serde_json::json;
use tempfile::TempDir;
use tests::{
    api::{bearer, forged, text},
    basic,
    capability::{self, Capability},
    client::{Client, Reply},
};

mod starts;

/// A stack with its own data directory, and a client that trusts it.
struct Running {
    data: TempDir,
    dev: Dev,
    client: Client,
}

fn options(data: &Path) -> Options {
    Options {
        data: data.to_owned(),
        port: 0,
        fresh: false,
        prune: false,
        authorizer_cache: None,
        application: None,
        access_log: None,
        base_path: String::new(),
        settings: BTreeMap::new(),
        keys: None,
        clock: Arc::new(hallpass_runtime::clock::now),
    }
}

async fn running(data: TempDir, adjust: impl FnOnce(&mut Options)) -> Running {
    // The restarts, files and deliveries of a development stack are those of its own engine, on
    // whichever engine the other tests run.
    capability::lacks(Capability::DevStack, "on the embedded engine instead").await;
    let mut options = options(data.path());
    adjust(&mut options);
    let dev = hallpass_dev::start(options).await.unwrap();
    let client = Client::of(data.path(), &dev.url);
    Running { data, dev, client }
}

async fn fresh() -> Running {
    running(TempDir::new().unwrap(), |_| {}).await
}

impl Running {
    async fn token(&self) -> String {
        let reply = self
            .client
            .ask("POST", "/api/services_token/generate", &basic("my_username", "topsecret"))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    async fn show(&self, authorization: &str) -> Reply {
        self.client.ask("GET", "/api/user/1", authorization).await
    }

    async fn change(&self, change: Change) {
        let id: UserId = "1".parse().unwrap();
        self.dev
            .store()
            .unwrap()
            .change_user(&id, &change, Some(tests::invalidate(7)), &tests::CAUSE)
            .await
            .unwrap();
    }

    async fn rename(&self, name: &str) {
        let renamed = self
            .dev
            .store()
            .unwrap()
            .rename_user(&"1".parse().unwrap(), name, Some(tests::invalidate(7)), &tests::CAUSE)
            .await;
        assert_eq!(renamed.unwrap(), Renamed::Now);
    }

    /// Writes to the users table, as an application does.
    async fn write(&self, attribute: &str, value: AttributeValue) {
        let dynamodb =
            hallpass_service::service::connection(&self.dev.stack.lookup()).unwrap().dynamodb();
        let call = dynamodb
            .update_item()
            .table_name("Users")
            .key("user_id", text("1"))
            .update_expression("SET #a = :a");
        let call = call
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":a", value);
        call.send().await.unwrap();
    }
}

/// Checks for a rejection by the gateway itself: the reason is in both headers and in a JSON body.
fn rejected(reply: &Reply, reason: &str, description: &str) {
    let challenge = format!(
        r#"Bearer realm="hallpass", error="invalid_token", error_description="{description}""#
    );
    let both = tests::with_basic(&challenge, true);
    assert_eq!(
        (reply.status, reply.header("www-authenticate")),
        (401, both.as_str()),
        "{}",
        reply.body
    );
    assert_eq!(reply.header("x-www-authenticate"), challenge);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.header("cache-control"), "no-store");
    let expected = json!({
        "type": "about:blank", "title": "Unauthorized", "status": 401, "detail": description,
        "reason": reason,
    });
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn the_transcript_of_services_token_works() {
    let stack = fresh().await;
    let generate = "/api/services_token/generate";
    let reply = stack.client.ask("POST", generate, &basic("my_username", "topsecret")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.header("cache-control"), "no-store");
    let generated = reply.json();
    let (expires, token) =
        (generated["expires"].as_str().unwrap(), generated["token"].as_str().unwrap());
    assert_eq!(reply.body, format!(r#"{{"expires":"{expires}","token":"{token}"}}"#));
    assert!(
        expires.len() == 24 && expires.ends_with("+0000") && token.starts_with("1."),
        "{expires}"
    );

    for authorization in
        [basic(token, ""), bearer(token), format!("Token {token}"), token.to_owned()]
    {
        let reply = stack.show(&authorization).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(reply.body.starts_with(r#"{"uid":"1","name":"my_username","#), "{}", reply.body);
    }
    let again = stack.client.ask("POST", generate, &basic(token, "")).await.json();
    assert_ne!(again["token"], generated["token"]);
    assert_eq!(stack.show(&bearer(again["token"].as_str().unwrap())).await.status, 200);
    assert_eq!(stack.show(&bearer(token)).await.status, 200);
    stack.dev.stop().await;
}

#[tokio::test]
async fn a_rejection_of_the_gateway_names_its_reason() {
    let stack = fresh().await;
    let (token, other) = (stack.token().await, stack.token().await);
    for bad in [bearer("nonsense"), bearer(&forged(&token)), ".".repeat(5_000)] {
        rejected(&stack.show(&bad).await, "malformed", "The access token is not valid");
    }
    let password = stack.show(&basic("my_username", "topsecret")).await;
    assert_eq!(
        (password.status, password.header("x-www-authenticate")),
        (401, r#"Bearer realm="hallpass""#)
    );
    assert_eq!(password.json()["detail"], "Invalid credentials.");
    let twice = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
    rejected(
        &stack.client.send("GET", "/api/user/1", &twice).await,
        "malformed",
        "The access token is not valid",
    );
    let reply = stack.client.ask("DELETE", "/tokens/current", &bearer(&token)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    rejected(&stack.show(&bearer(&token)).await, "revoked", "The access token was revoked");
    assert_eq!(stack.show(&bearer(&other)).await.status, 200);
    stack.dev.stop().await;
}

#[tokio::test]
async fn a_change_of_the_user_counts_at_the_very_next_request_and_stays() {
    let stack = fresh().await;
    let name = "The name of the user changed since the access token was issued";
    let password = "The password of the user changed since the access token was issued";
    let hash = hallpass_password::password::hash("another", [3; 16]).unwrap();
    let token = stack.token().await;
    assert_eq!(stack.show(&bearer(&token)).await.status, 200);
    stack.change(Change::Password(hash)).await;
    rejected(&stack.show(&bearer(&token)).await, "user_changed", password);
    // A password has a different hash every time.
    stack
        .change(Change::Password(hallpass_password::password::hash("topsecret", [7; 16]).unwrap()))
        .await;
    rejected(&stack.show(&bearer(&token)).await, "user_changed", password);
    let token = stack.token().await;
    stack.rename("renamed").await;
    rejected(&stack.show(&bearer(&token)).await, "user_changed", name);
    // A raised `token_generation` is the only trace of a name.
    stack.rename("my_username").await;
    rejected(&stack.show(&bearer(&token)).await, "revoked", "The access token was revoked");
    let token = stack.token().await;
    stack.change(Change::Block).await;
    rejected(
        &stack.show(&bearer(&token)).await,
        "user_blocked",
        "The user of the access token is blocked",
    );
    stack.change(Change::Unblock).await;
    rejected(&stack.show(&bearer(&token)).await, "revoked", "The access token was revoked");

    let token = stack.token().await;
    stack.write("username", text("straight")).await;
    rejected(&stack.show(&bearer(&token)).await, "user_changed", name);
    stack.dev.delivery.drain().await.unwrap();
    stack.write("username", text("my_username")).await;
    let undone = "The user changed since the access token was issued";
    rejected(&stack.show(&bearer(&token)).await, "user_changed", undone);

    let token = stack.token().await;
    stack.dev.store().unwrap().remove_user(&"1".parse().unwrap(), &tests::CAUSE).await.unwrap();
    rejected(
        &stack.show(&bearer(&token)).await,
        "user_removed",
        "The user of the access token was removed",
    );
    stack.dev.stop().await;
}

#[tokio::test]
async fn a_request_without_credentials_gets_a_challenge() {
    let stack = fresh().await;
    for headers in [&[][..], &[("Authorization", "")], &[("X-Authorization", "Bearer a")]] {
        let reply = stack.client.send("GET", "/api/user/1", headers).await;
        assert_eq!(
            (reply.status, reply.header("www-authenticate")),
            (401, r#"Bearer realm="hallpass", Basic realm="hallpass", charset="UTF-8""#)
        );
        assert_eq!(reply.header("x-www-authenticate"), r#"Bearer realm="hallpass""#);
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let problem = reply.json();
        assert_eq!(
            (&problem["status"], &problem["detail"]),
            (&json!(401), &json!("An access token is required"))
        );
    }
    stack.dev.stop().await;
}

#[tokio::test]
async fn a_challenge_of_a_function_arrives_under_two_other_names() {
    let stack = fresh().await;
    let reply = stack
        .client
        .ask("POST", "/api/services_token/generate", &basic("my_username", "wrong"))
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["detail"], "Invalid credentials.");
    assert_eq!(reply.header("www-authenticate"), "", "API Gateway renames it");
    let challenge = reply.header("x-www-authenticate");
    assert!(challenge.starts_with(r#"Bearer realm="hallpass""#), "{challenge}");
    assert_eq!(
        reply.header("x-amzn-remapped-www-authenticate"),
        tests::with_basic(challenge, true)
    );
    stack.dev.stop().await;
}

#[tokio::test]
async fn functions_respond_to_unknown_routes() {
    let stack = fresh().await;
    let check = async |method: &str, path: &str, status: u16, allow: &str| {
        let reply = stack.client.send(method, path, &[]).await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (status, allow),
            "{method} {path} {}",
            reply.body
        );
        assert!(
            status == 200 || reply.header("content-type") == "application/problem+json",
            "{method} {path}"
        );
        if method != "HEAD" {
            assert!(reply.json().is_object());
        }
    };
    check("GET", "/healthz", 200, "").await;
    check("HEAD", "/healthz", 200, "").await;
    check("PUT", "/healthz", 405, "GET, HEAD").await;
    check("DELETE", "/", 405, "GET, HEAD").await;
    check("GET", "/no/such/thing", 404, "").await;
    check("POST", "/api", 404, "").await;
    check("GET", "/api/services_token/generate", 405, "POST").await;
    check("PUT", "/tokens", 405, "GET, HEAD, POST").await;
    check("GET", "/oauth/revoke", 405, "POST").await;
    check("POST", "/api/user/1", 405, "GET, HEAD").await;
    check("GET", "/users/1/tokens", 405, "DELETE").await;
    check("POST", "/tokens", 401, "").await;
    stack.dev.stop().await;
}

#[tokio::test]
async fn an_api_is_mounted_under_the_name_of_its_stage() {
    let stack =
        running(TempDir::new().unwrap(), |options| options.base_path = "/prod".to_owned()).await;
    assert!(stack.dev.url.ends_with("/prod"), "{}", stack.dev.url);
    let login = basic("my_username", "topsecret");
    let reply = stack.client.ask("POST", "/prod/api/services_token/generate", &login).await;
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(stack.client.ask("GET", "/prod/api/user/1", &bearer(&token)).await.status, 200);
    for path in ["/api/user/1", "/", "/production/api/user/1", "/test/api/user/1"] {
        assert_eq!(stack.client.ask("GET", path, &bearer(&token)).await.status, 403, "{path}");
    }
    stack.dev.stop().await;
}

#[tokio::test]
async fn a_cached_acceptance_expires_with_its_token() {
    let now = Arc::new(AtomicU64::new(hallpass_runtime::clock::now().unix()));
    let clock = Arc::clone(&now);
    let stack = running(TempDir::new().unwrap(), |options| {
        options.authorizer_cache = Some(300);
        options.clock =
            Arc::new(move || Timestamp::from_unix(clock.load(Ordering::SeqCst)).unwrap());
        options.settings.insert("HALLPASS_LIFETIME".to_owned(), "60s".to_owned());
    })
    .await;
    let token = stack.token().await;
    assert_eq!(stack.show(&bearer(&token)).await.status, 200);
    stack.client.ask("DELETE", "/tokens/current", &bearer(&token)).await;
    assert_eq!(
        stack.show(&bearer(&token)).await.status,
        200,
        "the cached response, which the token routes ignore"
    );
    assert_eq!(
        stack.client.ask("GET", "/tokens", &bearer(&token)).await.json()["reason"],
        "revoked"
    );
    now.fetch_add(60, Ordering::SeqCst);
    let rejected = stack.show(&bearer(&token)).await;
    assert_eq!((rejected.status, &rejected.json()["reason"]), (401, &json!("expired")));
    stack.dev.stop().await;
}
