//! What each caller can create: every route that creates a token, every kind of caller, with and
//! without a scope, before, while and after the user lacks a permission.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Record, TokenId, lifecycle};
use serde_json::{Value, json};
use tests::{Request, World, api::bearer, basic, web_client::WebClient};

use crate::recheck::requests::text_in;

/// The kinds of callers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parent {
    Signed,
    Key,
    Temporary,
    Developer,
    Password,
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Route {
    Generate,
    Create,
    CreateWithScopes,
    Rarog,
    Authorise,
    Developer,
    Rotate,
}

const PARENTS: [Parent; 6] = [
    Parent::Signed,
    Parent::Key,
    Parent::Temporary,
    Parent::Developer,
    Parent::Password,
    Parent::Session,
];

const ROUTES: [Route; 7] = [
    Route::Generate,
    Route::Create,
    Route::CreateWithScopes,
    Route::Rarog,
    Route::Authorise,
    Route::Developer,
    Route::Rotate,
];

/// The states of the user's permission `b`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Permission {
    Kept,
    Lost,
    GivenBack,
}

const HOUR: u64 = 3_600;

/// The caller, and the record of its token.
struct Caller<'a> {
    authorization: Option<String>,
    web_client: Option<WebClient<'a>>,
    record: Option<Record>,
}

async fn permit(world: &World, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(names))).await;
}

async fn record_of(world: &World, text: &str) -> Record {
    let service = world.service();
    let keyring = service.keyring(world.now()).await.unwrap();
    let claim =
        hallpass_token::open(&keyring, &service.settings.issuer, text, world.now()).unwrap();
    let id: TokenId = world.store.id_of(&claim).await.unwrap().unwrap();
    world.record(&id).await
}

/// Creates a token of this kind for user 1, with this scope.
async fn token_of_kind(world: &World, parent: Parent, scope: Option<&[&str]>) -> String {
    let whole = world.create_token(Format::Signed, "1", 1).await.text;
    let scoped = scope.map(|names| json!(names));
    let mut body = json!({"name": "parent", "expires_in": HOUR});
    if let Some(scopes) = &scoped {
        body["scopes"] = scopes.clone();
    }
    match parent {
        Parent::Key => body["format"] = json!("jwt"),
        Parent::Developer => {
            let scope = scope.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
            let expires_at = Some(world.now().after(Duration::from_secs(HOUR)));
            let adjust =
                |record: &mut Record| (record.scope, record.expires_at) = (scope, expires_at);
            return world.create_token_with(Format::Developer, "1", 2, adjust).await.text;
        }
        _ => {}
    }
    let token = world.created(&whole, &body).await["token"].as_str().unwrap().to_owned();
    if parent != Parent::Temporary {
        return token;
    }
    let lasting = if scoped.is_some() { token } else { whole };
    let response = world
        .send("Generate", Request::new("GET", "/rs/authorise").authorization(&bearer(&lasting)))
        .await;
    text_in(&response.body)
}

async fn caller<'a>(world: &'a World, parent: Parent, scope: Option<&[&str]>) -> Caller<'a> {
    match parent {
        Parent::Password => Caller {
            authorization: Some(basic("my_username", "topsecret")),
            web_client: None,
            record: None,
        },
        Parent::Session => {
            let web_client = Some(WebClient::signed_in(world, "my_username", "topsecret").await);
            Caller { authorization: None, web_client, record: None }
        }
        _ => {
            let text = token_of_kind(world, parent, scope).await;
            let record = Some(record_of(world, &text).await);
            Caller { authorization: Some(bearer(&text)), web_client: None, record }
        }
    }
}

/// Returns the request, if this caller can send one.
fn request(route: Route, caller: &Caller<'_>) -> Option<Request> {
    if let Some(web_client) = &caller.web_client {
        let own = Request::new("POST", "/profile/developer");
        let make = |rest: &[(&str, &str)]| {
            Some(
                web_client
                    .with_form(own.clone(), &[&[("do", "make"), ("name", "child")], rest].concat()),
            )
        };
        return match route {
            Route::Create => make(&[("limit", "all")]),
            Route::CreateWithScopes => make(&[("limit", "some"), ("scope", "a"), ("scope", "b")]),
            Route::Developer => Some(web_client.with_form(own, &[("do", "regenerate")])),
            _ => None,
        };
    }
    let takes_passwords = [Route::Generate, Route::Rarog, Route::Authorise].contains(&route);
    let is_developer =
        caller.record.as_ref().is_some_and(|record| record.format == Format::Developer);
    if (caller.record.is_none() && !takes_passwords) || (is_developer && route == Route::Rotate) {
        return None;
    }
    let both = json!(["a", "b"]);
    let request = match route {
        Route::Generate => Request::new("POST", "/api/services_token/generate"),
        Route::Create => Request::new("POST", "/tokens").json(&json!({"name": "child"})),
        Route::CreateWithScopes => {
            Request::new("POST", "/tokens").json(&json!({"name": "child", "scopes": both}))
        }
        Route::Rarog => {
            let body = json!({
                "name": "child", "expiration": "2027-02-16T08:00:00.000Z", "authorities": both,
            });
            Request::new("POST", "/rest/pat/1.0/token/user/create").json(&body)
        }
        Route::Authorise => Request::new("GET", "/rs/authorise"),
        Route::Developer => {
            Request::new("POST", "/profile/developer").header("Accept", "application/json")
        }
        Route::Rotate => Request::new("POST", "/tokens/{id}/rotate").parameter("id", "current"),
    };
    Some(request.authorization(caller.authorization.as_ref().unwrap()))
}

/// Returns the effective scope of the token with this record.
async fn scope_of(world: &World, record: &Record) -> BTreeSet<String> {
    let user = world.store.user(&record.id.user_id).await.unwrap();
    let admitted = lifecycle::readmit(record.clone(), user, world.now()).unwrap();
    admitted.scope.names().map(str::to_owned).collect()
}

fn check_expiry(
    route: Route,
    parent: Parent,
    is_scoped: bool,
    caller: &Caller<'_>,
    child: &Record,
) {
    let Some(record) = &caller.record else { return };
    let case = format!(
        "{route:?} by {parent:?}, {is_scoped}: {:?} {:?}",
        record.expires_at, child.expires_at
    );
    if is_scoped || parent == Parent::Temporary {
        assert!(child.expires_at.unwrap() <= record.expires_at.unwrap(), "{case}");
        assert!(child.expiry_cap.is_some_and(|cap| cap <= record.expires_at.unwrap()), "{case}");
    } else {
        assert!(
            route == Route::Authorise || child.expires_at.unwrap() > record.expires_at.unwrap(),
            "{case}"
        );
    }
    assert_eq!(child.authenticated_at, record.authenticated_at, "{case}");
}

async fn check(
    world: &World,
    route: Route,
    parent: Parent,
    is_scoped: bool,
    permission: Permission,
) -> bool {
    permit(world, &["a", "b"]).await;
    let scope: Option<&[&str]> = is_scoped.then_some(&["a", "b"]);
    let caller = caller(world, parent, scope).await;
    let Some(request) = request(route, &caller) else { return false };
    world.advance(60);
    if permission != Permission::Kept {
        permit(world, &["a"]).await;
    }
    if permission == Permission::GivenBack {
        permit(world, &["a", "b"]).await;
    }
    let response = world.send("Generate", request).await;
    let case = format!("{route:?} by {parent:?}, {is_scoped}, {permission:?}");
    assert!((200..300).contains(&response.status), "{case}: {}", response.body);
    let child = record_of(world, &text_in(&response.body)).await;
    check_expiry(route, parent, is_scoped, &caller, &child);
    let (one, both) =
        (BTreeSet::from(["a".to_owned()]), BTreeSet::from(["a", "b"].map(str::to_owned)));
    let now = if permission == Permission::Lost { &one } else { &both };
    assert_eq!(&scope_of(world, &child).await, now, "{case}");
    // A granted scope stays the same when the user gains permissions; an unlimited token follows
    // the user.
    permit(world, &["a", "b", "c"]).await;
    let is_limited = is_scoped || [Route::CreateWithScopes, Route::Rarog].contains(&route);
    let later: BTreeSet<String> = match (is_limited, route) {
        (false, _) => ["a", "b", "c"].map(str::to_owned).into(),
        (true, Route::Rotate) => both,
        (true, _) => now.clone(),
    };
    assert_eq!(scope_of(world, &child).await, later, "{case}, later");
    true
}

#[tokio::test]
async fn every_caller_creates_no_more_than_it_can_grant_on_every_route() {
    let mut done = 0;
    for route in ROUTES {
        for parent in PARENTS {
            for is_scoped in [false, true] {
                if is_scoped && [Parent::Password, Parent::Session].contains(&parent) {
                    continue;
                }
                for permission in [Permission::Kept, Permission::Lost, Permission::GivenBack] {
                    let world = World::new().await;
                    done += usize::from(check(&world, route, parent, is_scoped, permission).await);
                }
            }
        }
    }
    // Seven routes, four formats with and without a scope, three states; a developer token does not
    // rotate. Three routes take passwords, and three forms are for sessions.
    assert_eq!(done, (7 * 4 * 2 - 2) * 3 + 3 * 3 + 3 * 3);
}

/// From one token to the next, the last of them and its record.
async fn follow(world: &World, first: &str, routes: &[Request]) -> Record {
    let mut text = first.to_owned();
    for request in routes {
        let response = world.send("Generate", request.clone().authorization(&bearer(&text))).await;
        assert!((200..300).contains(&response.status), "{}", response.body);
        text = text_in(&response.body);
    }
    record_of(world, &text).await
}

#[tokio::test]
async fn no_detour_outlives_a_token_that_is_bound() {
    let generate = || Request::new("POST", "/api/services_token/generate");
    let developer =
        || Request::new("POST", "/profile/developer").header("Accept", "application/json");
    let authorise = || Request::new("GET", "/rs/authorise");
    let rotate = || Request::new("POST", "/tokens/{id}/rotate").parameter("id", "current");
    let create = |body: Value| Request::new("POST", "/tokens").json(&body);
    let manager =
        || create(json!({"name": "manager", "scopes": ["manage-tokens"], "expires_in": "1 year"}));
    let another = || create(json!({"name": "another's", "user_id": "3", "expires_in": "1 year"}));
    let detours = [
        vec![generate(), generate()],
        vec![generate(), developer(), developer(), generate()],
        vec![rotate(), rotate(), generate()],
        vec![generate(), authorise(), generate()],
    ];
    let check =
        async |parent: Parent, scope: Option<&[&str]>, detour: &[Request], is_bound: bool| {
            let world = World::with(&[("HALLPASS_TOKENS_PERMISSION", "manage-tokens")]).await;
            permit(&world, &["a", "tokens", "manage-tokens", "ROLE_ADMIN"]).await;
            let first = token_of_kind(&world, parent, scope).await;
            world.advance(60);
            let end = record_of(&world, &first).await.expires_at.unwrap();
            let last = follow(&world, &first, detour).await.expires_at.unwrap();
            assert_eq!(last <= end, is_bound, "{parent:?} {scope:?} {detour:?}");
        };
    for detour in &detours {
        check(Parent::Temporary, None, detour, true).await;
        check(Parent::Signed, Some(&["a", "tokens"]), detour, true).await;
    }
    // Nor by a scope that the user could give, nor by way of another user.
    check(Parent::Temporary, None, &[manager(), generate()], true).await;
    check(Parent::Temporary, None, &[another(), generate()], true).await;
    check(Parent::Signed, Some(&["ROLE_ADMIN"]), &[another(), generate()], true).await;
    // With the permission, or without a scope, it renews.
    check(Parent::Signed, Some(&["manage-tokens"]), &[generate()], false).await;
    check(Parent::Signed, Some(&["manage-tokens"]), &[authorise(), generate()], false).await;
    check(Parent::Signed, None, &[generate()], false).await;
    check(Parent::Key, None, &[generate()], false).await;
}
