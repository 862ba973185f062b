//! The access log of `hallpass dev`.

use std::{fs::File, process::Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::dev::Dev;

/// Sends requests with and without a live token, with secrets in all of their parts. Returns the
/// token and its ID.
async fn use_a_token(dev: &Dev) -> (String, String) {
    let issued = dev.json(&["token", "issue", "my_username"], "").await;
    let text = issued["token"].as_str().unwrap().to_owned();
    let path = format!("/rs/profile?access_token={text}");
    assert_eq!(dev.send("GET", &path, &text, "").await.status, 200);
    let path = format!("/tokens/{text}");
    assert_eq!(dev.send("DELETE", &path, "my_username", "topsecret").await.status, 401);
    (text, issued["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn requests_are_logged_in_json_without_a_secret() {
    let data = TempDir::new().unwrap();
    let path = data.path().join("log");
    let log = Stdio::from(File::create(&path).unwrap());
    let dev = Dev::start_with_log(data, &["--no-prune"], log).await;
    let (text, id) = use_a_token(&dev).await;
    let data = dev.stop("-TERM").await;
    let log = std::fs::read_to_string(&path).unwrap();
    drop(data);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_request = |line: &&Value| line["message"] == "request";
    let requests: Vec<&Value> = lines.iter().filter(is_request).collect();
    assert_eq!(requests.len(), 2, "{log}");
    let check = |line: &Value, expected: &Value| {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name}: {line}");
        }
        assert!(line["milliseconds"].is_u64() && line["timestamp"].is_string(), "{line}");
    };
    check(
        requests[0],
        &json!({
            "method": "GET", "path": "/rs/profile", "status": 200, "user.id": "1", "token.id": id,
        }),
    );
    let cut = format!("{}.…", text.rsplit_once('.').unwrap().0);
    check(
        requests[1],
        &json!({"method": "DELETE", "path": format!("/tokens/{cut}"), "status": 401}),
    );
    let signature = text.rsplit_once('.').unwrap().1;
    assert!(!log.contains(signature) && !log.contains("topsecret"), "{log}");
}

/// Runs in a terminal, which `script` of util-linux emulates.
#[tokio::test]
async fn requests_are_logged_for_people_on_a_terminal() {
    if Command::new("script").arg("--version").output().await.is_err() {
        println!("script of util-linux is not installed; the log of a terminal is not checked");
        return;
    }
    let data = TempDir::new().unwrap();
    let (binary, folder) = (env!("CARGO_BIN_EXE_hallpass"), data.path().display());
    let line = format!("{binary} --data {folder} dev --port 0 --no-prune");
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped());
    let (dev, mut printed) = Dev::run_by(command, data).await;
    let (text, id) = use_a_token(&dev).await;
    let mut next = async || printed.next_line().await.unwrap().unwrap().trim_end().to_owned();
    let first = next().await;
    let (time, rest) = first.split_once(' ').unwrap();
    assert_eq!(time.split(':').count(), 3, "{first}");
    let begin = format!("GET /rs/profile 200 user 1 token {id} ");
    assert!(rest.starts_with(&begin) && rest.ends_with(" ms"), "{first}");
    let second = next().await;
    let cut = text.rsplit_once('.').unwrap().0;
    assert!(second.contains(&format!("DELETE /tokens/{cut}.… 401 ")), "{second}");
}
