//! The template of this project, and templates that are rejected.

use super::*;

const REAL: &str = include_str!("../../../template.yaml");

fn real() -> Template {
    Template::parse(REAL).unwrap()
}

/// Parses a template of one API and one function with `properties`.
fn check(properties: &str, expected: Result<usize, &str>) {
    let text = format!(
        "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {properties}\n"
    );
    match (Template::parse(&text), expected) {
        (Ok(template), Ok(routes)) => assert_eq!(template.routes.len(), routes, "{properties}"),
        (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{properties}: {error}"),
        (found, expected) => panic!("{properties}: {found:?}, not {expected:?}"),
    }
}

#[test]
fn the_template_of_this_project_names_its_tables() {
    let template = real();
    let names: Vec<_> = template
        .tables
        .iter()
        .map(|table| (table.logical_id.as_str(), table.ttl_attribute.as_deref()))
        .collect();
    assert_eq!(
        names,
        [("Attempts", Some("purge_at")), ("Tokens", Some("purge_at")), ("Users", None)]
    );
    let users = &template.tables[2].create;
    assert_eq!(users["TableName"], "Users");
    assert_eq!(users["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(
        users["StreamSpecification"],
        json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" })
    );
    assert_eq!(users["GlobalSecondaryIndexes"][0]["IndexName"], "username_key");
    assert_eq!(
        users["SSESpecification"],
        Value::Null,
        "other properties are not copied to `CreateTable`"
    );
}

#[test]
fn the_template_of_this_project_has_its_routes_and_its_authorizer() {
    let template = real();
    let verified: Vec<_> =
        template.routes.iter().filter(|route| route.authorizer.is_some()).collect();
    assert!(verified.iter().any(|route| {
        route.path == "/api/user/{id}"
            && route.method == "GET"
            && route.authorizer.as_deref() == Some("Verify")
    }));
    assert!(template.routes.iter().any(|route| route.path == "/{proxy+}" && route.method == "ANY"));
    let authorizer = &template.authorizers["Verify"];
    assert_eq!(authorizer.function, "VerifyAuthorizer");
    assert_eq!(authorizer.kind, AuthorizerKind::Request);
    assert_eq!(authorizer.identity_headers, ["Authorization"]);
    assert_eq!(template.stage, "v1");
}

#[test]
fn the_template_of_this_project_has_its_gateway_responses() {
    let responses = real().gateway_responses;
    assert_eq!(responses["ACCESS_DENIED"].status, Some(401));
    assert_eq!(responses["ACCESS_DENIED"].headers["Cache-Control"], "'no-store'");
    assert_eq!(
        responses["UNAUTHORIZED"].headers["WWW-Authenticate"],
        "'Bearer realm=\"hallpass\", Basic realm=\"hallpass\", charset=\"UTF-8\"'"
    );
    assert_eq!(responses["DEFAULT_5XX"].status, None);
    assert!(
        responses["ACCESS_DENIED"].body.as_ref().unwrap().contains("$context.authorizer.reason")
    );
}

#[test]
fn a_function_s_variables_override_the_global_ones() {
    let template = real();
    let environment = template.environment("Generate");
    assert_eq!(environment["HALLPASS_USERS_TABLE"], "Users");
    assert_eq!(environment["HALLPASS_REALM"], "hallpass");
    assert_eq!(environment["HALLPASS_PREFIX"], "");
    assert_eq!(environment["HALLPASS_KEYS_SECRET"], "KeyRing");
    assert!(
        !template.environment("Prune").contains_key("HALLPASS_KEYS_SECRET"),
        "prune has no access to the keys"
    );
    assert!(template.environment("Unknown").is_empty());
}

#[test]
fn the_template_of_this_project_invokes_prune_and_notify_on_schedules_and_streams() {
    let template = real();
    let hour = Duration::from_hours(1);
    let mut schedules = template.schedules.clone();
    schedules.sort();
    assert_eq!(schedules, [("Notify".to_owned(), hour), ("Prune".to_owned(), hour)]);
    let mut streams: Vec<(&str, &str, u32, usize)> = template
        .streams
        .iter()
        .map(|stream| {
            let Stream { function, table, batch_size, filters } = stream;
            (function.as_str(), table.as_str(), *batch_size, filters.len())
        })
        .collect();
    streams.sort_unstable();
    assert_eq!(streams, [("Notify", "Tokens", 100, 2), ("Prune", "Users", 100, 0)]);
}

#[test]
fn the_long_form_of_a_function_equals_the_short_form() {
    let text = r#"
Parameters: { P: { Type: Number, Default: 7 } }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          A: { Ref: P }
          B: { "Fn::Sub": "${P}-${AWS::Region}-${F.Arn}-${!P}" }
          C: { "Fn::GetAtt": [F, Arn] }
          D: true
          E: { "Fn::Sub": ["${Own}/${P}", { Own: { Ref: F.Alias } }] }
          G: { "Fn::FindInMap": [Sizes, { Ref: P }, Name] }
Mappings: { Sizes: { "7": { Name: seven } } }
"#;
    let environment = Template::parse(text).unwrap().environment("F");
    let found: Vec<_> = environment.values().map(String::as_str).collect();
    assert_eq!(found, ["7", "7-local-F-${P}", "F", "true", "F/7", "seven"]);
}

#[test]
fn unsupported_parts_are_errors_with_their_place() {
    check(
        "{ Handler: !Select [0, []] }",
        Err("Resources.F.Properties.Handler: the function Select is not supported"),
    );
    check("{ Handler: !If [A, b, c] }", Err("Resources.F.Properties.Handler: A is not defined"));
    check("{ Handler: !If [A] }", Err("If takes a condition and two values"));
    check(
        "{ Handler: { 'Fn::Join': ['', []] } }",
        Err("Handler: the function Join is not supported"),
    );
    check("{ Handler: !FindInMap [Missing, a, b] }", Err("Handler: Missing is not defined"));
    check("{ Handler: !Ref Missing }", Err("Handler: Missing is not defined"));
    check("{ Handler: !Sub '${Missing.Arn}' }", Err("Handler: Missing is not defined"));
    check("{ Handler: !Sub '${F' }", Err("is not closed"));
    check(
        "{ Events: { E: { Type: SQS, Properties: {} } } }",
        Err("F.Events.E: the event type SQS"),
    );
    check(
        "{ Events: { E: { Type: Schedule, Properties: { Schedule: cron(1) } } } }",
        Err("the schedule cron(1)"),
    );
    check(
        "{ Events: { E: { Type: Api, Properties: { Path: / } } } }",
        Err("F.Events.E: missing field `Method`"),
    );
    check(
        "{ Events: { E: { Type: Api, Properties: { Path: /, Method: get, Auth: { Authorizer: X } } \
         } } }",
        Err("X is not defined"),
    );
    check(
        "{ Events: { E: { Type: Api, Properties: { Path: /, Method: get, RequestModel: {} } } } }",
        Err("RequestModel"),
    );
    check("{ Environment: { Variables: { A: [] } } }", Err("F.Environment.A"));
    check("{ Events: { E: { Type: Api, Properties: { Path: /, Method: get } } } }", Ok(1));
    assert!(Template::parse("a: [").is_err());
    assert!(Template::parse("Resources: { A: { Type: X, Condition: C } }").is_err());
}

#[test]
fn a_property_is_used_or_listed_as_idle_or_rejected() {
    check("{ Unknown: 1 }", Err("F: Unknown is not supported"));
    check("{ Environment: { Unknown: 1 } }", Err("unknown field `Unknown`"));
    let event = |kind: &str, properties: &str| {
        let event = format!("{{ Events: {{ E: {{ Type: {kind}, Properties: {properties} }} }} }}");
        check(&event, Err("F.Events.E: Unknown is not supported"));
    };
    event("DynamoDB", "{ Stream: F, Unknown: 1 }");
    event("ScheduleV2", "{ ScheduleExpression: rate(1 hour), Unknown: 1 }");
    check(
        "{ Events: { E: { Type: Api, Unknown: 1, Properties: { Path: /, Method: get } } } }",
        Err("`Unknown`"),
    );
    let rejected = |text: &str, why: &str| {
        let error = Template::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    };
    rejected(
        "Resources: { A: { Type: AWS::New::Thing } }",
        "A: the resource type AWS::New::Thing is not supported",
    );
    rejected(
        "Resources: { A: { Type: AWS::SNS::Topic, Unknown: 1 } }",
        "A: Unknown is not supported",
    );
    let table = |properties: &str| {
        format!("Resources: {{ A: {{ Type: AWS::DynamoDB::Table, Properties: {properties} }} }}")
    };
    rejected(&table("{ Unknown: 1 }"), "A: Unknown is not supported");
    rejected(&table("{ TableName: a }"), "A: TableName is not supported");
    rejected(&table("{ StreamSpecification: { StreamViewType: a, Unknown: 1 } }"), "`Unknown`");
    rejected(
        &table("{ TimeToLiveSpecification: { AttributeName: a, Enabled: true, Unknown: 1 } }"),
        "`Unknown`",
    );
    rejected(
        "Globals: { Function: { Unknown: 1 } }\nResources: {}",
        "Globals.Function: Unknown is not supported",
    );
    rejected("Globals: { Api: {} }\nResources: {}", "unknown field `Api`");
}

#[test]
fn conditions_are_evaluated_with_the_parameters() {
    const TEXT: &str = r#"
Parameters: { Table: { Type: String, Default: "" }, On: { Type: String, Default: "no" }, Number: { Type: Number, Default: 0 } }
Conditions:
  Makes: !Equals [!Ref Table, ""]
  Takes: { "Fn::Not": [{ Condition: Makes }] }
  Both: !And [!Condition Makes, !Equals [!Ref On, "yes"]]
  Either: !Or [!Condition Makes, !Condition Takes]
  Some: !Not [!Equals [!Ref Number, 0]]
Resources:
  TestToken: { Type: AWS::DynamoDB::Table, Condition: Makes }
  F:
    Type: AWS::SNS::Topic
    Properties:
      Name: !If [Makes, !Ref TestToken, !Ref Table]
      Both: !If [Both, 1, !Ref AWS::NoValue]
      Some: !If [Some, !Ref Number, !Ref AWS::NoValue]
      Either: { "Fn::If": [Either, [a, !If [Takes, b, !Ref AWS::NoValue]], []] }
Outputs: { TestToken: { Condition: Makes, Value: !Ref TestToken } }
"#;
    let check = |parameters: &[(&str, &str)], expected: Value| {
        let found = Template::resolved(TEXT, parameters).unwrap();
        assert_eq!(found["Resources"]["F"]["Properties"], expected, "{parameters:?}");
        let is_applied = expected["Name"] == "TestToken";
        assert_eq!(
            (!found["Resources"]["TestToken"].is_null(), !found["Outputs"]["TestToken"].is_null()),
            (is_applied, is_applied)
        );
    };
    check(&[], json!({ "Name": "TestToken", "Either": ["a"] }));
    check(&[("On", "yes")], json!({ "Name": "TestToken", "Both": 1, "Either": ["a"] }));
    check(&[("Table", "theirs"), ("On", "yes")], json!({ "Name": "theirs", "Either": ["a", "b"] }));
    check(&[("Number", "0")], json!({ "Name": "TestToken", "Either": ["a"] }));
    check(&[("Number", "1")], json!({ "Name": "TestToken", "Either": ["a"], "Some": "1" }));
    assert_eq!(Template::parse(TEXT).unwrap().tables.len(), 1);
    let rejected = |conditions: &str, why: &str| {
        let error =
            Template::resolved(&format!("Conditions: {{ C: {conditions} }}"), &[]).unwrap_err();
        assert!(error.to_string().contains(why), "{conditions}: {error}");
    };
    rejected("yes", "Conditions.C: a condition must be a function");
    rejected("!Not [!Condition C]", "Conditions.C: C is not defined");
    rejected("!Equals [1]", "Equals takes two values");
    rejected("!Not []", "Not takes one condition");
    rejected("!And 1", "takes a list here");
    rejected("!Contains [[], 1]", "the function Contains is not supported");
}

#[test]
fn a_route_has_the_default_authorizer_of_the_api_unless_it_names_another() {
    let text = r"
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      BinaryMediaTypes: [image~1png]
      Auth: { DefaultAuthorizer: A, Authorizers: { A: { FunctionArn: !GetAtt F.Arn }, B: { FunctionArn: !GetAtt F.Arn } } }
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        One: { Type: Api, Properties: { Path: /1, Method: get } }
        Three: { Type: Api, Properties: { Path: /3, Method: get, Auth: { Authorizer: NONE } } }
        Two: { Type: Api, Properties: { Path: /2, Method: get, Auth: { Authorizer: B } } }
";
    let template = Template::parse(text).unwrap();
    let found: Vec<_> = template
        .routes
        .iter()
        .map(|route| (route.path.as_str(), route.authorizer.as_deref()))
        .collect();
    assert_eq!(found, [("/1", Some("A")), ("/3", None), ("/2", Some("B"))]);
    let token = &template.authorizers["A"];
    assert_eq!((token.kind, token.ttl_seconds), (AuthorizerKind::Token, 300));
    assert_eq!(token.identity_headers, ["Authorization"]);
    assert_eq!(
        (template.stage.as_str(), template.binary_media_types),
        ("Prod", vec!["image/png".to_owned()])
    );
    assert!(Template::parse(&text.replace("BinaryMediaTypes", "Cors")).is_err());
}
