//! The command-line reference is generated from the command. `HALLPASS_WRITE_DOCS=1` writes it
//! instead of comparing it.

use std::{fmt::Write as _, fs, path::Path};

use clap::Command;
use hallpass::{cli, error::EXIT_STATUS};

const BEGIN: &str = "<!-- begin -->\n";
const END: &str = "<!-- end -->\n";

/// Adds the help of a command, or of each of its subcommands if it has any.
fn add(page: &mut String, command: &Command, path: &str) {
    let path = format!("{path} {}", command.get_name());
    let level = "#".repeat(path.split(' ').count());
    if command.has_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(page, "\n{level} `{path}`\n\n{about}.").unwrap();
        for below in command.get_subcommands() {
            add(page, below, &path);
        }
    } else {
        let help =
            command.clone().bin_name(&path).disable_help_flag(true).render_long_help().to_string();
        let help: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
        writeln!(page, "\n{level} `{path}`\n\n```text\n{}\n```", help.join("\n")).unwrap();
    }
}

fn generated() -> String {
    let mut page = String::from("\n## Exit status\n\n| status | meaning |\n|---|---|\n");
    for (status, meaning) in EXIT_STATUS {
        writeln!(page, "| {status} | {meaning} |").unwrap();
    }
    let mut command = cli::command().disable_help_subcommand(true);
    let help = command.render_help().to_string();
    let (help, _) = help.split_once("\nExit status:").unwrap();
    let help: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    writeln!(page, "\n## Options of every command\n\n```text\n{}\n```", help.join("\n")).unwrap();
    for below in cli::command().get_subcommands() {
        add(&mut page, below, "hallpass");
    }
    page.push('\n');
    page
}

#[test]
fn the_command_line_reference_is_up_to_date() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/src/reference/cli.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (present, after) = rest.split_once(END).unwrap();
    let generated = generated();
    if hallpass_runtime::settings::environment("HALLPASS_WRITE_DOCS")
        .is_some_and(|value| value == "1")
    {
        fs::write(&path, format!("{before}{BEGIN}{generated}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            present, generated,
            "docs/src/reference/cli.md is out of date; HALLPASS_WRITE_DOCS=1 writes it"
        );
    }
}
