//! The table of routes against everything that repeats it: the events and throttles of the
//! template, and `openapi.yaml`.

use std::{collections::BTreeSet, fmt::Write as _};

use hallpass_http::routes::{Access, Function, ROUTES, Route};
use serde_json::{Value, json};
use tests::{TEMPLATE, generated};

/// Marks the parts of the template that follow from the table of routes.
const MARK: &str = " # generated from shared/http/src/routes.rs";

/// The functions in the order of the template.
const FUNCTIONS: [Function; 3] = [Function::Generate, Function::Revoke, Function::Console];

/// The path for everything that no route has. Console responds that it does not exist.
const ELSE: [&str; 1] = ["/{proxy+}"];

/// Returns the function that responds to all methods of a path that have no event of their own.
/// Console responds if it reads something there, because nothing needs so few permissions.
fn owner(path: &str) -> Function {
    let at_path = |function: &Function| {
        ROUTES.iter().any(|route| route.path == path && route.function == *function)
    };
    let by_preference = [Function::Console, Function::Revoke, Function::Generate];
    by_preference.into_iter().find(at_path).unwrap_or(Function::Console)
}

/// Whether a route needs an event besides the `ANY` of its path: another function serves it, an
/// authorizer guards it or API Gateway throttles it.
fn needs_event(route: &Route) -> bool {
    route.function != owner(route.path)
        || route.access == Access::Authorizer
        || route.throttle().is_some()
}

fn event(name: &str, method: &str, path: &str, access: Access) -> String {
    let path = if path.contains('{') { format!("\"{path}\"") } else { path.to_owned() };
    let authorizer =
        if access == Access::Authorizer { ", Auth: { Authorizer: Verify }" } else { "" };
    let properties =
        format!("{{ RestApiId: !Ref Api, Method: {method}, Path: {path}{authorizer} }}");
    format!("        {name}:\n          Type: Api\n          Properties: {properties}\n")
}

/// Returns the name of the event for all other methods of a path: `AnyTokensId` for `/tokens/{id}`.
fn any_name(path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capitalized = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    format!("Any{}", words.map(capitalized).collect::<String>())
}

/// Returns the events of a function.
fn events(function: Function) -> String {
    let mut events = String::new();
    let mut paths = BTreeSet::new();
    for route in ROUTES.iter().filter(|route| route.function == function) {
        if needs_event(route) {
            events += &event(route.operation, route.method, route.path, route.access);
            if route.has_head() {
                events +=
                    &event(&format!("{}Head", route.operation), "HEAD", route.path, route.access);
            }
        }
        if owner(route.path) == function && paths.insert(route.path) {
            events += &event(&any_name(route.path), "ANY", route.path, Access::Public);
        }
    }
    for path in ELSE.iter().filter(|path| owner(path) == function) {
        events += &event(&any_name(path), "ANY", path, Access::Public);
    }
    events
}

/// Returns the throttles of the API.
fn throttles() -> String {
    let throttled = ROUTES.iter().filter_map(|route| Some((route, route.throttle()?.as_str())));
    throttled.fold(String::new(), |mut settings, (Route { method, path, .. }, limit)| {
        let path = path.replace('/', "~1");
        let _ = write!(
            settings,
            "        - HttpMethod: {method}\n          ResourcePath: /{path}\n          \
             ThrottlingRateLimit: !Ref {limit}Rate\n          \
             ThrottlingBurstLimit: !Ref {limit}Burst\n"
        );
        settings
    })
}

/// Returns the template with its marked parts as the table of routes says.
fn generated() -> String {
    let mut parts = FUNCTIONS.map(events).into_iter().chain([throttles()]);
    let mut lines = TEMPLATE.lines().peekable();
    let mut written = String::new();
    while let Some(line) = lines.next() {
        written += line;
        written.push('\n');
        if line.ends_with(MARK) {
            written += &parts
                .next()
                .expect("the template has one marked part for each function, and the throttles");
            while lines.next_if(|line| line.starts_with("        ")).is_some() {}
        }
    }
    assert!(parts.next().is_none(), "the template does not have every marked part");
    written
}

#[test]
fn the_events_and_throttles_of_the_template_are_those_of_the_routes() {
    generated::check("template.yaml", TEMPLATE, &generated());
}

#[test]
fn an_operation_is_documented_with_its_name_and_its_authentication() {
    let document: Value = yaml_serde::from_str(include_str!("../../openapi.yaml")).unwrap();
    let schemes = |access: Access| match access {
        // The cookie of a session is a parameter.
        Access::Public | Access::Session => json!([]),
        Access::Password => json!([{"basic": []}]),
        Access::PasswordOrToken => json!([{"basic": []}, {"bearer": []}]),
        Access::Token | Access::Authorizer | Access::TokenOrSession => {
            json!([{"bearer": []}, {"basic": []}])
        }
    };
    let mut documented = 0;
    for Route { method, path, access, operation, .. } in ROUTES {
        let described = &document["paths"][path][method.to_lowercase()];
        if described.is_null() {
            continue;
        }
        documented += 1;
        let name = operation[..1].to_ascii_lowercase() + &operation[1..];
        assert_eq!(described["operationId"], name, "{method} {path}");
        assert_eq!(described["security"], schemes(*access), "{method} {path}");
    }
    assert!(documented > 20, "{documented}");
}

#[test]
fn a_method_of_a_path_is_one_route() {
    let mut seen = BTreeSet::new();
    for Route { method, path, operation, .. } in ROUTES {
        assert!(seen.insert((*method, *path)), "{method} {path}");
        assert!(seen.insert(("operation", *operation)), "{operation}");
    }
}
