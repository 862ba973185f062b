//! `HALLPASS_GENERATE_PASSWORD` and `HALLPASS_GENERATE_PERMISSION` on every route that accepts a
//! password.

use hallpass_token::Format;
use serde_json::json;
use tests::{Request, Response, World, api::bearer, basic, web_client::WebClient};

/// Every route of the API that accepts a password, its success status, and whether it accepts a
/// token too.
const ROUTES: [(&str, &str, bool); 5] = [
    ("POST", "/api/services_token/generate", true),
    ("GET", "/rs/authorise", true),
    ("GET", "/rs/authorize-implicit", false),
    ("POST", "/rest/pat/1.0/token/user/create", true),
    ("POST", "/rest/pat/1.0/token/app/create", true),
];

async fn send(world: &World, method: &str, route: &str, authorization: &str) -> Response {
    let rarog = json!({
        "name": "a", "expiration": "2027-02-01T00:00:00.000Z", "authorities": ["ROLE_USER"],
    });
    let request = Request::new(method, route).authorization(authorization);
    let request = request.query("response_type", "token").query("client_id", "app");
    world.send("Generate", request.json(&rarog)).await
}

async fn all_records(world: &World) -> usize {
    let mut all = 0;
    for user in ["1", "2", "3", "4"] {
        all += world.count_records(user).await;
    }
    all
}

#[tokio::test]
async fn with_passwords_off_no_route_accepts_one() {
    let world =
        World::with(&[("HALLPASS_GENERATE_PASSWORD", "off"), ("HALLPASS_APP_USER", "4")]).await;
    let token = bearer(&world.create_token(Format::Signed, "2", 1).await.text);
    let before = all_records(&world).await;
    for (method, route, takes_tokens) in ROUTES {
        for (name, password) in [("admin", "letmein"), ("admin", "wrong"), ("unknown", "x")] {
            let response = send(&world, method, route, &basic(name, password)).await;
            let problem = response.problem(401);
            assert_eq!(problem["detail"], "Invalid credentials.", "{route} {name} {password}");
            assert!(!response.challenge().contains("Basic"), "{route}: {}", response.challenge());
        }
        let response = send(&world, method, route, &token).await;
        assert_eq!(
            response.status,
            if takes_tokens { 200 } else { 401 },
            "{route}: {}",
            response.body
        );
    }
    assert_eq!(all_records(&world).await, before + 4, "one by each route that takes a token");
    let answer = WebClient::signing_in(&world, "admin", "letmein").await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("Signing in with a password is disabled"), "{}", answer.body);
    assert_eq!(world.dump("Attempts").await, Vec::<String>::new(), "no password was looked at");
}

#[tokio::test]
async fn switching_passwords_off_ends_a_flow_that_began_with_one() {
    let world = World::new().await;
    let begin =
        send(&world, "GET", "/rs/authorize-implicit", &basic("my_username", "topsecret")).await;
    let cookie = begin.header("set-cookie").split(';').next().unwrap();
    let decide = Request::new("GET", "/rs/authorize-implicit/decision").header("Cookie", cookie);
    let decide = decide.query("client_id", "app").query("oauthDecision", "allow");
    let decide = decide
        .query("session_authenticity_token", begin.json()["authenticityToken"].as_str().unwrap());
    let off = world.another_with(&[("HALLPASS_GENERATE_PASSWORD", "off")]);
    off.send("Generate", decide.clone()).await.problem(401);
    let permitted =
        world.another_with(&[("HALLPASS_GENERATE_PERMISSION", "generate services token")]);
    permitted.send("Generate", decide).await.problem(403);
    assert_eq!(world.count_records("1").await, 0);
}

/// The forms of the user's own page that create a token.
const FORMS: [&[(&str, &str)]; 2] =
    [&[("do", "make"), ("name", "a"), ("limit", "all")], &[("do", "regenerate")]];

/// Sends every form that creates a token, and checks the status of the response.
async fn send_forms(web_client: &mut WebClient<'_>, status: u16) {
    for fields in FORMS {
        let request = Request::new("POST", "/profile/developer");
        let response = web_client.submit("Generate", request, fields).await;
        assert_eq!(response.status, status, "{fields:?}");
    }
}

#[tokio::test]
async fn the_permission_is_required_on_every_route_that_accepts_a_password() {
    let settings =
        [("HALLPASS_GENERATE_PERMISSION", "generate services token"), ("HALLPASS_APP_USER", "4")];
    let world = World::with(&settings).await;
    let token = bearer(&world.create_token(Format::Signed, "2", 1).await.text);
    let permissions = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Some(aws_sdk_dynamodb::types::AttributeValue::Ss(names))
    };
    let before = all_records(&world).await;
    for (method, route, takes_tokens) in ROUTES {
        let password = basic("admin", "letmein");
        for authorization in [&password, &token].into_iter().take(if takes_tokens { 2 } else { 1 })
        {
            let response = send(&world, method, route, authorization).await;
            response.problem(403);
            assert_eq!(response.header("www-authenticate"), "", "{route}");
        }
        send(&world, method, route, &basic("admin", "wrong")).await.problem(401);
        world.advance(60);
    }
    assert_eq!(WebClient::signing_in(&world, "admin", "letmein").await.status, 403);
    assert_eq!(WebClient::signing_in(&world, "admin", "wrong").await.status, 401);
    assert_eq!(all_records(&world).await, before, "no token was created");
    world
        .set_user(
            "2",
            "permissions",
            permissions(&["ROLE_USER", "ROLE_ADMIN", "generate services token"]),
        )
        .await;
    for (method, route, takes_tokens) in ROUTES {
        assert_eq!(
            send(&world, method, route, &basic("admin", "letmein")).await.status,
            200,
            "{route}"
        );
        if takes_tokens {
            assert_eq!(send(&world, method, route, &token).await.status, 200, "{route}");
        }
    }
    let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
    send_forms(&mut web_client, 201).await;
    // A user who loses the permission while signed in creates nothing more.
    world.set_user("2", "permissions", permissions(&["ROLE_USER", "ROLE_ADMIN"])).await;
    let before = all_records(&world).await;
    send_forms(&mut web_client, 403).await;
    let key = Request::new("POST", "/admin/users/{user_id}").parameter("user_id", "1");
    assert_eq!(
        web_client.submit("Generate", key, &[("name", "a"), ("limit", "all")]).await.status,
        403
    );
    assert_eq!(all_records(&world).await, before);
}
