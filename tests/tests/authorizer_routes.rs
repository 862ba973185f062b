//! Route rules: the effective scope becomes the resources of the policy, and the response stays
//! small enough.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{World, api::text, tables::TestToken, witness};

const REST_REQUEST: &str = include_str!("../fixtures/rest_request.json");
const HTTP_2_0: &str = include_str!("../fixtures/http_2_0.json");

const AS_POLICY: (&str, &str) = ("HALLPASS_AUTHORIZER_RESPONSE", "policy");

fn event(form: &str, authorization: &str) -> Value {
    serde_json::from_str(&form.replace("{authorization}", authorization)).unwrap()
}

async fn response(world: &World, form: &str, token: &str) -> Value {
    world.invoke("VerifyAuthorizer", event(form, &format!("Bearer {token}"))).await.unwrap()
}

/// Returns every resource of a response's policy.
fn resources(response: &Value) -> Vec<&str> {
    let statements = response["policyDocument"]["Statement"].as_array().unwrap();
    let lists = statements.iter().map(|statement| statement["Resource"].as_array().unwrap());
    lists.flatten().map(|resource| resource.as_str().unwrap()).collect()
}

fn effect(response: &Value) -> &str {
    match &response["isAuthorized"] {
        Value::Bool(true) => "Allow",
        Value::Bool(false) => "Deny",
        _ => response["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap(),
    }
}

/// Returns the first two segments of the ARN in an event.
fn stage(form: &str) -> String {
    let event = event(form, "");
    let arn = event.get("routeArn").unwrap_or(&event["methodArn"]).as_str().unwrap().to_owned();
    arn.split('/').take(2).collect::<Vec<_>>().join("/")
}

const RULES: &str = r#"[
    {"method": "GET", "path": "/reports/*", "permission": "ROLE_USER"},
    {"method": "*", "path": "/admin/*", "permission": "ROLE_ADMIN"},
    {"method": "GET", "path": "/me"}
]"#;

async fn with_scope(world: &World, user_id: &str, seed: u8, names: &[&str]) -> TestToken {
    let scope = names.iter().map(|name| name.parse().unwrap()).collect();
    world
        .create_token_with(Format::Signed, user_id, seed, |record| record.scope = Some(scope))
        .await
}

#[tokio::test]
async fn route_rules_turn_the_scope_into_resources() {
    let world = World::with(&[("HALLPASS_ROUTES", RULES)]).await;
    let stage = "arn:aws:execute-api:eu-west-1:123456789012:s4x3opwd6i/v1";
    let check = async |seed: u8, scope: &[&str], routes: &[&str]| {
        let token = with_scope(&world, "2", seed, scope).await;
        let response = response(&world, REST_REQUEST, &token.text).await;
        let expected: Vec<String> = routes.iter().map(|route| format!("{stage}/{route}")).collect();
        assert_eq!(
            (effect(&response), resources(&response)),
            ("Allow", expected.iter().map(String::as_str).collect())
        );
        assert_eq!(response["context"]["scope"], scope.join(" "));
        assert_eq!(response["context"]["scopes"], json!(scope).to_string());
        // The rejection of a route outside the policy, and of any route once a cached policy ends.
        let detail = response["context"]["detail"].as_str().unwrap();
        let expiry = response["context"]["expires_at"].as_str().unwrap();
        let expected = "The access token does not permit this or is expired; its expiry is";
        assert_eq!(detail, format!("{expected} {expiry}"));
        assert!(
            response["context"]["challenge"]
                .as_str()
                .unwrap()
                .contains(r#"error="insufficient_scope""#)
        );
    };
    let admin = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .map(|method| format!("{method}/admin/*"));
    let admin: Vec<&str> = admin.iter().map(String::as_str).collect();
    check(
        1,
        &["ROLE_ADMIN", "ROLE_USER"],
        &[&["GET/reports/*"], admin.as_slice(), &["GET/me"]].concat(),
    )
    .await;
    check(2, &["ROLE_USER"], &["GET/reports/*", "GET/me"]).await;
    check(3, &["ROLE_ADMIN"], &[admin.as_slice(), &["GET/me"]].concat()).await;
}

#[tokio::test]
async fn a_token_with_an_empty_effective_scope_is_accepted_and_permitted_nothing() {
    let rules = r#"[{"method": "GET", "path": "/reports/*", "permission": "ROLE_USER"}]"#;
    for (routes, expected) in [("", "Allow"), (RULES, "Allow"), (rules, "Deny")] {
        let world = World::with(&[("HALLPASS_ROUTES", routes)]).await;
        let token = with_scope(&world, "1", 1, &["ROLE_USER"]).await;
        world.set_user("1", "permissions", None).await;
        let response = response(&world, REST_REQUEST, &token.text).await;
        assert_eq!(effect(&response), expected, "{routes}");
        let stage = "arn:aws:execute-api:eu-west-1:123456789012:s4x3opwd6i/v1";
        let resource =
            if routes == RULES { format!("{stage}/GET/me") } else { format!("{stage}/*") };
        assert_eq!(resources(&response), [resource]);
        let context = &response["context"];
        assert_eq!(
            (&context["scope"], &context["scopes"], &context["user_id"]),
            (&json!(""), &json!("[]"), &json!("1"))
        );
        let reason = if routes.is_empty() { "expired" } else { "insufficient_scope" };
        assert_eq!(context["reason"], reason, "{routes}");
    }
}

#[tokio::test]
async fn a_simple_response_cannot_hold_route_rules() {
    let check = async |settings: &[(&str, &str)], good: bool| {
        let world = World::with(settings).await;
        let token = world.create_token(Format::Signed, "1", if good { 201 } else { 202 }).await;
        let outcome = world.invoke("VerifyAuthorizer", event(HTTP_2_0, &token.text)).await;
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        let (id, log) = (format!("\"{}\"", token.record.id), witness::log());
        let is_logged = log.lines().any(|line| line.contains("\"accepted\"") && line.contains(&id));
        assert_eq!(is_logged, good, "an acceptance is logged only once its response is certain");
    };
    check(&[("HALLPASS_ROUTES", RULES)], false).await;
    check(&[("HALLPASS_ROUTES", RULES), AS_POLICY], true).await;
}

/// Returns `count` rules with paths of this length, each with a permission of its own.
fn rules(count: usize, path_length: usize) -> String {
    let path = |number: usize| format!("/{number:02}{}", "x".repeat(path_length - 3));
    let rule = |number| json!({"method": "DELETE", "path": path(number), "permission": "p"});
    Value::from((0..count).map(rule).collect::<Vec<_>>()).to_string()
}

/// Writes a user whose response is as long as possible: the longest ID, a name that grows most as
/// JSON, and these permissions.
async fn put_long_user(world: &World, id: &str, permissions: Vec<String>) {
    let mut user = world.user_item("1").await;
    user.insert("user_id".to_owned(), text(id));
    user.insert("permissions".to_owned(), AttributeValue::Ss(permissions));
    user.insert("full_name".to_owned(), text(&"\u{1}".repeat(200)));
    world.put("Users", user).await;
}

/// Returns this form of event for a stage whose ARN has this length.
fn of_long_stage(form: &str, length: usize) -> String {
    let stage = stage(form);
    let (api, _) = stage.rsplit_once('/').unwrap();
    form.replace(&stage, &format!("{api}/{}", "s".repeat(length - api.len() - 1)))
}

#[tokio::test]
async fn the_largest_response_is_small_enough_for_api_gateway() {
    // As many rules as are allowed, the longest stage, realm and user ID, and more scope than fits.
    for (count, path_length) in [(15, 256), (49, 3)] {
        let rules = rules(count, path_length);
        let world = World::with(&[
            ("HALLPASS_ROUTES", rules.as_str()),
            AS_POLICY,
            ("HALLPASS_REALM", &"r".repeat(64)),
        ])
        .await;
        let id = "u".repeat(64);
        let mut permissions: Vec<String> =
            (0..60).map(|number| format!("{number}{}", "p".repeat(120))).collect();
        permissions.push("p".to_owned());
        put_long_user(&world, &id, permissions).await;
        let token = world.create_token(Format::Signed, &id, 1).await;
        for form in [REST_REQUEST, HTTP_2_0] {
            let response = response(&world, &of_long_stage(form, 100), &token.text).await;
            assert_eq!((effect(&response), resources(&response).len()), ("Allow", count));
            let length = response.to_string().len();
            assert!((7_000..=8_000).contains(&length), "{length}");
        }
        // A still longer stage name is an error, rather than a response that API Gateway would
        // reject.
        let outcome = world
            .invoke(
                "VerifyAuthorizer",
                event(&of_long_stage(REST_REQUEST, 170), &format!("Bearer {}", token.text)),
            )
            .await;
        assert!(outcome.is_err());
    }
}

/// Returns the context of a user with this many permissions of 25 characters, and the length of the
/// response.
async fn with_permissions(settings: &[(&str, &str)], form: &str, count: usize) -> (Value, usize) {
    let world = World::with(settings).await;
    let names = (0..count).map(|number| format!("permission-of-25-chars-{number:02}")).collect();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(names))).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let response = response(&world, form, &token.text).await;
    assert_eq!(effect(&response), "Allow", "{count}");
    (response["context"].clone(), response.to_string().len())
}

#[tokio::test]
async fn a_scope_that_does_not_fit_is_left_out_whole_and_counted() {
    for (settings, form) in
        [(vec![], REST_REQUEST), (vec![], HTTP_2_0), (vec![AS_POLICY], HTTP_2_0)]
    {
        for (count, fits) in [(1, true), (60, true), (120, true), (140, false), (300, false)] {
            let (context, length) = with_permissions(&settings, form, count).await;
            assert!(length <= 8_000 && (fits || length < 1_500), "{count}: {length}");
            if fits {
                let names: Vec<String> =
                    serde_json::from_str(context["scopes"].as_str().unwrap()).unwrap();
                assert_eq!(names.len(), count);
                assert_eq!(context["scope"], names.join(" "));
                assert!(
                    context.get("scope_count").is_none()
                        && context.get("scope_truncated").is_none()
                );
            } else {
                assert!(
                    context.get("scope").is_none() && context.get("scopes").is_none(),
                    "{context}"
                );
                assert_eq!(
                    (&context["scope_count"], &context["scope_truncated"]),
                    (&json!(count.to_string()), &json!("true"))
                );
            }
        }
    }
}

#[tokio::test]
async fn a_name_with_a_space_is_in_scopes_alone() {
    let world = World::new().await;
    let names = ["generate services token", "read", "write"].map(str::to_owned).to_vec();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(names))).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let context = response(&world, REST_REQUEST, &token.text).await["context"].clone();
    assert_eq!(context["scope"], "read write");
    assert_eq!(context["scopes"], r#"["generate services token","read","write"]"#);
}
