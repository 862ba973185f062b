//! The command `hallpass`.

use std::process::ExitCode;

use hallpass::{
    arguments::{self, Stop},
    cli,
    error::CommandError,
    help,
    terminal::Terminal,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match arguments::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(Stop::Help(asked)) => {
            let _ = help::print(&asked);
            return ExitCode::from(u8::try_from(asked.exit_code()).unwrap_or(2));
        }
        Err(Stop::Bad(why)) => {
            // The arguments did not parse, so look for `--json` among the raw words.
            let is_json = std::env::args_os().any(|word| word == "--json");
            let _ = Terminal::new(is_json).print_error(&why, 2);
            return ExitCode::from(2);
        }
    };
    let is_json = cli.is_json();
    match Box::pin(cli::run(cli)).await {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of standard output closed the pipe because it has read enough.
        Err(CommandError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = Terminal::new(is_json).print_error(&error.to_string(), error.exit_code());
            ExitCode::from(error.exit_code())
        }
    }
}
