//! The limit on the live tokens of a user, of all kinds together. Counting costs no more where very
//! many exist.

use std::sync::Arc;

use hallpass_token::{Format, Reason, Revocation};
use serde_json::json;
use tests::{
    Request, Response, World,
    api::{bearer, text},
    basic,
    long::long,
    tap::Seen,
};
use tokio::{task::JoinSet, time::Instant};

const LIMIT: (&str, &str) = ("HALLPASS_MAX_TOKENS_TOTAL", "3");

/// Returns every request that issues another token to user 1, with a password or with this token.
fn creating(token: &str) -> Vec<(&'static str, Request)> {
    let (by_token, by_password) = (bearer(token), basic("my_username", "topsecret"));
    let expiration = "2027-02-01T00:00:00Z";
    let rarog = json!({"name": "a", "expiration": expiration, "authorities": ["ROLE_USER"]});
    let post = |route: &str| Request::new("POST", route);
    vec![
        ("generate by token", post("/api/services_token/generate").authorization(&by_token)),
        ("generate by password", post("/api/services_token/generate").authorization(&by_password)),
        ("a named token", post("/tokens").authorization(&by_token).json(&json!({"name": "a"}))),
        (
            "a JWT",
            post("/tokens").authorization(&by_token).json(&json!({"name": "a", "format": "jwt"})),
        ),
        (
            "Rarog's",
            post("/rest/pat/1.0/token/user/create").authorization(&by_password).json(&rarog),
        ),
        ("Terminalfour's", Request::new("GET", "/rs/authorise").authorization(&by_password)),
        ("a first developer token", post("/profile/developer").authorization(&by_token)),
    ]
}

async fn send(world: &World, request: Request) -> Response {
    world.send("Generate", request).await
}

/// Creates a user with two tokens, and returns one of them.
async fn with_two(settings: &[(&str, &str)]) -> (World, String) {
    let world = World::with(settings).await;
    world.create_token(Format::Signed, "1", 201).await;
    let caller = world.create_token(Format::Jwt, "1", 202).await.text;
    (world, caller)
}

#[tokio::test]
async fn every_route_that_issues_a_token_keeps_the_limit_of_all_and_leaves_nothing_behind() {
    for (name, request) in creating("") {
        let (world, caller) = with_two(&[LIMIT]).await;
        let with_caller =
            || creating(&caller).into_iter().find(|(other, _)| *other == name).unwrap().1;
        drop(request);
        let response = send(&world, with_caller()).await;
        assert!((200..300).contains(&response.status), "{name}: {}", response.body);
        if name == "a first developer token" {
            world.delete(&caller, response.json()["id"].as_str().unwrap()).await;
            world.create_token(Format::Signed, "1", 203).await;
        }
        let before = world.dump("Tokens").await;
        let rejected = send(&world, with_caller()).await;
        let detail = rejected.problem(409)["detail"].to_string();
        assert!(detail.contains("3 live tokens"), "{name}: {detail}");
        if name != "a first developer token" {
            assert_eq!(world.dump("Tokens").await, before, "{name}");
        }
    }
}

#[tokio::test]
async fn tokens_that_could_be_live_again_count_and_dead_ones_do_not() {
    let check = async |adjust: fn(&mut hallpass_token::Record), status: u16| {
        let (world, caller) = with_two(&[LIMIT]).await;
        world.create_token_with(Format::Signed, "1", 1, adjust).await;
        assert_eq!(world.generate(&bearer(&caller)).await.status, status);
    };
    check(|_| {}, 409).await;
    check(|record| record.disabled_at = Some(record.issued_at), 409).await;
    check(|record| record.expires_at = None, 409).await;
    check(|record| record.expires_at = Some(record.issued_at), 200).await;
    check(
        |record| {
            record.revoked = Some(Revocation { at: record.issued_at, because: Reason::Revoked });
        },
        200,
    )
    .await;
    check(
        |record| {
            (record.replaced_by, record.replaced_at) =
                (Some(record.id.hash), Some(record.issued_at));
        },
        200,
    )
    .await;
    check(|record| record.fingerprint = hallpass_token::Fingerprint([0; 32]), 200).await;
}

#[tokio::test]
async fn a_rotation_and_a_regeneration_are_not_rejected_at_the_limit() {
    let (world, caller) = with_two(&[LIMIT]).await;
    let developer = world.create_token(Format::Developer, "1", 1).await.text;
    let rotate = Request::new("POST", "/tokens/{id}/rotate")
        .parameter("id", "current")
        .authorization(&bearer(&caller));
    assert_eq!(send(&world, rotate).await.status, 201);
    let again = Request::new("POST", "/profile/developer").authorization(&bearer(&developer));
    assert_eq!(send(&world, again).await.status, 201);
    world.generate(&bearer(&caller)).await.problem(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_all_tokens_holds_for_concurrent_requests_on_every_route() {
    let world = Arc::new(World::with(&[("HALLPASS_MAX_TOKENS_TOTAL", "6")]).await);
    let caller = world.create_token(Format::Signed, "1", 200).await.text;
    let mut asking = JoinSet::new();
    for number in 0..24 {
        let routes = creating(&caller);
        let (name, request) = routes
            .into_iter()
            .filter(|(name, _)| !name.contains("password"))
            .nth(number % 4)
            .unwrap();
        let world = Arc::clone(&world);
        asking.spawn(async move { (name, send(&world, request).await.status) });
    }
    for (name, status) in asking.join_all().await {
        assert!([200, 201, 409, 429].contains(&status), "{name}: {status}");
    }
    let user = world.store.user(&"1".parse().unwrap()).await.unwrap().unwrap();
    let live = world.store.count_live(&user, world.now(), |_| false).await.unwrap();
    assert!(live.all <= 6, "{live:?}");
    for _ in live.all..6 {
        assert_eq!(world.generate(&bearer(&caller)).await.status, 200);
    }
    world.generate(&bearer(&caller)).await.problem(409);
}

/// Returns the calls of a request, with the number of items that each of them read.
fn reads(seen: &[Seen]) -> Vec<(String, usize)> {
    seen.iter().map(|seen| (seen.operation.clone(), seen.items().len())).collect()
}

#[tokio::test]
async fn issuing_reads_the_same_however_many_records_are_dead_and_stops_at_the_limit() {
    let count = if long() { 100_000 } else { 5_000 };
    let (world, tap) = World::tapped(&[("HALLPASS_MAX_TOKENS_TOTAL", "100")]).await;
    let caller = bearer(&world.create_token(Format::Signed, "1", 200).await.text);
    let revoked = world
        .create_token_with(Format::Signed, "1", 1, |record| {
            record.revoked = Some(Revocation { at: record.issued_at, because: Reason::Revoked });
        })
        .await;
    let issue = async || {
        tap.seen();
        let began = Instant::now();
        let status = world.generate(&caller).await.status;
        (status, reads(&tap.seen()), began.elapsed())
    };
    let few = issue().await;
    world.multiply(&revoked, count).await;
    let many = issue().await;
    assert_eq!((few.0, many.0), (200, 200));
    let one_more: Vec<_> =
        few.1.iter().map(|(name, read)| (name.clone(), read + usize::from(*read > 0))).collect();
    assert_eq!(many.1, one_more, "the earlier token is read as well");
    // As many live tokens above the limit as only an import can create: counting stops after its
    // first page.
    let live = world.create_token(Format::Signed, "1", 2).await;
    world.multiply(&live, count).await;
    let (status, reads, took) = issue().await;
    assert_eq!(status, 409);
    assert!(
        reads.iter().filter(|(name, _)| name == "Query").all(|(_, read)| *read <= 1_000),
        "{reads:?}"
    );
    assert_eq!(reads.len(), 5, "{reads:?}");
    println!(
        "generate by token: {:?}; with {count} records over {:?}; with {count} live {took:?}",
        few.2, many.2
    );
}

#[tokio::test]
async fn records_that_a_change_has_invalidated_leave_room_before_prune_has_run() {
    let world = World::with(&[LIMIT]).await;
    for seed in 1..=3 {
        world.create_token(Format::Signed, "1", seed).await;
    }
    world.set_user("1", "username", Some(text("renamed"))).await;
    let caller = bearer(&world.create_token(Format::Signed, "1", 200).await.text);
    assert_eq!(world.generate(&caller).await.status, 200);
    assert_eq!(world.generate(&caller).await.status, 200);
    world.generate(&caller).await.problem(409);
}

#[tokio::test]
async fn a_limit_of_as_many_as_one_page_holds_is_kept() {
    let world = World::with(&[("HALLPASS_MAX_TOKENS_TOTAL", "1000")]).await;
    let caller = bearer(&world.create_token(Format::Signed, "1", 200).await.text);
    let live = world.create_token(Format::Signed, "1", 1).await;
    world.multiply(&live, 997).await;
    assert_eq!(world.generate(&caller).await.status, 200, "the thousandth");
    world.generate(&caller).await.problem(409);
}
