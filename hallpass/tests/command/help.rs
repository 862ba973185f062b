//! Help: examples of every command, own options first, and the width of the terminal.

use std::{collections::BTreeSet, ffi::OsString, process::Command};

use hallpass::{arguments, cli, help::EXAMPLES};

/// Splits a line as a shell does, as far as the examples need it. Redirections and what follows a
/// pipe are left out.
fn words(line: &str) -> Vec<OsString> {
    let parts =
        line.split(" | ").next().unwrap().split('\'').enumerate().flat_map(|(index, part)| {
            let is_quoted = index % 2 == 1;
            let plain = part.split_whitespace().filter(|word| !word.starts_with(['<', '>']));
            if is_quoted { vec![part] } else { plain.collect() }
        });
    parts.map(OsString::from).collect()
}

/// Returns the help of a command.
fn help_of(path: &str) -> String {
    let mut command = cli::command();
    command.build();
    let below = path
        .split(' ')
        .fold(&mut command, |command, name| command.find_subcommand_mut(name).unwrap());
    below.render_help().to_string()
}

#[test]
fn every_command_has_examples_and_every_example_is_one_of_its_command() {
    let mut of = BTreeSet::new();
    for (path, lines) in EXAMPLES {
        assert!(of.insert(path.to_owned()) && !lines.is_empty(), "{path}");
        let help = help_of(path);
        for line in lines {
            assert!(help.contains(&format!("\n  {line}")), "{line}: {help}");
            arguments::parse(words(line)).unwrap_or_else(|why| panic!("{line}: {why:?}"));
            let is_word = |word: &OsString| path.split(' ').any(|name| word == name);
            assert_eq!(
                words(line).iter().filter(|word| is_word(word)).count(),
                path.split(' ').count()
            );
        }
    }
    let all: BTreeSet<String> = crate::shell::leaves();
    assert_eq!(of, all);
}

#[test]
fn the_options_of_a_command_come_before_those_of_every_command() {
    for (path, _) in EXAMPLES {
        let help = help_of(path);
        let at = |word: &str| help.find(word).unwrap_or_else(|| panic!("{path}: {word}: {help}"));
        let places = [
            "\nOptions:\n",
            "\nOptions of every command:\n",
            "\nDeployed stacks:\n",
            "\nExamples:\n",
        ];
        assert!(places.map(at).is_sorted(), "{path}: {help}");
        assert!(at("\n      --json ") > at("\nOptions of every command:\n"), "{path}: {help}");
    }
}

/// Runs in a terminal, which `script` of util-linux emulates.
#[test]
fn help_is_wrapped_to_the_terminal_and_nowhere_else() {
    let binary = env!("CARGO_BIN_EXE_hallpass");
    let longest = |line: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", line, "/dev/null"]).env("NO_COLOR", "1");
        let printed = String::from_utf8(script.output().unwrap().stdout).unwrap();
        assert!(printed.contains("Examples:"), "{printed}");
        printed.lines().map(|line| line.trim_end().chars().count()).max().unwrap()
    };
    if Command::new("script").arg("--version").output().is_err() {
        println!("script of util-linux is not installed; the width is not checked");
        return;
    }
    let widest = longest(&format!("stty rows 24 cols 60; {binary} token revoke -h"));
    assert!((50..=60).contains(&widest), "{widest}");
    let widest = longest(&format!("stty rows 24 cols 60; {binary} token revoke -h | cat"));
    assert!(widest > 100, "{widest}");
}
