//! `POST /explain`: the check that decides about a token, its agreement with the authorizer, and who
//! can ask.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_service::{
    Service,
    explain::{Question, Rules},
};
use hallpass_token::{Format, Text, Timestamp};
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, forged, text},
    tables::TestToken,
};

mod rights;

/// Returns the verdict of an explanation in the words of [`World::verdict`].
pub async fn verdict(service: &Service, text: &str, now: Timestamp) -> String {
    let question = Question { call: None, rules: Rules::Unknown, now };
    let explanation = service.explain_text(&Text::new(text), &question).await.unwrap();
    explanation.reason.unwrap_or("allow").to_owned()
}

/// Sends the request.
async fn ask(world: &World, caller: &str, body: &Value) -> Response {
    let request = Request::new("POST", "/explain").authorization(&bearer(caller)).json(body);
    world.send("Console", request).await
}

/// Returns an explanation, which never has a part of the secret of a text.
async fn explained(world: &World, caller: &str, body: &Value) -> Value {
    let response = ask(world, caller, body).await;
    assert_eq!(response.status, 200, "{}", response.body);
    if let Some(text) = body["token"].as_str() {
        let secret = &text[text.len().saturating_sub(43)..];
        assert!(secret.is_empty() || !response.body.contains(secret), "{}", response.body);
    }
    response.json()
}

/// Returns the name of the check that failed, of which there is at most one.
fn failed(explanation: &Value) -> Option<&str> {
    let checks = explanation["checks"].as_array().unwrap();
    let failed: Vec<&Value> = checks.iter().filter(|check| check["outcome"] == "failed").collect();
    assert!(failed.len() <= 1, "{explanation}");
    let name = failed.first().map(|check| check["check"].as_str().unwrap());
    assert_eq!(explanation.get("decided_by").and_then(Value::as_str), name);
    name
}

fn check_named<'a>(explanation: &'a Value, name: &str) -> &'a Value {
    let checks = explanation["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap()
}

/// A token of user 1, and an administrator.
struct Subject {
    world: World,
    token: TestToken,
    admin: String,
}

impl Subject {
    async fn new(format: Format, settings: &[(&str, &str)]) -> Self {
        let world = World::with(settings).await;
        let token = world.create_token(format, "1", 7).await;
        let admin = world.token_of("admin", "letmein").await;
        Self { world, token, admin }
    }

    async fn of_token(&self, function: &str, method: &str, query: &[(&str, &str)], body: &Value) {
        let request = Request::new(method, "/tokens/{id}")
            .parameter("id", &self.token.record.id.to_string())
            .authorization(&bearer(&self.admin));
        let request =
            query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let request = if body.is_null() { request } else { request.json(body) };
        assert_eq!(self.world.send(function, request).await.status, 200);
    }

    /// Checks the explanation by text, and by ID if there is a record, against the authorizer.
    async fn check(&self, reason: &str, decided_by: &str, since: Option<Timestamp>) {
        let before = self.world.dump("Tokens").await;
        let by_text = explained(&self.world, &self.admin, &json!({"token": self.token.text})).await;
        self.check_one(&by_text, reason, decided_by, since);
        let id = json!({"token_id": self.token.record.id.to_string()});
        let response = ask(&self.world, &self.admin, &id).await;
        if response.status == 404 {
            assert!(self.world.store.record(&self.token.record.id).await.unwrap().is_none());
        } else {
            self.check_one(&response.json(), reason, decided_by, since);
        }
        assert_eq!(self.world.dump("Tokens").await, before, "an explanation changes nothing");
        let verdict = self.world.verdict(&bearer(&self.token.text)).await;
        assert_eq!(verdict, if reason.is_empty() { "allow" } else { reason });
    }

    fn check_one(
        &self,
        explanation: &Value,
        reason: &str,
        decided_by: &str,
        since: Option<Timestamp>,
    ) {
        let verdict = if reason.is_empty() { "accepted" } else { "rejected" };
        assert_eq!(explanation["verdict"], verdict, "{explanation}");
        assert_eq!(explanation["reason"].as_str().unwrap_or_default(), reason, "{explanation}");
        assert_eq!(failed(explanation).unwrap_or_default(), decided_by, "{explanation}");
        let since = since.map_or(Value::Null, |at| at.to_string().into());
        assert_eq!(explanation.get("since").unwrap_or(&Value::Null), &since, "{explanation}");
        assert_eq!(explanation["token_id"], self.token.record.id.to_string(), "{explanation}");
    }

    async fn becomes(&self, done: &str) {
        let rename = || self.world.set_user("1", "username", Some(text("renamed")));
        match done {
            "nothing" => {}
            "expired" => self.world.advance(7_200),
            "revoked" => self.of_token("Revoke", "DELETE", &[], &Value::Null).await,
            "leaked" => {
                self.of_token("Revoke", "DELETE", &[("reason", "leaked")], &Value::Null).await;
            }
            "disabled" => {
                self.of_token("Revoke", "PATCH", &[], &json!({"disabled": true})).await;
            }
            "renamed" => rename().await,
            "renamed, and prune knows" => {
                rename().await;
                self.world.deliver(self.world.user_stream()).await;
            }
            "blocked" => self.world.set_user("1", "status", Some(text("blocked"))).await,
            "permissions unreadable" => {
                self.world.set_user("1", "permissions", Some(text("ROLE_USER"))).await;
            }
            "removed" => self.world.remove_user("1").await,
            "generation raised" => {
                let six = AttributeValue::N("6".to_owned());
                self.world.set_user("1", "token_generation", Some(six)).await;
            }
            "sign-in due" => {
                let now = AttributeValue::N(self.world.now().unix().to_string());
                self.world.set_user("1", "sign_in_due_at", Some(now)).await;
            }
            "purged" => {
                self.world.advance(7_200 + 86_400);
                self.world.sweep_ttl();
            }
            "replaced" if self.token.record.format == Format::Developer => {
                self.world.create_token(Format::Developer, "1", 8).await;
            }
            "replaced" => {
                let request = Request::new("POST", "/tokens/{id}/rotate")
                    .parameter("id", "current")
                    .authorization(&bearer(&self.token.text));
                let successor = self.world.send("Generate", request).await.json();
                let successor = bearer(successor["token"].as_str().unwrap());
                assert_eq!(self.world.verdict(&successor).await, "allow");
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn every_reason_is_explained_by_the_check_that_decides() {
    for format in Format::ALL {
        for (done, reason, decided_by, is_since_now) in [
            ("nothing", "", "", false),
            ("revoked", "revoked", "revocation", true),
            ("leaked", "leaked", "revocation", true),
            ("disabled", "disabled", "disabled", true),
            ("replaced", "replaced", "replacement", true),
            ("renamed", "user_changed", "fingerprint", false),
            ("renamed, and prune knows", "user_changed", "revocation", true),
            ("blocked", "user_blocked", "user", false),
            ("permissions unreadable", "user_blocked", "user", false),
            ("removed", "user_removed", "user", false),
            ("generation raised", "revoked", "fingerprint", false),
            ("sign-in due", "sign_in_required", "sign_in", true),
        ] {
            let subject = Subject::new(format, &[]).await;
            subject.becomes(done).await;
            let since = is_since_now.then(|| subject.world.now());
            subject.check(reason, decided_by, since).await;
        }
        if format != Format::Developer {
            let mut subject = Subject::new(format, &[]).await;
            subject.becomes("expired").await;
            subject.admin = subject.world.token_of("admin", "letmein").await;
            let since = subject.token.record.expires_at;
            subject.check("expired", "expiry", since).await;
        }
    }
}

#[tokio::test]
async fn a_text_that_no_key_signed_is_explained_by_its_signature() {
    let settings = [("HALLPASS_PREFIX", "acme_"), ("HALLPASS_TOKEN_CHECKSUM", "on")];
    let world = World::with(&settings).await;
    let (token, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    let check = async |text: &str, detail: &str| {
        for caller in [&token, &admin] {
            let seen = explained(&world, caller, &json!({"token": text})).await;
            assert_eq!((failed(&seen), &seen["reason"]), (Some("signature"), &json!("malformed")));
            let said = check_named(&seen, "signature")["detail"].as_str().unwrap();
            assert!(said.contains(detail), "{said}");
            assert_eq!(check_named(&seen, "record")["outcome"], "not_reached");
        }
        assert_eq!(world.verdict(&bearer(text)).await, "malformed");
    };
    check("nonsense", "the form of no access token").await;
    check(&token[5..], "the form of no access token").await;
    check(&format!("{}000000", &token[..token.len() - 6]), "the checksum of the text").await;
    check(&forged(&token[..token.len() - 6]), "No key of the keyring signed the text").await;
}

#[tokio::test]
async fn a_retired_key_is_named_as_the_reason() {
    const OTHER: &str =
        r#"[{"id":"other","key":"AhTDhXgtcjXlXozZDSrRyfsVTZuEYeFqlsxyteLWjlg","signs_from":0}]"#;
    for format in Format::ALL {
        let Subject { world, token, .. } = Subject::new(format, &[]).await;
        let world = world.another_with(&[("HALLPASS_KEYS", OTHER)]);
        let admin = world.token_of("admin", "letmein").await;
        let id = token.record.id.to_string();
        for body in [json!({"token": token.text}), json!({"token_id": id})] {
            let seen = explained(&world, &admin, &body).await;
            assert_eq!((&seen["reason"], &seen["token_id"]), (&json!("malformed"), &json!(id)));
            let detail = check_named(&seen, "signature")["detail"].as_str().unwrap();
            assert!(detail.contains("no longer in the keyring") && !detail.contains(','));
        }
        assert_eq!(world.verdict(&bearer(&token.text)).await, "malformed");
    }
}

#[tokio::test]
async fn a_token_without_a_record_is_unknown() {
    for format in Format::ALL {
        let world = World::new().await;
        let token = world.unwritten(format, "1", 9).await;
        let admin = world.token_of("admin", "letmein").await;
        let seen = explained(&world, &admin, &json!({"token": token.text})).await;
        assert_eq!((failed(&seen), &seen["reason"]), (Some("record"), &json!("unknown")));
        assert_eq!(check_named(&seen, "signature")["outcome"], "passed");
        assert_eq!(world.verdict(&bearer(&token.text)).await, "unknown");
        let id = json!({"token_id": token.record.id.to_string()});
        assert_eq!(ask(&world, &admin, &id).await.status, 404);
    }
}

#[tokio::test]
async fn route_rules_are_compared_as_the_policy_of_the_authorizer_does() {
    let rules = r#"[{"method": "GET", "path": "/reports/*", "permission": "ROLE_USER"},
        {"method": "*", "path": "/admin/*", "permission": "ROLE_ADMIN"},
        {"method": "GET", "path": "/me"}]"#;
    let Subject { world, token, admin } =
        Subject::new(Format::Signed, &[("HALLPASS_ROUTES", rules)]).await;
    let check = async |method: &str, path: &str, outcome: &str| {
        let body = json!({"token": token.text, "method": method, "path": path});
        let seen = explained(&world, &admin, &body).await;
        let route = check_named(&seen, "route");
        assert_eq!(route["outcome"], outcome, "{seen}");
        let reason = (outcome == "failed").then_some("insufficient_scope");
        assert_eq!(seen.get("reason").and_then(Value::as_str), reason);
        assert_eq!(seen["verdict"] == "accepted", reason.is_none());
    };
    check("GET", "/reports/1", "passed").await;
    check("GET", "/me", "passed").await;
    check("POST", "/reports/1", "failed").await;
    check("GET", "/admin/users", "failed").await;
    check("GET", "/elsewhere", "failed").await;
    let seen = explained(&world, &admin, &json!({"token": token.text})).await;
    assert_eq!(check_named(&seen, "route")["outcome"], "not_checked");
    // Without the setting, the function says that it does not know the rules.
    let unset = world.another_with(&[("HALLPASS_ROUTES", "")]);
    let body = json!({"token": token.text, "method": "GET", "path": "/elsewhere"});
    let seen = explained(&unset, &admin, &body).await;
    assert_eq!(check_named(&seen, "route")["outcome"], "not_checked");
    let detail = check_named(&seen, "route")["detail"].as_str().unwrap();
    assert!(detail.contains("HALLPASS_ROUTES"), "{detail}");
}

#[tokio::test]
async fn a_rejection_names_the_end_of_every_cached_response() {
    let cache = [("HALLPASS_AUTHORIZER_CACHE_TTL", "5m")];
    let subject = Subject::new(Format::Signed, &cache).await;
    subject.becomes("revoked").await;
    let body = json!({"token": subject.token.text});
    let seen = explained(&subject.world, &subject.admin, &body).await;
    let effective_at = subject.world.now().after(std::time::Duration::from_secs(300));
    assert_eq!(seen["effective_at"], effective_at.to_string());
    let own = explained(&subject.world, &subject.admin, &json!({"token_id": "current"})).await;
    assert_eq!((own.get("effective_at"), own.get("since")), (None, None));
}

#[tokio::test]
async fn explaining_a_successor_finishes_no_rotation() {
    let subject = Subject::new(Format::Signed, &[]).await;
    let rotate = Request::new("POST", "/tokens/{id}/rotate").parameter("id", "current");
    let rotate = rotate.authorization(&bearer(&subject.token.text));
    let successor = subject.world.send("Generate", rotate).await.json();
    for body in [json!({"token": successor["token"]}), json!({"token_id": successor["id"]})] {
        let seen = explained(&subject.world, &subject.admin, &body).await;
        assert_eq!(seen["verdict"], "accepted");
    }
    let seen =
        explained(&subject.world, &subject.admin, &json!({"token": subject.token.text})).await;
    let detail = check_named(&seen, "replacement")["detail"].as_str().unwrap();
    assert!(detail.starts_with("A newer access token replaces it at its first use"), "{detail}");
    assert_eq!(subject.world.verdict(&bearer(&subject.token.text)).await, "allow");
}
