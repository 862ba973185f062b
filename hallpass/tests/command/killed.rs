//! `kill -9` at any point under load: every token that was returned still verifies or was revoked,
//! every acknowledged revocation holds, and the audit log and the events have every change.
//!
//! Runs five kills in `cargo test`, fifty with `HALLPASS_LONG=1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};

use crate::dev::{Client, Dev};

/// The state of a token, as far as the clients know.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// The token was returned.
    Shown,
    /// Its revocation was requested, with an unknown outcome.
    Asked,
    /// Its revocation was acknowledged.
    Revoked,
}

type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

const CLIENTS: usize = 8;

/// The maximum number of responses between a start and a kill.
const RESPONSES: u64 = 60;

/// The number of tokens from earlier rounds that are checked again after each kill. After the last
/// kill, all are.
const RECHECKED: usize = 10;

fn kills() -> usize {
    if hallpass_runtime::settings::environment("HALLPASS_LONG").is_some_and(|value| value == "1") {
        50
    } else {
        5
    }
}

/// Generates tokens, uses them, and revokes every second one, until the stack is gone. Sends a
/// message for each response.
async fn load(
    client: Client,
    parent: String,
    ledger: Ledger,
    responses: mpsc::UnboundedSender<()>,
) -> io::Result<()> {
    let send = async |method: &str, path: &str, token: &str| {
        let response = client.try_send(method, path, token, "").await?;
        let _ = responses.send(());
        io::Result::Ok(response)
    };
    let note = |token: &str, known| ledger.lock().unwrap().insert(token.to_owned(), known);
    // On an overloaded machine a request can time out with a server error, which says nothing about
    // the token.
    for number in 0_u64.. {
        let response = send("POST", "/api/services_token/generate", &parent).await?;
        if response.status >= 500 {
            continue;
        }
        assert_eq!(response.status, 200, "{}", response.body);
        let token = response.body.split('"').nth(7).unwrap().to_owned();
        note(&token, Known::Shown);
        assert!(matches!(send("GET", "/api/user/1", &token).await?.status, 200 | 500..));
        if number % 2 == 0 {
            note(&token, Known::Asked);
            let revoking = send("DELETE", "/tokens/current", &token).await?;
            if revoking.status >= 500 {
                continue;
            }
            assert_eq!(revoking.status, 200, "{}", revoking.body);
            note(&token, Known::Revoked);
            assert!(matches!(send("GET", "/api/user/1", &token).await?.status, 401 | 500..));
        }
    }
    Ok(())
}

/// Runs the clients until they have received this many responses, and kills the stack.
async fn kill_under_load(mut dev: Dev, parent: &str, ledger: &Ledger, responses: u64) -> TempDir {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let client = dev.client();
    let mut clients: JoinSet<io::Result<()>> = (0..CLIENTS)
        .map(|_| load(client.clone(), parent.to_owned(), Arc::clone(ledger), sender.clone()))
        .collect();
    for _ in 0..responses {
        receiver.recv().await.unwrap();
    }
    dev.kill().await;
    while let Some(ended) = clients.join_next().await {
        // A wrong response panics; the killed stack is a connection error.
        assert!(ended.unwrap().is_err());
    }
    dev.data
}

async fn check(dev: &Dev, tokens: impl IntoIterator<Item = (String, Known)>) {
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
async fn returned_tokens_and_acknowledged_revocations_survive_every_kill() {
    let mut dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let parent = dev.token("my_username", "topsecret").await;
    let mut all = BTreeMap::new();
    // The kill hits the stack at a random point of its work, but its delay after the start is
    // reproducible.
    let mut randomness: u64 = 2_463_534_242;
    for round in 0..kills() {
        randomness = randomness
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let ledger = Ledger::default();
        let data = kill_under_load(dev, &parent, &ledger, 1 + (randomness >> 33) % RESPONSES).await;
        dev = Dev::start(data, &[]).await;
        assert_eq!(dev.verdict(&parent).await, "allow");
        let latest = std::mem::take(&mut *ledger.lock().unwrap());
        check(&dev, latest.clone()).await;
        let before: Vec<_> =
            all.iter().map(|(token, known): (&String, &Known)| (token.clone(), *known)).collect();
        check(&dev, before.into_iter().skip(round % 7).step_by(7).take(RECHECKED)).await;
        all.extend(latest);
    }
    let count = |known| all.values().filter(|other| **other == known).count();
    assert!(count(Known::Shown) > 0 && count(Known::Revoked) > 0, "{all:?}");
    println!(
        "{} kills: {} tokens shown, {} revoked, {} asked",
        kills(),
        count(Known::Shown),
        count(Known::Revoked),
        count(Known::Asked)
    );
    check(&dev, all).await;
    assert_eq!(dev.log_in("my_username", "topsecret").await, 200);
    no_change_is_lost(&dev).await;
    dev.stop("-TERM").await;
}

/// Checks that the audit log has every version of every token in the table, and that each of its
/// entries was published as an event.
async fn no_change_is_lost(dev: &Dev) {
    let mut state = (Value::Null, 0);
    // What was written last may still be on its way, first to the log and then to the bus.
    for _ in 0..100 {
        state = (dev.json(&["audit", "verify"], "").await, unpublished(dev).await);
        if state.0["pending"] == 0 && state.1 == 0 {
            break;
        }
    }
    let (verified, unpublished) = state;
    assert_eq!((&verified["findings"], &verified["pending"]), (&json!([]), &json!(0)));
    assert!(verified["entries"].as_u64() > verified["records"].as_u64(), "{verified}");
    assert_eq!(verified["equal"], verified["records"]);
    assert_eq!(unpublished, 0);
}

/// Returns how many entries of the audit log are no event.
async fn unpublished(dev: &Dev) -> usize {
    let ids = |lines: &str, place: &str| {
        let id = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let id = line.pointer(place).and_then(Value::as_str);
            id.unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        lines.lines().map(id).collect::<BTreeSet<_>>()
    };
    let entries = ids(&dev.out(&["audit", "export"], "").await, "/event/id");
    let published = std::fs::read_to_string(dev.data.path().join("events.jsonl")).unwrap();
    // The last line may be only half written.
    let (published, _) = published.rsplit_once('\n').unwrap_or_default();
    entries.difference(&ids(published, "/detail/id")).count()
}
