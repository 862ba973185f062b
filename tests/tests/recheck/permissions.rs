//! The recheck of what is not bound to the token: a user loses a permission that the new token, its
//! expiry or the managed token requires, or can no longer log in, at every call of the request.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::json;
use tests::{
    Request, World,
    api::{bearer, text},
    basic,
    engine::{self, Kind},
    tap::{ANY, Seen, Tap},
};

const HOUR: u64 = 3_600;

/// What requires the permission `tokens` or `orders` of the user.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Needs {
    /// The scope of the new token.
    Scope,
    /// A token that outlives the scoped token which creates it.
    Expiry,
    /// The rotation of a token that the caller did not issue.
    Management,
}

async fn permit(world: &World, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(names))).await;
}

/// Creates the tokens of a case, and returns its request.
async fn request(world: &World, needs: Needs) -> Request {
    permit(world, &["ROLE_USER", "orders", "tokens"]).await;
    let now = world.now();
    let scope = ["ROLE_USER", "tokens"].map(|name| name.parse().unwrap()).into_iter().collect();
    let caller = world.create_token_with(Format::Signed, "1", 1, |record| {
        if needs != Needs::Scope {
            record.scope = Some(scope);
        }
        record.expires_at = Some(now.after(Duration::from_secs(HOUR)));
    });
    let caller = bearer(&caller.await.text);
    let create = |body| Request::new("POST", "/tokens").authorization(&caller).json(&body);
    match needs {
        Needs::Scope => create(json!({"name": "new", "scopes": ["orders"], "expires_in": 60})),
        Needs::Expiry => {
            create(json!({"name": "new", "scopes": ["ROLE_USER"], "expires_in": 24 * HOUR}))
        }
        Needs::Management => {
            let scope = ["ROLE_USER".parse().unwrap()].into_iter().collect();
            let other = world
                .create_token_with(Format::Signed, "1", 2, |record| record.scope = Some(scope))
                .await;
            let other = other.record.id.to_string();
            Request::new("POST", "/tokens/{id}/rotate")
                .parameter("id", &other)
                .authorization(&caller)
        }
    }
}

/// Returns the position of the call that wrote the record.
pub(super) fn last_write(tap: &Tap) -> usize {
    let is_write = |seen: &Seen| {
        let writes = seen.operation == "PutItem" || seen.operation == "TransactWriteItems";
        writes && seen.body["TableName"] != "Attempts"
    };
    tap.seen().iter().rposition(is_write).unwrap()
}

#[tokio::test]
async fn no_token_is_shown_for_a_permission_that_was_lost_before_the_recheck() {
    if engine::kind().await != Kind::Embedded {
        return;
    }
    for needs in [Needs::Scope, Needs::Expiry, Needs::Management] {
        let (world, tap) = World::tapped(&[]).await;
        let asked = request(&world, needs).await;
        tap.seen();
        assert_eq!(world.send("Generate", asked).await.status, 201, "{needs:?}");
        let writes = last_write(&tap);
        for call in 0..=writes + 1 {
            let (world, tap) = World::tapped(&[]).await;
            let asked = request(&world, needs).await;
            let before = world.store.records_of(&"1".parse().unwrap()).await.unwrap().len();
            let lost = permit(&world, &["ROLE_USER"]);
            let (response, was_held) = tap
                .meanwhile(ANY, call, Box::pin(world.send("Generate", asked)), Box::pin(lost))
                .await;
            assert!(was_held, "{needs:?} {call}");
            // A permission that is lost before the first read limits the expiry of the new token.
            let latest = world.now().after(Duration::from_secs(HOUR)).to_string();
            if needs == Needs::Expiry
                && response.status == 201
                && response.json()["expires_at"] == latest
            {
                continue;
            }
            assert!(
                [400, 403, 404].contains(&response.status),
                "{needs:?} {call}: {} {}",
                response.status,
                response.body
            );
            let after = world.store.records_of(&"1".parse().unwrap()).await.unwrap().len();
            assert_eq!(before, after, "{needs:?} {call}: the new record is withdrawn");
        }
    }
}

/// The change counts although no token is bound to the attribute: the password that was checked is
/// no longer right.
#[tokio::test]
async fn no_token_is_shown_for_a_password_that_no_longer_logs_in() {
    if engine::kind().await != Kind::Embedded {
        return;
    }
    let unbound = [("HALLPASS_INVALIDATE_ON", "none")];
    let (world, tap) = World::tapped(&unbound).await;
    let login = basic("my_username", "topsecret");
    tap.seen();
    assert_eq!(world.generate(&login).await.status, 200);
    let writes = last_write(&tap);
    for (attribute, value) in
        [("password_hash", "$argon2id$x"), ("username", "renamed"), ("status", "blocked")]
    {
        for call in 0..=writes + 1 {
            let (world, tap) = World::tapped(&unbound).await;
            let change = world.set_user("1", attribute, Some(text(value)));
            let (response, was_held) =
                tap.meanwhile(ANY, call, Box::pin(world.generate(&login)), Box::pin(change)).await;
            assert!(was_held, "{attribute} {call}");
            assert_ne!(response.status, 200, "{attribute} {call}: {}", response.body);
            assert_eq!(
                world.count_records("1").await,
                0,
                "{attribute} {call}: the new record is withdrawn"
            );
        }
    }
}
