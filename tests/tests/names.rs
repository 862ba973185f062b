//! User names in Unicode: the store, the rate limit and the look-up agree on which spellings mean
//! the same user.

use hallpass_password::{NameKey, rate_limit::Counters};
use hallpass_store::management::NewUser;
use hallpass_token::{Scope, UserKind, user::attribute::USERNAME_KEY};
use proptest::prelude::*;
use tests::{Request, World, api::text, basic, web_client::WebClient};

/// Names, each with spellings that mean the same user and spellings that do not.
const NAMES: [(&str, &[&str], &[&str]); 5] = [
    ("bigbird", &["ᴮᴵᴳᴮᴵᴿᴰ", "BigBird", "ｂｉｇ\u{ad}ｂｉｒｄ"], &["bigbird ", "bıgbird"]),
    ("ıtır", &["ıTıR"], &["İTIR"]),
    ("Itir", &["ITIR"], &["İtir"]),
    ("José", &["JOSE\u{301}"], &["Jose"]),
    ("\u{212b}", &["Å", "a\u{30a}"], &["A"]),
];

async fn add(world: &World, id: usize, username: &str) {
    let user = NewUser {
        id: id.to_string().parse().unwrap(),
        username: username.to_owned(),
        full_name: None,
        kind: UserKind::Person,
        password_hash: hallpass_password::password::hash("correct horse", [9; 16]),
        permissions: Scope::default(),
        token_generation: 0,
    };
    world.store.add_user(&user, &tests::CAUSE).await.unwrap();
}

async fn log_in(world: &World, username: &str, password: &str) -> u16 {
    let request = Request::new("POST", "/api/services_token/generate")
        .authorization(&basic(username, password));
    world.send("Generate", request).await.status
}

#[tokio::test]
async fn every_spelling_of_a_name_logs_its_user_in_and_no_other_does() {
    let world = World::new().await;
    for (index, (name, ..)) in NAMES.into_iter().enumerate() {
        add(&world, 10 + index, name).await;
    }
    for (name, same, other) in NAMES {
        for spelling in same {
            assert_eq!(
                log_in(&world, spelling, "correct horse").await,
                200,
                "{spelling} for {name}"
            );
        }
        for spelling in other {
            assert_eq!(
                log_in(&world, spelling, "correct horse").await,
                401,
                "{spelling} for {name}"
            );
        }
    }
}

#[tokio::test]
async fn all_spellings_of_a_name_wait_together_and_no_other_waits_with_them() {
    let world = World::new().await;
    add(&world, 9, "bigbird").await;
    // Five consecutive failures are not slowed down.
    for spelling in ["ᴮᴵᴳᴮᴵᴿᴰ", "BigBird", "ｂｉｇｂｉｒｄ", "big\u{ad}bird", "𝐛𝐢𝐠𝐛𝐢𝐫𝐝"]
    {
        assert_eq!(log_in(&world, spelling, "wrong").await, 401, "{spelling}");
    }
    assert_eq!(log_in(&world, "bigbird", "correct horse").await, 429);
    assert_eq!(log_in(&world, "bıgbird", "correct horse").await, 401, "another name");
    assert_eq!(log_in(&world, "my_username", "topsecret").await, 200);
}

#[tokio::test]
async fn the_store_writes_the_normal_form_that_log_in_looks_for() {
    let world = World::new().await;
    add(&world, 9, "ᴮᴵᴳᴮᴵᴿᴰ").await;
    let key = world.user_item("9").await[USERNAME_KEY].clone();
    assert_eq!(key, text("bigbird"), "the store writes the normal form");
    let id = "1".parse().unwrap();
    world
        .store
        .rename_user(&id, "JOSE\u{301}", Some(tests::invalidate(7)), &tests::CAUSE)
        .await
        .unwrap();
    assert_eq!(world.user_item("1").await[USERNAME_KEY], text("josé"), "and writes it at a rename");
    assert_eq!(log_in(&world, "José", "topsecret").await, 200);
}

proptest! {
    #[test]
    fn one_normal_form_serves_store_limiter_and_look_up(name in any::<String>()) {
        let key = NameKey::new(&name);
        prop_assert_eq!(&NameKey::new(key.as_str()), &key, "its own normal form");
        let window = 7;
        let counters = |key: &NameKey| Counters::new(key, "192.0.2.1", window);
        prop_assert_eq!(counters(&key), counters(&NameKey::new(key.as_str())));
    }
}

#[tokio::test]
async fn wrong_entries_of_the_index_hide_no_user() {
    let world = World::new().await;
    let key = NameKey::new("my_username");
    for (id, name) in [
        ("a b", "my_username"),
        ("ä", "my_username"),
        ("0z1", "other1"),
        ("0z2", "other2"),
        ("0z3", "x"),
    ] {
        let item = [
            ("user_id", id),
            ("username", name),
            ("username_key", "my_username"),
            ("status", "active"),
        ];
        world.put("Users", item.map(|(name, value)| (name.to_owned(), text(value))).into()).await;
    }
    let ids = world.store.ids_by_name(&key).await.unwrap();
    assert!(ids.contains(&"1".parse().unwrap()), "{ids:?}");
    let mut admin = WebClient::signed_in(&world, "admin", "letmein").await;
    let page = admin
        .open("Console", Request::new("GET", "/admin/users").query("name", "my_username"))
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("/admin/users/1"), "{}", page.body);
}
