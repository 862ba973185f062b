//! Objects that are written once, listed, deleted and rejected.

use aws_sdk_s3::{
    Client,
    config::{RequestChecksumCalculation, ResponseChecksumValidation},
    error::ProvideErrorMetadata,
    primitives::{AggregatedBytes, ByteStream},
};
use proptest::{collection::btree_set, option, prelude::*};
use tokio::task::JoinSet;

use super::*;
use crate::aws::tests::{Running, mode};

/// Writes an object if it does not exist. Returns the code of the error.
async fn put(client: &Client, bucket: &str, key: &str, body: &str) -> Result<(), String> {
    let body = ByteStream::from(body.as_bytes().to_vec());
    let put = client.put_object().bucket(bucket).key(key).if_none_match("*").body(body);
    put.send().await.map(drop).map_err(|error| code(&error))
}

/// Reads an object. Returns the code of the error.
async fn get(client: &Client, key: &str) -> Result<String, String> {
    let object = client.get_object().bucket(BUCKET).key(key).send().await;
    let object = object.map_err(|error| code(&error))?;
    Ok(String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap())
}

/// Lists keys page by page.
async fn pages(
    client: &Client,
    prefix: &str,
    start_after: Option<&str>,
    length: i32,
) -> Vec<Vec<String>> {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let list = client.list_objects_v2().bucket(BUCKET).prefix(prefix).max_keys(length);
        let list = list.set_start_after(start_after.map(str::to_owned));
        let page = list.set_continuation_token(token).send().await.unwrap();
        let keys = page.contents().iter().map(|object| object.key().unwrap().to_owned());
        pages.push(keys.collect::<Vec<_>>());
        assert_eq!(page.is_truncated(), Some(page.next_continuation_token().is_some()));
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return pages;
        }
    }
}

fn code(error: &impl ProvideErrorMetadata) -> String {
    error.code().unwrap_or("no code").to_owned()
}

#[tokio::test]
async fn an_object_is_written_once_and_kept() {
    let running = Running::start().await;
    let client = running.s3();
    assert_eq!(put(&client, BUCKET, "audit/a", "first").await, Ok(()));
    let again = client.put_object().bucket(BUCKET).key("audit/a").if_none_match("*");
    let again = again.body(ByteStream::from_static(b"second")).send().await.unwrap_err();
    assert_eq!(again.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(again.code(), Some("PreconditionFailed"));
    assert_eq!(get(&client, "audit/a").await.as_deref(), Ok("first"));

    let head = client.head_object().bucket(BUCKET).key("audit/a").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));

    let running = running.restart().await;
    let client = running.s3();
    assert_eq!(get(&client, "audit/a").await.as_deref(), Ok("first"));
    let again = put(&client, BUCKET, "audit/a", "third").await;
    assert_eq!(again, Err("PreconditionFailed".to_owned()));
    assert_eq!(mode(&running.data.path().join(DIRECTORY)), 0o700);

    let unconditional = client.put_object().bucket(BUCKET).key("audit/a");
    unconditional.body(ByteStream::from_static(b"fourth")).send().await.unwrap();
    assert_eq!(get(&client, "audit/a").await.as_deref(), Ok("fourth"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_several_concurrent_writers_wins() {
    let running = Running::start().await;
    let client = running.s3();
    for round in 0..20 {
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let (client, key) = (client.clone(), format!("audit/{round}"));
            writers.spawn(async move {
                (writer, put(&client, BUCKET, &key, &writer.to_string()).await)
            });
        }
        let outcomes = writers.join_all().await;
        let (winners, others): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|(_, outcome)| outcome.is_ok());
        assert_eq!(winners.len(), 1, "{winners:?} {others:?}");
        let late = |outcome: &Result<(), String>| *outcome == Err("PreconditionFailed".to_owned());
        assert!(others.iter().all(|(_, outcome)| late(outcome)), "{others:?}");
        let kept = get(&client, &format!("audit/{round}")).await.unwrap();
        assert_eq!(kept, winners[0].0.to_string());
    }
}

#[tokio::test]
async fn a_list_has_every_key_once_in_order() {
    let running = Running::start().await;
    let client = running.s3();
    let keys = ["audit/01/a", "audit/01/b", "audit/01-x", "audit/02/a", "audit/02/ü", "digest/01"];
    for key in keys {
        put(&client, BUCKET, key, "x").await.unwrap();
    }
    let check = async |prefix: &str, start_after: Option<&str>, length, expected: &[&[&str]]| {
        let pages = pages(&client, prefix, start_after, length).await;
        assert_eq!(pages, expected, "{prefix} {start_after:?} {length}");
    };
    let sorted =
        ["audit/01-x", "audit/01/a", "audit/01/b", "audit/02/a", "audit/02/ü", "digest/01"];
    check("", None, 1_000, &[&sorted]).await;
    check("", None, 2, &[&sorted[..2], &sorted[2..4], &sorted[4..]]).await;
    check("", None, 5, &[&sorted[..5], &sorted[5..]]).await;
    check("audit/", None, 2, &[&sorted[..2], &sorted[2..4], &sorted[4..5]]).await;
    check("audit/01/", None, 1, &[&["audit/01/a"], &["audit/01/b"]]).await;
    check("audit/0", Some("audit/01/a"), 2, &[&sorted[2..4], &sorted[4..5]]).await;
    check("audit/", Some("audit/02"), 10, &[&["audit/02/a", "audit/02/ü"]]).await;
    check("audit/", Some("b"), 10, &[&[]]).await;
    check("nothing", None, 10, &[&[]]).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn pages_are_the_sorted_keys_in_parts(
        // Only files end with a dot, so that none is the directory of another.
        keys in btree_set("[a-c]{1,2}[-/][a-c]{1,2}[.]", 0..12),
        prefix in "([a-c]{1,2}([-/][a-c]?)?)?",
        start_after in option::of("[a-c]{1,2}[-/]?[a-c]?[.]?"),
        length in 1..5_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let expected: Vec<&String> = keys
            .iter()
            .filter(|key| key.starts_with(&prefix))
            .filter(|key| start_after.as_ref().is_none_or(|start_after| *key > start_after))
            .collect();
        let mut expected: Vec<_> = expected.chunks(length).collect();
        if expected.is_empty() {
            expected.push(&[]);
        }
        let found = runtime.block_on(async {
            let running = Running::start().await;
            let client = running.s3();
            for key in &keys {
                put(&client, BUCKET, key, "x").await.unwrap();
            }
            let length = i32::try_from(length).unwrap();
            pages(&client, &prefix, start_after.as_deref(), length).await
        });
        prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
}

#[tokio::test]
async fn a_page_has_at_most_a_thousand_keys() {
    let running = Running::start().await;
    let folder = running.data.path().join(DIRECTORY).join(BUCKET);
    for number in 0..1_001 {
        std::fs::write(folder.join(format!("{number:04}")), "").unwrap();
    }
    let list = running.s3().list_objects_v2().bucket(BUCKET).max_keys(5_000);
    let page = list.send().await.unwrap();
    assert_eq!((page.contents().len(), page.is_truncated()), (1_000, Some(true)));
    let mut pages = running.s3().list_objects_v2().bucket(BUCKET).into_paginator().send();
    let mut lengths = Vec::new();
    while let Some(page) = pages.next().await {
        lengths.push(page.unwrap().contents().len());
    }
    assert_eq!(lengths, [1_000, 1]);
}

#[tokio::test]
async fn a_deleted_object_can_be_written_again() {
    let running = Running::start().await;
    let client = running.s3();
    put(&client, BUCKET, "audit/a", "first").await.unwrap();
    for _ in 0..2 {
        client.delete_object().bucket(BUCKET).key("audit/a").send().await.unwrap();
        assert_eq!(get(&client, "audit/a").await, Err("NoSuchKey".to_owned()));
    }
    client.delete_object().bucket(BUCKET).key("audit").send().await.unwrap();
    let missing = client.head_object().bucket(BUCKET).key("audit/a").send().await.unwrap_err();
    assert!(missing.into_service_error().is_not_found());
    put(&client, BUCKET, "audit/a", "second").await.unwrap();
    assert_eq!(get(&client, "audit/a").await.as_deref(), Ok("second"));
}

#[tokio::test]
async fn an_object_arrives_whole_with_and_without_a_checksum() {
    let running = Running::start().await;
    let file = running.data.path().join("streamed");
    let text = "line\n".repeat(100_000);
    std::fs::write(&file, &text).unwrap();
    let required = RequestChecksumCalculation::WhenRequired;
    for (number, calculation) in
        [RequestChecksumCalculation::WhenSupported, required].into_iter().enumerate()
    {
        let config = running.s3().config().to_builder().request_checksum_calculation(calculation);
        let client = Client::from_conf(config.build());
        for (name, body) in [
            ("whole", ByteStream::from(text.clone().into_bytes())),
            ("streamed", ByteStream::from_path(&file).await.unwrap()),
        ] {
            let key = format!("{number}/{name}");
            let put = client.put_object().bucket(BUCKET).key(&key).if_none_match("*").body(body);
            put.send().await.unwrap();
            assert_eq!(get(&client, &key).await.as_ref(), Ok(&text), "{key}");
        }
    }
}

/// The stored checksum comes with the object, and the SDK compares it.
#[tokio::test]
async fn a_byte_changed_in_a_file_is_found_by_a_client_that_compares_checksums() {
    let running = Running::start().await;
    put(&running.s3(), BUCKET, "audit/a", "first").await.unwrap();
    let file = running.data.path().join(DIRECTORY).join(BUCKET).join("audit/a");
    std::fs::write(file, "fxrst").unwrap();
    let check = async |validation, expected: Option<&[u8]>| {
        let config = running.s3().config().to_builder().response_checksum_validation(validation);
        let client = Client::from_conf(config.build());
        let object = client.get_object().bucket(BUCKET).key("audit/a").send().await.unwrap();
        let body = object.body.collect().await.ok().map(AggregatedBytes::to_vec);
        assert_eq!(body.as_deref(), expected);
    };
    check(ResponseChecksumValidation::WhenSupported, None).await;
    check(ResponseChecksumValidation::WhenRequired, Some(b"fxrst")).await;
}

#[tokio::test]
async fn an_invalid_request_has_the_error_of_s3_and_writes_nothing() {
    let running = Running::start().await;
    let client = running.s3();
    put(&client, BUCKET, "audit/a", "x").await.unwrap();
    let check = async |client: &Client, bucket: &str, key: &str, expected: &str| {
        let error = put(client, bucket, key, "y").await.unwrap_err();
        assert_eq!(error, expected, "{bucket} {key}");
    };
    check(&client, "another-bucket", "a", "NoSuchBucket").await;
    check(&client, BUCKET, &"a".repeat(MAX_KEY_LENGTH + 1), "KeyTooLongError").await;
    for key in ["audit", "a//b", "a/", "./a", "../a", "a/../b", "a\0b"] {
        check(&client, BUCKET, key, "InvalidArgument").await;
    }
    check(&running.s3_as("other", "secret"), BUCKET, "a", "InvalidAccessKeyId").await;
    check(&running.s3_as("known", "other"), BUCKET, "a", "SignatureDoesNotMatch").await;
    put(&client, BUCKET, &"a".repeat(MAX_KEY_LENGTH), "y").await.unwrap();

    let tagged = client.put_object().bucket(BUCKET).key("b").if_none_match("\"tag\"");
    let error = tagged.body(ByteStream::from_static(b"y")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("NotImplemented"));
    let corrupt = client.put_object().bucket(BUCKET).key("b").checksum_crc32("AAAAAA==");
    let error = corrupt.body(ByteStream::from_static(b"y")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("BadDigest"));
    assert_eq!(get(&client, "b").await, Err("NoSuchKey".to_owned()));
    let large = client.put_object().bucket(BUCKET).key("b");
    let large = large.body(ByteStream::from(vec![0; objects::MAX_OBJECT_LENGTH + 1]));
    assert_eq!(large.send().await.unwrap_err().code(), Some("EntityTooLarge"));
    assert_eq!(get(&client, "b").await, Err("NoSuchKey".to_owned()));
    assert_eq!(get(&client, "audit").await, Err("NoSuchKey".to_owned()));
    let error = client.list_buckets().send().await.unwrap_err();
    assert_eq!(error.code(), Some("NotImplemented"));
}
