//! What each function asks of DynamoDB is what `template.yaml` permits it: on AWS anything else would be a failure.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{
    Request, TEMPLATE, World,
    api::{bearer, text},
    basic,
    tables::Made,
    tap::{Seen, Tap},
};
use token::Format;
use yaml_serde::Value as Yaml;

/// An action, and the table or index it is on: `dynamodb:Query Users/index/username_key`.
type Asked = BTreeSet<String>;

/// What the template permits this function.
fn permitted(function: &str) -> Asked {
    let template: Yaml = yaml_serde::from_str(TEMPLATE).unwrap();
    let policies = &template["Resources"][function]["Properties"]["Policies"];
    let list = |value: &Yaml| value.as_sequence().unwrap().clone();
    let statements = list(policies).iter().flat_map(|policy| list(&policy["Statement"])).collect::<Vec<_>>();
    let resource = |value: &Yaml| {
        let value = if let Yaml::Tagged(tagged) = value { &tagged.value } else { value };
        value.as_str().unwrap().replace("${Users.Arn}", "Users").replace(".Arn", "")
    };
    let of_statement = |statement: &Yaml| {
        assert_eq!(statement["Effect"].as_str(), Some("Allow"));
        let resources: Vec<String> = list(&statement["Resource"]).iter().map(resource).collect();
        let actions = list(&statement["Action"]);
        let pairs = actions.iter().flat_map(|action| {
            resources.iter().map(|resource| format!("{} {resource}", action.as_str().unwrap())).collect::<Vec<_>>()
        });
        pairs.collect::<Vec<_>>()
    };
    statements.iter().flat_map(of_statement).collect()
}

/// What a request asks permission for.
fn asked(Seen { operation, body }: &Seen) -> Vec<String> {
    let table = |body: &Value| body["TableName"].as_str().unwrap().to_owned();
    match operation.as_str() {
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap().keys();
            tables.map(|table| format!("dynamodb:BatchGetItem {table}")).collect()
        }
        "TransactWriteItems" => {
            let writes = body["TransactItems"].as_array().unwrap().iter();
            let writes = writes.flat_map(|write| write.as_object().unwrap());
            writes
                .map(|(kind, write)| match kind.as_str() {
                    "ConditionCheck" => format!("dynamodb:ConditionCheckItem {}", table(write)),
                    kind => format!("dynamodb:{kind}Item {}", table(write)),
                })
                .collect()
        }
        operation => {
            let index = body["IndexName"].as_str().map(|index| format!("/index/{index}")).unwrap_or_default();
            vec![format!("dynamodb:{operation} {}{index}", table(body))]
        }
    }
}

/// Holds what has passed the tap against what the function may ask.
fn check(tap: &Tap, function: &str, least: usize) {
    let asked: Asked = tap.seen().iter().flat_map(asked).collect();
    assert!(asked.len() >= least, "{function} asked for {asked:?} alone");
    let permitted = permitted(function);
    let beyond: Vec<&String> = asked.difference(&permitted).collect();
    assert!(beyond.is_empty(), "{function} may not ask for {beyond:?}");
}

#[tokio::test]
async fn the_authorizer_asks_for_what_it_may() {
    let (world, tap) = World::tapped(&[]).await;
    let old = world.make(Format::Signed, "1", 1).await;
    let hash = old.record.id.hash;
    let new = world.make_with(Format::Signed, "1", 2, |record| record.replaces = Some(hash)).await;
    assert_eq!(world.verdict(&bearer(&new.text)).await, "allow");
    // Its old one is over already, so that only the note is removed.
    let again = world.make_with(Format::Developer, "1", 3, |record| record.replaces = Some(hash)).await;
    assert_eq!(world.verdict(&bearer(&again.text)).await, "allow");
    check(&tap, "VerifyAuthorizer", 4);
}

#[tokio::test]
async fn prune_asks_for_what_it_may() {
    let (world, tap) = World::tapped(&[]).await;
    let mut made = Vec::new();
    for (seed, format) in (1..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        made.push(world.make(format, "1", seed).await);
    }
    world.set_user("1", "username", Some(text("renamed"))).await;
    world.delivery.drain().await.unwrap();
    // A token whose time has come, one whose stream record is lost, a pointer without its token, one with it, and so
    // much that the sweep has to remember its place.
    world.advance(2 * 86_400);
    world.make(Format::Developer, "2", 11).await;
    let big = world.make(Format::Signed, "2", 12).await;
    for seed in 13..18 {
        let made = world.make(Format::Signed, "2", seed).await;
        world.set_record(&made.record, "description", Some(text(&"x".repeat(300_000)))).await;
    }
    world.set_record(&big.record, "forget_at", Some(aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned()))).await;
    let stale = world.unwritten(Format::Developer, "4", 20).await;
    let pointer = [
        ("user_id", format!("developer#{}", stale.record.id.hash)),
        ("token", "pointer".to_owned()),
        ("owner", "4".to_owned()),
    ];
    world.put("Tokens", pointer.map(|(name, value)| (name.to_owned(), text(&value))).into()).await;
    world.set_user("2", "username", Some(text("renamed"))).await;
    let swept = world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
    assert!(swept["voided"] != 0 && swept["dropped"] != 0 && swept["forgotten"] != 0, "{swept}");
    check(&tap, "Prune", 10);
}

/// Sends a request that must be answered well.
async fn send(world: &World, function: &str, request: Request) -> Value {
    let answer = world.send(function, request).await;
    assert!((200..400).contains(&answer.status), "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_default()
}

fn text_in(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn generate_asks_for_what_it_may() {
    let (world, tap) = World::tapped(&[("HALLPASS_MAX_TOKENS", "2")]).await;
    let login = basic("my_username", "topsecret");
    assert_eq!(world.generate(&basic("my_username", "wrong")).await.status, 401);
    let (token, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let named = world.created(&token, &json!({"name": "a"})).await;
    let body = json!({"name": "of Rarog", "expiration": "2027-01-16T08:00:00.000Z", "authorities": ["ROLE_USER"]});
    let rarog = Request::new("POST", "/rest/pat/1.0/token/user/create").json(&body);
    send(&world, "Generate", rarog.authorization(&login)).await;
    assert_eq!(world.create(&bearer(&token), &json!({"name": "one too many"})).await.status, 409);
    world.created(&admin, &json!({"name": "for another", "user_id": "3"})).await;

    let with_token = |method: &str, route: &str| Request::new(method, route).authorization(&bearer(&token));
    let rotate = with_token("POST", "/tokens/{id}/rotate").parameter("id", &text_in(&named, "id"));
    let rotated = send(&world, "Generate", rotate).await;
    world.generate(&bearer(&text_in(&rotated, "token"))).await;
    for _ in 0..2 {
        let remake = with_token("POST", "/profile/developer").header("Accept", "application/json");
        let developer = send(&world, "Generate", remake).await;
        assert_eq!(world.generate(&bearer(&text_in(&developer, "token"))).await.status, 200);
    }
    send(&world, "Generate", Request::new("GET", "/rs/authorise").authorization(&login)).await;

    let begin = Request::new("GET", "/rs/authorize-implicit").query("client_id", "app").query("response_type", "token");
    let reply = world.send("Generate", begin.authorization(&login)).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap();
    let decide = Request::new("GET", "/rs/authorize-implicit/decision").query("client_id", "app");
    let authenticity = text_in(&reply.json(), "authenticityToken");
    let decide = decide.query("oauthDecision", "allow").query("session_authenticity_token", &authenticity);
    send(&world, "Generate", decide.header("Cookie", cookie)).await;
    check(&tap, "Generate", 11);
}

#[tokio::test]
async fn console_asks_for_what_it_may() {
    let (world, tap) = World::tapped(&[]).await;
    let (token, admin) = (world.make(Format::Signed, "1", 1).await, world.make(Format::Signed, "2", 2).await);
    let developer = world.make(Format::Developer, "1", 3).await;
    for (token, query) in [(&token, None), (&developer, None), (&admin, Some(("user_id", "1")))] {
        assert_eq!(world.list(&token.text, query.as_slice()).await.status, 200);
    }
    let with_token = |method: &str, route: &str| Request::new(method, route).authorization(&bearer(&token.text));
    for made in [&token, &developer] {
        let id = made.record.id.to_string();
        send(&world, "Console", with_token("GET", "/tokens/{id}").parameter("id", &id)).await;
        let introspect = with_token("POST", "/oauth/introspect").body(&format!("token={}", made.text));
        let introspect = introspect.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(send(&world, "Console", introspect).await["active"], true);
    }
    send(&world, "Console", with_token("GET", "/rest/pat/1.0/token")).await;
    let context = json!({"user_id": "1", "scope": "ROLE_USER", "name": "my_username", "token_id": "1.a"});
    let user = Request::new("GET", "/api/user/{id}").parameter("id", "1").authorized_as(context.clone());
    send(&world, "Console", user).await;
    send(&world, "Console", Request::new("GET", "/rs/profile").authorized_as(context)).await;
    check(&tap, "Console", 5);
}

#[tokio::test]
async fn revoke_asks_for_what_it_may() {
    let (world, tap) = World::tapped(&[]).await;
    let admin = world.make(Format::Signed, "2", 1).await;
    let with = |made: &Made, method: &str, route: &str| Request::new(method, route).authorization(&bearer(&made.text));
    for (seed, format) in (2..).zip([Format::Signed, Format::Developer]) {
        let made = world.make(format, "1", seed).await;
        let id = made.record.id.to_string();
        for disabled in [true, false] {
            let switch = with(&admin, "PATCH", "/tokens/{id}").parameter("id", &id);
            send(&world, "Revoke", switch.json(&json!({"disabled": disabled}))).await;
        }
        let chain = with(&made, "DELETE", "/tokens/{id}").parameter("id", "current").query("chain", "true");
        send(&world, "Revoke", chain).await;
        assert_eq!(world.revoke(&made.text).await.status, 200);
    }
    let made = world.make(Format::Signed, "1", 9).await;
    assert_eq!(world.delete(&made.text, "current").await.status, 200);
    let all = with(&admin, "DELETE", "/users/{user_id}/tokens").parameter("user_id", "3");
    send(&world, "Revoke", all).await;
    check(&tap, "Revoke", 6);
}
