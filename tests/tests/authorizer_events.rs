//! Every form of authorizer event, complete, and the complete response to it.
//!
//! API Gateway may reuse a response for every method and path of the stage, so a response must be
//! right for all of them, and must contain nothing of the request.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::{Format, Timestamp};
use serde_json::{Value, json};
use tests::{
    World,
    api::{forged, text},
    snapshot,
    tables::LIFETIME,
};

mod hostile;

const REST_TOKEN: &str = include_str!("../fixtures/rest_token.json");
const REST_REQUEST: &str = include_str!("../fixtures/rest_request.json");
const HTTP_1_0: &str = include_str!("../fixtures/http_1_0.json");
const HTTP_2_0: &str = include_str!("../fixtures/http_2_0.json");
const WEBSOCKET_CONNECT: &str = include_str!("../fixtures/websocket_connect.json");

const FORMS: [&str; 5] = [REST_TOKEN, REST_REQUEST, HTTP_1_0, HTTP_2_0, WEBSOCKET_CONNECT];

const AS_POLICY: (&str, &str) = ("HALLPASS_AUTHORIZER_RESPONSE", "policy");

/// The forms of event whose response is a policy, and for which a request without a credential is
/// an error.
const POLICY_OR_ERROR: [&str; 3] = [REST_TOKEN, REST_REQUEST, WEBSOCKET_CONNECT];

fn event(form: &str, authorization: &str) -> Value {
    serde_json::from_str(&form.replace("{authorization}", authorization)).unwrap()
}

/// Returns the event of a request without `Authorization`.
fn without_credential(form: &str) -> Value {
    let mut event = event(form, "");
    let members = event.as_object_mut().unwrap();
    for member in ["authorizationToken", "identitySource"] {
        members.remove(member);
    }
    for headers in ["headers", "multiValueHeaders"] {
        if let Some(headers) = members.get_mut(headers) {
            headers
                .as_object_mut()
                .unwrap()
                .retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
        }
    }
    event
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

async fn check(form: &str, seconds_later: u64, name: &str) {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    world.advance(seconds_later);
    let response = response(&world, form, &token.text).await;
    snapshot::check(name, &serde_json::to_string_pretty(&response).unwrap());
}

#[tokio::test]
async fn a_policy_is_for_the_partition_of_the_event() {
    let world = World::with(&[AS_POLICY]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    for partition in ["aws", "aws-cn", "aws-us-gov"] {
        for form in FORMS {
            let form = form.replace("arn:aws:", &format!("arn:{partition}:"));
            let response = response(&world, &form, &token.text).await;
            let expected = format!("arn:{partition}:execute-api:");
            assert!(resources(&response).iter().all(|one| one.starts_with(&expected)), "{form}");
            assert_eq!(effect(&response), "Allow");
        }
    }
}

#[tokio::test]
async fn an_acceptance_is_a_policy_for_the_stage_that_expires_with_the_token() {
    check(REST_REQUEST, 0, "accepted_by_a_policy").await;
}

#[tokio::test]
async fn an_http_api_with_payload_2_0_gets_a_simple_response() {
    check(HTTP_2_0, 0, "accepted_by_a_simple_response").await;
}

#[tokio::test]
async fn a_rejection_is_for_the_whole_stage_and_says_why() {
    check(REST_REQUEST, LIFETIME, "rejected_by_a_policy").await;
}

#[tokio::test]
async fn a_simple_rejection_says_why() {
    check(HTTP_2_0, LIFETIME, "rejected_by_a_simple_response").await;
}

/// Returns the first two segments of the ARN in an event.
fn stage(form: &str) -> String {
    let event = event(form, "");
    let arn = event.get("routeArn").unwrap_or(&event["methodArn"]).as_str().unwrap().to_owned();
    arn.split('/').take(2).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_other_form_gets_the_same_policy_for_its_own_stage() {
    let world = World::with(&[AS_POLICY]).await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let check = async |expected_effect: &str| {
        let rest = response(&world, REST_REQUEST, &token.text).await.to_string();
        for form in FORMS {
            let response = response(&world, form, &token.text).await;
            assert_eq!(response.to_string(), rest.replace(&stage(REST_REQUEST), &stage(form)));
            assert_eq!(effect(&response), expected_effect);
            assert_eq!(resources(&response), [format!("{}/*", stage(form))]);
        }
    };
    check("Allow").await;
    world.advance(LIFETIME);
    check("Deny").await;
}

#[tokio::test]
async fn every_form_rejects_for_every_reason_with_the_same_challenge() {
    let world = World::new().await;
    let check = async |text: &str, reason: &str, description: &str| {
        for form in FORMS {
            let response = response(&world, form, text).await;
            let context = &response["context"];
            assert_eq!((effect(&response), &context["reason"]), ("Deny", &json!(reason)), "{form}");
            assert_eq!(context["detail"], description);
            let challenge = format!(
                r#"Bearer realm="hallpass", error="invalid_token", error_description="{description}""#
            );
            assert_eq!(context["challenge"], challenge);
            assert_eq!(context["challenges"], tests::with_basic(&challenge, true));
            assert!(
                context.get("user_id").is_none() && context.get("token_id").is_none(),
                "{context}"
            );
            assert!(context.as_object().unwrap().values().all(Value::is_string));
        }
    };
    let good = world.create_token(Format::Signed, "1", 1).await;
    check("nonsense", "malformed", "The access token is not valid").await;
    check(&forged(&good.text), "malformed", "The access token is not valid").await;
    let absent = world.unwritten(Format::Signed, "1", 2).await;
    check(&absent.text, "unknown", "The access token is unknown").await;
    let revoked = world.create_token(Format::Signed, "1", 3).await;
    assert_eq!(world.delete(&revoked.text, "current").await.status, 200);
    check(&revoked.text, "revoked", "The access token was revoked").await;
    let disabled = world
        .create_token_with(Format::Signed, "1", 4, |record| {
            record.disabled_at = Some(record.issued_at);
        })
        .await;
    check(&disabled.text, "disabled", "The access token is disabled").await;
    world.set_user("1", "status", Some(text("blocked"))).await;
    check(&good.text, "user_blocked", "The user of the access token is blocked").await;
    world.set_user("1", "status", Some(text("active"))).await;
    world.set_user("1", "username", Some(text("other"))).await;
    check(
        &good.text,
        "user_changed",
        "The name of the user changed since the access token was issued",
    )
    .await;
    world.set_user("1", "password_hash", Some(text("other"))).await;
    let both = "The name and password of the user changed since the access token was issued";
    check(&good.text, "user_changed", both).await;
    world.remove_user("1").await;
    check(&good.text, "user_removed", "The user of the access token was removed").await;
    world.advance(LIFETIME);
    check(&good.text, "expired", "The access token expired").await;
}

#[tokio::test]
async fn a_request_without_a_credential_is_unauthorized() {
    let world = World::with(&[("HALLPASS_REALM", "our realm")]).await;
    for form in FORMS {
        for event in [without_credential(form), event(form, "")] {
            let outcome = world.invoke("VerifyAuthorizer", event).await;
            if POLICY_OR_ERROR.contains(&form) {
                // API Gateway recognizes the rejection by this exact text, and responds with 500 to
                // any other.
                assert_eq!(outcome.unwrap_err().message, "Unauthorized", "{form}");
                continue;
            }
            let response = outcome.unwrap();
            assert_eq!(
                (effect(&response), &response["context"]["reason"]),
                ("Deny", &json!("unauthenticated")),
                "{form}"
            );
            assert_eq!(response["context"]["challenge"], r#"Bearer realm="our realm""#);
            assert_eq!(
                response["context"]["challenges"],
                tests::with_basic(r#"Bearer realm="our realm""#, true)
            );
        }
    }
}

#[tokio::test]
async fn a_policy_ends_when_the_next_sign_in_is_due() {
    let world = World::new().await;
    let after = |seconds| world.now().after(std::time::Duration::from_secs(seconds));
    let check = async |seed: u8, expires: Option<u64>, due: u64, until: u64, reason: &str| {
        let due = AttributeValue::N(after(due).unix().to_string());
        world.set_user("1", "sign_in_due_at", Some(due)).await;
        let expires_at = expires.map(after);
        let change = |record: &mut hallpass_token::Record| record.expires_at = expires_at;
        let token = world.create_token_with(Format::Developer, "1", seed, change).await;
        let response = response(&world, REST_REQUEST, &token.text).await;
        let statement = &response["policyDocument"]["Statement"][0];
        let condition = json!({"DateLessThan": {"aws:CurrentTime": [after(until).to_string()]}});
        assert_eq!((&statement["Effect"], &statement["Condition"]), (&json!("Allow"), &condition));
        assert_eq!(response["context"]["reason"], reason);
    };
    check(1, None, 60, 60, "sign_in_required").await;
    check(2, Some(90), 60, 60, "sign_in_required").await;
    check(3, Some(30), 60, 30, "expired").await;
}

#[tokio::test]
async fn a_developer_token_without_an_expiry_has_no_condition() {
    let world = World::new().await;
    let until = |at: Option<Timestamp>| at.map(|at| at.to_string());
    for (seed, expires_at) in
        [(1, None), (2, Some(world.now().after(std::time::Duration::from_secs(60))))]
    {
        let token = world
            .create_token_with(Format::Developer, "1", seed, |record| {
                record.expires_at = expires_at;
            })
            .await;
        let response = response(&world, REST_REQUEST, &token.text).await;
        let statement = &response["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], "Allow");
        let condition =
            until(expires_at).map(|at| json!({"DateLessThan": {"aws:CurrentTime": [at]}}));
        assert_eq!(statement.get("Condition"), condition.as_ref());
        assert_eq!(
            response["context"].get("expires_at"),
            until(expires_at).map(Value::from).as_ref()
        );
    }
}
