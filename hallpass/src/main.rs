//! The command `hallpass`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use hallpass::{
    cli::{self, Cli},
    terminal,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let is_json = cli.is_json();
    match cli::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let status = error.exit_code();
            if is_json {
                let said = serde_json::json!({"error": error.to_string(), "status": status});
                let _ = writeln!(std::io::stderr(), "{said}");
            } else {
                let _ = terminal::note(&error);
            }
            ExitCode::from(status)
        }
    }
}
