//! The usage and the history of a token: who reads them, and how they look on its page.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_audit::{Event, History, Kind, Usage};
use hallpass_store::maintainers::Maintenance;
use hallpass_token::{Format, Timestamp, TokenId, Value as Attribute};
use serde_json::{Value, json};
use tests::{
    Request, Response, START, World,
    api::{bearer, text},
    html::{Element, elements},
    web_client::WebClient,
};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn at(unix: u64) -> Timestamp {
    Timestamp::from_unix(unix).unwrap()
}

/// Returns an event of this token, at the start time.
fn event(id: &TokenId, version: u64, kind: Kind, actor: &str, because: Option<&str>) -> Event {
    Event {
        id: format!("{id}#{version}"),
        kind,
        token_id: Some(id.to_string()),
        user_id: id.user_id.to_string(),
        version: Some(version),
        at: at(START),
        actor: actor.to_owned(),
        source: None,
        agent: None,
        because: because.map(str::to_owned),
        reason: None,
        request_id: None,
        expires_at: None,
        name: None,
        changed: Vec::new(),
    }
}

async fn write(world: &World, id: &TokenId, note: BTreeMap<String, Attribute>) {
    let read = world.store.note(id).await.unwrap();
    assert!(world.store.write_note(id, &read, note, Timestamp::MAX).await.unwrap());
}

/// Writes a note with uses in three hours and two changes.
async fn write_known(world: &World, id: &TokenId) {
    let mut usage = Usage::default();
    usage.record(at(START - 95 * DAY), Some("198.51.100.0/24"), None);
    usage.record(at(START - DAY), Some("192.0.2.0/24"), Some("curl"));
    usage.record(at(START - DAY + HOUR), Some("192.0.2.0/24"), Some("curl"));
    usage.record(at(START + 5), Some("2001:db8::/56"), Some("my-app"));
    let mut history = History::default();
    history.add(&event(id, 1, Kind::Issued, "user:1", None));
    history.add(&event(id, 2, Kind::Disabled, "session:2", Some("lost laptop")));
    let mut note = usage.to_attributes();
    note.extend(history.to_attributes());
    write(world, id, note).await;
}

async fn show(world: &World, token: &str, id: &str) -> Response {
    let request = Request::new("GET", "/tokens/{id}/usage").parameter("id", id);
    world.send("Console", request.authorization(&bearer(token))).await
}

#[tokio::test]
async fn the_usage_of_a_token_has_its_hours_networks_agents_and_changes() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let id = token.record.id;
    write_known(&world, &id).await;
    let expected = json!({
        "days": [
            {"date": "2027-01-14", "hours": [8, 9]},
            {"date": "2027-01-15", "hours": [8]},
        ],
        "networks": [
            {"network": "2001:db8::/56", "last_seen_at": "2027-01-15T08:00:05Z"},
            {"network": "192.0.2.0/24", "last_seen_at": "2027-01-14T09:00:00Z"},
        ],
        "agents": [
            {"agent": "my-app", "last_seen_at": "2027-01-15T08:00:05Z"},
            {"agent": "curl", "last_seen_at": "2027-01-14T09:00:00Z"},
        ],
        "changes": [
            {
                "version": 2, "kind": "token.disabled", "at": "2027-01-15T08:00:00Z",
                "actor": "session:2", "because": "lost laptop",
            },
            {
                "version": 1, "kind": "token.issued", "at": "2027-01-15T08:00:00Z",
                "actor": "user:1", "because": null,
            },
        ],
    });
    for name in ["current", &id.to_string()] {
        let response = show(&world, &token.text, name).await;
        assert_eq!((response.status, response.json()), (200, expected.clone()), "{name}");
        assert_eq!(response.header("cache-control"), "no-store");
    }
    let unused = world.create_token(Format::Signed, "1", 2).await;
    let response = show(&world, &unused.text, "current").await;
    let empty = json!({"days": [], "networks": [], "agents": [], "changes": []});
    assert_eq!((response.status, response.json()), (200, empty));
}

/// Creates a token of this user with these scopes.
async fn scoped(world: &World, token: &str, scopes: &[&str]) -> String {
    let body = json!({"name": "scoped", "scopes": scopes});
    world.created(token, &body).await["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_can_see_a_token_can_see_its_usage_and_no_one_else() {
    let world = World::new().await;
    let set =
        |names: &[&str]| AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect());
    world.set_user("1", "permissions", Some(set(&["ROLE_USER", "tokens"]))).await;
    let (account, maintainer) = ("4".parse().unwrap(), "1".parse().unwrap());
    let added = world.store.add_maintainer(&account, &maintainer, &tests::CAUSE).await.unwrap();
    assert_eq!(added, Maintenance::Now);
    let own = world.create_token(Format::Signed, "1", 1).await;
    let of_account = world.create_token(Format::Signed, "4", 2).await;
    let owner = world.token().await;
    let narrow = scoped(&world, &owner, &["ROLE_USER"]).await;
    let manager = scoped(&world, &owner, &["tokens"]).await;
    let other = world.create_token(Format::Signed, "3", 3).await.text;
    let admin = world.token_of("admin", "letmein").await;
    let narrow_admin = scoped(&world, &admin, &["ROLE_USER"]).await;
    let scoped_admin = scoped(&world, &admin, &["ROLE_ADMIN"]).await;
    // For each caller: its own token, one of user 1, and one of the service account.
    for (name, caller, expected) in [
        ("owner", &owner, [200, 200, 200]),
        ("owner with another scope", &narrow, [200, 404, 404]),
        ("owner with the permission for tokens", &manager, [200, 200, 200]),
        ("another user", &other, [200, 404, 404]),
        ("administrator", &admin, [200, 200, 200]),
        ("administrator with another scope", &narrow_admin, [200, 404, 404]),
        ("administrator with the scope", &scoped_admin, [200, 200, 200]),
        ("the service account", &of_account.text, [200, 404, 200]),
    ] {
        let ids = ["current", &own.record.id.to_string(), &of_account.record.id.to_string()];
        let mut statuses = Vec::new();
        for id in ids {
            statuses.push(show(&world, caller, id).await.status);
        }
        assert_eq!(statuses, expected, "{name}");
        let unknown = format!("1.{}", "A".repeat(22));
        for id in [unknown.as_str(), "1", "?", "1.A"] {
            assert_eq!(show(&world, caller, id).await.status, 404, "{name} {id}");
        }
    }
    let anonymous = Request::new("GET", "/tokens/{id}/usage").parameter("id", "current");
    assert_eq!(world.send("Console", anonymous).await.status, 401);
}

async fn page(browser: &mut WebClient<'_>, id: &TokenId) -> Response {
    let request = Request::new("GET", "/profile/developer/tokens/{id}");
    browser.open("Console", request.parameter("id", &id.to_string())).await
}

/// Returns the text of a page, with one space between its words.
fn words(page: &[Element]) -> String {
    let texts: Vec<&str> = page.iter().flat_map(|one| one.text.split_whitespace()).collect();
    texts.join(" ")
}

#[tokio::test]
async fn the_page_of_a_token_draws_its_uses_and_tells_its_history() {
    let world = World::new().await;
    let id = world.create_token(Format::Signed, "1", 1).await.record.id;
    let mut browser = WebClient::signed_in(&world, "my_username", "topsecret").await;
    let empty = page(&mut browser, &id).await;
    let shown = words(&elements(&empty.body));
    for expected in ["It was never used.", "No change is recorded yet."] {
        assert!(shown.contains(expected), "{expected} {shown}");
    }
    assert!(!empty.body.contains("<svg"), "{}", empty.body);
    write_known(&world, &id).await;
    let found = page(&mut browser, &id).await;
    let found = elements(&found.body);
    let map = found.iter().find(|element| element.name == "svg").unwrap();
    assert_eq!(map.attribute("role"), Some("img"));
    let title = map.attribute("aria-labelledby");
    let sentence = found.iter().find(|element| element.attribute("id") == title).unwrap();
    assert_eq!(sentence.text.trim(), "Used in 3 hours of the last 90 days, last on 2027-01-15.");
    let cells = found.iter().find(|element| element.attribute("class") == Some("used")).unwrap();
    assert_eq!(cells.attribute("d"), Some("M88 8h1v2h-1zM89 8h1v1h-1z"));
    let shown = words(&found);
    for expected in [
        "Day Hours (UTC) 2027-01-15 08 2027-01-14 08–09",
        "Last networks 2001:db8::/56 less than a minute ago 192.0.2.0/24 23 hours ago",
        "Last clients my-app less than a minute ago curl 23 hours ago",
        "History disabled by an administrator: lost laptop 2027-01-15 08:00 UTC",
        "created by you 2027-01-15 08:00 UTC",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in {shown}");
    }
    // A token whose last use is older than the map.
    world.advance(100 * DAY);
    browser.sign_in_again(&world, "my_username", "topsecret").await;
    let shown = page(&mut browser, &id).await;
    assert!(words(&elements(&shown.body)).contains("It was never used."), "{}", shown.body);
}

/// Values that must remain text.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "&lt;b&gt; &amp; ’",
    "--></svg><!--",
    "]]>",
];

#[tokio::test]
async fn no_value_of_a_note_breaks_the_page() {
    let world = World::new().await;
    let id = world.create_token(Format::Signed, "1", 1).await.record.id;
    let mut browser = WebClient::signed_in(&world, "my_username", "topsecret").await;
    for hostile in HOSTILE {
        let mut usage = Usage::default();
        usage.record(at(START), Some(hostile), Some(hostile));
        let mut history = History::default();
        history.add(&event(&id, 1, Kind::Issued, hostile, Some(hostile)));
        let operator = format!("operator:{hostile}");
        history.add(&event(&id, 2, Kind::Changed, &operator, Some("\u{2067}a\u{1b}")));
        let mut note = usage.to_attributes();
        note.extend(history.to_attributes());
        write(&world, &id, note).await;
        let response = page(&mut browser, &id).await;
        let found = elements(&response.body);
        let shown = found.iter().filter(|one| one.name == "bdi" && one.text == hostile).count();
        assert_eq!(shown, 5, "{hostile} {}", response.body);
        assert!(found.iter().any(|one| one.text == "\u{fffd}a\u{fffd}"), "{}", response.body);
    }
    let attribute = |name: &str, value| BTreeMap::from([(name.to_owned(), value)]);
    let number = |number: &str| Attribute::Number(number.to_owned());
    for (name, value) in [
        ("hours", number("1")),
        ("hours", Attribute::Bytes(vec![1])),
        ("hours", Attribute::Bytes(vec![1; 3_000])),
        ("first_day", number("1e40")),
        ("first_day", Attribute::Text("1".to_owned())),
        ("networks", Attribute::List(Vec::new())),
        ("networks", Attribute::Map(attribute("a", number("-1")))),
        ("agents", Attribute::Map(attribute("a", Attribute::Null))),
    ] {
        write(&world, &id, attribute(name, value.clone())).await;
        let response = page(&mut browser, &id).await;
        let shown = words(&elements(&response.body));
        assert_eq!(response.status, 200, "{name} {value:?}");
        assert!(shown.contains("The use of this token cannot be read now."), "{name} {value:?}");
        assert!(shown.contains("No change is recorded yet."), "{name} {value:?}");
        let token = world.token().await;
        assert_eq!(show(&world, &token, &id.to_string()).await.status, 503, "{name} {value:?}");
    }
    for value in
        [Attribute::Null, Attribute::List(vec![Attribute::Map(attribute("at", number("1")))])]
    {
        write(&world, &id, attribute("changes", value.clone())).await;
        let shown = words(&elements(&page(&mut browser, &id).await.body));
        assert!(shown.contains("The history of this token cannot be read now."), "{value:?}");
        assert!(shown.contains("It was never used."), "{value:?}");
    }
    // An item whose counter is no number.
    let key = [("user_id", format!("usage#{id}")), ("token", "usage".to_owned())];
    let mut item: tests::tables::Item =
        key.map(|(name, value)| (name.to_owned(), text(&value))).into();
    item.insert("written".to_owned(), text("many"));
    item.insert("hours".to_owned(), AttributeValue::Bool(true));
    world.put("Tokens", item).await;
    assert_eq!(page(&mut browser, &id).await.status, 200);
    let shown: Value = show(&world, &world.token().await, &id.to_string()).await.json();
    assert_eq!(shown["status"], 503, "{shown}");
}
