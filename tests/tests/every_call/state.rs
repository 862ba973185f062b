//! The contents of the tables, for restoring and comparing them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::World;

/// The items of every table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State(BTreeMap<&'static str, BTreeMap<String, Value>>);

/// The tables, with the attributes of their keys.
const TABLES: [(&str, &[&str]); 3] =
    [("Users", &["user_id"]), ("Tokens", &["user_id", "token"]), ("Attempts", &["attempt"])];

/// Attributes that are recorded in passing and decide nothing: the use of a token, and how often
/// and by whom its record was changed.
const NOTED: [&str; 12] = [
    "last_used_at",
    "last_used_from",
    "last_used_agent",
    "reused_at",
    "reused_from",
    "reused_agent",
    "version",
    "changed_at",
    "changed_by",
    "changed_from",
    "changed_because",
    "request_id",
];

impl State {
    pub(crate) async fn of(world: &World) -> Self {
        let mut tables = BTreeMap::new();
        for (table, key) in TABLES {
            let request = json!({"TableName": world.table(table), "ConsistentRead": true});
            let response = world.call("Scan", &request).await.unwrap();
            let items = response["Items"].as_array().unwrap().iter();
            tables
                .insert(table, items.map(|item| (text(&only(item, key)), item.clone())).collect());
        }
        Self(tables)
    }

    /// Restores this state of the tables from the state `found` in them.
    pub(crate) async fn restore(&self, world: &World, found: &Self) {
        for (table, key) in TABLES {
            let (wanted, found) = (&self.0[table], &found.0[table]);
            for (_, item) in found.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                let request = json!({"TableName": world.table(table), "Key": only(item, key)});
                world.call("DeleteItem", &request).await.unwrap();
            }
            for (_, item) in wanted.iter().filter(|(name, item)| found.get(*name) != Some(*item)) {
                let request = json!({"TableName": world.table(table), "Item": item});
                world.call("PutItem", &request).await.unwrap();
            }
        }
    }

    /// Returns the users and the tokens as lines that two runs have in common: a random value
    /// becomes a star. The counters of the rate limit are left out, because they may count an
    /// attempt without effect, or one twice.
    pub(crate) fn lines(&self, beginning: &Self) -> Vec<String> {
        let known = beginning.words();
        let mut lines: Vec<String> = Vec::new();
        for (table, items) in self.0.iter().filter(|(table, _)| **table != "Attempts") {
            // A repeated regeneration leaves one more pointer that says "replaced".
            let is_left =
                |item: &&Value| item.get("owner").is_none() || item.get("replaced_at").is_none();
            for item in items.values().filter(is_left) {
                let mut item = item.clone();
                item.as_object_mut().unwrap().retain(|name, _| !NOTED.contains(&name.as_str()));
                // Each token has different ones.
                if item.get("attribute_digests").is_some() {
                    item["attribute_digests"] = json!("digests");
                }
                if item["token_generation"]["N"]
                    .as_str()
                    .is_some_and(|generation| generation != "5")
                {
                    item["token_generation"] = json!("raised");
                }
                lines.push(format!("{table} {}", masked(&text(&item), &known)));
            }
        }
        lines.sort();
        lines
    }

    /// Returns the keys of users and tokens.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|(table, _)| **table != "Attempts")
            .flat_map(|(_, items)| items.keys().cloned())
            .collect()
    }

    fn words(&self) -> BTreeSet<String> {
        let text: Vec<String> =
            self.0.values().flat_map(|items| items.values().map(text)).collect();
        text.iter().flat_map(|text| words(text)).map(str::to_owned).collect()
    }
}

/// Returns the lines of `all` that are not in `without`, counting repetitions.
pub(crate) fn minus(all: &[String], without: &[String]) -> Vec<String> {
    let mut rest = all.to_vec();
    for line in without {
        if let Some(place) = rest.iter().position(|other| other == line) {
            rest.remove(place);
        }
    }
    rest
}

fn only(item: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), item[*name].clone())).collect()
}

/// Returns the attributes of an item, sorted by name.
fn text(item: &Value) -> String {
    let mut attributes: Vec<String> = item
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    attributes.sort();
    attributes.join(", ")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

/// Returns the text with a star for each new word that is as long as a hash or a digest.
fn masked(text: &str, known: &BTreeSet<String>) -> String {
    let mut masked = text.to_owned();
    for word in words(text).filter(|word| matches!(word.len(), 22 | 43) && !known.contains(*word)) {
        masked = masked.replace(word, "*");
    }
    masked
}
