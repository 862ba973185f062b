//! Compares the requests of a function with what its role permits.

use std::collections::BTreeSet;

use hallpass_dev::template::Template;
use serde_json::Value;
use tests::{
    KEYS, TEMPLATE, World,
    policy::{Ask, Policy, asks},
    tap::{Seen, Tap},
};

/// The actions of Lambda in the function's name, which read its stream.
const STREAM: [&str; 4] = [
    "dynamodb:DescribeStream ",
    "dynamodb:GetRecords ",
    "dynamodb:GetShardIterator ",
    "dynamodb:ListStreams ",
];

/// Actions, each with its table or index: `dynamodb:Query Users/index/username_key`.
type Actions = BTreeSet<String>;

/// Returns the actions on tables that the template permits this function.
fn permitted(function: &str) -> Actions {
    let template = Template::resolved(TEMPLATE, &[]).unwrap();
    let role = &template["Resources"][format!("{function}Role")]["Properties"];
    let list =
        |value: &Value| value.as_array().unwrap_or_else(|| panic!("{function}: {value}")).clone();
    let statements = list(&role["Policies"])
        .into_iter()
        .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
    let of_statement = |statement: Value| {
        assert_eq!(statement["Effect"], "Allow");
        let resources = list(&statement["Resource"]);
        let pairs = list(&statement["Action"]).into_iter().flat_map(move |action| {
            let pair = |resource: &Value| {
                format!("{} {}", action.as_str().unwrap(), resource.as_str().unwrap())
            };
            resources.iter().map(pair).collect::<Vec<_>>()
        });
        pairs.collect::<Vec<_>>()
    };
    let is_of_table = |pair: &String| {
        pair.starts_with("dynamodb:") && !STREAM.iter().any(|action| pair.starts_with(action))
    };
    statements.flat_map(of_statement).filter(is_of_table).collect()
}

/// Returns the actions that a request needs.
fn actions_of(Seen { operation, body, .. }: &Seen) -> Vec<String> {
    let table = |body: &Value| body["TableName"].as_str().unwrap().to_owned();
    match operation.as_str() {
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().unwrap().keys();
            tables.map(|table| format!("dynamodb:BatchGetItem {table}")).collect()
        }
        "TransactWriteItems" => {
            let writes = body["TransactItems"].as_array().unwrap().iter();
            let writes = writes.flat_map(|write| write.as_object().unwrap());
            writes
                .map(|(kind, write)| match kind.as_str() {
                    "ConditionCheck" => format!("dynamodb:ConditionCheckItem {}", table(write)),
                    kind => format!("dynamodb:{kind}Item {}", table(write)),
                })
                .collect()
        }
        operation => {
            let index = body["IndexName"]
                .as_str()
                .map(|index| format!("/index/{index}"))
                .unwrap_or_default();
            vec![format!("dynamodb:{operation} {}{index}", table(body))]
        }
    }
}

/// Compares the requests that passed the tap with what the function is permitted: neither more nor
/// less.
pub(super) async fn check(world: &World, tap: &Tap, function: &str) {
    start(function, world, tap).await;
    let seen = tap.seen();
    let requested: Actions = seen.iter().flat_map(actions_of).collect();
    assert_eq!(requested, permitted(function), "{function}");
    check_conditions(function, &seen);
    if ["VerifyAuthorizer", "Revoke", "Prune"].contains(&function) {
        for seen in &seen {
            makes_no_record(function, seen);
        }
    }
}

/// Checks each request against the conditions of the role: all are met, each condition rejects
/// something, and each attribute, key or pattern that a condition allows occurs in a request.
fn check_conditions(function: &str, seen: &[Seen]) {
    let policy = Policy::of(function);
    let all: Vec<Ask> = seen.iter().flat_map(asks).collect();
    let rejected: Vec<&Ask> = all.iter().filter(|ask| !policy.allows(ask)).collect();
    assert!(
        rejected.is_empty(),
        "add to the conditions of {function}Role in template.yaml: {rejected:#?}"
    );
    for condition in policy.conditions() {
        let name = condition.name();
        let matching: Vec<&Ask> = all.iter().filter(|ask| condition.allows(ask)).collect();
        let worse: Vec<Vec<Ask>> = matching.iter().map(|ask| condition.worse(ask)).collect();
        for number in 0..worse.first().map_or(0, Vec::len) {
            let is_needed = |ask: &Ask| !policy.allows(ask) && condition.without.allows(ask);
            assert!(
                worse.iter().any(|asks| is_needed(&asks[number])),
                "{function}: {name} rejects nothing ({number})"
            );
        }
        assert!(!matching.is_empty(), "{function}: {name} is of no request");
        let unused: Vec<&String> = condition
            .values
            .iter()
            .filter(|value| !matching.iter().any(|ask| condition.is_used(value, ask)))
            .collect();
        assert!(
            !condition.is_positive() || unused.is_empty(),
            "{function}: no request has what {name} allows: {unused:?}"
        );
    }
}

/// Checks that the role permits each request with this parameter, and that it needs each action that
/// the parameter adds.
pub(super) fn check_addition(function: &str, parameter: (&str, &str), seen: &[Seen]) {
    let (policy, usual) = (Policy::with(function, &[parameter]), Policy::of(function));
    let all: Vec<Ask> = seen.iter().flat_map(asks).collect();
    let rejected: Vec<&Ask> = all.iter().filter(|ask| !policy.allows(ask)).collect();
    assert!(rejected.is_empty(), "{function} with {parameter:?}: {rejected:#?}");
    let needed: BTreeSet<&str> =
        all.iter().filter(|ask| !usual.allows(ask)).map(|ask| ask.action.as_str()).collect();
    let added: BTreeSet<&str> = policy.added_to(&usual);
    assert_eq!(needed, added, "{function} with {parameter:?}");
}

/// Starts the function as its `main` does.
async fn start(function: &str, world: &World, tap: &Tap) {
    let endpoint = tap.endpoint();
    let lookup = |name: &str| match name {
        "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "HALLPASS_USERS_TABLE" => Some(world.table("Users")),
        "HALLPASS_TOKENS_TABLE" => Some(world.table("Tokens")),
        "HALLPASS_ATTEMPTS_TABLE" => Some(world.table("Attempts")),
        "HALLPASS_DYNAMODB_ENDPOINT" => Some(endpoint.clone()),
        "HALLPASS_KEYS" => Some(KEYS.to_owned()),
        _ => None,
    };
    let store = hallpass_service::service::store(&lookup).unwrap();
    match function {
        "Prune" => {
            store.check_as_pruner().await.unwrap();
            return;
        }
        "Notify" => {
            store.check_as_notifier().await.unwrap();
            return;
        }
        "Generate" => store.check_as_limiter().await.unwrap(),
        _ => {}
    }
    hallpass_service::Service::start(&lookup, world.now()).await.unwrap();
}

/// Checks that a function that creates no tokens cannot create a record by accident: `UpdateItem`
/// creates a missing item.
fn makes_no_record(function: &str, Seen { operation, body, .. }: &Seen) {
    let writes: Vec<&Value> = match operation.as_str() {
        "TransactWriteItems" => body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|item| item.as_object().unwrap().values())
            .collect(),
        "UpdateItem" => vec![body],
        "PutItem" | "BatchWriteItem" => panic!("{function} requested {operation}"),
        _ => Vec::new(),
    };
    // A marker of prune is not a record: no token has such a key.
    let is_mark = |write: &Value| {
        write["Key"]["user_id"]["S"].as_str().is_some_and(|key| key.starts_with("changes#"))
    };
    for write in
        writes.into_iter().filter(|write| write["TableName"] != "Attempts" && !is_mark(write))
    {
        let condition = write["ConditionExpression"].as_str().unwrap_or_default();
        // An attribute of a missing item equals nothing.
        let exists = |part: &str| {
            part.starts_with("attribute_exists(#")
                || (part.starts_with('#') && part.contains(" = :"))
        };
        assert!(condition.split(" AND ").any(exists), "{function}: {write}");
    }
}
