//! A rejected log-in makes the same calls for every user, existing or not, so that its duration
//! does not reveal which users exist.

use serde_json::{Value, json};
use tests::{
    Request, World,
    api::text,
    basic,
    tap::{Seen, Tap},
    web_client::WebClient,
};

/// Returns everything in a call that could affect its duration: the operation, the table, the
/// index, how it reads, and what it writes.
fn call(seen: &Seen) -> String {
    let Seen { operation, body, .. } = seen;
    let words = [
        "TableName",
        "IndexName",
        "ConsistentRead",
        "Limit",
        "UpdateExpression",
        "ConditionExpression",
    ];
    let values: Vec<String> = words.iter().map(|word| body[*word].to_string()).collect();
    format!("{operation} {}", values.join(" "))
}

async fn put(world: &World, item: Value) {
    world.call("PutItem", &json!({"TableName": world.table("Users"), "Item": item})).await.unwrap();
}

/// Prepares users of every kind that cannot log in.
async fn prepare(world: &World) {
    let hash = hallpass_password::password::hash("topsecret", [1; 16]).unwrap();
    let user = |id: &str, name: &str, key: &str| {
        json!({
            "user_id": {"S": id}, "username": {"S": name}, "username_key": {"S": key},
            "status": {"S": "active"},
            "password_hash": {"S": hash}, "permissions": {"SS": ["ROLE_USER"]},
            "token_generation": {"N": "1"},
        })
    };
    world.set_user("2", "status", Some(text("blocked"))).await;
    put(world, user("21", "twin", "twin")).await;
    put(world, user("22", "twin", "twin")).await;
    put(world, user("23", "renamed", "stale")).await;
    put(world, user("not an id", "unreadable", "unreadable")).await;
    let mut odd = user("24", "odd", "odd");
    odd["permissions"] = json!({"M": {}});
    put(world, odd).await;
    let mut numbered = user("25", "numbered", "numbered");
    numbered["password_hash"] = json!({"N": "7"});
    put(world, numbered).await;
}

const REFUSED: [(&str, &str, &str); 14] = [
    ("a wrong password", "my_username", "wrong"),
    ("an unknown user", "unknown", "topsecret"),
    ("a blocked user with the right password", "admin", "letmein"),
    ("a user without a password", "ldap_user", "topsecret"),
    ("an application without one", "ci-bot", "topsecret"),
    ("two users of one name", "twin", "topsecret"),
    ("a name that only the index has", "stale", "topsecret"),
    ("a user with an unreadable ID", "unreadable", "topsecret"),
    ("a user with unreadable permissions", "odd", "wrong"),
    ("a user with an unreadable password hash", "numbered", "topsecret"),
    ("a name with an empty normal form", "\u{200b}", "topsecret"),
    ("a name with white space behind it", "my_username ", "topsecret"),
    ("a name with a capital letter that is no user's", "NO SUCH USER", "topsecret"),
    ("an endless name", LONG, "topsecret"),
];

const LONG: &str = match str::from_utf8(&[b'n'; 570]) {
    Ok(name) => name,
    Err(_) => panic!("ASCII"),
};

async fn calls(
    tap: &Tap,
    asking: impl Future<Output = u16>,
    status: u16,
    what: &str,
) -> Vec<String> {
    tap.seen();
    assert_eq!(asking.await, status, "{what}");
    tap.seen().iter().map(call).collect()
}

#[tokio::test]
async fn every_rejected_log_in_makes_the_same_calls_on_every_route() {
    let (world, tap) = World::tapped(&[("HALLPASS_APP_USER", "4")]).await;
    prepare(&world).await;
    for (method, route) in [
        ("POST", "/api/services_token/generate"),
        ("GET", "/rs/authorise"),
        ("GET", "/rs/authorize-implicit"),
        ("POST", "/rest/pat/1.0/token/user/create"),
        ("POST", "/rest/pat/1.0/token/app/create"),
    ] {
        let mut first = None;
        for (what, name, password) in REFUSED {
            let request = Request::new(method, route).authorization(&basic(name, password));
            let request = request.query("response_type", "token").query("client_id", "app");
            let request = request.json(&json!({"name": "a"}));
            let asking = async { world.send("Generate", request).await.status };
            let calls = calls(&tap, asking, 401, what).await;
            let first = first.get_or_insert_with(|| calls.clone());
            assert_eq!(&calls, first, "{route}: {what}");
            assert_eq!(calls.len(), 8, "{route}: {what} {calls:#?}");
            world.advance(60);
        }
    }
}

#[tokio::test]
async fn every_rejected_sign_in_makes_the_same_calls() {
    let (world, tap) = World::tapped(&[]).await;
    prepare(&world).await;
    let mut first = None;
    for (what, name, password) in REFUSED {
        let asking = async { WebClient::signing_in(&world, name, password).await.status };
        let calls = calls(&tap, asking, 401, what).await;
        let first = first.get_or_insert_with(|| calls.clone());
        assert_eq!(&calls, first, "{what}");
        world.advance(60);
    }
}

#[tokio::test]
async fn a_rate_limited_log_in_makes_the_same_calls_too() {
    let (world, tap) = World::tapped(&[]).await;
    prepare(&world).await;
    let mut first = None;
    for (what, name, password) in REFUSED {
        let attempt = async || {
            let request =
                Request::new("GET", "/rs/authorise").authorization(&basic(name, password));
            world.send("Generate", request).await.status
        };
        for _ in 0..5 {
            assert_eq!(attempt().await, 401, "{what}");
        }
        let calls = calls(&tap, attempt(), 429, what).await;
        let first = first.get_or_insert_with(|| calls.clone());
        assert_eq!(&calls, first, "{what}");
        world.advance(60);
    }
}
