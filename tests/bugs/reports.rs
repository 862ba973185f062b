//! One case for each public report of a fault in a service like this one, with its source. Each is
//! tested once, over the whole stack.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::json;
use tests::{
    Request, World,
    api::bearer,
    basic,
    pages::{OWN, WebClient},
    system::System,
    tap::Fault,
};

async fn user_token(system: &System) -> String {
    system.token_of("my_username", "topsecret").await
}

fn value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// API tokens of a disabled user kept working: <https://github.com/milesmcc/shynet/issues/349>,
/// <https://github.com/apache/tooling-trusted-releases/issues/598>,
/// <https://github.com/FreshRSS/FreshRSS/pull/9336>.
#[tokio::test]
async fn the_tokens_of_a_blocked_user_are_rejected_at_the_next_request_and_stay_so() {
    let world = World::new().await;
    let token = bearer(&world.create_token(Format::Signed, "1", 1).await.text);
    world.set_user("1", "status", Some(value("blocked"))).await;
    assert_eq!(world.verdict(&token).await, "user_blocked");
    world.delivery.drain().await.unwrap();
    world.set_user("1", "status", Some(value("active"))).await;
    world.delivery.drain().await.unwrap();
    assert_ne!(
        world.verdict(&token).await,
        "allow",
        "to unblock the user does not bring the token back"
    );
}

/// Tokens outlived a change of the password and the user's removal from a team:
/// <https://github.com/devgateway/amp/pull/546>.
#[tokio::test]
async fn a_change_of_the_password_or_of_permissions_counts_at_the_next_request() {
    let system = System::start(&[]).await;
    let (changed, admin) = (user_token(&system).await, system.token_of("admin", "letmein").await);
    system
        .set_user("1", "password_hash", value("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA"))
        .await;
    assert_eq!(system.verdict(&changed).await, "user_changed");
    system.set_user("2", "permissions", AttributeValue::Ss(vec!["ROLE_USER".to_owned()])).await;
    assert_eq!(system.ask("GET", "/tokens?user_id=1", &bearer(&admin)).await.status, 403);
    system.stop().await;
}

/// A lockout by name alone allowed anyone to lock a user out:
/// <https://github.com/AtalayaLabs/OxiCloud/issues/323>,
/// <https://github.com/leodip/goiabada/issues/89>,
/// <https://github.com/psecio/gatekeeper/issues/55>.
#[tokio::test]
async fn failed_log_ins_from_one_address_do_not_block_the_user_at_another() {
    let world = World::new().await;
    let log_in = async |password: &str, ip: &str| {
        let request = Request::new("POST", "/api/services_token/generate");
        world
            .send("Generate", request.authorization(&basic("my_username", password)).from_ip(ip))
            .await
            .status
    };
    assert_eq!(log_in("topsecret", "198.51.100.1").await, 200);
    for _ in 0..30 {
        log_in("wrong", "203.0.113.9").await;
    }
    assert_eq!(log_in("topsecret", "198.51.100.1").await, 200);
}

/// Only existing users were limited, so the limit revealed which users exist:
/// <https://github.com/zone-eu/wildduck/issues/68>.
#[tokio::test]
async fn a_user_who_does_not_exist_is_limited_as_one_who_does() {
    let world = World::new().await;
    let mut statuses = Vec::new();
    for name in ["my_username", "does-not-exist"] {
        let mut of_name = Vec::new();
        for _ in 0..12 {
            of_name.push(world.generate(&basic(name, "wrong")).await.status);
        }
        statuses.push(of_name);
    }
    assert_eq!(statuses[0], statuses[1]);
    assert!(statuses[0].contains(&429), "{statuses:?}");
}

/// Two spaces after `Bearer`, or a space after the token, were rejected although RFC 9110 allows
/// them: <https://github.com/laravel/sanctum/pull/433>, <https://github.com/koajs/jwt/pull/175>,
/// <https://github.com/fastapi/fastapi/pull/14786>.
#[tokio::test]
async fn optional_white_space_around_the_credential_is_not_part_of_the_token() {
    let system = System::start(&[]).await;
    let token = user_token(&system).await;
    for header in
        [format!("Bearer  {token}"), format!("Bearer {token} "), format!("  Bearer {token}")]
    {
        assert_eq!(system.ask("GET", "/tokens/current", &header).await.status, 200, "{header:?}");
    }
    system.stop().await;
}

/// Some readers accepted a token with a line ending that others rejected:
/// <https://github.com/langgenius/dify/issues/41199>. A token that was read from a file, with its
/// line ending, was not the token: <https://github.com/zhaofengli/attic/pull/134>.
#[tokio::test]
async fn a_token_posted_with_a_line_ending_is_the_token() {
    let system = System::start(&[]).await;
    let caller = user_token(&system).await;
    for ending in ["%0A", "%0D%0A", "+", "%09"] {
        let token = user_token(&system).await;
        let form = format!("token={token}{ending}");
        assert_eq!(
            system.form("/oauth/introspect", &bearer(&caller), &form).await.body_of(200)["active"],
            true
        );
        assert_eq!(system.form("/oauth/revoke", &bearer(&caller), &form).await.status, 200);
        assert_eq!(system.verdict(&token).await, "revoked", "{ending}");
    }
    system.stop().await;
}

/// A policy for one method and path was cached, and rejected every other one or allowed another
/// one: <https://github.com/auth0-samples/jwt-rsa-aws-custom-authorizer/pull/8>,
/// <https://github.com/serverless/serverless/issues/6176>,
/// <https://github.com/ministackorg/ministack/pull/1367>.
#[tokio::test]
async fn a_cached_policy_is_right_for_every_other_method_and_path() {
    let rules = json!([
        {"method": "GET", "path": "/rs/profile"},
        {"method": "GET", "path": "/api/user/*", "permission": "ROLE_ADMIN"},
    ]);
    let system = System::start_with(&[("HALLPASS_ROUTES", &rules.to_string())], |options| {
        options.authorizer_cache = Some(300);
    })
    .await;
    let token = bearer(&user_token(&system).await);
    for _ in 0..2 {
        assert_eq!(system.ask("GET", "/rs/profile", &token).await.status, 200);
        assert_eq!(
            system.ask("GET", "/api/user/1", &token).await.body_of(401)["reason"],
            "insufficient_scope"
        );
    }
    system.stop().await;
}

/// An authorizer that permits no route responded with a policy without a statement, which allowed
/// everything: <https://github.com/aws/chalice/issues/1619>.
#[tokio::test]
async fn a_token_that_no_rule_permits_anything_is_denied_everything() {
    let rules =
        json!([{"method": "GET", "path": "/admin", "permission": "ROLE_ADMIN"}]).to_string();
    let world = World::with(&[("HALLPASS_ROUTES", &rules)]).await;
    let token = bearer(&world.token().await);
    let event = Request::new("GET", "/today").authorization(&token).authorizer_event();
    let statement =
        world.invoke("VerifyAuthorizer", event).await.unwrap()["policyDocument"]["Statement"][0]
            .clone();
    assert_eq!(statement["Effect"], "Deny");
    assert!(
        statement["Resource"][0].as_str().is_some_and(|resource| resource.ends_with("/*")),
        "{statement}"
    );
}

/// The last page of a list had a cursor that led to an empty page:
/// <https://github.com/zitadel/nextgen/issues/849>, <https://github.com/apigee/registry/issues/68>,
/// <https://github.com/CrossRef/rest-api-doc/issues/303>.
#[tokio::test]
async fn the_last_page_of_a_list_has_no_next_one() {
    let system = System::start(&[]).await;
    let token = user_token(&system).await;
    for number in 0..5 {
        system.created(&token, &json!({"name": format!("token {number}")})).await;
    }
    for limit in [1, 2, 3, 5, 6, 7] {
        let (mut path, mut seen) = (format!("/tokens?limit={limit}"), BTreeSet::new());
        loop {
            let page = system.ask("GET", &path, &bearer(&token)).await.body_of(200);
            let ids: Vec<&str> = page["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|token| token["id"].as_str().unwrap())
                .collect();
            assert!(!ids.is_empty(), "an empty page with limit {limit}");
            seen.extend(ids.into_iter().map(str::to_owned));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/tokens?limit={limit}&cursor={next}");
        }
        assert_eq!(seen.len(), 6, "limit {limit}");
    }
    system.stop().await;
}

/// Reloading the page, or clicking twice, created a second token:
/// <https://github.com/openware/peatio/issues/182>,
/// <https://github.com/graphql-hive/console/pull/7225>.
#[tokio::test]
async fn a_form_that_is_sent_twice_creates_one_token() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    web_client.get(OWN).await;
    let again = web_client.clone();
    let fields = [("do", "make"), ("name", "twice"), ("limit", "all")];
    assert_eq!(web_client.post(OWN, &fields).await.status, 201);
    let second = again.clone().post(OWN, &fields).await;
    assert!(second.status >= 400 || second.status == 303, "{}", second.status);
    let token = user_token(&system).await;
    let list = system.ask("GET", "/tokens", &bearer(&token)).await.body_of(200);
    let named =
        list["tokens"].as_array().unwrap().iter().filter(|token| token["name"] == "twice").count();
    assert_eq!(named, 1);
    system.stop().await;
}

/// A repeated member of a JSON body was read as its last value by one parser and as its first by
/// another: <https://github.com/serde-rs/json/issues/762>,
/// <https://github.com/AdaCore/gnatcoll-core/issues/3>.
#[tokio::test]
async fn a_repeated_member_is_rejected_and_nothing_is_created() {
    let system = System::start(&[]).await;
    let token = bearer(&user_token(&system).await);
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let body = r#"{"name":"a","scopes":["ROLE_USER"],"scopes":["ROLE_ADMIN"]}"#;
    assert_eq!(
        system.send("POST", "/tokens", &headers, body).await.body_of(400)["member"],
        "scopes"
    );
    let list = system.ask("GET", "/tokens", &token).await.body_of(200);
    assert_eq!(list["tokens"].as_array().unwrap().len(), 1);
    system.stop().await;
}

/// A write whose response was lost was sent again by the SDK and conflicted with itself:
/// <https://github.com/aws/aws-sdk-java/issues/2667>,
/// <https://github.com/awslabs/amazon-kinesis-client/pull/777>.
#[tokio::test]
async fn a_write_whose_response_was_lost_is_not_a_conflict() {
    let (world, tap) = World::tapped(&[]).await;
    world.token().await;
    tap.inject("PutItem", 0, 1, Fault::Lose);
    let response = world.generate(&basic("my_username", "topsecret")).await;
    assert_eq!(response.status, 200, "{}", response.body);
}

/// A header that is only a scheme was mishandled:
/// <https://github.com/OpenLiberty/open-liberty/issues/30027>.
#[tokio::test]
async fn every_401_has_a_challenge_and_a_scheme_alone_is_not_a_credential() {
    let system = System::start(&[]).await;
    for header in ["Bearer", "Bearer ", "Basic", "Token"] {
        let reply = system.ask("GET", "/tokens/current", header).await;
        assert_eq!(reply.status, 401, "{header:?}");
        assert!(!reply.challenges().is_empty(), "{header:?}");
    }
    system.stop().await;
}
