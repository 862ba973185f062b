//! A policy of route rules allows what the rules say and nothing else, as IAM evaluates it.

use hallpass_dev::gateway::{Decision, Policy};
use hallpass_token::{Format, Permission, Scope};
use hallpass_verify_authorizer::Routes;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use tests::{World, api::bearer, system::System, tables::TestToken};

const STAGE: &str = "arn:aws:execute-api:local:000000000000:hallpass/v1";

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Pieces of the paths of rules and requests.
const SEGMENTS: [&str; 14] = [
    "me", "rs", "profile", "orgs", "a", "A", "me2", "a.b", "..x", "%20", "a:b", "GET", "v1",
    "DELETE",
];

/// Text before, after or within a path that a rule allows.
const AROUND: [&str; 16] = [
    "", "/", "//", "/..", "/../", "/.", "?", "*", "/DELETE", "/x/GET", "%2F", "%2f..", "%00",
    "/orgs", "$", "/${*}",
];

/// A rule: a method or `*`, a path that may end in `*`, and a permission.
#[derive(Clone, Debug)]
struct Rule {
    method: &'static str,
    path: String,
    permission: Option<&'static str>,
}

impl Rule {
    /// Returns whether the rule allows a request: its method or any, and its path or what begins
    /// with it.
    fn allows(&self, held: &[&str], method: &str, path: &str) -> bool {
        let permitted = self.permission.is_none_or(|name| held.contains(&name));
        let is_method = METHODS.contains(&method) && ["*", method].contains(&self.method);
        let is_path = self
            .path
            .strip_suffix('*')
            .map_or(self.path == path, |prefix| path.starts_with(prefix));
        permitted && is_method && is_path
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let method = prop_oneof![3 => Just("*"), 4 => select(METHODS.as_slice())];
    let segments = prop::collection::vec(select(SEGMENTS.as_slice()), 0..4);
    let end = select(["", "", "/", "/*", "*"].as_slice());
    let permission = select([None, Some("p"), Some("q")].as_slice());
    (method, segments, end, permission).prop_map(|(method, segments, end, permission)| {
        let path = format!("/{}{end}", segments.join("/")).replace("//", "/");
        Rule { method, path, permission }
    })
}

/// Generates requests near a rule: its path with something before it, after it, in it, or in other
/// case.
fn request() -> impl Strategy<Value = (usize, &'static str, &'static str, &'static str, usize, bool)>
{
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "TRACE", "*", ""];
    let around = || select(AROUND.as_slice());
    (any::<usize>(), select(methods.to_vec()), around(), around(), any::<usize>(), any::<bool>())
}

fn policy(resources: &[String]) -> Policy {
    let statement =
        json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resources});
    Policy::read(&json!({"Version": "2012-10-17", "Statement": [statement]})).unwrap()
}

fn allows(policy: &Policy, arn: &str) -> bool {
    policy.decide(arn, 1_800_000_000) == Decision::Allow
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn a_policy_allows_exactly_what_its_rules_allow(
        rules in prop::collection::vec(rule(), 1..6),
        held in prop::collection::vec(select(["p", "q", "r"].as_slice()), 0..3),
        requests in prop::collection::vec(request(), 1..24),
    ) {
        let json: Vec<Value> = rules
            .iter()
            .map(|rule| json!({
                "method": rule.method, "path": rule.path, "permission": rule.permission,
            }))
            .collect();
        let routes = Routes::parse(&Value::from(json).to_string()).unwrap();
        let scope: Scope = held.iter().map(|name| name.parse::<Permission>().unwrap()).collect();
        let policy = policy(&routes.permitted(STAGE, &scope));
        for (of, method, before, after, within, is_upper) in requests {
            let path = rules[of % rules.len()].path.trim_end_matches('*');
            let (start, end) = path.split_at(within % (path.len() + 1));
            for path in [
                format!("{before}{path}{after}"),
                format!("{start}{before}{end}"),
                if is_upper { path.to_uppercase() } else { path.to_owned() },
            ] {
                let expected = rules.iter().any(|rule| rule.allows(&held, method, &path));
                let resource = format!("{STAGE}/{method}{path}");
                prop_assert_eq!(allows(&policy, &resource), expected, "{} {}", method, path);
                for stage in ["hallpass/v2", "other/v1"] {
                    let stage = format!("arn:aws:execute-api:local:000000000000:{stage}");
                    let elsewhere = format!("{stage}/{method}{path}");
                    prop_assert!(!allows(&policy, &elsewhere), "{}", elsewhere);
                }
            }
        }
    }
}

/// Returns the policy for a token with this scope under these rules.
async fn policy_for(rules: &Value, scope: &[&str]) -> Policy {
    let world = World::with(&[("HALLPASS_ROUTES", rules.to_string().as_str())]).await;
    let scope = scope.iter().map(|name| name.parse().unwrap()).collect();
    let TestToken { text, .. } =
        world.create_token_with(Format::Signed, "2", 1, |record| record.scope = Some(scope)).await;
    let event = json!({
        "type": "TOKEN", "authorizationToken": bearer(&text), "methodArn": format!("{STAGE}/GET/"),
    });
    let response = world.invoke("VerifyAuthorizer", event).await.unwrap();
    Policy::read(&response["policyDocument"]).unwrap()
}

#[tokio::test]
async fn a_rule_for_every_method_opens_no_other_path() {
    let rules = json!([
        {"method": "*", "path": "/me"},
        {"method": "*", "path": "/profile", "permission": "ROLE_USER"},
        {"method": "*", "path": "/admin/*", "permission": "ROLE_ADMIN"},
    ]);
    let policy = policy_for(&rules, &["ROLE_USER"]).await;
    for method in METHODS {
        for (path, expected) in [
            ("/me", true),
            ("/profile", true),
            ("/orgs/me", false),
            ("/rs/profile", false),
            ("/x/y/me", false),
            ("/admin/x", false),
            ("/x/admin/x", false),
            ("//me", false),
            ("/me/", false),
            ("/../me", false),
            ("/x/../me", false),
            ("/%2e%2e/me", false),
            ("/x%2Fme", false),
            ("/me%00", false),
            ("/me?a", false),
            ("/ME", false),
            ("/mee", false),
            ("/${*}", false),
            ("/*", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(
                allows(&policy, &format!("{STAGE}/{method}{path}")),
                expected,
                "{method} {path}"
            );
        }
    }
    for route in ["TRACE/me", "get/me", "*/me", "$connect", "GET/v1/GET/me", "x/GET/me"] {
        assert!(!allows(&policy, &format!("{STAGE}/{route}")), "{route}");
    }
}

/// `/rs/profile` ends with the path of the first rule, which must not match it.
#[tokio::test]
async fn the_gateway_allows_a_token_its_rules_alone() {
    let check = async |path: &str, expected: [u16; 2]| {
        let rules = json!([{"method": "*", "path": path}]).to_string();
        let system = System::start(&[("HALLPASS_ROUTES", &rules)]).await;
        let token = bearer(&system.token_of("my_username", "topsecret").await);
        let replies = [
            system.ask("GET", "/rs/profile", &token).await,
            system.ask("GET", "/api/user/1", &token).await,
        ];
        assert_eq!(replies.map(|reply| reply.status), expected, "{path}");
        system.stop().await;
    };
    check("/profile", [401, 401]).await;
    check("/user/1", [401, 401]).await;
    check("/rs/profile", [200, 401]).await;
    check("/rs/*", [200, 401]).await;
    check("/*", [200, 200]).await;
}

/// AWS's samples of events, from its documentation, its test console and its libraries.
#[tokio::test]
async fn every_sample_token_event_gets_a_policy_for_its_own_stage_alone() {
    let rules = json!([{"method": "*", "path": "/me"}]);
    for settings in [vec![], vec![("HALLPASS_ROUTES", rules.to_string())]] {
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let world = World::with(&settings).await;
        let token = world.create_token(Format::Signed, "1", 1).await;
        let api = "arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b";
        for (rest, stage) in [
            ("/*/GET/", "/*"),
            ("/*/GET/me", "/*"),
            ("/*/*", "/*"),
            ("/prod/POST/{proxy+}", "/prod"),
            ("/ESTestInvoke-stage/GET/", "/ESTestInvoke-stage"),
            ("/test/GET/request", "/test"),
        ] {
            for (credential, expected) in [(token.text.as_str(), true), ("nonsense", false)] {
                let arn = format!("{api}{rest}");
                let event = json!({
                    "type": "TOKEN", "authorizationToken": bearer(credential), "methodArn": arn,
                });
                let response = world.invoke("VerifyAuthorizer", event).await.unwrap();
                let policy = Policy::read(&response["policyDocument"]).unwrap();
                assert_eq!(allows(&policy, &format!("{api}{stage}/GET/me")), expected, "{rest}");
                for other in [
                    "/v1/GET/me",
                    "/v1/DELETE/orgs/GET/me",
                    "/p/GET/me",
                    "/**/GET/me",
                    "/prod2/GET/me",
                ] {
                    assert!(!allows(&policy, &format!("{api}{other}")), "{rest} {other}");
                }
                assert!(!allows(
                    &policy,
                    &format!("{}/GET/me", api.replace("ymy8tbxw7b", "another"))
                ));
                let orgs = format!("{api}{stage}/DELETE/orgs/me");
                assert_eq!(allows(&policy, &orgs), expected && settings.is_empty(), "{rest}");
            }
        }
    }
}
