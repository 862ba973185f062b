//! Events from elsewhere, and events whose every part could end up in a policy.

use hallpass_token::Format;
use serde_json::{Value, json};
use tests::World;

use super::{AS_POLICY, FORMS, effect, event, response};

#[tokio::test]
async fn an_event_from_elsewhere_is_an_error() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await;
    let mut events = vec![json!({}), json!({"type": "TOKEN", "authorizationToken": token.text})];
    for arn in [
        "",
        "arn:aws:s3:::bucket/key/a",
        "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/*/GET/a",
    ] {
        // AWS's own sample of a TOKEN event has a stage of this name.
        if !arn.contains('*') {
            events
                .push(json!({"type": "TOKEN", "authorizationToken": token.text, "methodArn": arn}));
        }
        events.push(
            json!({"version": "2.0", "headers": {"authorization": token.text}, "routeArn": arn}),
        );
    }
    for event in events {
        let error = world.invoke("VerifyAuthorizer", event.clone()).await.unwrap_err();
        assert_eq!(error.message, "the token could not be verified", "{event}");
    }
}

/// Returns an event whose every part could end up in a policy.
fn hostile(form: &str, authorization: &str) -> Value {
    const HOSTILE: &str = r#"HOSTILE/*/../"],"Effect":"Allow"/${aws:username}/?%2a/🎫\"#;
    let mut event = event(form, authorization);
    let arn = if event.get("routeArn").is_some() { "routeArn" } else { "methodArn" };
    let whole = event[arn].as_str().unwrap().to_owned();
    let route: usize = whole.match_indices('/').nth(1).unwrap().0;
    event[arn] = format!("{}/GET/{HOSTILE}", &whole[..route]).into();
    let members = event.as_object_mut().unwrap();
    for member in [
        "resource",
        "path",
        "httpMethod",
        "rawPath",
        "rawQueryString",
        "routeKey",
        "identitySource",
    ] {
        if members.contains_key(member) {
            members.insert(member.to_owned(), HOSTILE.into());
        }
    }
    for headers in [
        "headers",
        "multiValueHeaders",
        "pathParameters",
        "stageVariables",
        "queryStringParameters",
    ] {
        if let Some(headers) = members.get_mut(headers).and_then(Value::as_object_mut) {
            headers.insert("x-HOSTILE".to_owned(), HOSTILE.into());
            headers.insert(HOSTILE.to_owned(), HOSTILE.into());
        }
    }
    event
}

#[tokio::test]
async fn nothing_of_the_request_reaches_the_response() {
    let rules =
        json!([{"method": "GET", "path": "/reports/*", "permission": "ROLE_USER"}]).to_string();
    for settings in [vec![AS_POLICY], vec![AS_POLICY, ("HALLPASS_ROUTES", rules.as_str())]] {
        let world = World::with(&settings).await;
        let token = world.create_token(Format::Signed, "1", 1).await;
        for form in FORMS {
            for (text, expected) in [(token.text.as_str(), "Allow"), ("HOSTILE", "Deny")] {
                let plain = response(&world, form, text).await;
                let response = world
                    .invoke("VerifyAuthorizer", hostile(form, &format!("Bearer {text}")))
                    .await
                    .unwrap();
                assert_eq!(response, plain, "{form}");
                assert_eq!(effect(&response), expected);
                assert!(
                    !response.to_string().contains("HOSTILE")
                        && !response.to_string().contains(&token.text)
                );
            }
        }
    }
}
