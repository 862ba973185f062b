//! Who can ask about which token, what each sees, and requests that are rejected.

use tests::{tables::TestToken, web_client::WebClient};

use super::*;

/// The users with the permissions of the table of rights, and their tokens.
struct Callers {
    world: World,
    all: Vec<(&'static str, TestToken)>,
}

/// The service account that user 1 maintains.
const ACCOUNT: &str = "4";

impl Callers {
    async fn new() -> Self {
        let world = World::new().await;
        let set = |names: &[&str]| {
            Some(AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect()))
        };
        world.set_user("1", "permissions", set(&["ROLE_USER", "tokens"])).await;
        world.set_user("3", "permissions", set(&["ROLE_USER", "introspect"])).await;
        let (account, user) = (ACCOUNT.parse().unwrap(), "1".parse().unwrap());
        world.store.add_maintainer(&account, &user, &tests::CAUSE).await.unwrap();
        let mut all = Vec::new();
        for (seed, name, user_id, scope) in [
            (1, "own", "1", None),
            (2, "tokens", "1", Some("tokens")),
            (3, "scoped", "1", Some("ROLE_USER")),
            (4, "admin", "2", None),
            (5, "scoped admin", "2", Some("ROLE_USER")),
            (6, "other", "3", None),
            (7, "account", ACCOUNT, None),
        ] {
            let scope: Option<hallpass_token::Scope> =
                scope.map(|name| [name.parse().unwrap()].into_iter().collect());
            let set = |record: &mut hallpass_token::Record| record.scope = scope;
            all.push((name, world.create_token_with(Format::Signed, user_id, seed, set).await));
        }
        Self { world, all }
    }

    fn token(&self, name: &str) -> &TestToken {
        &self.all.iter().find(|(of, _)| *of == name).unwrap().1
    }
}

#[tokio::test]
async fn a_token_is_explained_to_those_who_can_manage_it() {
    let callers = Callers::new().await;
    for (caller, visible) in [
        ("own", &["own", "tokens", "scoped", "account"][..]),
        ("tokens", &["own", "tokens", "scoped", "account"]),
        ("scoped", &["scoped"]),
        ("admin", &["own", "tokens", "scoped", "admin", "scoped admin", "other", "account"]),
        ("scoped admin", &["scoped admin"]),
        ("other", &["other"]),
        ("account", &["account"]),
    ] {
        let asking = &callers.token(caller).text;
        for (name, token) in &callers.all {
            let by_id = json!({"token_id": token.record.id.to_string()});
            let by_id = ask(&callers.world, asking, &by_id).await;
            let by_text = json!({"token": token.text});
            let by_text = explained(&callers.world, asking, &by_text).await;
            let expected = visible.contains(name);
            assert_eq!(by_id.status, if expected { 200 } else { 404 }, "{caller}, {name}");
            assert_eq!(by_text["verdict"] == "accepted", expected, "{caller}, {name}");
        }
    }
}

#[tokio::test]
async fn every_text_that_the_caller_cannot_manage_looks_the_same() {
    let callers = Callers::new().await;
    let world = &callers.world;
    let other = &callers.token("other").text;
    let hidden = &callers.token("own").text;
    let expected = explained(world, other, &json!({"token": hidden})).await;
    assert_eq!((failed(&expected), &expected["reason"]), (Some("record"), &json!("unknown")));
    assert!(expected.get("token_id").is_none(), "{expected}");
    let developer = world.create_token(Format::Developer, "1", 20).await.text;
    let old = developer.clone();
    let newer = world.create_token(Format::Developer, "1", 21).await.text;
    let jwt = world.create_token(Format::Jwt, "1", 22).await.text;
    let unwritten = world.unwritten(Format::Signed, "1", 23).await.text;
    let unknown_developer = world.unwritten(Format::Developer, "1", 24).await.text;
    let ended = world.create_token(Format::Signed, "1", 25).await.text;
    assert_eq!(world.revoke(&ended).await.status, 200);
    let looks = [&old, &newer, &jwt, &unwritten, &unknown_developer, &ended];
    let forgeries: Vec<String> = looks.iter().map(|text| forged(text)).collect();
    for text in looks.into_iter().chain(&forgeries).chain([&forged(hidden)]) {
        assert_eq!(explained(world, other, &json!({"token": text})).await, expected, "{text}");
    }
    world.remove_user("1").await;
    assert_eq!(explained(world, other, &json!({"token": hidden})).await, expected);
}

#[tokio::test]
async fn administrators_alone_see_the_names_of_attributes_and_who_changed_the_record() {
    let settings = [("HALLPASS_INVALIDATE_ON", "username,plan")];
    let world = World::with(&settings).await;
    let admin = world.token_of("admin", "letmein").await;
    world.set_user("3", "plan", Some(text("small"))).await;
    let body = json!({"name": "a", "user_id": "3"});
    let token = world.created(&admin, &body).await;
    world.set_user("3", "plan", Some(text("large"))).await;
    let owner = world.create_token(Format::Signed, "3", 40).await.text;
    let body = json!({"token": token["token"]});
    for (asking, changed, is_admin) in [(&owner, "other", false), (&admin, "plan", true)] {
        let seen = explained(&world, asking, &body).await;
        assert_eq!(check_named(&seen, "fingerprint")["changed"], json!([changed]), "{seen}");
        assert_eq!(seen.get("last_change").is_some(), is_admin, "{seen}");
    }
    let revoke = Request::new("DELETE", "/tokens/{id}")
        .parameter("id", token["id"].as_str().unwrap())
        .query("reason", "lost laptop")
        .authorization(&bearer(&admin));
    assert_eq!(world.send("Revoke", revoke).await.status, 200);
    let seen = explained(&world, &admin, &body).await;
    let LastChange { by, because, at } = LastChange::of(&seen);
    assert_eq!((because.as_str(), at), ("lost laptop", world.now().to_string()));
    assert!(by.starts_with("2."), "{by}");
    let seen = explained(&world, &owner, &body).await;
    assert!(!seen.to_string().contains("lost laptop"), "{seen}");
}

/// The member `last_change`.
struct LastChange {
    by: String,
    because: String,
    at: String,
}

impl LastChange {
    fn of(explanation: &Value) -> Self {
        let part = |name: &str| explanation["last_change"][name].as_str().unwrap().to_owned();
        Self { by: part("by"), because: part("because"), at: part("at") }
    }
}

#[tokio::test]
async fn a_request_that_names_no_token_or_two_or_half_a_call_is_rejected() {
    let world = World::new().await;
    let token = world.token().await;
    let check = async |body: Value, member: &str| {
        let problem = ask(&world, &token, &body).await.problem(400);
        assert_eq!(problem["member"], member, "{body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains(&token[token.len() - 43..]), "{detail}");
    };
    check(json!({}), "token_id").await;
    check(json!({"token_id": "current", "token": token}), "token").await;
    for id in ["", "1", "other", "1.a", token.as_str()] {
        check(json!({"token_id": id}), "token_id").await;
    }
    check(json!({"token_id": 1}), "token_id").await;
    check(json!({"token": [token]}), "token").await;
    check(json!({"token": token, "method": "GET"}), "path").await;
    check(json!({"token": token, "path": "/"}), "method").await;
    check(json!({"token": token, "method": "get", "path": "/"}), "method").await;
    check(json!({"token": token, "method": "GET", "path": "a"}), "path").await;
    check(json!({"token": token, "method": "GET", "path": "/?a=b"}), "path").await;
    check(json!({"token": token, "source_ip": "192.0.2.1"}), "source_ip").await;
    check(json!({"token_id": "current", "verbose": true}), "verbose").await;
}

#[tokio::test]
async fn only_a_live_token_can_ask() {
    let world = World::new().await;
    let token = world.token().await;
    let body = json!({"token_id": "current"});
    for caller in ["", "nonsense", &forged(&token)] {
        assert_eq!(ask(&world, caller, &body).await.status, 401, "{caller}");
    }
    let request = || Request::new("POST", "/explain").json(&body);
    assert_eq!(world.send("Console", request()).await.status, 401);
    let password = tests::basic("my_username", "topsecret");
    assert_eq!(world.send("Console", request().authorization(&password)).await.status, 401);
    let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
    assert_eq!(web_client.open("Console", request()).await.status, 401);
    assert_eq!(ask(&world, &token, &body).await.json()["verdict"], "accepted");
    assert_eq!(world.revoke(&token).await.status, 200);
    assert_eq!(ask(&world, &token, &body).await.status, 401);
}
