//! `POST /tokens/{id}/rotate`: a new token with the same settings replaces the old one.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Snapshot, lifecycle};
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::bearer,
    system::System,
    tap::{ALWAYS, Fault},
};

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

async fn rotate(world: &World, token: &str, id: &str) -> Response {
    let request = Request::new("POST", "/tokens/{id}/rotate").parameter("id", id);
    world.send("Generate", request.authorization(&bearer(token))).await
}

async fn rotated(world: &World, token: &str, id: &str) -> Value {
    let response = rotate(world, token, id).await;
    assert_eq!(response.status, 201, "{}", response.body);
    response.json()
}

fn text_of(body: &Value) -> &str {
    body["token"].as_str().unwrap()
}

fn id_of(body: &Value) -> &str {
    body["id"].as_str().unwrap()
}

async fn verdict(world: &World, body: &Value) -> String {
    world.verdict(&bearer(text_of(body))).await
}

#[tokio::test]
async fn a_rotated_token_keeps_its_settings_and_its_first_use_replaces_the_old_one() {
    let system = System::start(&[]).await;
    let session = system.token_of("my_username", "topsecret").await;
    for format in ["signed", "jwt"] {
        let body = json!({
            "name": format, "description": "d", "scopes": ["ROLE_USER"], "expires_in": DAY,
            "format": format,
        });
        let old = system.created(&session, &body).await;
        system.advance(HOUR);
        let path = format!("/tokens/{}/rotate", id_of(&old));
        let new = system.ask("POST", &path, &bearer(&session)).await.body_of(201);
        for member in ["name", "description", "scopes", "format", "user_id", "state", "disabled"] {
            assert_eq!(new[member], old[member], "{member}");
        }
        let after = |seconds| json!(system.now().after(Duration::from_secs(seconds)).to_string());
        assert_eq!((&new["expires_at"], &new["replaced_ends_at"]), (&after(DAY), &after(HOUR)));
        assert_eq!((&new["replaces"], &new["issued_by"]), (&old["id"], &old["id"]));
        assert_ne!(text_of(&new), text_of(&old));
        assert_eq!(
            system.verdict(text_of(&old)).await,
            "allow",
            "it lives on while the new one is unused"
        );
        assert_eq!(system.verdict(text_of(&new)).await, "allow");
        assert_eq!(system.verdict(text_of(&old)).await, "replaced");
        let reply = system.ask("GET", "/tokens", &bearer(text_of(&old))).await;
        assert_eq!(reply.body_of(401)["detail"], "The access token was replaced by a newer one");
    }
    system.stop().await;
}

#[tokio::test]
async fn an_old_token_is_replaced_after_the_window_even_if_the_new_one_is_never_used() {
    for (settings, window) in [(&[][..], HOUR), (&[("HALLPASS_ROTATION_WINDOW", "60s")], 60)] {
        let world = World::with(settings).await;
        let session = world.token().await;
        let old = world.created(&session, &json!({"name": "old"})).await;
        let new = rotated(&world, &session, id_of(&old)).await;
        world.advance(window - 1);
        assert_eq!(verdict(&world, &old).await, "allow");
        world.advance(1);
        assert_eq!(verdict(&world, &old).await, "replaced");
        assert_eq!(
            rotate(&world, text_of(&old), "current").await.problem(401)["reason"],
            "replaced"
        );
        assert_eq!(verdict(&world, &new).await, "allow");
        assert_eq!(verdict(&world, &old).await, "replaced");
    }
}

#[tokio::test]
async fn a_token_rotates_itself_once() {
    let world = World::new().await;
    let old = world.created(&world.token().await, &json!({"name": "old"})).await;
    let new = rotated(&world, text_of(&old), "current").await;
    let lost = rotate(&world, text_of(&old), "current").await;
    assert_eq!(lost.problem(409)["detail"], "The token is already being replaced, or was revoked");
    assert!(!lost.body.contains("token\":"), "{}", lost.body);
    assert_eq!(world.count_records("1").await, 3, "the failed one left nothing behind");
    assert_eq!(verdict(&world, &new).await, "allow");
    assert_eq!(rotate(&world, text_of(&old), "current").await.problem(401)["reason"], "replaced");
    let newer = rotated(&world, text_of(&new), "current").await;
    assert_eq!(verdict(&world, &newer).await, "allow");
}

#[tokio::test]
async fn of_many_concurrent_rotations_one_succeeds() {
    let world = World::new().await;
    let session = world.token().await;
    let old = world.created(&session, &json!({"name": "old"})).await;
    let rotate = || rotate(&world, &session, id_of(&old));
    let (a, b, c, d) = tokio::join!(rotate(), rotate(), rotate(), rotate());
    let mut statuses = [a, b, c, d].map(|response| response.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    assert_eq!(world.count_records("1").await, 3);
}

#[tokio::test]
async fn a_narrow_token_never_gets_the_text_of_a_broader_one() {
    let world = World::new().await;
    let names = ["a", "b", "tokens"].map(str::to_owned).to_vec();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(names))).await;
    let session = world.token().await;
    let make = async |name: &str, scopes: Value| {
        world.created(&session, &json!({"name": name, "scopes": scopes})).await
    };
    let whole = world.created(&session, &json!({"name": "whole"})).await;
    let (manager, both) =
        (make("manager", json!(["a", "tokens"])).await, make("both", json!(["a", "b"])).await);
    let (only_a, only_b) = (make("only a", json!(["a"])).await, make("only b", json!(["b"])).await);
    for broader in [&whole, &both, &only_b] {
        let rejected = rotate(&world, text_of(&manager), id_of(broader)).await;
        assert_eq!(rejected.problem(403)["error"], "insufficient_scope", "{}", broader["name"]);
        assert_eq!(verdict(&world, broader).await, "allow");
    }
    let new = rotated(&world, text_of(&manager), id_of(&only_a)).await;
    assert_eq!(new["scopes"], json!(["a"]));
    // Without the `tokens` permission it does not find the others, but it can rotate itself.
    assert_eq!(rotate(&world, text_of(&only_b), id_of(&only_a)).await.status, 404);
    assert_eq!(rotated(&world, text_of(&only_b), "current").await["scopes"], json!(["b"]));
    // The user's current permissions do not count, because they may grow again.
    world
        .set_user(
            "1",
            "permissions",
            Some(AttributeValue::Ss(vec!["a".to_owned(), "tokens".to_owned()])),
        )
        .await;
    for broader in [&whole, &both] {
        rotate(&world, text_of(&manager), id_of(broader)).await.problem(403);
    }
    assert_eq!(
        rotated(&world, &session, id_of(&both)).await["scopes"],
        json!(["a", "b"]),
        "the settings stay"
    );
}

#[tokio::test]
async fn a_dead_or_foreign_token_is_not_rotated() {
    let world = World::new().await;
    let (session, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let make =
        async |name: &str| world.created(&session, &json!({"name": name, "expires_in": 60})).await;
    let (revoked, disabled, expired) =
        (make("revoked").await, make("disabled").await, make("expired").await);
    let other = world.created(&admin, &json!({"name": "theirs"})).await;
    world.delete(&session, id_of(&revoked)).await;
    let id = id_of(&disabled);
    let off =
        Request::new("PATCH", "/tokens/{id}").parameter("id", id).json(&json!({"disabled": true}));
    assert_eq!(world.send("Revoke", off.authorization(&bearer(&admin))).await.status, 200);
    assert_eq!(rotate(&world, &session, id_of(&revoked)).await.problem(401)["reason"], "revoked");
    assert_eq!(rotate(&world, &session, id_of(&disabled)).await.problem(401)["reason"], "disabled");
    world.advance(60);
    assert_eq!(rotate(&world, &session, id_of(&expired)).await.problem(401)["reason"], "expired");
    for id in [
        id_of(&other),
        "1",
        "nonsense",
        "1.",
        "1.0123456789012345678901",
        ".0123456789012345678901",
    ] {
        rotate(&world, &session, id).await.problem(404);
    }
    let developer = world.create_token(Format::Developer, "1", 9).await;
    let rejected = rotate(&world, &session, &developer.record.id.to_string()).await;
    assert_eq!(
        rejected.problem(409)["detail"],
        "A developer token is regenerated with POST /profile/developer"
    );
    let before = world.count_records("1").await;
    let mine = make("mine").await;
    let new = rotated(&world, &admin, id_of(&mine)).await;
    assert_eq!(
        (&new["user_id"], world.count_records("1").await),
        (&json!("1"), before + 2),
        "administrators can"
    );
}

#[tokio::test]
async fn a_rotation_extends_neither_the_family_nor_the_maximum_lifetime() {
    let world = World::with(&[("HALLPASS_MAX_AUTHENTICATION_AGE", "40d")]).await;
    let session = world.token().await;
    let old = world.created(&session, &json!({"name": "old", "expires_in": 30 * DAY})).await;
    world.advance(20 * DAY);
    let new = rotated(&world, text_of(&old), "current").await;
    assert_eq!(
        new["expires_at"], "2027-02-24T08:00:00Z",
        "forty days after the chain began, not thirty from now"
    );
    world.advance(20 * DAY);
    assert_eq!(rotate(&world, text_of(&new), "current").await.problem(401)["reason"], "expired");
}

#[tokio::test]
async fn a_rotation_by_a_token_that_was_revoked_meanwhile_is_undone() {
    let (world, tap) = World::tapped(&[]).await;
    let (session, keeper) = (world.token().await, world.token().await);
    let old = world.created(&keeper, &json!({"name": "old"})).await;
    world.revoke(&session).await;
    let dump = async || {
        let items = world.dump("Tokens").await;
        items.into_iter().filter(|item| item.contains("replace")).collect::<Vec<_>>()
    };
    // The first read of the caller precedes the revocation; the check after the write does not.
    tap.inject(
        "BatchGetItem",
        0,
        1,
        Fault::Change(|response| {
            let record = response["Responses"]["Tokens"][0].as_object_mut().unwrap();
            for attribute in ["revoked_at", "revoked_because"] {
                record.remove(attribute).unwrap();
            }
            record.insert("live_until".to_owned(), record["expires_at"].clone());
        }),
    );
    assert_eq!(rotate(&world, &session, id_of(&old)).await.problem(401)["reason"], "revoked");
    tap.heal();
    assert_eq!((world.count_records("1").await, dump().await), (3, vec![]));
    world.advance(2 * HOUR);
    assert_eq!(verdict(&world, &old).await, "allow", "it stays live as before");
    let new = rotated(&world, &keeper, id_of(&old)).await;
    // A first use that cannot be written is not accepted: two tokens would be live.
    tap.inject("TransactWriteItems", 0, ALWAYS, Fault::Reject(500, "InternalServerError"));
    assert_eq!(verdict(&world, &new).await, "error: the token could not be verified");
    tap.heal();
    assert_eq!(
        (verdict(&world, &new).await, verdict(&world, &old).await),
        ("allow".into(), "replaced".into())
    );
}

#[tokio::test]
async fn a_rotated_record_keeps_no_times_or_keys_of_the_old_one() {
    let before = World::new().await;
    let old = before.create_token(Format::Signed, "1", 1).await;
    assert_eq!(before.verdict(&bearer(&old.text)).await, "allow");
    let used = before.record(&old.record.id).await;
    assert!(used.last_used_at.is_some());
    before.advance(600);
    let keys = format!(
        r#"{},{{"id":"next","key":"{}","signs_from":1800000300}}]"#,
        tests::KEYS.trim_end_matches(']'),
        "h6Y0vK1uJc9pQ3wXeT5rLz8nMb2sFdGa7iVoNyUtEkI"
    );
    let world =
        before.another_with(&[("HALLPASS_INVALIDATE_ON", "permissions"), ("HALLPASS_KEYS", &keys)]);
    let new = rotated(&world, &old.text, &old.record.id.to_string()).await;
    let new = world.record(&id_of(&new).parse().unwrap()).await;
    let settings = world.service().settings;
    let owner = world.store.user(&old.record.id.user_id).await.unwrap().unwrap();
    let binding = settings.binding(Format::Signed).clone();
    assert_ne!(used.binding.names(), binding.names());
    assert_eq!(new.binding.names(), binding.names());
    assert!(new.fingerprint == binding.fingerprint(&owner) && new.fingerprint != used.fingerprint);
    assert_eq!(new.snapshot, Snapshot::new(&new.id.hash, &binding, &owner));
    assert_eq!((new.issued_at, new.key_id.as_str(), new.last_used_at), (world.now(), "next", None));
    assert_eq!(new.authenticated_at, used.authenticated_at);
    assert_eq!((new.replaced_by, new.replaced_at, new.replaces), (None, None, Some(used.id.hash)));
    assert_eq!(new.purge_at, lifecycle::purge_at(new.expires_at, None, settings.record_retention));
}

/// Otherwise rotation would extend the log-in of the caller, who receives the text.
#[tokio::test]
async fn a_rotated_token_descends_from_the_older_log_in_of_the_two() {
    let world = World::new().await;
    let now = world.now();
    let issued = async |seed: u8, days: u64| {
        let at = now.before(Duration::from_secs(days * DAY));
        world
            .create_token_with(Format::Signed, "1", seed, |record| record.authenticated_at = at)
            .await
    };
    for (seed, caller, old) in [(1, 3, 5), (3, 5, 3), (5, 0, 4), (7, 4, 0)] {
        let (caller, old) = (issued(seed, caller).await, issued(seed + 1, old).await);
        let new = rotated(&world, &caller.text, &old.record.id.to_string()).await;
        let new = world.record(&id_of(&new).parse().unwrap()).await;
        assert_eq!(
            new.authenticated_at,
            caller.record.authenticated_at.min(old.record.authenticated_at),
            "{seed}"
        );
    }
}

/// The use of a replaced token reveals a copy. The record of the old token must exist for that.
#[tokio::test]
async fn a_replaced_token_is_recognized_for_thirty_days_however_it_was_replaced() {
    const RETENTION: u64 = 30 * DAY;
    for settings in
        [&[][..], &[("HALLPASS_RECORD_RETENTION", "1s")], &[("HALLPASS_RECORD_RETENTION", "40d")]]
    {
        let kept =
            if settings.iter().any(|(_, value)| *value == "40d") { 40 * DAY } else { RETENTION };
        for (format, lifetime) in
            [("signed", 90 * DAY), ("jwt", 90 * DAY), ("signed", 3 * DAY), ("jwt", 3 * DAY)]
        {
            for is_used in [true, false] {
                let case = format!("{settings:?} {format} {lifetime} {is_used}");
                let world = World::with(settings).await;
                let session = world.token().await;
                let body = json!({"name": "old", "format": format, "expires_in": lifetime});
                let old = world.created(&session, &body).await;
                let new = rotated(&world, &session, id_of(&old)).await;
                let sweep =
                    async || world.invoke("Prune", json!({"sweep": true})).await.map(drop).unwrap();
                if is_used {
                    assert_eq!(verdict(&world, &new).await, "allow", "{case}");
                } else {
                    world.advance(HOUR);
                }
                assert_eq!(verdict(&world, &old).await, "replaced", "{case}");
                let began = if is_used { 0 } else { HOUR };
                // A text that contains its expiry is rejected for that, with or without a record.
                for (seconds, gone) in
                    [(DAY, false), (DAY + 1, false), (kept - 1, false), (kept, is_used)]
                {
                    world.advance(
                        seconds - world.now().since(began_at(&new)).as_secs().saturating_sub(began),
                    );
                    sweep().await;
                    let is_over = world.now().since(began_at(&new)).as_secs() >= lifetime;
                    let expected = if is_over {
                        "expired"
                    } else if gone {
                        "unknown"
                    } else {
                        "replaced"
                    };
                    assert_eq!(verdict(&world, &old).await, expected, "{case} after {seconds} s");
                }
            }
        }
    }
}

fn began_at(body: &Value) -> hallpass_token::Timestamp {
    body["issued_at"].as_str().unwrap().parse().unwrap()
}

/// The text goes to the token that asks, so that a rotation must not carry it beyond its own
/// log-in.
#[tokio::test]
async fn a_rotation_outlives_the_log_in_of_neither_the_old_token_nor_the_one_that_asks() {
    let world = World::with(&[("HALLPASS_MAX_AUTHENTICATION_AGE", "30d")]).await;
    let asking = world.token().await;
    world.advance(20 * DAY);
    let newer = world.token().await;
    let newer = world.created(&newer, &json!({"name": "newer", "expires_in": 20 * DAY})).await;
    let admin = world.token_of("admin", "letmein").await;
    let ends = async |token: &str, id: &str| {
        let new = rotated(&world, token, id).await;
        let end = new["expires_at"].as_str().unwrap().parse::<hallpass_token::Timestamp>().unwrap();
        (new, end.since(world.now()).as_secs() / DAY)
    };
    let (first, days) = ends(&asking, id_of(&newer)).await;
    assert_eq!(days, 10);
    // The new token is bound as well, for every later caller.
    assert_eq!(verdict(&world, &first).await, "allow");
    assert_eq!(ends(&admin, id_of(&first)).await.1, 10);
}
