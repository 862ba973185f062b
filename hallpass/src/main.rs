//! The command `hallpass`.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use hallpass::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hallpass: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
