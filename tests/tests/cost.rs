//! Verifications use what `tools/cost/measured.json` says.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity,
};
use hallpass_runtime::{Event, log};
use hallpass_token::{Format, Origin};
use serde_json::{Value, json};
use tests::{
    Request, TEMPLATE, World,
    api::bearer,
    basic,
    capability::{Capability, lacks},
};

const MEASURED: &str = include_str!("../../tools/cost/measured.json");

/// The size in bytes of the lines that Lambda logs for an invocation, as AWS documents them.
const LINES_OF_LAMBDA: f64 = 130.0 + 320.0;

fn measured(name: &str) -> f64 {
    let measured: Value = serde_json::from_str(MEASURED).unwrap();
    measured[name]["value"].as_f64().unwrap_or_else(|| panic!("{name}"))
}

fn check(name: &str, used: f64) {
    assert!(
        (measured(name) - used).abs() < 1e-9,
        "{name}: {used}, and in the file {}",
        measured(name)
    );
}

#[tokio::test]
async fn a_verification_consumes_what_its_cost_is_calculated_from() {
    if lacks(Capability::Capacity, "costs are not measured here").await {
        return;
    }
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    // The first verification records the use, the second only reads.
    world.verdict(&bearer(&token.text)).await;
    let first = tap.operations();
    world.verdict(&bearer(&token.text)).await;
    let second = tap.seen();
    assert_eq!(first, ["BatchGetItem", "UpdateItem"]);
    assert_eq!(second.len(), 1);

    // The same read again, past the tap, with the consumed capacity requested.
    let mut request_items = HashMap::new();
    for (table, keys) in second[0].body["RequestItems"].as_object().unwrap() {
        assert_eq!(
            (&keys["ConsistentRead"], keys["Keys"].as_array().unwrap().len()),
            (&true.into(), 1)
        );
        let key = keys["Keys"][0].as_object().unwrap().iter();
        let key = key.map(|(name, value)| {
            (name.clone(), AttributeValue::S(value["S"].as_str().unwrap().to_owned()))
        });
        let keys =
            KeysAndAttributes::builder().keys(key.collect()).consistent_read(true).build().unwrap();
        request_items.insert(world.table(table), keys);
    }
    let call = world.dynamodb.batch_get_item().set_request_items(Some(request_items));
    let response =
        call.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    let units: f64 =
        response.consumed_capacity().iter().filter_map(ConsumedCapacity::capacity_units).sum();
    check("read_request_units", units);

    // Recording the use costs one unit. A token's use is recorded once an hour, which is assumed
    // for a hundredth of the verifications.
    let units = world.dynamodb.update_item().table_name(world.table("Tokens"));
    let units = units
        .key("user_id", AttributeValue::S("1".to_owned()))
        .key("token", AttributeValue::S(token.record.id.hash.to_string()))
        .update_expression("SET last_used_at = :it")
        .expression_attribute_values(":it", AttributeValue::N("1".to_owned()))
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let units = units
        .send()
        .await
        .unwrap()
        .consumed_capacity()
        .and_then(ConsumedCapacity::capacity_units)
        .unwrap();
    check("write_request_units", units / 100.0);
}

/// Each header of a request is written, signed and sent with every call.
#[tokio::test]
async fn a_request_to_the_tables_has_the_required_headers_and_names_its_caller() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    tap.seen();
    world.verdict(&bearer(&token.text)).await;
    let requests = tap.seen();
    assert_eq!(requests.len(), 2, "the read, and the note of the first use");
    for seen in requests {
        let mut names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let needed = [
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "x-amz-date",
            "x-amz-target",
        ];
        assert_eq!(names, needed, "{}", seen.operation);
        assert_eq!(seen.headers["user-agent"], concat!("hallpass/", env!("CARGO_PKG_VERSION")));
    }
}

/// Every route makes the DynamoDB calls that it needs and no more, however many tokens exist.
#[tokio::test]
async fn every_route_makes_the_calls_that_it_needs_and_no_others() {
    let (world, tap) = World::tapped(&[]).await;
    for seed in 0..30 {
        world.create_token(Format::Signed, "1", seed).await;
    }
    let check = async |function: &str, request: Request, expected: &[&str]| {
        tap.seen();
        let response = world.send(function, request).await;
        assert!((200..300).contains(&response.status), "{}", response.body);
        assert_eq!(tap.operations(), expected, "{function}");
    };
    let generate = || Request::new("POST", "/api/services_token/generate");
    // Before the hash, the rate limit reserves for the pair of name and source. The user is found
    // by name in the index and read after its marker, as is whether the network is known for the
    // name. Then the rate limit reserves in the budgets of the name and the source. After the hash,
    // the network is recorded, the reservations are released and the token is written; then marker
    // and user are read once more, and so is what the limits count.
    let before =
        ["UpdateItem", "Query", "GetItem", "GetItem", "GetItem", "UpdateItem", "UpdateItem"];
    let after = ["UpdateItem", "UpdateItem", "PutItem", "GetItem", "GetItem", "Query"];
    let with_a_password = [&before[..], &["UpdateItem"], &after].concat();
    check(
        "Generate",
        generate().authorization(&basic("my_username", "topsecret")),
        &with_a_password,
    )
    .await;
    // The network is recorded once a day.
    let once_more = [&before[..], &after].concat();
    check("Generate", generate().authorization(&basic("my_username", "topsecret")), &once_more)
        .await;
    // The caller's token is checked again after the write; then the limit counts.
    let token = bearer(&world.create_token(Format::Signed, "1", 100).await.text);
    let with_a_token = ["BatchGetItem", "PutItem", "BatchGetItem", "Query"];
    check("Generate", generate().authorization(&token), &with_a_token).await;
    let named =
        Request::new("POST", "/tokens").authorization(&token).json(&json!({"name": "named"}));
    check("Generate", named, &with_a_token).await;
    let by_id =
        Request::new("DELETE", "/tokens/{id}").authorization(&token).parameter("id", "current");
    // A token is read before it is revoked, because it may belong to any user.
    check("Revoke", by_id, &["BatchGetItem", "GetItem", "UpdateItem"]).await;
    let token = bearer(&world.create_token(Format::Signed, "1", 101).await.text);
    let all = Request::new("DELETE", "/users/{user_id}/tokens")
        .authorization(&token)
        .parameter("user_id", "1");
    check("Revoke", all, &["BatchGetItem", "UpdateItem"]).await;
}

#[test]
fn the_template_has_the_memory_and_the_alarms_that_the_cost_is_calculated_from() {
    let after = |text: &str| {
        TEMPLATE.split(text).nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
    };
    check("memory_mb", after("    MemorySize: "));
    check("alarms", u32::try_from(TEMPLATE.matches("MetricName: ").count()).unwrap().into());
}

#[test]
fn the_log_line_of_an_accepted_token_is_as_long_as_the_cost_says() {
    let id = "user-of-20-character.gccdMABf29baSD_GOyOdhg".parse().unwrap();
    let (written, writer) = std::sync::mpsc::channel();
    let line = std::sync::Mutex::new(written);
    let subscriber = log::subscriber(
        move || Sent(line.lock().unwrap().clone()),
        Some("hallpass-VerifyAuthorizer-AbCdEfGhIjKl".to_owned()),
    );
    let request_id = "b8f1d2c4-5e6f-4a7b-8c9d-0e1f2a3b4c5d";
    let origin = Origin::new(Some("203.0.113.255"), Some(request_id));
    tracing::subscriber::with_default(subscriber, || Event::Accepted(&id).log_from(origin));
    let length = f64::from(u32::try_from(writer.recv().unwrap()).unwrap());
    let documented = measured("log_bytes") - LINES_OF_LAMBDA;
    assert!(
        (documented - 40.0..=documented).contains(&length),
        "{length} bytes, but {documented} are documented"
    );
}

struct Sent(std::sync::mpsc::Sender<usize>);

impl std::io::Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes.len()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
