//! The behaviour of DynamoDB that Hallpass relies on, tested on the engine under test, and the
//! correctness of the table of what engines lack.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
    capability::{self, ALL, Capability, LACKS},
    engine::{self, authority},
    remote::{self, TABLES},
    system::System,
    tap::{ALWAYS, ANY, Fault, Tap},
};
use tokio::{task::JoinSet, time::timeout};

/// The maximum wait for TTL. DynamoDB takes days, DynamoDB local some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The wait that shows that TTL does nothing.
const IMPATIENCE: Duration = Duration::from_secs(8);

/// Returns whether the engine has the capability.
async fn does(capability: Capability) -> bool {
    match capability {
        Capability::Clock => keeps_the_time_of_the_test().await,
        Capability::DevStack => is_delivered_by_dev().await,
        // Twice, because an engine that checks once a minute may happen to check at once.
        Capability::Ttl => is_told_of_expiry().await && is_told_of_expiry().await,
        Capability::QuietWrites => is_quiet_when_nothing_changes().await,
        Capability::Idempotency => does_a_transaction_once().await,
        Capability::KeyTypes => minds_types().await,
        Capability::Capacity => tells_its_capacity().await,
    }
}

async fn keeps_the_time_of_the_test() -> bool {
    let world = World::new().await;
    for seconds in [0, 1_000] {
        world.advance(seconds);
        world.set_user("1", "email", Some(text(&format!("{seconds}@example.org")))).await;
        let stamp = world.stamp_of_last_change().as_f64().unwrap();
        if format!("{stamp:.0}") != world.now().unix().to_string() {
            return false;
        }
    }
    true
}

async fn is_delivered_by_dev() -> bool {
    let system = System::start(&[]).await;
    let token = system.token_of("my_username", "topsecret").await;
    system.set_user("1", "username", text("renamed")).await;
    system.drain().await;
    system.set_user("1", "username", text("my_username")).await;
    let verdict = system.verdict(&token).await;
    system.stop().await;
    verdict == "user_changed"
}

/// Deletes a user by TTL, and waits until the stream reports it.
async fn expire(world: &World, user_id: &str) -> bool {
    world.set_ttl("Users", "leaves_at", true).await;
    // In the past by the engine's clock, whichever that is, but not so long ago that DynamoDB would
    // ignore it.
    let past = world.now().min(hallpass_runtime::clock::now()).unix() - 60;
    world.set_user(user_id, "leaves_at", Some(AttributeValue::N(past.to_string()))).await;
    let removed = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            world.sweep_ttl();
            if world.user_stream().iter().any(|record| record["eventName"] == "REMOVE") {
                return;
            }
        }
    };
    let expected = capability::reason(engine::kind().await, Capability::Ttl).is_none();
    let outcome = timeout(if expected { PATIENCE } else { IMPATIENCE }, removed).await;
    // DynamoDB local checks one table a second, so the next wait would include this table too.
    world.set_ttl("Users", "leaves_at", false).await;
    outcome.is_ok()
}

async fn is_told_of_expiry() -> bool {
    expire(&World::new().await, "1").await
}

async fn is_quiet_when_nothing_changes() -> bool {
    let world = World::new().await;
    let before = world.user_stream().len();
    let item = world.user_item("1").await;
    world.put("Users", item).await;
    world.set_user("1", "username", Some(text("my_username"))).await;
    world.user_stream().len() == before
}

async fn does_a_transaction_once() -> bool {
    let world = World::new().await;
    let put = json!({
        "TableName": world.table("Attempts"),
        "Item": {"attempt": {"S": "once"}},
        "ConditionExpression": "attribute_not_exists(#k)",
        "ExpressionAttributeNames": {"#k": "attempt"},
    });
    let transaction =
        json!({"TransactItems": [{"Put": put}], "ClientRequestToken": world.table("Attempts")});
    world.call("TransactWriteItems", &transaction).await.unwrap();
    world.call("TransactWriteItems", &transaction).await.is_ok()
}

async fn minds_types() -> bool {
    let world = World::new().await;
    let item = json!({"user_id": {"S": "9"}, "username_key": {"N": "1"}});
    world.call("PutItem", &json!({"TableName": world.table("Users"), "Item": item})).await.is_err()
}

async fn tells_its_capacity() -> bool {
    let world = World::new().await;
    // A unit is 4 KB of one item.
    world.set_user("1", "full_name", Some(text(&"x".repeat(5_000)))).await;
    let keys =
        json!({"Keys": [{"user_id": {"S": "1"}}, {"user_id": {"S": "2"}}], "ConsistentRead": true});
    let request =
        json!({"RequestItems": {world.table("Users"): keys}, "ReturnConsumedCapacity": "TOTAL"});
    let response = world.call("BatchGetItem", &request).await.unwrap();
    response["ConsumedCapacity"][0]["CapacityUnits"] == 3.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_is_right_about_this_engine() {
    capability::say_all().await;
    let engine = engine::kind().await;
    let mut trials = JoinSet::new();
    for capability in ALL {
        trials.spawn(async move { (capability, does(capability).await) });
    }
    let wrong = trials.join_all().await.into_iter().filter_map(|(capability, does)| {
        match (does, capability::reason(engine, capability)) {
            (true, Some(_)) => Some(format!("{engine:?} has {capability:?} now: remove its row")),
            (false, None) => Some(format!("{engine:?} lacks {capability:?}: say why in a row")),
            _ => None,
        }
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_row_of_the_table_is_unique_and_has_a_reason() {
    for (index, row) in LACKS.iter().enumerate() {
        assert!(row.reason.len() > 20 && !row.reason.ends_with('.'), "{row:?}");
        let same = |other: &&capability::Lack| {
            (other.engine, other.capability) == (row.engine, row.capability)
        };
        assert_eq!(
            LACKS[index + 1..].iter().find(same).map(|other| other.reason),
            None,
            "{row:?} is repeated"
        );
    }
}

#[test]
fn an_endpoint_is_a_host_with_a_port_and_nothing_else() {
    let check = |value: Option<&str>, expected: Option<&str>| {
        assert_eq!(authority(value), Ok(expected.map(str::to_owned)), "{value:?}");
    };
    check(None, None);
    check(Some(""), None);
    check(Some("http://127.0.0.1:8000"), Some("127.0.0.1:8000"));
    check(Some("http://localhost:8000/"), Some("localhost:8000"));
    for bad in [
        " ",
        "127.0.0.1:8000",
        "https://127.0.0.1:8000",
        "http://",
        "http://127.0.0.1",
        "http://127.0.0.1:",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://:8000",
        "http://127.0.0.1:8000/path",
        "http://user@127.0.0.1:8000",
        "moto",
    ] {
        let error = authority(Some(bad)).unwrap_err();
        assert!(
            error.contains("HALLPASS_TEST_ENDPOINT") && error.contains(&format!("`{bad}`")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_without_an_engine_is_reported() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let unused = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = remote::recognize(&unused).await.unwrap_err();
    assert!(error.starts_with(&format!("cannot reach {unused}")), "{error}");
    let other = Tap::start(&format!("http://{unused}")).await;
    other.inject(ANY, 0, ALWAYS, Fault::Reject(400, "UnknownOperationException"));
    let error =
        remote::recognize(other.endpoint().strip_prefix("http://").unwrap()).await.unwrap_err();
    assert!(error.contains("neither"), "{error}");
}

#[tokio::test]
async fn the_tables_of_a_test_are_in_the_chosen_engine() {
    let world = World::new().await;
    let chosen = hallpass_runtime::settings::environment("HALLPASS_TEST_ENDPOINT")
        .filter(|endpoint| !endpoint.is_empty());
    let Some(chosen) = chosen else {
        assert_eq!(
            (engine::kind().await, world.table("Users").as_str()),
            (engine::Kind::Embedded, "Users")
        );
        return;
    };
    let chosen = authority(Some(&chosen)).unwrap().unwrap();
    let describe = json!({"TableName": world.table("Users")});
    let response = remote::call(&chosen, TABLES, "DescribeTable", &describe).await.unwrap();
    assert_eq!(response["Table"]["ItemCount"], 4);
}

#[tokio::test]
async fn a_read_takes_a_hundred_keys_and_no_more() {
    let world = World::new().await;
    let read = async |count: usize| {
        let keys: Vec<Value> =
            (0..count).map(|id| json!({"user_id": {"S": id.to_string()}})).collect();
        let request =
            json!({"RequestItems": {world.table("Users"): {"Keys": keys, "ConsistentRead": true}}});
        world.call("BatchGetItem", &request).await
    };
    let response = read(100).await.unwrap();
    assert_eq!(response["Responses"][world.table("Users")].as_array().unwrap().len(), 4);
    assert!(read(101).await.unwrap_err().contains("ValidationException"));
}

#[tokio::test]
async fn a_transaction_whose_response_was_lost_does_not_conflict_with_itself() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.token().await;
    tap.inject("TransactWriteItems", 0, 1, Fault::Lose);
    let regenerate = Request::new("POST", "/profile/developer").authorization(&bearer(&token));
    let response = world.send("Generate", regenerate.header("Accept", "application/json")).await;
    if capability::lacks(Capability::Idempotency, "the second attempt finds the work of the first")
        .await
    {
        response.problem(409);
        assert_eq!(world.count_records("1").await, 2, "and it exists");
        return;
    }
    assert_eq!(response.status, 201, "{}", response.body);
    assert_eq!(world.verdict(&bearer(response.json()["token"].as_str().unwrap())).await, "allow");
}

#[tokio::test]
async fn a_user_deleted_by_ttl_is_a_removed_user_for_prune() {
    if capability::lacks(Capability::Ttl, "no user is removed").await {
        return;
    }
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let item = world.user_item("1").await;
    assert!(expire(&world, "1").await);
    assert_eq!(world.verdict(&bearer(&token.text)).await, "user_removed");
    world.delivery.drain().await.unwrap();
    world.put("Users", item).await;
    assert_eq!(world.verdict(&bearer(&token.text)).await, "user_removed");
}
