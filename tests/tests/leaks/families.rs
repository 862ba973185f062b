//! A stolen token whose record is gone: its family is found in the records of the tokens that it
//! issued. And how much one request does.

use serde_json::json;
use tests::{
    World,
    api::bearer,
    engine::{self, Kind},
    tables::TestToken,
};

use super::{all_descendants, descendants, id_of, own_id, text_of};

#[tokio::test]
async fn a_family_is_found_though_everything_that_the_token_issued_has_expired() {
    let world = World::new().await;
    let first = world.token_of("admin", "letmein").await;
    let renewed = world.generate(&bearer(&first)).await.json();
    world.created(text_of(&renewed), &json!({"name": "a", "user_id": "1", "expires_in": 60})).await;
    let id = own_id(&world, text_of(&renewed)).await;
    let record = world.record(&id.parse().unwrap()).await;
    world.store.withdraw(&record, &tests::CAUSE).await.unwrap();
    world.advance(61);
    let admin = world.token_of("admin", "letmein").await;
    assert_eq!(all_descendants(&world, &admin, &id).await.0, 1, "the rest of the family");
    assert_eq!(world.verdict(&bearer(&first)).await, "revoked");
    assert_eq!(world.verdict(&bearer(&admin)).await, "allow");
}

#[tokio::test]
async fn a_family_that_is_found_issues_nothing_during_the_rest_of_the_search() {
    let (world, tap) = World::tapped(&[]).await;
    let first = world.token_of("admin", "letmein").await;
    let renewed = world.generate(&bearer(&first)).await.json();
    world.created(text_of(&renewed), &json!({"name": "a", "user_id": "1"})).await;
    let id = own_id(&world, text_of(&renewed)).await;
    let record = world.record(&id.parse().unwrap()).await;
    world.store.withdraw(&record, &tests::CAUSE).await.unwrap();
    let admin = world.token_of("admin", "letmein").await;
    let issue = async {
        let response = world.create(&bearer(&first), &json!({"name": "b", "user_id": "1"})).await;
        assert_eq!(response.problem(401)["reason"], "revoked");
    };
    let (response, was_held) =
        tap.meanwhile("Scan", 1, descendants(&world, &admin, &id, None), Box::pin(issue)).await;
    assert_eq!((response.status, was_held, &response.json()["revoked"]), (200, true, &json!(2)));
}

#[tokio::test]
async fn a_request_ends_after_the_page_with_the_thousandth_token() {
    // The bound is the function's, so it is the same on every engine, and some take too long for so
    // many tokens.
    if engine::kind().await != Kind::Embedded {
        return;
    }
    let (world, tap) = World::tapped(&[]).await;
    let stolen = world.token_of("admin", "letmein").await;
    let body = json!({"name": "a", "user_id": "3", "description": "x".repeat(400)});
    let issued = world.created(&stolen, &body).await;
    let record = world.record(&id_of(&issued).parse().unwrap()).await;
    // More than a megabyte of the table, which is one page.
    world.multiply(&TestToken { text: text_of(&issued).to_owned(), record }, 2_000).await;
    let id = own_id(&world, &stolen).await;
    let admin = world.token_of("admin", "letmein").await;
    tap.seen();
    let response = descendants(&world, &admin, &id, None).await;
    let revoked = response.json()["revoked"].as_u64().unwrap();
    assert_eq!(response.status, 202, "{}", response.body);
    assert!((1_001..2_002).contains(&revoked), "{revoked}");
    assert!(tap.operations().iter().filter(|operation| *operation == "Scan").count() <= 2);
}
