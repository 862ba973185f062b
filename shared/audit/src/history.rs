//! The last changes of one token, for its page. The audit log has all of them.

use std::collections::BTreeMap;

use hallpass_token::{Timestamp, Value};
use serde_json::{Value as Json, json};

use crate::{
    event::{Event, Kind},
    image::Unreadable,
};

/// The maximum number of changes that are kept.
pub const MAX_CHANGES: usize = 20;

/// The last changes of a token, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(Vec<Change>);

/// A change of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version of the record after the change.
    pub version: u64,
    /// What happened.
    pub kind: Kind,
    /// The time of the change.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// Why, in the words of the actor.
    pub because: Option<String>,
}

const CHANGES: &str = "changes";

impl History {
    /// Adds the change of an event of the token. An event that was added before changes nothing.
    pub fn add(&mut self, event: &Event) {
        let Some(version) = event.version else { return };
        if self.0.iter().any(|change| change.version == version) {
            return;
        }
        let Event { kind, at, actor, because, .. } = event;
        let (actor, because) = (actor.clone(), because.clone());
        self.0.push(Change { version, kind: *kind, at: *at, actor, because });
        self.0.sort_by_key(|change| change.version);
        self.0.drain(..self.0.len().saturating_sub(MAX_CHANGES));
    }

    /// The changes, the newest first.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.0.iter().rev()
    }

    /// The changes as JSON, the newest first.
    pub fn to_json(&self) -> Json {
        let shown = |change: &Change| {
            json!({
                "version": change.version, "kind": change.kind, "at": change.at.to_string(),
                "actor": change.actor, "because": change.because,
            })
        };
        self.changes().map(shown).collect()
    }

    /// The attributes of an item.
    pub fn to_attributes(&self) -> BTreeMap<String, Value> {
        let number = |number: u64| Value::Number(number.to_string());
        let map = |change: &Change| {
            let members = [
                ("version", Some(number(change.version))),
                ("kind", Some(Value::Text(change.kind.as_str().to_owned()))),
                ("at", Some(number(change.at.unix()))),
                ("actor", Some(Value::Text(change.actor.clone()))),
                ("because", change.because.clone().map(Value::Text)),
            ];
            let given = members.into_iter();
            Value::Map(given.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
        };
        BTreeMap::from([(CHANGES.to_owned(), Value::List(self.0.iter().map(map).collect()))])
    }

    /// Reads the attributes of an item, which can have others as well. An absent attribute counts
    /// as no changes.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if the attribute has another form.
    pub fn from_attributes(attributes: &BTreeMap<String, Value>) -> Result<Self, Unreadable> {
        let Some(changes) = attributes.get(CHANGES) else { return Ok(Self::default()) };
        let Value::List(changes) = changes else { return Err(Unreadable(CHANGES)) };
        let changes: Option<Vec<Change>> = changes.iter().map(read).collect();
        changes.map(Self).ok_or(Unreadable(CHANGES))
    }
}

fn read(value: &Value) -> Option<Change> {
    let Value::Map(members) = value else { return None };
    let text = |name: &str| match members.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let number = |name: &str| match members.get(name) {
        Some(Value::Number(number)) => number.parse::<u64>().ok(),
        _ => None,
    };
    Some(Change {
        version: number("version")?,
        kind: Kind::try_from(text("kind")?).ok()?,
        at: Timestamp::from_unix(number("at")?)?,
        actor: text("actor")?,
        because: text("because"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(version: u64, kind: Kind) -> Event {
        let at = Timestamp::from_unix(1_800_000_000).unwrap();
        Event {
            id: format!("1.AAAAAAAAAAAAAAAAAAAAAA#{version}"),
            kind,
            token_id: Some("1.AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
            user_id: "1".to_owned(),
            version: Some(version),
            at,
            actor: "user:1".to_owned(),
            source: None,
            agent: None,
            because: (version == 2).then(|| "lost".to_owned()),
            reason: None,
            request_id: None,
            expires_at: None,
            name: None,
            changed: Vec::new(),
        }
    }

    #[test]
    fn a_history_keeps_the_last_changes_in_their_order_and_each_once() {
        let mut history = History::default();
        for version in [2, 1, 2] {
            history.add(&event(version, Kind::Disabled));
        }
        let versions: Vec<u64> = history.changes().map(|change| change.version).collect();
        assert_eq!(versions, [2, 1]);
        assert_eq!(History::from_attributes(&history.to_attributes()), Ok(history.clone()));
        for version in 3..40 {
            history.add(&event(version, Kind::Enabled));
        }
        let versions: Vec<u64> = history.changes().map(|change| change.version).collect();
        assert_eq!(versions, (20..40).rev().collect::<Vec<_>>());
        assert_eq!(History::from_attributes(&BTreeMap::new()), Ok(History::default()));
        let other = BTreeMap::from([(CHANGES.to_owned(), Value::Null)]);
        assert_eq!(History::from_attributes(&other), Err(Unreadable(CHANGES)));
    }
}
