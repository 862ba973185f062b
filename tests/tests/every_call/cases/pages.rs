//! The pages and forms, as the browsers of signed-in users open and send them.

use hallpass_token::Format;
use serde_json::json;
use tests::{Request, World, api::bearer, web_client::WebClient};

use super::{Case, Tokens};

/// Returns a page's request, with the path parameters of every page.
fn get(route: &str) -> Request {
    Request::new("GET", route).parameter("user_id", "1")
}

/// Returns a form's request, with the path parameters of every form.
fn post(route: &str, tokens: &Tokens) -> Request {
    let child = tokens["child"].record.id.to_string();
    Request::new("POST", route).parameter("user_id", "1").parameter("id", &child)
}

/// Returns all requests. The users sign in first.
pub(super) async fn pages(world: &World, tokens: &Tokens) -> Vec<Case> {
    let me = WebClient::signed_in(world, "my_username", "topsecret").await;
    let admin = WebClient::signed_in(world, "admin", "letmein").await;
    let new = WebClient::arriving(world).await;
    let sign_in = new.with_form(
        post("/sign-in", tokens),
        &[("username", "my_username"), ("password", "topsecret")],
    );
    let mut cases = vec![Case::new("sign in", "Generate", sign_in.event(), "303", "signed_in")];
    cases.extend(portal(world, tokens).await);
    cases.extend(of_account(world, &me).await);
    cases.extend(offers(world, &me, tokens).await);
    cases.extend(creating(&me, &admin, tokens));
    cases.extend(revoking(&me, &admin, tokens));
    cases.extend(shown(&me, &admin));
    cases
}

/// Returns the requests of the page of the service account 4, whose maintainer is user 1.
async fn of_account(world: &World, me: &WebClient<'_>) -> [Case; 3] {
    let token = world.create_token(Format::Signed, "4", 13).await.record.id.to_string();
    let to = |method: &str, route: &str| {
        Request::new(method, route).parameter("user_id", "4").parameter("id", &token)
    };
    let page = me.with_cookies(to("GET", "/profile/accounts/{user_id}"));
    let form = [("do", "make"), ("name", "a"), ("expires", ""), ("limit", "all")];
    let make = me.with_form(to("POST", "/profile/accounts/{user_id}"), &form);
    let revoke = me.with_form(to("POST", "/profile/accounts/{user_id}/tokens/{id}"), &[]);
    [
        Case::new("the page of an account", "Console", page.event(), "200", ""),
        Case::new("create on the page of an account", "Generate", make.event(), "201", "issued")
            .again(&["409"])
            .in_steps(),
        Case::new("revoke on the page of an account", "Revoke", revoke.event(), "303", "revoked"),
    ]
}

/// Returns the requests with which a token is offered to the user 1 and accepted.
async fn offers(world: &World, me: &WebClient<'_>, tokens: &Tokens) -> [Case; 3] {
    let admin = bearer(&tokens["admin"].text);
    let body = json!({"name": "offered", "user_id": "1", "claim": true});
    let offer = async || {
        let offered = world.create(&admin, &body).await;
        assert_eq!(offered.status, 202, "{}", offered.body);
        offered.json()["id"].as_str().unwrap().to_owned()
    };
    let form = |action: &str, id: &str| {
        me.with_form(post("/profile/developer", tokens), &[("do", action), ("id", id)])
    };
    let offering = Request::new("POST", "/tokens").authorization(&admin).json(&body);
    let (accepted, declined) = (offer().await, offer().await);
    let (accept, decline) = (form("accept", &accepted), form("decline", &declined));
    [
        Case::new("offer a token", "Generate", offering.event(), "202", "offered"),
        Case::new("accept an offered token", "Generate", accept.event(), "201", "issued")
            .again(&["409"])
            .in_steps(),
        Case::new("decline an offered token", "Generate", decline.event(), "303", ""),
    ]
}

/// Returns the requests of portal sessions.
async fn portal(world: &World, tokens: &Tokens) -> [Case; 6] {
    let (token, body) = (&tokens["admin"].text, json!({"user_id": "1"}));
    let asking = Request::new("POST", "/portal/sessions").header("Host", "api.example.com");
    let asking = asking.authorization(&bearer(token)).json(&body);
    let (waiting, secret) = WebClient::at_portal(world, token, &body).await;
    let form = waiting.portal_form(&secret);
    let page = waiting.with_cookies(get("/portal/sign-in").query("session", &secret));
    let session = WebClient::from_portal(world, token, &body).await;
    let scopes = [("name", "a"), ("expires", ""), ("limit", "some"), ("scope", "ROLE_USER")];
    let make = [&[("do", "make")], &scopes[..]].concat();
    let make = session.with_form(post("/profile/developer", tokens), &make);
    let revoke = session.with_form(post("/profile/developer/tokens/{id}", tokens), &[]);
    let own = session.with_cookies(get("/profile/developer"));
    [
        Case::new("offer a portal session", "Generate", asking.event(), "201", "session_offered"),
        Case::new("the page of a link", "Console", page.event(), "200", ""),
        Case::new("begin a portal session", "Generate", form.event(), "303", "signed_in")
            .again(&["410"])
            .in_steps(),
        Case::new("create in a portal session", "Generate", make.event(), "201", "issued")
            .again(&["409"])
            .in_steps(),
        Case::new("revoke in a portal session", "Revoke", revoke.event(), "303", "revoked"),
        Case::new("tokens in a portal session", "Console", own.event(), "200", ""),
    ]
}

/// Returns the forms that create a token. Each can be used once: when it is marked as used, the
/// page returns a new one.
fn creating(me: &WebClient<'_>, admin: &WebClient<'_>, tokens: &Tokens) -> [Case; 4] {
    let case = |name, request: Request, counts| {
        let case = Case::new(name, "Generate", request.event(), "201", counts);
        case.again(&["409"]).in_steps()
    };
    let own = tokens["own"].record.id.to_string();
    let developer =
        |fields: &[(&str, &str)]| me.with_form(post("/profile/developer", tokens), fields);
    let make = developer(&[("do", "make"), ("name", "a"), ("expires", ""), ("limit", "all")]);
    let key = admin.with_form(
        post("/admin/users/{user_id}", tokens),
        &[("name", "a"), ("expires", ""), ("limit", "all")],
    );
    [
        case("create on the page", make, "issued"),
        case("rotate on the page", developer(&[("do", "rotate"), ("id", &own)]), "rotated"),
        case("regenerate on the page", developer(&[("do", "regenerate")]), "issued"),
        case("a key on the page", key, "issued"),
    ]
}

/// Returns the forms that end a session, or reject or block something.
fn revoking(me: &WebClient<'_>, admin: &WebClient<'_>, tokens: &Tokens) -> [Case; 6] {
    let case =
        |name, request: Request, counts| Case::new(name, "Revoke", request.event(), "303", counts);
    let switch = |what| {
        let form = post("/admin/users/{user_id}/tokens/{id}", tokens);
        admin.with_form(form, &[("do", what)])
    };
    let access =
        |what| admin.with_form(post("/admin/users/{user_id}/access", tokens), &[("do", what)]);
    let sign_out = me.with_form(post("/sign-out", tokens), &[]);
    let revoke_own = me.with_form(post("/profile/developer/tokens/{id}", tokens), &[]);
    [
        case("sign out", sign_out, "signed_out").again(&["401"]),
        case("revoke on the page", revoke_own, "revoked"),
        case("disable on the page", switch("disable"), "disabled"),
        case("delete on the page", switch("delete"), "revoked"),
        case("block on the page", access("block"), "blocked"),
        case("revoke all on the page", access("revoke-all"), "revoked_all"),
    ]
}

/// Returns the pages.
fn shown(me: &WebClient<'_>, admin: &WebClient<'_>) -> [Case; 3] {
    let case = |name, web_client: &WebClient<'_>, route| {
        Case::new(name, "Console", web_client.with_cookies(get(route)).event(), "200", "")
    };
    [
        case("the page of tokens", me, "/profile/developer"),
        case("the page of users", admin, "/admin/users"),
        case("the page of a user", admin, "/admin/users/{user_id}"),
    ]
}
