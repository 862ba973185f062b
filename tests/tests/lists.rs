//! Pages of `GET /tokens`: full for every caller, with a `next` only if the caller can see more,
//! and cursors that are valid for one list and reveal nothing.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_runtime::entropy;
use hallpass_service::Context;
use hallpass_token::Format;
use hallpass_web::view::Tokens;
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
};

/// Returns the IDs on every page of this caller's list.
async fn pages(world: &World, token: &str, query: &[(&str, &str)]) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = query.to_vec();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let response = world.list(token, &query).await;
        assert_eq!(response.status, 200, "{}", response.body);
        let page = response.json();
        let ids = page["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["id"].as_str().unwrap().to_owned());
        pages.push(ids.collect());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return pages;
        }
    }
}

/// Checks that at every limit, a list of `expected` tokens comes in pages that are all full but the
/// last, which is not empty.
async fn check(world: &World, token: &str, query: &[(&str, &str)], expected: usize) -> Vec<String> {
    let mut whole = Vec::new();
    for limit in 1..=expected + 1 {
        let text = limit.to_string();
        let pages = pages(world, token, &[query, &[("limit", text.as_str())]].concat()).await;
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        let full = vec![limit; expected / limit];
        let rest = [expected % limit];
        let lengths_expected = [full.as_slice(), if rest == [0] { &[] } else { &rest }].concat();
        assert_eq!(lengths, lengths_expected, "limit {limit} of {expected}");
        whole = pages.concat();
        let mut once = whole.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), expected, "no token is listed twice");
    }
    whole
}

#[tokio::test]
async fn pages_are_full_and_have_a_next_only_if_the_caller_can_see_more() {
    let world = World::new().await;
    let permissions = ["ROLE_USER", "tokens"].map(str::to_owned).to_vec();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(permissions))).await;
    let (whole, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let narrow = world.created(&whole, &json!({"name": "narrow", "scopes": ["ROLE_USER"]})).await;
    let narrow = narrow["token"].as_str().unwrap();
    check(&world, narrow, &[], 1).await;
    for number in 0..4 {
        world.created(&whole, &json!({"name": format!("of the whole {number}")})).await;
        world.created(narrow, &json!({"name": format!("of the narrow {number}")})).await;
    }
    let seen = check(&world, narrow, &[], 5).await;
    let all = check(&world, &whole, &[], 10).await;
    assert!(seen.iter().all(|id| all.contains(id)));
    check(&world, &admin, &[("user_id", "1")], 10).await;
    let developer = world.create_token(Format::Developer, "1", 9).await.text;
    check(&world, &developer, &[], 11).await;
    // Expired and revoked tokens are listed until they are purged. Sessions in the same partition
    // are not.
    world.set_user("1", "username", Some(text("renamed"))).await;
    check(&world, &admin, &[("user_id", "1")], 11).await;
}

#[tokio::test]
async fn a_narrow_token_finds_its_own_behind_pages_of_others() {
    let world = World::new().await;
    let whole = world.token().await;
    let narrow = world.created(&whole, &json!({"name": "narrow", "scopes": ["ROLE_USER"]})).await;
    let other = world.create_token(Format::Signed, "1", 7).await;
    // More than one read of the table returns.
    world.multiply(&other, 1_200).await;
    check(&world, narrow["token"].as_str().unwrap(), &[], 1).await;
}

#[tokio::test]
async fn a_cursor_is_valid_for_its_own_list_alone_and_shows_no_id() {
    let world = World::new().await;
    let (user, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    for token in [&user, &admin] {
        world.created(token, &json!({"name": "one"})).await;
        world.created(token, &json!({"name": "two"})).await;
    }
    let next = async |token: &str, query: &[(&str, &str)]| {
        let page = world.list(token, &[query, &[("limit", "1")]].concat()).await.json();
        (
            page["next"].as_str().unwrap().to_owned(),
            page["tokens"][0]["id"].as_str().unwrap().to_owned(),
        )
    };
    let of_user = [("user_id", "1")];
    let (own, id) = next(&user, &[]).await;
    let (of_admin, _) = next(&admin, &[]).await;
    let (of_admin_for_user, _) = next(&admin, &of_user).await;
    let hash = id.split_once('.').unwrap().1;
    let place = [BASE64_URL_SAFE_NO_PAD.decode(hash).unwrap(), hash.as_bytes().to_vec()];
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&own).unwrap();
    for place in &place {
        assert!(
            !bytes.windows(place.len()).any(|part| part == place.as_slice()),
            "the place is not in clear"
        );
    }
    let status = async |token: &str, query: &[(&str, &str)], cursor: &str| {
        let response = world.list(token, &[query, &[("cursor", cursor)]].concat()).await;
        if response.status == 400 {
            assert_eq!(response.problem(400)["member"], Value::from("cursor"));
        }
        response.status
    };
    assert_eq!(status(&user, &[], &own).await, 200);
    assert_eq!(status(&admin, &[], &of_admin).await, 200);
    assert_eq!(status(&admin, &of_user, &of_admin_for_user).await, 200);
    for (token, query, cursor) in [
        (&user, &[][..], &of_admin),
        (&user, &[], &of_admin_for_user),
        (&admin, &of_user, &own),
        (&admin, &[], &of_admin_for_user),
        (&admin, &of_user, &of_admin),
    ] {
        assert_eq!(status(token, query, cursor).await, 400);
    }
    let forged =
        [BASE64_URL_SAFE_NO_PAD.encode(hash.as_bytes()), "A".repeat(44), own[1..].to_owned()];
    for cursor in &forged {
        assert_eq!(status(&user, &[], cursor).await, 400, "{cursor}");
    }
}

#[tokio::test]
async fn pages_and_lists_without_pages_read_a_bounded_part_of_very_many_tokens() {
    let world = World::new().await;
    let caller = world.created(&world.token().await, &json!({"name": "mine"})).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let revoked = world
        .create_token_with(Format::Signed, "1", 1, |record| {
            let because = hallpass_token::Reason::Revoked;
            record.revoked = Some(hallpass_token::Revocation { at: record.issued_at, because });
        })
        .await;
    world.multiply(&revoked, 1_500).await;
    let user = world.store.user(&"1".parse().unwrap()).await.unwrap().unwrap();
    let (service, randomness) = (world.service(), entropy::randomness());
    let context = Context::new(&service, world.now(), &randomness);
    let shown = async || Tokens::of(&context, &user).await.unwrap();
    let few_live = shown().await;
    assert!(
        !few_live.is_all && few_live.all().all(hallpass_web::view::Row::is_live),
        "{}",
        few_live.shown()
    );
    assert_eq!(few_live.shown(), 2);
    let named = world
        .create_token_with(Format::Signed, "1", 2, |record| record.name = Some("many".to_owned()))
        .await;
    world.multiply(&named, 1_500).await;
    assert_eq!(shown().await.shown(), 200);
    let request = Request::new("GET", "/rest/pat/1.0/token").authorization(&bearer(&caller));
    let response = world.send("Console", request).await;
    assert_eq!((response.status, response.json().as_array().unwrap().len()), (200, 1_000));
}

/// Tokens of one user in different states, with the caller's own.
async fn varied(world: &World) -> String {
    let admin = world.token_of("admin", "letmein").await;
    let permissions = AttributeValue::Ss(["ROLE_USER", "a"].map(str::to_owned).to_vec());
    world.set_user("1", "permissions", Some(permissions)).await;
    let create = async |body: Value| {
        let mut whole = json!({"user_id": "1"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        world.created(&admin, &whole).await
    };
    let used = create(json!({"name": "used", "expires_in": "1d"})).await;
    create(json!({"name": "unused", "scopes": ["a"], "expires_in": "30d"})).await;
    let disabled = create(json!({"name": "disabled", "scopes": ["ROLE_USER"]})).await;
    let revoked = create(json!({"name": "revoked"})).await;
    let leaked = create(json!({"name": "leaked"})).await;
    let id = |token: &Value| token["id"].as_str().unwrap().to_owned();
    let of = |method: &str, token: &Value| {
        let request = Request::new(method, "/tokens/{id}").parameter("id", &id(token));
        request.authorization(&bearer(&admin))
    };
    world.send("Revoke", of("PATCH", &disabled).json(&json!({"disabled": true}))).await;
    world.send("Revoke", of("DELETE", &revoked)).await;
    world.send("Revoke", of("DELETE", &leaked).query("reason", "leaked")).await;
    world.advance(7_200);
    assert_eq!(world.verdict(&bearer(used["token"].as_str().unwrap())).await, "allow");
    admin
}

#[tokio::test]
async fn a_list_is_filtered_by_state_expiry_use_permission_and_name() {
    let world = World::new().await;
    let admin = varied(&world).await;
    let within = |days: u64| world.now().after(std::time::Duration::from_secs(days * 86_400));
    let (soon, later, now) = (within(2).to_string(), within(40).to_string(), within(0).to_string());
    let hour_ago = world.now().before(std::time::Duration::from_secs(3_600)).to_string();
    let check = async |query: &[(&str, &str)], expected: &[&str]| {
        let query = [&[("user_id", "1")], query].concat();
        let page = world.list(&admin, &query).await.json();
        let names = page["tokens"].as_array().unwrap().iter();
        let mut names: Vec<&str> = names.map(|token| token["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{query:?}");
    };
    check(&[], &["disabled", "leaked", "revoked", "unused", "used"]).await;
    check(&[("state", "active")], &["unused", "used"]).await;
    check(&[("state", "disabled")], &["disabled"]).await;
    check(&[("state", "leaked")], &["leaked"]).await;
    check(&[("state", "inactive")], &["leaked", "revoked"]).await;
    check(&[("expires_before", &soon)], &["used"]).await;
    check(&[("expires_before", &now)], &[]).await;
    check(&[("expires_before", &later), ("state", "active")], &["unused", "used"]).await;
    check(&[("unused_since", &hour_ago)], &["disabled", "leaked", "revoked", "unused"]).await;
    check(&[("scope", "a"), ("state", "active")], &["unused", "used"]).await;
    check(&[("scope", "ROLE_USER")], &["disabled", "leaked", "revoked", "used"]).await;
    check(&[("scope", "b")], &[]).await;
    check(&[("name", "u")], &["unused", "used"]).await;
    check(&[("name", "use"), ("scope", "a"), ("expires_before", &soon)], &["used"]).await;
    check(&[("name", "U")], &[]).await;
    let all = pages(&world, &admin, &[("user_id", "1"), ("state", "active"), ("limit", "1")]).await;
    assert_eq!((all.len(), all.concat().len()), (5, 2), "pages may be empty, and none is left out");
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_named() {
    let world = World::new().await;
    let token = world.token().await;
    for (name, value, wrong) in [
        ("state", "live", "it must be one of active, disabled, leaked, inactive"),
        ("state", "Active", "it must be one of active, disabled, leaked, inactive"),
        ("expires_before", "tomorrow", "it must be a time such as 2027-01-31T09:30:00Z"),
        ("unused_since", "2027-01-31", "it must be a time such as 2027-01-31T09:30:00Z"),
    ] {
        let problem = world.list(&token, &[(name, value)]).await.problem(400);
        assert_eq!(problem["member"], name);
        assert_eq!(problem["detail"], format!("{name}: {wrong}"), "{value}");
    }
    let problem =
        world.list(&token, &[("expired_before", "2027-01-31T00:00:00Z")]).await.problem(400);
    assert_eq!(problem["member"], "expired_before");
}
