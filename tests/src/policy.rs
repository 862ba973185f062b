//! Evaluates requests to DynamoDB as IAM does, by the role of a function in `template.yaml`
//! ([condition
//! keys](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html)).
//!
//! Where AWS leaves open whether an attribute counts (one that a condition names, one that is
//! returned), it counts.

use std::collections::BTreeSet;

use hallpass_dev::template::Template;
use serde_json::{Value, json};

use crate::{TEMPLATE, tap::Seen};

/// The statements of a function's role.
#[derive(Clone, Debug)]
pub struct Policy(Vec<Value>);

/// A condition of a statement.
#[derive(Clone, Debug)]
pub struct Condition {
    statement: Value,
    operator: String,
    key: String,
    /// The values that the condition names.
    pub values: Vec<String>,
    /// The policy without this condition.
    pub without: Policy,
}

/// A key or attribute that no condition names.
const OTHER: &str = "another";

/// The IAM view of one action of a request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The action, such as `dynamodb:UpdateItem`.
    pub action: String,
    /// The table, or the index of a table.
    pub resource: String,
    /// The partition keys.
    pub leading_keys: BTreeSet<String>,
    /// Every attribute that the request names.
    pub attributes: BTreeSet<String>,
    /// The `ReturnValues` of the request, if present.
    pub return_values: Option<String>,
}

impl Policy {
    /// Returns the policy of a function's role.
    pub fn of(function: &str) -> Self {
        let template = Template::resolved(TEMPLATE, &[]).unwrap();
        let policies = &template["Resources"][format!("{function}Role")]["Properties"]["Policies"];
        let statements = list(policies)
            .into_iter()
            .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
        Self(statements.collect())
    }

    /// Returns the policy of a function's role in a stack with these parameters, with the managed
    /// policies that they add.
    pub fn with(function: &str, parameters: &[(&str, &str)]) -> Self {
        let template = Template::resolved(TEMPLATE, parameters).unwrap();
        let role = &template["Resources"][format!("{function}Role")]["Properties"];
        let inline =
            list(&role["Policies"]).into_iter().map(|policy| policy["PolicyDocument"].clone());
        let managed = list(&role["ManagedPolicyArns"]).into_iter().filter_map(|name| {
            let policy = &template["Resources"][name.as_str()?]["Properties"];
            Some(policy["PolicyDocument"].clone())
        });
        Self(inline.chain(managed).flat_map(|document| list(&document["Statement"])).collect())
    }

    /// Returns the policy without the statements of this name, or `None` if there is none.
    pub fn without(&self, sid: &str) -> Option<Self> {
        let mut rest = self.clone();
        rest.0.retain(|statement| statement["Sid"] != sid);
        (rest.0.len() < self.0.len()).then_some(rest)
    }

    /// Returns the actions of the statements that the other policy does not have.
    pub fn added_to(&self, other: &Self) -> BTreeSet<&str> {
        let added = self.0.iter().filter(|statement| !other.0.contains(statement));
        let actions = added.flat_map(|statement| statement["Action"].as_array().unwrap());
        actions.map(|action| action.as_str().unwrap()).collect()
    }

    /// Returns whether a statement allows the request.
    pub fn allows(&self, ask: &Ask) -> bool {
        self.0.iter().any(|statement| allows(statement, ask))
    }

    /// Returns every condition on DynamoDB requests, with the policy without it.
    pub fn conditions(&self) -> Vec<Condition> {
        let mut all = Vec::new();
        for (at, statement) in self.0.iter().enumerate() {
            for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
                for (key, values) in
                    keys.as_object().unwrap().iter().filter(|(key, _)| key.starts_with("dynamodb:"))
                {
                    let mut without = self.clone();
                    without.0[at]["Condition"][operator].as_object_mut().unwrap().remove(key);
                    let values = list(values)
                        .iter()
                        .map(|value| value.as_str().unwrap().to_owned())
                        .collect();
                    all.push(Condition {
                        statement: statement.clone(),
                        operator: operator.clone(),
                        key: key.clone(),
                        values,
                        without,
                    });
                }
            }
        }
        all
    }
}

impl Condition {
    /// Returns the name of the condition for messages.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.statement["Sid"], self.operator, self.key)
    }

    /// Returns whether the statement allows the request.
    pub fn allows(&self, ask: &Ask) -> bool {
        allows(&self.statement, ask)
    }

    /// Returns whether the condition names what requests may contain, and not what they must not
    /// contain.
    pub fn is_positive(&self) -> bool {
        self.operator != "ForAllValues:StringNotLike"
    }

    /// Returns whether the request contains what this value of the condition names.
    pub fn is_used(&self, value: &str, ask: &Ask) -> bool {
        values_of(&self.key, ask).iter().any(|held| is_like(held, value))
    }

    /// Returns requests that differ from this one in one thing that the condition forbids: one for
    /// each value of a condition that names what a request must not contain.
    pub fn worse(&self, ask: &Ask) -> Vec<Ask> {
        if self.is_positive() {
            return vec![worse(ask, &self.key, OTHER)];
        }
        self.values
            .iter()
            .map(|pattern| worse(ask, &self.key, &pattern.replace('*', "x")))
            .collect()
    }
}

fn allows(statement: &Value, ask: &Ask) -> bool {
    let has =
        |member: &str, wanted: &str| list(&statement[member]).iter().any(|value| value == wanted);
    let holds = |(operator, keys): (&String, &Value)| {
        keys.as_object()
            .unwrap()
            .iter()
            .all(|(key, allowed)| met(operator, key, &list(allowed), ask))
    };
    statement["Effect"] == "Allow"
        && has("Action", &ask.action)
        && has("Resource", &ask.resource)
        && statement["Condition"].as_object().into_iter().flatten().all(holds)
}

/// Returns whether a condition is met. An unknown condition is not met.
fn met(operator: &str, key: &str, allowed: &[Value], ask: &Ask) -> bool {
    let values = values_of(key, ask);
    let allowed: Vec<&str> = allowed.iter().map(|value| value.as_str().unwrap()).collect();
    match operator {
        "ForAllValues:StringEquals" | "StringEqualsIfExists" => {
            values.iter().all(|value| allowed.contains(&value.as_str()))
        }
        "ForAllValues:StringLike" => {
            values.iter().all(|value| allowed.iter().any(|pattern| is_like(value, pattern)))
        }
        "ForAllValues:StringNotLike" => {
            values.iter().all(|value| !allowed.iter().any(|pattern| is_like(value, pattern)))
        }
        _ => panic!("a condition by {operator} is not understood; add it to tests/src/policy.rs"),
    }
}

/// Returns the values of a condition key in a request.
fn values_of(key: &str, ask: &Ask) -> BTreeSet<String> {
    match key {
        "dynamodb:LeadingKeys" => ask.leading_keys.clone(),
        "dynamodb:Attributes" => ask.attributes.clone(),
        "dynamodb:ReturnValues" => ask.return_values.iter().cloned().collect(),
        _ => panic!("a condition on {key} is not understood; add it to tests/src/policy.rs"),
    }
}

/// Returns whether the value matches the pattern, in which `*` matches any text.
fn is_like(value: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return value == pattern };
    let Some(value) = value.strip_prefix(start) else { return false };
    (0..=value.len()).filter(|at| value.is_char_boundary(*at)).any(|at| is_like(&value[at..], rest))
}

/// Returns the IAM view of a request.
pub fn asks(Seen { operation, body, .. }: &Seen) -> Vec<Ask> {
    match operation.as_str() {
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap().iter();
            tables.map(|(table, keys)| ask_of("BatchGetItem", table, keys)).collect()
        }
        "TransactWriteItems" => {
            let writes = list(&body["TransactItems"]).into_iter();
            let writes = writes.flat_map(|write| write.as_object().unwrap().clone());
            writes
                .map(|(kind, write)| ask_of(&format!("{kind}Item"), &table_of(&write), &write))
                .collect()
        }
        operation => {
            let index = body["IndexName"]
                .as_str()
                .map(|index| format!("/index/{index}"))
                .unwrap_or_default();
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
    let leading_keys =
        items.iter().filter_map(|item| item[partition]["S"].as_str().map(str::to_owned)).collect();
    let return_values = body["ReturnValues"].as_str().map(str::to_owned);
    Ask {
        action: format!("dynamodb:{operation}"),
        resource: resource.to_owned(),
        leading_keys,
        attributes,
        return_values,
    }
}

fn worse(ask: &Ask, key: &str, value: &str) -> Ask {
    let mut ask = ask.clone();
    match key {
        "dynamodb:LeadingKeys" => drop(ask.leading_keys.insert(value.to_owned())),
        "dynamodb:Attributes" => drop(ask.attributes.insert(value.to_owned())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_iam_says() {
        let check = |value: &str, pattern: &str, expected: bool| {
            assert_eq!(is_like(value, pattern), expected, "{value} {pattern}");
        };
        check("changes#1", "changes#*", true);
        check("changes#", "changes#*", true);
        check("xchanges#1", "changes#*", false);
        check("developer#x", "*#*", true);
        check("#", "*#*", true);
        check("1", "*#*", false);
        check("sweep#tokens", "sweep#tokens", true);
        check("sweep#tokens1", "sweep#tokens", false);
        check("a\u{e9}b", "*b", true);
    }
}
