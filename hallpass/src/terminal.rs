//! Prompts and tables.

use std::io::{self, BufRead, IsTerminal, Write};

use zeroize::Zeroizing;

/// A secret: asked for without an echo on a terminal, else the first line of standard input. Never an argument, which
/// every process of the machine could read.
///
/// # Errors
/// When there is nothing to read.
pub fn secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("{prompt}: ")).map(Zeroizing::new);
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has no first line"));
    }
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

/// A new secret: asked for twice on a terminal.
///
/// # Errors
/// When there is nothing to read, or the two differ.
pub fn new_secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    let first = secret(prompt)?;
    if io::stdin().is_terminal() && *secret("Once more")? != *first {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two are not the same"));
    }
    Ok(first)
}

/// Prints one line.
///
/// # Errors
/// When standard output cannot be written.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints rows in columns that align, under a head.
///
/// # Errors
/// When standard output cannot be written.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = head.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = io::stdout().lock();
    let heads = [head.map(str::to_owned)];
    for row in heads.iter().chain(rows) {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    out.flush()
}
