//! The checks of a function before it serves: a missing or wrong table is named.

use hallpass_store::{Store, Tables};
use tests::World;

/// Returns the variables that are named for these tables of users, tokens and attempts.
async fn named(world: &World, tables: [&str; 3]) -> [Option<&'static str>; 3] {
    let [users, tokens, attempts] = tables.map(|table| world.table(table));
    let tables = Tables { users, tokens, attempts };
    let store = Store::new(world.dynamodb.clone(), tables);
    let looks = [
        store.check_as_verifier().await.map(drop),
        store.check_as_limiter().await,
        store.check_as_pruner().await.map(drop),
    ];
    looks.map(|look| look.err().map(|absent| absent.variable))
}

#[tokio::test]
async fn a_missing_or_wrong_table_is_named_and_the_check_changes_nothing() {
    const USERS: Option<&str> = Some("HALLPASS_USERS_TABLE");
    const TOKENS: Option<&str> = Some("HALLPASS_TOKENS_TABLE");
    const ATTEMPTS: Option<&str> = Some("HALLPASS_ATTEMPTS_TABLE");
    let world = World::new().await;
    world.token().await;
    let before =
        [world.dump("Users").await, world.dump("Tokens").await, world.dump("Attempts").await];
    for (tables, verifier, limiter, pruner) in [
        (["Users", "Tokens", "Attempts"], None, None, None),
        (["NoSuchTable", "Tokens", "Attempts"], USERS, None, USERS),
        (["Users", "NoSuchTable", "Attempts"], TOKENS, None, TOKENS),
        (["Users", "Tokens", "NoSuchTable"], None, ATTEMPTS, ATTEMPTS),
        (["Attempts", "Tokens", "Attempts"], USERS, None, USERS),
        (["Users", "Attempts", "Attempts"], TOKENS, None, TOKENS),
        (["Users", "Tokens", "Users"], None, ATTEMPTS, ATTEMPTS),
    ] {
        assert_eq!(named(&world, tables).await, [verifier, limiter, pruner], "{tables:?}");
    }
    assert_eq!(
        [world.dump("Users").await, world.dump("Tokens").await, world.dump("Attempts").await],
        before
    );
}
