//! Many at once: every promise holds between calls that overlap.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;
use store::developer::Replaced;
use tests::{
    Answer, World,
    api::{bearer, text},
    tables::Made,
};
use token::Format;
use tokio::task::JoinSet;

const MANY: u8 = 20;

/// What a task does, as often as `MANY` says, all at once.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(task: impl Fn(u8) -> F) -> Vec<T> {
    let tasks: JoinSet<T> = (0..MANY).map(task).collect();
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_made_at_once_differ_and_are_all_let_in() {
    let world = Arc::new(World::new().await);
    let parent = world.token().await;
    let answers = at_once(|_| {
        let (world, parent) = (Arc::clone(&world), parent.clone());
        async move { world.generate(&bearer(&parent)).await }
    })
    .await;
    let tokens: BTreeSet<String> =
        answers.iter().map(|answer| answer.json()["token"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tokens.len(), usize::from(MANY));
    for token in &tokens {
        assert_eq!(world.verdict(&bearer(token)).await, "allow");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_tokens_holds_however_many_ask_at_once() {
    let world = Arc::new(World::with(&[("HALLPASS_MAX_TOKENS", "5")]).await);
    let parent = world.token().await;
    let create = |number: u8| {
        let (world, parent) = (Arc::clone(&world), bearer(&parent));
        async move { world.create(&parent, &json!({"name": format!("number {number}")})).await }
    };
    let answers = at_once(create).await;
    let (made, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert!(made.len() <= 5, "{}", made.len());
    assert!(refused.iter().all(|answer| answer.status == 409));
    // Who was refused left nothing behind: there is room for the rest of the five, and for no more.
    assert_eq!(world.count_records("1").await, made.len() + 1);
    for number in made.len()..5 {
        assert_eq!(create(u8::try_from(number).unwrap()).await.status, 201);
    }
    assert_eq!(create(99).await.status, 409);
    assert_eq!(world.count_records("1").await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_developer_token_survives_and_no_other_was_promised() {
    let world = Arc::new(World::new().await);
    let first = world.make(Format::Developer, "1", 100).await;
    for round in 0..3 {
        let old = world.developer_hash("1").await;
        let outcomes = at_once(|number| {
            let world = Arc::clone(&world);
            async move {
                let made = world.unwritten(Format::Developer, "1", number + round * MANY).await;
                let outcome = world.store.replace_developer(&made.record, old, None).await;
                (made, outcome.unwrap())
            }
        })
        .await;
        let (now, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, outcome)| *outcome == Replaced::Now);
        let [(survivor, _)] = now.as_slice() else { panic!("{}", now.len()) };
        assert_eq!(world.verdict(&bearer(&survivor.text)).await, "allow");
        for (made, _) in &lost {
            assert_eq!(world.verdict(&bearer(&made.text)).await, "unknown");
        }
        // The record and its pointer, and nothing else.
        assert_eq!(world.dump("Tokens").await.len(), 2);
    }
    assert_eq!(world.verdict(&bearer(&first.text)).await, "unknown");
}

/// Verifies for as long as `ending` takes, and once more after it.
async fn verdicts_until(world: &World, token: &str, ending: impl Future<Output = ()> + Send) -> (Vec<String>, String) {
    let mut ending = std::pin::pin!(ending);
    let mut verdicts = Vec::new();
    let token = bearer(token);
    loop {
        let mut verdict = std::pin::pin!(world.verdict(&token));
        tokio::select! {
            biased;
            () = &mut ending => {
                // This one began before the end, so that it may see either.
                verdicts.push(verdict.await);
                return (verdicts, world.verdict(&token).await);
            }
            seen = &mut verdict => verdicts.push(seen),
        }
    }
}

async fn check_end(world: &World, made: &Made, ending: impl Future<Output = ()> + Send, expected: &str) {
    let (before, after) = verdicts_until(world, &made.text, ending).await;
    assert_eq!(after, expected);
    // Once it was refused it is never let in again.
    let first = before.iter().position(|verdict| verdict != "allow").unwrap_or(before.len());
    assert!(before[first..].iter().all(|verdict| verdict == expected), "{before:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_was_answered_is_seen_by_every_verification_that_begins_then() {
    let world = World::new().await;
    for (seed, format) in (0..4).flat_map(|_| [Format::Signed, Format::Jwt, Format::Developer]).enumerate() {
        let made = world.make(format, "1", u8::try_from(seed).unwrap()).await;
        let ending = async { assert_eq!(world.delete(&made.text, "current").await.status, 200) };
        check_end(&world, &made, ending, "revoked").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_user_that_was_written_is_seen_by_every_verification_that_begins_then() {
    let world = World::new().await;
    for seed in 0..6 {
        let made = world.make(Format::Signed, "1", seed).await;
        let name = format!("renamed {seed}");
        let ending = Box::pin(world.set_user("1", "username", Some(text(&name))));
        check_end(&world, &made, ending, "user_changed").await;
    }
}

/// The password was checked against the user as it was, and so the token is bound to that user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_races_with_generate_leaves_no_living_token() {
    let world = Arc::new(World::new().await);
    let parents: Vec<String> = {
        let mut parents = Vec::new();
        for seed in 0..MANY {
            parents.push(world.make(Format::Signed, "1", seed).await.text);
        }
        parents
    };
    let changing = world.set_user("1", "password_hash", Some(text("$argon2id$other")));
    let generating = at_once(|number| {
        let (world, parent) = (Arc::clone(&world), bearer(&parents[usize::from(number)]));
        async move { world.generate(&parent).await }
    });
    let (answers, ()) = tokio::join!(generating, changing);
    for answer in answers {
        if answer.status == 200 {
            let token = answer.json()["token"].as_str().unwrap().to_owned();
            assert_eq!(world.verdict(&bearer(&token)).await, "user_changed");
        } else {
            assert_eq!(answer.status, 401, "{}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_used_first_by_many_at_once_ends_its_old_one_once() {
    let world = Arc::new(World::new().await);
    for round in 0..3 {
        let old = world.make(Format::Signed, "1", 10 * round).await;
        let hash = old.record.id.hash;
        let new = world.make_with(Format::Signed, "1", 10 * round + 1, |record| record.replaces = Some(hash)).await;
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
