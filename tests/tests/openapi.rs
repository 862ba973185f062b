//! `openapi.yaml`, `template.yaml` and the functions describe the same routes, and the document is
//! complete: every reference leads somewhere, and every operation documents its error responses.

use std::collections::{BTreeMap, BTreeSet};

use hallpass_dev::template::Template;
use hallpass_http::routes::ROUTES;
use serde_json::Value;
use tests::{Request, TEMPLATE, World, pages::PAGES};

/// Every method that a client may try.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The routes that only respond that nothing exists.
const NOTHING_HERE: [&str; 2] = ["/", "/{proxy+}"];

/// A value for a path parameter: the ID of a token that does not exist. As a user ID it has the
/// wrong shape.
const ID: &str = "1.example-of-a-token-idA";

/// Methods by path.
type Routes = BTreeMap<String, BTreeSet<String>>;

/// An operation of the document.
struct Operation {
    method: String,
    path: String,
    content: Value,
}

fn document() -> Value {
    let text = include_str!("../../openapi.yaml");
    // Unlike a value of JSON, a mapping of YAML rejects a name that stands there twice.
    yaml_serde::from_str::<yaml_serde::Value>(text).unwrap();
    yaml_serde::from_str(text).unwrap()
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, content) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            if METHODS.contains(&method.as_str()) {
                operations.push(Operation { method, path: path.clone(), content: content.clone() });
            }
        }
    }
    operations
}

/// Returns the value, or the value that it refers to (RFC 6901), or `None` if that does not exist.
fn follow<'a>(document: &'a Value, value: &'a Value) -> Option<&'a Value> {
    match value.get("$ref").and_then(Value::as_str) {
        None => Some(value),
        Some(reference) => follow(document, document.pointer(reference.strip_prefix('#')?)?),
    }
}

fn gathered(routes: impl Iterator<Item = (String, String)>) -> Routes {
    routes.fold(Routes::new(), |mut all, (path, method)| {
        all.entry(path).or_default().insert(method);
        all
    })
}

/// Returns the methods of every path, `HEAD` included.
fn with_head() -> Routes {
    let safe = ROUTES
        .iter()
        .filter(|route| route.has_head())
        .map(|route| (route.path.to_owned(), "HEAD".to_owned()));
    gathered(
        ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_owned())).chain(safe),
    )
}

/// Returns the function that API Gateway calls: that of the method, else that of `ANY`.
fn function_of<'a>(template: &'a Template, method: &str, path: &str) -> &'a str {
    let of = |method: &str| {
        template.routes.iter().find(|route| route.path == path && route.method == method)
    };
    let route = of(method).or_else(|| of("ANY"));
    &route.unwrap_or_else(|| panic!("no function serves {method} {path}")).function
}

fn request(method: &str, path: &str) -> Request {
    ["id", "user_id", "file"]
        .into_iter()
        .fold(Request::new(method, path), |request, name| request.parameter(name, ID))
}

#[test]
fn the_document_and_the_template_have_all_routes_and_no_others() {
    let template = Template::parse(TEMPLATE).unwrap();
    let documented =
        operations(&document()).into_iter().map(|operation| (operation.path, operation.method));
    let pages = PAGES.map(|(method, path)| (path.to_owned(), method.to_owned()));
    let documented = gathered(documented.chain(pages));
    let routes = ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_owned()));
    assert_eq!(documented, gathered(routes));
    let any: BTreeSet<&str> = template
        .routes
        .iter()
        .filter(|route| route.method == "ANY")
        .map(|route| route.path.as_str())
        .collect();
    let every: BTreeSet<&str> = documented.keys().map(String::as_str).chain(NOTHING_HERE).collect();
    assert_eq!(any, every, "every path has ANY, so that the functions respond 405");
}

#[tokio::test]
async fn the_functions_reject_every_other_method_and_name_the_right_ones() {
    let world = World::new().await;
    let template = Template::parse(TEMPLATE).unwrap();
    let check = async |method: &str, path: &str, methods: &BTreeSet<String>| {
        let answer = world.send(function_of(&template, method, path), request(method, path)).await;
        let allow: Vec<String> = answer.header("allow").split(", ").map(str::to_owned).collect();
        assert_eq!(
            (answer.status, allow.len()),
            (405, methods.len()),
            "{method} {path}: {allow:?}"
        );
        assert_eq!(&allow.into_iter().collect::<BTreeSet<_>>(), methods, "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}");
    };
    for (path, methods) in with_head() {
        for method in METHODS.into_iter().filter(|method| !methods.contains(*method)) {
            check(method, &path, &methods).await;
        }
    }
}

#[tokio::test]
async fn the_functions_accept_every_declared_method_and_reject_anonymous_callers_as_documented() {
    // Leaks are reported only if tokens have a prefix.
    let world = World::with(&[("HALLPASS_PREFIX", "acme_")]).await;
    let template = Template::parse(TEMPLATE).unwrap();
    let document = document();
    for Operation { method, path, content } in operations(&document) {
        let answer =
            world.send(function_of(&template, &method, &path), request(&method, &path)).await;
        let (status, place) =
            (answer.status, format!("{method} {path}: {} {}", answer.status, answer.body));
        assert!(status != 404 && status != 405, "{place}");
        let documented = content["responses"].get(status.to_string());
        let documented =
            follow(&document, documented.unwrap_or_else(|| panic!("not documented: {place}")))
                .unwrap();
        let kept = if path == "/openapi.json" { "public, max-age=3600" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), kept, "{place}");
        let media_type = answer.header("content-type");
        let body = documented.get("content").map(|content| content.get(media_type));
        assert!(body.is_none_or(|body| body.is_some()), "{media_type} is not documented: {place}");
    }
}

#[tokio::test]
async fn the_document_is_served_unchanged() {
    let world = World::new().await;
    let answer = world.send("Console", Request::new("GET", "/openapi.json")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json(), document());
}

#[tokio::test]
async fn the_document_is_sent_in_gzip_if_accepted_and_not_at_all_if_cached() {
    let world = World::new().await;
    let ask = async |headers: &[(&str, &str)]| {
        let request = Request::new("GET", "/openapi.json");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        world.send("Console", request).await
    };
    let plain = ask(&[]).await;
    let tag = plain.header("etag").to_owned();
    assert!(
        tag.starts_with("W/\"") && plain.header("cache-control") == "public, max-age=3600",
        "{tag}"
    );
    for (taken, is_packed) in
        [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("identity", false)]
    {
        let answer = ask(&[("Accept-Encoding", taken)]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "application/json"),
            "{taken}"
        );
        assert_eq!(
            answer.header("content-encoding"),
            if is_packed { "gzip" } else { "" },
            "{taken}"
        );
        assert_eq!(
            (answer.header("vary"), answer.header("etag")),
            ("Accept-Encoding", tag.as_str()),
            "{taken}"
        );
        // Includes base64.
        assert!(answer.body.len() < plain.body.len() / 2 || answer.json() == document(), "{taken}");
        assert_eq!(answer.body.len() < plain.body.len() / 2, is_packed, "{taken}");
    }
    for known in [tag.as_str(), "*", "\"x\", W/\"y\"", &tag.replace("W/", "")] {
        let answer = ask(&[("If-None-Match", known)]).await;
        let is_known = !known.contains('x');
        assert_eq!(
            (answer.status, answer.body.is_empty()),
            if is_known { (304, true) } else { (200, false) },
            "{known}"
        );
    }
}

#[test]
fn every_reference_resolves() {
    fn check(document: &Value, value: &Value) {
        assert!(follow(document, value).is_some(), "{}", value["$ref"]);
        match value {
            Value::Object(members) => members.values().for_each(|member| check(document, member)),
            Value::Array(values) => values.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document);
}

#[test]
fn every_operation_documents_its_error_responses() {
    let document = document();
    let problem = |operation: &Operation, status: &str| {
        let response = operation.content["responses"]
            .get(status)
            .and_then(|response| follow(&document, response));
        response
            .is_some_and(|response| response["content"].get("application/problem+json").is_some())
    };
    for operation in operations(&document) {
        let place = format!("{} {}", operation.method, operation.path);
        let security = operation.content["security"]
            .as_array()
            .unwrap_or_else(|| panic!("{place} has no security"));
        assert!(problem(&operation, "503"), "{place} does not document 503");
        let parameters = operation.content["parameters"].as_array();
        let has_cookie = parameters.into_iter().flatten().any(|one| one["in"] == "cookie");
        let is_signed = parameters.into_iter().flatten().any(|one| one["in"] == "header");
        let is_checked = has_cookie || is_signed || !security.is_empty();
        assert_eq!(problem(&operation, "401"), is_checked, "{place} and 401");
        for scheme in security.iter().flat_map(|schemes| schemes.as_object().unwrap().keys()) {
            assert!(
                document["components"]["securitySchemes"].get(scheme).is_some(),
                "{place}: {scheme}"
            );
        }
    }
}

#[test]
fn every_operation_has_a_unique_name_a_summary_and_an_explained_tag() {
    let document = document();
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let (mut names, mut used) = (BTreeSet::new(), BTreeSet::new());
    let operations = operations(&document);
    for Operation { method, path, content } in &operations {
        let name = content["operationId"]
            .as_str()
            .unwrap_or_else(|| panic!("{method} {path} has no operationId"));
        assert!(names.insert(name), "{name} is repeated");
        assert!(
            content["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
            "{method} {path}"
        );
        let of = content["tags"].as_array().unwrap_or_else(|| panic!("{method} {path} has no tag"));
        used.extend(of.iter().map(|tag| tag.as_str().unwrap()));
    }
    assert_eq!(used, tags);
}

#[test]
fn every_parameter_of_a_path_is_declared() {
    let document = document();
    for Operation { method, path, content } in operations(&document) {
        let of_path = document["paths"][&path]["parameters"].as_array();
        let own = content["parameters"].as_array();
        let declared = of_path
            .into_iter()
            .chain(own)
            .flatten()
            .map(|parameter| follow(&document, parameter).unwrap());
        let declared: BTreeSet<&str> = declared
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let named: BTreeSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(declared, named, "{method} {path}");
    }
}
