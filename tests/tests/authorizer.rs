//! What the authorizer accepts, what it rejects and why, and its reads and writes.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_token::{Format, Reason, Revocation};
use serde_json::json;
use tests::{
    Request, START, World,
    api::{bearer, forged, text},
    basic,
    tables::{LIFETIME, RETENTION, TestToken},
    tap::Seen,
};

const FORMATS: [Format; 3] = [Format::Signed, Format::Jwt, Format::Developer];

const HOUR: u64 = 3_600;

async fn verdict(world: &World, token: &TestToken) -> String {
    world.verdict(&bearer(&token.text)).await
}

fn assert_one_strong_read(seen: &Seen) {
    assert_eq!(seen.operation, "BatchGetItem");
    let tables = seen.body["RequestItems"].as_object().unwrap();
    assert!(
        tables.len() == 2 && tables.contains_key("Tokens") && tables.contains_key("Users"),
        "{tables:?}"
    );
    for request in tables.values() {
        assert_eq!(
            (&request["ConsistentRead"], request["Keys"].as_array().unwrap().len()),
            (&json!(true), 1),
            "{request}"
        );
    }
}

#[tokio::test]
async fn every_scheme_carries_every_format() {
    let world = World::new().await;
    for (seed, format) in (1..).zip(FORMATS) {
        let test_token = world.create_token(format, "1", seed).await;
        let token = &test_token.text;
        let encoded = BASE64_STANDARD.encode(format!("{token}:").as_bytes());
        for value in [
            format!("Bearer {token}"),
            format!("bEARER   {token}"),
            format!("Token {token}"),
            format!("TOKEN {token}"),
            token.clone(),
            format!("Basic {encoded}"),
            format!("basic {encoded}"),
        ] {
            assert_eq!(world.verdict(&value).await, "allow", "{format} {value}");
        }
    }
    let event = Request::new("GET", "/a")
        .header("aUTHORIZATION", &bearer(&world.token().await))
        .authorizer_event();
    assert!(
        world.invoke("VerifyAuthorizer", event).await.unwrap().to_string().contains("\"Allow\"")
    );
}

/// Texts that are rejected by their form alone cost no read: a caller without a token cannot cause
/// any.
#[tokio::test]
async fn a_token_that_its_text_rejects_costs_no_read() {
    let (world, tap) = World::tapped(&[]).await;
    let check = async |value: &str, reason: &str| {
        assert_eq!(world.verdict(value).await, reason, "{value}");
        assert_eq!(tap.seen(), [], "{value}");
    };
    for (seed, format) in (1..).zip(FORMATS) {
        let token = world.create_token(format, "1", seed).await;
        check(&bearer(&forged(&token.text)), "malformed").await;
        check(&bearer(&format!("{}=", token.text)), "malformed").await;
        check(&bearer(&token.text[1..]), "malformed").await;
        check(&format!("{0}, {0}", bearer(&token.text)), "malformed").await;
        check(&format!("Bearer {0} {0}", token.text), "malformed").await;
        check(&format!("Digest {}", token.text), "malformed").await;
        // Hallpass's Basic has the token as user name, and no password.
        check(&basic(&token.text, "x"), "malformed").await;
        check(&basic("", &token.text), "malformed").await;
    }
    check(&basic("my_username", "topsecret"), "malformed").await;
    check(&".".repeat(10_240), "malformed").await;
    check(&format!("Bearer {}", ".".repeat(4_096)), "malformed").await;
    check(&format!("Basic {}", BASE64_STANDARD.encode([b'.'; 4_000])), "malformed").await;
    check("Bearer \u{e9}", "malformed").await;
    check("Bearer", "malformed").await;
    // Tokens of other issuers, and JWTs that other verifiers would accept.
    check("Bearer ghp_16C7e42F292c6912E7710c838347Ae178B4a", "malformed").await;
    check("Bearer 6879-DMeMXEyIYYSxqhA9T2vaQaQ4zfYqLq3WKDOaJGjHTe8", "malformed").await;
    check("Bearer 1.5665e083.DMeMXEyIYYSxqhA9T2vaQaQ4zfYqLq3WKDOaJGjHTe8", "malformed").await;
    check("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "malformed").await;
    check(
        "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "malformed",
    )
    .await;
}

#[tokio::test]
async fn a_repeated_header_costs_no_read_in_any_case() {
    let (world, tap) = World::tapped(&[]).await;
    let token = bearer(&world.create_token(Format::Signed, "1", 1).await.text);
    for second in ["Authorization", "authorization", "AUTHORIZATION"] {
        let event = Request::new("GET", "/a")
            .authorization(&token)
            .header(second, &token)
            .authorizer_event();
        let response = world.invoke("VerifyAuthorizer", event).await.unwrap();
        assert_eq!(response["policyDocument"]["Statement"][0]["Effect"], "Deny", "{second}");
        assert_eq!(response["context"]["reason"], "malformed");
    }
    assert_eq!(tap.seen(), []);
}

#[tokio::test]
async fn a_token_in_the_query_is_ignored() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await.text;
    let request = Request::new("GET", "/a")
        .query("access_token", &token)
        .query("Authorization", &bearer(&token));
    let error = world.invoke("VerifyAuthorizer", request.authorizer_event()).await.unwrap_err();
    assert_eq!(error.message, "Unauthorized");
}

#[tokio::test]
async fn an_expired_token_is_rejected_as_expired_without_a_read() {
    let (world, tap) = World::tapped(&[]).await;
    let signed = world.create_token(Format::Signed, "1", 1).await;
    let jwt = world.create_token(Format::Jwt, "1", 2).await;
    world.advance(LIFETIME - 1);
    for token in [&signed, &jwt] {
        assert_eq!(verdict(&world, token).await, "allow");
    }
    tap.seen();
    for seconds in [1, 1, RETENTION, 100 * RETENTION] {
        world.advance(seconds);
        for token in [&signed, &jwt] {
            assert_eq!(verdict(&world, token).await, "expired");
        }
    }
    assert_eq!(tap.seen(), []);
}

#[tokio::test]
async fn a_token_costs_one_strong_read_of_both_tables_and_an_hourly_write() {
    let (world, tap) = World::tapped(&[]).await;
    let password = world.token().await;
    let body = json!({"name": "ci", "format": "jwt"});
    let jwt = world.created(&password, &body).await["token"].as_str().unwrap().to_owned();
    tap.seen();
    for token in [password, jwt] {
        let check = async |note: bool| {
            assert_eq!(world.verdict(&bearer(&token)).await, "allow");
            let seen = tap.seen();
            assert_one_strong_read(&seen[0]);
            let rest: Vec<&str> = seen[1..].iter().map(|seen| seen.operation.as_str()).collect();
            assert_eq!(rest, if note { vec!["UpdateItem"] } else { vec![] });
        };
        check(true).await;
        check(false).await;
        world.advance(HOUR - 1);
        check(false).await;
        world.advance(1);
        check(true).await;
        check(false).await;
    }
}

#[tokio::test]
async fn a_developer_token_also_costs_a_read_of_its_pointer() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Developer, "1", 1).await;
    for expected in [vec!["GetItem", "BatchGetItem", "UpdateItem"], vec!["GetItem", "BatchGetItem"]]
    {
        assert_eq!(verdict(&world, &token).await, "allow");
        let seen = tap.seen();
        assert_eq!(seen.iter().map(|seen| seen.operation.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(seen[0].body["ConsistentRead"], true);
        assert_one_strong_read(&seen[1]);
    }
}

#[tokio::test]
async fn a_token_without_a_record_is_unknown() {
    let world = World::new().await;
    let signed = world.unwritten(Format::Signed, "1", 1).await;
    assert_eq!(verdict(&world, &signed).await, "unknown");
    let developer = world.unwritten(Format::Developer, "1", 2).await;
    assert_eq!(verdict(&world, &developer).await, "unknown");
    // A token of one format is not accepted with the record of another, nor a pointer with another
    // token's record.
    let jwt = world.create_token(Format::Jwt, "1", 3).await;
    assert_eq!(verdict(&world, &world.unwritten(Format::Signed, "1", 3).await).await, "unknown");
    assert_eq!(verdict(&world, &jwt).await, "allow");
    let old = world.create_token(Format::Developer, "1", 4).await;
    let pointer = |token: &TestToken| {
        let key = format!("developer#{}", token.record.id.hash);
        [("user_id", key.as_str()), ("token", "pointer"), ("owner", "1")]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into()
    };
    world.create_token(Format::Developer, "1", 5).await;
    world.put("Tokens", pointer(&old)).await;
    assert_eq!(verdict(&world, &old).await, "unknown");
}

#[tokio::test]
async fn a_token_that_differs_from_its_record_is_unknown() {
    let world = World::new().await;
    let later = |seconds: u64| AttributeValue::N((START + seconds).to_string());
    let token = world.create_token(Format::Signed, "1", 1).await;
    for value in [Some(later(LIFETIME + 1)), Some(later(LIFETIME - 1)), None] {
        world.set_record(&token.record, "expires_at", value).await;
        assert_eq!(verdict(&world, &token).await, "unknown");
    }
    world.set_record(&token.record, "expires_at", Some(later(LIFETIME))).await;
    assert_eq!(verdict(&world, &token).await, "allow");
    world.set_record(&token.record, "format", Some(text("jwt"))).await;
    assert_eq!(verdict(&world, &token).await, "unknown");
}

#[tokio::test]
async fn a_developer_token_expires_as_its_record_says() {
    let world = World::new().await;
    let token = world.create_token(Format::Developer, "1", 1).await;
    world.advance(100 * 366 * 86_400);
    assert_eq!(verdict(&world, &token).await, "allow");
    world
        .set_record(
            &token.record,
            "expires_at",
            Some(AttributeValue::N(world.now().unix().to_string())),
        )
        .await;
    assert_eq!(verdict(&world, &token).await, "expired");
}

#[tokio::test]
async fn a_revoked_or_disabled_token_is_rejected_at_once() {
    let world = World::new().await;
    for (seed, format) in (1..).zip(FORMATS) {
        let token = world.create_token(format, "1", seed).await;
        assert_eq!(verdict(&world, &token).await, "allow");
        world
            .set_record(&token.record, "disabled_at", Some(AttributeValue::N(START.to_string())))
            .await;
        assert_eq!(verdict(&world, &token).await, "disabled");
        world.set_record(&token.record, "disabled_at", None).await;
        assert_eq!(verdict(&world, &token).await, "allow");
        assert_eq!(world.delete(&token.text, "current").await.status, 200);
        assert_eq!(verdict(&world, &token).await, "revoked", "{format}");
        // The stronger reason is reported: enabling the token again would not help.
        world
            .set_record(&token.record, "disabled_at", Some(AttributeValue::N(START.to_string())))
            .await;
        assert_eq!(verdict(&world, &token).await, "revoked");
    }
}

/// Returns a token and the one that is to replace it.
async fn rotation(world: &World) -> (TestToken, TestToken) {
    let old = world.create_token(Format::Signed, "1", 1).await;
    let hash = old.record.id.hash;
    let new = world
        .create_token_with(Format::Signed, "1", 2, |record| record.replaces = Some(hash))
        .await;
    (old, new)
}

#[tokio::test]
async fn the_first_use_of_the_new_token_replaces_the_old_one_in_one_transaction() {
    let (world, tap) = World::tapped(&[]).await;
    let (old, new) = rotation(&world).await;
    assert_eq!(verdict(&world, &old).await, "allow");
    tap.seen();
    world.advance(60);
    assert_eq!(verdict(&world, &new).await, "allow");
    let seen = tap.seen();
    assert_eq!(seen[1].operation, "TransactWriteItems");
    assert_eq!(seen[1].body["TransactItems"].as_array().unwrap().len(), 2);
    assert_eq!(verdict(&world, &old).await, "replaced");
    assert_eq!(verdict(&world, &new).await, "allow");
    assert!(!tap.operations().contains(&"TransactWriteItems".to_owned()));
    let (ended, begun) = (world.record(&old.record.id).await, world.record(&new.record.id).await);
    let now = world.now();
    assert_eq!(ended.revoked, Some(Revocation { at: now, because: Reason::Replaced }));
    let remembered = hallpass_token::lifecycle::REPLACED_RETENTION.as_secs();
    assert_eq!(ended.purge_at.map(hallpass_token::Timestamp::unix), Some(now.unix() + remembered));
    assert_eq!((begun.replaces, begun.revoked, begun.purge_at), (None, None, new.record.purge_at));
}

#[tokio::test]
async fn a_new_token_is_accepted_without_changing_an_invalid_old_one() {
    let check = async |world: &World, old: &TestToken, new: &TestToken, expected: &str| {
        let before = world.store.record(&old.record.id).await.unwrap();
        world.advance(60);
        for _ in 0..2 {
            assert_eq!(verdict(world, new).await, "allow");
        }
        assert_eq!(world.record(&new.record.id).await.replaces, None);
        let after = world.store.record(&old.record.id).await.unwrap();
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
        assert_eq!(verdict(world, old).await, expected);
    };
    let world = World::new().await;
    let (old, new) = rotation(&world).await;
    assert_eq!(world.delete(&old.text, "current").await.status, 200);
    check(&world, &old, &new, "revoked").await;

    let world = World::new().await;
    let (old, new) = rotation(&world).await;
    world.store.withdraw(&old.record, &tests::CAUSE).await.unwrap();
    check(&world, &old, &new, "unknown").await;
}

#[tokio::test]
async fn the_hour_of_the_last_use_is_recorded() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let check = async |seconds: u64, expected: u64| {
        world.advance(seconds);
        assert_eq!(verdict(&world, &token).await, "allow");
        assert_eq!(
            world.record(&token.record.id).await.last_used_at.map(hallpass_token::Timestamp::unix),
            Some(expected)
        );
    };
    check(10, START + 10).await;
    check(600, START + 10).await;
    check(2_000, START + 10).await;
}
