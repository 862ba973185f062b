//! The maintainers of service accounts: what they can do with the tokens of an account, and who is
//! one.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_store::maintainers::{MAX_MAINTAINERS, Maintenance};
use hallpass_token::{Format, UserId};
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
    engine::{self, Kind},
    tap::ANY,
};

mod pages;

/// The service account, and its maintainer.
const ACCOUNT: &str = "4";
const MAINTAINER: &str = "1";

fn id(text: &str) -> UserId {
    text.parse().unwrap()
}

fn set(names: &[&str]) -> AttributeValue {
    AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect())
}

async fn prepare(world: &World) {
    world.set_user(ACCOUNT, "permissions", Some(set(&["ROLE_USER", "deploy"]))).await;
    world.set_user(MAINTAINER, "permissions", Some(set(&["ROLE_USER", "tokens"]))).await;
    let added =
        world.store.add_maintainer(&id(ACCOUNT), &id(MAINTAINER), &tests::CAUSE).await.unwrap();
    assert_eq!(added, Maintenance::Now);
}

/// What a caller can do: create, list, show, rotate, revoke, revoke all, disable.
type Rights = [u16; 7];

/// A maintainer does what the account could do with its own tokens.
const ALL: Rights = [201, 200, 200, 201, 200, 200, 403];

/// For anyone else the account looks like any other user.
const NONE: Rights = [403, 403, 404, 404, 404, 404, 404];

/// The caller's token is rejected.
const REJECTED: Rights = [401; 7];

/// Tries everything with a token.
async fn rights(world: &World, caller: &str) -> Rights {
    static SEED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(100);
    let ask =
        |method: &str, route: &str| Request::new(method, route).authorization(&bearer(caller));
    let mut rights = Vec::new();
    let body = json!({"name": "ci", "user_id": ACCOUNT, "scopes": ["deploy"]});
    rights.push(world.create(&bearer(caller), &body).await.status);
    rights.push(world.list(caller, &[("user_id", ACCOUNT)]).await.status);
    for (function, method, route) in [
        ("Console", "GET", "/tokens/{id}"),
        ("Generate", "POST", "/tokens/{id}/rotate"),
        ("Revoke", "DELETE", "/tokens/{id}"),
    ] {
        let seed = SEED.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let token = world.create_token(Format::Signed, ACCOUNT, seed).await;
        let request = ask(method, route).parameter("id", &token.record.id.to_string());
        rights.push(world.send(function, request).await.status);
    }
    let seed = SEED.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let token = world.create_token(Format::Signed, ACCOUNT, seed).await;
    let disable = ask("PATCH", "/tokens/{id}").parameter("id", &token.record.id.to_string());
    let disabled = world.send("Revoke", disable.json(&json!({"disabled": true}))).await.status;
    let all = ask("DELETE", "/users/{user_id}/tokens").parameter("user_id", ACCOUNT);
    rights.extend([world.send("Revoke", all).await.status, disabled]);
    rights.try_into().unwrap()
}

#[tokio::test]
async fn a_maintainer_manages_the_tokens_of_the_account() {
    let world = World::new().await;
    prepare(&world).await;
    let scoped = async |scopes: Value| {
        let body = json!({"name": "scoped", "scopes": scopes});
        let created = world.created(&world.token().await, &body).await;
        created["token"].as_str().unwrap().to_owned()
    };
    let check = async |caller: &str, expected: Rights| {
        assert_eq!(rights(&world, caller).await, expected);
    };
    check(&world.token().await, ALL).await;
    check(&scoped(json!(["tokens"])).await, ALL).await;
    check(&scoped(json!(["ROLE_USER"])).await, NONE).await;
    let other = world.create_token(Format::Signed, "3", 1).await.text;
    check(&other, NONE).await;
    let admin = world.token_of("admin", "letmein").await;
    check(&admin, [201, 200, 200, 201, 200, 200, 200]).await;
    // A maintainer of one account is nothing to any other user.
    let token = world.token().await;
    for user_id in ["2", "3", "99"] {
        let body = json!({"name": "a", "user_id": user_id});
        assert_eq!(world.create(&bearer(&token), &body).await.status, 403, "{user_id}");
        assert_eq!(world.list(&token, &[("user_id", user_id)]).await.status, 403, "{user_id}");
    }
}

#[tokio::test]
async fn only_both_items_together_make_a_maintainer() {
    for (user, attribute, value, expected) in [
        (ACCOUNT, "maintainers", None, NONE),
        (ACCOUNT, "maintainers", Some(set(&["3"])), NONE),
        (ACCOUNT, "maintainers", Some(text("1")), NONE),
        (ACCOUNT, "maintainers", Some(AttributeValue::L(vec![text("1")])), ALL),
        (ACCOUNT, "kind", Some(text("person")), NONE),
        (ACCOUNT, "kind", None, NONE),
        (MAINTAINER, "maintains", None, NONE),
        (MAINTAINER, "maintains", Some(set(&["3"])), NONE),
        (MAINTAINER, "maintains", Some(AttributeValue::L(vec![text("4")])), ALL),
        (MAINTAINER, "status", Some(text("blocked")), REJECTED),
    ] {
        let world = World::new().await;
        prepare(&world).await;
        let token = world.token().await;
        world.set_user(user, attribute, value.clone()).await;
        assert_eq!(rights(&world, &token).await, expected, "{user} {attribute} {value:?}");
    }
    let world = World::new().await;
    prepare(&world).await;
    let token = world.token().await;
    let removed =
        world.store.remove_maintainer(&id(ACCOUNT), &id(MAINTAINER), &tests::CAUSE).await.unwrap();
    assert_eq!(removed, Maintenance::Now);
    assert_eq!(rights(&world, &token).await, NONE);
}

#[tokio::test]
async fn an_id_that_is_used_again_is_no_maintainer() {
    for again in [MAINTAINER, ACCOUNT] {
        let world = World::new().await;
        prepare(&world).await;
        let mut item = world.user_item(again).await;
        world.remove_user(again).await;
        item.remove("maintains");
        item.remove("maintainers");
        world.put("Users", item).await;
        let token = world.token().await;
        assert_eq!(rights(&world, &token).await, NONE, "{again}");
    }
}

#[tokio::test]
async fn a_token_of_the_account_has_what_the_account_has() {
    let world = World::new().await;
    prepare(&world).await;
    let token = world.token().await;
    let created = async |scopes: Value| {
        let body = json!({"name": "ci", "user_id": ACCOUNT, "scopes": scopes});
        world.create(&bearer(&token), &body).await
    };
    // The maintainer lacks `deploy`, and the account `tokens`.
    assert_eq!(created(json!(["deploy", "tokens"])).await.json()["scopes"], json!(["deploy"]));
    assert_eq!(created(json!(["tokens"])).await.status, 400);
    let whole = world.created(&token, &json!({"name": "ci", "user_id": ACCOUNT})).await;
    assert_eq!(whole["scopes"], Value::Null);
    assert!(whole["id"].as_str().unwrap().starts_with("4."), "{whole}");
    world.set_user(ACCOUNT, "status", Some(text("blocked"))).await;
    assert_eq!(created(json!(["deploy"])).await.status, 409);
}

#[tokio::test]
async fn the_tokens_of_an_account_outlive_its_maintainers() {
    let world = World::new().await;
    prepare(&world).await;
    let token = world.token().await;
    let created = world.created(&token, &json!({"name": "ci", "user_id": ACCOUNT})).await;
    let created = bearer(created["token"].as_str().unwrap());
    let check = async |what: &str, of_maintainer: &str| {
        world.delivery.drain().await.unwrap();
        assert_eq!(world.verdict(&created).await, "allow", "{what}");
        assert_eq!(world.verdict(&bearer(&token)).await, of_maintainer, "{what}");
    };
    check("nothing", "allow").await;
    world.store.add_maintainer(&id(ACCOUNT), &id("2"), &tests::CAUSE).await.unwrap();
    check("another maintainer", "allow").await;
    world.store.remove_maintainer(&id(ACCOUNT), &id(MAINTAINER), &tests::CAUSE).await.unwrap();
    check("no longer a maintainer", "allow").await;
    world.set_user(MAINTAINER, "status", Some(text("blocked"))).await;
    check("a blocked maintainer", "user_blocked").await;
    world.remove_user(MAINTAINER).await;
    check("a removed maintainer", "user_blocked").await;
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_maintainers() {
    let world = World::new().await;
    let store = &world.store;
    let users = (0..=MAX_MAINTAINERS).map(|number| format!("m{number}")).collect::<Vec<_>>();
    for user in &users {
        let mut item = world.user_item("1").await;
        item.insert("user_id".to_owned(), text(user));
        world.put("Users", item).await;
    }
    for (number, user) in users.iter().enumerate() {
        let expected =
            if number < MAX_MAINTAINERS { Maintenance::Now } else { Maintenance::TooMany };
        assert_eq!(
            store.add_maintainer(&id(ACCOUNT), &id(user), &tests::CAUSE).await.unwrap(),
            expected
        );
    }
    let account = store.user(&id(ACCOUNT)).await.unwrap().unwrap();
    assert_eq!(account.maintainers().len(), MAX_MAINTAINERS);
    for (account, user, expected) in [
        (ACCOUNT, "m0", Maintenance::Before),
        (ACCOUNT, "m99", Maintenance::UnknownUser),
        ("99", "m0", Maintenance::UnknownAccount),
        ("2", "m0", Maintenance::NoAccount),
        (ACCOUNT, ACCOUNT, Maintenance::NoAccount),
    ] {
        assert_eq!(
            store.add_maintainer(&id(account), &id(user), &tests::CAUSE).await.unwrap(),
            expected,
            "{user}"
        );
    }
    // A removed maintainer makes room for another.
    world.remove_user("m0").await;
    let remove =
        async |user| store.remove_maintainer(&id(ACCOUNT), &id(user), &tests::CAUSE).await.unwrap();
    assert_eq!(remove("m0").await, Maintenance::Now);
    assert_eq!(remove("m0").await, Maintenance::Before);
    assert_eq!(
        store
            .add_maintainer(&id(ACCOUNT), &id(users.last().unwrap()), &tests::CAUSE)
            .await
            .unwrap(),
        Maintenance::Now
    );
}

#[tokio::test]
async fn maintainers_that_are_added_at_once_are_all_kept() {
    let world = World::new().await;
    let (account, store) = (id(ACCOUNT), &world.store);
    let (one, two, three) = (id("1"), id("2"), id("3"));
    let added = tokio::join!(
        store.add_maintainer(&account, &one, &tests::CAUSE),
        store.add_maintainer(&account, &two, &tests::CAUSE),
        store.add_maintainer(&account, &three, &tests::CAUSE)
    );
    for added in [added.0, added.1, added.2] {
        assert_eq!(added.unwrap(), Maintenance::Now);
    }
    let account = store.user(&account).await.unwrap().unwrap();
    for user in [one, two, three] {
        let user = store.user(&user).await.unwrap().unwrap();
        assert!(account.is_maintained_by(&user), "{user:?}");
    }
}

#[tokio::test]
async fn no_token_is_shown_to_one_who_stopped_being_a_maintainer_before_the_recheck() {
    if engine::kind().await != Kind::Embedded {
        return;
    }
    for rotates in [false, true] {
        let mut call = 0;
        loop {
            let (world, tap) = World::tapped(&[]).await;
            prepare(&world).await;
            let token = world.create_token(Format::Signed, MAINTAINER, 1).await.text;
            let old = world.create_token(Format::Signed, ACCOUNT, 2).await.record.id.to_string();
            let request = if rotates {
                Request::new("POST", "/tokens/{id}/rotate").parameter("id", &old)
            } else {
                Request::new("POST", "/tokens").json(&json!({"name": "ci", "user_id": ACCOUNT}))
            };
            tap.seen();
            let sending = world.send("Generate", request.authorization(&bearer(&token)));
            let losing = world.set_user(ACCOUNT, "maintainers", None);
            let (response, was_held) =
                tap.meanwhile(ANY, call, Box::pin(sending), Box::pin(losing)).await;
            let place = format!("{rotates} {call}: {}", response.body);
            let has_written = tap.operations().iter().rposition(|operation| {
                ["PutItem", "TransactWriteItems"].contains(&operation.as_str())
            });
            if response.status == 201 {
                // Only after the recheck of both items.
                assert!(has_written.is_some_and(|write| call > write + 1), "{place}");
                break;
            }
            assert!(was_held && [403, 404].contains(&response.status), "{place}");
            assert_eq!(world.count_records(ACCOUNT).await, 1, "{place}");
            call += 1;
        }
        assert!(call > 2, "{rotates} {call}");
    }
}
