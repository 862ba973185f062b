//! Corrupt items: if the caller cannot be determined, the request is rejected.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use hallpass_token::{Format, Reason, Revocation};
use tests::{
    World,
    api::{bearer, text},
    tables::TestToken,
};

const CANNOT_TELL: &str = "error: the token could not be verified";

async fn verdict(world: &World, token: &TestToken) -> String {
    world.verdict(&bearer(&token.text)).await
}

/// Creates a record with every possible attribute.
async fn full(world: &World, format: Format, seed: u8) -> TestToken {
    let now = world.now();
    let token = world
        .create_token_with(format, "1", seed, |record| {
            record.name = Some("name".to_owned());
            record.description = Some("description".to_owned());
            record.scope = Some(["ROLE_USER".parse().unwrap()].into_iter().collect());
            record.expires_at =
                record.expires_at.or(Some(now.after(std::time::Duration::from_secs(60))));
            record.last_used_at = Some(now);
            record.purge_at = record.expires_at;
        })
        .await;
    assert_eq!(verdict(world, &token).await, "allow");
    token
}

/// Returns one value of every DynamoDB type.
fn one_of_each_type() -> [AttributeValue; 10] {
    [
        text("not one"),
        AttributeValue::N("-1".to_owned()),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::B(Blob::new([0; 31])),
        AttributeValue::Ss(vec!["a,b".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::Bs(vec![Blob::new([0; 32])]),
        AttributeValue::L(vec![AttributeValue::N("1".to_owned())]),
        AttributeValue::M([("a".to_owned(), text("b"))].into()),
    ]
}

#[tokio::test]
async fn a_record_attribute_with_a_wrong_value_rejects_the_token() {
    let world = World::new().await;
    let token = full(&world, Format::Signed, 1).await;
    let developer = full(&world, Format::Developer, 2).await;
    let check = async |token: &TestToken, attribute: &str, is_text: bool| {
        let item = world.record_item(&token.record).await;
        for value in one_of_each_type() {
            if is_text && matches!(value, AttributeValue::S(_)) {
                continue;
            }
            world.set_record(&token.record, attribute, Some(value.clone())).await;
            assert_eq!(verdict(&world, token).await, CANNOT_TELL, "{attribute} = {value:?}");
        }
        world.put("Tokens", item).await;
        assert_eq!(verdict(&world, token).await, "allow");
    };
    for attribute in
        ["format", "family_id", "user_fingerprint", "bound_to", "replaces", "replaced_by", "scope"]
    {
        check(&token, attribute, false).await;
    }
    for attribute in ["issued_by_family", "issued_by_ancestors", "generation", "attribute_digests"]
    {
        check(&token, attribute, false).await;
    }
    for attribute in
        ["issued_at", "authenticated_at", "expires_at", "disabled_at", "last_used_at", "purge_at"]
    {
        check(&token, attribute, false).await;
    }
    for attribute in ["revoked_at", "revoked_because", "replaced_at"] {
        check(&token, attribute, false).await;
    }
    for attribute in ["name", "description", "issued_by", "key_id"] {
        check(&token, attribute, true).await;
    }
    for attribute in ["token_hash", "format", "expires_at", "user_fingerprint"] {
        check(&developer, attribute, false).await;
    }
}

#[tokio::test]
async fn a_missing_record_attribute_rejects_the_token() {
    let world = World::new().await;
    let token = full(&world, Format::Signed, 1).await;
    let developer = full(&world, Format::Developer, 2).await;
    let check = async |token: &TestToken, attribute: &str, expected: &str| {
        let item = world.record_item(&token.record).await;
        world.set_record(&token.record, attribute, None).await;
        assert_eq!(verdict(&world, token).await, expected, "{attribute}");
        world.put("Tokens", item).await;
    };
    for attribute in [
        "format",
        "issued_at",
        "issued_by",
        "user_fingerprint",
        "bound_to",
        "key_id",
        "family_id",
        "live_until",
    ] {
        check(&token, attribute, CANNOT_TELL).await;
        check(&developer, attribute, CANNOT_TELL).await;
    }
    check(&token, "authenticated_at", CANNOT_TELL).await;
    check(&token, "expires_at", "unknown").await;
    check(&developer, "token_hash", CANNOT_TELL).await;

    // A revocation is complete or cannot be reported.
    let revoked = world
        .create_token_with(Format::Signed, "1", 3, |record| {
            record.revoked = Some(Revocation { at: record.issued_at, because: Reason::Revoked });
        })
        .await;
    check(&revoked, "revoked_at", CANNOT_TELL).await;
    check(&revoked, "revoked_because", CANNOT_TELL).await;
    assert_eq!(verdict(&world, &revoked).await, "revoked");

    // So is a replacement: without its instant the old token would stay live.
    let hash = token.record.id.hash;
    let replaced = world
        .create_token_with(Format::Signed, "1", 4, |record| {
            (record.replaced_by, record.replaced_at) = (Some(hash), Some(record.issued_at));
        })
        .await;
    check(&replaced, "replaced_by", CANNOT_TELL).await;
    check(&replaced, "replaced_at", CANNOT_TELL).await;
    assert_eq!(verdict(&world, &replaced).await, "replaced");
}

/// A display name decides nothing, and NULL counts as absent.
#[tokio::test]
async fn a_user_attribute_with_a_wrong_value_rejects_the_token() {
    let world = World::new().await;
    let token = full(&world, Format::Signed, 1).await;
    let item = world.user_item("1").await;
    let check = async |attribute: &str, value: Option<AttributeValue>, expected: &str| {
        world.set_user("1", attribute, value.clone()).await;
        assert_eq!(verdict(&world, &token).await, expected, "{attribute} = {value:?}");
        world.put("Users", item.clone()).await;
    };
    for value in one_of_each_type() {
        let permits_nothing = value.is_ss() || value.is_null();
        for (attribute, expected) in [
            ("username", "user_changed"),
            ("status", "user_blocked"),
            ("full_name", "allow"),
            ("kind", "allow"),
            ("permissions", if permits_nothing { "allow" } else { "user_blocked" }),
            ("password_hash", "user_changed"),
            ("token_generation", "user_changed"),
        ] {
            check(attribute, Some(value.clone()), expected).await;
        }
    }
    check("username", None, "user_changed").await;
    check("status", None, "user_blocked").await;
    check("token_generation", None, "user_changed").await;
    assert_eq!(verdict(&world, &token).await, "allow");
}

#[tokio::test]
async fn a_dangling_pointer_rejects_the_token() {
    let world = World::new().await;
    let token = full(&world, Format::Developer, 1).await;
    let key = format!("developer#{}", token.record.id.hash);
    let check = async |owner: Option<AttributeValue>, expected: &str| {
        let attributes = [
            ("user_id", Some(text(&key))),
            ("token", Some(text("pointer"))),
            ("owner", owner.clone()),
        ];
        let item =
            attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        world.put("Tokens", item.collect()).await;
        assert_eq!(verdict(&world, &token).await, expected, "{owner:?}");
    };
    for owner in one_of_each_type() {
        check(Some(owner), CANNOT_TELL).await;
    }
    check(None, CANNOT_TELL).await;
    check(Some(text("2")), "unknown").await;
    check(Some(text("unknown")), "unknown").await;
    check(Some(text("1")), "allow").await;
}

/// One corrupt record must not hide the others from a list, nor allow a user to exceed the limit.
#[tokio::test]
async fn a_user_with_a_corrupt_record_keeps_the_valid_tokens() {
    let world = World::new().await;
    let (broken, good) =
        (full(&world, Format::Signed, 1).await, full(&world, Format::Signed, 2).await);
    world.set_record(&broken.record, "issued_at", None).await;
    assert_eq!(verdict(&world, &good).await, "allow");
    assert_eq!(world.delete(&good.text, "current").await.status, 200);
    assert_eq!(verdict(&world, &good).await, "revoked");
    assert_eq!(verdict(&world, &broken).await, CANNOT_TELL);
}
