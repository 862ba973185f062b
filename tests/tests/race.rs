//! Concurrency: every promise holds between calls that overlap.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hallpass_store::developer::Replaced;
use hallpass_token::{Format, Reason, Revocation, Timestamp};
use serde_json::json;
use tests::{
    Request, Response, World,
    api::{bearer, text},
    long::long,
    tables::TestToken,
};
use tokio::{sync::Barrier, task::JoinSet};

const MANY: u8 = 20;

/// The number of clients that verify while a token is revoked.
const CLIENTS: usize = 32;

/// The number of concurrent requests that regenerate a developer token.
const REMAKES: u8 = 100;

/// Runs a task `MANY` times, all at once.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    task: impl Fn(u8) -> F,
) -> Vec<T> {
    so_often_at_once(MANY, task).await
}

async fn so_often_at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    times: u8,
    task: impl Fn(u8) -> F,
) -> Vec<T> {
    let tasks: JoinSet<T> = (0..times).map(task).collect();
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_created_at_once_differ_and_are_all_accepted() {
    let world = Arc::new(World::new().await);
    let parent = world.token().await;
    let responses = at_once(|_| {
        let (world, parent) = (Arc::clone(&world), parent.clone());
        async move { world.generate(&bearer(&parent)).await }
    })
    .await;
    let tokens: BTreeSet<String> = responses
        .iter()
        .map(|response| response.json()["token"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tokens.len(), usize::from(MANY));
    for token in &tokens {
        assert_eq!(world.verdict(&bearer(token)).await, "allow");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_tokens_holds_for_concurrent_requests() {
    let world = Arc::new(World::with(&[("HALLPASS_MAX_TOKENS", "5")]).await);
    let parent = world.token().await;
    let create = |number: u8| {
        let (world, parent) = (Arc::clone(&world), bearer(&parent));
        async move { world.create(&parent, &json!({"name": format!("number {number}")})).await }
    };
    let responses = at_once(create).await;
    let (created, rejected): (Vec<Response>, Vec<Response>) =
        responses.into_iter().partition(|response| response.status == 201);
    assert!(created.len() <= 5, "{}", created.len());
    assert!(rejected.iter().all(|response| response.status == 409));
    // A rejected request leaves nothing behind: exactly the rest of the five tokens can be created.
    assert_eq!(world.count_records("1").await, created.len() + 1);
    for number in created.len()..5 {
        assert_eq!(create(u8::try_from(number).unwrap()).await.status, 201);
    }
    assert_eq!(create(99).await.status, 409);
    assert_eq!(world.count_records("1").await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_developer_token_survives_and_no_other_was_shown() {
    let world = Arc::new(World::new().await);
    let first = world.create_token(Format::Developer, "1", u8::MAX).await;
    for round in 0..2 {
        let old = world.developer_token("1").await;
        let mut tokens = Vec::new();
        for number in 0..REMAKES {
            tokens.push(world.unwritten(Format::Developer, "1", number + round * REMAKES).await);
        }
        let outcomes = so_often_at_once(REMAKES, |number| {
            let (world, token) = (Arc::clone(&world), tokens[usize::from(number)].clone());
            async move {
                let outcome = world
                    .store
                    .replace_developer(&token.record, old, None, Timestamp::MAX, &tests::CAUSE)
                    .await;
                (token, outcome.unwrap())
            }
        })
        .await;
        let (now, lost): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|(_, outcome)| *outcome == Replaced::Now);
        let [(survivor, _)] = now.as_slice() else { panic!("{}", now.len()) };
        assert_eq!(world.verdict(&bearer(&survivor.text)).await, "allow");
        for (token, _) in &lost {
            assert_eq!(world.verdict(&bearer(&token.text)).await, "unknown");
        }
        // The record, its pointer and the pointer of the previous token, and nothing else.
        assert_eq!(world.dump("Tokens").await.len(), 3 + usize::from(round));
    }
    assert_eq!(world.verdict(&bearer(&first.text)).await, "replaced");
}

#[tokio::test]
async fn a_developer_token_that_was_revoked_since_it_was_read_is_not_replaced() {
    let world = World::new().await;
    let first = world.create_token(Format::Developer, "1", 1).await.record;
    let read = world.developer_token("1").await;
    let revocation = Revocation { at: world.now(), because: Reason::Revoked };
    world
        .store
        .revoke_one(&first.id, first.format, (revocation, None), &tests::CAUSE)
        .await
        .unwrap();
    let new = world.unwritten(Format::Developer, "1", 2).await.record;
    let replace = async |old| {
        world.store.replace_developer(&new, old, None, Timestamp::MAX, &tests::CAUSE).await.unwrap()
    };
    assert_eq!(replace(read).await, Replaced::Lost);
    assert_eq!(replace(world.developer_token("1").await).await, Replaced::Now);
}

/// If no later request arrived, the client that received the new token holds a live one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_regenerations_by_one_token_one_developer_token_is_live() {
    let world = Arc::new(World::new().await);
    let parent = bearer(&world.token().await);
    let responses = so_often_at_once(REMAKES, |_| {
        let (world, parent) = (Arc::clone(&world), parent.clone());
        async move {
            world
                .send("Generate", Request::new("POST", "/profile/developer").authorization(&parent))
                .await
        }
    })
    .await;
    let (mut living, mut untold) = (0, 0);
    for response in &responses {
        match response.status {
            201 => {
                let verdict =
                    world.verdict(&bearer(response.json()["token"].as_str().unwrap())).await;
                assert!(verdict == "allow" || verdict == "replaced", "{verdict}");
                living += usize::from(verdict == "allow");
            }
            // A slow machine may not complete a hundred requests within the time limit of one.
            503 => untold += 1,
            _ => drop(response.problem(409)),
        }
    }
    assert!(
        living == 1 || (living == 0 && untold > 0),
        "{living} live, and {untold} without a verdict"
    );
    // The token of the caller, the record, its pointer and those of the tokens that it replaced,
    // and nothing else.
    let items = world.dump("Tokens").await;
    let replaced = items
        .iter()
        .filter(|item| item.contains("developer#") && item.contains("replaced_at"))
        .count();
    let left = items.len() - replaced;
    // A request that ran out of time may have withdrawn the only one.
    assert!(left == 3 || (living == 0 && left == 1), "{left} items with {living} live: {items:?}");
}

/// Verifies while `ending` runs, and once more after it.
async fn verdicts_until(
    world: &World,
    token: &str,
    ending: impl Future<Output = ()> + Send,
) -> (Vec<String>, String) {
    let mut ending = std::pin::pin!(ending);
    let mut verdicts = Vec::new();
    let token = bearer(token);
    loop {
        let mut verdict = std::pin::pin!(world.verdict(&token));
        tokio::select! {
            biased;
            () = &mut ending => {
                // This one began before the response, so it may have either verdict.
                verdicts.push(verdict.await);
                return (verdicts, world.verdict(&token).await);
            }
            seen = &mut verdict => verdicts.push(seen),
        }
    }
}

async fn check_end(
    world: &World,
    token: &TestToken,
    ending: impl Future<Output = ()> + Send,
    expected: &str,
) {
    let (before, after) = verdicts_until(world, &token.text, ending).await;
    assert_eq!(after, expected);
    // Once rejected, it is never accepted again.
    let first = before.iter().position(|verdict| verdict != "allow").unwrap_or(before.len());
    assert!(before[first..].iter().all(|verdict| verdict == expected), "{before:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verification_after_the_response_sees_the_revocation() {
    let world = World::new().await;
    for (seed, format) in
        (0..4).flat_map(|_| [Format::Signed, Format::Jwt, Format::Developer]).enumerate()
    {
        let token = world.create_token(format, "1", u8::try_from(seed).unwrap()).await;
        let ending = async { assert_eq!(world.delete(&token.text, "current").await.status, 200) };
        check_end(&world, &token, ending, "revoked").await;
    }
}

/// The ways to invalidate a token.
#[derive(Clone, Copy, Debug)]
enum Ending {
    ByItself,
    ByText,
    Family,
    AllOfUser,
    Disabled,
}

/// Returns whether a verification failed for lack of time, on a slow machine. It is neither an
/// acceptance nor a rejection.
fn is_undecided(verdict: &str) -> bool {
    verdict.starts_with("error")
}

/// Invalidates the token of user 1, and returns the rejection reason after the response.
async fn end(world: &World, ending: Ending, token: &str, id: &str, admin: &str) -> &'static str {
    let by_id = Request::new("DELETE", "/tokens/{id}").authorization(&bearer(token));
    let by_admin = |method, route| Request::new(method, route).authorization(&bearer(admin));
    let (request, reason) = match ending {
        Ending::ByItself => (by_id.parameter("id", "current"), "revoked"),
        Ending::Family => (by_id.parameter("id", "current").query("family", "true"), "revoked"),
        Ending::ByText => {
            while world.revoke(token).await.status == 503 {}
            return "revoked";
        }
        Ending::AllOfUser => {
            (by_admin("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1"), "revoked")
        }
        Ending::Disabled => {
            let off = by_admin("PATCH", "/tokens/{id}").parameter("id", id);
            (off.json(&json!({"disabled": true})), "disabled")
        }
    };
    let mut response = world.send("Revoke", request.clone()).await;
    while response.status == 503 {
        response = world.send("Revoke", request.clone()).await;
    }
    // A token that revokes itself, and does not receive the response in time, is rejected at the
    // second attempt.
    assert!(response.status == 200 || response.status == 401, "{ending:?}: {}", response.body);
    reason
}

/// Every client uses two instances of the authorizer, and continues until it has seen two verdicts
/// that began after the response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifications_by_thirty_two_clients_after_the_response_reject() {
    let world = World::new().await;
    let worlds = [Arc::new(world.another()), Arc::new(world)];
    let admin = worlds[0].token_of("admin", "letmein").await;
    let endings =
        [Ending::ByItself, Ending::ByText, Ending::Family, Ending::AllOfUser, Ending::Disabled];
    let formats = [Format::Signed, Format::Jwt, Format::Developer];
    let ways = endings.iter().flat_map(|ending| formats.map(|format| (*ending, format)));
    // In the short form, every ending once.
    for (seed, (ending, format)) in (1..).zip(ways).step_by(if long() { 1 } else { 4 }) {
        let test_token = worlds[0].create_token(format, "1", seed).await;
        let (is_answered, have_begun) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(CLIENTS + 1)));
        let clients: JoinSet<Vec<(bool, String)>> = (0..CLIENTS)
            .map(|client| {
                let (world, token) = (Arc::clone(&worlds[client % 2]), bearer(&test_token.text));
                let (is_answered, have_begun) = (Arc::clone(&is_answered), Arc::clone(&have_begun));
                async move {
                    let mut seen = vec![(false, world.verdict(&token).await)];
                    have_begun.wait().await;
                    while seen
                        .iter()
                        .filter(|(began_after, verdict)| *began_after && !is_undecided(verdict))
                        .count()
                        < 2
                    {
                        let began_after = is_answered.load(Ordering::SeqCst);
                        seen.push((began_after, world.verdict(&token).await));
                    }
                    seen
                }
            })
            .collect();
        have_begun.wait().await;
        let id = test_token.record.id.to_string();
        let reason = end(&worlds[0], ending, &test_token.text, &id, &admin).await;
        is_answered.store(true, Ordering::SeqCst);
        for seen in clients.join_all().await {
            let seen: Vec<(bool, String)> =
                seen.into_iter().filter(|(_, verdict)| !is_undecided(verdict)).collect();
            for (began_after, verdict) in &seen {
                let good = verdict == reason || (verdict == "allow" && !began_after);
                assert!(good, "{ending:?} of {format}: {seen:?}");
            }
            // Once rejected, it is never accepted again.
            assert!(
                seen.is_sorted_by_key(|(_, verdict)| verdict != "allow"),
                "{ending:?} of {format}: {seen:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verification_after_a_written_change_of_the_user_sees_it() {
    let world = World::new().await;
    for seed in 0..6 {
        let token = world.create_token(Format::Signed, "1", seed).await;
        let name = format!("renamed {seed}");
        let ending = Box::pin(world.set_user("1", "username", Some(text(&name))));
        check_end(&world, &token, ending, "user_changed").await;
    }
}

/// The password was checked against the user before the change, so the token is bound to that
/// state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_races_with_generate_leaves_no_live_token() {
    let world = Arc::new(World::new().await);
    let parents: Vec<String> = {
        let mut parents = Vec::new();
        for seed in 0..MANY {
            parents.push(world.create_token(Format::Signed, "1", seed).await.text);
        }
        parents
    };
    let changing = world.set_user("1", "password_hash", Some(text("$argon2id$other")));
    let generating = at_once(|number| {
        let (world, parent) = (Arc::clone(&world), bearer(&parents[usize::from(number)]));
        async move { world.generate(&parent).await }
    });
    let (responses, ()) = tokio::join!(generating, changing);
    for response in responses {
        if response.status == 200 {
            let token = response.json()["token"].as_str().unwrap().to_owned();
            assert_eq!(world.verdict(&bearer(&token)).await, "user_changed");
        } else {
            assert_eq!(response.status, 401, "{}", response.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_uses_of_a_token_replace_the_old_one_once() {
    let world = Arc::new(World::new().await);
    for round in 0..3 {
        let old = world.create_token(Format::Signed, "1", 10 * round).await;
        let hash = old.record.id.hash;
        let new = world
            .create_token_with(Format::Signed, "1", 10 * round + 1, |record| {
                record.replaces = Some(hash);
            })
            .await;
        let verdicts = at_once(|_| {
            let (world, new) = (Arc::clone(&world), bearer(&new.text));
            async move { world.verdict(&new).await }
        })
        .await;
        assert!(verdicts.iter().all(|verdict| verdict == "allow"), "{verdicts:?}");
        assert_eq!(world.verdict(&bearer(&old.text)).await, "replaced");
        assert_eq!(world.record(&new.record.id).await.replaces, None);
    }
}
