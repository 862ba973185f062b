//! A database that is down, slow, busy or broken: no wrong acceptance, an error in time, and
//! nothing lost afterwards.

use std::time::Duration;

use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, forged},
    basic,
    tables::TestToken,
    tap::{ALWAYS, ANSWERED_AT_ONCE, ANY, Fault},
};

/// API Gateway and Lambda wait longer; a caller should not.
const LIMIT: Duration = Duration::from_secs(3);

const CANNOT_TELL: &str = "error: the token could not be verified";

/// Transient faults, for which another attempt is worth it.
const PASSING: [Fault; 5] = [
    Fault::Drop,
    Fault::Lose,
    Fault::Reject(500, "InternalServerError"),
    Fault::Reject(400, "ProvisionedThroughputExceededException"),
    Fault::Reject(400, "ThrottlingException"),
];

async fn verdict(world: &World, token: &TestToken) -> String {
    let verdict = tokio::time::timeout(LIMIT, world.verdict(&bearer(&token.text))).await;
    verdict.unwrap_or_else(|_| panic!("it took more than {LIMIT:?}"))
}

/// Creates a token whose verification makes every possible call: it reads a pointer, replaces
/// another token, and records the use.
async fn with_every_call(world: &World, seed: u8) -> TestToken {
    let old = world.create_token(Format::Signed, "1", seed).await;
    let hash = old.record.id.hash;
    world
        .create_token_with(Format::Developer, "1", seed + 100, |record| {
            record.replaces = Some(hash);
        })
        .await
}

/// The calls of such a verification.
const CALLS: [&str; 3] = ["GetItem", "BatchGetItem", "TransactWriteItems"];

#[tokio::test]
async fn a_database_that_fails_at_any_call_rejects_everyone() {
    let (world, tap) = World::tapped(&[]).await;
    let mut seed = 0;
    for operation in CALLS {
        for fault in ANSWERED_AT_ONCE {
            seed += 1;
            let token = with_every_call(&world, seed).await;
            tap.inject(operation, 0, ALWAYS, fault);
            assert_eq!(verdict(&world, &token).await, CANNOT_TELL, "{operation} {fault:?}");
            tap.heal();
            // The replacement of the old token is visible now, even if the response to it was lost.
            assert_eq!(verdict(&world, &token).await, "allow", "{operation} {fault:?}");
            assert_eq!(world.record(&token.record.id).await.replaces, None);
        }
    }
}

#[tokio::test]
async fn transient_faults_are_retried() {
    let (world, tap) = World::tapped(&[]).await;
    let mut seed = 0;
    for operation in CALLS {
        for fault in PASSING {
            seed += 1;
            let token = with_every_call(&world, seed).await;
            tap.inject(operation, 0, 2, fault);
            assert_eq!(verdict(&world, &token).await, "allow", "{operation} {fault:?}");
            assert_eq!(world.record(&token.record.id).await.replaces, None);
            tap.heal();
        }
    }
}

/// The second attempt finds what the first one wrote.
#[tokio::test]
async fn a_new_record_is_created_once_and_shown_though_the_first_response_was_lost() {
    let (world, tap) = World::tapped(&[]).await;
    let test_token = world.create_token(Format::Signed, "2", 1).await;
    tap.inject("PutItem", 0, 1, Fault::Lose);
    let token = world
        .created(&test_token.text, &json!({"name": "a", "scopes": ["ROLE_USER", "ROLE_ADMIN"]}))
        .await;
    assert_eq!(world.count_records("2").await, 2);
    assert_eq!(world.verdict(&bearer(token["token"].as_str().unwrap())).await, "allow");
}

/// Another transaction on the same records may be in progress, and may not finish.
#[tokio::test]
async fn a_new_token_is_not_accepted_while_the_old_one_is_live() {
    let (world, tap) = World::tapped(&[]).await;
    let token = with_every_call(&world, 1).await;
    for codes in [
        &["TransactionConflict", "None"],
        &["ConditionalCheckFailed", "None"],
        &["ThrottlingError", "None"],
        &["ValidationError", "None"],
    ] {
        tap.inject("TransactWriteItems", 0, ALWAYS, Fault::Cancel(codes));
        assert_eq!(verdict(&world, &token).await, CANNOT_TELL, "{codes:?}");
        assert!(world.record(&token.record.id).await.replaces.is_some());
        tap.heal();
    }
    // Transient conflicts are retried.
    tap.inject("TransactWriteItems", 0, 2, Fault::Cancel(&["TransactionConflict", "None"]));
    assert_eq!(verdict(&world, &token).await, "allow");
    assert_eq!(world.record(&token.record.id).await.replaces, None);
}

#[tokio::test]
async fn recording_the_last_use_may_fail() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    for fault in ANSWERED_AT_ONCE {
        tap.inject("UpdateItem", 0, ALWAYS, fault);
        assert_eq!(verdict(&world, &token).await, "allow", "{fault:?}");
        tap.heal();
        world.advance(60);
    }
}

/// These take real seconds, so they wait together.
#[tokio::test]
async fn a_database_that_never_responds_is_abandoned_in_time() {
    let never = async |operation: &'static str, skip: usize| {
        let (world, tap) = World::tapped(&[]).await;
        let token = with_every_call(&world, 1).await;
        tap.inject(operation, skip, ALWAYS, Fault::Hang);
        verdict(&world, &token).await
    };
    let slow_and_then_never = async {
        let (world, tap) = World::tapped(&[]).await;
        let token = with_every_call(&world, 1).await;
        tap.inject("GetItem", 0, 1, Fault::Hang);
        tap.inject("BatchGetItem", 0, 1, Fault::Hang);
        tap.inject("UpdateItem", 0, ALWAYS, Fault::Hang);
        verdict(&world, &token).await
    };
    let unprocessed = async {
        let (world, tap) = World::tapped(&[]).await;
        let token = world.create_token(Format::Signed, "1", 1).await;
        tap.inject("BatchGetItem", 0, ALWAYS, Fault::Unprocessed);
        verdict(&world, &token).await
    };
    let outcomes = tokio::join!(
        never("BatchGetItem", 0),
        never(ANY, 2),
        never("UpdateItem", 0),
        slow_and_then_never,
        unprocessed
    );
    let expected = (CANNOT_TELL, CANNOT_TELL, "allow", "allow", CANNOT_TELL);
    let (one, two, three, four, five) = &outcomes;
    assert_eq!(
        (one.as_str(), two.as_str(), three.as_str(), four.as_str(), five.as_str()),
        expected
    );
}

#[tokio::test]
async fn unprocessed_keys_are_requested_again() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    for times in 1..=4 {
        tap.inject("BatchGetItem", 0, times, Fault::Unprocessed);
        assert_eq!(verdict(&world, &token).await, "allow");
        let batches = tap.operations().into_iter().filter(|operation| operation == "BatchGetItem");
        assert_eq!(batches.count(), times + 1);
    }
}

#[tokio::test]
async fn half_of_the_keys_may_be_left_unprocessed() {
    fn without_the_user(response: &mut Value) {
        response["Responses"].as_object_mut().unwrap().remove("Users");
        response["UnprocessedKeys"] =
            json!({"Users": {"Keys": [{"user_id": {"S": "1"}}], "ConsistentRead": true}});
    }
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    tap.inject("BatchGetItem", 0, 1, Fault::Change(without_the_user));
    assert_eq!(verdict(&world, &token).await, "allow");
    let seen = tap.seen();
    let expected = json!({"Users": {"Keys": [{"user_id": {"S": "1"}}], "ConsistentRead": true}});
    assert_eq!(seen[1].body["RequestItems"], expected);
}

#[tokio::test]
async fn a_response_about_something_else_rejects_the_token() {
    type Change = fn(&mut Value);
    fn record(response: &mut Value) -> &mut Value {
        &mut response["Responses"]["Tokens"][0]
    }
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let check = async |change: Change, expected: &str| {
        tap.inject("BatchGetItem", 0, ALWAYS, Fault::Change(change));
        assert_eq!(verdict(&world, &token).await, expected);
        tap.heal();
        assert_eq!(verdict(&world, &token).await, "allow");
    };
    check(|response| *response = json!({}), "unknown").await;
    check(|response| response["Responses"] = json!({}), "unknown").await;
    check(|response| response["Responses"]["Tokens"] = json!([]), "unknown").await;
    check(|response| response["Responses"]["Users"] = json!([]), "user_removed").await;
    check(|response| record(response)["token"] = json!({"S": "AAAAAAAAAAAAAAAAAAAAAA"}), "unknown")
        .await;
    check(|response| record(response)["user_id"] = json!({"S": "2"}), "unknown").await;
    check(|response| record(response)["expires_at"] = json!({"N": "9999999999"}), "unknown").await;
    check(|response| response["Responses"]["Users"][0]["user_id"] = json!({"S": "2"}), "unknown")
        .await;
    check(|response| *response = json!([]), CANNOT_TELL).await;
    check(|response| response["Responses"] = json!("Tokens"), CANNOT_TELL).await;
    check(|response| response["Responses"]["Tokens"][0] = json!({}), CANNOT_TELL).await;
    check(|response| response["Responses"]["Users"][0] = json!({}), CANNOT_TELL).await;
}

#[tokio::test]
async fn without_the_database_only_rejections_that_need_no_read_are_reported() {
    let (world, tap) = World::tapped(&[]).await;
    let mut tokens = Vec::new();
    for (seed, format) in (1..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        tokens.push(world.create_token(format, "1", seed).await);
    }
    tap.stop().await;
    for token in &tokens {
        assert_eq!(verdict(&world, token).await, CANNOT_TELL);
        assert_eq!(world.verdict(&bearer(&forged(&token.text))).await, "malformed");
    }
    assert_eq!(world.verdict(&".".repeat(10_240)).await, "malformed");
}

/// Checks for a 503 that reveals nothing about the database.
fn assert_unavailable(response: &Response) {
    let problem = response.problem(503);
    assert_eq!(problem["title"], "Service Unavailable");
    let body_text = response.body.to_lowercase();
    for word in
        ["dynamo", "127.0.0.1", "connect", "aws", "table", "token\":", "throttl", "internal"]
    {
        assert!(!body_text.contains(word), "{word}: {body_text}");
    }
}

/// Returns the requests of the API, with a live token or a password.
fn requests(token: &str) -> Vec<(&'static str, Request)> {
    let with_token =
        |method: &str, route: &str| Request::new(method, route).authorization(&bearer(token));
    let form = Request::new("POST", "/oauth/revoke")
        .header("Content-Type", "application/x-www-form-urlencoded");
    let context = json!({"user_id": "1", "scopes": r#"["ROLE_USER"]"#});
    vec![
        (
            "Generate",
            Request::new("POST", "/api/services_token/generate")
                .authorization(&basic("my_username", "topsecret")),
        ),
        ("Generate", with_token("POST", "/api/services_token/generate")),
        ("Generate", with_token("POST", "/tokens").json(&json!({"name": "a"}))),
        ("Revoke", with_token("DELETE", "/tokens/{id}").parameter("id", "current")),
        ("Revoke", form.body(&format!("token={token}"))),
        ("Revoke", with_token("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1")),
        ("Console", with_token("GET", "/tokens")),
        (
            "Console",
            Request::new("GET", "/api/user/{id}").parameter("id", "1").authorized_as(context),
        ),
    ]
}

#[tokio::test]
async fn every_function_responds_503_without_the_database() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    tap.stop().await;
    for (function, request) in requests(&token.text) {
        assert_unavailable(&world.send(function, request).await);
    }
    assert_eq!(world.send("Console", Request::new("GET", "/healthz")).await.status, 200);
    let unauthorized = Request::new("GET", "/tokens").authorization(&bearer(&forged(&token.text)));
    assert_eq!(world.send("Console", unauthorized).await.status, 401);
}

#[tokio::test]
async fn every_function_responds_503_at_whichever_call_the_database_fails() {
    let (world, tap) = World::tapped(&[]).await;
    let mut seed = 0;
    let mut request = async |index: usize| {
        seed += 1;
        requests(&world.create_token(Format::Signed, "1", seed).await.text).swap_remove(index)
    };
    for index in 0..requests("").len() {
        let (function, whole) = request(index).await;
        tap.seen();
        let response = world.send(function, whole).await;
        assert!((200..300).contains(&response.status), "{}", response.body);
        for call in 0..tap.seen().len() {
            // A log-in that was counted and then interrupted must not count against the next one.
            world.advance(3_600);
            let (function, cut) = request(index).await;
            tap.inject(ANY, call, ALWAYS, Fault::Drop);
            assert_unavailable(&world.send(function, cut).await);
            tap.heal();
        }
    }
}
