//! The response of an operator to a leak: revoking the family of a stolen token and everything that
//! it issued.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_service::{
    Revoker,
    family::{Issuer, Search},
};
use hallpass_token::{Cause, Format, TokenId};
use serde_json::{Value, json};
use tests::{Request, Response, World, api::bearer, tables::RETENTION};

mod families;
mod reports;

async fn descendants(world: &World, caller: &str, id: &str, cursor: Option<&str>) -> Response {
    let request =
        Request::new("DELETE", "/tokens/{id}").parameter("id", id).query("descendants", "true");
    let request = match cursor {
        Some(cursor) => request.query("cursor", cursor),
        None => request,
    };
    world.send("Revoke", request.authorization(&bearer(caller))).await
}

/// Repeats the request until it is complete. Returns the number of revoked tokens and of requests.
async fn all_descendants(world: &World, caller: &str, id: &str) -> (u64, u64) {
    let (mut revoked, mut requests, mut cursor) = (0, 0, None::<String>);
    loop {
        let response = descendants(world, caller, id, cursor.as_deref()).await;
        let body = response.json();
        assert!([200, 202].contains(&response.status), "{body}");
        assert_eq!(body["effective_at"], world.now().to_string());
        revoked += body["revoked"].as_u64().unwrap();
        requests += 1;
        cursor = body["next"].as_str().map(str::to_owned);
        assert_eq!(response.status == 202, cursor.is_some());
        if cursor.is_none() {
            return (revoked, requests);
        }
    }
}

fn text_of(issued: &Value) -> &str {
    issued["token"].as_str().unwrap()
}

fn id_of(issued: &Value) -> &str {
    issued["id"].as_str().unwrap()
}

async fn own_id(world: &World, token: &str) -> String {
    let request = Request::new("GET", "/tokens/{id}")
        .parameter("id", "current")
        .authorization(&bearer(token));
    id_of(&world.send("Console", request).await.json()).to_owned()
}

/// What a thief did with an administrator's token, and what others did meanwhile.
struct Theft {
    stolen: String,
    id: String,
    /// The tokens that must be revoked.
    issued: Vec<(&'static str, String)>,
    /// The tokens that must stay live.
    others: Vec<(&'static str, String)>,
}

async fn theft(world: &World) -> Theft {
    let stolen = world.token_of("admin", "letmein").await;
    let id = own_id(world, &stolen).await;
    let bystander = world.token_of("admin", "letmein").await;
    let of_user = world.created(&stolen, &json!({"name": "a", "user_id": "1"})).await;
    let jwt = world.created(&stolen, &json!({"name": "b", "user_id": "1", "format": "jwt"})).await;
    let own = world.created(&stolen, &json!({"name": "c"})).await;
    let by_own = world.created(text_of(&own), &json!({"name": "d", "user_id": "1"})).await;
    let by_user = world.created(text_of(&of_user), &json!({"name": "e"})).await;
    let renewed = world.generate(&bearer(text_of(&by_user))).await.json();
    let developer =
        Request::new("POST", "/profile/developer").authorization(&bearer(text_of(&by_user)));
    let developer = world.send("Generate", developer).await.json();
    let victim = world.created(&bystander, &json!({"name": "f", "user_id": "1"})).await;
    let rotate = Request::new("POST", "/tokens/{id}/rotate").parameter("id", id_of(&victim));
    let rotated = world.send("Generate", rotate.authorization(&bearer(&stolen))).await.json();
    let good = world.created(&bystander, &json!({"name": "g", "user_id": "1"})).await;
    let password = world.token().await;
    let text = |issued: &Value| text_of(issued).to_owned();
    Theft {
        issued: vec![
            ("for a user", text(&of_user)),
            ("a JWT for a user", text(&jwt)),
            ("for itself", text(&own)),
            ("by what it issued for itself, for a user", text(&by_own)),
            ("by what it issued for a user", text(&by_user)),
            ("generated from that", text(&renewed)),
            ("the developer token of that", text(&developer)),
            ("rotated from another's", text(&rotated)),
        ],
        others: vec![
            ("an administrator's", bystander),
            ("issued by that", text(&good)),
            ("by password", password),
        ],
        stolen,
        id,
    }
}

impl Theft {
    async fn check(&self, world: &World, ended: bool) {
        for (what, token) in &self.issued {
            assert_eq!(world.verdict(&bearer(token)).await == "allow", !ended, "{what}");
        }
        for (what, token) in &self.others {
            assert_eq!(world.verdict(&bearer(token)).await, "allow", "{what}");
        }
    }
}

#[tokio::test]
async fn everything_a_family_issued_for_any_user_is_revoked_and_nothing_else() {
    let world = World::new().await;
    let theft = theft(&world).await;
    theft.check(&world, false).await;
    let admin = world.token_of("admin", "letmein").await;
    let family =
        Request::new("DELETE", "/tokens/{id}").parameter("id", &theft.id).query("family", "true");
    let response = world.send("Revoke", family.authorization(&bearer(&admin))).await;
    assert_eq!((response.status, &response.json()["revoked"]), (200, &json!(1)));
    assert_eq!(world.verdict(&bearer(&theft.stolen)).await, "revoked");
    theft.check(&world, false).await;
    let (revoked, requests) = all_descendants(&world, &admin, &theft.id).await;
    assert_eq!((revoked, requests), (u64::try_from(theft.issued.len()).unwrap(), 1));
    theft.check(&world, true).await;
    assert_eq!(
        all_descendants(&world, &admin, &theft.id).await.0,
        0,
        "the second time none is left"
    );
}

#[tokio::test]
async fn the_line_of_descent_outlives_the_records_in_between() {
    let world = World::new().await;
    let theft = theft(&world).await;
    let admin = world.token_of("admin", "letmein").await;
    // The thief revokes the issuing tokens, and their records are purged.
    let gone = ["for a user", "for itself", "by what it issued for a user"];
    let mut purged: Vec<TokenId> = vec![theft.id.parse().unwrap()];
    for (what, token) in &theft.issued {
        if gone.contains(what) {
            purged.push(own_id(&world, token).await.parse().unwrap());
        }
    }
    for id in &purged {
        let record = world.record(id).await;
        world.delete(&admin, &id.to_string()).await;
        world.store.withdraw(&record, &tests::CAUSE).await.unwrap();
    }
    let live = theft.issued.iter().filter(|(what, _)| !gone.contains(what)).count();
    let user = world.token().await;
    descendants(&world, &user, &theft.id, None).await.problem(404);
    let (revoked, _) = all_descendants(&world, &admin, &theft.id).await;
    assert_eq!(revoked, u64::try_from(live).unwrap());
    theft.check(&world, true).await;
}

#[tokio::test]
async fn a_token_whose_record_is_gone_leads_to_its_family() {
    let world = World::new().await;
    let first = world.token_of("admin", "letmein").await;
    let renewed = world.generate(&bearer(&first)).await.json();
    let id = own_id(&world, text_of(&renewed)).await;
    let by_first = world.created(&first, &json!({"name": "a", "user_id": "1"})).await;
    let by_renewed = world.created(text_of(&renewed), &json!({"name": "b", "user_id": "1"})).await;
    let record = world.record(&id.parse().unwrap()).await;
    world.store.withdraw(&record, &tests::CAUSE).await.unwrap();
    let admin = world.token_of("admin", "letmein").await;
    assert_eq!(all_descendants(&world, &admin, &id).await.0, 3, "both, and the rest of the family");
    for token in [first.as_str(), text_of(&by_first), text_of(&by_renewed)] {
        assert_eq!(world.verdict(&bearer(token)).await, "revoked");
    }
    assert_eq!(world.verdict(&bearer(&admin)).await, "allow");
}

#[tokio::test]
async fn tokens_issued_during_the_search_are_revoked_too() {
    let world = World::new().await;
    let stolen = world.token_of("admin", "letmein").await;
    let id: TokenId = own_id(&world, &stolen).await.parse().unwrap();
    let filler = world
        .create_token_with(Format::Signed, "3", 9, |record| {
            record.description = Some("x".repeat(3_000));
        })
        .await;
    world.multiply(&filler, 850).await;
    let retention = Duration::from_secs(RETENTION);
    let revoker = Revoker { store: &world.store, retention, cause: Cause::system(world.now()) };
    let mut search = Search::new(Issuer::find(&world.store, id).await.unwrap());
    let (mut loot, mut steps, mut count) = (Vec::<String>::new(), 0, 0_u64);
    loop {
        // Before each of the first steps, the thief issues everything that the live tokens can
        // issue.
        if steps < 6 {
            let mut issuers = loot.clone();
            issuers.push(stolen.clone());
            for (number, issuer) in issuers.iter().enumerate() {
                for user in ["1", "2", "4"] {
                    let body = json!({"name": format!("{steps} {number}"), "user_id": user});
                    let response = world.create(&bearer(issuer), &body).await;
                    if response.status == 201 {
                        loot.push(text_of(&response.json()).to_owned());
                    }
                }
            }
        }
        let step = search.step(&revoker).await.unwrap();
        // A search can be saved and resumed at any point.
        search = Search::from_text(&search.to_text()).unwrap();
        count += step.revoked;
        steps += 1;
        if step.is_over {
            break;
        }
        assert!(steps < 50, "the search ends once nothing more is issued");
    }
    assert!(steps > 6 && loot.len() > 18, "{steps} {}", loot.len());
    assert_eq!(usize::try_from(count).unwrap(), loot.len());
    for token in &loot {
        assert_eq!(world.verdict(&bearer(token)).await, "revoked");
    }
    assert_eq!(
        world.verdict(&bearer(&stolen)).await,
        "allow",
        "the family itself was not to be revoked"
    );
}

#[tokio::test]
async fn a_token_without_administration_revokes_what_it_issued_for_its_own_user_alone() {
    let world = World::new().await;
    let user = world.token().await;
    let child = world.created(&user, &json!({"name": "a"})).await;
    let narrow = world.created(&user, &json!({"name": "n", "scopes": ["ROLE_USER"]})).await;
    let by_narrow = world.created(text_of(&narrow), &json!({"name": "m"})).await;
    let rejected = descendants(&world, text_of(&narrow), "current", None).await;
    assert_eq!(rejected.problem(403)["error"], "insufficient_scope");
    let response = descendants(&world, &user, "current", None).await;
    assert_eq!((response.status, &response.json()["revoked"]), (200, &json!(4)));
    for token in [&user, text_of(&child), text_of(&narrow), text_of(&by_narrow)] {
        assert_eq!(world.verdict(&bearer(token)).await, "revoked");
    }
}

#[tokio::test]
async fn a_search_of_many_pages_continues_where_it_stopped() {
    let world = World::new().await;
    let stolen = world.token_of("admin", "letmein").await;
    let id = own_id(&world, &stolen).await;
    let big = "x".repeat(3_000);
    let filler = world
        .create_token_with(Format::Signed, "3", 9, |record| record.description = Some(big.clone()))
        .await;
    // Five megabytes of the table, of which one request scans four.
    world.multiply(&filler, 1_700).await;
    let issued = world.created(&stolen, &json!({"name": "a", "user_id": "1"})).await;
    let admin = world.token_of("admin", "letmein").await;
    let (revoked, requests) = all_descendants(&world, &admin, &id).await;
    assert_eq!(revoked, 2);
    assert!(requests > 1, "{requests}");
    assert_eq!(world.verdict(&bearer(text_of(&issued))).await, "revoked");
    let first = descendants(&world, &admin, &id, None).await.json();
    let cursor = first["next"].as_str().unwrap();
    let family = world.record(&id.parse().unwrap()).await.family.id.to_string();
    for word in [&id, &family, "~", "\n"] {
        assert!(!cursor.contains(word), "{cursor}");
    }
    let is_opaque =
        cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    assert!(is_opaque, "{cursor}");
    // A cursor is valid for its own token and caller alone, and unaltered.
    let other = own_id(&world, &world.token().await).await;
    let (start, rest) = cursor.split_at(30);
    let changed = format!("{start}{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, &rest[1..]);
    let longer = format!("{cursor}A");
    // The text of the cursor before it was signed.
    let plain = format!("{family}~~0~");
    for (id, cursor) in [
        (id.as_str(), "nonsense"),
        (&id, ""),
        (&id, &changed),
        (&id, &longer),
        (&id, &plain),
        (&other, cursor),
    ] {
        assert_eq!(
            descendants(&world, &admin, id, Some(cursor)).await.problem(400)["member"],
            "cursor",
            "{cursor}"
        );
    }
    world
        .set_user("1", "permissions", Some(AttributeValue::Ss(vec!["ROLE_ADMIN".to_owned()])))
        .await;
    let another = world.token().await;
    assert_eq!(
        descendants(&world, &another, &id, Some(cursor)).await.problem(400)["member"],
        "cursor"
    );
    let same_user = world.token_of("admin", "letmein").await;
    assert_eq!(descendants(&world, &same_user, &id, Some(cursor)).await.status, 200);
}

#[tokio::test]
async fn effective_at_is_in_every_response_that_revokes_or_disables() {
    const AT: &str = "2027-01-15T08:05:00Z";
    let world = World::with(&[("HALLPASS_AUTHORIZER_CACHE_TTL", "5m")]).await;
    let admin = world.token_of("admin", "letmein").await;
    let by_admin = |request: Request| request.authorization(&bearer(&admin));
    let token = world.create_token(Format::Signed, "1", 1).await.record.id.to_string();
    let of_token = |method: &str| Request::new(method, "/tokens/{id}").parameter("id", &token);
    for disabled in [true, false] {
        let request = by_admin(of_token("PATCH").json(&json!({"disabled": disabled})));
        assert_eq!(world.send("Revoke", request).await.json()["effective_at"], AT);
    }
    for request in [
        of_token("DELETE"),
        of_token("DELETE").query("family", "true"),
        of_token("DELETE").query("descendants", "true"),
        Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1"),
    ] {
        assert_eq!(world.send("Revoke", by_admin(request)).await.json()["effective_at"], AT);
    }
    let rarog = world.create_token(Format::Signed, "1", 2).await.record.id.to_string();
    let request = Request::new("DELETE", "/rest/pat/1.0/token/{id}").parameter("id", &rarog);
    let response = world.send("Revoke", by_admin(request)).await;
    assert_eq!(
        (response.status, response.header("hallpass-effective-at"), response.body.as_str()),
        (204, AT, "")
    );
    let text = world.create_token(Format::Signed, "1", 3).await.text;
    // RFC 7009 has no body, so nothing is revealed about the posted token.
    for text in [text.as_str(), &text, "nonsense"] {
        let response = world.revoke(text).await;
        assert_eq!(
            (response.status, response.header("hallpass-effective-at"), response.body.as_str()),
            (200, AT, "")
        );
    }
}

#[tokio::test]
async fn get_tokens_rejects_a_parameter_that_it_does_not_know() {
    let world = World::new().await;
    let token = world.token().await;
    let check = async |name: &str, member: &str| {
        let problem = world.list(&token, &[("limit", "5"), (name, "1")]).await.problem(400);
        assert_eq!(problem["member"], member, "{name}");
        assert!(
            problem["detail"].as_str().unwrap().contains("user_id, limit, cursor"),
            "{problem}"
        );
    };
    check("userid", "userid").await;
    check("User_id", "query").await;
    check("page", "page").await;
    check(&token, "query").await;
    check("", "query").await;
    assert_eq!(world.list(&token, &[("limit", "5"), ("user_id", "1")]).await.status, 200);
    let other = Request::new("GET", "/tokens/{id}").parameter("id", "current").query("x", "1");
    assert_eq!(
        world.send("Console", other.authorization(&bearer(&token))).await.status,
        200,
        "on that route alone"
    );
}
