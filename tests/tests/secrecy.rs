//! Secrecy: no log line, no rejection and no `Debug` form shows a token, a password or a key.
//!
//! The tests of this file share one log, written by the subscriber of the functions. It records
//! everything: at TRACE the AWS SDK prints response bodies and the Lambda runtime prints whole
//! events.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_password::password;
use hallpass_token::{Credential, Entropy, Format, Keyring, Text, UserKind};
use serde_json::{Value, json};
use tests::{
    KEYS, Request, Response, World,
    api::{bearer, forged},
    basic,
    witness::{log, watch},
};

/// A password that no user has.
const GUESS: &str = "correct-horse-battery-staple";

/// Returns the log lines about this token.
fn lines_about(id: &str) -> Vec<Value> {
    let lines: Vec<Value> = log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.into_iter().filter(|line| line["token.id"] == id).collect()
}

/// Returns the secret parts of a token: its end, which contains the secret or the signature, and
/// the secret of a JWT.
fn secrets_of(token: &str) -> Vec<String> {
    let mut secrets = vec![token[token.len() - 43..].to_owned()];
    if let Some(Ok(claims)) =
        token.split('.').nth(1).map(|part| BASE64_URL_SAFE_NO_PAD.decode(part))
        && let Ok(claims) = serde_json::from_slice::<Value>(&claims)
        && let Some(jti) = claims["jti"].as_str()
    {
        secrets.push(jti.to_owned());
    }
    secrets
}

/// Returns requests that are rejected for different reasons, with secrets in every possible place.
fn bad_requests(token: &str) -> Vec<(&'static str, Request)> {
    const GENERATE: &str = "/api/services_token/generate";
    let (owned, login) = (bearer(token), basic("my_username", GUESS));
    let create = |body: Value| {
        ("Generate", Request::new("POST", "/tokens").authorization(&owned).json(&body))
    };
    let form = Request::new("POST", "/oauth/revoke")
        .header("Content-Type", "application/x-www-form-urlencoded");
    let by_id =
        |id| Request::new("DELETE", "/tokens/{id}").authorization(&owned).parameter("id", id);
    let list =
        |name, value| Request::new("GET", "/tokens").authorization(&owned).query(name, value);
    vec![
        ("Generate", Request::new("POST", GENERATE).authorization(&login)),
        ("Generate", Request::new("POST", GENERATE).authorization(&basic(GUESS, "topsecret"))),
        ("Generate", Request::new("POST", GENERATE).authorization(&basic(token, "topsecret"))),
        ("Generate", Request::new("POST", GENERATE).authorization(&bearer(&forged(token)))),
        ("Generate", Request::new("POST", GENERATE).authorization(&format!("Digest {token}"))),
        ("Generate", Request::new("POST", GENERATE).authorization(&owned).authorization(&login)),
        ("Generate", Request::new("PUT", GENERATE).authorization(&owned)),
        (
            "Generate",
            Request::new("POST", "/tokens").authorization(&login).json(&json!({"name": "a"})),
        ),
        ("Generate", Request::new("POST", "/tokens").authorization(&owned).body(token)),
        (
            "Generate",
            Request::new("POST", "/tokens")
                .authorization(&owned)
                .header("Content-Type", token)
                .body("{}"),
        ),
        create(json!(token)),
        create(json!({"name": format!("{token}\n")})),
        create(json!({"name": "a", "scopes": [token]})),
        create(json!({"name": "a", "scopes": token})),
        create(json!({"name": "a", "format": token})),
        create(json!({"name": "a", "user_id": token})),
        create(json!({"name": "a", "user_id": "2"})),
        create(json!({"name": "a", "expires_at": token})),
        create(json!({"name": "a", "expires_in": token})),
        ("Revoke", by_id(token)),
        ("Revoke", form.clone().body(&format!("token={token}&token={token}"))),
        ("Revoke", Request::new("POST", "/oauth/revoke").body(&format!("token={token}"))),
        ("Revoke", by_id("current").authorization(&login)),
        ("Console", list("limit", token)),
        ("Console", list("cursor", &format!("{token}!"))),
        ("Console", list("user_id", token)),
        (
            "Console",
            Request::new("GET", "/api/user/{id}").authorization(&owned).parameter("id", token),
        ),
        (
            "Console",
            Request::new("GET", "/{proxy+}").authorization(&owned).parameter("proxy", token),
        ),
    ]
}

#[tokio::test]
async fn no_rejection_and_no_log_line_shows_a_secret() {
    watch();
    let world = World::new().await;
    let nowhere =
        World::with(&[("HALLPASS_TOKENS_TABLE", "Nowhere"), ("HALLPASS_USERS_TABLE", "Nowhere")])
            .await;
    let jwt =
        world.created(&world.token().await, &json!({"name": "a", "format": "jwt"})).await["token"]
            .clone();
    let developer = world.create_token(Format::Developer, "1", 7).await.text;
    let mut secrets =
        ["topsecret", GUESS, "argon2id", "QsbwGHbgB93-JeQM", "letmein"].map(str::to_owned).to_vec();
    secrets.extend(
        [basic("my_username", "topsecret"), basic("my_username", GUESS)]
            .map(|basic| basic[6..].to_owned()),
    );
    let mut responses: Vec<String> = Vec::new();
    for token in [world.token().await, jwt.as_str().unwrap().to_owned(), developer] {
        secrets.extend(secrets_of(&token));
        for world in [&world, &nowhere] {
            for (function, request) in bad_requests(&token) {
                let response: Response = world.send(function, request.clone()).await;
                assert!(response.status >= 400, "{request:?} {response:?}");
                responses.push(format!("{response:?}"));
                // Consecutive failures must not hide the next rejection.
                world.advance(1);
            }
            for authorization in [
                bearer(&forged(&token)),
                basic("my_username", GUESS),
                bearer(&token),
                basic(&token, ""),
            ] {
                let event = Request::new("GET", "/api/user/{id}")
                    .parameter("id", &token)
                    .authorization(&authorization);
                responses.push(format!(
                    "{:?}",
                    world.invoke("VerifyAuthorizer", event.authorizer_event()).await
                ));
            }
        }
        assert_eq!(world.revoke(&token).await.status, 200);
        responses.push(world.verdict(&bearer(&token)).await);
    }
    let log = log();
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "the log has {secret}");
        // The path of a request is in no response, with any contents.
        let response = responses.iter().find(|response| response.contains(secret.as_str()));
        assert_eq!(response, None, "a response contains {secret}");
    }
    assert!(
        ["failed", "rejected", "issued"].iter().all(|word| log.contains(word)),
        "the log is not of these requests"
    );
}

#[tokio::test]
async fn every_decision_about_a_token_is_one_line_with_the_same_words() {
    watch();
    let world = World::new().await;
    let caller = world.token().await;
    let body = world.created(&caller, &json!({"name": "a"})).await;
    let (id, token) = (body["id"].as_str().unwrap(), body["token"].as_str().unwrap());
    world.verdict(&bearer(token)).await;
    world.delete(&caller, id).await;
    world.verdict(&bearer(token)).await;
    world.generate(&bearer(token)).await;
    let lines = lines_about(id);
    let said = |line: &Value| {
        (line["message"].as_str().unwrap().to_owned(), line["reason"].as_str().map(str::to_owned))
    };
    let said: Vec<_> = lines.iter().map(said).collect();
    let said: Vec<_> =
        said.iter().map(|(message, reason)| (message.as_str(), reason.as_deref())).collect();
    let rejected = ("rejected", Some("revoked"));
    assert_eq!(said, [("issued", None), ("accepted", None), ("revoked", None), rejected, rejected]);
    for line in lines {
        assert_eq!(
            (&line["user.id"], &line["target"], &line["level"]),
            (&json!("1"), &json!("hallpass"), &json!("INFO"))
        );
        for name in line.as_object().unwrap().keys() {
            let known = [
                "timestamp",
                "level",
                "target",
                "message",
                "token.id",
                "user.id",
                "reason",
                "actor",
                "because",
                "source_ip",
                "request_id",
                "login",
                "function",
                "_aws",
            ];
            // The counted metric is the word of the message.
            assert!(known.contains(&name.as_str()) || line["message"] == *name, "{name}");
        }
    }
}

#[tokio::test]
async fn a_rejected_log_in_is_logged_too() {
    watch();
    let world = World::new().await;
    let count = || log().lines().filter(|line| line.contains(r#""status":429"#)).count();
    let before = count();
    for _ in 0..6 {
        world.generate(&basic("my_username", GUESS)).await;
    }
    assert_eq!(count(), before + 1);
    assert!(log().contains(r#""message":"rejected","status":401"#), "{}", log());
}

#[tokio::test]
async fn the_log_accepts_its_own_target_and_no_other() {
    watch();
    tracing::trace!(target: "hallpass", "from Hallpass");
    tracing::error!("from this test's own module");
    tracing::error!(target: "aws_smithy_runtime", "from a library");
    tracing::error!(target: "lambda_runtime", "from a library");
    tracing::error!(target: "edge", "from a library");
    World::new().await.token().await;
    let log = log();
    assert!(log.contains("from Hallpass"));
    assert!(!log.contains("from a library") && !log.contains("from this test"));
    for line in log.lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["target"], "hallpass", "{line}");
    }
}

/// Returns the value of an environment variable of a function. The secret ones are in [`secrets`].
fn lookup(name: &str) -> Option<String> {
    match name {
        "AWS_REGION" => Some("local".to_owned()),
        "AWS_ACCESS_KEY_ID" => Some("the-access-key-id".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("the-secret-access-key".to_owned()),
        "AWS_SESSION_TOKEN" => Some("the-session-token".to_owned()),
        "HALLPASS_KEYS" => Some(KEYS.to_owned()),
        name => name.ends_with("_TABLE").then(|| name.to_owned()),
    }
}

/// Returns every secret of the `Debug` forms: of this token, its user, the keyring and the
/// environment.
fn secrets(token: &str) -> Vec<String> {
    let key = BASE64_URL_SAFE_NO_PAD.decode("QsbwGHbgB93-JeQMiQPdWLWwL05TquTtANsX6niLpWY").unwrap();
    let mut secrets = secrets_of(token);
    secrets.extend(
        ["topsecret", "argon2id", "the-secret-access-key", "the-session-token"].map(str::to_owned),
    );
    secrets.extend([
        "QsbwGHbgB93-JeQM".to_owned(),
        format!("{:?}", &key[..8]),
        format!("{:?}", [7_u8; 8]),
    ]);
    secrets.into_iter().map(|secret| secret.trim_matches(['[', ']']).to_owned()).collect()
}

#[tokio::test]
async fn the_debug_form_of_types_with_secrets_prints_none() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 7).await;
    let text = Text::new(token.text.clone());
    let hash = password::hash("topsecret", [7; 16]).unwrap();
    let keyring = Keyring::parse(KEYS).unwrap();
    let claim = hallpass_token::open(
        &keyring,
        &hallpass_token::codec::Issuer::new("", "hallpass").unwrap(),
        &token.text,
        world.now(),
    );
    let user = world.store.user(&"1".parse().unwrap()).await.unwrap();
    let admitted = hallpass_token::admit(
        &claim.unwrap(),
        Some(token.record.clone()),
        user.clone(),
        world.now(),
    );
    let new_user = hallpass_store::management::NewUser {
        id: "9".parse().unwrap(),
        username: "new".to_owned(),
        full_name: None,
        kind: UserKind::Person,
        password_hash: Some(hash.clone()),
        permissions: hallpass_token::Scope::default(),
        token_generation: 0,
    };
    let forms = [
        ("Text", format!("{text:?}")),
        ("Entropy", format!("{:?}", Entropy::new([7; 16]))),
        ("Keyring", format!("{keyring:?}")),
        ("the keyring as text", format!("{:?}", keyring.to_json())),
        ("Credential", format!("{:?}", Credential::from_header([bearer(&token.text).as_str()]))),
        (
            "Login",
            format!("{:?}", Credential::from_header([basic("my_username", "topsecret").as_str()])),
        ),
        ("Claim", format!("{claim:?}")),
        ("Record", format!("{:?}", token.record)),
        ("User", format!("{user:?}")),
        ("Admitted", format!("{admitted:?}")),
        ("NewUser", format!("{new_user:?}")),
        ("Change", format!("{:?}", hallpass_store::changes::Change::Password(hash))),
        ("Connection", format!("{:?}", hallpass_service::service::connection(&lookup).unwrap())),
        ("Service", format!("{:?}", hallpass_service::Service::new(&lookup).unwrap())),
        ("World", format!("{world:?}")),
    ];
    let secrets = secrets(&token.text);
    let shown = forms.iter().flat_map(|(what, form)| {
        secrets
            .iter()
            .filter(|secret| form.contains(secret.as_str()))
            .map(move |secret| (*what, secret.clone()))
    });
    assert_eq!(shown.collect::<Vec<_>>(), []);
}
