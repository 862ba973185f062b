//! A small API behind Hallpass: greets callers that have the permission `ROLE_USER`.

use serde_json::{Value, json};

/// Handles a request of a REST API or an HTTP API.
pub fn handle(event: &Value) -> Value {
    let authorizer = event.pointer("/requestContext/authorizer").unwrap_or(&Value::Null);
    // HTTP APIs nest the context, REST APIs do not.
    let caller = authorizer.get("lambda").unwrap_or(authorizer);
    let text = |name: &str| caller.get(name).and_then(Value::as_str);
    let scopes: Vec<String> =
        text("scopes").and_then(|scopes| serde_json::from_str(scopes).ok()).unwrap_or_default();
    if !scopes.iter().any(|scope| scope == "ROLE_USER") {
        return respond(403, &json!({"error": "ROLE_USER is required"}));
    }
    respond(200, &json!({"hello": text("name"), "user_id": text("user_id"), "scopes": scopes}))
}

fn respond(status: u16, body: &Value) -> Value {
    json!({
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": body.to_string(),
    })
}
