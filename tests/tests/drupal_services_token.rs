//! The clients of Drupal's services_token: its own requests over HTTPS, and the extensions of the
//! original.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_http::routes::{Access, ROUTES};
use hallpass_token::{Format, Timestamp};
use serde_json::{Value, json};
use tests::{
    World,
    api::{bearer, forged, text},
    basic,
    pages::is_page,
    system::{System, members},
};

const GENERATE: &str = "/api/services_token/generate";
const DAY: u64 = 86_400;

fn permissions(names: &[&str]) -> AttributeValue {
    AttributeValue::Ss(names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn the_transcript_of_the_original_works() {
    let system = System::start(&[]).await;
    let generate = async |authorization: &str| {
        let reply = system.ask("POST", GENERATE, authorization).await;
        let generated = reply.body_of(200);
        let (expires, token) =
            (generated["expires"].as_str().unwrap(), generated["token"].as_str().unwrap());
        assert_eq!(reply.body, format!(r#"{{"expires":"{expires}","token":"{token}"}}"#));
        let ends = system.now().unix() + 30 * DAY;
        assert_eq!(expires, Timestamp::from_unix(ends).unwrap().with_offset_without_colon());
        let [user_id, end, sign] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((user_id, end, sign.len()), ("1", format!("{ends:x}").as_str(), 43), "{token}");
        token.to_owned()
    };
    let show = async |token: &str| {
        let reply = system.ask("GET", "/api/user/1", &basic(token, "")).await;
        let user = reply.body_of(200);
        assert!(reply.body.starts_with(r#"{"uid":"1","name":"my_username","#), "{}", reply.body);
        assert_eq!(members(&user), ["uid", "name", "full_name", "kind", "status", "permissions"]);
    };
    let first = generate(&basic("my_username", "topsecret")).await;
    show(&first).await;
    system.advance(438);
    let second = generate(&basic(&first, "")).await;
    show(&second).await;
    show(&first).await;
    system.advance(30 * DAY - 438);
    assert_eq!(
        (system.verdict(&first).await, system.verdict(&second).await),
        ("expired".into(), "allow".into())
    );
    system.stop().await;
}

#[tokio::test]
async fn the_challenge_of_generate_names_the_realm_of_the_deployment_for_a_token_and_for_a_password()
 {
    let system = System::start(&[("HALLPASS_REALM", "My Drupal")]).await;
    let check = async |authorization: &[(&str, &str)], detail: &str, more: &str| {
        let reply = system.send("POST", GENERATE, authorization, "").await;
        assert_eq!(reply.body_of(401)["detail"], detail);
        let bearer = format!(r#"Bearer realm="My Drupal"{more}"#);
        assert_eq!(reply.challenges(), [bearer.as_str()]);
    };
    let token = system.token_of("my_username", "topsecret").await;
    system.ask("DELETE", "/tokens/current", &bearer(&token)).await.body_of(200);
    let revoked = r#", error="invalid_token", error_description="The access token was revoked""#;
    check(&[], "An access token is required", "").await;
    check(&[("Authorization", &basic("my_username", "wrong"))], "Invalid credentials.", "").await;
    check(&[("Authorization", &basic(&token, "topsecret"))], "Invalid credentials.", "").await;
    check(&[("Authorization", &basic(&token, ""))], "The access token was revoked", revoked).await;
    // The protected API accepts tokens only, and its challenge is the gateway's.
    let reply = system.ask("GET", "/api/user/1", &bearer(&forged(&token))).await;
    assert!(reply.header("www-authenticate").starts_with(r#"Bearer realm="My Drupal", error="#));
    system.stop().await;
}

#[tokio::test]
async fn a_user_without_the_generate_permission_gets_no_token_and_no_challenge() {
    let system =
        System::start(&[("HALLPASS_GENERATE_PERMISSION", "generate services token")]).await;
    let authorise = async |name, password| {
        let jwt = system.ask("GET", "/rs/authorise", &basic(name, password)).await.body_of(200);
        jwt["accessToken"].as_str().unwrap().to_owned()
    };
    // No other route creates a token with the password either, without the permission.
    let password = basic("my_username", "topsecret");
    system.ask("GET", "/rs/authorise", &password).await.body_of(403);
    system
        .set_user("1", "permissions", permissions(&["ROLE_USER", "generate services token"]))
        .await;
    let user = authorise("my_username", "topsecret").await;
    system.set_user("1", "permissions", permissions(&["ROLE_USER"])).await;
    for authorization in [&password, &bearer(&user), &basic(&user, "")] {
        let reply = system.ask("POST", GENERATE, authorization).await;
        assert_eq!(reply.body_of(403)["detail"], "The user is not permitted to do this");
        assert_eq!((reply.challenges(), reply.header("www-authenticate")), (vec![], ""));
    }
    assert_eq!(
        system.ask("POST", GENERATE, &basic("my_username", "wrong")).await.status,
        401,
        "it is checked first"
    );
    system
        .set_user("1", "permissions", permissions(&["ROLE_USER", "generate services token"]))
        .await;
    for authorization in [&password, &bearer(&user)] {
        assert_eq!(system.ask("POST", GENERATE, authorization).await.status, 200);
    }
    // A token whose own scope leaves out the permission is rejected too.
    let narrow = system.created(&user, &json!({"name": "narrow", "scopes": ["ROLE_USER"]})).await;
    let reply = system.ask("POST", GENERATE, &bearer(narrow["token"].as_str().unwrap())).await;
    reply.body_of(403);
    assert_eq!(reply.challenges(), Vec::<&str>::new());
    system.stop().await;
}

#[tokio::test]
async fn generate_can_be_limited_to_live_tokens() {
    let world = World::with(&[("HALLPASS_GENERATE_PASSWORD", "off")]).await;
    let jwt = world.create_token(Format::Jwt, "1", 1).await.text;
    assert_eq!(
        world.generate(&basic("my_username", "topsecret")).await.problem(401)["detail"],
        "Invalid credentials."
    );
    for authorization in [bearer(&jwt), basic(&jwt, "")] {
        let response = world.generate(&authorization).await;
        assert_eq!(
            world.verdict(&bearer(response.json()["token"].as_str().unwrap())).await,
            "allow"
        );
    }
    assert_eq!(world.generate(&basic(&jwt, "topsecret")).await.status, 401);
}

/// The routes that accept a password, or need no credential at all.
const OTHERWISE: [&str; 11] = [
    GENERATE,
    "/rs/authorise",
    "/rs/authorize-implicit",
    "/rs/authorize-implicit/decision",
    "/rest/pat/1.0/token/user/create",
    "/rest/pat/1.0/token/app/create",
    "/oauth/revoke",
    "/leaks/github",
    "/sign-in/oidc/back-channel-logout",
    "/openapi.json",
    "/healthz",
];

#[tokio::test]
async fn a_password_is_rejected_where_a_token_is_required() {
    let system = System::start(&[]).await;
    let token = system.token_of("my_username", "topsecret").await;
    let (password, both) = (basic("my_username", "topsecret"), basic(&token, "topsecret"));
    let mut checked = 0;
    for route in ROUTES.iter().filter(|route| !is_page(route) && !OTHERWISE.contains(&route.path)) {
        let path = route.path.replace("{id}", "1").replace("{user_id}", "1");
        for authorization in [&password, &both] {
            let reply = system.json(route.method, &path, authorization, &json!({})).await;
            let problem = reply.body_of(401);
            assert_eq!(problem["detail"], "Invalid credentials.", "{} {path}", route.method);
            // A gateway response has the header under its own name, the response of a function
            // under the one that AWS gives it.
            if route.access == Access::Authorizer {
                let both = tests::with_basic(r#"Bearer realm="hallpass""#, true);
                assert_eq!(reply.header("www-authenticate"), both);
            } else {
                assert_eq!(
                    reply.challenges(),
                    [r#"Bearer realm="hallpass""#],
                    "{} {path}",
                    route.method
                );
            }
        }
        checked += 1;
    }
    assert!(checked >= 13, "{checked}");
    assert_eq!(system.verdict(&token).await, "allow");
    system.stop().await;
}

#[tokio::test]
async fn a_user_is_shown_to_itself_and_to_administrators() {
    let system = System::start(&[]).await;
    let (user, admin) = (
        system.token_of("my_username", "topsecret").await,
        system.token_of("admin", "letmein").await,
    );
    let limited =
        system.created(&admin, &json!({"name": "limited", "scopes": ["ROLE_USER"]})).await;
    let limited = limited["token"].as_str().unwrap();
    let check = async |token: &str, id: &str, status: u16, name: Value| {
        let reply = system.ask("GET", &format!("/api/user/{id}"), &basic(token, "")).await;
        assert_eq!(reply.body_of(status)["name"], name, "{id}");
    };
    check(&user, "1", 200, json!("my_username")).await;
    check(&user, "2", 403, Value::Null).await;
    check(&user, "99", 403, Value::Null).await;
    check(&admin, "2", 200, json!("admin")).await;
    check(&admin, "1", 200, json!("my_username")).await;
    check(&admin, "99", 404, Value::Null).await;
    check(limited, "2", 200, json!("admin")).await;
    check(limited, "1", 403, Value::Null).await;
    system.stop().await;
}

#[tokio::test]
async fn a_token_lives_as_long_as_configured_and_can_be_renewed_without_limit() {
    let world = World::with(&[("HALLPASS_LIFETIME", "60s")]).await;
    let mut token = world.token().await;
    for _ in 0..40 {
        world.advance(59);
        let renewed = world.generate(&basic(&token, "")).await;
        assert_eq!(renewed.status, 200, "{}", renewed.body);
        renewed.json()["token"].as_str().unwrap().clone_into(&mut token);
    }
    world.advance(60);
    assert_eq!(world.generate(&basic(&token, "")).await.problem(401)["reason"], "expired");
    assert_eq!(world.verdict(&bearer(&token)).await, "expired");
}

#[tokio::test]
async fn renewals_can_be_limited() {
    let world = World::with(&[("HALLPASS_MAX_AUTHENTICATION_AGE", "70d")]).await;
    let mut token = world.token().await;
    let check = async |token: &str, expires: u64| {
        let response = world.generate(&basic(token, "")).await.json();
        let renewed = response["token"].as_str().unwrap().to_owned();
        let ends = u64::from_str_radix(renewed.split('.').nth(1).unwrap(), 16).unwrap();
        assert_eq!(ends - tests::START, expires);
        renewed
    };
    for (days, expires) in [(29, 59 * DAY), (29, 70 * DAY), (11, 70 * DAY)] {
        world.advance(days * DAY);
        token = check(&token, expires).await;
    }
    world.advance(DAY);
    assert_eq!(world.generate(&basic(&token, "")).await.problem(401)["reason"], "expired");
    // A setting that is newer than the token ends its renewals, and the response says why.
    let began_at = world.now().before(std::time::Duration::from_secs(70 * DAY));
    let old = world
        .create_token_with(Format::Signed, "1", 9, |record| record.authenticated_at = began_at)
        .await;
    assert_eq!(world.verdict(&bearer(&old.text)).await, "allow");
    let rejected = world.generate(&bearer(&old.text)).await;
    assert_eq!(rejected.problem(401)["reason"], "expired");
    assert!(rejected.challenge().contains("The access token expired"), "{}", rejected.challenge());
}

#[tokio::test]
async fn only_a_changed_name_or_password_or_a_block_invalidates_tokens() {
    let system = System::start(&[]).await;
    let check = async |attribute: &str, value: AttributeValue, verdict: &str| {
        let token = system.token_of("admin", "letmein").await;
        system.set_user("2", attribute, value).await;
        assert_eq!(system.verdict(&token).await, verdict, "{attribute}");
    };
    check("permissions", permissions(&["ROLE_ADMIN"]), "allow").await;
    check("full_name", text("A. D. Min"), "allow").await;
    check("plan", text("free"), "allow").await;
    check(
        "password_hash",
        text(&hallpass_password::password::hash("letmein", [9; 16]).unwrap()),
        "user_changed",
    )
    .await;
    check("status", text("blocked"), "user_blocked").await;
    system.set_user("2", "status", text("active")).await;
    check("username", text("root"), "user_changed").await;
    system.stop().await;
}

#[tokio::test]
async fn the_attributes_that_invalidate_tokens_can_be_extended_for_all_formats_or_for_one() {
    let settings =
        [("HALLPASS_INVALIDATE_ON", "permissions, plan"), ("HALLPASS_INVALIDATE_ON_JWT", "plan")];
    let system = System::start(&settings).await;
    let check = async |attribute: &str, value: AttributeValue, signed: &str, jwt: &str| {
        let token = system.token_of("my_username", "topsecret").await;
        let key = system.created(&token, &json!({"name": attribute, "format": "jwt"})).await;
        system.set_user("1", attribute, value).await;
        let verdicts =
            (system.verdict(&token).await, system.verdict(key["token"].as_str().unwrap()).await);
        assert_eq!(verdicts, (signed.to_owned(), jwt.to_owned()), "{attribute}");
    };
    check("permissions", permissions(&["ROLE_USER", "premium"]), "user_changed", "allow").await;
    check("plan", text("yearly"), "user_changed", "user_changed").await;
    check("plan", AttributeValue::N("7".to_owned()), "user_changed", "user_changed").await;
    check("full_name", text("My User"), "allow", "allow").await;
    check(
        "password_hash",
        text(&hallpass_password::password::hash("topsecret", [9; 16]).unwrap()),
        "allow",
        "allow",
    )
    .await;
    system.stop().await;
}
