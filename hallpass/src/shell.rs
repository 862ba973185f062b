//! `hallpass completions` and `hallpass man`: shell completion scripts and manual pages.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::{
    cli,
    error::{CommandError, EXIT_STATUS},
};

/// A supported shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// `hallpass completions bash > ~/.local/share/bash-completion/completions/hallpass`
    Bash,
    /// `hallpass completions zsh > "${fpath[1]}/_hallpass"`
    Zsh,
    /// `hallpass completions fish > ~/.config/fish/completions/hallpass.fish`
    Fish,
}

/// The options of `hallpass man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page per command into this directory instead of a single page to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes the completion script to standard output.
///
/// # Errors
/// Returns [`CommandError::Io`] if standard output cannot be written.
pub fn completions(shell: Kind) -> Result<(), CommandError> {
    let shell = match shell {
        Kind::Bash => Shell::Bash,
        Kind::Zsh => Shell::Zsh,
        Kind::Fish => Shell::Fish,
    };
    // The generator panics on a write error, so it writes to memory first.
    let mut script = Vec::new();
    generate(shell, &mut cli::command(), "hallpass", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Writes the manual page to standard output, or all pages to a directory.
///
/// # Errors
/// Returns [`CommandError::Io`] if the output cannot be written.
pub fn man(args: &ManArgs) -> Result<(), CommandError> {
    if let Some(folder) = &args.out {
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(cli::command(), folder));
        return written.map_err(|error| {
            CommandError::rejected(format!("--out: {}: {error}", folder.display()))
        });
    }
    let mut command = cli::command().after_help("").disable_help_subcommand(true);
    command.build();
    let page = Man::new(command);
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    page.render_subcommands_section(&mut roff)?;
    writeln!(roff, ".SH \"EXIT STATUS\"")?;
    for (status, meaning) in EXIT_STATUS {
        writeln!(roff, ".TP\n{status}\n{meaning}")?;
    }
    page.render_version_section(&mut roff)?;
    Ok(io::stdout().write_all(&roff)?)
}
