//! What IAM would say to a request to DynamoDB, by the role of a function in `template.yaml`
//! ([condition keys](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html)).
//!
//! Where AWS leaves open whether an attribute counts (one that a condition names, one that comes back), it counts.

use std::collections::BTreeSet;

use hallpass::dev::template::Template;
use serde_json::{Value, json};

use crate::{TEMPLATE, tap::Seen};

/// The statements of a function's role.
#[derive(Clone, Debug)]
pub struct Policy(Vec<Value>);

/// What one action of a request asks.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `dynamodb:UpdateItem`.
    pub action: String,
    /// The table, or the table's index.
    pub resource: String,
    /// Partition keys.
    pub leading_keys: BTreeSet<String>,
    /// Every attribute that the request names.
    pub attributes: BTreeSet<String>,
    /// `ReturnValues`, if the request has it.
    pub return_values: Option<String>,
}

impl Policy {
    /// The role of this function.
    pub fn of(function: &str) -> Self {
        let template = Template::resolved(TEMPLATE, &[]).unwrap();
        let policies = &template["Resources"][format!("{function}Role")]["Properties"]["Policies"];
        let statements = list(policies).into_iter().flat_map(|it| list(&it["PolicyDocument"]["Statement"]));
        Self(statements.collect())
    }

    /// Whether a statement allows this.
    pub fn allows(&self, ask: &Ask) -> bool {
        self.0.iter().any(|statement| allows(statement, ask))
    }

    /// The same without one of its conditions on DynamoDB, once for each; and the name of its statement and its key.
    pub fn without_each_condition(&self) -> Vec<(String, String, Self)> {
        let mut all = Vec::new();
        for (at, statement) in self.0.iter().enumerate() {
            for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
                for key in keys.as_object().unwrap().keys().filter(|key| key.starts_with("dynamodb:")) {
                    let mut changed = self.clone();
                    changed.0[at]["Condition"][operator].as_object_mut().unwrap().remove(key);
                    all.push((statement["Sid"].to_string(), key.clone(), changed));
                }
            }
        }
        all
    }
}

fn allows(statement: &Value, ask: &Ask) -> bool {
    let has = |member: &str, wanted: &str| list(&statement[member]).iter().any(|it| it == wanted);
    let holds = |(operator, keys): (&String, &Value)| {
        keys.as_object().unwrap().iter().all(|(key, allowed)| met(operator, key, &list(allowed), ask))
    };
    statement["Effect"] == "Allow"
        && has("Action", &ask.action)
        && has("Resource", &ask.resource)
        && statement["Condition"].as_object().into_iter().flatten().all(holds)
}

/// Whether a condition is met. One that is not known here is not.
fn met(operator: &str, key: &str, allowed: &[Value], ask: &Ask) -> bool {
    let values: BTreeSet<String> = match key {
        "dynamodb:LeadingKeys" => ask.leading_keys.clone(),
        "dynamodb:Attributes" => ask.attributes.clone(),
        "dynamodb:ReturnValues" => ask.return_values.iter().cloned().collect(),
        _ => panic!("a condition on {key} is not understood; add it to tests/src/policy.rs"),
    };
    let is_like = |value: &String, pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => value.starts_with(start),
        None => value == pattern,
    };
    let allowed: Vec<&str> = allowed.iter().map(|it| it.as_str().unwrap()).collect();
    match operator {
        "ForAllValues:StringEquals" | "StringEqualsIfExists" => {
            values.iter().all(|value| allowed.contains(&value.as_str()))
        }
        "ForAllValues:StringLike" => values.iter().all(|value| allowed.iter().any(|pattern| is_like(value, pattern))),
        _ => panic!("a condition by {operator} is not understood; add it to tests/src/policy.rs"),
    }
}

/// What a request asks of IAM.
pub fn asks(Seen { operation, body, .. }: &Seen) -> Vec<Ask> {
    match operation.as_str() {
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap().iter();
            tables.map(|(table, keys)| ask_of("BatchGetItem", table, keys)).collect()
        }
        "TransactWriteItems" => {
            let writes = list(&body["TransactItems"]).into_iter();
            let writes = writes.flat_map(|write| write.as_object().unwrap().clone());
            writes.map(|(kind, write)| ask_of(&format!("{kind}Item"), &table_of(&write), &write)).collect()
        }
        operation => {
            let index = body["IndexName"].as_str().map(|index| format!("/index/{index}")).unwrap_or_default();
            vec![ask_of(operation, &format!("{}{index}", table_of(body)), body)]
        }
    }
}

fn table_of(body: &Value) -> String {
    body["TableName"].as_str().unwrap().to_owned()
}

fn ask_of(operation: &str, resource: &str, body: &Value) -> Ask {
    let partition = if resource.starts_with("Attempts") { "attempt" } else { "user_id" };
    let mut items = list(&body["Keys"]);
    items.extend([body["Key"].clone(), body["Item"].clone()]);
    let members = items.iter().filter_map(Value::as_object);
    let mut attributes: BTreeSet<String> = members.flat_map(|item| item.keys().cloned()).collect();
    let names = body["ExpressionAttributeNames"].as_object().into_iter().flatten();
    attributes.extend(names.map(|(_, name)| name.as_str().unwrap().to_owned()));
    let leading_keys = items.iter().filter_map(|item| item[partition]["S"].as_str().map(str::to_owned)).collect();
    let return_values = body["ReturnValues"].as_str().map(str::to_owned);
    Ask {
        action: format!("dynamodb:{operation}"),
        resource: resource.to_owned(),
        leading_keys,
        attributes,
        return_values,
    }
}

/// Requests that differ from this one in one thing that a condition on `key` is about.
pub fn worse(ask: &Ask, key: &str) -> Ask {
    let mut ask = ask.clone();
    match key {
        "dynamodb:LeadingKeys" => drop(ask.leading_keys.insert("another-key".to_owned())),
        "dynamodb:Attributes" => drop(ask.attributes.insert("permissions".to_owned())),
        "dynamodb:ReturnValues" => ask.return_values = Some("ALL_NEW".to_owned()),
        _ => panic!("a condition on {key} is not understood; add it to tests/src/policy.rs"),
    }
    ask
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        Value::Null => Vec::new(),
        one => vec![json!(one)],
    }
}
