//! Stacks that are found through CloudFormation or named in the environment.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::{
    aws::Aws,
    dev::{Dev, Ran, hallpass, ran},
};

/// Returns the command for a machine whose AWS configuration has a single profile, `ops`.
fn with_profile(dev: &Dev, arguments: &[&str]) -> Command {
    let data = dev.data.path();
    let key = dev.stack().lookup()("AWS_ACCESS_KEY_ID").unwrap();
    let profile = format!(
        "[profile ops]\nregion = eu-nowhere-1\naws_access_key_id = {key}\naws_secret_access_key = \
         x\n"
    );
    std::fs::write(data.join("config"), profile).unwrap();
    let mut command = hallpass(Path::new("/nowhere"));
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_PROFILE",
    ] {
        command.env_remove(name);
    }
    command
        .env("AWS_CONFIG_FILE", data.join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", data.join("none"));
    command.env("AWS_EC2_METADATA_DISABLED", "true").args(arguments);
    command
}

#[tokio::test]
async fn a_deployed_stack_is_reached_by_its_name_with_its_own_settings() {
    let dev = Dev::fresh().await;
    let aws = Aws::start(&dev, "hallpass", "", None).await;
    let url = aws.url();
    let run = async |arguments: &[&str], input: &str| -> Ran {
        let reach = ["--stack", "hallpass", "--profile", "ops", "--endpoint", &url];
        let mut command = with_profile(&dev, &[&reach, arguments].concat());
        // The stack and the arguments take precedence over the environment.
        command.env("HALLPASS_DYNAMODB_ENDPOINT", "http://127.0.0.1:9").env("HALLPASS_KEYS", "[]");
        ran(command.env("HALLPASS_PREFIX", "other_"), input).await
    };
    let listed = run(&["user", "list"], "").await;
    assert!(listed.code == 0 && listed.out.contains("my_username"), "{listed:?}");
    assert_eq!(run(&["user", "add", "ada"], "engine room\n").await.code, 0);
    assert_eq!(dev.log_in("ada", "engine room").await, 200);
    // The prefix is a parameter of the stack.
    let issued = run(&["token", "issue", "ada"], "").await;
    assert!(issued.code == 0 && issued.out.starts_with("acme_"), "{issued:?}");
    let keys = run(&["--json", "key", "list"], "").await;
    let keys: Value = serde_json::from_str(&keys.out).unwrap();
    assert_eq!(keys[0]["id"], "first");
    let doctor = run(&["doctor"], "").await;
    assert_eq!(doctor.code, 0, "{doctor:?}");
    assert_eq!(run(&["prune"], "").await.code, 0);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn the_tables_can_be_named_in_the_environment() {
    let dev = Dev::fresh().await;
    let lookup = dev.stack();
    let endpoint = lookup.lookup()("HALLPASS_DYNAMODB_ENDPOINT").unwrap();
    let reach = ["--endpoint", &endpoint, "--profile", "ops", "--region", "local", "user", "list"];
    let mut command = with_profile(&dev, &reach);
    for name in ["HALLPASS_USERS_TABLE", "HALLPASS_TOKENS_TABLE", "HALLPASS_ATTEMPTS_TABLE"] {
        command.env(name, lookup.lookup()(name).unwrap());
    }
    let listed = ran(&mut command, "").await;
    assert!(listed.code == 0 && listed.out.contains("my_username"), "{listed:?}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_stack_that_cannot_be_reached_is_a_one_line_error() {
    let dev = Dev::fresh().await;
    let aws = Aws::start(&dev, "old", "TokensTable", None).await;
    let url = aws.url();
    let check = async |arguments: &[&str], variables: &[(&str, &str)], words: &str| {
        let mut command = with_profile(&dev, &[arguments, &["user", "list"]].concat());
        let Ran { code, out, err } = ran(command.envs(variables.iter().copied()), "").await;
        assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{arguments:?}: {err}");
        assert!(err.contains(words) && !err.contains("panicked"), "{arguments:?}: {err}");
    };
    let at = |stack: &'static str| ["--stack", stack, "--profile", "ops", "--endpoint", &url];
    check(&at("hallpass"), &[], "Stack with id hallpass does not exist").await;
    check(&at("old"), &[], "no output TokensTable").await;
    check(
        &["--stack", "x", "--profile", "ops", "--endpoint", "http://127.0.0.1:9"],
        &[],
        "cannot find the stack",
    )
    .await;
    check(&["--stack", "x", "--endpoint", &url], &[], "no AWS region is configured").await;
    check(&["--stack", "x", "--region", "local", "--endpoint", &url], &[], "credentials").await;
    check(&["--stack", "x", "--endpoint", "localhost:1"], &[], "must be a URL with its scheme")
        .await;
    check(&["--profile", "ops"], &[], "name the deployed stack with --stack").await;
    check(&at("x"), &[("AWS_ENDPOINT_URL", "")], "AWS_ENDPOINT_URL is set but empty").await;
    let (code, printed) = dev.run(&["--stack", "x", "dev"], "").await;
    assert!(code == 2 && printed.contains("for deployed stacks"), "{printed}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn doctor_finds_a_wrong_clock() {
    let dev = Dev::fresh().await;
    let aws = Aws::start(&dev, "hallpass", "", Some("Sun, 06 Nov 1994 08:49:37 GMT")).await;
    // The SDK signs with the server's time if it differs, so only doctor reports the difference.
    let reach =
        ["--json", "--stack", "hallpass", "--profile", "ops", "--endpoint", &aws.url(), "doctor"];
    let Ran { code, out, err } = ran(&mut with_profile(&dev, &reach), "").await;
    let report: Value = serde_json::from_str(&out).unwrap();
    let clock = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["of"] == "clock")
        .unwrap();
    assert_eq!((code, &clock["verdict"]), (1, &"error".into()), "{out} {err}");
    assert!(clock["advice"].as_str().unwrap().contains("NTP"));
    dev.stop("-TERM").await;
}
