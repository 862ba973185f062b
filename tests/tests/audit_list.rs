//! The audit log for administrators: `GET /audit` and `/admin/audit`, over a log in S3.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_audit::{Area, Entry, Event, Kind, Object};
use hallpass_sinks::bucket::Put;
use hallpass_token::Timestamp;
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::bearer,
    client::Reply,
    pages::WebClient,
    system::{System, members},
};

mod page;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// The start of the logs of the tests: 2026-01-01.
const BEGINNING: u64 = 1_767_225_600;

fn at(unix: u64) -> Timestamp {
    Timestamp::from_unix(unix).unwrap()
}

fn token_id(user_id: &str) -> String {
    format!("{user_id}.{}", "A".repeat(22))
}

/// Returns an event of a token of this user.
fn event(user_id: &str, version: u64, unix: u64) -> Event {
    Event {
        id: format!("{}#{version}", token_id(user_id)),
        kind: Kind::Changed,
        token_id: Some(token_id(user_id)),
        user_id: user_id.to_owned(),
        version: Some(version),
        at: at(unix),
        actor: "session:2".to_owned(),
        source: Some("192.0.2.7".to_owned()),
        agent: None,
        because: None,
        reason: None,
        request_id: None,
        expires_at: None,
        name: Some("laptop".to_owned()),
        changed: Vec::new(),
    }
}

/// Returns an event of a user.
fn user_event(user_id: &str, sequence_number: u64, unix: u64) -> Event {
    Event {
        id: format!("{user_id}#{sequence_number}"),
        kind: Kind::UserBlocked,
        token_id: None,
        version: None,
        name: None,
        ..event(user_id, 0, unix)
    }
}

/// Writes an object with these events, whose hour is that of the first.
async fn write(system: &System, area: Area, sequence_number: u64, events: Vec<Event>) {
    let first_at = events[0].at;
    let entry = |event| Entry {
        event,
        record: Value::Null,
        image_sha256: None,
        sequence_number: sequence_number.to_string(),
    };
    let entries: Vec<Entry> = events.into_iter().map(entry).collect();
    let object = Object::of_entries(area, first_at, &entries).unwrap();
    assert_eq!(system.audit_log().put(&object.key, object.bytes).await.unwrap(), Put::Now);
}

async fn list(system: &System, token: &str, query: &[(&str, &str)]) -> Reply {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    system.ask("GET", &format!("/audit?{query}"), &bearer(token)).await
}

/// Returns the IDs of the entries on every page, the first page first.
async fn pages(system: &System, token: &str, query: &[(&str, &str)]) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = query.to_vec();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = list(system, token, &query).await.body_of(200);
        let ids = page["entries"].as_array().unwrap().iter();
        pages.push(ids.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect());
        assert!(pages.len() < 20, "{pages:?}");
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn the_pages_show_every_entry_once_and_the_newest_first() {
    let system = System::start(&[]).await;
    let admin = system.token_of("admin", "letmein").await;
    // Days with many hours, hours with many objects, a long time without any, and objects of users
    // between those of tokens.
    let mut times = Vec::new();
    for day in [0, 1, 2, 70, 71, 550] {
        for hour in [0, 9, 10, 23] {
            let count = if day == 1 && hour == 10 { 20 } else { 2 };
            times
                .extend((0..count).map(|minute| BEGINNING + day * DAY + hour * HOUR + minute * 60));
        }
    }
    let mut expected = Vec::new();
    for (number, unix) in (1..).zip(&times) {
        let events: Vec<Event> =
            (0..3).map(|part| event("1", number * 10 + part, unix + part)).collect();
        expected.extend(events.iter().map(|event| event.id.clone()));
        write(&system, Area::Tokens, number, events).await;
        if number % 5 == 0 {
            let blocked = user_event("3", 1_000_000 + number, unix + 30);
            expected.push(blocked.id.clone());
            write(&system, Area::Users, 1_000_000 + number, vec![blocked]).await;
        }
    }
    expected.reverse();
    let all = [("from", "2026-01-01T00:00:00Z"), ("until", "2027-07-31T12:00:00Z")];
    let found = pages(&system, &admin, &all).await;
    let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
    assert!(lengths.iter().all(|length| *length < 60), "{lengths:?}");
    assert!(lengths.len() > 4, "{lengths:?}");
    // Entries of users and of tokens in the same hour have no common order.
    let of_users = |ids: &[String]| -> [Vec<String>; 2] {
        let (users, tokens) = ids.iter().cloned().partition(|id| id.starts_with("3#"));
        [users, tokens]
    };
    assert_eq!(of_users(&found.concat()), of_users(&expected));
    // A part of the time: the first second counts, the last does not.
    let middle = [("from", "2026-01-02T23:00:00Z"), ("until", "2026-01-03T10:01:00Z")];
    let is_within = |unix: u64| {
        (BEGINNING + DAY + 23 * HOUR..BEGINNING + 2 * DAY + 10 * HOUR + 60).contains(&unix)
    };
    let count =
        times.iter().flat_map(|unix| [*unix, unix + 1, unix + 2]).filter(|unix| is_within(*unix));
    let found = pages(&system, &admin, &middle).await.concat();
    let of_tokens = found.iter().filter(|id| id.starts_with("1.")).count();
    assert_eq!(of_tokens, count.count(), "{found:?}");
    // Of a user, of a token, and of both.
    let of = async |filter: &[(&str, &str)]| {
        pages(&system, &admin, &[&all, filter].concat()).await.concat()
    };
    let [of_user, of_token] = of_users(&expected);
    let token = token_id("1");
    assert_eq!(of(&[("user_id", "3")]).await, of_user);
    assert_eq!(of(&[("token_id", &token)]).await, of_token);
    assert_eq!(of(&[("user_id", "1"), ("token_id", &token)]).await, of_token);
    assert_eq!(of(&[("user_id", "3"), ("token_id", &token)]).await, [""; 0]);
    system.stop().await;
}

#[tokio::test]
async fn an_entry_is_the_detail_of_its_event() {
    let system = System::start(&[]).await;
    let admin = system.token_of("admin", "letmein").await;
    let unix = system.now().unix();
    let mut revoked = event("1", 2, unix);
    revoked.kind = Kind::Revoked;
    revoked.because = Some("lost laptop".to_owned());
    let detail = revoked.detail();
    write(&system, Area::Tokens, 1, vec![revoked]).await;
    let page = list(&system, &admin, &[]).await.body_of(200);
    assert_eq!(page, json!({"entries": [detail], "next": null}));
    assert_eq!(detail["kind"], "token.revoked");
    assert!(page["entries"][0].get("record").is_none(), "{page}");
    system.stop().await;
}

#[test]
fn the_document_has_every_kind_and_every_member_of_an_event() {
    let document: Value = yaml_serde::from_str(include_str!("../../openapi.yaml")).unwrap();
    let schema: Value = serde_json::from_str(hallpass_audit::event::SCHEMA).unwrap();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["EventKind"]["enum"], schema["properties"]["kind"]["enum"]);
    let entry = &schemas["AuditEntry"];
    assert_eq!(members(&entry["properties"]), members(&schema["properties"]));
    assert_eq!(entry["required"], schema["required"]);
}

#[tokio::test]
async fn administrators_alone_list_the_audit_log() {
    let system = System::start(&[]).await;
    let admin = system.token_of("admin", "letmein").await;
    let user = system.token_of("my_username", "topsecret").await;
    let scoped = async |token: &str, scope: &str| {
        let created = system.created(token, &json!({"name": "a", "scopes": [scope]})).await;
        created["token"].as_str().unwrap().to_owned()
    };
    let (narrow, wide) = (scoped(&admin, "ROLE_USER").await, scoped(&admin, "ROLE_ADMIN").await);
    for (name, token, status) in [
        ("administrator", admin.as_str(), 200),
        ("administrator with the scope", &wide, 200),
        ("administrator with another scope", &narrow, 403),
        ("user", &user, 403),
        ("no token", "nonsense", 401),
    ] {
        // A caller without the permission does not learn which parameters are right.
        for query in [&[][..], &[("user_id", "1")]] {
            assert_eq!(list(&system, token, query).await.status, status, "{name} {query:?}");
        }
    }
    assert_eq!(list(&system, &user, &[("x", "y")]).await.status, 403);
    assert_eq!(system.send("GET", "/audit", &[], "").await.status, 401);
    system.stop().await;
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let system = System::start(&[]).await;
    let admin = system.token_of("admin", "letmein").await;
    for (query, member) in [
        (&[("user_id", "?")][..], "user_id"),
        (&[("user_id", "")], "user_id"),
        (&[("token_id", "1")], "token_id"),
        (&[("token_id", "")], "token_id"),
        (&[("from", "yesterday")], "from"),
        (&[("from", "2026-01-01")], "from"),
        (&[("until", "1800000000")], "until"),
        (&[("from", "2026-01-02T00:00:00Z"), ("until", "2026-01-02T00:00:00Z")], "until"),
        (&[("cursor", "nonsense")], "cursor"),
        (&[("cursor", "")], "cursor"),
        (&[("limit", "5")], "limit"),
        (&[("userid", "5")], "userid"),
    ] {
        let problem = list(&system, &admin, query).await.body_of(400);
        assert_eq!(problem["member"], member, "{query:?} {problem}");
    }
    system.stop().await;
}

#[tokio::test]
async fn a_cursor_is_for_its_own_caller_and_query_alone() {
    let system = System::start(&[]).await;
    let permissions = AttributeValue::Ss(vec!["ROLE_ADMIN".to_owned()]);
    system.set_user("1", "permissions", permissions).await;
    let admin = system.token_of("admin", "letmein").await;
    let other = system.token_of("my_username", "topsecret").await;
    let events =
        |from: u64| (0..60).map(|part| event("1", from + part, BEGINNING + part)).collect();
    write(&system, Area::Tokens, 1, events(1)).await;
    write(&system, Area::Tokens, 2, events(61)).await;
    let query = [("from", "2026-01-01T00:00:00Z"), ("until", "2026-01-02T00:00:00Z")];
    let page = list(&system, &admin, &query).await.body_of(200);
    let cursor = page["next"].as_str().unwrap();
    assert!(!cursor.contains("audit"), "{cursor}");
    let with = async |token: &str, query: &[(&str, &str)]| {
        list(&system, token, &[query, &[("cursor", cursor)]].concat()).await.status
    };
    assert_eq!(with(&admin, &query).await, 200);
    assert_eq!(with(&other, &query).await, 400);
    assert_eq!(with(&admin, &query[..1]).await, 400);
    assert_eq!(with(&admin, &[&query[..], &[("user_id", "1")]].concat()).await, 400);
    assert_eq!(with(&admin, &[&query[..], &[("token_id", &token_id("1"))]].concat()).await, 400);
    let tokens = format!("/tokens?cursor={cursor}");
    assert_eq!(system.ask("GET", &tokens, &bearer(&admin)).await.status, 400);
    let mut browser = WebClient::signed_in(&system, "admin", "letmein").await;
    let page = format!("/admin/tokens?cursor={cursor}");
    assert_eq!(browser.get(&page).await.status, 400);
    system.stop().await;
}

#[tokio::test]
async fn a_stack_without_an_audit_log_says_so() {
    let world = World::new().await;
    let request = || Request::new("GET", "/audit");
    let admin = bearer(&world.token_of("admin", "letmein").await);
    let problem = world.send("Console", request().authorization(&admin)).await.problem(404);
    let detail = "This stack keeps no audit log. Its parameter Audit must be on.";
    assert_eq!(problem["detail"], detail);
    let user = bearer(&world.token().await);
    world.send("Console", request().authorization(&user)).await.problem(403);
    let mut browser = tests::web_client::WebClient::signed_in(&world, "admin", "letmein").await;
    let page = browser.open("Console", Request::new("GET", "/admin/audit")).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(page.body.contains(detail), "{}", page.body);
}

#[tokio::test]
async fn without_s3_nothing_else_fails() {
    let world = World::with(&[
        ("HALLPASS_AUDIT_BUCKET", "log"),
        ("HALLPASS_AUDIT_KEY", "alias/log"),
        ("HALLPASS_S3_ENDPOINT", "http://127.0.0.1:9"),
    ])
    .await;
    let admin = bearer(&world.token_of("admin", "letmein").await);
    let audit = Request::new("GET", "/audit").authorization(&admin);
    world.send("Console", audit).await.problem(503);
    let tokens = Request::new("GET", "/tokens").authorization(&admin);
    assert_eq!(world.send("Console", tokens).await.status, 200);
}
