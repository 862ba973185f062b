//! An explanation in JSON.

use hallpass_store::last_change::LastChange;
use serde_json::{Map, Value, json};

use super::{Check, Explanation};

impl Explanation {
    /// Returns the explanation in JSON, without members that have no value.
    pub fn view(&self) -> Value {
        let Self { token_id, reason, decided_by, since, effective_at, checks, last_change } = self;
        let verdict = if self.is_accepted() { "accepted" } else { "rejected" };
        let mut members = Map::from_iter([("verdict".to_owned(), verdict.into())]);
        let mut add = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("reason", reason.map(Value::from));
        add("decided_by", decided_by.map(|name| name.as_str().into()));
        add("since", since.map(|at| at.to_string().into()));
        add("effective_at", effective_at.map(|at| at.to_string().into()));
        add("token_id", token_id.map(|id| id.to_string().into()));
        add("checks", Some(checks.iter().map(Check::view).collect()));
        add("last_change", last_change.as_ref().map(view));
        Value::Object(members)
    }
}

impl Check {
    fn view(&self) -> Value {
        let Self { name, outcome, detail, reason, since, changed, scopes } = self;
        let mut members = Map::from_iter([
            ("check".to_owned(), Value::from(name.as_str())),
            ("outcome".to_owned(), outcome.as_str().into()),
        ]);
        let mut add = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("reason", reason.map(Value::from));
        add("since", since.map(|at| at.to_string().into()));
        add("detail", detail.as_deref().map(Value::from));
        add("changed", changed.as_ref().map(|names| names.clone().into()));
        add("scopes", scopes.as_ref().map(|scope| scope.names().collect()));
        Value::Object(members)
    }
}

fn view(LastChange { at, by, because }: &LastChange) -> Value {
    json!({"at": at.to_string(), "by": by, "because": because})
}
