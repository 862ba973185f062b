//! The subcommands and options of the command line, and the function that runs each.

use clap::{CommandFactory, Parser, Subcommand};
use hallpass_runtime::settings::{self, names};

#[cfg(feature = "dev")]
use crate::serve;
use crate::{
    audit, doctor, error::CommandError, events, help, key, shell, stack::Reach, sweep,
    terminal::Terminal, tokens, user,
};

const AFTER_HELP: &str = "\
Exit status:
  0    success
  1    rejected (no such user, name taken, invalid line), or doctor found a problem
  2    could not run: invalid arguments, no stack, or the stack did not respond
  130  interrupted; completed work is kept, and running the command again continues

Commands that take a user accept the user name, or `id:` followed by the user ID.";

/// The heading of the options that every command has, behind those of its own.
pub(crate) const HEADING: &str = "Options of every command";

/// Personal access tokens for APIs behind Amazon API Gateway
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    reach: Reach,
    /// Print the result as one JSON value, and notes and errors as JSON objects
    #[arg(long, global = true, help_heading = HEADING)]
    json: bool,
    /// Also write the log lines that the functions write, such as `revoked`, to standard error
    #[arg(long, global = true, help_heading = HEADING)]
    log: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Hallpass on this machine
    #[cfg(feature = "dev")]
    Dev(serve::DevArgs),
    /// Manage users
    #[command(subcommand)]
    User(user::Command),
    /// Manage tokens
    #[command(subcommand)]
    Token(tokens::Command),
    /// Manage the signing keys
    #[command(subcommand)]
    Key(key::Command),
    /// Check the stack for problems and print how to fix them
    Doctor(doctor::DoctorArgs),
    /// Follow the events of the development stack
    #[command(subcommand)]
    Events(events::Command),
    /// Verify, list and export the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Invalidate the tokens of changed users and purge old records now, as the prune function does
    /// every hour
    Prune,
    /// Print a shell completion script
    Completions {
        /// Shell to print the script for
        shell: shell::Kind,
    },
    /// Print the manual page, for `man -l -`
    Man(shell::ManArgs),
}

/// Returns the command line with the examples of every subcommand.
pub fn command() -> clap::Command {
    help::with_examples(Cli::command())
}

impl Cli {
    /// Returns whether `--json` was given.
    pub const fn is_json(&self) -> bool {
        self.json
    }
}

/// Runs a command.
///
/// # Errors
/// Returns a [`CommandError`] if the command fails or rejects its arguments.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let Cli { reach, json, log, command } = cli;
    let terminal = Terminal::new(json);
    if log {
        hallpass_runtime::log::start();
    }
    // The log of `hallpass dev` has these warnings, as that of `--log`.
    let set = settings::environment_with_prefix(names::PREFIX);
    #[cfg(feature = "dev")]
    let is_in_log = log || matches!(command, Command::Dev(_));
    #[cfg(not(feature = "dev"))]
    let is_in_log = log;
    for variable in names::unknown(&set).into_iter().filter(|_| !is_in_log) {
        terminal.note(&format!("warning: {variable}"))?;
    }
    match command {
        #[cfg(feature = "dev")]
        Command::Dev(args) => {
            reach.reject_deployed()?;
            serve::run(args, reach.data(), log, terminal).await
        }
        Command::User(command) => {
            Box::pin(user::run(command, &reach.find().await?, terminal)).await
        }
        Command::Token(tokens::Command::Inspect(args)) => tokens::inspect(&args, terminal),
        Command::Token(tokens::Command::ScannerRules(args)) if args.has_prefix() => {
            tokens::print_scanner_rules(&args, None, terminal)
        }
        Command::Token(command) => {
            Box::pin(tokens::run(command, &reach.find().await?, terminal)).await
        }
        Command::Key(key::Command::New { out }) => key::new(&out, terminal),
        Command::Key(command) => key::run(command, &reach.find().await?, terminal).await,
        Command::Doctor(args) => doctor::run(&args, &reach.find().await?, terminal).await,
        Command::Events(command) => {
            reach.reject_deployed()?;
            events::run(command, &reach.data(), terminal).await
        }
        Command::Audit(command) => {
            Box::pin(audit::run(command, &reach.find().await?, terminal)).await
        }
        Command::Prune => sweep::run(&reach.find().await?, terminal).await,
        Command::Completions { shell } => shell::completions(shell),
        Command::Man(args) => shell::man(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EXIT_STATUS;

    #[test]
    fn the_command_line_is_well_formed_and_no_argument_takes_a_secret() {
        Cli::command().debug_assert();
        let mut all = vec![Cli::command()];
        while let Some(command) = all.pop() {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let secret = ["password", "secret", "passphrase", "credential"]
                    .iter()
                    .any(|word| id.contains(word));
                assert!(!secret || id == "no_password", "{} {id}", command.get_name());
            }
            all.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn the_help_lists_every_exit_status() {
        for (status, meaning) in EXIT_STATUS {
            let line = format!("  {status:<3}  {meaning}\n");
            assert!(AFTER_HELP.contains(&line), "{line}");
        }
    }
}
