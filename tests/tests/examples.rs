//! The examples of the documentation: the small APIs of `examples/` behind the gateway of the
//! development stack, and the snippets that write users.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use hallpass_dev::{
    functions::Functions,
    gateway::{FunctionError, FunctionFuture, Gateway, Invoke, Options},
    template::{Route, Template},
};
use hallpass_password::NameKey;
use http::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tests::{TEMPLATE, World, api::bearer, basic};

#[path = "../../examples/users/write_user.rs"]
mod write_user;

use write_user::{block_user, create_user, rename_user, username_key};

/// How each interpreter calls the handler of its example, with the event on standard input.
const INTERPRETED: [(&str, &str, &[&str]); 2] = [
    (
        "Node",
        "node",
        &[
            "--input-type=module",
            "--eval",
            "import { readFileSync } from 'node:fs'; import { handler } from './examples/node/index.mjs';
             console.log(JSON.stringify(await handler(JSON.parse(readFileSync(0, 'utf8')))));",
        ],
    ),
    (
        "Python",
        "python3",
        &[
            "-c",
            "import json, sys; sys.path.insert(0, 'examples/python'); from index import handler
print(json.dumps(handler(json.load(sys.stdin), None)))",
        ],
    ),
];

const KEY_IN_NODE: &str =
    "import { readFileSync } from 'node:fs'; import { usernameKey } from './examples/users/username_key.mjs';
    console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map((name) => usernameKey(name))));";

const KEY_IN_PYTHON: &str =
    "import json, sys; sys.path.insert(0, 'examples/users'); from username_key import username_key
print(json.dumps([username_key(name) for name in json.load(sys.stdin)]))";

/// Names in many scripts, most of which differ from their normal form by more than case.
const NAMES: [&str; 37] = [
    "ada",
    "Ada",
    "ADA LOVELACE",
    "Straße",
    "STRASSE",
    "ẞ",
    "ﬁn",
    "Ωmega",
    "ὈΔΥΣΣΕΎΣ",
    "Σίσυφος",
    "ΣΑΣ",
    "İstanbul",
    "Iğdır",
    "ısı",
    "ｆｕｌｌ",
    "①",
    "e\u{301}",
    "é",
    "\u{345}",
    "a\u{200d}b",
    "a\u{ad}b",
    "\u{feff}x",
    "ꭰᎠ",
    "ᏸ\u{13f0}",
    "ǅ",
    "ŉ",
    "ΐ",
    "\u{1e9a}",
    "ﷺ",
    "\u{1f88}",
    "日本",
    "한글",
    "\u{1d400}",
    "\u{e0041}x",
    "x\u{fe0f}",
    "\u{3164}y",
    "",
];

/// Runs a program in the root of the workspace with JSON on standard input, and parses its output
/// as JSON. Returns `None` if the program is not installed.
fn ask(program: &str, arguments: &[&str], input: &Value) -> Option<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root).env("PYTHONDONTWRITEBYTECODE", "1");
    let Ok(mut process) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        say_absent(program);
        return None;
    };
    process.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn say_absent(program: &str) {
    let line = format!("{program} is not on this machine, so that its example was not run\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Returns the response of an example to an event.
fn respond(example: &str, event: &Value) -> Option<Value> {
    if example == "Rust" {
        return Some(hello::handle(event));
    }
    let (_, program, arguments) = INTERPRETED.into_iter().find(|(name, ..)| *name == example)?;
    ask(program, arguments, event)
}

/// Returns the gateway of the development stack, with a route for each example behind the
/// authorizer.
fn gateway(world: &World) -> Gateway {
    let mut template = Template::parse(TEMPLATE).unwrap();
    let authorizer = template.routes.iter().find_map(|route| route.authorizer.clone());
    for example in ["Node", "Python", "Rust"] {
        template.routes.push(Route {
            method: "GET".to_owned(),
            path: format!("/hello/{example}"),
            function: example.to_owned(),
            authorizer: authorizer.clone(),
        });
    }
    let now = world.now();
    let functions =
        Functions::new(&template, world.environment(), Arc::new(move || now)).unwrap().invoke();
    let invoke: Invoke = Arc::new(move |function, event| -> FunctionFuture {
        if !["Node", "Python", "Rust"].contains(&function) {
            return functions(function, event);
        }
        let example = function.to_owned();
        let answer = respond(&example, &event);
        Box::pin(async move {
            answer.ok_or(FunctionError { message: format!("{example} is not on this machine") })
        })
    });
    let clock = Arc::new(move || now.unix());
    Gateway::new(
        &template,
        Options { cache_seconds: None, base_path: String::new(), clock, invoke },
    )
    .unwrap()
}

async fn get(gateway: &Gateway, path: &str, authorization: &str) -> (u16, Value) {
    let request =
        Request::get(path).header("host", "localhost").header("authorization", authorization);
    let request = request.body(Bytes::new()).unwrap();
    let response = gateway.answer(request, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

#[tokio::test]
async fn every_example_greets_its_caller_and_no_other_behind_the_gateway_of_the_development_stack()
{
    let world = World::new().await;
    let gateway = gateway(&world);
    let token = bearer(&world.token().await);
    let admin = world.token_of("admin", "letmein").await;
    let narrow = world.created(&admin, &json!({"name": "narrow", "scopes": ["ROLE_ADMIN"]})).await;
    let narrow = bearer(narrow["token"].as_str().unwrap());
    for (example, program) in [("Rust", "true"), ("Node", "node"), ("Python", "python3")] {
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            say_absent(program);
            continue;
        }
        let path = format!("/hello/{example}");
        let hello = json!({"hello": "my_username", "user_id": "1", "scopes": ["ROLE_USER"]});
        assert_eq!(get(&gateway, &path, &token).await, (200, hello), "{example}");
        let denied = json!({"error": "ROLE_USER is required"});
        assert_eq!(get(&gateway, &path, &narrow).await, (403, denied), "{example}");
        assert_eq!(get(&gateway, &path, "Bearer forged").await.0, 401, "{example}");
    }
}

#[test]
fn every_example_reads_the_context_of_an_http_api_and_denies_without_scopes() {
    let event = |caller: Value| json!({"requestContext": {"authorizer": {"lambda": caller}}});
    for example in ["Rust", "Node", "Python"] {
        let greeted =
            event(json!({"user_id": "7", "name": "Ada", "scopes": "[\"ROLE_USER\",\"a b\"]"}));
        let truncated = event(
            json!({"user_id": "7", "name": "Ada", "scope_count": "900", "scope_truncated": "true"}),
        );
        let (Some(greeted), Some(truncated)) =
            (respond(example, &greeted), respond(example, &truncated))
        else {
            continue;
        };
        let body: Value = serde_json::from_str(greeted["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            body,
            json!({"hello": "Ada", "user_id": "7", "scopes": ["ROLE_USER", "a b"]}),
            "{example}"
        );
        assert_eq!(
            (&greeted["statusCode"], &truncated["statusCode"]),
            (&json!(200), &json!(403)),
            "{example}"
        );
    }
}

#[test]
fn the_key_of_a_user_name_is_the_same_in_every_language() {
    let mut names: Vec<String> = NAMES.map(str::to_owned).into();
    // Letters with a case, and every character of a block with compatibility forms.
    names.extend(
        (0x41..0x530)
            .chain(0x531..0x557)
            .chain(0x1e00..0x2000)
            .chain(0xfb00..0xfb50)
            .filter_map(char::from_u32)
            .map(String::from),
    );
    let expected: Vec<String> =
        names.iter().map(|name| NameKey::new(name).as_str().to_owned()).collect();
    let check = |language: &str, keys: &Value| {
        for ((name, expected), key) in names.iter().zip(&expected).zip(keys.as_array().unwrap()) {
            assert_eq!(key, expected, "{name:?} in {language}");
        }
    };
    check("Rust", &names.iter().map(|name| username_key(name)).collect());
    let input = json!(names);
    for (program, arguments) in [
        ("node", ["--input-type=module", "--eval", KEY_IN_NODE].as_slice()),
        ("python3", &["-c", KEY_IN_PYTHON]),
    ] {
        if let Some(keys) = ask(program, arguments, &input) {
            check(program, &keys);
        }
    }
}

#[tokio::test]
async fn the_rust_snippet_writes_users_that_log_in_and_invalidates_their_tokens() {
    let world = World::new().await;
    let table = world.table("Users");
    let hash = hallpass_password::password::hash("engine", [9; 16]).unwrap();
    let permissions = vec!["ROLE_USER".to_owned()];
    create_user(&world.dynamodb, &table, "7", "Ada Straße", &hash, permissions.clone())
        .await
        .unwrap();
    create_user(&world.dynamodb, &table, "7", "Other", &hash, permissions).await.unwrap_err();
    let first = world.token_of("ADA STRASSE", "engine").await;
    assert_eq!(world.verdict(&bearer(&first)).await, "allow");
    rename_user(&world.dynamodb, &table, "7", "Bea").await.unwrap();
    assert_ne!(world.verdict(&bearer(&first)).await, "allow");
    let second = world.token_of("bea", "engine").await;
    block_user(&world.dynamodb, &table, "7").await.unwrap();
    assert_eq!(world.verdict(&bearer(&second)).await, "user_blocked");
    assert_eq!(world.generate(&basic("bea", "engine")).await.status, 401);
}
