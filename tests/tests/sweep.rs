//! The schedule: it purges what TTL has not deleted, and repairs what the stream lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_prune::{Event, Notices, Prune, Response, Swept};
use hallpass_token::{Cause, Format, secret::Digest};
use serde_json::{Value, json};
use tests::{
    World,
    api::{bearer, text},
    tables::{Item, LIFETIME, RETENTION, TestToken},
    tap::{ALWAYS, Fault},
};

/// Returns the event of a schedule.
fn schedule() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "123456789012",
        "time": "2027-01-15T08:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/Sweep"],
        "detail": "{}",
    })
}

async fn sweep(world: &World) -> Value {
    world.invoke("Prune", schedule()).await.unwrap()
}

/// Runs a sweep that may begin this many parts.
async fn sweep_parts(world: &World, parts: usize) -> Swept {
    let prune = Prune {
        store: world.store.clone(),
        retention: std::time::Duration::from_secs(RETENTION),
        bound_to: None,
        notices: Notices::NONE,
        audit: None,
        bus: None,
    };
    let checks = AtomicUsize::new(0);
    let may_go_on = || checks.fetch_add(1, Ordering::SeqCst) < parts;
    match prune.handle(Event::Schedule(schedule()), &Cause::system(world.now()), &may_go_on).await {
        Ok(Response::Swept(swept)) => swept,
        other => panic!("{other:?}"),
    }
}

fn done(seen: u64, purged: u64, invalidated: u64, dropped: u64, unreadable: u64) -> Value {
    json!({
        "seen": seen, "purged": purged, "invalidated": invalidated, "notified": 0,
        "dropped": dropped, "unreadable": unreadable,
        "finished": true,
    })
}

fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

async fn verdict(world: &World, token: &TestToken) -> String {
    world.verdict(&bearer(&token.text)).await
}

#[tokio::test]
async fn expired_items_are_purged_though_ttl_did_not_run() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let revoked = world.create_token(Format::Jwt, "1", 2).await;
    let developer = world.create_token(Format::Developer, "1", 3).await;
    assert_eq!(world.delete(&revoked.text, "current").await.status, 200);
    let purge_at = AttributeValue::N((world.now().unix() + RETENTION).to_string());
    let session =
        [("user_id", text("session#abc")), ("token", text("session")), ("purge_at", purge_at)];
    world.put("Tokens", item(&session)).await;
    assert_eq!(sweep(&world).await, done(5, 0, 0, 0, 1));

    // A revoked token is purged a day after its revocation, another a day after its expiry.
    world.advance(RETENTION - 1);
    assert_eq!(sweep(&world).await, done(5, 0, 0, 0, 1));
    world.advance(1);
    assert_eq!(sweep(&world).await, done(5, 2, 0, 0, 0));
    assert_eq!(verdict(&world, &revoked).await, "expired");
    world.advance(LIFETIME - 1);
    assert_eq!(sweep(&world).await, done(3, 0, 0, 0, 0));
    world.advance(1);
    assert_eq!(sweep(&world).await, done(3, 1, 0, 0, 0));
    assert!(world.store.record(&token.record.id).await.unwrap().is_none());

    assert_eq!(verdict(&world, &developer).await, "allow");
    assert_eq!(sweep(&world).await, done(2, 0, 0, 0, 0));
}

#[tokio::test]
async fn a_change_whose_stream_record_was_lost_is_repaired() {
    let check = async |attribute: &str, value: Option<AttributeValue>, expected: &str| {
        let world = World::new().await;
        let tokens = [
            world.create_token(Format::Signed, "1", 1).await,
            world.create_token(Format::Developer, "1", 2).await,
        ];
        let other = world.create_token(Format::Signed, "2", 3).await;
        let before = world.user_item("1").await;
        match attribute {
            "" => world.remove_user("1").await,
            _ => world.set_user("1", attribute, value).await,
        }
        let invalidated = if expected == "allow" { 0 } else { 2 };
        assert_eq!(sweep(&world).await, done(4, 0, invalidated, 0, 0), "{attribute}");
        // Changing the user back and sweeping again revives nothing.
        world.put("Users", before).await;
        assert_eq!(sweep(&world).await, done(4, 0, 0, 0, 0));
        for token in &tokens {
            assert_eq!(verdict(&world, token).await, expected, "{attribute}");
        }
        assert_eq!(verdict(&world, &other).await, "allow");
    };
    check("username", Some(text("renamed")), "user_changed").await;
    check("password_hash", None, "user_changed").await;
    check("status", Some(text("blocked")), "user_blocked").await;
    check("token_generation", Some(AttributeValue::N("6".to_owned())), "revoked").await;
    check("", None, "user_removed").await;
    check("permissions", None, "allow").await;
}

#[tokio::test]
async fn a_pointer_without_its_token_is_deleted_and_the_others_stay() {
    let world = World::new().await;
    let live = world.create_token(Format::Developer, "1", 1).await;
    let stale = world.unwritten(Format::Developer, "1", 2).await;
    let ownerless = world.unwritten(Format::Developer, "2", 3).await;
    for (token, owner) in [(&stale, "1"), (&ownerless, "2"), (&ownerless, "9")] {
        let key = format!("developer#{}", token.record.id.hash);
        world
            .put(
                "Tokens",
                item(&[
                    ("user_id", text(&key)),
                    ("token", text("pointer")),
                    ("owner", text(owner)),
                ]),
            )
            .await;
    }
    assert_eq!(sweep(&world).await, done(4, 0, 0, 2, 0));
    assert_eq!(sweep(&world).await, done(2, 0, 0, 0, 0));
    assert_eq!(verdict(&world, &live).await, "allow");
}

/// Fills the table for several parts: DynamoDB reads a megabyte at once.
async fn fill(world: &World, tokens: &[TestToken]) {
    for token in tokens {
        world.set_record(&token.record, "description", Some(text(&"x".repeat(300_000)))).await;
    }
}

#[tokio::test]
async fn a_sweep_that_must_stop_continues_there_the_next_time() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for seed in 0..12 {
        tokens.push(world.create_token(Format::Signed, "1", seed).await);
    }
    fill(&world, &tokens).await;
    world.set_user("1", "username", Some(text("renamed"))).await;

    assert_eq!(sweep_parts(&world, 0).await, Swept::default());
    let (mut parts, mut seen, mut invalidated) = (0, 0, 0);
    loop {
        let swept = sweep_parts(&world, 1).await;
        (parts, seen, invalidated) =
            (parts + 1, seen + swept.seen, invalidated + swept.invalidated);
        assert_eq!(swept.seen, swept.invalidated);
        assert_eq!(
            world.dump("Attempts").await.iter().any(|item| item.contains("sweep#tokens")),
            !swept.finished
        );
        if swept.finished {
            break;
        }
    }
    assert!(parts >= 3, "{parts}");
    assert_eq!((seen, invalidated), (12, 12));

    // The item at the saved position may be deleted by then.
    world.advance(RETENTION);
    let first = sweep_parts(&world, 1).await;
    let rest = sweep_parts(&world, usize::MAX).await;
    assert!(!first.finished && rest.finished);
    assert_eq!(first.purged + rest.purged, 12);
    assert_eq!(sweep(&world).await, done(0, 0, 0, 0, 0));
}

#[tokio::test]
async fn an_unreadable_item_does_not_stop_the_sweep() {
    let world = World::new().await;
    // User 1 has an unreadable record; user 2 has unreadable permissions; user 4 has an unreadable
    // developer record and a pointer.
    let broken = world.create_token(Format::Signed, "1", 1).await;
    world.set_record(&broken.record, "format", None).await;
    let of_odd_user = [
        world.create_token(Format::Signed, "2", 2).await,
        world.create_token(Format::Developer, "2", 3).await,
    ];
    let permissions = world.user_item("2").await.remove("permissions");
    world.set_user("2", "permissions", Some(AttributeValue::Bool(true))).await;
    let pointed_at = world.create_token(Format::Developer, "4", 4).await;
    world.set_record(&pointed_at.record, "issued_at", Some(text("yesterday"))).await;
    let odd = [
        ("user_id", text("developer#odd")),
        ("token", text("pointer")),
        ("owner", AttributeValue::Bool(true)),
    ];
    world.put("Tokens", item(&odd)).await;
    // Among them is a token to invalidate.
    let good = world.create_token(Format::Signed, "3", 5).await;
    world.set_user("3", "username", Some(text("renamed"))).await;
    let also_good = world.create_token(Format::Signed, "1", 6).await;
    world.set_user("1", "username", Some(text("renamed"))).await;

    let swept = sweep(&world).await;
    assert_eq!(
        (&swept["finished"], &swept["invalidated"], &swept["dropped"]),
        (&json!(true), &json!(2), &json!(0))
    );
    for token in [&good, &also_good] {
        assert_eq!(
            world.record(&token.record.id).await.revoked.unwrap().because.as_str(),
            "user_changed"
        );
    }
    // A user with unreadable permissions is blocked until they are readable.
    for token in &of_odd_user {
        assert!(world.record(&token.record.id).await.revoked.is_none());
        assert_eq!(verdict(&world, token).await, "user_blocked");
    }
    world.set_user("2", "permissions", permissions).await;
    world
        .set_record(&pointed_at.record, "issued_at", Some(AttributeValue::N("1".to_owned())))
        .await;
    for token in of_odd_user.iter().chain([&pointed_at]) {
        assert_eq!(verdict(&world, token).await, "allow");
    }
}

#[tokio::test]
async fn a_sweep_leaves_valid_items_unchanged() {
    let world = World::new().await;
    for (seed, format) in (1..).zip([Format::Signed, Format::Jwt, Format::Developer]) {
        world.create_token(format, "1", seed).await;
        world.create_token(format, "2", seed + 10).await;
    }
    let (tokens, users) = (world.dump("Tokens").await, world.dump("Users").await);
    for _ in 0..2 {
        assert_eq!(sweep(&world).await, done(8, 0, 0, 0, 0));
    }
    assert_eq!((world.dump("Tokens").await, world.dump("Users").await), (tokens, users));
}

#[tokio::test]
async fn a_database_failure_is_an_error_and_the_next_sweep_repairs_it() {
    for operation in ["GetItem", "Scan", "BatchGetItem", "UpdateItem", "DeleteItem"] {
        let (world, tap) = World::tapped(&[]).await;
        let over = world.create_token(Format::Signed, "1", 1).await;
        let past = AttributeValue::N("1".to_owned());
        world.set_record(&over.record, "purge_at", Some(past)).await;
        world.create_token(Format::Signed, "1", 2).await;
        world.set_user("1", "username", Some(text("renamed"))).await;
        tap.inject(operation, 0, ALWAYS, Fault::Drop);
        assert!(world.invoke("Prune", schedule()).await.is_err(), "{operation}");
        tap.heal();
        let swept = sweep(&world).await;
        assert_eq!(swept["finished"], true);
        assert_eq!(sweep(&world).await, done(1, 0, 0, 0, 0), "{operation}");
        let records = world.store.records_of(&"1".parse().unwrap()).await.unwrap();
        assert!(records.iter().all(|record| record.revoked.is_some()), "{operation}");
    }
}

#[tokio::test]
async fn a_used_form_is_purged_in_time_and_is_not_unreadable() {
    let world = World::new().await;
    let (user, purge_at) =
        ("1".parse().unwrap(), world.now().after(std::time::Duration::from_secs(60)));
    assert!(
        world
            .store
            .use_form(&user, &Digest::of(b"form"), &Digest::of(b"request"), purge_at)
            .await
            .unwrap()
    );
    assert_eq!(sweep(&world).await, done(1, 0, 0, 0, 0));
    world.advance(60);
    assert_eq!(sweep(&world).await, done(1, 1, 0, 0, 0));
}
