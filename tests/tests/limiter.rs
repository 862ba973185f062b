//! The rate limit of log-ins: guesses are slowed down by the pair of name and source, by name and
//! by source.

use std::sync::Arc;

use hallpass_password::{NameKey, rate_limit::Budgets};
use hallpass_store::attempts::{RateLimit, counters};
use hallpass_token::Format;
use serde_json::json;
use tests::{Request, Response, World, api::bearer, basic};
use tokio::task::JoinSet;

const ONE: &str = "192.0.2.1";

const OTHER: &str = "198.51.100.7";

const BUDGETS: Budgets = Budgets::DEFAULT;

async fn log_in(world: &World, username: &str, password: &str, ip: &str) -> Response {
    let request = Request::new("POST", "/api/services_token/generate")
        .authorization(&basic(username, password));
    world.send("Generate", request.from_ip(ip)).await
}

/// Returns the status, and the seconds of `Retry-After` or 0.
async fn attempt(world: &World, username: &str, password: &str, ip: &str) -> (u16, u64) {
    let response = log_in(world, username, password, ip).await;
    (response.status, response.header("retry-after").parse().unwrap_or_default())
}

/// Sends five wrong guesses, which are not slowed down.
async fn exhaust(world: &World, username: &str, ip: &str) {
    for guess in 0..5 {
        assert_eq!(
            attempt(world, username, "wrong", ip).await,
            (401, 0),
            "{username} {ip} {guess}"
        );
    }
}

/// Spends this much of the budgets of a name and a source, without a password.
async fn spend(world: &World, name: u32, source: u32) {
    let counters = counters(&NameKey::new("my_username"), ONE, world.now());
    for (counter, count) in [(&counters.name, name), (&counters.source, source)] {
        for id in 0..count {
            let rate_limit = world
                .store
                .reserve(counter, &format!("spent{id}"), 1_000, world.now())
                .await
                .unwrap();
            assert_eq!(rate_limit, RateLimit::Allowed, "{counter} {id}");
        }
    }
}

#[tokio::test]
async fn after_five_failures_the_wait_doubles_up_to_a_minute() {
    let world = World::new().await;
    exhaust(&world, "my_username", ONE).await;
    for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(attempt(&world, "my_username", "topsecret", ONE).await, (429, wait));
        world.advance(wait - 1);
        assert_eq!(
            attempt(&world, "my_username", "topsecret", ONE).await,
            (429, 1),
            "a second too early of {wait}"
        );
        world.advance(1);
        assert_eq!(attempt(&world, "my_username", "wrong", ONE).await, (401, 0), "after {wait}");
    }
    world.advance(60);
    assert_eq!(
        attempt(&world, "my_username", "topsecret", ONE).await,
        (200, 0),
        "the wait is at most a minute"
    );
}

#[tokio::test]
async fn a_rate_limit_rejection_reveals_nothing_else() {
    let world = World::new().await;
    exhaust(&world, "my_username", ONE).await;
    exhaust(&world, "unknown", ONE).await;
    let response = log_in(&world, "my_username", "topsecret", ONE).await;
    let expected = json!({
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many attempts. Try again in 1 second.",
    });
    assert_eq!(response.problem(429), expected);
    assert_eq!((response.header("retry-after"), response.header("www-authenticate")), ("1", ""));
    assert_eq!(log_in(&world, "unknown", "x", ONE).await, response, "unknown names count alike");
}

#[tokio::test]
async fn every_failed_log_in_is_counted_alike() {
    let world = World::new().await;
    world.set_user("2", "status", None).await;
    for (username, password) in
        [("admin", "letmein"), ("ldap_user", "x"), ("ci-bot", "x"), ("\u{200b}", "x")]
    {
        for _ in 0..5 {
            assert_eq!(attempt(&world, username, password, ONE).await, (401, 0), "{username}");
        }
        assert_eq!(attempt(&world, username, password, ONE).await, (429, 1), "{username}");
    }
}

#[tokio::test]
async fn another_spelling_of_a_name_is_the_same_name() {
    let world = World::new().await;
    for name in ["my_username", "MY_USERNAME", "ｍｙ_username", "my\u{ad}_username", "My_Username"]
    {
        assert_eq!(attempt(&world, name, "wrong", ONE).await, (401, 0));
    }
    assert_eq!(attempt(&world, "my_username", "topsecret", ONE).await, (429, 1));
}

#[tokio::test]
async fn a_success_purges_the_failures_of_its_pair_and_of_no_other() {
    let world = World::new().await;
    let fail = async |name: &str, ip: &str, times: usize| {
        for _ in 0..times {
            assert_eq!(attempt(&world, name, "wrong", ip).await.0, 401);
        }
    };
    fail("my_username", ONE, 4).await;
    fail("my_username", OTHER, 4).await;
    fail("admin", ONE, 4).await;
    assert_eq!(attempt(&world, "my_username", "topsecret", ONE).await.0, 200);
    fail("my_username", ONE, 5).await;
    assert_eq!(attempt(&world, "my_username", "topsecret", ONE).await, (429, 1));
    for (name, ip) in [("my_username", OTHER), ("admin", ONE)] {
        fail(name, ip, 1).await;
        assert_eq!(attempt(&world, name, "wrong", ip).await, (429, 1), "{name} {ip}");
    }
}

#[tokio::test]
async fn an_hour_without_an_attempt_resets_the_failures() {
    let world = World::new().await;
    exhaust(&world, "my_username", ONE).await;
    world.advance(3_600);
    exhaust(&world, "my_username", ONE).await;
    assert_eq!(attempt(&world, "my_username", "topsecret", ONE).await, (429, 1));
}

#[tokio::test]
async fn one_customer_of_ipv6_is_one_source() {
    let world = World::new().await;
    for ip in [
        "2001:db8:1:2::1",
        "2001:db8:1:2::2",
        "2001:db8:1:2:ffff:ffff:ffff:ffff",
        "2001:DB8:1:2:0:0:0:3",
    ] {
        assert_eq!(attempt(&world, "my_username", "wrong", ip).await, (401, 0), "{ip}");
    }
    assert_eq!(attempt(&world, "my_username", "wrong", "2001:db8:1:2:a::").await, (401, 0));
    assert_eq!(attempt(&world, "my_username", "topsecret", "2001:db8:1:2:b::").await, (429, 1));
    assert_eq!(attempt(&world, "my_username", "topsecret", "2001:db8:1:3::1").await, (200, 0));
}

#[tokio::test]
async fn parallel_guesses_count_before_a_password_is_checked() {
    let world = Arc::new(World::new().await);
    let mut guesses = JoinSet::new();
    for _ in 0..20 {
        let world = Arc::clone(&world);
        guesses.spawn(async move { attempt(&world, "my_username", "wrong", ONE).await });
    }
    let responses = guesses.join_all().await;
    let checked = responses.iter().filter(|(status, _)| *status == 401).count();
    assert!((5..=20).contains(&checked), "{responses:?}");
    assert!(
        responses.iter().all(|(status, wait)| (*status, *wait) == (401, 0) || *status == 429),
        "{responses:?}"
    );
    let (status, wait) = attempt(&world, "my_username", "topsecret", ONE).await;
    assert!(status == 429 && wait > 0, "concurrent checks count: {status} {wait}");
}

#[tokio::test]
async fn a_name_has_a_budget_over_all_sources() {
    let world = World::new().await;
    spend(&world, BUDGETS.name, 0).await;
    let (status, wait) = attempt(&world, "My_UserName", "topsecret", OTHER).await;
    assert!(status == 429 && (1..=60).contains(&wait), "{status} {wait}");
    assert_eq!(attempt(&world, "admin", "letmein", OTHER).await, (200, 0), "another name is free");
    world.advance(wait);
    assert_eq!(
        attempt(&world, "my_username", "topsecret", OTHER).await,
        (200, 0),
        "and this one is, in a minute"
    );
}

#[tokio::test]
async fn a_source_has_a_budget_over_all_names_which_no_success_restores() {
    let world = World::new().await;
    spend(&world, 0, BUDGETS.source - 1).await;
    assert_eq!(
        attempt(&world, "my_username", "topsecret", ONE).await,
        (200, 0),
        "the last of the budget"
    );
    let (status, wait) = attempt(&world, "my_username", "topsecret", ONE).await;
    assert!(status == 429 && (1..=60).contains(&wait), "{status} {wait}");
    assert_eq!(
        attempt(&world, "my_username", "topsecret", OTHER).await,
        (200, 0),
        "another source is free"
    );
    world.advance(wait);
    assert_eq!(
        attempt(&world, "my_username", "topsecret", ONE).await,
        (200, 0),
        "and this one is, in a minute"
    );
}

#[tokio::test]
async fn one_source_locks_no_user_out_at_another() {
    let world = World::new().await;
    exhaust(&world, "my_username", ONE).await;
    for _ in 0..2 * BUDGETS.name {
        assert_eq!(attempt(&world, "my_username", "wrong", ONE).await.0, 429);
    }
    assert_eq!(attempt(&world, "my_username", "topsecret", OTHER).await, (200, 0));
}

#[tokio::test]
async fn a_live_token_makes_no_use_of_the_rate_limit() {
    let world = World::new().await;
    let token = world.token().await;
    exhaust(&world, "my_username", ONE).await;
    let before = world.dump("Attempts").await;
    for authorization in [bearer(&token), basic(&token, "")] {
        assert_eq!(world.generate(&authorization).await.status, 200);
    }
    assert_eq!(world.dump("Attempts").await, before);
}

#[tokio::test]
async fn without_its_table_the_rate_limit_rejects_log_ins() {
    let world = World::with(&[("HALLPASS_ATTEMPTS_TABLE", "Nowhere")]).await;
    for (username, password) in
        [("my_username", "topsecret"), ("my_username", "wrong"), ("unknown", "x")]
    {
        log_in(&world, username, password, ONE).await.problem(503);
    }
    assert_eq!(world.count_records("1").await, 0);
    let token = world.create_token(Format::Signed, "1", 1).await;
    assert_eq!(
        world.generate(&bearer(&token.text)).await.status,
        200,
        "a live token does not need it"
    );
}
