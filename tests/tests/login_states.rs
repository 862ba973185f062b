//! Every state of the rate limit of log-ins, and the outcome of each log-in in it.

use hallpass_password::{
    NameKey,
    rate_limit::{self, Budgets},
};
use hallpass_store::attempts::{Outcome, RateLimit, counters};
use tests::World;

use crate::login_limits::{HOME, NAME, NEXT_DOOR, RIGHT, attempt, failures, item, reserved, spend};

/// The state of the rate limit before one attempt.
#[derive(Clone, Copy, Debug)]
enum State {
    Fresh,
    FourFailures,
    FiveFailures,
    FiveFailuresAndTheWait,
    ThirtyOneAtWork,
    ThirtyTwoAtWork,
    Known,
    LastOfTheName,
    NameSpent,
    NameSpentAndKnown,
    LastOfTheSource,
    SourceSpent,
    Forgotten,
}

const STATES: [State; 13] = [
    State::Fresh,
    State::FourFailures,
    State::FiveFailures,
    State::FiveFailuresAndTheWait,
    State::ThirtyOneAtWork,
    State::ThirtyTwoAtWork,
    State::Known,
    State::LastOfTheName,
    State::NameSpent,
    State::NameSpentAndKnown,
    State::LastOfTheSource,
    State::SourceSpent,
    State::Forgotten,
];

impl State {
    async fn reach(self, world: &World, name: &str, password: &str) {
        let counters = counters(&NameKey::new(name), HOME, world.now());
        let budgets = Budgets::DEFAULT;
        let fail = async |count: u32| {
            for id in 0..count {
                let id = format!("failed{id}");
                assert_eq!(
                    world.store.reserve_pair(&counters.pair, &id, world.now()).await.unwrap(),
                    RateLimit::Allowed
                );
                world
                    .store
                    .settle_pair(&counters.pair, &id, Outcome::Failed, world.now())
                    .await
                    .unwrap();
            }
        };
        let at_work = async |count: usize| {
            for id in 0..count {
                world
                    .store
                    .reserve_pair(&counters.pair, &format!("other{id}"), world.now())
                    .await
                    .unwrap();
            }
        };
        match self {
            Self::Fresh => {}
            Self::FourFailures => fail(4).await,
            Self::FiveFailures => fail(5).await,
            Self::FiveFailuresAndTheWait => {
                fail(5).await;
                world.advance(1);
            }
            Self::ThirtyOneAtWork => at_work(31).await,
            Self::ThirtyTwoAtWork => at_work(32).await,
            Self::Known => {
                attempt(world, name, password, NEXT_DOOR).await;
            }
            Self::LastOfTheName => spend(world, &counters.name, budgets.name, 1).await,
            Self::NameSpent => spend(world, &counters.name, budgets.name, 0).await,
            Self::NameSpentAndKnown => {
                attempt(world, name, password, NEXT_DOOR).await;
                spend(world, &counters.name, budgets.name, 0).await;
            }
            Self::LastOfTheSource => spend(world, &counters.source, budgets.source, 1).await,
            Self::SourceSpent => spend(world, &counters.source, budgets.source, 0).await,
            Self::Forgotten => {
                fail(5).await;
                world.advance(rate_limit::MEMORY.as_secs());
            }
        }
    }

    const fn lets_check(self) -> bool {
        !matches!(
            self,
            Self::FiveFailures | Self::ThirtyTwoAtWork | Self::NameSpent | Self::SourceSpent
        )
    }
}

#[tokio::test]
async fn every_state_of_the_limit_has_one_outcome_for_every_log_in() {
    let cases =
        [(NAME, RIGHT, 200), (NAME, "wrong", 401), ("ldap_user", "x", 401), ("unknown", "x", 401)];
    for state in STATES {
        for (name, password, right) in cases {
            let world = World::new().await;
            let owners = if name == NAME { RIGHT } else { password };
            state.reach(&world, name, owners).await;
            let counters = counters(&NameKey::new(name), HOME, world.now());
            let before = item(&world, &counters.pair).await;
            let (status, wait) = attempt(&world, name, password, HOME).await;
            let after = item(&world, &counters.pair).await;
            // Without a log-in no network is known, and a spent budget stays spent.
            let never_known = matches!(state, State::NameSpentAndKnown) && name != NAME;
            let case = format!("{state:?} {name} {password}: {status} {wait} {after}");
            if !state.lets_check() || never_known {
                assert_eq!(status, 429, "{case}");
                assert!((1..=60).contains(&wait), "{case}");
                assert_eq!(
                    (failures(&after), reserved(&after)),
                    (failures(&before), reserved(&before)),
                    "{case}"
                );
                continue;
            }
            assert_eq!((status, wait), (right, 0), "{case}");
            assert_eq!(reserved(&after), reserved(&before), "{case}");
            let began = if matches!(state, State::Forgotten) { 0 } else { failures(&before) };
            assert_eq!(failures(&after), if right == 200 { 0 } else { began + 1 }, "{case}");
        }
    }
}
