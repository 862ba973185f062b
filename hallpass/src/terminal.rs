//! Prompts, tables, JSON and colours.
//!
//! What was asked for goes to standard output, everything else to standard error, so that a command can stand in a pipe.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use edge::settings;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use token::{Text, secret::Digest};
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use crate::redact::redact;

/// How a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    json: bool,
    has_colours: bool,
}

/// A colour that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// It is as it should be.
    Good,
    /// It wants looking at.
    Warning,
    /// It is wrong.
    Bad,
    /// It is a title.
    Title,
}

impl Terminal {
    /// Standard output as it is: with colours on a terminal that has them, if `NO_COLOR` does not forbid it
    /// (<https://no-color.org>), and never in JSON.
    pub fn new(json: bool) -> Self {
        let said = |name| settings::environment(name).filter(|value| !value.is_empty());
        let is_dumb = said("TERM").is_none_or(|term| term == "dumb");
        let has_colours = !json && io::stdout().is_terminal() && said("NO_COLOR").is_none() && !is_dumb;
        Self { json, has_colours }
    }

    /// Whether JSON is asked for.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints one line, or the same as JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn say(self, text: &str, json: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{json}")?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()
    }

    /// Prints a secret that is shown once, or the same as JSON.
    ///
    /// # Errors
    /// When it cannot be written, or standard output is closed.
    pub fn say_secret(self, text: &str, json: &Value) -> io::Result<()> {
        if is_output_closed() {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "standard output is closed"));
        }
        self.say(text, json)
    }

    /// Prints rows in columns that align, under a head, or the same as JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn table<const N: usize>(self, head: [&'static str; N], rows: &[[String; N]], json: &Value) -> io::Result<()> {
        if self.json {
            return self.say("", json);
        }
        let mut pages = self.pages(head);
        pages.print(rows, &[])?;
        pages.end()
    }

    /// The same a page at a time, so that no more than a page is held.
    pub fn pages<const N: usize>(self, head: [&'static str; N]) -> Pages<N> {
        Pages { terminal: self, head, widths: head.map(UnicodeWidthStr::width), printed: 0 }
    }

    /// Says something beside what was asked for, on standard error.
    ///
    /// # Errors
    /// When standard error cannot be written.
    pub fn note(self, text: &str) -> io::Result<()> {
        let text = &redact(text);
        if self.json {
            return writeln!(io::stderr(), "{}", json!({ "note": text }));
        }
        writeln!(io::stderr(), "hallpass: {}", printable(text))
    }

    /// Says why a command did not do what it was asked for, on standard error.
    ///
    /// # Errors
    /// When standard error cannot be written.
    pub fn print_error(self, error: &str, status: u8) -> io::Result<()> {
        let error = &redact(error);
        if self.json {
            return writeln!(io::stderr(), "{}", json!({"error": error, "status": status}));
        }
        self.note(error)
    }

    /// The text in this colour, where there are colours.
    pub fn paint(self, text: &str, colour: Colour) -> String {
        let code = match colour {
            Colour::Good => "32",
            Colour::Warning => "33",
            Colour::Bad => "31",
            Colour::Title => "1",
        };
        if self.has_colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A table that is printed a page at a time; in JSON it is one array.
#[derive(Debug)]
pub struct Pages<const N: usize> {
    terminal: Terminal,
    head: [&'static str; N],
    /// The widest cells so far: the columns of a page are never narrower than those of the page before.
    widths: [usize; N],
    printed: usize,
}

impl<const N: usize> Pages<N> {
    /// Prints a page, under the head if it is the first.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&mut self, rows: &[[String; N]], json: &[Value]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.terminal.json {
            for value in json {
                write!(out, "{}{value}", if self.printed == 0 { '[' } else { ',' })?;
                self.printed = self.printed.saturating_add(1);
            }
            return Ok(());
        }
        let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        if self.printed == 0 {
            writeln!(out, "{}", self.terminal.paint(&aligned(&self.head, &self.widths), Colour::Title))?;
        }
        self.printed = self.printed.saturating_add(1);
        for row in &rows {
            writeln!(out, "{}", aligned(&row.each_ref().map(String::as_str), &self.widths))?;
        }
        out.flush()
    }

    /// Ends the table.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn end(self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.terminal.json {
            writeln!(out, "{}]", if self.printed == 0 { "[" } else { "" })?;
        }
        out.flush()
    }
}

/// The cells, each as wide as its column, counted as a terminal shows them.
fn aligned(cells: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let gap = width.saturating_sub(cell.width()).saturating_add(2);
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', gap));
    }
    line.truncate(line.trim_end().len());
    line
}

/// A bar of progress on standard error, where that is a terminal; without a total, a count.
pub fn progress(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} [{wide_bar}] {pos}/{len}, {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {msg} {pos}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_message(what)
}

/// What an application or a person wrote may hold control characters, which a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The beginning of what a person typed, for a message about it.
pub fn excerpt(text: &str) -> String {
    const MAX_LENGTH: usize = 64;
    // What is cut off first would no longer look like a secret.
    let text = &redact(text);
    let begin: String = printable(text).chars().take(MAX_LENGTH).collect();
    if text.chars().count() > MAX_LENGTH { format!("{begin}…") } else { begin }
}

/// Whether the process was started without a standard output. The runtime of Rust opens `/dev/null` in its place, for
/// reading and writing, which no shell does; where that cannot be seen it is taken for open.
fn is_output_closed() -> bool {
    let is_null = std::fs::read_link("/proc/self/fd/1").is_ok_and(|target| target == std::path::Path::new("/dev/null"));
    let info = std::fs::read_to_string("/proc/self/fdinfo/1").unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    is_null && flags.is_some_and(|flags| flags.trim_end().ends_with('2'))
}

/// A secret: asked for without an echo on a terminal, else the first line of standard input. Never an argument, which
/// every process of the machine could read.
///
/// # Errors
/// When there is nothing to read.
fn secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("{prompt}: ")).map(Zeroizing::new);
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has no first line"));
    }
    Ok(Zeroizing::new(first_line(&line).to_owned()))
}

/// A line without its ending and without the mark of the encoding in front; what else is there belongs to it.
fn first_line(line: &str) -> &str {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// A token: asked for without an echo on a terminal, else all of standard input, without what was pasted around it.
///
/// # Errors
/// When there is nothing to read.
pub fn token(prompt: &str) -> io::Result<Text> {
    if io::stdin().is_terminal() {
        return Ok(Text::pasted(&secret(prompt)?));
    }
    let mut all = Zeroizing::new(String::new());
    io::stdin().lock().take(MAX_INPUT_LENGTH).read_to_string(&mut all)?;
    let text = Text::pasted(&all);
    if text.expose_secret().is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has no token"));
    }
    Ok(text)
}

/// More than any token and what is around it, in bytes.
const MAX_INPUT_LENGTH: u64 = 65_536;

/// A new secret: asked for twice on a terminal.
///
/// # Errors
/// When there is nothing to read, or the two differ.
pub fn new_secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    let first = secret(prompt)?;
    if io::stdin().is_terminal() && !Digest::of(first.as_bytes()).is_of(secret("Once more")?.as_bytes()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two are not the same"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_as_a_terminal_shows_them() {
        let widths = [4, 6];
        let check = |cells: [&str; 2], line: &str| assert_eq!(aligned(&cells, &widths), line);
        check(["ID", "NAME"], "ID    NAME");
        check(["1", "ada"], "1     ada");
        check(["日本", "x"], "日本  x");
        check(["e\u{301}", "x"], "e\u{301}     x");
        check(["1", ""], "1");
    }

    #[test]
    fn what_a_terminal_would_obey_or_nobody_would_read_is_not_shown() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{7f}"), "a\u{fffd}[31mb\u{fffd}\u{fffd}");
        assert_eq!(excerpt("<b>ada</b>"), "<b>ada</b>");
        assert_eq!(excerpt(&"x".repeat(10_000)).chars().count(), 65);
    }

    #[test]
    fn a_line_of_a_pipe_loses_its_ending_and_nothing_else() {
        let check = |line: &str, expected: &str| assert_eq!(first_line(line), expected, "{line:?}");
        for ending in ["", "\n", "\r\n", "\r"] {
            check(&format!("top secret{ending}"), "top secret");
            check(&format!("\u{feff}topsecret{ending}"), "topsecret");
            check(&format!(" topsecret {ending}"), " topsecret ");
            check(&format!("\"topsecret\"{ending}"), "\"topsecret\"");
        }
        check("topsecret\r\r\n", "topsecret\r");
    }

    #[test]
    fn a_text_has_colours_only_where_there_are_some() {
        let plain = Terminal { json: false, has_colours: false };
        let coloured = Terminal { json: false, has_colours: true };
        assert_eq!(plain.paint("ok", Colour::Good), "ok");
        assert_eq!(coloured.paint("ok", Colour::Good), "\u{1b}[32mok\u{1b}[0m");
    }
}
