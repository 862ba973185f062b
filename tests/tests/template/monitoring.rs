//! What shows how a deployment works: alarms, the dashboard and traces.

use std::{collections::BTreeSet, fs, path::Path};

use hallpass_dev::template::Template;
use serde_json::{Value, json};
use tests::TEMPLATE;

use super::{deployed, of_type};

#[test]
fn functions_are_traced_only_if_configured() {
    let tracing = |parameters: &[(&str, &str)]| {
        let document = Template::resolved(TEMPLATE, parameters).unwrap();
        let function = document["Globals"]["Function"]["Tracing"].clone();
        (function, document["Resources"]["Api"]["Properties"]["TracingEnabled"].clone())
    };
    assert_eq!(tracing(&[]), (json!("PassThrough"), json!(false)));
    assert_eq!(tracing(&[("Tracing", "on")]), (json!("Active"), json!(true)));
}

/// Collects every Hallpass metric in a value, which is a list of `Hallpass`, a name and more, or an
/// object that has them by name.
fn counted(value: &Value, found: &mut BTreeSet<String>) {
    let named = |list: &[Value]| {
        (list.first()? == "Hallpass").then(|| list.get(1)?.as_str().map(str::to_owned))?
    };
    match value {
        Value::Array(items) => {
            found.extend(named(items));
            for item in items {
                counted(item, found);
            }
        }
        Value::Object(members) => {
            if members.get("Namespace").is_some_and(|namespace| namespace == "Hallpass") {
                found.insert(members["MetricName"].as_str().unwrap().to_owned());
            }
            for member in members.values() {
                counted(member, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_metric_of_alarms_and_dashboard_is_counted() {
    let resources = deployed(&[]);
    let alarms = of_type(&resources, "AWS::CloudWatch::Alarm");
    let mut watched = BTreeSet::new();
    for (id, alarm) in &alarms {
        assert_eq!(alarm["AlarmActions"], json!(["Alarms"]), "{id}");
        counted(alarm, &mut watched);
    }
    let all = json!(alarms).to_string();
    for metric in
        ["5XXError", "IteratorAge", "ApproximateNumberOfMessagesVisible", "Throttles", "Errors"]
    {
        assert!(all.contains(&format!("\"{metric}\"")), "no alarm uses {metric}");
    }
    assert!(
        watched.is_superset(
            &["accepted", "rejected", "limited", "login_failed"].map(str::to_owned).into()
        ),
        "{watched:?}"
    );
    // Its key would have to allow CloudWatch, which the AWS managed key does not.
    assert_eq!(resources["Alarms"]["Properties"], Value::Null);

    let dashboard = resources["Dashboard"]["Properties"]["DashboardBody"].as_str().unwrap();
    counted(&serde_json::from_str(dashboard).unwrap(), &mut watched);
    let sources: String = ["functions", "shared"].iter().map(|folder| sources(folder)).collect();
    for metric in &watched {
        assert!(sources.contains(&format!("\"{metric}\"")), "no code counts {metric}");
    }
    assert!(watched.len() > 10, "{watched:?}");
}

#[test]
fn alarms_on_tokens_and_log_ins_sum_over_every_function_that_counts_them() {
    let resources = deployed(&[]);
    // Prune takes no token; the authorizer takes no password.
    let all = ["VerifyAuthorizer", "Generate", "Revoke", "Console"];
    let check = |alarm: &str, metric: &str, reason: Option<&str>, functions: &[&str]| {
        let metrics = resources[alarm]["Properties"]["Metrics"]
            .as_array()
            .unwrap_or_else(|| panic!("{alarm}"));
        let queries =
            metrics.iter().filter(|query| query["MetricStat"]["Metric"]["MetricName"] == metric);
        let mut seen = Vec::new();
        for query in queries {
            assert_eq!(
                (&query["ReturnData"], &query["MetricStat"]["Stat"]),
                (&json!(false), &json!("Sum")),
                "{alarm}"
            );
            let dimensions = query["MetricStat"]["Metric"]["Dimensions"].as_array().unwrap();
            let value = |name: &str| {
                dimensions
                    .iter()
                    .find(|dimension| dimension["Name"] == name)
                    .map(|dimension| dimension["Value"].as_str().unwrap())
            };
            assert_eq!(value("reason"), reason, "{alarm}");
            seen.push(value("function").unwrap());
        }
        assert_eq!(seen, functions, "{alarm}");
        // METRICS("x") takes the metrics whose ID contains x.
        let expressions = metrics.iter().filter_map(|it| it["Expression"].as_str());
        for part in expressions.filter_map(|it| it.split_once("METRICS(\"")).map(|(_, rest)| rest) {
            let part = part.split('"').next().unwrap();
            let ids = metrics
                .iter()
                .filter(|it| it["MetricStat"].is_object())
                .filter_map(|it| it["Id"].as_str());
            assert_eq!(ids.filter(|id| id.contains(part)).count(), all.len(), "{alarm}: {part}");
        }
        assert!(
            metrics[0]["Expression"].is_string() && metrics[0].get("ReturnData").is_none(),
            "{alarm}"
        );
    };
    check("AlarmRejectionRate", "rejected", None, &all);
    check("AlarmRejectionRate", "accepted", None, &all[..1]);
    check("AlarmReplacedToken", "rejected", Some("replaced"), &all);
    check("AlarmFailedLogIns", "login_failed", None, &all[1..]);
    let dashboard = resources["Dashboard"]["Properties"]["DashboardBody"].as_str().unwrap();
    for function in all {
        assert!(
            dashboard.contains(&format!(r#""rejected", "function", "{function}"]"#)),
            "{function}"
        );
        assert!(dashboard.contains(&format!(r#"\"{function}\""#)), "{function}, by reason");
    }
}

/// Returns all Rust code in this folder of the workspace.
fn sources(folder: &str) -> String {
    let (mut text, mut folders) =
        (String::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}
