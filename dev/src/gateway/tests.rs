//! Whole requests to a small API whose functions are closures.

use std::future::{pending, ready};
use std::sync::Mutex;

use http::{HeaderValue, Version};
use serde_json::json;

use super::*;

const TEMPLATE: &str = r#"
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      BinaryMediaTypes: [application~1octet-stream]
      Auth:
        Authorizers:
          Verify:
            FunctionArn: !GetAtt Judge.Arn
            FunctionPayloadType: REQUEST
            Identity: { Headers: [Authorization], ReauthorizeEvery: 60 }
          Token: { FunctionArn: !GetAtt Judge.Arn }
      GatewayResponses:
        ACCESS_DENIED:
          StatusCode: 401
          ResponseParameters: { Headers: { WWW-Authenticate: context.authorizer.challenge } }
          ResponseTemplates: { application/json: '{"reason":"$context.authorizer.reason"}' }
        DEFAULT_5XX:
          ResponseTemplates: { application/json: 'sorry' }
  Judge: { Type: AWS::Serverless::Function, Properties: {} }
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Open: { Type: Api, Properties: { Method: ANY, Path: /open } }
        Shut: { Type: Api, Properties: { Method: ANY, Path: "/shut/{id}", Auth: { Authorizer: Verify } } }
        Tok: { Type: Api, Properties: { Method: ANY, Path: /tok, Auth: { Authorizer: Token } } }
"#;

/// A gateway, the events that its functions received, and the time.
struct World {
    gateway: Gateway,
    events: Arc<Mutex<Vec<(String, Value)>>>,
    time: Arc<AtomicU64>,
}

impl World {
    /// Creates a gateway. `Judge` decides by the credential. `Echo` responds with `output`, or
    /// never if it is null.
    fn new(base_path: &str, cache_seconds: Option<u32>, output: &Value) -> Self {
        let (events, time) = (Arc::default(), Arc::new(AtomicU64::new(1_800_000_000)));
        let (log, clock, output) = (Arc::clone(&events), Arc::clone(&time), output.clone());
        let invoke: Invoke = Arc::new(move |function, event| {
            let log: &Mutex<Vec<_>> = &log;
            log.lock().unwrap().push((function.to_owned(), event.clone()));
            match (function, output.is_null()) {
                ("Judge", _) => Box::pin(ready(judge(&event))),
                (_, true) => Box::pin(pending()),
                (_, false) => Box::pin(ready(match output.as_str() {
                    Some(message) => Err(FunctionError { message: message.to_owned() }),
                    None => Ok(output.clone()),
                })),
            }
        });
        let clock = Arc::new(move || clock.load(Ordering::Relaxed));
        let options = Options { cache_seconds, base_path: base_path.to_owned(), clock, invoke };
        Self {
            gateway: Gateway::new(&Template::parse(TEMPLATE).unwrap(), options).unwrap(),
            events,
            time,
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.send("GET", path, headers, "").await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request =
            Request::builder().method(method).uri(path).header("host", "api.localhost:8443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.gateway.answer(request.body(body.into()).unwrap(), IpAddr::from([127, 0, 0, 1])).await
    }

    /// Returns the number of calls, the function called last, and its event.
    fn last(&self) -> (usize, String, Value) {
        let events = self.events.lock().unwrap();
        let (function, event) = events.last().cloned().unwrap_or_default();
        (events.len(), function, event)
    }
}

/// An authorizer that decides by the credential.
fn judge(event: &Value) -> Result<Value, FunctionError> {
    let credential = event["authorizationToken"]
        .as_str()
        .or(event["headers"]["Authorization"].as_str())
        .unwrap();
    let verdict = |effect: &str, resource: &str| {
        Ok(json!({
            "principalId": "u1",
            "policyDocument": {
                "Statement": [{ "Effect": effect, "Action": "execute-api:Invoke", "Resource": resource }],
            },
            "context": { "challenge": "Bearer error=\"invalid_token\"", "reason": "expired", "n": 7 },
        }))
    };
    match credential {
        "allow" => verdict("Allow", "*"),
        "one" => verdict("Allow", "arn:aws:execute-api:local:000000000000:hallpass/*/GET/shut/1"),
        "deny" => verdict("Deny", "*"),
        "bad" => Ok(json!({ "principalId": "u1" })),
        message => Err(FunctionError { message: message.to_owned() }),
    }
}

fn text(response: &Response<Bytes>) -> &str {
    str::from_utf8(response.body()).unwrap()
}

/// Calls `/shut/1` with a credential, and checks the status, the body and the number of calls of
/// functions.
async fn check(credential: Option<&str>, expected: (u16, &str, usize)) {
    let world = World::new("", None, &json!({ "body": "in" }));
    let headers: Vec<_> =
        credential.iter().map(|credential| ("authorization", *credential)).collect();
    let response = world.get("/shut/1", &headers).await;
    assert_eq!(
        (response.status().as_u16(), text(&response), world.last().0),
        expected,
        "{credential:?}"
    );
}

#[tokio::test]
async fn an_authorizer_accepts_or_rejects_a_request() {
    check(Some("allow"), (200, "in", 2)).await;
    check(Some("one"), (200, "in", 2)).await;
    check(Some("deny"), (401, r#"{"reason":"expired"}"#, 1)).await;
    check(Some("Unauthorized"), (401, r#"{"message":"Unauthorized"}"#, 1)).await;
    check(Some("unauthorized"), (500, "sorry", 1)).await;
    check(Some("bad"), (500, "sorry", 1)).await;
    check(None, (401, r#"{"message":"Unauthorized"}"#, 0)).await;
    check(Some(" "), (401, r#"{"message":"Unauthorized"}"#, 0)).await;
}

#[tokio::test]
async fn a_rejection_carries_the_challenge_of_the_authorizer() {
    let world = World::new("", None, &json!({}));
    let response = world.get("/shut/1", &[("authorization", "deny")]).await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    assert_eq!(response.headers()["x-amzn-errortype"], "AccessDeniedException");
}

#[tokio::test]
async fn a_decision_is_cached_for_every_route_until_it_expires() {
    let world = World::new("", None, &json!({}));
    let one = [("authorization", "one")];
    let mut statuses = Vec::new();
    for (path, at) in [("/shut/1", 0), ("/shut/2", 59), ("/shut/1", 59), ("/shut/1", 60)] {
        world.time.store(1_800_000_000 + at, Ordering::Relaxed);
        statuses.push(world.get(path, &one).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 401, 200, 200]);
    let judged =
        world.events.lock().unwrap().iter().filter(|(function, _)| function == "Judge").count();
    assert_eq!(
        judged, 2,
        "the authorizer is called first, and again when the decision has expired"
    );
}

#[tokio::test]
async fn a_cache_time_of_zero_turns_the_cache_off() {
    let world = World::new("", Some(0), &json!({}));
    for _ in 0..2 {
        world.get("/shut/1", &[("authorization", "allow")]).await;
    }
    assert_eq!(world.last().0, 4);
}

#[tokio::test]
async fn an_authorizer_receives_the_request_or_the_token() {
    let world = World::new("/prod", None, &json!({}));
    world.get("/prod/shut/a%20b?x=1", &[("authorization", "deny")]).await;
    let (_, _, event) = world.last();
    assert_eq!(event["type"], "REQUEST");
    assert_eq!(
        event["methodArn"],
        "arn:aws:execute-api:local:000000000000:hallpass/prod/GET/shut/a%20b"
    );
    assert_eq!(event["pathParameters"], json!({ "id": "a b" }));
    assert_eq!(event["queryStringParameters"], json!({ "x": "1" }));
    assert_eq!(event["stageVariables"], json!({}));
    assert_eq!(event["requestContext"]["stage"], "prod");
    assert!(event.get("body").is_none());
    world.get("/prod/tok", &[("authorization", "deny")]).await;
    let arn = "arn:aws:execute-api:local:000000000000:hallpass/prod/GET/tok";
    assert_eq!(
        world.last().2,
        json!({ "type": "TOKEN", "authorizationToken": "deny", "methodArn": arn })
    );
}

#[tokio::test]
async fn a_function_receives_the_event_of_api_gateway() {
    let world = World::new("", None, &json!({}));
    let headers = [("authorization", "allow"), ("x-a", "1"), ("x-a", "2"), ("connection", "close")];
    world.send("POST", "//shut/7/?q=1&q=a%2Bb+c&e", &headers, "ä").await;
    let (_, function, event) = world.last();
    assert_eq!(function, "Echo");
    assert_eq!(event["resource"], "/shut/{id}");
    assert_eq!(event["path"], "/shut/7/");
    assert_eq!(event["headers"]["x-a"], "2");
    assert_eq!(event["headers"]["X-Forwarded-For"], "127.0.0.1");
    assert_eq!(event["headers"]["connection"], Value::Null);
    assert_eq!(event["multiValueHeaders"]["x-a"], json!(["1", "2"]));
    assert_eq!(event["queryStringParameters"], json!({ "q": "a+b c", "e": "" }));
    assert_eq!(event["multiValueQueryStringParameters"]["q"], json!(["1", "a+b c"]));
    assert_eq!(event["pathParameters"], json!({ "id": "7" }));
    assert_eq!(event["stageVariables"], Value::Null);
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("ä"), &json!(false)));
    let context = &event["requestContext"];
    assert_eq!(context["authorizer"]["principalId"], "u1");
    assert_eq!(context["authorizer"]["n"], "7");
    assert_eq!((&context["path"], &context["stage"]), (&json!("//shut/7/"), &json!("v1")));
    assert_eq!(context["domainName"], "api.localhost");
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["requestTime"], "15/Jan/2027:08:00:00 +0000");
    assert_eq!(context["protocol"], "HTTP/1.1");
}

#[tokio::test]
async fn a_binary_body_is_passed_as_base64_both_ways() {
    let world = World::new("", None, &json!({ "body": "/wA=", "isBase64Encoded": true }));
    let headers =
        [("content-type", "application/octet-stream"), ("accept", "application/octet-stream, */*")];
    let response = world.send("POST", "/open", &headers, vec![0xff, 0]).await;
    let (_, _, event) = world.last();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
    assert_eq!(response.body().as_ref(), [0xff, 0]);
    assert_eq!(
        text(&world.get("/open", &[]).await),
        "/wA=",
        "without a binary `Accept` the client gets text"
    );
}

#[tokio::test]
async fn the_output_of_a_function_becomes_a_response() {
    let output = json!({
        "statusCode": 401,
        "headers": { "X-B": "1", "WWW-Authenticate": "Bearer", "Upgrade": "x", "Content-Type": "text/plain" },
        "multiValueHeaders": { "x-b": ["1", "2"], "Set-Cookie": ["a", "b"] },
        "body": "no",
    });
    let response = World::new("", None, &output).get("/open", &[]).await;
    let all = |name: &str| {
        response
            .headers()
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(response.status(), 401);
    assert_eq!(all("x-amzn-remapped-www-authenticate"), ["Bearer"]);
    assert_eq!((all("www-authenticate").len(), all("upgrade").len()), (0, 0));
    assert_eq!((all("x-b"), all("set-cookie")), (vec!["1", "2"], vec!["a", "b"]));
    assert_eq!(all("content-type"), ["text/plain"]);
}

#[tokio::test]
async fn a_malformed_output_of_a_function_is_a_bad_gateway() {
    for (output, status) in [
        (json!({}), 200),
        (json!({ "statusCode": "201" }), 201),
        (json!("a failed function"), 502),
        (json!([]), 502),
        (json!({ "statusCode": 20 }), 502),
        (json!({ "statusCode": "ok" }), 502),
        (json!({ "headers": { "a": [] } }), 502),
        (json!({ "headers": { "a b": "c" } }), 502),
        (json!({ "headers": { "a": "b\n" } }), 502),
        (json!({ "body": {} }), 502),
        (json!({ "status": 200 }), 502),
    ] {
        let response = World::new("", None, &output).get("/open", &[]).await;
        assert_eq!(response.status().as_u16(), status, "{output}");
    }
}

#[tokio::test]
async fn a_function_that_does_not_respond_is_a_gateway_timeout() {
    let mut world = World::new("", None, &Value::Null);
    world.gateway.limit = Duration::ZERO;
    let response = world.get("/open", &[]).await;
    assert_eq!((response.status().as_u16(), text(&response)), (504, "sorry"));
}

#[tokio::test]
async fn too_large_requests_and_unknown_paths_reach_no_function() {
    let world = World::new("/prod", None, &json!({}));
    let long = "x".repeat(10_240);
    for (path, header, size, status) in [
        ("/prod/open", "", 0, 200),
        ("/prod/open", "", MAX_BODY, 200),
        ("/prod/open", "", MAX_BODY + 1, 413),
        ("/prod/open", long.as_str(), 0, 431),
        ("/prod/nothing", "", 0, 403),
        ("/open", "", 0, 403),
        ("/production/open", "", 0, 403),
    ] {
        let calls = world.last().0;
        let response = world.send("POST", path, &[("x-long", header)], vec![b'x'; size]).await;
        assert_eq!(response.status().as_u16(), status, "{path} {size}");
        assert_eq!(world.last().0 - calls, usize::from(status == 200), "{path} {size}");
    }
}

#[tokio::test]
async fn every_request_has_a_unique_id() {
    let world = World::new("", None, &json!({}));
    let first = world.get("/open", &[]).await.headers()["x-amzn-requestid"].clone();
    let second = world.get("/nothing", &[]).await.headers()["x-amzn-requestid"].clone();
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_request_without_exactly_one_valid_host_reaches_no_function() {
    let world = World::new("", None, &json!({ "body": "in" }));
    let send = async |hosts: &[&[u8]], version: Version| {
        let mut request = Request::builder().uri("/open").version(version);
        for host in hosts {
            request = request.header("host", HeaderValue::from_bytes(host).unwrap());
        }
        let response = world
            .gateway
            .answer(request.body(Bytes::new()).unwrap(), IpAddr::from([127, 0, 0, 1]))
            .await;
        (
            response.status().as_u16(),
            world.last().2["requestContext"]["domainName"].as_str().map(str::to_owned),
        )
    };
    for (host, domain) in [
        ("localhost", "localhost"),
        ("localhost:8443", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::1]:8443", "[::1]"),
        ("API.Example.com", "API.Example.com"),
    ] {
        assert_eq!(
            send(&[host.as_bytes()], Version::HTTP_11).await,
            (200, Some(domain.to_owned())),
            "{host}"
        );
    }
    let bad: [&[u8]; 13] = [
        b"",
        b"a b",
        b"\xff",
        b"a/b",
        b"[::1",
        b"::1",
        b"user@host",
        b"host:port",
        b"host:99999",
        b"host:",
        b"<script>",
        b"a?b",
        b"[x]y",
    ];
    for host in bad {
        assert_eq!(
            send(&[host], Version::HTTP_11).await.0,
            400,
            "{:?}",
            String::from_utf8_lossy(host)
        );
    }
    assert_eq!(send(&[], Version::HTTP_11).await.0, 400);
    assert_eq!(send(&[b"localhost", b"localhost"], Version::HTTP_11).await.0, 400);
    assert_eq!(send(&[], Version::HTTP_10).await.0, 200);
}
