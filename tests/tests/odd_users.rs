//! Odd users, as applications write them: no value of any attribute is an error, hides another
//! user, or keeps this one from being blocked, revoked, changed or removed.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use hallpass_store::{
    changes::Change,
    management::{Listed, Renamed},
    users::Written,
};
use hallpass_token::{Format, UserId};
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, text},
    basic,
    tables::TestToken,
    web_client::WebClient,
};

/// The attributes that an application writes and Hallpass reads.
const ATTRIBUTES: [&str; 7] =
    ["username", "full_name", "kind", "password_hash", "status", "permissions", "token_generation"];

/// Returns the values that an application may write, and no value.
fn values() -> Vec<Option<AttributeValue>> {
    let list = |names: &[&str]| AttributeValue::L(names.iter().map(|name| text(name)).collect());
    let one = || AttributeValue::N("1".to_owned());
    let values = [
        AttributeValue::Null(true),
        text(""),
        text("other"),
        text(&"x".repeat(380_000)),
        list(&[]),
        list(&["ROLE_USER", "ROLE_ADMIN"]),
        AttributeValue::L(vec![text("ROLE_USER"), one()]),
        AttributeValue::Ss(vec!["ROLE_USER".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::Bs(vec![Blob::new([1])]),
        one(),
        AttributeValue::N("-3".to_owned()),
        AttributeValue::N("1.5".to_owned()),
        AttributeValue::N("99999999999999999999999999999999999999".to_owned()),
        AttributeValue::Bool(true),
        AttributeValue::M([("a".to_owned(), text("b"))].into()),
        AttributeValue::M([].into()),
        AttributeValue::B(Blob::new([1])),
    ];
    values.into_iter().map(Some).chain([None]).collect()
}

/// Returns a short form of the value.
fn brief(value: Option<&AttributeValue>) -> String {
    format!("{value:?}").chars().take(60).collect()
}

struct Odd<'a> {
    world: &'a World,
    id: UserId,
    attribute: &'static str,
    value: Option<AttributeValue>,
    item: tests::tables::Item,
    seed: u8,
}

impl Odd<'_> {
    /// Writes the user with the odd value, and creates a token for it.
    async fn token(&mut self) -> TestToken {
        self.world.put("Users", self.item.clone()).await;
        self.world.set_user("1", self.attribute, self.value.clone()).await;
        self.seed = self.seed.wrapping_add(1);
        let user = self.world.store.user(&self.id).await.unwrap().unwrap();
        assert_eq!(user.id, self.id);
        let test_token = self.world.unwritten(Format::Signed, "1", self.seed).await;
        let _ = self.world.store.withdraw(&test_token.record, &tests::CAUSE).await;
        self.world.store.insert(&test_token.record, &tests::CAUSE).await.unwrap();
        test_token
    }

    /// Changes the user as the administrator's page and `hallpass user` do.
    async fn change(&self, change: &Change) {
        let invalidate = Some(tests::invalidate(77));
        let written = self
            .world
            .store
            .change_user(&self.id, change, invalidate, &tests::CAUSE)
            .await
            .unwrap();
        assert_eq!(written, Written::Now, "{}", self.case());
    }

    fn case(&self) -> String {
        format!("{} = {}", self.attribute, brief(self.value.as_ref()))
    }

    /// Checks that the token is rejected, valid or not before, and stays so when the application
    /// restores all its values.
    async fn ends(&self, token: &TestToken, what: &str) {
        let case = format!("{}: {what}", self.case());
        let verdict = self.world.verdict(&bearer(&token.text)).await;
        assert!(verdict != "allow" && !verdict.starts_with("error"), "{case}: {verdict}");
    }
}

/// Each way to reject a user's tokens.
#[tokio::test]
async fn with_any_attribute_value_each_way_to_reject_tokens_works_at_the_next_request() {
    let world = World::new().await;
    let mut admin = WebClient::signed_in(&world, "admin", "letmein").await;
    let item = world.user_item("1").await;
    for attribute in ATTRIBUTES {
        for value in values() {
            let id: UserId = "1".parse().unwrap();
            let mut odd = Odd { world: &world, id, attribute, value, item: item.clone(), seed: 0 };
            let case = odd.case();
            for change in [Change::Block, Change::Password("$argon2id$other".to_owned())] {
                let token = odd.token().await;
                odd.change(&change).await;
                odd.ends(&token, &format!("{change:?}")).await;
            }
            let token = odd.token().await;
            assert_eq!(
                world
                    .store
                    .raise_generation(&id, tests::invalidate(77), &tests::CAUSE)
                    .await
                    .unwrap(),
                Written::Now,
                "{case}"
            );
            odd.ends(&token, "revoke all").await;
            let token = odd.token().await;
            assert_eq!(
                world
                    .store
                    .rename_user(&id, "another", Some(tests::invalidate(77)), &tests::CAUSE)
                    .await
                    .unwrap(),
                Renamed::Now,
                "{case}"
            );
            odd.ends(&token, "rename").await;
            let token = odd.token().await;
            assert_eq!(
                world.store.remove_user(&id, &tests::CAUSE).await.unwrap(),
                Written::Now,
                "{case}"
            );
            odd.ends(&token, "remove").await;
            for what in ["block", "revoke-all"] {
                let token = odd.token().await;
                let access =
                    Request::new("POST", "/admin/users/{user_id}/access").parameter("user_id", "1");
                let response = admin.submit("Revoke", access, &[("do", what)]).await;
                assert_eq!(response.status, 303, "{case}: {what}: {}", response.body);
                odd.ends(&token, what).await;
            }
        }
    }
}

/// Returns what the user gets from each route that reads users, and what an administrator gets.
async fn responses(
    world: &World,
    admin: &mut WebClient<'_>,
    admin_token: &str,
    token: &str,
) -> [Response; 7] {
    let create = json!({"name": "n", "user_id": "1", "format": "jwt"});
    let users = Request::new("GET", "/admin/users").query("name", "1");
    let user = Request::new("GET", "/admin/users/{user_id}").parameter("user_id", "1");
    [
        world.generate(&basic("my_username", "topsecret")).await,
        world.generate(&bearer(token)).await,
        world.list(token, &[]).await,
        world.list(admin_token, &[("user_id", "1")]).await,
        world.create(&bearer(admin_token), &create).await,
        admin.open("Console", users).await,
        admin.open("Console", user).await,
    ]
}

#[tokio::test]
async fn with_any_attribute_value_nothing_fails_and_no_user_is_hidden() {
    let world = World::new().await;
    let admin_token = world.token_of("admin", "letmein").await;
    let mut admin = WebClient::signed_in(&world, "admin", "letmein").await;
    let item = world.user_item("1").await;
    let mut place = String::new();
    world.user_stream_after(&mut place);
    for attribute in ATTRIBUTES {
        for value in values() {
            let id: UserId = "1".parse().unwrap();
            let mut odd =
                Odd { world: &world, id, attribute, value, item: item.clone(), seed: 100 };
            let token = odd.token().await;
            let case = odd.case();
            let verdict = world.verdict(&bearer(&token.text)).await;
            assert!(!verdict.starts_with("error"), "{case}: {verdict}");
            assert_eq!(
                world.store.all_users().await.unwrap().iter().filter_map(Listed::user).count(),
                4,
                "{case}"
            );
            for response in responses(&world, &mut admin, &admin_token, &token.text).await {
                let excerpt = response.body.get(..300).unwrap_or(&response.body);
                assert!(response.status < 500, "{case}: {} {excerpt}", response.status);
            }
            let all = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1");
            let response = world.send("Revoke", all.authorization(&bearer(&admin_token))).await;
            assert_eq!(response.status, 200, "{case}: {}", response.body);
            odd.ends(&token, "revoke all by the API").await;
            for change in [
                Change::Grant("reports".parse().unwrap()),
                Change::Deny("reports".parse().unwrap()),
                Change::Deny("ROLE_USER".parse().unwrap()),
                Change::Unblock,
            ] {
                odd.change(&change).await;
            }
            // The stream and the sweep skip no item.
            assert_eq!(
                world.deliver(world.user_stream_after(&mut place)).await,
                Vec::<Value>::new(),
                "{case}"
            );
            let swept = world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
            assert_eq!(swept["finished"], true, "{case}");
            assert_eq!(world.verdict(&bearer(&admin_token)).await, "allow", "{case}");
            world.advance(3);
        }
    }
}

#[tokio::test]
async fn a_list_of_permissions_is_a_set_and_unreadable_permissions_permit_nothing() {
    let world = World::new().await;
    let item = world.user_item("1").await;
    let check = async |value: Option<AttributeValue>,
                       expected: &[&str],
                       granted: &[&str],
                       denied: &[&str]| {
        world.put("Users", item.clone()).await;
        world.set_user("1", "permissions", value.clone()).await;
        let id = "1".parse().unwrap();
        let names = async || {
            let user = world.store.user(&id).await.unwrap().unwrap();
            user.permissions.names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names().await, expected, "{value:?}");
        let change = async |change: Change| world_change(&world.store, change).await;
        change(Change::Grant("a".parse().unwrap())).await;
        assert_eq!(names().await, granted, "{value:?}");
        change(Change::Deny("ROLE_USER".parse().unwrap())).await;
        assert_eq!(names().await, denied, "{value:?}");
        change(Change::Deny("a".parse().unwrap())).await;
        change(Change::Deny("b".parse().unwrap())).await;
        assert_eq!(names().await, Vec::<String>::new(), "{value:?}");
        assert!(!world.user_item("1").await.contains_key("permissions"), "{value:?}");
    };
    let list =
        |names: &[&str]| Some(AttributeValue::L(names.iter().map(|name| text(name)).collect()));
    let set = |names: &[&str]| {
        Some(AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect()))
    };
    for value in [list(&["ROLE_USER"]), set(&["ROLE_USER"]), list(&["ROLE_USER", "ROLE_USER"])] {
        check(value, &["ROLE_USER"], &["ROLE_USER", "a"], &["a"]).await;
    }
    check(list(&["b", "ROLE_USER"]), &["ROLE_USER", "b"], &["ROLE_USER", "a", "b"], &["a", "b"])
        .await;
    for value in [
        None,
        list(&[]),
        Some(AttributeValue::Null(true)),
        Some(text("")),
        Some(AttributeValue::Bool(true)),
    ] {
        check(value, &[], &["a"], &["a"]).await;
    }
}

async fn world_change(store: &hallpass_store::Store, change: Change) {
    assert_eq!(
        store.change_user(&"1".parse().unwrap(), &change, None, &tests::CAUSE).await.unwrap(),
        Written::Now
    );
}

#[tokio::test]
async fn an_item_that_is_not_a_user_is_listed_by_its_key() {
    let world = World::new().await;
    world.put("Users", [("user_id".to_owned(), text("not an id"))].into()).await;
    let listed = world.store.all_users().await.unwrap();
    let keys: Vec<_> = listed
        .iter()
        .filter_map(|user| if let Listed::Unreadable(key) = user { Some(key) } else { None })
        .collect();
    assert_eq!((listed.len(), keys), (5, vec![&"not an id".to_owned()]));
}

/// If the application replaces a generation, earlier tokens must not become valid again.
#[tokio::test]
async fn a_generation_that_cannot_be_raised_is_replaced_by_an_unused_one() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    for (value, expected) in [
        (None, "77"),
        (Some(AttributeValue::Null(true)), "77"),
        (Some(text("6")), "77"),
        (Some(AttributeValue::N("1.5".to_owned())), "2.5"),
        (Some(AttributeValue::N("99999999999999999999999999999999999999".to_owned())), "77"),
        (Some(AttributeValue::N("-3".to_owned())), "-2"),
        (Some(AttributeValue::N("5".to_owned())), "6"),
    ] {
        world.set_user("1", "token_generation", value.clone()).await;
        world
            .store
            .raise_generation(&"1".parse().unwrap(), tests::invalidate(77), &tests::CAUSE)
            .await
            .unwrap();
        assert_eq!(
            world.user_item("1").await["token_generation"],
            AttributeValue::N(expected.to_owned()),
            "{value:?}"
        );
        let verdict = world.verdict(&bearer(&token.text)).await;
        assert!(["user_changed", "revoked"].contains(&verdict.as_str()), "{value:?}: {verdict}");
    }
}
