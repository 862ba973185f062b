//! `kill -9` at any point under load: every token that was shown still verifies or was revoked, and every revocation that
//! was acknowledged holds.
//!
//! Five kills in `cargo test`, fifty with `HALLPASS_LONG=1`.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};

use crate::dev::{Client, Dev};

/// What the clients know of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// It was shown.
    Shown,
    /// Its revocation was asked for, and nobody knows whether it was made.
    Asked,
    /// Its revocation was acknowledged.
    Revoked,
}

type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

const CLIENTS: usize = 8;

/// How many answers there are between a start and a kill, at most.
const ANSWERS: u64 = 60;

/// How many tokens of the rounds before are looked at again after each kill. After the last, all are.
const LOOKED_AT: usize = 10;

fn kills() -> usize {
    if edge::settings::environment("HALLPASS_LONG").is_some_and(|value| value == "1") { 50 } else { 5 }
}

/// Makes tokens, uses them, and revokes every other one, until the stack is gone. Each answer is told as it comes.
async fn live(client: Client, parent: String, ledger: Ledger, told: mpsc::UnboundedSender<()>) -> io::Result<()> {
    let ask = async |method: &str, path: &str, token: &str| {
        let answer = client.try_send(method, path, token, "").await?;
        let _ = told.send(());
        io::Result::Ok(answer)
    };
    let note = |token: &str, known| ledger.lock().unwrap().insert(token.to_owned(), known);
    // A machine that is too busy may make it answer that it cannot tell, which is neither a yes nor a no.
    for number in 0_u64.. {
        let answer = ask("POST", "/api/services_token/generate", &parent).await?;
        if answer.status >= 500 {
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.body.split('"').nth(7).unwrap().to_owned();
        note(&token, Known::Shown);
        assert!(matches!(ask("GET", "/api/user/1", &token).await?.status, 200 | 500..));
        if number % 2 == 0 {
            note(&token, Known::Asked);
            let revoking = ask("DELETE", "/tokens/current", &token).await?;
            if revoking.status >= 500 {
                continue;
            }
            assert_eq!(revoking.status, 200, "{}", revoking.body);
            note(&token, Known::Revoked);
            assert!(matches!(ask("GET", "/api/user/1", &token).await?.status, 401 | 500..));
        }
    }
    Ok(())
}

/// Lets the clients live until so many answers have come, and kills the stack then.
async fn kill_under_load(mut dev: Dev, parent: &str, ledger: &Ledger, answers: u64) -> TempDir {
    let (told, mut hears) = mpsc::unbounded_channel();
    let client = dev.client();
    let mut clients: JoinSet<io::Result<()>> =
        (0..CLIENTS).map(|_| live(client.clone(), parent.to_owned(), Arc::clone(ledger), told.clone())).collect();
    for _ in 0..answers {
        hears.recv().await.unwrap();
    }
    dev.kill().await;
    while let Some(ended) = clients.join_next().await {
        // A wrong answer is a panic; that the stack is gone is an error of the connection.
        assert!(ended.unwrap().is_err());
    }
    dev.data
}

async fn look(dev: &Dev, tokens: impl IntoIterator<Item = (String, Known)>) {
    for (token, known) in tokens {
        while dev.send("GET", "/api/user/1", &token, "").await.status >= 500 {}
        let verdict = dev.verdict(&token).await;
        let holds = match known {
            Known::Shown => verdict == "allow",
            Known::Asked => verdict == "allow" || verdict == "revoked",
            Known::Revoked => verdict == "revoked",
        };
        assert!(holds, "{known:?}: {verdict}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_and_what_was_acknowledged_outlives_every_kill() {
    let mut dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let parent = dev.token("my_username", "topsecret").await;
    let mut all = BTreeMap::new();
    // Where in the work of the stack a kill falls is chance; how long it comes after the start is not to be.
    let mut randomness: u64 = 2_463_534_242;
    for round in 0..kills() {
        randomness = randomness.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ledger = Ledger::default();
        let data = kill_under_load(dev, &parent, &ledger, 1 + (randomness >> 33) % ANSWERS).await;
        dev = Dev::start(data, &[]).await;
        assert_eq!(dev.verdict(&parent).await, "allow");
        let latest = std::mem::take(&mut *ledger.lock().unwrap());
        look(&dev, latest.clone()).await;
        let before: Vec<_> = all.iter().map(|(token, known): (&String, &Known)| (token.clone(), *known)).collect();
        look(&dev, before.into_iter().skip(round % 7).step_by(7).take(LOOKED_AT)).await;
        all.extend(latest);
    }
    let count = |known| all.values().filter(|it| **it == known).count();
    assert!(count(Known::Shown) > 0 && count(Known::Revoked) > 0, "{all:?}");
    println!(
        "{} kills: {} tokens shown, {} revoked, {} asked",
        kills(),
        count(Known::Shown),
        count(Known::Revoked),
        count(Known::Asked)
    );
    look(&dev, all).await;
    assert_eq!(dev.log_in("my_username", "topsecret").await, 200);
    dev.stop("-TERM").await;
}
