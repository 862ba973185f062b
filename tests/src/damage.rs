//! Damaged items: one attribute is missing, or has a type that it never has. An engine, a restored
//! backup or another program may leave such items behind.

use serde_json::{Map, Value, json};

/// Damage to one attribute of the items in a response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damage {
    /// The index of the attribute, counted over all items of the response.
    pub attribute: usize,
    /// The index of the replacement among one value of each type, or `None` if the attribute is
    /// removed.
    pub becomes: Option<usize>,
}

type Item = Map<String, Value>;

impl Damage {
    /// Returns every possible damage to the items of the response: each attribute removed, or
    /// replaced by a value of each other type.
    pub fn all_of(response: &Value) -> Vec<Self> {
        let mut all = Vec::new();
        let mut response = response.clone();
        let values = items(&mut response).into_iter().flat_map(|item| {
            names(item).into_iter().map(|name| item[&name].clone()).collect::<Vec<_>>()
        });
        let values: Vec<Value> = values.collect();
        for (attribute, value) in values.into_iter().enumerate() {
            all.push(Self { attribute, becomes: None });
            let others = one_of_each_type()
                .into_iter()
                .enumerate()
                .filter(|(_, other)| kind(other) != kind(&value));
            all.extend(others.map(|(place, _)| Self { attribute, becomes: Some(place) }));
        }
        all
    }

    /// Returns the name of the attribute, or `None` if the response has fewer attributes.
    pub fn name(self, response: &Value) -> Option<String> {
        items(&mut response.clone()).into_iter().flat_map(|item| names(item)).nth(self.attribute)
    }

    /// Damages the response. The response to a later attempt may have fewer items.
    pub fn apply(self, response: &mut Value) {
        let mut place = self.attribute;
        for item in items(response) {
            let Some(name) = names(item).into_iter().nth(place) else {
                place -= item.len();
                continue;
            };
            match self.becomes {
                None => item.remove(&name),
                Some(place) => item.insert(name, one_of_each_type()[place].clone()),
            };
            return;
        }
    }
}

/// Returns a value of every DynamoDB type, in wire format.
fn one_of_each_type() -> [Value; 10] {
    [
        json!({"S": "not one"}),
        json!({"N": "-1"}),
        json!({"BOOL": true}),
        json!({"NULL": true}),
        json!({"B": "AAAA"}),
        json!({"SS": ["a,b"]}),
        json!({"NS": ["1"]}),
        json!({"BS": ["AAAA"]}),
        json!({"L": [{"N": "1"}]}),
        json!({"M": {"a": {"S": "b"}}}),
    ]
}

/// Returns the names of the attributes, sorted: the order of an engine varies.
fn names(item: &Item) -> Vec<String> {
    let mut names: Vec<String> = item.keys().cloned().collect();
    names.sort();
    names
}

fn kind(value: &Value) -> Option<&String> {
    value.as_object().and_then(|value| value.keys().next())
}

/// Returns the items of the response of any operation, sorted by table: the order of an engine
/// varies.
fn items(response: &mut Value) -> Vec<&mut Item> {
    let mut found = Vec::new();
    for (name, value) in response.as_object_mut().into_iter().flatten() {
        match name.as_str() {
            "Item" | "Attributes" | "LastEvaluatedKey" => found.extend(value.as_object_mut()),
            "Items" => found.extend(objects(value)),
            "Responses" => {
                let mut tables: Vec<_> = value.as_object_mut().into_iter().flatten().collect();
                tables.sort_by_key(|(table, _)| (*table).clone());
                found.extend(tables.into_iter().flat_map(|(_, items)| objects(items)));
            }
            _ => {}
        }
    }
    found
}

fn objects(list: &mut Value) -> impl Iterator<Item = &mut Item> {
    list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
}
