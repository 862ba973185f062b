//! An operator rotates the signing key while several instances of every function work, each with a
//! keyring that it fetched at another time. No token is rejected, and afterwards the old key only
//! verifies what it signed.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use hallpass::{
    key::{self, Command},
    stack::Stack,
    terminal::Terminal,
};
use hallpass_dev::secrets::Secrets;
use hallpass_runtime::{clock, local::RunningStack};
use hallpass_token::Keyring;
use tests::{KEYS, World, api::bearer};

/// The default refresh period of a keyring, in seconds.
const REFRESH: u64 = 300;

/// The number of instances of every function.
const INSTANCES: u64 = 3;

/// Several instances with the same tables and the same secret.
struct Fleet {
    instances: Vec<World>,
    tokens: Vec<String>,
    _secrets: Secrets,
}

impl Fleet {
    /// Starts instances early enough that the last of them fetches its keyring now.
    async fn start() -> Self {
        let secrets =
            Secrets::start("local".to_owned(), &Keyring::parse(KEYS).unwrap(), None).await.unwrap();
        let pause = REFRESH / INSTANCES;
        let first = World::beginning_at(
            clock::now().unix() - INSTANCES * pause,
            &[
                ("HALLPASS_KEYS", ""),
                ("HALLPASS_KEYS_SECRET", "KeyRing"),
                ("HALLPASS_SECRETS_ENDPOINT", &secrets.endpoint()),
            ],
        )
        .await;
        let mut fleet =
            Self { tokens: vec![first.token().await], instances: vec![first], _secrets: secrets };
        while fleet.instances.len() < usize::try_from(INSTANCES).unwrap() {
            fleet.instances.push(fleet.instances[0].another());
        }
        for instance in &fleet.instances {
            assert_eq!(instance.verdict(&bearer(&fleet.tokens[0])).await, "allow");
            assert_eq!(instance.generate(&bearer(&fleet.tokens[0])).await.status, 200);
            instance.advance(pause);
        }
        fleet
    }

    /// Runs `hallpass key rotate`.
    async fn rotate(&self) {
        let environment = self.instances[0].environment().clone();
        let stack = Stack::from(RunningStack { url: String::new(), environment });
        key::run(Command::Rotate, &stack, Terminal::new(false)).await.unwrap();
    }

    /// Every instance creates a token, and every instance verifies all of these at once, the first
    /// and the latest ones.
    async fn work(&mut self) {
        let parent = bearer(self.tokens.last().unwrap());
        let making =
            join_all(self.instances.iter().map(|instance| instance.generate(&parent))).await;
        self.tokens.extend(making.iter().map(|response| {
            assert_eq!(response.status, 200, "{}", response.body);
            response.json()["token"].as_str().unwrap().to_owned()
        }));
        let old = self.tokens.len().saturating_sub(2 * self.instances.len());
        let tokens: Vec<String> = self.tokens[old..]
            .iter()
            .chain(self.tokens.first())
            .map(|token| bearer(token))
            .collect();
        let verifying =
            self.instances.iter().flat_map(|world| tokens.iter().map(|token| world.verdict(token)));
        let verdicts = join_all(verifying).await;
        assert!(
            verdicts.iter().all(|verdict| verdict == "allow"),
            "{}: {verdicts:?}",
            self.instances[0].now()
        );
    }

    /// Returns the IDs of the keys that signed the existing tokens.
    async fn signers(&self) -> BTreeSet<String> {
        let records = self.instances[0].store.records_of(&"1".parse().unwrap()).await.unwrap();
        records.into_iter().map(|record| record.key_id).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_of_the_key_under_load_rejects_no_token() {
    let mut fleet = Fleet::start().await;
    // An instance that is frozen after its first request, and wakes up much later.
    let sleeper = fleet.instances[0].another();
    assert_eq!(sleeper.verdict(&bearer(&fleet.tokens[0])).await, "allow");
    fleet.work().await;
    fleet.rotate().await;
    // Up to the time from which the new key signs, at that time, and until every instance has
    // fetched its keyring three times.
    for seconds in [1, 99, 100, 99, 1, 100, 100, 99, 1, 1, 99, 100, 100] {
        fleet.work().await;
        fleet.instances[0].advance(seconds);
    }
    fleet.work().await;
    let signers = fleet.signers().await;
    assert_eq!(signers.len(), 2, "the new key signs: {signers:?}");
    assert_eq!(sleeper.verdict(&bearer(fleet.tokens.last().unwrap())).await, "allow");
    assert_eq!(sleeper.verdict(&bearer(&fleet.tokens[0])).await, "allow");
}
