//! Failures of the stream: if a part of a batch cannot be handled at all or in time, the rest is,
//! and the schedule repairs what is missing.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, config::timeout::TimeoutConfig};
use hallpass_dev::{events::deliver, template::Template};
use hallpass_prune::{Event, Notices, Prune, Response};
use hallpass_store::{Store, Tables};
use hallpass_token::{Cause, Format};
use serde_json::{Value, json};
use tests::{
    TEMPLATE, World,
    api::{bearer, text},
    long::long,
    tables::{RETENTION, TestToken},
    tap::{Fault, Seen},
};

mod drained;

/// Returns the event of the schedule.
fn schedule() -> Value {
    json!({"source": "aws.scheduler", "detail-type": "Scheduled Event"})
}

async fn verdict(world: &World, token: &TestToken) -> String {
    world.verdict(&bearer(&token.text)).await
}

/// Returns why the record says that the token was revoked, if it does.
async fn revoked_because(world: &World, token: &TestToken) -> Option<&'static str> {
    world.record(&token.record.id).await.revoked.map(|revocation| revocation.because.as_str())
}

/// Checks that the other records are handled, the poisoned record goes to the failure destination,
/// and the schedule repairs what it would have done.
async fn check_poison(poison: impl Fn(&mut Value)) {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for (seed, id) in (1..).zip(["1", "2", "3"]) {
        tokens.push(world.create_token(Format::Signed, id, seed).await);
    }
    let good = world.user_item("2").await;
    for id in ["1", "2", "3"] {
        world.set_user(id, "username", Some(text(&format!("renamed {id}")))).await;
    }
    let mut records = world.user_stream().split_off(4);
    poison(&mut records[1]);
    let (invoke, _tap) = world.tapped_once_more().await;
    let given_up = deliver(&invoke, "Prune", records.clone()).await;
    assert_eq!(given_up.first(), Some(&records[1]));
    assert!(!given_up.contains(&records[0]));
    let because =
        [revoked_because(&world, &tokens[0]).await, revoked_because(&world, &tokens[2]).await];
    assert_eq!(because, [Some("user_changed"); 2], "the others are dealt with");
    assert_eq!(revoked_because(&world, &tokens[1]).await, None);
    assert_ne!(verdict(&world, &tokens[1]).await, "allow");

    let swept = world.invoke("Prune", schedule()).await.unwrap();
    assert_eq!((&swept["invalidated"], &swept["finished"]), (&json!(1), &json!(true)));
    world.put("Users", good).await;
    for token in &tokens {
        assert_eq!(verdict(&world, token).await, "user_changed", "changing back revives nothing");
    }
}

#[tokio::test]
async fn a_poisoned_record_blocks_no_other_and_the_schedule_repairs_its_effect() {
    // A record that prune cannot parse at all, so the whole batch fails.
    check_poison(|record| record["dynamodb"]["NewImage"]["username"] = json!({"X": 1})).await;
    check_poison(|record| *record = json!({"dynamodb": {"Keys": {"user_id": {"S": "2"}}}})).await;
}

/// Returns the number of tokens of a user in these tests.
fn many() -> usize {
    if long() { 10_000 } else { 1_000 }
}

/// Creates a user with many tokens, who is then renamed.
async fn renamed_with_many(world: &World) -> TestToken {
    let token = world.create_token(Format::Signed, "1", 1).await;
    world.multiply(&token, many() - 1).await;
    world.advance(60);
    world.set_user("1", "username", Some(text("renamed"))).await;
    token
}

/// Returns a store without time limits: reading a megabyte takes long without optimization.
fn patient(world: &World) -> Store {
    let config =
        world.dynamodb.config().to_builder().timeout_config(TimeoutConfig::disabled()).build();
    let [users, tokens, attempts] = ["Users", "Tokens", "Attempts"].map(|name| world.table(name));
    Store::new(Client::from_conf(config), Tables { users, tokens, attempts })
}

async fn live(world: &World) -> usize {
    let records = patient(world).records_of(&"1".parse().unwrap()).await.unwrap();
    records.iter().filter(|record| record.revoked.is_none()).count()
}

/// Runs one invocation, whose time is up after `steps` steps.
async fn invocation(world: &World, event: Value, steps: usize) -> Response {
    let prune = Prune {
        store: patient(world),
        retention: Duration::from_secs(RETENTION),
        bound_to: None,
        notices: Notices::NONE,
        audit: None,
        bus: None,
    };
    let checks = AtomicUsize::new(0);
    let may_go_on = || checks.fetch_add(1, Ordering::SeqCst) < steps;
    let event = serde_json::from_value::<Event>(event).unwrap();
    prune.handle(event, &Cause::system(world.now()), &may_go_on).await.unwrap()
}

/// Returns the sequence numbers that the response reports as failed.
fn failures(response: Response) -> Vec<String> {
    let Response::Stream(response) = response else { panic!("no response to the stream") };
    response.batch_item_failures.into_iter().filter_map(|failure| failure.item_identifier).collect()
}

fn number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn many_tokens_of_one_user_are_invalidated_over_several_invocations() {
    let world = World::new().await;
    let token = renamed_with_many(&world).await;
    let records = world.user_stream().split_off(4);
    let (mut left, mut invocations) = (many(), 0);
    loop {
        invocations += 1;
        let failed = failures(invocation(&world, json!({"Records": records}), many() / 64).await);
        let still = live(&world).await;
        assert!(still < left, "each invocation continues where the last one stopped");
        left = still;
        if failed.is_empty() {
            break;
        }
        assert_eq!(failed, [number(&records[0])]);
    }
    assert_eq!(left, 0);
    assert!((4..=6).contains(&invocations), "{invocations}: none repeats the work of another");
    world.set_user("1", "username", Some(text("my_username"))).await;
    assert_eq!(verdict(&world, &token).await, "user_changed");
}

/// The function's timeout and the event source's retries suffice for 200,000 tokens at a fifth of
/// the write capacity of one partition, where each token costs two writes.
#[test]
fn the_retries_of_the_stream_are_enough_for_two_hundred_thousand_tokens() {
    let resources = Template::resolved(TEMPLATE, &[]).unwrap()["Resources"].take();
    let prune = &resources["Prune"]["Properties"];
    let (seconds, reserve) = (prune["Timeout"].as_u64().unwrap(), 10);
    let invocations =
        prune["Events"]["UserStream"]["Properties"]["MaximumRetryAttempts"].as_u64().unwrap() + 1;
    assert!((seconds - reserve) * invocations * (1_000 / 2 / 5) >= 200_000);
}

#[tokio::test]
async fn a_user_with_many_tokens_does_not_delay_the_rest_of_the_batch() {
    let world = World::new().await;
    renamed_with_many(&world).await;
    let mut others = Vec::new();
    for (seed, id) in (2..).zip(["2", "3", "4"]) {
        others.push(world.create_token(Format::Signed, id, seed).await);
        world.set_user(id, "username", Some(text(&format!("renamed {id}")))).await;
    }
    let records = world.user_stream().split_off(4);
    let failed = failures(invocation(&world, json!({"Records": records}), 40).await);
    assert_eq!(failed, [number(&records[0])], "only the one with many is left");
    for token in &others {
        assert_eq!(revoked_because(&world, token).await, Some("user_changed"));
    }
    assert!(live(&world).await > 0);
}

#[tokio::test]
async fn a_batch_is_read_page_by_page_and_no_page_twice() {
    let (world, tap) = World::tapped(&[]).await;
    renamed_with_many(&world).await;
    tap.seen();
    world.delivery.drain().await.unwrap();
    let is_page = |seen: &Seen| seen.operation == "Query" && seen.body["IndexName"] == "live_until";
    let pages = tap.seen().into_iter().filter(is_page);
    let read: Vec<usize> = pages.map(|seen| seen.items().len()).collect();
    assert!(read.iter().all(|read| *read <= 500), "{read:?}");
    assert_eq!(read.iter().sum::<usize>(), many());
    assert_eq!(live(&world).await, 0);
}

#[tokio::test]
async fn prune_waits_for_a_busy_partition_and_a_failed_invalidation_keeps_no_other_token_live() {
    let check = async |fault: Fault, times: usize, left: usize| {
        let (world, tap) = World::tapped(&[]).await;
        let token = world.create_token(Format::Signed, "1", 1).await;
        world.multiply(&token, 39).await;
        world.set_user("1", "username", Some(text("renamed"))).await;
        // The first write is the marker.
        tap.inject("UpdateItem", 1, times, fault);
        let records = world.user_stream().split_off(4);
        let response = world.invoke("Prune", json!({"Records": records})).await.unwrap();
        let failed = response["batchItemFailures"].as_array().unwrap().len();
        assert_eq!((failed, live(&world).await), (usize::from(left > 0), left));
        tap.heal();
        let response = world.invoke("Prune", json!({"Records": records})).await.unwrap();
        assert_eq!((&response["batchItemFailures"], live(&world).await), (&json!([]), 0));
    };
    // Every write of the first ones is rejected four times over, as the SDK makes three attempts.
    check(Fault::Reject(400, "ProvisionedThroughputExceededException"), 16 * 3 * 2, 0).await;
    check(Fault::Reject(400, "ThrottlingException"), 7, 0).await;
    check(Fault::Reject(400, "AccessDeniedException"), 3, 3).await;
}

#[tokio::test]
async fn a_marker_that_cannot_be_written_keeps_no_token_live_and_the_record_is_retried() {
    let (world, tap) = World::tapped(&[]).await;
    world.create_token(Format::Signed, "1", 1).await;
    world.set_user("1", "username", Some(text("renamed"))).await;
    tap.inject("UpdateItem", 0, 1, Fault::Reject(400, "AccessDeniedException"));
    let records = world.user_stream().split_off(4);
    let response = world.invoke("Prune", json!({"Records": records})).await.unwrap();
    assert_eq!(
        (response["batchItemFailures"].as_array().unwrap().len(), live(&world).await),
        (1, 0)
    );
    let response = world.invoke("Prune", json!({"Records": records})).await.unwrap();
    assert_eq!(response["batchItemFailures"], json!([]));
}

#[tokio::test]
async fn many_tokens_whose_stream_record_was_lost_are_invalidated_over_several_sweeps() {
    let world = World::new().await;
    let token = renamed_with_many(&world).await;
    let (mut seen, mut invalidated, mut invocations) = (0, 0, 0);
    loop {
        invocations += 1;
        let Response::Swept(swept) = invocation(&world, schedule(), 1).await else {
            panic!("no response to the schedule")
        };
        (seen, invalidated) = (seen + swept.seen, invalidated + swept.invalidated);
        if swept.finished {
            break;
        }
    }
    assert_eq!((seen, invalidated, live(&world).await), (many() as u64, many() as u64, 0));
    assert!(invocations > many() / 5_000, "{invocations}");
    assert_eq!(verdict(&world, &token).await, "user_changed");
}

#[tokio::test]
async fn tokens_that_stay_valid_are_read_once_and_the_change_is_reported_only_if_the_time_is_up() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    world.multiply(&token, 599).await;
    world.set_user("1", "full_name", Some(text("Ada"))).await;
    let records = world.user_stream().split_off(4);
    // The first page is one step, and the second one is the last.
    for (steps, expected) in [(0, vec![number(&records[0])]), (1, Vec::new())] {
        assert_eq!(
            failures(invocation(&world, json!({"Records": records}), steps).await),
            expected,
            "{steps}"
        );
    }
    assert_eq!(live(&world).await, 600);
}
