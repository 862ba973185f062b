//! One user per name, in any case, width or composition, and with any number of writers.

use futures_util::future::join_all;
use hallpass_store::{
    Store,
    management::{Added, Listed, NewUser, Renamed},
};
use hallpass_token::{Scope, Status, UserId, UserKind};
use serde_json::json;
use tests::{
    World,
    api::text,
    tap::{ALWAYS, Fault},
};

fn user(id: &str, name: &str) -> NewUser {
    NewUser {
        id: id.parse().unwrap(),
        username: name.to_owned(),
        full_name: None,
        kind: UserKind::Person,
        password_hash: hallpass_password::password::hash("correct horse", [7; 16]),
        permissions: Scope::default(),
        token_generation: 0,
    }
}

fn id(id: &str) -> UserId {
    id.parse().unwrap()
}

/// Returns the number of users whose name has this normal form.
async fn count(store: &Store, key: &str) -> usize {
    let users = store.all_users().await.unwrap();
    let names = users
        .iter()
        .filter_map(Listed::user)
        .map(|user| hallpass_password::NameKey::new(&user.username));
    names.filter(|name| name.as_str() == key).count()
}

const SPELLINGS: [&str; 4] = ["twin", "TWIN", "ｔｗｉｎ", "tw\u{ad}in"];

/// Makes the index lag as far as possible: no user has the name yet.
fn with_an_index_that_lags(tap: &tests::tap::Tap) {
    tap.inject(
        "Query",
        0,
        ALWAYS,
        Fault::Change(|response| *response = json!({"Items": [], "Count": 0, "ScannedCount": 0})),
    );
}

#[tokio::test]
async fn of_many_concurrent_additions_of_one_name_one_succeeds() {
    let (world, tap) = World::tapped(&[]).await;
    with_an_index_that_lags(&tap);
    let store = world.service().store;
    let users: Vec<NewUser> = (10..18)
        .zip(SPELLINGS.iter().cycle())
        .map(|(id, name)| user(&id.to_string(), name))
        .collect();
    let added = join_all(users.iter().map(|user| store.add_user(user, &tests::CAUSE))).await;
    let added: Vec<Added> = added.into_iter().map(Result::unwrap).collect();
    assert_eq!(added.iter().filter(|outcome| **outcome == Added::Now).count(), 1, "{added:?}");
    assert_eq!(
        added.iter().filter(|outcome| **outcome == Added::NameTaken).count(),
        7,
        "{added:?}"
    );
    assert_eq!(count(&world.store, "twin").await, 1);
    tap.heal();
    assert_eq!(world.generate(&tests::basic("Twin", "correct horse")).await.status, 200);
}

#[tokio::test]
async fn of_many_concurrent_additions_renames_and_imports_of_one_name_one_succeeds() {
    let (world, tap) = World::tapped(&[]).await;
    with_an_index_that_lags(&tap);
    let store = world.service().store;
    let (ten, eleven) = (user("10", "twin"), user("11", "TWIN"));
    let (first, second) = (id("1"), id("2"));
    let outcomes = tokio::join!(
        store.add_user(&ten, &tests::CAUSE),
        store.import_user(&eleven, Status::Blocked, None, &tests::CAUSE),
        store.rename_user(&first, "ｔｗｉｎ", Some(tests::invalidate(7)), &tests::CAUSE),
        store.rename_user(&second, "Twin", Some(tests::invalidate(7)), &tests::CAUSE),
    );
    let won = [
        outcomes.0.unwrap() == Added::Now,
        outcomes.1.unwrap() == Added::Now,
        outcomes.2.unwrap() == Renamed::Now,
        outcomes.3.unwrap() == Renamed::Now,
    ];
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1, "{won:?}");
    assert_eq!(count(&world.store, "twin").await, 1);
}

#[tokio::test]
async fn a_name_is_taken_for_any_writer_and_free_once_its_user_is_removed_or_renamed() {
    let world = World::new().await;
    let store = &world.store;
    let add =
        async |id: &str, name: &str| store.add_user(&user(id, name), &tests::CAUSE).await.unwrap();
    // The application wrote this one, without a marker.
    assert_eq!(add("9", "MY_username").await, Added::NameTaken);
    assert_eq!(
        store
            .rename_user(&id("2"), "my_Username", Some(tests::invalidate(7)), &tests::CAUSE)
            .await
            .unwrap(),
        Renamed::NameTaken
    );
    assert_eq!(add("9", "ada").await, Added::Now);
    assert_eq!(add("10", "Ada").await, Added::NameTaken);
    assert_eq!(add("9", "Ada").await, Added::IdTaken);
    // A user can change the spelling of its own name.
    assert_eq!(
        store
            .rename_user(&id("9"), "ADA", Some(tests::invalidate(7)), &tests::CAUSE)
            .await
            .unwrap(),
        Renamed::Now
    );
    assert_eq!(
        store
            .rename_user(&id("9"), "eve", Some(tests::invalidate(7)), &tests::CAUSE)
            .await
            .unwrap(),
        Renamed::Now
    );
    assert_eq!(add("10", "ada").await, Added::Now);
    store.remove_user(&id("10"), &tests::CAUSE).await.unwrap();
    assert_eq!(add("11", "ada").await, Added::Now);
    // The application renames and removes without updating the marker.
    world.set_user("11", "username", Some(text("bob"))).await;
    world.set_user("11", "username_key", Some(text("bob"))).await;
    assert_eq!(add("12", "ada").await, Added::Now);
    world.remove_user("12").await;
    assert_eq!(add("13", "ada").await, Added::Now);
    assert_eq!(add("14", "bob").await, Added::NameTaken);
    assert_eq!(
        store
            .rename_user(&id("unknown"), "x", Some(tests::invalidate(7)), &tests::CAUSE)
            .await
            .unwrap(),
        Renamed::Unknown
    );
}

#[tokio::test]
async fn prune_recognizes_name_markers_and_deletes_the_obsolete_ones() {
    let world = World::new().await;
    for (number, name) in [("9", "ada"), ("10", "bob"), ("11", "eve")] {
        assert_eq!(
            world.store.add_user(&user(number, name), &tests::CAUSE).await.unwrap(),
            Added::Now
        );
    }
    let sweep = async || world.invoke("Prune", json!({"source": "aws.scheduler"})).await.unwrap();
    let swept = sweep().await;
    assert_eq!(
        (&swept["seen"], &swept["dropped"], &swept["unreadable"]),
        (&json!(3), &json!(0), &json!(0))
    );
    world.set_user("9", "username", Some(text("other"))).await;
    world.remove_user("10").await;
    world.set_user("11", "full_name", Some(text("Eve"))).await;
    let swept = sweep().await;
    assert_eq!(
        (&swept["seen"], &swept["dropped"], &swept["unreadable"]),
        (&json!(3), &json!(2), &json!(0))
    );
    assert_eq!(sweep().await["seen"], 1);
    assert_eq!(
        world.store.add_user(&user("12", "eve"), &tests::CAUSE).await.unwrap(),
        Added::NameTaken
    );
}

#[tokio::test]
async fn a_name_is_taken_for_every_user_but_its_own_and_its_marker_goes_with_it() {
    let world = World::new().await;
    let (store, key) = (&world.store, hallpass_password::NameKey::new("Ada"));
    let is_taken = async |of: Option<&str>| {
        let of = of.map(id);
        store.is_name_taken(&key, of.as_ref()).await.unwrap()
    };
    assert!(!is_taken(None).await);
    assert_eq!(store.add_user(&user("9", "ada"), &tests::CAUSE).await.unwrap(), Added::Now);
    assert_eq!(
        (is_taken(None).await, is_taken(Some("1")).await, is_taken(Some("9")).await),
        (true, true, false)
    );
    store.rename_user(&id("9"), "eve", None, &tests::CAUSE).await.unwrap();
    assert!(!is_taken(None).await);
    assert_eq!(world.dump("Tokens").await.len(), 1, "the marker of the present name");
    store.remove_user(&id("9"), &tests::CAUSE).await.unwrap();
    assert_eq!(world.dump("Tokens").await, Vec::<String>::new());
}
