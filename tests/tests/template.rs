//! The promises of `template.yaml` for a deployment, clause by clause. `permissions.rs` compares
//! the permissions on tables with the requests of the functions.

use std::{collections::BTreeSet, fs, path::Path};

use hallpass_dev::template::Template;
use hallpass_http::routes::{Function, ROUTES};
use hallpass_runtime::settings::names;
use serde_json::{Value, json};
use tests::{Request, TEMPLATE, World, basic, web_client::WebClient};

mod monitoring;

const FUNCTIONS: [&str; 6] =
    ["VerifyAuthorizer", "Generate", "Revoke", "Console", "Prune", "Notify"];

/// The actions of Lambda in the function's name, which read its stream.
const STREAM: [&str; 4] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];

/// Parameters that reverse every condition.
const EVERYTHING: [(&str, &str); 9] = [
    ("EventBus", "default"),
    ("OnReuse", "revoke_family"),
    ("UsersTable", "theirs"),
    ("UsersStreamArn", "their-stream"),
    ("UsersKeyArn", "their-key"),
    ("KeyArn", "our-key"),
    ("Tracing", "on"),
    ("ChallengeHeaders", "literal"),
    ("GenerateConcurrency", "20"),
];

fn deployed(parameters: &[(&str, &str)]) -> Value {
    Template::resolved(TEMPLATE, parameters).unwrap()["Resources"].take()
}

fn of_type<'a>(resources: &'a Value, kind: &'static str) -> Vec<(&'a str, &'a Value)> {
    let all = resources.as_object().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
        .collect()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Returns every statement of this role and of the policies that are attached to it.
fn statements(resources: &Value, role: &str) -> Vec<Value> {
    let inline = list(&resources[role]["Properties"]["Policies"]).into_iter();
    let names = texts(&resources[role]["Properties"]["ManagedPolicyArns"]);
    let attached = names.into_iter().map(|name| &resources[name]["Properties"]);
    let documents = inline.map(|policy| policy["PolicyDocument"].clone());
    let documents = documents.chain(attached.map(|policy| policy["PolicyDocument"].clone()));
    documents.flat_map(|document| list(&document["Statement"])).collect()
}

#[test]
fn every_permission_names_its_action_and_its_resource() {
    for resources in [deployed(&[]), deployed(&EVERYTHING)] {
        for function in FUNCTIONS {
            let properties = &resources[function]["Properties"];
            assert_eq!(
                properties["Role"],
                format!("{function}Role"),
                "SAM would add a policy for every log"
            );
            for statement in statements(&resources, &format!("{function}Role")) {
                let actions = texts(&statement["Action"]);
                assert!(
                    actions.iter().all(|action| !action.contains('*')),
                    "{function}: {statement}"
                );
                let wide =
                    texts(&statement["Resource"]).iter().any(|resource| resource.contains('*'));
                // The first two support no narrower resource; the objects have a common prefix.
                let may = actions.iter().all(|action| {
                    action.starts_with("xray:Put")
                        || action == "dynamodb:ListStreams"
                        || ["s3:GetObject", "s3:PutObject"].contains(&action.as_str())
                });
                assert!(!wide || may, "{function}: {statement}");
            }
        }
    }
}

#[test]
fn a_function_has_few_permissions_besides_its_tables() {
    let check = |parameters: &[(&str, &str)], function: &str, expected: &[&str]| {
        let resources = deployed(parameters);
        let statements = statements(&resources, &format!("{function}Role"));
        let actions: BTreeSet<String> =
            statements.iter().flat_map(|statement| texts(&statement["Action"])).collect();
        let of_tables = |action: &&String| {
            action.starts_with("dynamodb:") && !STREAM.contains(&action.as_str())
        };
        let found: Vec<&str> =
            actions.iter().filter(|action| !of_tables(action)).map(String::as_str).collect();
        let shared = ["logs:CreateLogStream", "logs:PutLogEvents"];
        let expected: BTreeSet<&str> = expected.iter().copied().chain(shared).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{function}");
    };
    let (key, traced) = (
        "secretsmanager:GetSecretValue",
        ["kms:Decrypt", "xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    );
    for function in &FUNCTIONS[..3] {
        check(&[], function, &[key]);
        check(&EVERYTHING, function, &[&[key], &traced[..]].concat());
    }
    let (write, read) = ("s3:PutObject", ["s3:GetObject", "s3:ListBucket"]);
    check(&[], "Console", &[&[key], &read[..]].concat());
    check(&[("Audit", "off")], "Console", &[key]);
    // Neither has the keyring. The policy of the signing key lets notify sign.
    let reports = [&STREAM[..], &["sqs:SendMessage"]].concat();
    check(&[("Audit", "off")], "Prune", &reports);
    check(&[("Audit", "off")], "Notify", &reports);
    check(&[], "Prune", &[&reports[..], &[write]].concat());
    check(&[], "Notify", &[&reports[..], &[write], &read].concat());
    let all = [&reports[..], &[write, "events:PutEvents"], &traced].concat();
    check(&EVERYTHING, "Prune", &all);
    check(&EVERYTHING, "Notify", &[&all[..], &read].concat());
    for function in ["Prune", "Notify"] {
        let environment = deployed(&[])[function]["Properties"]["Environment"].to_string();
        assert!(!environment.contains("HALLPASS_KEYS"), "{environment}");
    }
}

#[test]
fn the_users_are_in_a_table_of_the_stack_or_of_the_application() {
    let (own, foreign) = (deployed(&[]), deployed(&EVERYTHING));
    assert_eq!(
        (own["Users"]["Type"].as_str(), &foreign["Users"]),
        (Some("AWS::DynamoDB::Table"), &Value::Null)
    );
    let stream = |resources: &Value| {
        resources["Prune"]["Properties"]["Events"]["UserStream"]["Properties"]["Stream"].clone()
    };
    assert_eq!((stream(&own), stream(&foreign)), (json!("Users"), json!("their-stream")));
    let name = |parameters: &[(&str, &str)]| {
        let globals = Template::resolved(TEMPLATE, parameters).unwrap()["Globals"].take();
        globals["Function"]["Environment"]["Variables"]["HALLPASS_USERS_TABLE"].clone()
    };
    assert_eq!((name(&[]), name(&EVERYTHING)), (json!("Users"), json!("theirs")));
    // Notify reads no users.
    for function in &FUNCTIONS[..5] {
        let policies = json!(statements(&foreign, &format!("{function}Role"))).to_string();
        assert!(policies.contains(":table/theirs\""), "{function}: {policies}");
        assert!(!policies.contains("\"Users"), "{function}: {policies}");
    }
    let prune = json!(statements(&foreign, "PruneRole")).to_string();
    assert!(
        prune.contains("\"their-stream\"") && prune.contains(":table/theirs/stream/*\""),
        "{prune}"
    );
    assert!(
        json!(statements(&foreign, "GenerateRole"))
            .to_string()
            .contains(":table/theirs/index/username_key\"")
    );
}

#[test]
fn retained_tables_survive_the_stack_and_can_be_restored() {
    for (parameters, key) in
        [(&[][..], Value::Null), (&[("KeyArn", "our-key")][..], json!("our-key"))]
    {
        let resources = deployed(parameters);
        for (table, is_kept) in [("Users", true), ("Tokens", true), ("Attempts", false)] {
            let resource = &resources[table];
            let expected =
                if is_kept { ["RetainExceptOnCreate", "Retain"] } else { ["Delete", "Delete"] };
            assert_eq!([&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]], expected);
            let properties = &resource["Properties"];
            let recovery =
                &properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
            assert_eq!(recovery, &json!(is_kept), "{table}");
            let encryption = &properties["SSESpecification"];
            assert_eq!(
                (&encryption["SSEEnabled"], &encryption["KMSMasterKeyId"]),
                (&json!(true), &key),
                "{table}"
            );
        }
        assert_eq!(resources["KeyRing"]["DeletionPolicy"], "RetainExceptOnCreate");
        assert_eq!(resources["KeyRing"]["UpdateReplacePolicy"], "Retain");
        assert_eq!(resources["KeyRing"]["Properties"]["KmsKeyId"], key);
    }
}

#[test]
fn the_stream_is_retried_within_bounds_and_reports_every_loss() {
    let stream = deployed(&[])["Prune"]["Properties"]["Events"]["UserStream"]["Properties"].take();
    assert_eq!(stream["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(stream["BisectBatchOnFunctionError"], true);
    assert!((1..=100).contains(&stream["MaximumRetryAttempts"].as_u64().unwrap()));
    assert!((60..=86_400).contains(&stream["MaximumRecordAgeInSeconds"].as_u64().unwrap()));
    assert_eq!(stream["DestinationConfig"]["OnFailure"]["Destination"], "DeadLetters");
}

#[test]
fn a_rejection_carries_a_challenge_that_api_gateway_passes_on() {
    let header = |parameters: &[(&str, &str)], kind: &str| {
        let responses = deployed(parameters)["Api"]["Properties"]["GatewayResponses"].take();
        let headers = &responses[kind]["ResponseParameters"]["Headers"];
        ["WWW-Authenticate", "X-WWW-Authenticate"]
            .map(|name| headers[name].as_str().unwrap().to_owned())
    };
    let quoted =
        |challenge: &str, is_offered| format!("'{}'", tests::with_basic(challenge, is_offered));
    let (none, invalid) =
        (r#"Bearer realm="hallpass""#, r#"Bearer realm="hallpass", error="invalid_token""#);
    assert_eq!(
        header(&[], "ACCESS_DENIED"),
        ["context.authorizer.challenges", "context.authorizer.challenge"]
    );
    for (basic, is_offered) in [("on", true), ("off", false)] {
        let parameters = [("ChallengeHeaders", "literal"), ("BasicChallenge", basic)];
        assert_eq!(
            header(&parameters, "ACCESS_DENIED"),
            [quoted(invalid, is_offered), quoted(invalid, false)]
        );
        assert_eq!(
            header(&parameters, "UNAUTHORIZED"),
            [quoted(none, is_offered), quoted(none, false)]
        );
    }
}

#[test]
fn the_stack_caches_no_response_of_its_authorizer() {
    let authorizers = Template::parse(TEMPLATE).unwrap().authorizers;
    assert!(
        authorizers.values().all(|authorizer| authorizer.ttl_seconds == 0)
            && !authorizers.is_empty()
    );
}

#[tokio::test]
async fn the_routes_that_accept_passwords_or_create_tokens_are_throttled() {
    let (world, tap) = World::tapped(&[]).await;
    let throttled = |rate: &str| -> BTreeSet<(String, String)> {
        let rates = [
            ("PasswordRate", "3"),
            ("PasswordBurst", "3"),
            ("IssueRate", "5"),
            ("IssueBurst", "5"),
        ];
        let settings = deployed(&rates)["Api"]["Properties"]["MethodSettings"].take();
        let settings = list(&settings);
        let limited = settings.iter().filter(|setting| {
            let limits = [&setting["ThrottlingRateLimit"], &setting["ThrottlingBurstLimit"]];
            limits.iter().all(|limit| limit.to_string().trim_matches('"') == rate)
        });
        let route = |setting: &Value| {
            let path = setting["ResourcePath"].as_str().unwrap().strip_prefix('/').unwrap();
            (setting["HttpMethod"].as_str().unwrap().to_owned(), path.replace("~1", "/"))
        };
        limited.map(route).collect()
    };
    let mut taking = BTreeSet::new();
    for route in ROUTES {
        tap.seen();
        let request =
            Request::new(route.method, route.path).authorization(&basic("my_username", "wrong"));
        let request = request.query("client_id", "app").query("response_type", "token");
        let is_form = route.path.starts_with("/rs/");
        let request = if is_form { request } else { request.json(&json!({"name": "a"})) };
        world.send(route.function.as_str(), request).await;
        if route.path == "/sign-in" && route.method == "POST" {
            assert_eq!(WebClient::signing_in(&world, "my_username", "wrong").await.status, 401);
        }
        if tap.seen().iter().any(|seen| seen.body["TableName"] == "Attempts") {
            taking.insert((route.method.to_owned(), route.path.to_owned()));
        }
        world.advance(3_600);
    }
    assert_eq!(throttled("3"), taking);
    let issuing = ROUTES.iter().filter(|route| route.function == Function::Generate);
    let issuing = issuing.map(|route| (route.method.to_owned(), route.path.to_owned()));
    assert_eq!(throttled("5"), &issuing.collect() - &taking);
}

#[test]
fn generate_reserves_capacity_if_configured_and_logs_have_a_retention() {
    let resources = deployed(&[]);
    assert_eq!(resources["Generate"]["Properties"]["ReservedConcurrentExecutions"], Value::Null);
    let reserved = deployed(&EVERYTHING);
    assert_eq!(reserved["Generate"]["Properties"]["ReservedConcurrentExecutions"], "20");
    for function in FUNCTIONS {
        let log = format!("{function}Log");
        assert_eq!(resources[function]["Properties"]["LoggingConfig"]["LogGroup"], log.as_str());
        assert_eq!(deployed(&[("LogRetention", "7")])[log]["Properties"]["RetentionInDays"], "7");
    }
}

#[test]
fn every_setting_of_the_code_can_be_set_in_the_template() {
    // The keyring itself is for local use.
    for name in names::SETTINGS.into_iter().filter(|name| *name != "HALLPASS_KEYS") {
        assert!(TEMPLATE.contains(&format!("{name}: ")), "{name} cannot be deployed");
    }
}

#[test]
fn every_parameter_is_in_one_group_of_the_console() {
    let template: yaml_serde::Value = yaml_serde::from_str(TEMPLATE).unwrap();
    let groups = &template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let groups = groups.as_sequence().unwrap().iter();
    let grouped = groups.flat_map(|group| group["Parameters"].as_sequence().unwrap());
    let mut grouped: Vec<&str> = grouped.map(|name| name.as_str().unwrap()).collect();
    let parameters = template["Parameters"].as_mapping().unwrap();
    let mut parameters: Vec<&str> = parameters.keys().map(|name| name.as_str().unwrap()).collect();
    grouped.sort_unstable();
    parameters.sort_unstable();
    assert_eq!(grouped, parameters);
}

#[test]
fn the_outputs_suffice_to_attach_the_authorizer_from_another_stack() {
    let outputs = Template::resolved(TEMPLATE, &[]).unwrap()["Outputs"].take();
    assert_eq!(outputs["AuthorizerArn"]["Value"], "VerifyAuthorizer");
    assert!(
        outputs["AuthorizerUri"]["Value"]
            .as_str()
            .unwrap()
            .ends_with("/functions/VerifyAuthorizer/invocations")
    );
    for example in ["rest-api", "http-api"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/{example}.yaml"));
        let example = Template::resolved(
            &fs::read_to_string(path).unwrap(),
            &[("AuthorizerArn", "the-authorizer")],
        );
        let resources = example.unwrap()["Resources"].take();
        let permissions = of_type(&resources, "AWS::Lambda::Permission");
        let invokes = |permission: &Value| {
            let source = permission["SourceArn"].as_str().unwrap();
            permission["FunctionName"] == "the-authorizer" && source.contains("/authorizers/")
        };
        assert!(permissions.iter().any(|(_, permission)| invokes(permission)), "{permissions:?}");
    }
}
