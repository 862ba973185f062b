//! Token records in JSON, as their owner sees them. Neither the fingerprint of the user nor
//! anything that could recreate the token is included.

use hallpass_token::{Record, State, Text, Timestamp, User, lifecycle};
use serde_json::{Value, json};

/// Returns the members of a token. `scopes` is `null` for a token with all permissions of its user.
/// `user` is `None` if the user no longer exists.
pub fn token(record: &Record, user: Option<&User>, now: Timestamp) -> Value {
    let state = lifecycle::state(record, user, now);
    let mut shown = members(record, state);
    let changed =
        state.reason().map(|reason| lifecycle::changed(record, user, reason)).unwrap_or_default();
    if let Value::Object(members) = &mut shown
        && !changed.is_empty()
    {
        members.insert("changed".to_owned(), changed.kinds().collect());
    }
    shown
}

/// Returns the members of a newly issued token, including its text. Only the response that creates
/// a token uses this.
pub fn issued(record: &Record, text: &Text) -> Value {
    let mut shown = members(record, State::Live);
    if let Value::Object(members) = &mut shown {
        members.insert("token".to_owned(), text.expose_secret().into());
    }
    shown
}

fn members(record: &Record, state: State) -> Value {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": record.id.to_string(),
        "name": record.name,
        "description": record.description,
        "format": record.format.as_str(),
        "user_id": record.id.user_id.to_string(),
        "scopes": record.scope.as_ref().map(|scope| scope.names().collect::<Vec<_>>()),
        "state": state.as_str(),
        "issued_at": record.issued_at.to_string(),
        "issued_by": record.issued_by,
        "family_id": record.family.id.to_string(),
        "issued_by_family": record.family.issued_by().map(|family| family.to_string()),
        "expires_at": text(record.expires_at),
        "last_used_at": text(record.last_used_at),
        "disabled": record.disabled_at.is_some(),
    })
}
