//! Completions, the manual, colours, and the JSON output of every command.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use clap::CommandFactory;
use hallpass::cli::Cli;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;

use crate::dev::{Dev, hallpass, run};

const REFERENCE: &str = include_str!("../../../docs/src/reference/cli.md");

/// Returns whether this program is installed.
fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

#[tokio::test]
async fn completions_are_valid_scripts_of_their_shells() {
    let nowhere = TempDir::new().unwrap();
    for (shell, check) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let (code, script) = run(nowhere.path(), &["completions", shell], "").await;
        assert!(code == 0 && script.contains("hallpass") && script.contains("revoke"), "{shell}");
        let file = nowhere.path().join(shell);
        std::fs::write(&file, script).unwrap();
        if is_installed(shell) {
            assert!(
                Command::new(shell).args(check).arg(&file).status().unwrap().success(),
                "{shell}"
            );
        } else {
            println!("{shell} is not installed; its completions are not checked");
        }
    }
    let (code, printed) = run(nowhere.path(), &["completions", "tcsh"], "").await;
    assert!(code == 2 && printed.contains("possible values: bash, zsh, fish"), "{printed}");
}

#[tokio::test]
async fn the_manual_lists_the_exit_statuses_and_has_a_page_for_every_command() {
    let nowhere = TempDir::new().unwrap();
    let (code, roff) = run(nowhere.path(), &["man"], "").await;
    assert!(code == 0 && roff.contains(".TH hallpass 1"), "{roff}");
    for (status, meaning) in hallpass::error::EXIT_STATUS {
        assert!(roff.contains(&format!(".TP\n{status}\n{meaning}\n")), "{status}");
        assert!(
            REFERENCE.contains(&format!("| {status} | {meaning} |\n")),
            "not in the reference: {status}"
        );
    }
    let file = nowhere.path().join("hallpass.1");
    std::fs::write(&file, &roff).unwrap();
    if is_installed("man") {
        let shown =
            Command::new("man").arg("-l").arg(&file).env("MANPAGER", "cat").output().unwrap();
        assert!(
            shown.status.success()
                && String::from_utf8(shown.stdout).unwrap().contains("EXIT STATUS")
        );
    }
    let pages = nowhere.path().join("pages");
    let (code, printed) = run(nowhere.path(), &["man", "--out", pages.to_str().unwrap()], "").await;
    assert_eq!((code, printed.as_str()), (0, ""));
    for command in leaves() {
        let page = pages.join(format!("hallpass-{}.1", command.replace(' ', "-")));
        assert!(page.exists(), "{}", page.display());
    }
}

/// Returns every command without subcommands, such as `user add`.
pub(crate) fn leaves() -> BTreeSet<String> {
    let (mut leaves, mut below) = (BTreeSet::new(), vec![(String::new(), Cli::command())]);
    while let Some((path, command)) = below.pop() {
        if !command.has_subcommands() {
            leaves.insert(path.trim_start().to_owned());
        }
        below.extend(
            command
                .get_subcommands()
                .map(|next| (format!("{path} {}", next.get_name()), next.clone())),
        );
    }
    leaves
}

/// Returns the commands that have a heading in the reference, without groups such as `user`.
fn listed() -> BTreeSet<String> {
    let headings = REFERENCE.lines().filter(|line| line.starts_with('#'));
    let all: BTreeSet<String> = headings
        .filter_map(|line| Some(line.split_once("`hallpass ")?.1.trim_end_matches('`').to_owned()))
        .collect();
    let is_group = |name: &str| all.iter().any(|other| other.starts_with(&format!("{name} ")));
    all.iter().filter(|name| !is_group(name)).cloned().collect()
}

#[tokio::test]
async fn the_reference_lists_exactly_the_commands_and_every_one_runs_and_prints_json() {
    let dev = Dev::fresh().await;
    let file = |name: &str| dev.data.path().join(name).display().to_string();
    std::fs::write(file("users.csv"), "user_id,username\n20,cleo\n").unwrap();
    let token = dev.json(&["token", "issue", "my_username"], "").await;
    let (id, text) =
        (token["id"].as_str().unwrap(), format!("{}\n", token["token"].as_str().unwrap()));
    let (keyring, csv) = (file("ring.json"), file("users.csv"));
    let exported = file("audit.jsonl");
    let commands: &[(&str, &[&str], &str)] = &[
        ("user add", &["ada"], "engine room\n"),
        ("user list", &[], ""),
        ("user show", &["ada"], ""),
        ("user passwd", &["ada"], "other room\n"),
        ("user rename", &["ada", "bea"], ""),
        ("user link", &["bea", "--subject=1", "--issuer=https://a"], ""),
        ("user unlink", &["bea"], ""),
        ("user block", &["bea"], ""),
        ("user unblock", &["bea"], ""),
        ("user maintainer add", &["ci-bot", "bea"], ""),
        ("user maintainer remove", &["ci-bot", "bea"], ""),
        ("user permission add", &["bea", "reports"], ""),
        ("user permission remove", &["bea", "reports"], ""),
        ("user remove", &["bea"], ""),
        ("user import", &[&csv], ""),
        ("token issue", &["my_username"], ""),
        ("token list", &["my_username"], ""),
        ("token show", &[id], ""),
        ("token rotate", &[id], ""),
        ("token inspect", &[], &text),
        ("token explain", &["-"], &text),
        ("token scanner-rules", &["--prefix=acme_"], ""),
        ("token revoke", &[id], ""),
        ("key list", &[], ""),
        ("key new", &["--out", &keyring], ""),
        ("key export", &["--jwt"], ""),
        ("key rotate", &[], ""),
        ("doctor", &[], ""),
        ("prune", &[], ""),
        ("events tail", &["--all", "--limit=1"], ""),
        ("audit verify", &[], ""),
        ("audit list", &[], ""),
        ("audit export", &["--out", &exported], ""),
    ];
    let mut ran: BTreeSet<String> = BTreeSet::new();
    for (command, arguments, input) in commands {
        let words: Vec<&str> = command.split(' ').chain(arguments.iter().copied()).collect();
        let printed = dev.json(&words, input).await;
        assert!(printed.is_object() || printed.is_array(), "{command}");
        ran.insert((*command).to_owned());
    }
    let keys = dev.json(&["key", "list"], "").await;
    let retired = dev.json(&["key", "retire", keys[0]["id"].as_str().unwrap()], "").await;
    assert!(retired.is_object());
    // Other tests run these; `dev` is running.
    ran.extend(["key retire", "completions", "man", "dev"].map(str::to_owned));
    assert_eq!(ran, leaves());
    assert_eq!(listed(), leaves());
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn argument_errors_are_json_with_json_output() {
    let nowhere = TempDir::new().unwrap();
    let (code, printed) = run(nowhere.path(), &["--json", "token", "revoke"], "").await;
    let error: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &error["status"]), (2, &2.into()), "{printed}");
    let (code, printed) = run(nowhere.path(), &["--json", "--help"], "").await;
    assert!(code == 0 && printed.contains("Exit status:"), "{printed}");
}

#[tokio::test]
async fn dev_prints_its_url_in_json() {
    let data = TempDir::new().unwrap();
    let mut command = hallpass(data.path());
    let mut process =
        command.args(["--json", "dev", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(process.stdout.take().unwrap()).lines();
    let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert!(line["ready"].as_str().unwrap().starts_with("https://localhost:"), "{line}");
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(process.wait().await.unwrap().success());
}

/// Runs in a terminal, which `script` of util-linux emulates.
#[tokio::test]
async fn output_has_colours_only_on_a_terminal_that_supports_and_permits_them() {
    if !is_installed("script") {
        println!("script of util-linux is not installed; colours are not checked");
        return;
    }
    let dev = Dev::fresh().await;
    let command = format!(
        "{} --data {} user list",
        env!("CARGO_BIN_EXE_hallpass"),
        dev.data.path().display()
    );
    let check = |variable: (&str, &str), words: &str, has_colours: bool| {
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{command}{words}"), "/dev/null"]).stdin(Stdio::null());
        script.env_remove("NO_COLOR").env("TERM", "xterm").env(variable.0, variable.1);
        let printed = String::from_utf8(script.output().unwrap().stdout).unwrap();
        assert!(printed.contains("my_username"), "{printed}");
        assert_eq!(printed.contains('\u{1b}'), has_colours, "{variable:?} {words}: {printed:?}");
    };
    check(("TERM", "xterm"), "", true);
    check(("TERM", "dumb"), "", false);
    check(("NO_COLOR", "1"), "", false);
    check(("NO_COLOR", ""), "", true);
    check(("TERM", "xterm"), " --json", false);
    check(("TERM", "xterm"), " | cat", false);
    dev.stop("-TERM").await;
}
