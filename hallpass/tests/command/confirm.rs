//! Commands that ask on a terminal, which `script` of util-linux emulates, and lists that fit it.

use std::io::Write;

use tokio::process::Command;

use crate::dev::{Dev, Ran, ran};

/// Runs commands of a shell in a terminal of this width, and answers a question.
async fn on_a_terminal(dev: &Dev, columns: u16, arguments: &str, answer: &str) -> Ran {
    let (binary, data) = (env!("CARGO_BIN_EXE_hallpass"), dev.data.path().display());
    let line = format!("stty rows 24 cols {columns}; exec {binary} --data {data} {arguments}");
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).env("NO_COLOR", "1");
    ran(&mut command, answer).await
}

fn has_terminals() -> bool {
    let is_there = std::process::Command::new("script").arg("--version").output().is_ok();
    if !is_there {
        let note = "script of util-linux is not installed; terminals are not checked\n";
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    }
    is_there
}

#[tokio::test]
async fn a_change_that_cannot_be_undone_is_confirmed_on_a_terminal() {
    if !has_terminals() {
        return;
    }
    let dev = Dev::fresh().await;
    let token = dev.json(&["token", "issue", "admin"], "").await;
    let id = token["id"].as_str().unwrap();
    let check = async |arguments: &str, question: &str, refusal: &str| {
        for answer in ["n\n", "\n", "yes?\n"] {
            let ran = on_a_terminal(&dev, 200, arguments, answer).await;
            assert_eq!(ran.code, 1, "{arguments}: {ran:?}");
            assert!(
                ran.out.contains(question) && ran.out.contains("nothing was changed"),
                "{ran:?}"
            );
        }
        assert_eq!(dev.verdict(token["token"].as_str().unwrap()).await, "allow", "{refusal}");
    };
    let of_admin = "revoke all tokens of admin (2)? [y/N]";
    check("token revoke --all admin", of_admin, "revoked").await;
    let family = format!("revoke the family of {id}? [y/N]");
    check(&format!("token revoke {id} --family"), &family, "revoked").await;
    let remove = "remove admin (2) and end all tokens of the user? [y/N]";
    check("user remove admin", remove, "removed").await;
    let done = async |arguments: &str, answer: &str, words: &str, asks: bool| {
        let ran = on_a_terminal(&dev, 200, arguments, answer).await;
        assert_eq!((ran.code, ran.out.contains("[y/N]")), (0, asks), "{arguments}: {ran:?}");
        assert!(ran.out.contains(words), "{arguments}: {ran:?}");
    };
    done(&format!("token revoke {id}"), "", "revoked", false).await;
    done("token revoke --all admin --yes", "", "every token of admin", false).await;
    done("user remove ci-bot --yes", "", "removed: ci-bot", false).await;
    done("--json user remove ldap_user", "", "removed", false).await;
    done("user remove admin", "y\n", "removed: admin", true).await;
    // A script is not asked.
    dev.done(&["user", "remove", "my_username"], "").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_list_fits_the_terminal_and_is_whole_elsewhere() {
    if !has_terminals() {
        return;
    }
    let dev = Dev::fresh().await;
    let name = "a user name that is far too long for a narrow terminal";
    dev.done(&["user", "add", name, "--no-password"], "").await;
    let ran = on_a_terminal(&dev, 70, "user list", "").await;
    let widest = ran.out.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 70), "{ran:?}");
    assert!(ran.out.contains("a user name") && ran.out.contains('…'), "{ran:?}");
    assert!(dev.done(&["user", "list"], "").await.contains(name));
    dev.stop("-TERM").await;
}
