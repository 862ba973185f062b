//! Reads of many items: more than one request takes, and keys that DynamoDB leaves unprocessed.

use hallpass_store::{Store, live::LiveRecord};
use hallpass_token::{Format, UserId};
use tests::{
    World,
    tap::{ALWAYS, Fault, Tap},
};

/// The attempts of one batch.
const ATTEMPTS: usize = 8;

async fn live(world: &World, most: usize) -> Vec<LiveRecord> {
    world.store.live_records(&"1".parse().unwrap(), world.now(), most, |_| true).await.unwrap()
}

fn batches(tap: &Tap) -> usize {
    tap.operations().iter().filter(|operation| *operation == "BatchGetItem").count()
}

#[tokio::test]
async fn as_many_live_tokens_are_read_as_are_asked_for() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    world.multiply(&token, 1_100).await;
    for (most, expected) in [(500, 500), (1_050, 1_050), (2_000, 1_101)] {
        assert_eq!(live(&world, most).await.len(), expected, "{most}");
    }
    let some = live(&world, 250).await;
    let whole = world.store.whole_records(&some).await.unwrap();
    let sorted = |mut hashes: Vec<String>| {
        hashes.sort();
        hashes
    };
    assert_eq!(
        sorted(whole.iter().map(|record| record.id.to_string()).collect()),
        sorted(some.iter().map(|record| record.id.to_string()).collect())
    );
}

#[tokio::test]
async fn unprocessed_keys_are_read_again_for_a_limited_time() {
    let check = async |times: usize, attempts: usize, is_read: bool| {
        let (world, tap) = World::tapped(&[]).await;
        let token = world.create_token(Format::Signed, "1", 1).await;
        let (store, some) = (world.service().store, live(&world, 1).await);
        let users: [UserId; 2] = ["1", "9"].map(|id| id.parse().unwrap());
        let inject = || tap.inject("BatchGetItem", 0, times, Fault::Unprocessed);
        let done = async |store: &Store| {
            inject();
            let records = store.whole_records(&some).await.ok();
            tap.heal();
            let of_records = batches(&tap);
            inject();
            let users = store.users(&users).await.ok();
            let ids =
                users.map(|users| users.into_keys().map(|id| id.to_string()).collect::<Vec<_>>());
            (records.map(|records| records.len()), of_records, ids, batches(&tap))
        };
        let expected =
            (is_read.then_some(1), attempts, is_read.then(|| vec!["1".to_owned()]), attempts);
        assert_eq!(done(&store).await, expected, "{times} {}", token.record.id);
    };
    tokio::join!(
        check(0, 1, true),
        check(1, 2, true),
        check(ATTEMPTS - 1, ATTEMPTS, true),
        check(ALWAYS, ATTEMPTS, false)
    );
}
