//! The requests: each is an event of a function, with its outcome without faults.

use std::collections::BTreeMap;

use hallpass_token::{Format, Reason, Revocation};
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
    basic,
    tables::TestToken,
};

mod pages;

/// An event of a function.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) event: Value,
    /// The expected outcome: the status, a rejection reason, or a word.
    pub(crate) right: &'static str,
    /// The metrics that are counted.
    pub(crate) counts: &'static str,
    /// Other valid outcomes once a part of the request or all of it was executed.
    pub(crate) again: &'static [&'static str],
    /// Whether the request makes several writes, each of which is complete by itself.
    pub(crate) in_steps: bool,
}

impl Case {
    fn new(
        name: &'static str,
        function: &'static str,
        event: Value,
        right: &'static str,
        counts: &'static str,
    ) -> Self {
        Self { name, function, event, right, counts, again: &[], in_steps: false }
    }

    fn again(self, again: &'static [&'static str]) -> Self {
        Self { again, ..self }
    }

    fn in_steps(self) -> Self {
        Self { in_steps: true, ..self }
    }

    /// Returns whether the outcome accepts the caller or does what was requested.
    pub(crate) fn is_yes(outcome: &str) -> bool {
        matches!(outcome, "allow" | "active") || outcome.starts_with('2') || outcome == "303"
    }
}

/// Returns all requests, and prepares the tables for all of them.
pub(crate) async fn cases(world: &World) -> Vec<Case> {
    let tokens = tokens(world).await;
    let mut cases = authorizer(&tokens);
    cases.extend(generate(world, &tokens).await);
    cases.extend(revoke(&tokens));
    cases.extend(console(&tokens));
    cases.extend(maintainer(world, &tokens).await);
    cases.extend(pages::pages(world, &tokens).await);
    cases.extend(prune(world).await);
    cases
}

type Tokens = BTreeMap<&'static str, TestToken>;

async fn tokens(world: &World) -> Tokens {
    let mut made_tokens = BTreeMap::new();
    let own = world
        .create_token_with(Format::Signed, "1", 1, |record| record.name = Some("laptop".to_owned()))
        .await;
    let (family, replaced) =
        (own.record.family.clone(), world.create_token(Format::Signed, "1", 2).await);
    made_tokens.insert("own", own);
    let child = world.create_token_with(Format::Jwt, "1", 3, |record| record.family = family).await;
    let hash = replaced.record.id.hash;
    let developer = world
        .create_token_with(Format::Developer, "1", 4, |record| record.replaces = Some(hash))
        .await;
    made_tokens.extend([("child", child), ("replaced", replaced), ("developer", developer)]);
    made_tokens.insert("admin", world.create_token(Format::Signed, "2", 5).await);
    made_tokens.insert("unused developer", world.create_token(Format::Developer, "2", 11).await);
    let because = |at| Some(Revocation { at, because: Reason::Revoked });
    let revoked = |record: &mut hallpass_token::Record| record.revoked = because(record.issued_at);
    made_tokens.insert("revoked", world.create_token_with(Format::Signed, "1", 6, revoked).await);
    let disabled =
        |record: &mut hallpass_token::Record| record.disabled_at = Some(record.issued_at);
    made_tokens.insert("disabled", world.create_token_with(Format::Signed, "1", 7, disabled).await);
    let ended = |record: &mut hallpass_token::Record| {
        record.replaced_by = Some(hash);
        record.replaced_at = Some(record.issued_at);
    };
    made_tokens.insert("ended", world.create_token_with(Format::Signed, "1", 8, ended).await);
    made_tokens.insert("blocked", world.create_token(Format::Signed, "3", 9).await);
    world.set_user("3", "status", Some(text("blocked"))).await;
    made_tokens.insert("changed", world.create_token(Format::Developer, "4", 10).await);
    world.set_user("4", "username", Some(text("renamed"))).await;
    made_tokens
}

fn authorizer(tokens: &Tokens) -> Vec<Case> {
    let verify = |name: &'static str, right, counts| {
        let event = Request::new("GET", "/api/user/1")
            .authorization(&bearer(&tokens[name].text))
            .authorizer_event();
        Case::new(name, "VerifyAuthorizer", event, right, counts)
    };
    vec![
        verify("own", "allow", "accepted"),
        verify("developer", "allow", "accepted"),
        verify("revoked", "revoked", "rejected"),
        verify("disabled", "disabled", "rejected"),
        verify("ended", "replaced", "rejected"),
        verify("blocked", "user_blocked", "rejected"),
        verify("changed", "user_changed", "rejected"),
    ]
}

async fn generate(world: &World, tokens: &Tokens) -> Vec<Case> {
    let case = |name, request: Request, right| {
        Case::new(name, "Generate", request.event(), right, "issued")
    };
    let with = |token: &str, method: &str, route: &str| {
        Request::new(method, route).authorization(&bearer(&tokens[token].text))
    };
    let route = "/api/services_token/generate";
    let right = basic("my_username", "topsecret");
    let wrong = Request::new("POST", route).authorization(&basic("my_username", "wrong"));
    let rarog = json!({
        "name": "a", "expiration": "2027-02-01T00:00:00.000Z", "authorities": ["ROLE_USER"],
    });
    let rotate = |token: &str, of: &str| {
        with(token, "POST", "/tokens/{id}/rotate")
            .parameter("id", &tokens[of].record.id.to_string())
    };
    let (begin, decide) = implicit(world, &right).await;
    vec![
        case("a password", Request::new("POST", route).authorization(&right), "200"),
        Case { counts: "login_failed", ..case("a wrong password", wrong, "401") },
        case("a token", with("own", "POST", route), "200"),
        Case {
            counts: "rejected",
            ..case("a revoked token", with("revoked", "POST", route), "401")
        },
        case("create", with("own", "POST", "/tokens").json(&json!({"name": "a"})), "201"),
        case(
            "create for another",
            with("admin", "POST", "/tokens").json(&json!({"name": "a", "user_id": "1"})),
            "201",
        ),
        Case { counts: "rotated", ..case("rotate", rotate("own", "own"), "201").again(&["409"]) },
        Case {
            counts: "rotated",
            ..case("rotate another's", rotate("admin", "own"), "201").again(&["409"])
        },
        case("regenerate", with("own", "POST", "/profile/developer"), "201").in_steps(),
        // The calling token itself is replaced.
        case("regenerate itself", with("unused developer", "POST", "/profile/developer"), "201")
            .again(&["401"])
            .in_steps(),
        case("authorise", Request::new("GET", "/rs/authorise").authorization(&right), "200"),
        Case { counts: "", ..case("begin the implicit flow", begin, "200") },
        // A flow is valid for one decision, and then has to be restarted.
        case("decide the implicit flow", decide, "200").again(&["400"]).in_steps(),
        case(
            "as Rarog",
            with("own", "POST", "/rest/pat/1.0/token/user/create").json(&rarog),
            "200",
        ),
        case(
            "as Rarog for the application",
            with("admin", "POST", "/rest/pat/1.0/token/app/create").json(&rarog),
            "200",
        ),
    ]
}

/// Returns the two requests of the implicit flow, after sending the first.
async fn implicit(world: &World, authorization: &str) -> (Request, Request) {
    let begin = Request::new("GET", "/rs/authorize-implicit")
        .query("client_id", "app")
        .query("response_type", "token");
    let begin = begin.authorization(authorization);
    let flow = world.send("Generate", begin.clone()).await;
    let cookie = flow.header("set-cookie").split(';').next().unwrap();
    let decide = Request::new("GET", "/rs/authorize-implicit/decision").header("Cookie", cookie);
    let decide = decide.query("client_id", "app").query("oauthDecision", "allow");
    let decide = decide
        .query("session_authenticity_token", flow.json()["authenticityToken"].as_str().unwrap());
    (begin, decide)
}

fn revoke(tokens: &Tokens) -> Vec<Case> {
    let case = |name, request: Request, right| {
        Case::new(name, "Revoke", request.event(), right, "revoked")
    };
    let with = |token: &str, method: &str, route: &str, id: &str| {
        Request::new(method, route).authorization(&bearer(&tokens[token].text)).parameter("id", id)
    };
    let id = |token: &str| tokens[token].record.id.to_string();
    let by_text = |token: &str| {
        let request = Request::new("POST", "/oauth/revoke")
            .header("Content-Type", "application/x-www-form-urlencoded");
        request.body(&format!("token={}", tokens[token].text))
    };
    let switch =
        with("admin", "PATCH", "/tokens/{id}", &id("own")).json(&json!({"disabled": true}));
    let all = |token: &str| {
        let request = Request::new("DELETE", "/users/{user_id}/tokens").parameter("user_id", "1");
        request.authorization(&bearer(&tokens[token].text))
    };
    vec![
        case("revoke itself", with("own", "DELETE", "/tokens/{id}", "current"), "200")
            .again(&["401"]),
        case("revoke another", with("own", "DELETE", "/tokens/{id}", &id("child")), "200"),
        case(
            "revoke a developer token",
            with("admin", "DELETE", "/tokens/{id}", &id("developer")),
            "200",
        ),
        case(
            "revoke descendants",
            with("admin", "DELETE", "/tokens/{id}", &id("own")).query("descendants", "true"),
            "200",
        )
        .in_steps(),
        case(
            "revoke a family",
            with("admin", "DELETE", "/tokens/{id}", &id("own")).query("family", "true"),
            "200",
        )
        .in_steps(),
        Case { counts: "disabled", ..case("disable", switch, "200") },
        case("revoke by text", by_text("own"), "200"),
        case("revoke a developer token by text", by_text("developer"), "200"),
        Case { counts: "revoked_all", ..case("revoke all", all("own"), "200").again(&["401"]) },
        Case { counts: "revoked_all", ..case("revoke all of another", all("admin"), "200") },
        case(
            "revoke as Rarog",
            with("own", "DELETE", "/rest/pat/1.0/token/{id}", &id("child")),
            "204",
        ),
    ]
}

fn console(tokens: &Tokens) -> Vec<Case> {
    let case =
        |name, request: Request, right| Case::new(name, "Console", request.event(), right, "");
    let with = |token: &str, method: &str, route: &str| {
        Request::new(method, route).authorization(&bearer(&tokens[token].text))
    };
    let introspect = |token: &str| {
        let request = with("own", "POST", "/oauth/introspect");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        request.body(&format!("token={}", tokens[token].text))
    };
    let explain = |body: Value| with("own", "POST", "/explain").json(&body);
    let context = json!({"user_id": "1", "scopes": r#"["ROLE_USER"]"#});
    let id = tokens["child"].record.id.to_string();
    vec![
        case("list", with("own", "GET", "/tokens").query("limit", "2"), "200"),
        case("list another's", with("admin", "GET", "/tokens").query("user_id", "1"), "200"),
        Case {
            counts: "rejected",
            ..case("list with a revoked token", with("revoked", "GET", "/tokens"), "401")
        },
        case("show", with("own", "GET", "/tokens/{id}").parameter("id", &id), "200"),
        case("usage", with("own", "GET", "/tokens/{id}/usage").parameter("id", &id), "200"),
        case("list as Rarog", with("own", "GET", "/rest/pat/1.0/token"), "200"),
        case("introspect a live token", introspect("child"), "active"),
        case("introspect a revoked token", introspect("revoked"), "inactive"),
        case("explain by text", explain(json!({"token": tokens["child"].text})), "200"),
        case("explain by ID", explain(json!({"token_id": id})), "200"),
        case(
            "a user",
            Request::new("GET", "/api/user/{id}").parameter("id", "1").authorized_as(context),
            "200",
        ),
    ]
}

/// Returns the requests of a maintainer of the service account 4.
async fn maintainer(world: &World, tokens: &Tokens) -> [Case; 4] {
    let (account, user) = ("4".parse().unwrap(), "1".parse().unwrap());
    world.store.add_maintainer(&account, &user, &tests::CAUSE).await.unwrap();
    let token = world.create_token(Format::Signed, "4", 12).await.record.id.to_string();
    let with = |method: &str, route: &str| {
        let request = Request::new(method, route).authorization(&bearer(&tokens["own"].text));
        request.parameter("id", &token)
    };
    let create = with("POST", "/tokens").json(&json!({"name": "a", "user_id": "4"}));
    let rotate = with("POST", "/tokens/{id}/rotate");
    let list = with("GET", "/tokens").query("user_id", "4");
    let revoke = with("DELETE", "/tokens/{id}");
    [
        Case::new("create as a maintainer", "Generate", create.event(), "201", "issued"),
        Case::new("rotate as a maintainer", "Generate", rotate.event(), "201", "rotated")
            .again(&["409"]),
        Case::new("list as a maintainer", "Console", list.event(), "200", ""),
        Case::new("revoke as a maintainer", "Revoke", revoke.event(), "200", "revoked"),
    ]
}

/// Returns a change of user 1 and back, and the schedule. The changes that form the stream precede
/// the initial state of the tables.
async fn prune(world: &World) -> Vec<Case> {
    let before = world.user_stream().len();
    world.set_user("1", "username", Some(text("renamed"))).await;
    world.set_user("1", "username", Some(text("my_username"))).await;
    let records = world.user_stream().split_off(before);
    vec![
        Case::new("the stream", "Prune", json!({"Records": records}), "done", "invalidated")
            .in_steps(),
        Case::new(
            "the schedule",
            "Prune",
            json!({"source": "aws.scheduler"}),
            "done",
            "invalidated",
        )
        .in_steps(),
    ]
}
