//! The rate limit of log-ins under attack: many attempts at once, from everywhere, for a long time,
//! and with faults.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_password::{
    NameKey,
    rate_limit::{self, Budgets, Counters},
};
use hallpass_store::attempts::{Outcome, RateLimit, counters};
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::text,
    basic,
    tap::{ALWAYS, ANSWERED_AT_ONCE, Fault},
};
use tokio::task::JoinSet;

pub(crate) const NAME: &str = "my_username";
pub(crate) const RIGHT: &str = "topsecret";

/// The address of the owner of the name, and another address in the owner's network.
pub(crate) const HOME: &str = "192.0.2.1";
pub(crate) const NEXT_DOOR: &str = "192.0.2.77";

/// A network without any log-in.
const AWAY: &str = "198.51.100.7";

/// Returns the status, and the seconds of `Retry-After` or 0.
pub(crate) async fn attempt(world: &World, name: &str, password: &str, ip: &str) -> (u16, u64) {
    let request =
        Request::new("POST", "/api/services_token/generate").authorization(&basic(name, password));
    let response = world.send("Generate", request.from_ip(ip)).await;
    (response.status, response.header("retry-after").parse().unwrap_or_default())
}

fn counters_of(world: &World, ip: &str) -> Counters {
    counters(&NameKey::new(NAME), ip, world.now())
}

/// Returns an item of the attempts table as JSON.
pub(crate) async fn item(world: &World, key: &str) -> Value {
    let request = json!({
        "TableName": world.table("Attempts"), "Key": {"attempt": {"S": key}},
        "ConsistentRead": true,
    });
    world.call("GetItem", &request).await.unwrap()["Item"].clone()
}

pub(crate) fn reserved(item: &Value) -> usize {
    item["reserved"]["SS"].as_array().map_or(0, Vec::len)
}

pub(crate) fn failures(item: &Value) -> u64 {
    item["failures"]["N"].as_str().map_or(0, |count| count.parse().unwrap())
}

/// Reserves checks of the pair, as functions in progress do.
async fn reserve_pair(world: &World, ip: &str, count: usize) {
    let pair = counters_of(world, ip).pair;
    for id in 0..count {
        let rate_limit =
            world.store.reserve_pair(&pair, &format!("other{id}"), world.now()).await.unwrap();
        assert_eq!(rate_limit, RateLimit::Allowed, "{id}");
    }
}

/// Records failed attempts of the pair.
async fn fail_pair(world: &World, ip: &str, count: u32) {
    let pair = counters_of(world, ip).pair;
    for id in 0..count {
        let id = format!("failed{id}");
        assert_eq!(
            world.store.reserve_pair(&pair, &id, world.now()).await.unwrap(),
            RateLimit::Allowed
        );
        world.store.settle_pair(&pair, &id, Outcome::Failed, world.now()).await.unwrap();
    }
}

/// Spends a budget down to `left`.
pub(crate) async fn spend(world: &World, counter: &str, budget: u32, left: u32) {
    for id in 0..budget {
        world
            .store
            .reserve(counter, &format!("spent{id}"), budget - left, world.now())
            .await
            .unwrap();
    }
}

async fn at_once(world: &Arc<World>, password: &'static str, count: usize) -> Vec<(u16, u64)> {
    let mut clients = JoinSet::new();
    for _ in 0..count {
        let world = Arc::clone(world);
        clients.spawn(async move { attempt(&world, NAME, password, HOME).await });
    }
    clients.join_all().await
}

#[tokio::test]
async fn thirty_two_right_log_ins_at_once_all_succeed() {
    let world = Arc::new(World::new().await);
    let responses = at_once(&world, RIGHT, 32).await;
    assert!(responses.iter().all(|response| *response == (200, 0)), "{responses:?}");
    let counters = counters_of(&world, HOME);
    for key in [&counters.pair, &counters.name, &counters.network] {
        let item = item(&world, key).await;
        assert_eq!((reserved(&item), failures(&item)), (0, 0), "{key}: none are left");
    }
}

#[tokio::test]
async fn thirty_two_wrong_log_ins_at_once_are_all_counted() {
    let world = Arc::new(World::new().await);
    let responses = at_once(&world, "wrong", 32).await;
    let checked = responses.iter().filter(|(status, _)| *status == 401).count();
    assert!(responses.iter().all(|(status, _)| matches!(status, 401 | 429)), "{responses:?}");
    let counters = counters_of(&world, HOME);
    let (pair, name) = (item(&world, &counters.pair).await, item(&world, &counters.name).await);
    assert_eq!((failures(&pair), reserved(&pair)), (u64::try_from(checked).unwrap(), 0));
    assert_eq!(reserved(&name), checked, "the budget of the name has each of them");
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await.0, 429);
    world.advance(60);
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0), "a minute later");
}

#[tokio::test]
async fn beyond_thirty_two_checks_of_a_pair_an_attempt_waits_a_second_and_is_not_counted() {
    let world = World::new().await;
    reserve_pair(&world, HOME, rate_limit::MAX_AT_ONCE - 1).await;
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0), "the thirty-second");
    reserve_pair(&world, HOME, rate_limit::MAX_AT_ONCE).await;
    let before = world.dump("Attempts").await;
    for password in [RIGHT, "wrong"] {
        assert_eq!(attempt(&world, NAME, password, HOME).await, (429, 1), "{password}");
    }
    assert_eq!(world.dump("Attempts").await, before, "no attempt was counted");
    assert_eq!(
        attempt(&world, NAME, RIGHT, AWAY).await,
        (200, 0),
        "another source is another pair"
    );
}

#[tokio::test]
async fn after_five_failures_in_a_row_one_is_checked_at_a_time() {
    let world = World::new().await;
    fail_pair(&world, HOME, rate_limit::FREE_FAILURES).await;
    world.advance(1);
    reserve_pair(&world, HOME, 1).await;
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (429, 1));
    let id = "other0";
    let pair = counters_of(&world, HOME).pair;
    world.store.settle_pair(&pair, id, Outcome::Uncounted, world.now()).await.unwrap();
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0));
}

#[tokio::test]
async fn the_reservation_of_a_crashed_function_expires() {
    for (failed, count) in [(0, rate_limit::MAX_AT_ONCE), (rate_limit::FREE_FAILURES, 1)] {
        let world = World::new().await;
        fail_pair(&world, HOME, failed).await;
        world.advance(1);
        reserve_pair(&world, HOME, count).await;
        world.advance(rate_limit::RESERVATION.as_secs() - 1);
        assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (429, 1), "{failed}");
        world.advance(1);
        assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0), "{failed}");
    }
}

fn name_of(counters: &Counters) -> &str {
    &counters.name
}

#[tokio::test]
async fn an_attempt_that_a_budget_rejects_is_not_a_failure_of_the_pair() {
    let world = World::new().await;
    for (of, budget) in [
        (name_of as fn(&Counters) -> &str, Budgets::DEFAULT.name),
        (|counters| &counters.source, Budgets::DEFAULT.source),
    ] {
        let counters = counters_of(&world, HOME);
        let counter = of(&counters);
        spend(&world, counter, budget, 0).await;
        for _ in 0..10 {
            let (status, wait) = attempt(&world, NAME, "wrong", HOME).await;
            assert!(status == 429 && (1..=60).contains(&wait), "{counter}: {status} {wait}");
        }
        let pair = item(&world, &counters.pair).await;
        assert_eq!((failures(&pair), reserved(&pair)), (0, 0), "{counter}");
        world.advance(60);
        assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0), "{counter}");
    }
}

#[tokio::test]
async fn an_attack_from_everywhere_does_not_block_log_ins_from_a_known_network() {
    let world = World::new().await;
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0));
    for minute in 0..20_u8 {
        for address in 0..3 {
            let ip = format!("203.0.{minute}.{address}");
            assert_eq!(attempt(&world, NAME, "wrong", &ip).await, (401, 0), "{ip}");
        }
        // The other failures of the sixty, which need no hash to be counted.
        spend(&world, &counters_of(&world, AWAY).name, Budgets::DEFAULT.name, 0).await;
        let (status, wait) = attempt(&world, NAME, "wrong", &format!("203.0.{minute}.99")).await;
        assert!(
            status == 429 && (1..=60).contains(&wait),
            "the attack has its budget: {status} {wait}"
        );
        assert_eq!(
            attempt(&world, NAME, RIGHT, AWAY).await.0,
            429,
            "and so has a network that is not known"
        );
        for ip in [HOME, NEXT_DOOR] {
            assert_eq!(attempt(&world, NAME, RIGHT, ip).await, (200, 0), "{minute} {ip}");
        }
        world.advance(60);
    }
    assert_eq!(attempt(&world, NAME, RIGHT, AWAY).await, (200, 0), "the attack is over");
}

#[tokio::test]
async fn a_known_network_has_a_budget_and_no_exemption() {
    let world = World::new().await;
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0));
    spend(&world, &counters_of(&world, HOME).network, Budgets::DEFAULT.network, 1).await;
    assert_eq!(attempt(&world, NAME, "wrong", NEXT_DOOR).await, (401, 0), "the last of the budget");
    for (password, ip) in [("wrong", NEXT_DOOR), (RIGHT, NEXT_DOOR), (RIGHT, HOME)] {
        assert_eq!(attempt(&world, NAME, password, ip).await.0, 429, "{password} {ip}");
    }
    assert_eq!(
        attempt(&world, NAME, RIGHT, AWAY).await,
        (200, 0),
        "attempts for other names there do not count against this one"
    );
    assert_eq!(attempt(&world, "admin", "letmein", HOME).await, (200, 0), "nor another name");
}

/// Returns whether the home network is known for the name, when the budget of the name is spent.
async fn is_known(world: &World, ip: &str) -> bool {
    spend(world, &counters_of(world, ip).name, Budgets::DEFAULT.name, 0).await;
    let (status, _) = attempt(world, NAME, "wrong", ip).await;
    assert!(matches!(status, 401 | 429), "{status}");
    status == 401
}

#[tokio::test]
async fn a_network_is_known_for_the_name_the_generation_and_the_password_that_logged_in() {
    let generation = AttributeValue::N("6".to_owned());
    let other_hash = text(&hallpass_password::password::hash("another", [3; 16]).unwrap());
    let check = async |what: &str,
                       change: Option<(&str, AttributeValue)>,
                       later: u64,
                       ip: &str,
                       expected: bool| {
        let world = World::new().await;
        assert_eq!(attempt(&world, NAME, RIGHT, HOME).await, (200, 0));
        if let Some((attribute, value)) = change {
            world.set_user("1", attribute, Some(value)).await;
        }
        world.advance(later);
        assert_eq!(is_known(&world, ip).await, expected, "{what}");
    };
    check("the same address", None, 0, HOME, true).await;
    check("the same network", None, 0, NEXT_DOOR, true).await;
    check("another network", None, 0, AWAY, false).await;
    check("29 days later", None, 29 * 86_400, HOME, true).await;
    check("30 days later", None, 30 * 86_400, HOME, false).await;
    check("another generation", Some(("token_generation", generation)), 0, HOME, false).await;
    check("another password", Some(("password_hash", other_hash)), 0, HOME, false).await;
    check("another full name", Some(("full_name", text("Ada"))), 0, HOME, true).await;
}

#[tokio::test]
async fn a_wrong_password_does_not_make_the_network_known() {
    let world = World::new().await;
    assert_eq!(attempt(&world, NAME, "wrong", HOME).await, (401, 0));
    assert!(!is_known(&world, NEXT_DOOR).await);
    let source = counters_of(&world, "").known;
    assert_eq!(attempt(&world, "admin", "letmein", "").await.0, 200);
    assert_eq!(
        item(&world, &source).await,
        Value::Null,
        "a source without an address has no network"
    );
}

/// Returns the traces of one attempt.
async fn left(world: &World) -> BTreeMap<&'static str, (usize, u64)> {
    let counters = counters_of(world, HOME);
    let mut left = BTreeMap::new();
    for (what, key) in
        [("pair", &counters.pair), ("name", &counters.name), ("source", &counters.source)]
    {
        let item = item(world, key).await;
        left.insert(what, (reserved(&item), failures(&item)));
    }
    left
}

#[tokio::test]
async fn a_write_whose_response_was_lost_counts_once() {
    for (password, status, count) in [("wrong", 401, 4), (RIGHT, 200, 6)] {
        let (world, _tap) = World::tapped(&[]).await;
        assert_eq!(attempt(&world, NAME, password, HOME).await, (status, 0));
        let right = left(&world).await;
        for write in 0..count {
            let (world, tap) = World::tapped(&[]).await;
            tap.inject("UpdateItem", write, 1, Fault::Lose);
            assert_eq!(
                attempt(&world, NAME, password, HOME).await,
                (status, 0),
                "{password} {write}"
            );
            assert_eq!(left(&world).await, right, "{password} {write}");
        }
    }
}

#[tokio::test]
async fn nothing_is_revealed_about_a_password_that_could_not_be_counted() {
    for (password, writes) in [("wrong", 4), (RIGHT, 6)] {
        for write in 0..writes {
            for fault in ANSWERED_AT_ONCE {
                let (world, tap) = World::tapped(&[]).await;
                tap.inject("UpdateItem", write, ALWAYS, fault);
                assert_eq!(
                    attempt(&world, NAME, password, HOME).await.0,
                    503,
                    "{password} {write} {fault:?}"
                );
                tap.heal();
                world.advance(60);
                assert_eq!(
                    attempt(&world, NAME, RIGHT, HOME).await,
                    (200, 0),
                    "{password} {write} {fault:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_budgets_are_settings() {
    let settings = [
        ("HALLPASS_LOGIN_NAME_BUDGET", "2"),
        ("HALLPASS_LOGIN_NETWORK_BUDGET", "1"),
        ("HALLPASS_LOGIN_SOURCE_BUDGET", "4"),
    ];
    let world = World::with(&settings).await;
    for ip in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(attempt(&world, NAME, "wrong", ip).await.0, 401, "{ip}");
    }
    assert_eq!(attempt(&world, NAME, "wrong", "203.0.113.3").await.0, 429, "the name");
    world.advance(60);
    assert_eq!(attempt(&world, NAME, RIGHT, HOME).await.0, 200);
    assert_eq!(attempt(&world, NAME, "wrong", HOME).await.0, 401);
    assert_eq!(attempt(&world, NAME, "wrong", HOME).await.0, 429, "the network");
    for (name, expected) in [("one", 401), ("two", 401), ("three", 429)] {
        assert_eq!(attempt(&world, name, "wrong", HOME).await.0, expected, "the source: {name}");
    }
}
