//! What a portal session is permitted to do: what both its user and the token that asked for it
//! are, with the user's own tokens alone.

use hallpass_http::routes::{ROUTES, Route};
use serde_json::json;
use tests::{
    api::bearer,
    client::Reply,
    pages::{OWN, WebClient},
};

use super::Setup;

/// Returns the permissions that the form for a new token offers.
async fn offered(web_client: &mut WebClient<'_>) -> Vec<String> {
    let page = web_client.get("/profile/developer/new").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(!page.body.contains("value=\"all\""), "{}", page.body);
    let elements = page.elements();
    let scopes = elements.iter().filter(|element| element.attribute("name") == Some("scope"));
    scopes.map(|element| element.attribute("value").unwrap().to_owned()).collect()
}

/// Asks for a token with these scopes.
async fn create(web_client: &mut WebClient<'_>, scopes: &[&str]) -> Reply {
    web_client.get("/profile/developer/new").await;
    let scopes = scopes.iter().map(|scope| ("scope", *scope));
    let fields = [("do", "make"), ("name", "a"), ("limit", "some")];
    let fields: Vec<_> = fields.into_iter().chain(scopes).collect();
    web_client.post(OWN, &fields).await
}

#[tokio::test]
async fn a_session_is_permitted_what_both_the_token_and_the_user_are() {
    let setup = Setup::new().await;
    let admin = ["ROLE_USER", "ROLE_ADMIN", "a", "b", "c"];
    setup.permit("2", &admin).await;
    setup.permit("1", &["ROLE_USER", "a", "b", "c"]).await;
    let mut web_client = setup.session("1").await;
    assert_eq!(offered(&mut web_client).await, ["ROLE_USER", "a", "b", "c"]);
    let token = create(&mut web_client, &["a", "b"]).await.shown_token();
    let path = "/tokens/current";
    let shown = setup.system.ask("GET", path, &bearer(&token)).await.body_of(200);
    assert_eq!(shown["scopes"], json!(["a", "b"]));
    // The user loses a permission, and gets one that the calling token lacks.
    setup.permit("1", &["ROLE_USER", "a", "c", "d"]).await;
    assert_eq!(offered(&mut web_client).await, ["ROLE_USER", "a", "c"]);
    for lost in ["b", "d"] {
        let reply = create(&mut web_client, &[lost]).await;
        assert_eq!(reply.status, 400, "{lost} {}", reply.body);
    }
    // The calling token's user loses a permission.
    setup.permit("2", &["ROLE_USER", "ROLE_ADMIN", "a", "b", "d"]).await;
    assert_eq!(offered(&mut web_client).await, ["ROLE_USER", "a", "d"]);
    let reply = create(&mut web_client, &["c"]).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    let token = create(&mut web_client, &["a", "c", "d"]).await.shown_token();
    let shown = setup.system.ask("GET", path, &bearer(&token)).await.body_of(200);
    assert_eq!(shown["scopes"], json!(["a", "d"]));
    setup.system.stop().await;
}

#[tokio::test]
async fn a_token_with_less_than_its_own_user_gives_a_session_with_less() {
    let setup = Setup::new().await;
    setup.permit("1", &["ROLE_USER", "tokens", "a", "b"]).await;
    let user = setup.system.token_of("my_username", "topsecret").await;
    let body = json!({"name": "portal", "scopes": ["tokens", "a"]});
    let limited = setup.system.created(&user, &body).await["token"].as_str().unwrap().to_owned();
    let link = setup.link_by(&limited, &json!({"user_id": "1"})).await;
    let mut web_client = setup.follow(&link).await;
    assert_eq!(offered(&mut web_client).await, ["a", "tokens"]);
    assert_eq!(create(&mut web_client, &["b"]).await.status, 400);
    create(&mut web_client, &["a", "b"]).await.shown_token();
    setup.system.stop().await;
}

#[tokio::test]
async fn no_text_leaves_the_session_that_exceeds_it() {
    let setup = Setup::new().await;
    setup.permit("2", &["ROLE_USER", "ROLE_ADMIN", "a"]).await;
    let user = setup.system.token_of("my_username", "topsecret").await;
    setup.permit("1", &["ROLE_USER", "a", "b"]).await;
    let made = async |body| {
        let made = setup.system.created(&user, &body).await;
        (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
    };
    let unlimited = made(json!({"name": "all"})).await;
    let broad = made(json!({"name": "broad", "scopes": ["a", "b"]})).await;
    let fitting = made(json!({"name": "fitting", "scopes": ["a"]})).await;
    setup.permit("1", &["ROLE_USER", "a"]).await;
    let mut web_client = setup.session("1").await;
    setup.permit("1", &["ROLE_USER", "a", "b"]).await;
    let page = web_client.get(OWN).await;
    assert_eq!(page.body.matches("value=\"rotate\"").count(), 1, "{}", page.body);
    assert!(!page.body.contains("value=\"regenerate\""), "{}", page.body);
    for (form, status) in [
        (&[("do", "make"), ("name", "a"), ("limit", "all")][..], 403),
        (&[("do", "regenerate")], 403),
        (&[("do", "rotate"), ("id", &unlimited.0)], 403),
        (&[("do", "rotate"), ("id", &broad.0)], 403),
        (&[("do", "rotate"), ("id", &fitting.0)], 201),
    ] {
        web_client.get(OWN).await;
        let reply = web_client.post(OWN, form).await;
        assert_eq!(reply.status, status, "{form:?} {}", reply.body);
    }
    // It revokes all of them.
    for (id, token) in [unlimited, broad, fitting] {
        web_client.get(OWN).await;
        let reply = web_client.post(&format!("/profile/developer/tokens/{id}"), &[]).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        assert_eq!(setup.system.verdict(&token).await, "revoked");
    }
    setup.system.stop().await;
}

#[tokio::test]
async fn the_tokens_of_a_session_end_with_those_that_its_token_creates() {
    let setup = Setup::new().await;
    setup.permit("2", &["ROLE_USER", "ROLE_ADMIN"]).await;
    let body =
        json!({"name": "portal", "scopes": ["ROLE_ADMIN", "ROLE_USER"], "expires_in": 7_200});
    let caller = setup.system.created(&setup.admin, &body).await;
    let link = setup.link_by(caller["token"].as_str().unwrap(), &json!({"user_id": "1"})).await;
    let mut web_client = setup.follow(&link).await;
    let token = create(&mut web_client, &["ROLE_USER"]).await.shown_token();
    let shown = setup.system.ask("GET", "/tokens/current", &bearer(&token)).await.body_of(200);
    assert_eq!(
        shown["expires_at"], caller["expires_at"],
        "a limited token creates none that outlives it"
    );
    assert_eq!(shown["authenticated_at"], caller["authenticated_at"]);
    let path = format!("/tokens/{}?descendants=true", caller["id"].as_str().unwrap());
    setup.system.ask("DELETE", &path, &bearer(&setup.admin)).await.body_of(200);
    assert_eq!(setup.system.verdict(&token).await, "revoked");
    assert_eq!(web_client.get(OWN).await.status, 401);
    setup.system.stop().await;
}

/// The status of each route for the session of an administrator that an administrator's token
/// began. A new route has to be added here.
const EXPECTED: [(u16, &[&str]); 12] = [
    // The pages of own tokens.
    (200, &["ShowDeveloperPage", "ShowNewTokenPage", "ShowTokenPage"]),
    (201, &["RegenerateDeveloperToken"]),
    (303, &["RevokeTokenOnPage", "SignOut"]),
    // The pages of administrators, and routes that say that a cookie is not enough.
    (
        403,
        &[
            "ShowUsersPage",
            "ShowNewUserPage",
            "ShowAllTokensPage",
            "ShowAuditPage",
            "ShowUserPage",
            "IssueKeyOnPage",
            "AddUserOnPage",
            "ChangeUserOnPage",
            "UpdateKeyOnPage",
            "UpdateUserOnPage",
            "CreateUserToken",
            "CreateAppToken",
            "RevokeRarogToken",
            "ListRarogTokens",
        ],
    ),
    // Only the user's own tokens.
    (404, &["ShowAccountPage", "CreateAccountTokenOnPage", "RevokeAccountTokenOnPage"]),
    // Without a prefix there is nothing to recognize.
    (404, &["ReportLeaks"]),
    // Pages for everyone.
    (200, &["ShowSignInPage", "ShowAsset", "ShowSwaggerUi", "ShowDocument", "ShowHealth"]),
    (303, &["ShowHome", "BeginSignInAtProvider", "FinishSignInAtProvider", "SignOutAtProvider"]),
    (410, &["ShowPortalPage", "SignInFromPortal"]),
    // A session is no token. These take a token or a password in Authorization, or a wrong password
    // in the form.
    (
        401,
        &[
            "GenerateToken",
            "CreateToken",
            "RotateToken",
            "Authorise",
            "RevokeToken",
            "UpdateToken",
            "RevokeTokensOfUser",
            "ListTokens",
            "ShowToken",
            "ShowTokenUsage",
            "ListAuditEntries",
            "IntrospectToken",
            "ExplainToken",
            "CreatePortalSession",
            "ShowUser",
            "ShowProfile",
            "SignIn",
            // The flow has a cookie of its own.
            "DecideImplicitFlow",
            "DecideImplicitFlowByForm",
        ],
    ),
    (400, &["BeginImplicitFlow", "BeginImplicitFlowByForm", "EndSessionsByProvider"]),
    // It revokes the token in its body.
    (200, &["RevokeTokenByText"]),
];

fn expected(operation: &str) -> u16 {
    let found = EXPECTED.iter().find(|(_, operations)| operations.contains(&operation));
    found.unwrap_or_else(|| panic!("decide what a portal session can do with {operation}")).0
}

/// Sends a form to a route, or opens it.
async fn reach(setup: &Setup, web_client: &mut WebClient<'_>, route: &Route, id: &str) -> Reply {
    let file = if route.path.starts_with("/assets") { "hallpass.css" } else { "index.html" };
    let path = route.path.replace("{file}", file).replace("{user_id}", "1");
    let path = path.replace("{id}", id);
    if route.method == "GET" {
        let cookie = format!("__Host-hallpass={}", web_client.cookies["__Host-hallpass"]);
        return setup.system.send("GET", &path, &[("Cookie", &cookie)], "").await;
    }
    web_client.get(OWN).await;
    let fields: &[(&str, &str)] = match route.operation {
        "RegenerateDeveloperToken" => {
            &[("do", "make"), ("name", "a"), ("limit", "some"), ("scope", "ROLE_USER")]
        }
        "RevokeTokenByText" => &[("token", "unknown")],
        "IssueKeyOnPage" => &[("name", "a"), ("limit", "all")],
        "AddUserOnPage" => &[("username", "ada"), ("kind", "person")],
        "ChangeUserOnPage" => &[("do", "grant"), ("permission", "ROLE_ADMIN")],
        "UpdateKeyOnPage" => &[("do", "delete")],
        "UpdateUserOnPage" => &[("do", "block")],
        "SignIn" => {
            web_client.get("/sign-in").await;
            &[("username", "admin"), ("password", "wrong password")]
        }
        "SignInFromPortal" => {
            web_client.get("/sign-in").await;
            &[("session", "2.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
        }
        _ => &[],
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair("csrf", &web_client.csrf).extend_pairs(fields).finish();
    web_client.send(route.method, &path, &body).await
}

#[tokio::test]
async fn a_session_reaches_exactly_the_routes_of_own_tokens() {
    let setup = Setup::new().await;
    let users = setup.system.store().user(&"1".parse().unwrap()).await.unwrap().unwrap();
    let mut wrong = Vec::new();
    for route in ROUTES {
        let mut web_client = setup.session("2").await;
        let named = setup.system.created(&setup.admin, &json!({"name": "own"})).await;
        let reply = reach(&setup, &mut web_client, route, named["id"].as_str().unwrap()).await;
        if reply.status != expected(route.operation) {
            wrong.push(format!("{} {}: {}", route.method, route.path, reply.status));
        }
    }
    assert_eq!(wrong, [""; 0]);
    let after = setup.system.store().user(&"1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(format!("{users:?}"), format!("{after:?}"), "no other user changed");
    setup.system.stop().await;
}

#[tokio::test]
async fn no_session_is_that_of_an_administrator() {
    let setup = Setup::new().await;
    let mut web_client = setup.session("2").await;
    let page = web_client.get(OWN).await;
    assert!(!page.body.contains("/admin/"), "{}", page.body);
    assert_eq!(offered(&mut web_client).await, ["ROLE_USER"]);
    assert_eq!(create(&mut web_client, &["ROLE_ADMIN"]).await.status, 400);
    let token = create(&mut web_client, &["ROLE_ADMIN", "ROLE_USER"]).await.shown_token();
    let list = setup.system.ask("GET", "/tokens?user_id=1", &bearer(&token)).await;
    assert_eq!(list.status, 403);
    let reply = setup.ask(&token, &json!({"user_id": "1"})).await;
    assert_eq!(reply.status, 403, "no token of a session asks for links of others");
    setup.system.stop().await;
}

#[tokio::test]
async fn a_portal_session_neither_sees_nor_accepts_an_offered_token() {
    let setup = Setup::new().await;
    let body = json!({"name": "a", "user_id": "1", "claim": true});
    let offered = setup.system.json("POST", "/tokens", &bearer(&setup.admin), &body).await;
    let id = offered.body_of(202)["id"].as_str().unwrap().to_owned();
    let mut web_client = setup.session("1").await;
    assert!(!web_client.get(OWN).await.body.contains(&id));
    for action in ["accept", "decline"] {
        let reply = web_client.post(OWN, &[("do", action), ("id", &id)]).await;
        assert_eq!(reply.status, 403, "{}", reply.body);
    }
    let mut own = WebClient::signed_in(&setup.system, "my_username", "topsecret").await;
    assert!(own.get(OWN).await.body.contains(&id), "the offer is still open");
    setup.system.stop().await;
}
