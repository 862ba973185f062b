//! Prune and the stream of users: with late, repeated, reordered or broken records, the resulting
//! tables are the same.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Timestamp};
use serde_json::{Value, json};
use tests::{
    World,
    api::{bearer, text},
    tables::{RETENTION, TestToken},
};

mod failures;

/// Invokes prune with these records, and returns the sequence numbers that it reports as failed.
async fn deliver(world: &World, records: &[Value]) -> Vec<String> {
    let response = world.invoke("Prune", json!({"Records": records})).await.unwrap();
    let failures = response["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{response}"));
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// Returns the records of the stream since the demo users were added.
fn changes(world: &World) -> Vec<Value> {
    world.user_stream().split_off(4)
}

fn number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap()
}

async fn verdicts(world: &World, tokens: &[TestToken]) -> Vec<String> {
    let mut verdicts = Vec::new();
    for token in tokens {
        verdicts.push(world.verdict(&bearer(&token.text)).await);
    }
    verdicts
}

/// Creates three tokens of a user, one of each format.
async fn one_of_each(world: &World, user_id: &str, seed: u8) -> Vec<TestToken> {
    let mut tokens = Vec::new();
    for (seed, format) in (seed..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        tokens.push(world.create_token(format, user_id, seed).await);
    }
    tokens
}

/// Writes an attribute of a user, and then its previous value.
async fn change_and_back(world: &World, user_id: &str, attribute: &str, value: AttributeValue) {
    let before = world.user_item(user_id).await.remove(attribute);
    world.set_user(user_id, attribute, Some(value)).await;
    world.set_user(user_id, attribute, before).await;
}

/// Runs a day in the life of two users, with tokens issued in between. Each token has its own seed.
async fn history(world: &World) -> Vec<TestToken> {
    let mut tokens = one_of_each(world, "1", 1).await;
    tokens.extend(one_of_each(world, "2", 11).await);
    world.advance(100);
    change_and_back(world, "1", "username", text("renamed")).await;
    world.advance(100);
    tokens.push(world.create_token(Format::Signed, "1", 21).await);
    change_and_back(world, "2", "status", text("blocked")).await;
    world.advance(100);
    tokens.push(world.create_token(Format::Jwt, "2", 31).await);
    let item = world.user_item("2").await;
    world.remove_user("2").await;
    world.put("Users", item).await;
    world.advance(100);
    world.set_user("1", "permissions", Some(AttributeValue::Ss(vec!["other".to_owned()]))).await;
    world.set_user("1", "email", Some(text("a@example.org"))).await;
    tokens.push(world.create_token(Format::Signed, "1", 41).await);
    tokens.push(world.create_token(Format::Signed, "2", 51).await);
    world.advance(100);
    tokens
}

#[tokio::test]
async fn replayed_and_doubled_records_have_no_further_effect() {
    let world = World::new().await;
    let tokens = history(&world).await;
    world.delivery.drain().await.unwrap();
    let invalidated = verdicts(&world, &tokens).await;
    let before = world.dump("Tokens").await;
    let changes = changes(&world);
    let reversed: Vec<Value> = changes.iter().rev().cloned().collect();
    let doubled: Vec<Value> =
        changes.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
    for batch in [world.user_stream(), changes.clone(), reversed, doubled] {
        world.advance(1_000);
        assert_eq!(deliver(&world, &batch).await, Vec::<String>::new());
        assert_eq!(world.dump("Tokens").await.len(), before.len());
    }
    let unused = |item: &String| {
        item.split(", ").filter(|part| !part.starts_with("last_used_at")).collect::<String>()
    };
    let after = world.dump("Tokens").await;
    assert_eq!(
        after.iter().map(unused).collect::<Vec<_>>(),
        before.iter().map(unused).collect::<Vec<_>>()
    );
    assert_eq!(
        invalidated,
        [
            "user_changed",
            "user_changed",
            "user_changed",
            "user_blocked",
            "user_blocked",
            "user_blocked",
            "allow",
            "user_removed",
            "allow",
            "allow"
        ]
    );
}

#[tokio::test]
async fn the_order_of_the_records_does_not_change_which_tokens_are_invalidated() {
    let mut outcomes = Vec::new();
    for order in 0..4_usize {
        let world = World::new().await;
        let tokens = history(&world).await;
        let mut records = changes(&world);
        match order {
            1 => records.reverse(),
            2 => records.rotate_left(3),
            _ => {}
        }
        if order == 3 {
            for record in &records {
                assert_eq!(
                    deliver(&world, std::slice::from_ref(record)).await,
                    Vec::<String>::new()
                );
            }
        } else {
            assert_eq!(deliver(&world, &records).await, Vec::<String>::new());
        }
        let rejected: Vec<bool> =
            verdicts(&world, &tokens).await.iter().map(|verdict| verdict != "allow").collect();
        outcomes.push(rejected);
    }
    assert_eq!(
        outcomes,
        vec![vec![true, true, true, true, true, true, false, true, false, false]; 4]
    );
}

#[tokio::test]
async fn a_batch_delivered_twice_at_once_is_handled_once() {
    let world = World::new().await;
    let tokens = history(&world).await;
    let changes = changes(&world);
    let (one, two) = tokio::join!(deliver(&world, &changes), deliver(&world, &changes));
    assert_eq!((one, two), (Vec::new(), Vec::new()));
    assert_eq!(
        verdicts(&world, &tokens).await.iter().filter(|verdict| *verdict == "allow").count(),
        3
    );
}

#[tokio::test]
async fn a_token_issued_after_a_change_survives_its_late_delivery() {
    // The clocks of the stream and the functions may differ, so a token of the first two seconds
    // counts as issued before.
    for (seconds, expected) in
        [(0, "user_changed"), (1, "user_changed"), (2, "allow"), (60, "allow")]
    {
        let world = World::new().await;
        change_and_back(&world, "1", "username", text("renamed")).await;
        world.advance(seconds);
        let tokens = [world.create_token(Format::Signed, "1", 1).await];
        world.advance(1_000);
        world.delivery.drain().await.unwrap();
        assert_eq!(verdicts(&world, &tokens).await, [expected], "{seconds}");
    }
}

#[tokio::test]
async fn attributes_that_a_token_is_not_bound_to_do_not_invalidate_it() {
    let world = World::new().await;
    let tokens = one_of_each(&world, "1", 1).await;
    let before = world.dump("Tokens").await;
    world.set_user("1", "permissions", Some(AttributeValue::Ss(vec!["other".to_owned()]))).await;
    world.set_user("1", "full_name", Some(text("My Name"))).await;
    world.set_user("1", "username", Some(text("my_username"))).await;
    world.delivery.drain().await.unwrap();
    assert_eq!(world.dump("Tokens").await, before);
    assert_eq!(verdicts(&world, &tokens).await, ["allow"; 3]);
}

#[tokio::test]
async fn an_invalidated_record_says_when_and_why_and_when_it_can_be_purged() {
    let world = World::new().await;
    let tokens = one_of_each(&world, "1", 1).await;
    world.advance(100);
    world.set_user("1", "status", Some(text("blocked"))).await;
    world.delivery.drain().await.unwrap();
    for token in &tokens {
        let record = world.record(&token.record.id).await;
        let revocation = record.revoked.unwrap();
        assert_eq!((revocation.at, revocation.because.as_str()), (world.now(), "user_blocked"));
        assert_eq!(record.purge_at.map(Timestamp::unix), Some(world.now().unix() + RETENTION));
    }
}

#[tokio::test]
async fn a_token_revoked_before_keeps_its_reason() {
    let world = World::new().await;
    let tokens = [world.create_token(Format::Signed, "1", 1).await];
    assert_eq!(world.delete(&tokens[0].text, "current").await.status, 200);
    world.set_user("1", "username", Some(text("renamed"))).await;
    world.delivery.drain().await.unwrap();
    assert_eq!(verdicts(&world, &tokens).await, ["revoked"]);
}

#[tokio::test]
async fn all_tokens_of_a_removed_user_are_invalidated_even_if_the_same_item_is_back() {
    for is_back in [false, true] {
        let world = World::new().await;
        let (token, others) =
            (one_of_each(&world, "1", 1).await, one_of_each(&world, "2", 11).await);
        let item = world.user_item("1").await;
        world.remove_user("1").await;
        if is_back {
            world.put("Users", item).await;
        }
        world.delivery.drain().await.unwrap();
        assert_eq!(verdicts(&world, &token).await, ["user_removed"; 3]);
        assert_eq!(verdicts(&world, &others).await, ["allow"; 3]);
    }
}

#[tokio::test]
async fn reusing_an_id_revives_nothing_though_the_removal_was_lost() {
    let world = World::new().await;
    let tokens = one_of_each(&world, "1", 1).await;
    let mut item = world.user_item("1").await;
    world.remove_user("1").await;
    // Code that adds users starts `token_generation` at random.
    item.insert("token_generation".to_owned(), AttributeValue::N("77".to_owned()));
    world.put("Users", item).await;
    let records = changes(&world);
    assert_eq!(
        (records[0]["eventName"].as_str(), records[1]["eventName"].as_str()),
        (Some("REMOVE"), Some("INSERT"))
    );
    assert_eq!(deliver(&world, &records[1..]).await, Vec::<String>::new());
    assert_eq!(verdicts(&world, &tokens).await, ["revoked"; 3]);
}

#[tokio::test]
async fn a_large_batch_of_many_users_is_handled_completely() {
    let world = World::new().await;
    let item = world.user_item("1").await;
    let mut tokens = BTreeMap::new();
    for number in 0..40_u8 {
        let id = format!("many-{number}");
        let mut item = item.clone();
        item.insert("user_id".to_owned(), text(&id));
        item.insert("username".to_owned(), text(&id));
        world.put("Users", item).await;
        tokens.insert(id.clone(), [world.create_token(Format::Signed, &id, number).await]);
    }
    world.advance(60);
    for (number, id) in tokens.keys().enumerate() {
        if number % 2 == 0 {
            change_and_back(&world, id, "username", text("renamed")).await;
        }
    }
    world.delivery.drain().await.unwrap();
    for (number, tokens) in tokens.values().enumerate() {
        let expected = if number % 2 == 0 { "user_changed" } else { "allow" };
        assert_eq!(verdicts(&world, tokens).await, [expected]);
    }
}
