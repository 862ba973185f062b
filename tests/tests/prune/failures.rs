//! Records that fail or cannot be read, and failures of the database.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    World,
    api::text,
    tables::TestToken,
    tap::{ALWAYS, Fault},
};

use super::{change_and_back, changes, deliver, number, one_of_each, verdicts};

#[tokio::test]
async fn a_failed_record_is_reported_by_its_number_and_the_rest_is_handled() {
    let world = World::new().await;
    let (tokens, others) = (one_of_each(&world, "1", 1).await, one_of_each(&world, "2", 11).await);
    for id in ["1", "2"] {
        world.set_user(id, "username", Some(text(&format!("renamed {id}")))).await;
    }
    let records = changes(&world);
    let numbers: Vec<&str> = records.iter().map(number).collect();
    // The tokens of one of the two users cannot be listed.
    let (invoke, tap) = world.tapped_once_more().await;
    tap.inject("Query", 0, 1, Fault::Reject(400, "ResourceNotFoundException"));
    let response = invoke("Prune", json!({"Records": records})).await.unwrap();
    let failed = response["batchItemFailures"].as_array().unwrap().iter();
    let failed: Vec<&str> =
        failed.map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect();
    let (done, undone) =
        if failed == [numbers[0]] { (&others, &tokens) } else { (&tokens, &others) };
    assert!(failed == [numbers[0]] || failed == [numbers[1]], "{failed:?}");
    assert_eq!(verdicts(&world, done).await, ["user_changed"; 3]);
    let live =
        |tokens: &[TestToken]| tokens.iter().map(|token| token.record.id).collect::<Vec<_>>();
    for id in live(undone) {
        assert!(world.record(&id).await.revoked.is_none());
    }
    assert_eq!(deliver(&world, &records).await, Vec::<String>::new());
    for id in live(undone) {
        assert!(world.record(&id).await.revoked.is_some());
    }
}

#[tokio::test]
async fn an_unreadable_record_keeps_no_other_token_live() {
    let world = World::new().await;
    let (broken, token) =
        (world.create_token(Format::Signed, "1", 9).await, one_of_each(&world, "1", 1).await);
    world.set_record(&broken.record, "issued_at", None).await;
    change_and_back(&world, "1", "username", text("renamed")).await;
    assert_eq!(deliver(&world, &changes(&world)).await, Vec::<String>::new());
    assert_eq!(verdicts(&world, &token).await, ["user_changed"; 3]);
}

#[tokio::test]
async fn an_item_that_was_briefly_not_a_user_counts_as_changed_and_not_as_removed() {
    let world = World::new().await;
    let tokens = one_of_each(&world, "1", 1).await;
    change_and_back(&world, "1", "username", AttributeValue::Bool(true)).await;
    world.delivery.drain().await.unwrap();
    assert_eq!(verdicts(&world, &tokens).await, ["user_changed"; 3]);
}

#[tokio::test]
async fn a_database_failure_at_any_call_is_reported_and_repaired_later() {
    for operation in ["Query", "GetItem", "UpdateItem"] {
        let (world, tap) = World::tapped(&[]).await;
        let tokens = one_of_each(&world, "1", 1).await;
        change_and_back(&world, "1", "username", text("renamed")).await;
        let records = changes(&world);
        tap.inject(operation, 0, ALWAYS, Fault::Reject(500, "InternalServerError"));
        assert_eq!(
            deliver(&world, &records).await,
            records.iter().map(number).collect::<Vec<_>>(),
            "{operation}"
        );
        tap.heal();
        assert_eq!(deliver(&world, &records).await, Vec::<String>::new());
        assert_eq!(verdicts(&world, &tokens).await, ["user_changed"; 3]);
    }
}

#[tokio::test]
async fn a_write_whose_response_was_lost_is_not_repeated() {
    let (world, tap) = World::tapped(&[]).await;
    let tokens = one_of_each(&world, "1", 1).await;
    world.set_user("1", "username", Some(text("renamed"))).await;
    tap.inject("UpdateItem", 0, 2, Fault::Lose);
    assert_eq!(deliver(&world, &changes(&world)).await, Vec::<String>::new());
    assert_eq!(verdicts(&world, &tokens).await, ["user_changed"; 3]);
}

#[tokio::test]
async fn items_that_are_not_users_are_skipped() {
    let world = World::new().await;
    let tokens = one_of_each(&world, "1", 1).await;
    let before = world.dump("Tokens").await;
    change_and_back(&world, "1", "username", text("renamed")).await;
    let record = changes(&world).swap_remove(0);
    for keys in [
        json!({"user_id": {"S": "9"}}),
        json!({"user_id": {"S": "not#an id"}}),
        json!({"user_id": {"S": ""}}),
        json!({"user_id": {"N": "1"}}),
        json!({"other": {"S": "1"}}),
        json!({}),
        Value::Null,
    ] {
        let mut record = record.clone();
        record["dynamodb"]["Keys"] = keys;
        assert_eq!(deliver(&world, &[record]).await, Vec::<String>::new());
    }
    assert_eq!(deliver(&world, &[]).await, Vec::<String>::new());
    // An ID that a user could have gets a marker, which expires.
    let mut after = world.dump("Tokens").await;
    after.retain(|item| !item.contains("changes#9"));
    assert_eq!(after, before);
    assert_eq!(verdicts(&world, &tokens).await, ["allow"; 3]);
}

#[tokio::test]
async fn an_unreadable_batch_is_an_error_and_never_a_success() {
    let world = World::new().await;
    let tokens = one_of_each(&world, "1", 1).await;
    change_and_back(&world, "1", "username", text("renamed")).await;
    let record = changes(&world).swap_remove(0);
    let without = |path: &[&str]| {
        let mut record = record.clone();
        let (last, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut record, |value, name| &mut value[*name]);
        parent.as_object_mut().unwrap().remove(*last);
        record
    };
    // Without its number a record cannot be reported, and without its change it is not a record.
    for broken in [
        without(&["dynamodb", "SequenceNumber"]),
        without(&["dynamodb"]),
        json!({}),
        json!("record"),
    ] {
        for records in [json!([broken]), json!([record, broken])] {
            let outcome = world.invoke("Prune", json!({"Records": records})).await;
            assert!(outcome.is_err(), "{outcome:?}");
        }
    }
    assert!(world.invoke("Prune", json!({"Records": "records"})).await.is_err());
    // A record without a time counts as of now, and so invalidates more rather than less.
    let timeless = without(&["dynamodb", "ApproximateCreationDateTime"]);
    assert_eq!(deliver(&world, &[timeless]).await, Vec::<String>::new());
    assert_eq!(verdicts(&world, &tokens).await, ["user_changed"; 3]);
}
