//! What notify keeps: the audit log in a real S3, events on a real bus, and the notes of tokens.
//! The stack is that of `hallpass dev`, with the real stream of its table.

use std::{fs, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_audit::{Finding, History, Usage};
use hallpass_notify::{Event, Response};
use hallpass_sinks::pages::{self, Filter};
use hallpass_token::Cause;
use serde_json::{Value, json};
use tests::{
    api::bearer,
    capability::{Capability, lacks},
};

mod ground;

use ground::Ground;

#[tokio::test]
async fn every_change_is_in_the_log_and_on_the_bus_once_and_in_its_order() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    ground.live_through().await;
    ground.system.drain_tokens().await;
    ground.check_complete().await;
    let expected = [
        "token.issued", // the administrator's
        "token.issued",
        "token.disabled",
        "token.enabled",
        "token.issued",
        "token.rotated",
        "token.replaced",
        "token.rotation_completed",
        "token.issued",
        "token.revoked",
        "token.issued", // the developer token
        "token.replaced",
        "token.issued",
    ];
    let mut kinds = ground.kinds();
    let mut sorted = expected.map(str::to_owned);
    kinds.sort();
    sorted.sort();
    assert_eq!(kinds, sorted, "{:?}", ground.kinds());
    let events = ground.system.events();
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "an ID is of one event");
    let revoked = events.iter().find(|event| event["kind"] == "token.revoked").unwrap();
    assert_eq!(revoked["because"], "lost laptop");
    assert!(revoked["actor"].as_str().unwrap().starts_with("2."), "{revoked}");
    assert!(revoked["request_id"].is_string() && revoked["source"].is_string(), "{revoked}");
    // Delivering the whole stream again changes nothing.
    let files = ground.files("tokens");
    ground.system.dev().notifications.rewind().await;
    ground.system.drain_tokens().await;
    assert_eq!(ground.files("tokens"), files);
    ground.check_complete().await;
    let again = ground.system.events();
    let mut again: Vec<&str> = again.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(again.len() > events.len(), "the bus gets the events again");
    again.sort_unstable();
    again.dedup();
    assert_eq!(again, ids, "with the same IDs");
    ground.system.stop().await;
}

#[tokio::test]
async fn hourly_digests_chain_the_log_and_each_way_to_tamper_is_named() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    ground.live_through().await;
    ground.system.drain_tokens().await;
    ground.system.advance(2 * 3_600);
    assert!(ground.digest().await.digests >= 1);
    assert_eq!(ground.digest().await.digests, 0, "each hour has one digest");
    ground.created("later").await;
    ground.system.drain_tokens().await;
    ground.system.advance(2 * 3_600);
    assert!(ground.digest().await.digests >= 2);
    let report = ground.check_complete().await;
    assert!(report.digests >= 3 && report.objects >= 2, "{report:?}");
    let object = ground.files("tokens")[0].clone();
    let digest = ground.files("digests")[0].clone();
    for (file, is_object) in [(&object, true), (&digest, false)] {
        let bytes = fs::read(file).unwrap();
        let mut changed = bytes.clone();
        changed[40] ^= 1;
        fs::write(file, &changed).unwrap();
        let (_, findings) = ground.verify().await;
        let named = findings.iter().any(|finding| match finding {
            Finding::ObjectChanged(..) => is_object,
            Finding::SignatureWrong(..) | Finding::DigestUnreadable(_) => !is_object,
            _ => false,
        });
        assert!(named, "{findings:?}");
        fs::remove_file(file).unwrap();
        let (_, findings) = ground.verify().await;
        let named = findings.iter().any(|finding| match finding {
            Finding::ObjectMissing(..) => is_object,
            Finding::DigestMissing(_) => !is_object,
            _ => false,
        });
        assert!(named, "{findings:?}");
        fs::write(file, &bytes).unwrap();
        ground.check_complete().await;
    }
    ground.system.stop().await;
}

#[tokio::test]
async fn an_object_is_in_one_digest_also_when_days_have_passed() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    ground.live_through().await;
    ground.system.drain_tokens().await;
    for _ in 0..30 {
        ground.system.advance(3_600);
        ground.digest().await;
    }
    let report = ground.check_complete().await;
    let objects = ground.files("tokens").len() + ground.files("users").len();
    assert_eq!(report.objects, u64::try_from(objects).unwrap(), "{report:?}");
    ground.system.stop().await;
}

#[tokio::test]
async fn a_change_of_the_table_behind_the_back_of_the_log_is_found() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    let (id, _) = ground.created("one").await;
    ground.system.drain_tokens().await;
    ground.check_complete().await;
    let dynamodb = ground.dynamodb();
    let key = |name: &str, value: String| (name.to_owned(), AttributeValue::S(value));
    let update = dynamodb
        .update_item()
        .table_name("Tokens")
        .set_key(Some(
            [key("user_id", id.user_id.to_string()), key("token", id.hash.to_string())].into(),
        ))
        .update_expression("SET #name = :name")
        .expression_attribute_names("#name", "name")
        .expression_attribute_values(":name", AttributeValue::S("two".to_owned()));
    update.send().await.unwrap();
    ground.system.drain_tokens().await;
    let (_, findings) = ground.verify().await;
    assert!(
        matches!(&findings[..], [Finding::RecordDiffers(found)] if found.token_id == id),
        "{findings:?}"
    );
    ground.system.stop().await;
}

#[tokio::test]
async fn a_use_writes_the_note_of_its_token_and_nothing_to_the_log() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    let (id, token) = ground.created("one").await;
    ground.system.drain_tokens().await;
    let (files, events) = (ground.files("tokens").len(), ground.system.events().len());
    for _ in 0..3 {
        for _ in 0..5 {
            assert_eq!(ground.system.verdict(&token).await, "allow");
        }
        ground.system.drain_tokens().await;
        ground.system.advance(3_600);
    }
    assert_eq!((ground.files("tokens").len(), ground.system.events().len()), (files, events));
    let note = ground.system.store().note(&id).await.unwrap().note;
    let usage = Usage::from_attributes(&note).unwrap();
    assert_eq!(usage.hours().count(), 3);
    let history = History::from_attributes(&note).unwrap();
    assert_eq!(history.changes().count(), 1);
    ground.digest().await;
    ground.check_complete().await;
    ground.system.stop().await;
}

#[tokio::test]
async fn what_a_full_bus_rejects_is_delivered_again_and_a_missing_bucket_fails_no_change() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    ground.system.drain_tokens().await;
    ground.system.dev().aws.fail_next_entries(6);
    let (id, _) = ground.created("one").await;
    ground.system.drain_tokens().await;
    let of_it = |events: &[Value]| {
        events.iter().filter(|event| event["token_id"] == id.to_string()).count()
    };
    // Lambda delivers the batch again if the bus rejects a part of it.
    assert_eq!(of_it(&ground.system.events()), 1);
    let bucket = ground.system.data().join("s3").join("hallpass-audit");
    let away = bucket.with_file_name("away");
    fs::rename(&bucket, &away).unwrap();
    let path = format!("/tokens/{id}");
    ground.system.ask("DELETE", &path, &bearer(&ground.admin)).await.body_of(200);
    let records = json!([{
        "eventName": "MODIFY",
        "dynamodb": {"SequenceNumber": "1", "NewImage": {"version": {"unknown": "1"}}},
    }]);
    let event = serde_json::from_value::<Event>(json!({"Records": records})).unwrap();
    let cause = Cause::system(ground.system.now());
    let Response::Stream(again) = ground.notify.handle(event, &cause, &|| true).await.unwrap()
    else {
        panic!("no response to the stream")
    };
    let again: Vec<_> =
        again.batch_item_failures.into_iter().map(|failed| failed.item_identifier).collect();
    assert_eq!(again, [Some("1".to_owned())], "even what cannot be read is kept");
    fs::rename(&away, &bucket).unwrap();
    ground.system.drain_tokens().await;
    ground.check_complete().await;
    ground.system.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_kept_unchanged_and_stops_nothing() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    ground.system.drain_tokens().await;
    let dynamodb = ground.dynamodb();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = dynamodb
        .put_item()
        .table_name("Tokens")
        .item("user_id", text("1"))
        .item("token", text("not a hash"))
        .item("version", AttributeValue::N("1".to_owned()));
    put.send().await.unwrap();
    let (id, _) = ground.created("one").await;
    ground.system.drain_tokens().await;
    let mut unread = ground.files("unread");
    unread.retain(|file| file.extension().is_some_and(|end| end == "json"));
    let [file] = &unread[..] else { panic!("{unread:?}") };
    let kept: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let image = json!({
        "user_id": {"S": "1"}, "token": {"S": "not a hash"}, "version": {"N": "1"}
    });
    assert_eq!(kept["dynamodb"]["NewImage"], image, "{kept}");
    let events = ground.system.events();
    assert!(events.iter().any(|event| event["token_id"] == id.to_string()));
    ground.system.stop().await;
}

#[tokio::test]
async fn the_use_of_a_replaced_token_is_reported_once_and_can_end_its_family() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    for on_reuse in ["alarm", "revoke_family"] {
        let ground = Ground::start(&[("HALLPASS_ON_REUSE", on_reuse)]).await;
        let (id, token) = ground.created("one").await;
        let path = format!("/tokens/{id}/rotate");
        let rotated = ground.system.ask("POST", &path, &bearer(&token)).await.body_of(201);
        let rotated = rotated["token"].as_str().unwrap().to_owned();
        let (_, other) = ground.created("other").await;
        assert_eq!(ground.system.verdict(&rotated).await, "allow");
        for _ in 0..3 {
            assert_eq!(ground.system.verdict(&token).await, "replaced");
        }
        ground.system.drain_tokens().await;
        ground.system.drain_tokens().await;
        let events = ground.system.events();
        let reused: Vec<&Value> =
            events.iter().filter(|event| event["kind"] == "token.replaced_token_used").collect();
        assert_eq!(reused.len(), 1, "{on_reuse}: {events:?}");
        assert_eq!(reused[0]["token_id"], id.to_string());
        assert!(reused[0]["source"].is_string());
        let expected = if on_reuse == "alarm" { "allow" } else { "revoked" };
        assert_eq!(ground.system.verdict(&rotated).await, expected);
        assert_eq!(ground.system.verdict(&other).await, "allow", "another family");
        assert_eq!(ground.system.verdict(&ground.admin).await, "allow", "the user stays");
        ground.check_complete().await;
        ground.system.stop().await;
    }
}

#[tokio::test]
async fn the_log_is_listed_newest_first_by_user_token_and_time() {
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    let ground = Ground::start(&[]).await;
    let mut ids = Vec::new();
    ground.system.advance(3_600);
    for number in 0..4 {
        ids.push(ground.created(&number.to_string()).await.0);
        ground.system.drain_tokens().await;
        ground.system.advance(5 * 3_600);
    }
    let filter = Filter {
        user_id: None,
        token_id: None,
        from: ground.system.now().before(Duration::from_secs(3 * 86_400)),
        until: ground.system.now(),
    };
    let listed = async |filter: Filter| {
        let page = pages::page(ground.bucket(), &filter, None).await.unwrap();
        let of = |entry: &hallpass_audit::Entry| entry.event.token_id.clone().unwrap();
        page.entries.iter().map(of).collect::<Vec<_>>()
    };
    let all = listed(filter.clone()).await;
    let expected: Vec<String> = ids.iter().rev().map(ToString::to_string).collect();
    assert_eq!(all[..4], expected, "the newest first");
    let one = Filter { token_id: Some(ids[1].to_string()), ..filter.clone() };
    assert_eq!(listed(one).await, [ids[1].to_string()]);
    let none = Filter { user_id: Some("1".to_owned()), ..filter };
    assert_eq!(listed(none).await, Vec::<String>::new());
    ground.system.stop().await;
}
