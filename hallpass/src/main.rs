//! The command `hallpass`.

use std::process::ExitCode;

use clap::Parser;
use hallpass::{
    cli::{self, Cli},
    error::CommandError,
    terminal::Terminal,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Not even `--json` was understood, so that the words themselves are looked at; help is no error.
        Err(error) if error.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            let _ = Terminal::new(true).complain(error.render().to_string().trim(), 2);
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
            let _ = Terminal::new(is_json).complain(&error.to_string(), error.exit_code());
            ExitCode::from(error.exit_code())
        }
    }
}
