//! What `hallpass doctor` reads about the tables, and what the errors of an engine without these
//! calls mean.

use hallpass_store::inspection::{Inspected, Shape};
use serde_json::{Value, json};
use tests::{
    World,
    engine::{self, Kind},
    tap::{Fault, Tap},
};

fn with_recovery(status: &'static str) -> Value {
    let recovery = json!({"PointInTimeRecoveryStatus": status});
    json!({"ContinuousBackupsDescription":
        {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}})
}

fn with_ttl(status: &'static str) -> Value {
    json!({"TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": "purge_at"}})
}

#[tokio::test]
async fn a_table_is_missing_only_if_the_database_says_so() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let table = &store.tables().users;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let users = Shape {
        key: names(&["user_id"]),
        name_index: Some(names(&["username_key"])),
        live_index: None,
        stream: Some("NEW_AND_OLD_IMAGES".to_owned()),
    };
    assert_eq!(store.shape(table).await.unwrap(), Some(users));
    // In an engine that all tests share, only the stream of users is on.
    let has_stream = engine::kind().await == Kind::Embedded;
    let tokens = Shape {
        key: names(&["user_id", "token"]),
        name_index: None,
        live_index: Some(names(&["user_id", "live_until"])),
        stream: has_stream.then(|| "NEW_AND_OLD_IMAGES".to_owned()),
    };
    assert_eq!(store.shape(&store.tables().tokens).await.unwrap(), Some(tokens));
    tap.inject("DescribeTable", 0, 1, Fault::Reject(400, "ResourceNotFoundException"));
    assert_eq!(store.shape(table).await.unwrap(), None);
    tap.inject("DescribeTable", 0, 1, Fault::Reject(400, "AccessDeniedException"));
    let failure = store.shape(table).await.unwrap_err();
    assert!(failure.report().starts_with("describing the table"), "{}", failure.report());
}

#[tokio::test]
async fn recovery_and_ttl_are_on_off_not_offered_or_unknown() {
    let (world, tap) = World::tapped(&[]).await;
    let store = world.service().store;
    let table = &store.tables().tokens;
    let inject =
        |tap: &Tap, operation: &'static str, fault: Fault| tap.inject(operation, 0, 1, fault);
    for (fault, expected) in [
        (
            Fault::Change(|response| *response = with_recovery("ENABLED")),
            Some(Inspected::This(true)),
        ),
        (
            Fault::Change(|response| *response = with_recovery("DISABLED")),
            Some(Inspected::This(false)),
        ),
        (Fault::Change(|response| *response = json!({})), Some(Inspected::This(false))),
        (Fault::Reject(400, "UnknownOperationException"), Some(Inspected::NotOffered)),
        (Fault::Reject(400, "AccessDeniedException"), None),
    ] {
        inject(&tap, "DescribeContinuousBackups", fault);
        assert_eq!(store.is_recoverable(table).await.ok(), expected, "{fault:?}");
    }
    let purge_at = Some("purge_at".to_owned());
    for (fault, expected) in [
        (
            Fault::Change(|response| *response = with_ttl("ENABLED")),
            Some(Inspected::This(purge_at.clone())),
        ),
        (
            Fault::Change(|response| *response = with_ttl("ENABLING")),
            Some(Inspected::This(purge_at)),
        ),
        (Fault::Change(|response| *response = with_ttl("DISABLED")), Some(Inspected::This(None))),
        (Fault::Reject(400, "UnknownOperationException"), Some(Inspected::NotOffered)),
        (Fault::Reject(400, "AccessDeniedException"), None),
    ] {
        inject(&tap, "DescribeTimeToLive", fault);
        assert_eq!(store.ttl(table).await.ok(), expected, "{fault:?}");
    }
}
