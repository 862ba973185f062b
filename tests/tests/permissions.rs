//! The requests of each function to DynamoDB are exactly what `template.yaml` permits: on AWS any
//! other would fail.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_dev::template::Template;
use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    KEYS, Request, TEMPLATE, World,
    api::{bearer, text},
    basic,
    policy::{Ask, Policy, asks},
    tables::TestToken,
    tap::{Seen, Tap},
    web_client::WebClient,
};

/// The actions of Lambda in the function's name, which read its stream.
const STREAM: [&str; 4] = [
    "dynamodb:DescribeStream ",
    "dynamodb:GetRecords ",
    "dynamodb:GetShardIterator ",
    "dynamodb:ListStreams ",
];

/// Actions, each with its table or index: `dynamodb:Query Users/index/username_key`.
type Actions = BTreeSet<String>;

/// Returns the actions on tables that the template permits this function.
fn permitted(function: &str) -> Actions {
    let template = Template::resolved(TEMPLATE, &[]).unwrap();
    let role = &template["Resources"][format!("{function}Role")]["Properties"];
    let list =
        |value: &Value| value.as_array().unwrap_or_else(|| panic!("{function}: {value}")).clone();
    let statements = list(&role["Policies"])
        .into_iter()
        .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
    let of_statement = |statement: Value| {
        assert_eq!(statement["Effect"], "Allow");
        let resources = list(&statement["Resource"]);
        let pairs = list(&statement["Action"]).into_iter().flat_map(move |action| {
            let pair = |resource: &Value| {
                format!("{} {}", action.as_str().unwrap(), resource.as_str().unwrap())
            };
            resources.iter().map(pair).collect::<Vec<_>>()
        });
        pairs.collect::<Vec<_>>()
    };
    let is_of_table = |pair: &String| {
        pair.starts_with("dynamodb:") && !STREAM.iter().any(|action| pair.starts_with(action))
    };
    statements.flat_map(of_statement).filter(is_of_table).collect()
}

/// Returns the actions that a request needs.
fn actions_of(Seen { operation, body, .. }: &Seen) -> Vec<String> {
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
            let index = body["IndexName"]
                .as_str()
                .map(|index| format!("/index/{index}"))
                .unwrap_or_default();
            vec![format!("dynamodb:{operation} {}{index}", table(body))]
        }
    }
}

/// Compares the requests that passed the tap with what the function is permitted: neither more nor
/// less.
async fn check(world: &World, tap: &Tap, function: &str) {
    start(function, world, tap).await;
    let seen = tap.seen();
    let requested: Actions = seen.iter().flat_map(actions_of).collect();
    assert_eq!(requested, permitted(function), "{function}");
    check_conditions(function, &seen);
    if ["VerifyAuthorizer", "Revoke", "Prune"].contains(&function) {
        for seen in &seen {
            makes_no_record(function, seen);
        }
    }
}

/// Checks each request against the conditions of the role: all are met, each condition rejects
/// something, and each attribute, key or pattern that a condition allows occurs in a request.
fn check_conditions(function: &str, seen: &[Seen]) {
    let policy = Policy::of(function);
    let all: Vec<Ask> = seen.iter().flat_map(asks).collect();
    let rejected: Vec<&Ask> = all.iter().filter(|ask| !policy.allows(ask)).collect();
    assert!(
        rejected.is_empty(),
        "add to the conditions of {function}Role in template.yaml: {rejected:#?}"
    );
    for condition in policy.conditions() {
        let name = condition.name();
        let matching: Vec<&Ask> = all.iter().filter(|ask| condition.allows(ask)).collect();
        let worse: Vec<Vec<Ask>> = matching.iter().map(|ask| condition.worse(ask)).collect();
        for number in 0..worse.first().map_or(0, Vec::len) {
            let is_needed = |ask: &Ask| !policy.allows(ask) && condition.without.allows(ask);
            assert!(
                worse.iter().any(|asks| is_needed(&asks[number])),
                "{function}: {name} rejects nothing ({number})"
            );
        }
        assert!(!matching.is_empty(), "{function}: {name} is of no request");
        let unused: Vec<&String> = condition
            .values
            .iter()
            .filter(|value| !matching.iter().any(|ask| condition.is_used(value, ask)))
            .collect();
        assert!(
            !condition.is_positive() || unused.is_empty(),
            "{function}: no request has what {name} allows: {unused:?}"
        );
    }
}

/// Starts the function as its `main` does.
async fn start(function: &str, world: &World, tap: &Tap) {
    let endpoint = tap.endpoint();
    let lookup = |name: &str| match name {
        "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "HALLPASS_USERS_TABLE" => Some(world.table("Users")),
        "HALLPASS_TOKENS_TABLE" => Some(world.table("Tokens")),
        "HALLPASS_ATTEMPTS_TABLE" => Some(world.table("Attempts")),
        "HALLPASS_DYNAMODB_ENDPOINT" => Some(endpoint.clone()),
        "HALLPASS_KEYS" => Some(KEYS.to_owned()),
        _ => None,
    };
    let store = hallpass_service::service::store(&lookup).unwrap();
    match function {
        "Prune" => {
            store.check_as_pruner().await.unwrap();
            return;
        }
        "Generate" => store.check_as_limiter().await.unwrap(),
        _ => {}
    }
    hallpass_service::Service::start(&lookup, world.now()).await.unwrap();
}

/// Checks that a function that creates no tokens cannot create a record by accident: `UpdateItem`
/// creates a missing item.
fn makes_no_record(function: &str, Seen { operation, body, .. }: &Seen) {
    let writes: Vec<&Value> = match operation.as_str() {
        "TransactWriteItems" => body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|item| item.as_object().unwrap().values())
            .collect(),
        "UpdateItem" => vec![body],
        "PutItem" | "BatchWriteItem" => panic!("{function} requested {operation}"),
        _ => Vec::new(),
    };
    // A marker of prune is not a record: no token has such a key.
    let is_mark = |write: &Value| {
        write["Key"]["user_id"]["S"].as_str().is_some_and(|key| key.starts_with("changes#"))
    };
    for write in
        writes.into_iter().filter(|write| write["TableName"] != "Attempts" && !is_mark(write))
    {
        let condition = write["ConditionExpression"].as_str().unwrap_or_default();
        // An attribute of a missing item equals nothing.
        let exists = |part: &str| {
            part.starts_with("attribute_exists(#")
                || (part.starts_with('#') && part.contains(" = :"))
        };
        assert!(condition.split(" AND ").any(exists), "{function}: {write}");
    }
}

#[tokio::test]
async fn the_authorizer_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[]).await;
    let old = world.create_token(Format::Signed, "1", 1).await;
    let hash = old.record.id.hash;
    let new = world
        .create_token_with(Format::Signed, "1", 2, |record| record.replaces = Some(hash))
        .await;
    assert_eq!(world.verdict(&bearer(&new.text)).await, "allow");
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
    assert!(swept["invalidated"] != 0 && swept["dropped"] != 0 && swept["purged"] != 0, "{swept}");
    check(&world, &tap, "Prune").await;
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

#[tokio::test]
async fn generate_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[("HALLPASS_MAX_TOKENS", "4")]).await;
    world.set_user("1", "token_generation", Some(AttributeValue::N("7".to_owned()))).await;
    let mut web_client = WebClient::signed_in(&world, "my_username", "topsecret").await;
    // The page with the form made requests of the console.
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

    let with_token =
        |method: &str, route: &str| Request::new(method, route).authorization(&bearer(&token));
    let rotate = with_token("POST", "/tokens/{id}/rotate").parameter("id", &text_in(&named, "id"));
    let rotated = send(&world, "Generate", rotate).await;
    world.generate(&bearer(&text_in(&rotated, "token"))).await;
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

    let begin = Request::new("GET", "/rs/authorize-implicit")
        .query("client_id", "app")
        .query("response_type", "token");
    let reply = world.send("Generate", begin.authorization(&login)).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap();
    let decide = Request::new("GET", "/rs/authorize-implicit/decision").query("client_id", "app");
    let authenticity = text_in(&reply.json(), "authenticityToken");
    let decide =
        decide.query("oauthDecision", "allow").query("session_authenticity_token", &authenticity);
    send(&world, "Generate", decide.header("Cookie", cookie)).await;
    // The page that shows a new token lists the others.
    let form = [("do", "make"), ("name", "of the page"), ("limit", "all")];
    let response =
        web_client.submit("Generate", Request::new("POST", "/profile/developer"), &form).await;
    assert!([201, 409].contains(&response.status), "{response:?}");
    check(&world, &tap, "Generate").await;
}

#[tokio::test]
async fn the_console_makes_exactly_the_permitted_requests() {
    let (world, tap) = World::tapped(&[]).await;
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
    send(&world, "Console", with_token("GET", "/rest/pat/1.0/token")).await;
    let context = json!({
        "user_id": "1", "scopes": r#"["ROLE_USER"]"#, "name": "my_username", "token_id": "1.a",
    });
    let user =
        Request::new("GET", "/api/user/{id}").parameter("id", "1").authorized_as(context.clone());
    send(&world, "Console", user).await;
    send(&world, "Console", Request::new("GET", "/rs/profile").authorized_as(context)).await;
    let users = Request::new("GET", "/admin/users").query("name", "my_username");
    for page in [users, Request::new("GET", "/admin/users/{user_id}").parameter("user_id", "1")] {
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
