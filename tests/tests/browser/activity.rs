//! The use and the history of a token, and the audit log, as [`crate::looks`] looks at every page.

use std::{collections::BTreeMap, time::Duration};

use hallpass_audit::{Area, Entry, Event, History, Kind, Object, Usage};
use hallpass_token::{Timestamp, TokenId, Value as Attribute};
use serde_json::{Value, json};
use tests::system::System;

use crate::{browser::Browser, looks::judge};

/// Returns what happened to this token, the oldest first.
fn events(id: &TokenId, now: Timestamp) -> Vec<Event> {
    let stories = [
        (Kind::Issued, "user:1", None, 30),
        (Kind::Disabled, "session:2", Some("lost laptop"), 9),
        (Kind::Enabled, "operator:arn:aws:sts::123456789012:assumed-role/operations/ada", None, 8),
        (Kind::Expiring, "system", None, 1),
    ];
    let event =
        |(version, (kind, actor, because, days)): (u64, (Kind, &str, Option<&str>, u64))| Event {
            id: format!("{id}#{version}"),
            kind,
            token_id: Some(id.to_string()),
            user_id: "1".to_owned(),
            version: Some(version),
            at: now.before(Duration::from_secs(days * 86_400)),
            actor: actor.to_owned(),
            source: (actor != "system").then(|| "2001:db8:1:2345:6:7:8:9".to_owned()),
            agent: None,
            because: because.map(str::to_owned),
            reason: None,
            request_id: None,
            expires_at: None,
            name: Some("nightly build of the reports".to_owned()),
            changed: Vec::new(),
        };
    (1..).zip(stories).map(event).collect()
}

/// Returns the note of a token that a job uses at night and a person by day.
fn note(events: &[Event], now: Timestamp) -> BTreeMap<String, Attribute> {
    let mut usage = Usage::default();
    for hours in (0..80 * 24_u64).rev() {
        let at = now.before(Duration::from_secs(hours * 3_600));
        let (day, hour) = (at.unix() / 86_400, at.unix() / 3_600 % 24);
        if hour == 3 {
            usage.record(at, Some("192.0.2.0/24"), Some("curl"));
        } else if day % 7 < 5 && (8..17).contains(&hour) && !(day * 31 + hour * 7).is_multiple_of(5)
        {
            usage.record(at, Some("2001:db8:1:2300::/56"), Some("Mozilla"));
        }
    }
    let mut history = History::default();
    for event in events {
        history.add(event);
    }
    let mut note = usage.to_attributes();
    note.extend(history.to_attributes());
    note
}

/// Writes each event to the audit log.
async fn keep(system: &System, events: Vec<Event>) {
    for (number, event) in (1..).zip(events) {
        let at = event.at;
        let sequence_number = number.to_string();
        let entry = Entry { event, record: Value::Null, image_sha256: None, sequence_number };
        let object = Object::of_entries(Area::Tokens, at, &[entry]).unwrap();
        system.audit_log().put(&object.key, object.bytes).await.unwrap();
    }
}

#[tokio::test]
async fn the_pages_of_what_happened_are_accessible() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    let Some(mut judge) = judge(&browser) else { return };
    let token = system.token_of("my_username", "topsecret").await;
    let create = async |name: &str| {
        let body = json!({"name": name, "scopes": ["ROLE_USER"]});
        system.created(&token, &body).await["id"].as_str().unwrap().to_owned()
    };
    let (used, unused) = (create("nightly build of the reports").await, create("laptop").await);
    let (id, now) = (used.parse::<TokenId>().unwrap(), system.now());
    let events = events(&id, now);
    let read = system.store().note(&id).await.unwrap();
    let note = note(&events, now);
    assert!(system.store().write_note(&id, &read, note, Timestamp::MAX).await.unwrap());

    browser.sign_in("", "my_username", "topsecret").await;
    browser.with_text("h1", "Tokens").await;
    for (name, id) in [("token-use", used), ("token-unused", unused)] {
        browser.open(&format!("/profile/developer/tokens/{id}")).await;
        judge.look(name, &[]).await;
    }
    browser.open("/profile/developer/").await;
    browser.click_on(".who button", "Sign out").await;
    browser.sign_in("", "admin", "letmein").await;
    browser.with_text("h1", "Tokens").await;
    browser.open("/admin/audit").await;
    judge.look("audit-none", &[]).await;
    keep(&system, events).await;
    for (name, query) in
        [("audit", ""), ("audit-user", "?who=my_username"), ("audit-wrong", "?who=a+b")]
    {
        browser.open(&format!("/admin/audit{query}")).await;
        judge.look(name, &[]).await;
    }
    judge.conclude();
    drop(browser);
    system.stop().await;
}
