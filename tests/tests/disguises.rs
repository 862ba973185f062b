//! Disguised requests: other spellings of a path, and headers that claim another method, path, host
//! or source. None of them has more effect than the plain request, over HTTPS and as raw events.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, forged, text},
    basic,
    client::Reply,
    system::System,
};

/// Headers that proxies add and frameworks trust. `{path}` is the path that they claim.
const CLAIMS: [(&str, &str); 13] = [
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "DELETE"),
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Host", "attacker.example"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Prefix", "/admin"),
    ("X-Forwarded-Path", "{path}"),
    ("X-Original-URL", "{path}"),
    ("X-Rewrite-URL", "{path}"),
    ("Forwarded", "for=198.51.100.7;host=attacker.example;proto=http"),
    ("X-Real-IP", "198.51.100.7"),
    ("X-User-Id", "2"),
    ("X-Amzn-Authorizer", r#"{"user_id":"2","scope":"ROLE_ADMIN"}"#),
];

/// Returns other spellings of this path.
fn spellings(path: &str) -> Vec<String> {
    let (head, tail) = path.rsplit_once('/').unwrap();
    let rest = path.trim_start_matches('/');
    vec![
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        format!("///{rest}"),
        format!("{head}//{tail}"),
        format!("{head}/./{tail}"),
        format!("{head}/x/../{tail}"),
        format!("{head}%2F{tail}"),
        format!("{head}%2f{tail}"),
        format!("{head}/{tail}%2F"),
        format!("{head}/%2e/{tail}"),
        format!("{head}%5C{tail}"),
        format!("{head}/{tail}%00"),
        format!("{head}/{tail}%20"),
        format!("{head}/{tail};x=1"),
        format!("{head}/{tail}?_method=DELETE"),
        format!("/{}", rest.replacen('r', "%72", 1)),
        path.to_uppercase(),
    ]
}

/// Returns whether the response contains the user.
fn shows(reply: &Reply) -> bool {
    reply.body.contains(r#""permissions""#) || reply.body.contains(r#""fullName""#)
}

#[tokio::test]
async fn no_spelling_of_a_path_gains_access() {
    let system = System::start(&[]).await;
    let good = system.token_of("my_username", "topsecret").await;
    let revoked = system.token_of("my_username", "topsecret").await;
    system.ask("DELETE", "/tokens/current", &bearer(&revoked)).await.body_of(200);
    let denied = ["", &bearer(&revoked), &basic("admin", "letmein")];
    for path in ["/api/user/1", "/api/user/2", "/rs/profile"] {
        for spelling in spellings(path) {
            for authorization in denied {
                let reply = system.ask("GET", &spelling, authorization).await;
                assert!(
                    !shows(&reply) && [400, 401, 403, 404].contains(&reply.status),
                    "{spelling} {reply:?}"
                );
            }
            let reply = system.ask("GET", &spelling, &bearer(&good)).await;
            // A caller that can read this user at its own path can read it at a spelling that leads
            // there, and at no other.
            assert!(path != "/api/user/2" || !shows(&reply), "{spelling} {}", reply.body);
            assert!(reply.status == 200 || !shows(&reply), "{spelling} {}", reply.body);
            assert!(
                reply.status < 500 && !reply.body.contains(r#""uid":"2""#),
                "{spelling} {}",
                reply.body
            );
        }
    }
    for spelling in spellings("/tokens/current") {
        for method in ["GET", "POST", "PUT", "HEAD"] {
            let reply = system.ask(method, &spelling, &bearer(&good)).await;
            assert!(reply.status < 500, "{method} {spelling}");
        }
    }
    assert_eq!(system.verdict(&good).await, "allow", "none of these requests deleted anything");
    system.stop().await;
}

#[tokio::test]
async fn no_header_claims_another_method_path_or_source() {
    let system = System::start(&[]).await;
    let good = system.token_of("my_username", "topsecret").await;
    let admin = system.token_of("admin", "letmein").await;
    let (good, admin) = (bearer(&good), bearer(&admin));
    for (method, path, authorization) in [
        ("GET", "/api/user/1", &good),
        ("GET", "/api/user/2", &good),
        ("GET", "/rs/profile", &good),
        ("GET", "/rs/profile", &String::new()),
        ("GET", "/tokens/current", &good),
        ("POST", "/tokens/current", &good),
        ("GET", "/users/1/tokens", &admin),
        ("GET", "/openapi.json", &String::new()),
    ] {
        let plain = system.ask(method, path, authorization).await;
        for (name, value) in CLAIMS {
            for target in ["/healthz", "/api/user/2", "/users/2/tokens"] {
                let headers = [
                    ("Authorization", authorization.as_str()),
                    (name, &value.replace("{path}", target)),
                ];
                let claimed = system.send(method, path, &headers, "").await;
                assert_eq!(
                    (claimed.status, &claimed.body),
                    (plain.status, &plain.body),
                    "{method} {path} {name}"
                );
                if !value.contains("{path}") {
                    break;
                }
            }
        }
    }
    assert_eq!(
        system.ask("GET", "/rs/profile", &good).await.status,
        200,
        "no claim deleted a token"
    );
    system.stop().await;
}

/// API Gateway replaces the method of a request to a REST API by that of `X-HTTP-Method-Override`.
#[tokio::test]
async fn an_overridden_method_gains_nothing_over_the_method_itself() {
    for caller in [None, Some(("my_username", "topsecret")), Some(("admin", "letmein"))] {
        let system = System::start(&[]).await;
        for (method, path) in [
            ("GET", "/rs/profile"),
            ("GET", "/api/user/1"),
            ("GET", "/api/user/2"),
            ("POST", "/tokens"),
            ("PATCH", "/tokens/current"),
            ("DELETE", "/tokens/current"),
            ("DELETE", "/users/2/tokens"),
            ("PUT", "/rs/profile"),
            ("OPTIONS", "/tokens"),
        ] {
            let ask = async |method: &str, claim: &[(&str, &str)]| {
                let authorization = match caller {
                    None => String::new(),
                    Some((name, password)) => bearer(&system.token_of(name, password).await),
                };
                let headers = [&[("Authorization", authorization.as_str())], claim].concat();
                system.send(method, path, &headers, "").await.status
            };
            let plain = ask(method, &[]).await;
            for sent in ["GET", "POST", "DELETE"] {
                let overridden = ask(sent, &[("X-HTTP-Method-Override", method)]).await;
                assert_eq!(overridden, plain, "{caller:?} {sent} as {method} {path}");
            }
        }
        system.stop().await;
    }
}

#[tokio::test]
async fn no_header_disguises_the_source_of_guesses() {
    let world = World::new().await;
    let log_in = async |password: &str, index: usize| {
        let (name, value) = CLAIMS[index % CLAIMS.len()];
        let request = Request::new("POST", "/api/services_token/generate").header(name, value);
        let request = request.header("X-Forwarded-For", &format!("198.51.100.{index}"));
        world.send("Generate", request.authorization(&basic("my_username", password))).await.status
    };
    for index in 0..5 {
        assert_eq!(log_in("wrong", index).await, 401);
    }
    for index in 5..5 + CLAIMS.len() {
        assert_eq!(log_in("topsecret", index).await, 429);
    }
}

/// Returns an event in which everything that a client can make up is made up.
fn disguised(mut event: Value, path: &str) -> Value {
    for (name, value) in CLAIMS {
        event["headers"][name] = value.replace("{path}", "/api/user/2").into();
        event["multiValueHeaders"][name] = json!([value.replace("{path}", "/api/user/2")]);
    }
    event["path"] = path.into();
    event["requestContext"]["path"] = format!("/v1{path}").into();
    event["queryStringParameters"] =
        json!({"user_id": "2", "scope": "ROLE_ADMIN", "_method": "DELETE"});
    event
}

#[tokio::test]
async fn disguised_raw_events_change_no_response_of_the_authorizer_and_the_functions_behind_it() {
    let world = World::new().await;
    let token = world.token().await;
    world.set_user("3", "status", Some(text("active"))).await;
    for (authorization, id) in
        [(bearer(&token), "1"), (bearer(&token), "2"), (bearer(&forged(&token)), "1")]
    {
        let request =
            Request::new("GET", "/api/user/{id}").parameter("id", id).authorization(&authorization);
        let plain = world.invoke("VerifyAuthorizer", request.authorizer_event()).await.unwrap();
        for path in spellings(&format!("/api/user/{id}")) {
            let event = disguised(request.authorizer_event(), &path);
            assert_eq!(world.invoke("VerifyAuthorizer", event).await.unwrap(), plain, "{path}");
        }
        for context in [plain["context"].clone(), json!({}), Value::Null] {
            let request = request.clone().authorized_as(context.clone());
            let plain = world.invoke("Console", request.event()).await.unwrap();
            for path in spellings(&format!("/api/user/{id}")) {
                let response =
                    world.invoke("Console", disguised(request.event(), &path)).await.unwrap();
                assert_eq!(response, plain, "{path} {context}");
            }
        }
    }
}

#[tokio::test]
async fn functions_behind_the_authorizer_reject_callers_that_it_has_not_seen() {
    let world = World::new().await;
    let admin = world.token_of("admin", "letmein").await;
    for route in ["/api/user/{id}", "/rs/profile"] {
        for context in [
            Value::Null,
            json!({}),
            json!({"user_id": "2"}),
            json!({"scopes": r#"["ROLE_ADMIN"]"#}),
            json!({"user_id": "2", "scope": "ROLE_ADMIN"}),
            json!({"principalId": "2", "integrationLatency": 1}),
            json!({"claims": {"user_id": "2", "scopes": r#"["ROLE_ADMIN"]"#}}),
        ] {
            for authorization in [bearer(&admin), basic("admin", "letmein"), String::new()] {
                let request =
                    Request::new("GET", route).parameter("id", "2").authorized_as(context.clone());
                let response = world.send("Console", request.authorization(&authorization)).await;
                assert_eq!(
                    response.problem(401)["detail"],
                    "An access token is required",
                    "{route} {context}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_cached_response_is_right_for_every_other_method_and_path() {
    const RULES: &str = r#"[{"method": "GET", "path": "/rs/*", "permission": "ROLE_USER"},
        {"method": "GET", "path": "/api/user/*", "permission": "ROLE_ADMIN"}]"#;
    for rules in ["", RULES] {
        let settings = [("HALLPASS_ROUTES", rules)];
        let plain =
            System::start_with(&settings, |options| options.authorizer_cache = Some(0)).await;
        let kept =
            System::start_with(&settings, |options| options.authorizer_cache = Some(300)).await;
        for (name, password) in [("my_username", "topsecret"), ("admin", "letmein")] {
            let logged_in =
                (plain.token_of(name, password).await, kept.token_of(name, password).await);
            // The response to any of the routes, whichever is requested first, serves the others.
            for first in [0, 1, 2, 4] {
                // The same expiry, which some rejections name: the clocks of two systems differ.
                let expires_at = plain.now().after(Duration::from_hours(1)).to_string();
                let requested = json!({"name": "a", "expires_at": expires_at});
                let one = plain.created(&logged_in.0, &requested).await["token"].clone();
                let two = kept.created(&logged_in.1, &requested).await["token"].clone();
                for step in 0..ASKED.len() {
                    let (method, path) = ASKED[(first + step) % ASKED.len()];
                    let fresh = plain.ask(method, path, &bearer(one.as_str().unwrap())).await;
                    let reused = kept.ask(method, path, &bearer(two.as_str().unwrap())).await;
                    let same = (reused.status, &reused.body) == (fresh.status, &fresh.body);
                    assert!(
                        same,
                        "{name} {method} {path} after {:?}: {fresh:?} {reused:?}",
                        ASKED[first]
                    );
                    let challenges = [&fresh, &reused]
                        .map(|reply| reply.header("x-www-authenticate").to_owned());
                    assert_eq!(challenges[0], challenges[1]);
                }
            }
        }
        plain.stop().await;
        kept.stop().await;
    }
}

/// The routes behind the authorizer, with every method, and an absent user.
const ASKED: [(&str, &str); 7] = [
    ("GET", "/rs/profile"),
    ("GET", "/api/user/1"),
    ("GET", "/api/user/2"),
    ("GET", "/api/user/99"),
    ("POST", "/api/user/1"),
    ("DELETE", "/rs/profile"),
    ("GET", "/rs/profile/"),
];
