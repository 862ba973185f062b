//! The API as tests call it, and the writes of an application to the users table.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{Request, Response, World};

impl World {
    /// Sends `POST /tokens`.
    pub async fn create(&self, authorization: &str, body: &Value) -> Response {
        self.send(
            "Generate",
            Request::new("POST", "/tokens").authorization(authorization).json(body),
        )
        .await
    }

    /// Sends `POST /tokens` with a token and returns the body of the response, which must be a 201.
    pub async fn created(&self, token: &str, body: &Value) -> Value {
        let response = self.create(&bearer(token), body).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.json()
    }

    /// Sends `DELETE /tokens/{id}`.
    pub async fn delete(&self, token: &str, id: &str) -> Response {
        let request = Request::new("DELETE", "/tokens/{id}").parameter("id", id);
        self.send("Revoke", request.authorization(&bearer(token))).await
    }

    /// Sends `POST /oauth/revoke` with the token in the form.
    pub async fn revoke(&self, token: &str) -> Response {
        let request = Request::new("POST", "/oauth/revoke")
            .header("Content-Type", "application/x-www-form-urlencoded");
        self.send("Revoke", request.body(&format!("token={token}"))).await
    }

    /// Sends `GET /tokens` with query parameters.
    pub async fn list(&self, token: &str, query: &[(&str, &str)]) -> Response {
        let request = Request::new("GET", "/tokens").authorization(&bearer(token));
        self.send(
            "Console",
            query.iter().fold(request, |request, (name, value)| request.query(name, value)),
        )
        .await
    }

    /// Sets or removes an attribute of a user, as an application does.
    pub async fn set_user(&self, id: &str, attribute: &str, value: Option<AttributeValue>) {
        let call =
            self.dynamodb.update_item().table_name(self.table("Users")).key("user_id", text(id));
        let call =
            call.expression_attribute_names("#a", attribute).set_expression_attribute_values(
                value.clone().map(|value| [(":a".to_owned(), value)].into()),
            );
        call.update_expression(if value.is_some() { "SET #a = :a" } else { "REMOVE #a" })
            .send()
            .await
            .unwrap();
    }

    /// Returns the number of a user's records, live or not.
    pub async fn count_records(&self, user_id: &str) -> usize {
        self.store.records_of(&user_id.parse().unwrap()).await.unwrap().len()
    }
}

impl Response {
    /// Returns the problem details of a rejection. The response must have this status, be complete,
    /// and must not be cached.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &status.into()));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }

    /// Returns the challenge of a rejection, which must be in both headers.
    pub fn challenge(&self) -> &str {
        let challenge = self.header("x-www-authenticate");
        let is_page = self.header("content-type").starts_with("text/html");
        let both = with_basic(challenge, self.status == 401 && !is_page);
        assert_eq!(self.header("www-authenticate"), both, "{}", self.status);
        challenge
    }
}

/// Returns a DynamoDB string.
pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Returns the token with one character of its signature changed.
pub fn forged(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 10);
    let other = if last.starts_with('A') { "B" } else { "A" };
    format!("{rest}{other}{}", &last[1..])
}

/// Returns a `Bearer` header value (RFC 6750).
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Returns a header line with this challenge and, if it is offered, a Basic challenge with the same
/// realm.
pub fn with_basic(challenge: &str, is_offered: bool) -> String {
    let realm = challenge.split('"').nth(1).filter(|_| is_offered);
    let basic = realm.map(|realm| format!(", Basic realm=\"{realm}\", charset=\"UTF-8\""));
    format!("{challenge}{}", basic.unwrap_or_default())
}

/// Returns a hash of a text as an import may bring it: without a check of the text's form, and
/// with so little work that a test can log in often.
pub fn cheap_hash(text: &str) -> String {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon2.hash_password_with_salt(text.as_bytes(), &[7; 16]).unwrap();
    hash.to_string()
}

/// Returns a `Basic` header value with a user name and password (RFC 7617).
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}").as_bytes()))
}
