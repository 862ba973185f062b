//! The command `hallpass`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use hallpass::{
    cli::{self, Cli},
    error::CommandError,
    terminal,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Not even `--json` was understood, so that the words themselves are looked at; help is no error.
        Err(error) if error.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            say_in_json(error.render().to_string().trim(), 2);
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let is_json = cli.is_json();
    match cli::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read has read enough.
        Err(CommandError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let status = error.exit_code();
            if is_json {
                say_in_json(&error.to_string(), status);
            } else {
                let _ = terminal::note(&error);
            }
            ExitCode::from(status)
        }
    }
}

fn say_in_json(error: &str, status: u8) {
    let _ = writeln!(std::io::stderr(), "{}", serde_json::json!({"error": error, "status": status}));
}
