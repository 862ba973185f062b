//! A record as its owner sees it, in JSON: never the hash of the user, never anything the token could be made from.

use serde_json::{Value, json};
use token::{Reason, Record, Text, Timestamp};

/// The members of a token in a list or an answer. `scopes` is `null` for a token that may do all its user may.
pub fn token(record: &Record, now: Timestamp) -> Value {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let state = record.end(now).map_or("live", Reason::as_str);
    json!({
        "id": record.id.to_string(),
        "name": record.name,
        "description": record.description,
        "format": record.format.as_str(),
        "user_id": record.id.user_id.to_string(),
        "scopes": record.scope.as_ref().map(|scope| scope.names().collect::<Vec<_>>()),
        "state": state,
        "issued_at": record.issued_at.to_string(),
        "issued_by": record.issued_by,
        "expires_at": text(record.expires_at),
        "last_used_at": text(record.last_used_at),
        "disabled": record.disabled_at.is_some(),
    })
}

/// The same, with the text: for the one answer that shows it.
pub fn issued(record: &Record, text: &Text, now: Timestamp) -> Value {
    let mut shown = token(record, now);
    if let Value::Object(members) = &mut shown {
        members.insert("token".to_owned(), text.reveal().into());
    }
    shown
}
