//! A record is at most 4,096 bytes long, with any contents, on every route that issues it, and with
//! everything that is added later.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_store::size::excess;
use hallpass_token::{Format, Permission, Reason, Record, Revocation};
use serde_json::{Value, json};
use tests::{Request, World, api::bearer, basic, tables::Item};

const MAX: usize = 4_096;

const HOUR: u64 = 3_600;

/// A change of a record after it was issued.
type Addition = fn(&mut Record);

/// The longest list of scopes that is accepted: 1,400 bytes with separators.
fn permissions() -> Vec<String> {
    (0..200).map(|number| format!("p{number:05}")).collect()
}

/// Returns the size in bytes as DynamoDB measures it, rounded up where the measure is not exact.
fn bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + bytes_of(value)).sum()
}

fn bytes_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len() / 2 + 2,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(set) => set.iter().map(|element| element.len() + 1).sum::<usize>() + 3,
        AttributeValue::L(list) => {
            list.iter().map(|element| bytes_of(element) + 1).sum::<usize>() + 3
        }
        other => panic!("{other:?}"),
    }
}

/// Creates a world whose records have the longest attributes that settings and users can give them.
async fn world() -> World {
    let names: Vec<String> = (0..12).map(|number| format!("application-{number:02}")).collect();
    let names = names.join(",");
    let settings = [("HALLPASS_INVALIDATE_ON", names.as_str()), ("HALLPASS_APP_USER", "1")];
    let limits = [("HALLPASS_MAX_TOKENS", "1000"), ("HALLPASS_MAX_TOKENS_TOTAL", "2000")];
    let world = World::with(&[settings, limits].concat()).await;
    let all = permissions().into_iter().chain([
        "ROLE_ADMIN".to_owned(),
        "ROLE_USER".to_owned(),
        "tokens".to_owned(),
    ]);
    for id in ["1", "2"] {
        world.set_user(id, "permissions", Some(AttributeValue::Ss(all.clone().collect()))).await;
    }
    world
}

async fn longest(world: &World) -> usize {
    let response = world
        .dynamodb
        .scan()
        .table_name(world.table("Tokens"))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    response.items().iter().map(bytes).max().unwrap_or_default()
}

/// Does everything that adds attributes to a record later.
async fn live_through(world: &World, admin: &str, body: &Value) {
    let (token, id) = (body["token"].as_str().unwrap(), body["id"].as_str().unwrap());
    assert_eq!(world.verdict(&bearer(token)).await, "allow");
    for disabled in [true, false] {
        let switch = Request::new("PATCH", "/tokens/{id}")
            .parameter("id", id)
            .json(&json!({"disabled": disabled}));
        assert_eq!(world.send("Revoke", switch.authorization(&bearer(admin))).await.status, 200);
    }
    let rotate = Request::new("POST", "/tokens/{id}/rotate").parameter("id", id);
    let response = world.send("Generate", rotate.authorization(&bearer(token))).await;
    assert_eq!(response.status, 201, "{}", response.body);
    assert_eq!(world.verdict(&bearer(response.json()["token"].as_str().unwrap())).await, "allow");
    assert_eq!(world.verdict(&bearer(token)).await, "replaced");
}

#[tokio::test]
async fn a_description_that_would_make_the_record_too_long_is_rejected_and_named_by_every_route() {
    let world = world().await;
    let admin = world.token_of("admin", "letmein").await;
    for format in ["signed", "jwt"] {
        for user_id in ["1", "2"] {
            for character in ["x", "é", "日", "𝄞"] {
                let body = |length: usize| {
                    json!({
                        "name": character.repeat(100), "description": character.repeat(length),
                        "format": format, "scopes": permissions(), "user_id": user_id,
                        "expires_in": HOUR,
                    })
                };
                let authorization = bearer(&admin);
                let create =
                    async |length: usize| world.create(&authorization, &body(length)).await;
                let (mut fits, mut exceeds) = (0, 1_001);
                while exceeds - fits > 1 {
                    let middle = usize::midpoint(fits, exceeds);
                    let response = create(middle).await;
                    if response.status == 201 {
                        fits = middle;
                    } else {
                        let problem = response.problem(400);
                        assert_eq!(problem["member"], "description", "{problem}");
                        assert!(
                            problem["detail"]
                                .as_str()
                                .unwrap()
                                .contains("a record has at most 4096 bytes")
                        );
                        exceeds = middle;
                    }
                }
                let case = format!("{format} for {user_id}: {fits} of {character}");
                assert!(fits * character.len() >= 700, "{case}");
                assert!(
                    character.len() > 1 || fits == 1_000,
                    "{case}: any description of ASCII has room"
                );
                live_through(&world, &admin, &create(fits).await.json()).await;
                assert!(longest(&world).await <= MAX, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn every_other_route_that_issues_a_token_stays_within_the_bound_at_its_longest() {
    let world = world().await;
    let name = "𝄞".repeat(100);
    let end = world.now().after(std::time::Duration::from_secs(HOUR)).to_string();
    let rarog = json!({"name": name, "expiration": end, "authorities": permissions()});
    for route in ["/rest/pat/1.0/token/user/create", "/rest/pat/1.0/token/app/create"] {
        let request =
            Request::new("POST", route).json(&rarog).authorization(&basic("admin", "letmein"));
        let response = world.send("Generate", request).await;
        assert_eq!(response.status, 200, "{route}: {}", response.body);
    }
    let limited = json!({"name": name, "scopes": permissions()});
    let limited = world.created(&world.token_of("admin", "letmein").await, &limited).await;
    let limited = bearer(limited["token"].as_str().unwrap());
    for (method, route) in [
        ("POST", "/api/services_token/generate"),
        ("POST", "/profile/developer"),
        ("GET", "/rs/authorise"),
    ] {
        for authorization in [&limited, &basic("admin", "letmein")] {
            let request = Request::new(method, route).authorization(authorization);
            let response = world.send("Generate", request).await;
            assert!(
                [200, 201, 302, 401, 403].contains(&response.status),
                "{method} {route}: {}",
                response.body
            );
        }
    }
    assert!(longest(&world).await <= MAX);
    assert!(permissions().iter().all(|name| name.parse::<Permission>().is_ok()));
}

#[tokio::test]
async fn the_excess_of_a_record_is_counted_from_its_first_byte_too_many() {
    let world = World::new().await;
    let mut record = world.unwritten(Format::Signed, "1", 1).await.record;
    let fits = (1..MAX).rev().find(|length| {
        record.description = Some("x".repeat(*length));
        excess(&record).is_none()
    });
    for more in 0..3 {
        record.description = Some("x".repeat(fits.unwrap() + more));
        assert_eq!(excess(&record), Some(more).filter(|more| *more > 0));
    }
    // What is added to the record later is included.
    let additions: [Addition; 9] = [
        |record| record.issued_by = record.id.to_string(),
        |record| record.expiry_cap = Some(record.issued_at),
        |record| record.disabled_at = Some(record.issued_at),
        |record| {
            record.revoked = Some(Revocation { at: record.issued_at, because: Reason::Revoked });
        },
        |record| record.replaces = Some(record.id.hash),
        |record| record.replaced_by = Some(record.id.hash),
        |record| record.replaced_at = Some(record.issued_at),
        |record| record.last_used_at = Some(record.issued_at),
        |record| record.purge_at = None,
    ];
    for (index, add) in additions.into_iter().enumerate() {
        let mut later = record.clone();
        add(&mut later);
        assert_eq!(excess(&later), Some(2), "{index}");
    }
    record.issued_by = format!("{}x", record.id);
    assert_eq!(excess(&record), Some(3));
}
