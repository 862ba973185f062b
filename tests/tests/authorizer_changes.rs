//! The effect of changes of the user on a token, what tokens are bound to, and their effective
//! scope.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Binding, Format};
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
    basic,
    tables::TestToken,
};

const FORMATS: [Format; 3] = [Format::Signed, Format::Jwt, Format::Developer];

async fn verdict(world: &World, token: &TestToken) -> String {
    world.verdict(&bearer(&token.text)).await
}

/// Returns the effective scope that the authorizer passes on.
async fn scope(world: &World, token: &str) -> Value {
    let event = Request::new("GET", "/a").authorization(&bearer(token)).authorizer_event();
    let response = world.invoke("VerifyAuthorizer", event).await.unwrap();
    assert_eq!(response["policyDocument"]["Statement"][0]["Effect"], "Allow");
    response["context"]["scopes"].clone()
}

/// Changes of a user as an application writes them, and the verdict on a token at the very next
/// request.
fn changes() -> [(&'static str, Option<AttributeValue>, &'static str); 10] {
    [
        ("username", Some(text("renamed")), "user_changed"),
        ("username", None, "user_changed"),
        ("password_hash", Some(text("$argon2id$other")), "user_changed"),
        ("password_hash", None, "user_changed"),
        ("status", Some(text("blocked")), "user_blocked"),
        ("status", Some(text("Active")), "user_blocked"),
        ("status", None, "user_blocked"),
        ("token_generation", Some(AttributeValue::N("6".to_owned())), "revoked"),
        ("permissions", Some(AttributeValue::Ss(vec!["other".to_owned()])), "allow"),
        ("email", Some(text("a@example.org")), "allow"),
    ]
}

#[tokio::test]
async fn a_change_of_the_user_counts_at_the_next_request_and_is_recorded_by_prune() {
    let world = World::new().await;
    let mut seed = 0_u8;
    for (attribute, value, expected) in changes() {
        for prune_sees_it in [false, true] {
            seed += 1;
            let token = world.create_token(FORMATS[usize::from(seed / 2 % 3)], "1", seed).await;
            let check = async |expected: &str| {
                assert_eq!(
                    verdict(&world, &token).await,
                    expected,
                    "{attribute} = {value:?} {}",
                    token.record.format
                );
            };
            check("allow").await;
            let before = world.user_item("1").await.remove(attribute);
            world.set_user("1", attribute, value.clone()).await;
            check(expected).await;
            if prune_sees_it {
                world.delivery.drain().await.unwrap();
            }
            world.set_user("1", attribute, before).await;
            // Without prune no change is recorded; prune and `token_generation` exist for that.
            check(if prune_sees_it { expected } else { "allow" }).await;
            // The next round must not see this one's changes.
            world.advance(60);
            world.delivery.drain().await.unwrap();
        }
    }
}

/// A JWT of `GET /rs/authorise` is valid for half an hour, unless its user changes before.
#[tokio::test]
async fn a_change_of_the_user_invalidates_a_temporary_jwt_too() {
    let changes = changes().into_iter().filter(|(_, _, expected)| *expected != "allow");
    for (attribute, value, expected) in changes.chain([("", None, "user_removed")]) {
        let world = World::new().await;
        let request =
            Request::new("GET", "/rs/authorise").authorization(&basic("my_username", "topsecret"));
        let response = world.send("Generate", request).await;
        let token = response.json()["accessToken"].as_str().unwrap().to_owned();
        let check = async |expected: &str| {
            assert_eq!(world.verdict(&bearer(&token)).await, expected, "{attribute}");
        };
        check("allow").await;
        let before = world.user_item("1").await;
        match attribute {
            "" => world.remove_user("1").await,
            _ => world.set_user("1", attribute, value).await,
        }
        check(expected).await;
        world.delivery.drain().await.unwrap();
        world.put("Users", before).await;
        check(expected).await;
    }
}

#[tokio::test]
async fn a_removed_user_is_rejected_and_a_restored_one_accepted_unless_prune_saw_the_removal() {
    for (prune_sees_it, expected) in [(false, "allow"), (true, "user_removed")] {
        let world = World::new().await;
        let token = world.create_token(Format::Signed, "1", 1).await;
        let item = world.user_item("1").await;
        world.remove_user("1").await;
        assert_eq!(verdict(&world, &token).await, "user_removed");
        if prune_sees_it {
            world.delivery.drain().await.unwrap();
        }
        world.put("Users", item).await;
        assert_eq!(verdict(&world, &token).await, expected);
    }
}

#[tokio::test]
async fn the_attributes_that_bind_a_token_are_configured_for_each_format() {
    let world = World::with(&[
        ("HALLPASS_INVALIDATE_ON", "permissions, plan"),
        ("HALLPASS_INVALIDATE_ON_JWT", "none"),
        ("HALLPASS_INVALIDATE_ON_SIGNED", "plan"),
    ])
    .await;
    let parent = world.token().await;
    let jwt = world.created(&parent, &json!({"name": "jwt", "format": "jwt"})).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let check =
        async |attribute: &str, value: Option<AttributeValue>, signed: &str, jwt_expected: &str| {
            let before = world.user_item("1").await.remove(attribute);
            world.set_user("1", attribute, value).await;
            let verdicts =
                (world.verdict(&bearer(&parent)).await, world.verdict(&bearer(&jwt)).await);
            assert_eq!(verdicts, (signed.to_owned(), jwt_expected.to_owned()), "{attribute}");
            world.set_user("1", attribute, before).await;
        };
    check("plan", Some(text("free")), "user_changed", "allow").await;
    check("plan", Some(AttributeValue::Null(true)), "user_changed", "allow").await;
    check("username", Some(text("renamed")), "allow", "allow").await;
    check("permissions", Some(AttributeValue::Ss(vec!["ROLE_ADMIN".to_owned()])), "allow", "allow")
        .await;
    // In every configuration, a blocked user is rejected and a raised generation invalidates every
    // token.
    check("status", Some(text("blocked")), "user_blocked", "user_blocked").await;
    check("token_generation", Some(AttributeValue::N("6".to_owned())), "revoked", "revoked").await;
}

#[tokio::test]
async fn permissions_invalidate_tokens_if_configured() {
    let world = World::with(&[("HALLPASS_INVALIDATE_ON", "permissions")]).await;
    let token = world.token_of("admin", "letmein").await;
    let check = async |names: &[&str], expected: &str| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        world.set_user("2", "permissions", Some(AttributeValue::Ss(names))).await;
        assert_eq!(
            world.verdict(&bearer(&token)).await,
            expected,
            "{names:?}",
            names = world.user_item("2").await
        );
    };
    check(&["ROLE_ADMIN", "ROLE_USER"], "allow").await;
    check(&["ROLE_USER", "ROLE_ADMIN"], "allow").await;
    check(&["ROLE_USER"], "user_changed").await;
}

#[tokio::test]
async fn a_token_stays_bound_to_the_attributes_configured_at_its_creation() {
    let world = World::with(&[("HALLPASS_INVALIDATE_ON", "plan")]).await;
    let user = world.store.user(&"1".parse().unwrap()).await.unwrap().unwrap();
    let bound_to = async |seed: u8, name: &str| {
        let binding = Binding::new([name.to_owned()]);
        let fingerprint = binding.fingerprint(&user);
        world
            .create_token_with(Format::Signed, "1", seed, |record| {
                (record.binding, record.fingerprint) = (binding, fingerprint);
            })
            .await
    };
    let (by_name, by_mail) = (bound_to(1, "username").await, bound_to(2, "email").await);
    let check = async |expected: [&str; 2]| {
        assert_eq!(
            [verdict(&world, &by_name).await, verdict(&world, &by_mail).await],
            expected.map(str::to_owned)
        );
    };
    world.set_user("1", "plan", Some(text("free"))).await;
    check(["allow", "allow"]).await;
    world.set_user("1", "email", Some(text("a@example.org"))).await;
    check(["allow", "user_changed"]).await;
    world.set_user("1", "username", Some(text("renamed"))).await;
    check(["user_changed", "user_changed"]).await;
}

#[tokio::test]
async fn the_effective_scope_is_limited_by_the_token_and_the_user_s_permissions() {
    let world = World::new().await;
    let names = |names: &[&str]| {
        names.iter().map(|name| name.parse().unwrap()).collect::<hallpass_token::Scope>()
    };
    let all = world.create_token(Format::Signed, "2", 1).await;
    let narrow = names(&["ROLE_ADMIN", "never granted"]);
    let narrow =
        world.create_token_with(Format::Signed, "2", 2, |record| record.scope = Some(narrow)).await;
    let check = async |permissions: &[&str], of_all: &str, of_narrow: &str| {
        let permissions: Vec<String> = permissions.iter().map(|name| (*name).to_owned()).collect();
        let value = (!permissions.is_empty()).then_some(AttributeValue::Ss(permissions));
        world.set_user("2", "permissions", value).await;
        assert_eq!(
            (scope(&world, &all.text).await, scope(&world, &narrow.text).await),
            (json!(of_all), json!(of_narrow))
        );
    };
    assert_eq!(scope(&world, &all.text).await, r#"["ROLE_ADMIN","ROLE_USER"]"#);
    let (admin, user) = (r#"["ROLE_ADMIN"]"#, r#"["ROLE_USER"]"#);
    check(&["ROLE_USER", "ROLE_ADMIN", "x y"], r#"["ROLE_ADMIN","ROLE_USER","x y"]"#, admin).await;
    check(&["ROLE_USER"], user, "[]").await;
    check(&[], "[]", "[]").await;
    check(&["not\"one", "a,b", "ROLE_ADMIN"], admin, admin).await;
}
