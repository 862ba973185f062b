//! The recheck after a write. Every route that creates a token is combined with every way in which
//! its caller or owner loses the right to it, at every call of the request. No token is shown for a
//! right that was lost before the recheck, and a shown token is rejected as soon as its user
//! changes.
//!
//! `cargo test` runs a part of the product, and `HALLPASS_LONG=1` all of it.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Record, lifecycle};
use tests::{
    World,
    api::{bearer, text},
    basic,
    engine::{self, Kind},
    long::long,
    tap::{ANY, Tap},
};

use crate::every_call::state::State;

mod log_ins;
mod permissions;
mod portal;
pub(crate) mod requests;

use requests::{Case, cases};

/// A way to lose a right.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    Revoked,
    Disabled,
    Replaced,
    SessionEnded,
    OldRevoked,
    OldDisabled,
    OldReplaced,
    Demoted,
    Blocked,
    Renamed,
    PasswordChanged,
    GenerationRaised,
    Removed,
    OwnerBlocked,
    OwnerRenamed,
    OwnerRemoved,
    /// Changed, changed back, and handled by prune.
    Undone,
    OwnerUndone,
}

const ALL: [Loss; 18] = [
    Loss::Revoked,
    Loss::Disabled,
    Loss::Replaced,
    Loss::SessionEnded,
    Loss::OldRevoked,
    Loss::OldDisabled,
    Loss::OldReplaced,
    Loss::Demoted,
    Loss::Blocked,
    Loss::Renamed,
    Loss::PasswordChanged,
    Loss::GenerationRaised,
    Loss::Removed,
    Loss::OwnerBlocked,
    Loss::OwnerRenamed,
    Loss::OwnerRemoved,
    Loss::Undone,
    Loss::OwnerUndone,
];

impl Loss {
    /// Returns whether this loss applies to the request.
    fn concerns(self, case: &Case) -> bool {
        match self {
            Self::Revoked | Self::Disabled | Self::Replaced => case.token.is_some(),
            Self::SessionEnded => case.has_session,
            // A token that rotates itself is its own caller.
            Self::OldRevoked | Self::OldDisabled | Self::OldReplaced => case
                .old
                .as_ref()
                .is_some_and(|old| case.token.as_ref().is_none_or(|token| token.id != old.id)),
            Self::Demoted => case.administers,
            Self::OwnerBlocked | Self::OwnerRenamed | Self::OwnerRemoved | Self::OwnerUndone => {
                case.owner != case.caller
            }
            _ => true,
        }
    }

    /// Returns whether this loss rejects every token of the owner.
    fn is_of_owner(self, case: &Case) -> bool {
        match self {
            Self::Blocked
            | Self::Renamed
            | Self::PasswordChanged
            | Self::GenerationRaised
            | Self::Removed
            | Self::Undone => case.owner == case.caller,
            Self::OwnerBlocked | Self::OwnerRenamed | Self::OwnerRemoved | Self::OwnerUndone => {
                true
            }
            _ => false,
        }
    }

    async fn happen(self, world: &World, case: &Case) {
        let set = async |record: &Option<Record>, attribute: &str, value: AttributeValue| {
            world.set_record(record.as_ref().unwrap(), attribute, Some(value)).await;
        };
        let now = || AttributeValue::N(world.now().unix().to_string());
        let blocked = || Some(text("blocked"));
        match self {
            Self::Revoked | Self::OldRevoked => {
                let record = if self == Self::Revoked { &case.token } else { &case.old };
                set(record, "revoked_because", text("revoked")).await;
                set(record, "revoked_at", now()).await;
            }
            Self::Disabled => set(&case.token, "disabled_at", now()).await,
            Self::OldDisabled => set(&case.old, "disabled_at", now()).await,
            Self::Replaced | Self::OldReplaced => {
                let record = if self == Self::Replaced { &case.token } else { &case.old };
                set(record, "replaced_by", text("AAAAAAAAAAAAAAAAAAAAAA")).await;
                set(record, "replaced_at", now()).await;
            }
            Self::SessionEnded => end_sessions(world, case.caller).await,
            Self::Demoted => {
                let permissions = AttributeValue::Ss(vec!["ROLE_USER".to_owned()]);
                world.set_user(case.caller, "permissions", Some(permissions)).await;
            }
            Self::Blocked => world.set_user(case.caller, "status", blocked()).await,
            Self::Renamed => world.set_user(case.caller, "username", Some(text("renamed"))).await,
            Self::PasswordChanged => {
                world.set_user(case.caller, "password_hash", Some(text("$argon2id$x"))).await;
            }
            Self::GenerationRaised => {
                let id = case.caller.parse().unwrap();
                assert_eq!(
                    world
                        .store
                        .raise_generation(&id, tests::invalidate(9), &tests::CAUSE)
                        .await
                        .unwrap(),
                    hallpass_store::users::Written::Now
                );
            }
            Self::Removed => world.remove_user(case.caller).await,
            Self::OwnerBlocked => world.set_user(case.owner, "status", blocked()).await,
            Self::OwnerRenamed => {
                world.set_user(case.owner, "username", Some(text("renamed"))).await;
            }
            Self::OwnerRemoved => world.remove_user(case.owner).await,
            Self::Undone | Self::OwnerUndone => {
                let user = if self == Self::Undone { case.caller } else { case.owner };
                world.set_user(user, "status", blocked()).await;
                world.set_user(user, "status", Some(text("active"))).await;
                world.delivery.drain().await.unwrap();
            }
        }
    }
}

/// Ends every browser session of a user, as signing out does.
async fn end_sessions(world: &World, user: &str) {
    for (place, _) in world.store.sessions_of(&user.parse().unwrap()).await.unwrap() {
        world.store.remove_session(&place).await.unwrap();
    }
}

/// The calls of a request without a loss.
struct Known {
    calls: usize,
    /// The first call that reads the caller, and the first that reads the owner.
    reads: [usize; 2],
    /// The call that writes the record.
    writes: usize,
}

async fn known(world: &World, tap: &Tap, case: &Case) -> Known {
    tap.seen();
    let text = case.ask(world).await;
    let seen = tap.seen();
    assert_eq!(
        world
            .verdict(&bearer(&text.unwrap_or_else(|status| panic!("{}: {status}", case.name))))
            .await,
        "allow"
    );
    let is_write = |operation: &str| operation == "PutItem" || operation == "TransactWriteItems";
    let writes = seen
        .iter()
        .rposition(|seen| is_write(&seen.operation) && seen.body["TableName"] != "Attempts")
        .unwrap();
    // The token is created from the last read before the write.
    let reads = [case.caller, case.owner].map(|id| {
        let key = format!(r#""user_id":{{"S":"{id}"}}"#);
        let reads = |body: &str| body.contains("Users") && body.contains(&key);
        seen[..writes].iter().rposition(|seen| reads(&seen.body.to_string())).unwrap()
    });
    Known { calls: seen.len(), reads, writes }
}

/// Returns the public names of the owner's accepted tokens that did not exist before.
async fn new_and_live(world: &World, owner: &str, before: &[Record]) -> Vec<String> {
    let id = owner.parse().unwrap();
    let user = world.store.user(&id).await.unwrap();
    let records = world.store.records_of(&id).await.unwrap();
    let new = records.iter().filter(|record| !before.iter().any(|old| old.id == record.id));
    let live = new.filter(|record| lifecycle::state(record, user.as_ref(), world.now()).is_live());
    live.map(|record| record.id.to_string()).collect()
}

async fn check(
    world: &World,
    tap: &Tap,
    case: &Case,
    known: &Known,
    loss: Loss,
    call: usize,
) -> Result<(), String> {
    let before = world.store.records_of(&case.owner.parse().unwrap()).await.unwrap();
    let (outcome, was_held) = tap
        .meanwhile(ANY, call, Box::pin(case.ask(world)), Box::pin(loss.happen(world, case)))
        .await;
    if !was_held {
        return Err(NO_CALL.to_owned());
    }
    let failure = |what: &str| Err(format!("{what}: {outcome:?}"));
    let Ok(text) = &outcome else {
        if matches!(outcome, Err(500..)) {
            return failure("an error");
        }
        let live = new_and_live(world, case.owner, &before).await;
        return if live.is_empty() { Ok(()) } else { failure("rejected, and a token lives") };
    };
    // A change before the user was read, which does not reject a log-in afterwards, is no loss.
    let [caller, owner] = known.reads;
    let is_before = match loss {
        Loss::Undone | Loss::GenerationRaised | Loss::Renamed | Loss::PasswordChanged => {
            call <= caller && !case.is_older()
        }
        Loss::OwnerUndone | Loss::OwnerRenamed => call <= owner,
        _ => false,
    };
    let verdict = world.verdict(&bearer(text)).await;
    if loss.is_of_owner(case) {
        return if verdict != "allow" || is_before {
            Ok(())
        } else {
            failure("shown, and accepted")
        };
    }
    // The recheck begins with the call after the write.
    if call <= known.writes + 1 && !is_before {
        failure("shown, though the right was lost")
    } else {
        Ok(())
    }
}

/// The result of a check whose call was never held.
const NO_CALL: &str = "there was no such call";

/// Checks one call, and repeats the check if the call was not held until the change was complete:
/// on a busy machine the SDK may abandon and repeat it.
async fn patiently(
    world: &World,
    beginning: &State,
    mut check: impl AsyncFnMut() -> Result<(), String>,
) -> Result<(), String> {
    let mut outcome = check().await;
    put_back(world, beginning).await;
    for _ in 0..3 {
        if !outcome.as_ref().is_err_and(|error| error == NO_CALL) {
            break;
        }
        outcome = check().await;
        put_back(world, beginning).await;
    }
    outcome
}

/// Restores the initial state.
async fn put_back(world: &World, beginning: &State) {
    // This is a change of users as well, which prune has to handle before their tokens are
    // restored.
    for _ in 0..2 {
        beginning.restore(world, &State::of(world).await).await;
        world.delivery.drain().await.unwrap();
    }
    beginning.restore(world, &State::of(world).await).await;
}

/// Checks every loss before and after the write, and every `every`th at another call.
#[expect(clippy::print_stdout, reason = "how much of how much was checked")]
async fn check_all(every: usize) {
    let (world, tap) = World::tapped(&[("HALLPASS_APP_USER", "4")]).await;
    let cases = Box::pin(cases(&world)).await;
    let beginning = State::of(&world).await;
    let (mut place, mut done, mut wrong) = (0, 0, Vec::new());
    for case in &cases {
        let known = known(&world, &tap, case).await;
        let found = State::of(&world).await;
        beginning.restore(&world, &found).await;
        for loss in ALL.into_iter().filter(|loss| loss.concerns(case)) {
            for call in 0..known.calls {
                place += 1;
                // The last moments at which a loss must count: before the write, when prune finds
                // no record of the new token yet, and after it, with the first call of the recheck.
                if place % every != 0 && call != known.writes && call != known.writes + 1 {
                    continue;
                }
                done += 1;
                let checking = async || check(&world, &tap, case, &known, loss, call).await;
                if let Err(error) = patiently(&world, &beginning, checking).await {
                    wrong.push(format!(
                        "{}, {loss:?} at {call} of {}: {error}",
                        case.name, known.calls
                    ));
                }
            }
        }
    }
    println!("{done} of {place}");
    assert!(wrong.is_empty(), "{} of {done}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn no_token_is_shown_for_a_right_that_was_lost_before_the_recheck() {
    // The calls are the same on every engine.
    if engine::kind().await == Kind::Embedded {
        Box::pin(check_all(if long() { 1 } else { 13 })).await;
    }
}

/// A log-in right after a change is not affected by the change, whenever prune handles it.
#[tokio::test]
async fn a_change_before_the_request_rejects_nothing_even_if_prune_handles_it_meanwhile() {
    for call in 0.. {
        let (world, tap) = World::tapped(&[]).await;
        world.set_user("1", "username", Some(text("renamed"))).await;
        world.set_user("1", "username_key", Some(text("renamed"))).await;
        let authorization = basic("renamed", "topsecret");
        let draining = async { world.delivery.drain().await.unwrap() };
        let (response, was_held) =
            tap.meanwhile(ANY, call, world.generate(&authorization), draining).await;
        assert_eq!(response.status, 200, "call {call}: {}", response.body);
        if !was_held {
            assert!(call > 5, "{call}");
            break;
        }
    }
}
