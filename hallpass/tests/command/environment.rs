//! The variables that stand for options. An option takes precedence, and an empty variable counts
//! as absent.

use tempfile::TempDir;
use tokio::process::Command;

use crate::dev::{Dev, Ran, ran};

#[tokio::test]
async fn a_variable_stands_for_an_option_unless_it_is_empty() {
    let dev = Dev::fresh().await;
    let (data, nowhere) = (dev.data.path().to_str().unwrap(), TempDir::new().unwrap());
    let nowhere = nowhere.path().to_str().unwrap();
    let check = async |variables: &[(&str, &str)], arguments: &[&str], code: i32, words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(arguments).args(["user", "list"]).current_dir(nowhere);
        command.env_clear().envs(variables.iter().copied());
        let Ran { code: ended, out, err } = ran(&mut command, "").await;
        assert_eq!(ended, code, "{variables:?} {arguments:?}: {err}");
        assert!(format!("{out}{err}").contains(words), "{variables:?} {arguments:?}: {out}{err}");
        assert!(!err.contains("is not a setting"), "{err}");
    };
    let none = "no development stack is running in .hallpass";
    let no_region = "region";
    check(&[], &[], 2, none).await;
    check(&[("HALLPASS_DATA", data)], &[], 0, "my_username").await;
    check(&[("HALLPASS_DATA", "")], &[], 2, none).await;
    check(&[("HALLPASS_DATA", nowhere)], &["--data", data], 0, "my_username").await;
    check(&[("HALLPASS_STACK", "s")], &[], 2, no_region).await;
    check(&[("HALLPASS_STACK", "s"), ("HALLPASS_DATA", data)], &[], 2, no_region).await;
    check(&[("HALLPASS_STACK", "s")], &["--data", data], 0, "my_username").await;
    check(&[("HALLPASS_STACK", ""), ("HALLPASS_DATA", data)], &[], 0, "my_username").await;
    // A profile alone does not select a deployed stack.
    check(&[("HALLPASS_PROFILE", "p"), ("HALLPASS_DATA", data)], &[], 0, "my_username").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_variable_for_other_commands_does_not_stop_dev() {
    let data = TempDir::new().unwrap();
    let mut command = crate::dev::hallpass(data.path());
    command.args(["dev", "--port", "0"]).env("HALLPASS_STACK", "s").env("HALLPASS_PROFILE", "p");
    let (dev, _) = Dev::run_by(command, data).await;
    dev.stop("-TERM").await;
}
