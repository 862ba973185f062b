//! Events that are published, and entries that fail.

use std::fs;

use aws_sdk_eventbridge::{
    error::ProvideErrorMetadata,
    operation::put_events::PutEventsOutput,
    primitives::DateTime,
    types::{PutEventsRequestEntry, builders::PutEventsRequestEntryBuilder},
};

use super::*;
use crate::aws::tests::{NOW, Running, mode};

fn entry() -> PutEventsRequestEntryBuilder {
    PutEventsRequestEntry::builder()
        .source("hallpass")
        .detail_type("token.issued")
        .detail(r#"{"id":"t1","version":1}"#)
        .event_bus_name("default")
}

/// Publishes entries. Returns the code of the error if all of them are rejected.
async fn put(
    running: &Running,
    entries: Vec<PutEventsRequestEntryBuilder>,
) -> Result<PutEventsOutput, String> {
    let entries = entries.into_iter().map(PutEventsRequestEntryBuilder::build).collect();
    let put = running.events().put_events().set_entries(Some(entries)).send().await;
    put.map_err(|error| error.code().unwrap_or("no code").to_owned())
}

/// Returns the events in the file.
fn lines(running: &Running) -> Vec<Value> {
    let text = fs::read_to_string(running.data.path().join(FILE)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_event_has_the_envelope_that_a_target_receives() {
    let running = Running::start().await;
    let mut received = running.aws.subscribe();
    let timed = entry()
        .resources("arn:aws:dynamodb:local:000000000000:table/Tokens")
        .time(DateTime::from_secs_f64(1_700_000_000.5));
    let output = put(&running, vec![entry(), timed]).await.unwrap();
    assert_eq!(output.failed_entry_count(), 0);
    let ids: Vec<&str> = output.entries().iter().map(|entry| entry.event_id().unwrap()).collect();
    assert_ne!(ids[0], ids[1]);
    let event = |id: &str, time: &str, resources: &[&str]| {
        json!({
            "version": "0",
            "id": id,
            "detail-type": "token.issued",
            "source": "hallpass",
            "account": "000000000000",
            "time": time,
            "region": "local",
            "resources": resources,
            "detail": {"id": "t1", "version": 1},
        })
    };
    assert_eq!(NOW, 1_800_000_000);
    let expected = [
        event(ids[0], "2027-01-15T08:00:00Z", &[]),
        event(
            ids[1],
            "2023-11-14T22:13:20Z",
            &["arn:aws:dynamodb:local:000000000000:table/Tokens"],
        ),
    ];
    assert_eq!(lines(&running), expected);
    for event in &expected {
        assert_eq!(*received.recv().await.unwrap(), *event);
    }
    let file = running.data.path().join(FILE);
    assert_eq!(mode(&file), 0o600);

    let running = running.restart().await;
    put(&running, vec![entry()]).await.unwrap();
    assert_eq!(lines(&running).len(), 3);
}

#[tokio::test]
async fn a_request_has_one_to_ten_entries_of_less_than_256_kb() {
    let running = Running::start().await;
    let check = async |entries: Vec<PutEventsRequestEntryBuilder>,
                       expected: Result<usize, &str>| {
        let before = lines(&running).len();
        let outcome = put(&running, entries).await.map(|output| output.entries().len());
        assert_eq!(outcome, expected.map_err(str::to_owned));
        assert_eq!(lines(&running).len() - before, expected.unwrap_or(0));
    };
    let invalid = Err("ValidationException");
    check(vec![], invalid).await;
    check(vec![entry()], Ok(1)).await;
    check(vec![entry(); 10], Ok(10)).await;
    check(vec![entry(); 11], invalid).await;
    // 8 bytes of the source, 12 of the type, 14 of the time, 8 of the braces, name and quotes.
    let sized = |size: usize| {
        let detail = format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8 - 12 - 14 - 8));
        entry().time(DateTime::from_secs(1)).detail(detail)
    };
    check(vec![sized(SIZE_LIMIT - 1)], Ok(1)).await;
    check(vec![sized(SIZE_LIMIT)], invalid).await;
    check(vec![sized(SIZE_LIMIT / 2), sized(SIZE_LIMIT / 2 - 1)], Ok(2)).await;
    check(vec![sized(SIZE_LIMIT / 2); 2], invalid).await;
    check(vec![sized(SIZE_LIMIT / 2 - 1), sized(SIZE_LIMIT / 2 - 1).resources("12")], invalid)
        .await;
}

#[tokio::test]
async fn an_invalid_entry_fails_alone() {
    let running = Running::start().await;
    let check = async |bad: PutEventsRequestEntryBuilder, expected: &str| {
        let before = lines(&running).len();
        let output = put(&running, vec![entry(), bad, entry()]).await.unwrap();
        let codes: Vec<_> = output.entries().iter().map(|entry| entry.error_code()).collect();
        assert_eq!(codes, [None, Some(expected), None]);
        assert_eq!(output.failed_entry_count(), 1);
        assert!(output.entries()[1].error_message().is_some(), "{expected}");
        assert_eq!(output.entries()[1].event_id(), None, "{expected}");
        assert_eq!(lines(&running).len() - before, 2);
    };
    for bad in [
        entry().set_source(None),
        entry().source(""),
        entry().set_detail_type(None),
        entry().set_detail(None),
        entry().time(DateTime::from_secs(-1)),
    ] {
        check(bad, "InvalidArgument").await;
    }
    for detail in ["{", "[]", "\"text\"", "{}{}"] {
        check(entry().detail(detail), "MalformedDetail").await;
    }
    check(entry().source("aws.s3"), "NotAuthorizedForSourceException").await;
}

#[tokio::test]
async fn entries_fail_when_a_test_says_so() {
    let running = Running::start().await;
    let check = async |count: usize, expected: &[bool]| {
        let output = put(&running, vec![entry(); count]).await.unwrap();
        let entries = output.entries();
        let failed: Vec<bool> = entries.iter().map(|entry| entry.error_code().is_some()).collect();
        assert_eq!(failed, expected);
        let count = failed.iter().filter(|failed| **failed).count();
        assert_eq!(usize::try_from(output.failed_entry_count()), Ok(count));
        assert!(entries.iter().all(|entry| {
            entry.error_code().is_none_or(|code| code == "InternalFailure")
                && entry.error_code().is_some() != entry.event_id().is_some()
        }));
    };
    running.aws.fail_next_entries(3);
    check(2, &[true, true]).await;
    check(3, &[true, false, false]).await;
    assert_eq!(lines(&running).len(), 2);
}

#[test]
fn an_event_id_is_a_random_uuid() {
    let (first, second) = (event_id().ok().unwrap(), event_id().ok().unwrap());
    assert_ne!(first, second);
    let shape: String = first
        .chars()
        .map(|character| if character.is_ascii_hexdigit() { 'x' } else { character })
        .collect();
    assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    assert_eq!(first.as_bytes()[14], b'4');
    assert!(b"89ab".contains(&first.as_bytes()[19]), "{first}");
}
