//! Users whose items are full: DynamoDB's limit is 400 KB. Blocking, revoking and removing such a
//! user still works.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_store::{changes::Change, management::Renamed, marking::Invalidate, users::Written};
use hallpass_token::{Format, UserId};
use tests::{
    Request, World,
    api::{bearer, text},
    tables::{self, Item, TestToken},
    web_client::WebClient,
};

/// What is left of a user's item when it is full: the attributes that are not there, and those with
/// a short value.
const ITEMS: [(&str, Option<&str>); 4] = [
    ("token_generation", None),
    ("status", None),
    ("password_hash", None),
    ("password_hash", Some("x")),
];

struct Full<'a> {
    world: &'a World,
    id: UserId,
    item: Item,
    how: Invalidate,
    case: String,
    seed: u8,
    is_active: bool,
    /// Whether an unblocked user has no room for a generation, so that a mark is left.
    marks: bool,
}

impl Full<'_> {
    /// Restores the full user, and creates a token of each format.
    async fn tokens(&mut self) -> Vec<TestToken> {
        self.world.put("Users", self.item.clone()).await;
        let mut tokens = Vec::new();
        for format in [Format::Signed, Format::Developer, Format::Jwt] {
            self.seed = self.seed.wrapping_add(1);
            tokens.push(self.world.create_token(format, "1", self.seed).await);
        }
        tokens
    }

    /// Checks that no token is accepted, and that none is after the change is undone, except for
    /// the generation.
    async fn ended(&self, tokens: &[TestToken], what: &str) {
        self.verdicts(tokens, what, |verdict| verdict != "allow" && !verdict.starts_with("error"))
            .await;
        let mut item = self.item.clone();
        if let Some(generation) = self.world.user_item("1").await.remove("token_generation") {
            item.remove(tables::FILLER);
            item.insert("token_generation".to_owned(), generation);
        }
        self.world.put("Users", item).await;
        self.verdicts(tokens, what, |verdict| verdict != "allow" && !verdict.starts_with("error"))
            .await;
    }

    /// Each change that ends tokens ends all of them.
    async fn check_changes_that_end(&mut self) {
        let (world, id, how) = (self.world, self.id, self.how);
        let tokens = self.tokens().await;
        assert_eq!(
            world.store.change_user(&id, &Change::Block, Some(how), &tests::CAUSE).await.unwrap(),
            Written::Now
        );
        self.ended(&tokens, "block").await;

        let tokens = self.tokens().await;
        assert_eq!(
            world.store.raise_generation(&id, how, &tests::CAUSE).await.unwrap(),
            Written::Now
        );
        self.ended(&tokens, "revoke all").await;

        let tokens = self.tokens().await;
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let written = world
            .store
            .change_user(&id, &Change::Password(hash.to_owned()), Some(how), &tests::CAUSE)
            .await;
        let there = world.user_item("1").await.remove("password_hash");
        match written {
            Ok(written) => assert_eq!((written, there), (Written::Now, Some(text(hash)))),
            Err(failure) => {
                assert_eq!(there, None);
                assert!(
                    failure.report().contains("old password no longer works"),
                    "{}",
                    failure.report()
                );
            }
        }
        self.ended(&tokens, "password").await;

        let tokens = self.tokens().await;
        assert_eq!(
            world
                .store
                .change_user(
                    &id,
                    &Change::Deny("ROLE_USER".parse().unwrap()),
                    Some(how),
                    &tests::CAUSE
                )
                .await
                .unwrap(),
            Written::Now
        );
        self.ended(&tokens, "permission removed").await;

        let tokens = self.tokens().await;
        assert_eq!(
            world.store.rename_user(&id, "short", Some(how), &tests::CAUSE).await.unwrap(),
            Renamed::Now
        );
        self.ended(&tokens, "rename").await;
        assert_eq!(
            world.store.rename_user(&id, "my_username", None, &tests::CAUSE).await.unwrap(),
            Renamed::Now
        );
    }

    /// A user whom an application blocked comes back with none of the tokens, though nothing was
    /// raised.
    async fn check_unblocking(&mut self) {
        let (world, id, how) = (self.world, self.id, self.how);
        if self.is_active {
            let tokens = self.tokens().await;
            world.set_user("1", "status", Some(text("locked"))).await;
            let marks = world.store.change_marks(&id).await.unwrap();
            assert_eq!(
                world
                    .store
                    .change_user(
                        &id,
                        &Change::Unblock,
                        Some(Invalidate { fresh: 78, ..how }),
                        &tests::CAUSE
                    )
                    .await
                    .unwrap(),
                Written::Now
            );
            self.ended(&tokens, "unblock").await;
            if self.marks {
                assert_ne!(
                    world.store.change_marks(&id).await.unwrap(),
                    marks,
                    "what is being issued finds it out"
                );
            }
        }
    }

    /// A change that has no room and ends nothing changes nothing.
    async fn check_what_has_no_room(&mut self) {
        let (world, id, how) = (self.world, self.id, self.how);
        let tokens = self.tokens().await;
        let longer = "my_username_and_more".repeat(10);
        assert!(world.store.rename_user(&id, &longer, Some(how), &tests::CAUSE).await.is_err());
        let grant = Change::Grant("a".repeat(100).parse().unwrap());
        assert!(world.store.change_user(&id, &grant, Some(how), &tests::CAUSE).await.is_err());
        assert_eq!(world.user_item("1").await, self.item);
        self.verdicts(&tokens, "nothing", |verdict| (verdict == "allow") == self.is_active).await;

        let tokens = self.tokens().await;
        assert_eq!(world.store.remove_user(&id, &tests::CAUSE).await.unwrap(), Written::Now);
        self.verdicts(&tokens, "removal", |verdict| verdict != "allow").await;
    }

    async fn verdicts(&self, tokens: &[TestToken], what: &str, is_right: impl Fn(&str) -> bool) {
        for token in tokens {
            let verdict = self.world.verdict(&bearer(&token.text)).await;
            assert!(is_right(&verdict), "{}: {what}: {verdict}", self.case);
        }
    }
}

#[tokio::test]
async fn a_user_with_a_full_item_can_be_blocked_and_every_token_is_rejected() {
    let world = World::new().await;
    let item = world.user_item("1").await;
    for (index, (attribute, value)) in (0_u8..).zip(ITEMS) {
        let mut item = item.clone();
        item.remove(attribute);
        item.extend(value.map(|value| (attribute.to_owned(), text(value))));
        item.entry("status".to_owned()).and_modify(|it| *it = text("active"));
        let item = world.fill_user(item).await;
        let case = format!("{attribute} is {value:?}");
        let mut full = Full {
            world: &world,
            id: "1".parse().unwrap(),
            item,
            how: tests::invalidate(77),
            case,
            seed: index * 50,
            is_active: attribute != "status",
            marks: attribute == "token_generation",
        };
        let tokens = full.tokens().await;
        full.verdicts(&tokens, "before", |verdict| (verdict == "allow") == full.is_active).await;
        full.check_changes_that_end().await;
        full.check_unblocking().await;
        full.check_what_has_no_room().await;
    }
}

#[tokio::test]
async fn a_user_with_a_full_item_can_be_blocked_by_the_api_and_the_pages() {
    let world = World::new().await;
    let admin_token = world.token_of("admin", "letmein").await;
    let mut admin = WebClient::signed_in(&world, "admin", "letmein").await;
    let mut item = world.user_item("1").await;
    item.remove("token_generation");
    let item = world.fill_user(item).await;
    for (index, what) in ["the API", "block", "revoke-all"].into_iter().enumerate() {
        world.put("Users", item.clone()).await;
        let mut user = WebClient::signed_in(&world, "my_username", "topsecret").await;
        let token = world.create_token(Format::Signed, "1", u8::try_from(index).unwrap()).await;
        assert_eq!(world.verdict(&bearer(&token.text)).await, "allow", "{what}");
        assert_eq!(
            user.open("Console", Request::new("GET", "/profile/developer")).await.status,
            200,
            "{what}"
        );
        if what == "the API" {
            let all = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1");
            let response = world.send("Revoke", all.authorization(&bearer(&admin_token))).await;
            assert_eq!(response.status, 200, "{}", response.body);
        } else {
            let access =
                Request::new("POST", "/admin/users/{user_id}/access").parameter("user_id", "1");
            let response = admin.submit("Revoke", access, &[("do", what)]).await;
            assert_eq!(response.status, 303, "{what}: {}", response.body);
        }
        world.put("Users", item.clone()).await;
        assert_ne!(world.verdict(&bearer(&token.text)).await, "allow", "{what}");
        assert_ne!(
            user.open("Console", Request::new("GET", "/profile/developer")).await.status,
            200,
            "{what}"
        );
    }
    assert_eq!(item["status"], AttributeValue::S("active".to_owned()));
}
