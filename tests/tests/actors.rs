//! Every change of a record and of a user names its cause in the same write: who, from where, with
//! which request, and why. The version counts the changes, and nothing else.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Record};
use serde_json::{Value, json};
use tests::{Request, Response, World, api::bearer, tables::Item, web_client::WebClient};

/// The ID of every request of these tests.
const REQUEST: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";

const SOURCE: &str = "192.0.2.1";

/// A record, or a user, and what it says about its last change.
struct Named {
    actor: String,
    version: Option<u64>,
    because: Option<String>,
}

fn member<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).map(|value| value.as_s().or(value.as_n()).unwrap().as_str())
}

/// Checks the cause in an item, which a request from [`SOURCE`] changed.
fn check(item: &Item, expected: &Named, case: &str) {
    assert_eq!(member(item, "changed_by"), Some(expected.actor.as_str()), "{case}");
    assert_eq!(member(item, "changed_because"), expected.because.as_deref(), "{case}");
    let is_system = expected.actor == "system";
    assert_eq!(member(item, "changed_from"), (!is_system).then_some(SOURCE), "{case}");
    assert_eq!(member(item, "request_id"), (!is_system).then_some(REQUEST), "{case}");
    assert!(member(item, "changed_at").is_some(), "{case}");
    let version = member(item, "version").map(|version| version.parse().unwrap());
    assert_eq!(version, expected.version, "{case}");
}

struct Ground {
    world: World,
    admin: String,
    admin_id: String,
}

impl Ground {
    async fn new() -> Self {
        let world = World::new().await;
        let admin = world.token_of("admin", "letmein").await;
        let admin_id = current(&world, &admin).await;
        Self { world, admin: bearer(&admin), admin_id }
    }

    async fn item(&self, id: &str) -> Item {
        let record = self.world.record(&id.parse().unwrap()).await;
        self.world.record_item(&record).await
    }

    /// Checks the record of this token after its `version`th change.
    async fn check(&self, id: &str, version: u64, actor: &str, because: Option<&str>, case: &str) {
        let because = because.map(str::to_owned);
        let expected = Named { actor: actor.to_owned(), version: Some(version), because };
        check(&self.item(id).await, &expected, case);
    }

    async fn check_user(&self, id: &str, actor: &str, because: Option<&str>, case: &str) {
        let because = because.map(str::to_owned);
        let expected = Named { actor: actor.to_owned(), version: None, because };
        check(&self.world.user_item(id).await, &expected, case);
    }

    async fn send(&self, function: &str, request: Request, status: u16) -> Response {
        let response = self.world.send(function, request).await;
        assert_eq!(response.status, status, "{}", response.body);
        response
    }
}

/// Returns the ID of a token.
async fn current(world: &World, token: &str) -> String {
    let request = Request::new("GET", "/tokens/{id}").parameter("id", "current");
    let response = world.send("Console", request.authorization(&bearer(token))).await;
    response.json()["id"].as_str().unwrap().to_owned()
}

fn revoke_by_text(token: &str, reason: &str) -> Request {
    let reason = reason.replace('\n', "%0A").replace(' ', "+");
    Request::new("POST", "/oauth/revoke")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(&format!("token={token}&reason={reason}"))
}

fn id_and_text(body: &Value) -> (String, String) {
    (body["id"].as_str().unwrap().to_owned(), body["token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_change_through_the_api_names_its_cause() {
    let ground = Ground::new().await;
    let Ground { world, admin, admin_id } = &ground;
    ground.check(admin_id, 1, "user:2", None, "issued with a password").await;

    let body = json!({"name": "deployment"});
    let (id, first) = id_and_text(&world.create(admin, &body).await.json());
    ground.check(&id, 1, admin_id, None, "issued by a token").await;

    let patch = |body: Value| {
        Request::new("PATCH", "/tokens/{id}").parameter("id", &id).json(&body).authorization(admin)
    };
    let disable = json!({"disabled": true, "reason": "found in a chat"});
    ground.send("Revoke", patch(disable), 200).await;
    ground.check(&id, 2, admin_id, Some("found in a chat"), "disabled").await;
    ground.send("Revoke", patch(json!({"disabled": false, "reason": "x"})), 400).await;
    ground.send("Revoke", patch(json!({"disabled": false})), 200).await;
    ground.check(&id, 3, admin_id, None, "enabled: the earlier reason is gone").await;

    let rotate = Request::new("POST", "/tokens/{id}/rotate").parameter("id", &id);
    let rotated = ground.send("Generate", rotate.authorization(&bearer(&first)), 201).await;
    let (new, second) = id_and_text(&rotated.json());
    ground.check(&id, 4, &id, None, "rotated by itself").await;
    ground.check(&new, 1, &id, None, "issued by the rotation").await;
    assert_eq!(world.verdict(&bearer(&second)).await, "allow");
    ground.check(&id, 5, &new, None, "replaced at the first use").await;
    ground.check(&new, 2, &new, None, "replaces no more").await;

    let delete = Request::new("DELETE", "/tokens/{id}").parameter("id", &new);
    let delete = delete.query("reason", "leaked").authorization(admin);
    ground.send("Revoke", delete, 200).await;
    ground.check(&new, 3, admin_id, Some("leaked"), "revoked").await;
    assert_eq!(world.verdict(&bearer(&second)).await, "leaked");

    let (id, token) = id_and_text(&world.create(admin, &body).await.json());
    ground.send("Revoke", revoke_by_text(&token, "lost laptop"), 200).await;
    ground.check(&id, 2, &id, Some("lost laptop"), "revoked by its text").await;

    let developer = Request::new("POST", "/profile/developer").authorization(admin);
    let developer = ground.send("Generate", developer, 201).await.json();
    let token = developer["token"].as_str().unwrap();
    let id = current(world, token).await;
    ground.check(&id, 1, admin_id, None, "the developer token").await;

    let all = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1");
    let all = all.query("reason", "left the company").authorization(admin);
    ground.send("Revoke", all, 200).await;
    ground.check_user("1", admin_id, Some("left the company"), "all tokens revoked").await;
}

#[tokio::test]
async fn a_reason_that_is_no_short_text_is_rejected_on_every_route_and_revokes_nothing() {
    let ground = Ground::new().await;
    let Ground { world, admin, .. } = &ground;
    let (id, token) = id_and_text(&world.create(admin, &json!({"name": "a"})).await.json());
    let long = "x".repeat(201);
    for reason in ["", " ", "a\nb", &long] {
        let one = Request::new("DELETE", "/tokens/{id}").parameter("id", &id);
        let all = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "2");
        let disable = Request::new("PATCH", "/tokens/{id}").parameter("id", &id);
        let requests = [
            one.query("reason", reason).authorization(admin),
            all.query("reason", reason).authorization(admin),
            disable.json(&json!({"disabled": true, "reason": reason})).authorization(admin),
            revoke_by_text(&token, reason),
        ];
        for request in requests {
            let response = world.send("Revoke", request).await;
            assert_eq!(response.problem(400)["member"], "reason", "{reason:?}");
        }
    }
    ground.check(&id, 1, &ground.admin_id, None, "unchanged").await;
    let secret = format!("posted {token} in a chat");
    let one = Request::new("DELETE", "/tokens/{id}").parameter("id", &id);
    ground.send("Revoke", one.query("reason", &secret).authorization(admin), 200).await;
    let item = ground.item(&id).await;
    let kept = member(&item, "changed_because").unwrap();
    let secret = token.rsplit('.').next().unwrap();
    assert!(!kept.contains(secret) && kept.starts_with("posted "), "{kept}");
}

#[tokio::test]
async fn every_change_on_the_pages_names_the_session() {
    let ground = Ground::new().await;
    let (world, admin) = (&ground.world, &ground.admin);
    let (id, _) = id_and_text(&world.create(admin, &json!({"name": "a"})).await.json());
    let mut browser = WebClient::signed_in(world, "admin", "letmein").await;
    let key = |fields: &'static [(&'static str, &'static str)]| {
        (fields, "/admin/users/{user_id}/tokens/{id}")
    };
    let with_reason = key(&[("do", "delete"), ("reason", "old")]);
    for (version, (fields, route)) in
        (2..).zip([key(&[("do", "disable")]), key(&[("do", "enable")]), with_reason])
    {
        let form = Request::new("POST", route).parameter("user_id", "2").parameter("id", &id);
        let response = browser.submit("Revoke", form, fields).await;
        assert_eq!(response.status, 303, "{}", response.body);
        ground.check(&id, version, "session:2", fields.get(1).map(|field| field.1), route).await;
    }
    let (id, _) = id_and_text(&world.create(admin, &json!({"name": "b"})).await.json());
    let revoke = || Request::new("POST", "/profile/developer/tokens/{id}").parameter("id", &id);
    let too_long = "x".repeat(201);
    let response = browser.submit("Revoke", revoke(), &[("reason", &too_long)]).await;
    assert_eq!(response.status, 400, "{}", response.body);
    let response = browser.submit("Revoke", revoke(), &[("reason", "unused")]).await;
    assert_eq!(response.status, 303, "{}", response.body);
    ground.check(&id, 2, "session:2", Some("unused"), "own").await;
    let access = "/admin/users/{user_id}/access";
    for (action, function, route, because) in [
        ("block", "Revoke", access, Some("gone")),
        ("unblock", "Revoke", access, Some("back")),
        ("revoke-all", "Revoke", access, None),
        ("full-name", "Generate", "/admin/users/{user_id}/profile", None),
    ] {
        let form = Request::new("POST", route).parameter("user_id", "1");
        let reason = because.unwrap_or_default();
        let fields = [("do", action), ("full_name", "Ada King"), ("reason", reason)];
        let response = browser.submit(function, form, &fields).await;
        assert_eq!(response.status, 303, "{action}: {}", response.body);
        ground.check_user("1", "session:2", because, action).await;
    }
}

#[tokio::test]
async fn a_change_by_prune_is_of_the_system_and_a_use_is_no_change() {
    let ground = Ground::new().await;
    let world = &ground.world;
    let (id, text) = id_and_text(&world.created(&world.token().await, &json!({"name": "a"})).await);
    for hour in 1..4 {
        assert_eq!(world.verdict(&bearer(&text)).await, "allow", "{hour}");
        world.advance(3_600);
    }
    let item = ground.item(&id).await;
    assert_eq!(member(&item, "version"), Some("1"), "a use is no change");
    assert_eq!(member(&item, "last_used_from"), Some("192.0.2.0/24"));
    world.set_user("1", "username", Some(AttributeValue::S("someone else".to_owned()))).await;
    world.deliver(world.user_stream()).await;
    let record: Record = world.record(&id.parse().unwrap()).await;
    assert!(record.revoked.is_some());
    ground.check(&id, 2, "system", None, "invalidated").await;
}

#[tokio::test]
async fn a_request_that_repeats_a_write_whose_response_was_lost_counts_one_change() {
    let (world, tap) = World::tapped(&[]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    tap.inject("UpdateItem", 0, 1, tests::tap::Fault::Lose);
    assert_eq!(world.revoke(&token.text).await.status, 200);
    let item = world.record_item(&world.record(&token.record.id).await).await;
    assert_eq!(member(&item, "version"), Some("2"));
    assert_eq!(item.get("changed_by"), Some(&AttributeValue::S(token.record.id.to_string())));
}
