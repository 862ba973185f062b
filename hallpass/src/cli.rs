//! The words of the command line, and the way from each to what it does.

use clap::{Args, Parser, Subcommand};
use edge::settings::{self, names};

use crate::{
    arguments::{port, seconds},
    doctor,
    error::CommandError,
    key, serve, shell,
    stack::Reach,
    sweep,
    terminal::Terminal,
    tokens, user,
};

const AFTER_HELP: &str = "\
Exit status:
  0    done
  1    rejected (no such user, name taken, a bad line), or doctor found something wrong
  2    cannot run: wrong arguments, no stack, the stack does not answer
  130  interrupted; what was done stays done, and running it again goes on

Where a user is asked for, `id:` and a user's id will do in place of the name.";

/// API tokens for the users of your API: issue, verify, revoke, purge
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    reach: Reach,
    /// Print JSON, one value, and errors as JSON too
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of Hallpass on this machine
    Dev(DevArgs),
    /// Manage users
    #[command(subcommand)]
    User(user::Command),
    /// Manage tokens
    #[command(subcommand)]
    Token(tokens::Command),
    /// Manage the signing keys
    #[command(subcommand)]
    Key(key::Command),
    /// Look whether the stack is as it should be, and say what to do where it is not
    Doctor(doctor::DoctorArgs),
    /// Invalidate the tokens of changed users and purge expired records now; prune does so every hour
    Prune,
    /// Print what a shell needs to complete the words of this command
    Completions {
        /// The shell
        shell: shell::Kind,
    },
    /// Print the manual page, for `man -l -`
    Man(shell::ManArgs),
}

/// How `hallpass dev` runs.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The port of the HTTPS front
    #[arg(long, default_value_t = 3443, value_parser = port)]
    pub(crate) port: u16,
    /// Delete all users, tokens and keys first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Leave out prune: neither the user stream nor the schedule reaches it
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// Cache the authorizer's answers as API Gateway can
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) authorizer_cache: Option<u32>,
}

impl Cli {
    /// Whether JSON is asked for.
    pub const fn is_json(&self) -> bool {
        self.json
    }
}

/// Runs a command.
///
/// # Errors
/// When it does not do what it was asked for.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let Cli { reach, json, command } = cli;
    let terminal = Terminal::new(json);
    // `hallpass dev` says it in its log.
    let set = settings::environment_with_prefix(names::PREFIX);
    let is_dev = matches!(command, Command::Dev(_));
    for variable in names::unknown(&set).into_iter().filter(|_| !is_dev) {
        terminal.note(&format!("warning: {variable}"))?;
    }
    match command {
        Command::Dev(args) => {
            reach.reject_deployed()?;
            serve::run(args, reach.data, terminal).await
        }
        Command::User(command) => user::run(command, &reach.find().await?, terminal).await,
        Command::Token(tokens::Command::Inspect(args)) => tokens::inspect(&args, terminal),
        Command::Token(command) => Box::pin(tokens::run(command, &reach.find().await?, terminal)).await,
        Command::Key(key::Command::New { out }) => key::new(&out, terminal),
        Command::Key(command) => key::run(command, &reach.find().await?, terminal).await,
        Command::Doctor(args) => doctor::run(&args, &reach.find().await?, terminal).await,
        Command::Prune => sweep::run(&reach.find().await?, terminal).await,
        Command::Completions { shell } => shell::completions(shell),
        Command::Man(args) => shell::man(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::error::EXIT_STATUS;

    #[test]
    fn the_words_are_well_formed_and_none_takes_a_secret() {
        Cli::command().debug_assert();
        let mut all = vec![Cli::command()];
        while let Some(command) = all.pop() {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let secret = ["password", "secret", "passphrase", "credential"].iter().any(|word| id.contains(word));
                assert!(!secret || id == "no_password", "{} {id}", command.get_name());
            }
            all.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn the_help_tells_every_exit_status() {
        for (status, meaning) in EXIT_STATUS {
            let line = format!("  {status:<3}  {meaning}\n");
            assert!(AFTER_HELP.contains(&line), "{line}");
        }
    }
}
