//! Prompts, tables, JSON and colours.
//!
//! Results go to standard output and everything else to standard error, so that a command can be
//! used in a pipe.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use console::Term;
use hallpass_runtime::settings;
use hallpass_token::{Text, secret::Digest};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use hallpass_token::redact::redact;

use crate::{pasted::without_basic, table::Pages};

/// How a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    json: bool,
    has_colours: bool,
    /// The width of standard output, if it is a terminal.
    width: Option<usize>,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A passed check.
    Good,
    /// A warning.
    Warning,
    /// A failed check.
    Bad,
    /// The head of a table.
    Title,
}

impl Terminal {
    /// Creates a terminal. It has colours if standard output is a terminal that supports them and
    /// `NO_COLOR` is not set (<https://no-color.org>), and never in JSON.
    pub fn new(json: bool) -> Self {
        let set = |name| settings::environment(name).filter(|value| !value.is_empty());
        let is_dumb = set("TERM").is_none_or(|term| term == "dumb");
        let has_colours =
            !json && io::stdout().is_terminal() && set("NO_COLOR").is_none() && !is_dumb;
        let size = io::stdout().is_terminal().then(|| Term::stdout().size_checked()).flatten();
        Self { json, has_colours, width: size.map(|(_, columns)| columns.into()) }
    }

    /// Returns whether output is JSON.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Returns whether standard output has colours.
    pub(crate) const fn has_colours(self) -> bool {
        self.has_colours
    }

    /// Prints one line, or its JSON value.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard output cannot be written.
    pub fn say(self, text: &str, json: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{json}")?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()
    }

    /// Prints a secret that is shown once, or its JSON value.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard output is closed or cannot be written.
    pub fn say_secret(self, text: &str, json: &Value) -> io::Result<()> {
        if is_output_closed() {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "standard output is closed"));
        }
        self.say(text, json)
    }

    /// Prints rows in aligned columns under a head, or their JSON value.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard output cannot be written.
    pub fn table<const N: usize>(
        self,
        head: [&'static str; N],
        rows: &[[String; N]],
        json: &Value,
    ) -> io::Result<()> {
        if self.json {
            return self.say("", json);
        }
        let mut pages = Pages::new(self, head, None);
        pages.print(rows, &[])?;
        pages.end()
    }

    /// Starts a list that is printed a page at a time, so that only one page is in memory, and that
    /// fits the terminal.
    pub fn pages<const N: usize>(self, head: [&'static str; N]) -> Pages<N> {
        Pages::new(self, head, self.width)
    }

    /// Prints a note to standard error.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard error cannot be written.
    pub fn note(self, text: &str) -> io::Result<()> {
        let text = &redact(text);
        if self.json {
            return writeln!(io::stderr(), "{}", json!({ "note": text }));
        }
        writeln!(io::stderr(), "hallpass: {}", printable(text))
    }

    /// Prints the error of a command to standard error.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard error cannot be written.
    pub fn print_error(self, error: &str, status: u8) -> io::Result<()> {
        let error = &redact(error);
        if self.json {
            return writeln!(io::stderr(), "{}", json!({"error": error, "status": status}));
        }
        self.note(error)
    }

    /// Colours the text if the terminal has colours.
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

/// Creates a progress bar on standard error, shown only on a terminal. Without a total it shows a
/// count.
pub fn progress(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} [{wide_bar}] {pos}/{len}, {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {msg} {pos}"),
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_message(what)
}

/// Replaces characters that a terminal would interpret in text from an application or a user:
/// control characters, and those that end a line or change the direction of the text around them.
pub fn printable(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || hallpass_password::text::is_bidi_control(c)
            || matches!(c, '\u{2028}' | '\u{2029}')
    };
    text.chars().map(|c| if acts(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Returns the beginning of user input for a message: redacted, printable, and at most 64
/// characters.
pub fn excerpt(text: &str) -> String {
    const MAX_LENGTH: usize = 64;
    // Redact first: a truncated secret is no longer recognizable.
    let text = &redact(text);
    let begin: String = printable(text).chars().take(MAX_LENGTH).collect();
    if text.chars().count() > MAX_LENGTH { format!("{begin}…") } else { begin }
}

/// Returns whether the process was started without a standard output. The Rust runtime then opens
/// `/dev/null` for reading and writing, which no shell does. Without `/proc`, standard output
/// counts as open.
fn is_output_closed() -> bool {
    let is_null = std::fs::read_link("/proc/self/fd/1")
        .is_ok_and(|target| target == std::path::Path::new("/dev/null"));
    let info = std::fs::read_to_string("/proc/self/fdinfo/1").unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    is_null && flags.is_some_and(|flags| flags.trim_end().ends_with('2'))
}

/// Reads a secret: from a prompt without echo on a terminal, otherwise from the first line of
/// standard input. A secret is never an argument, because every process on the machine can read
/// arguments.
///
/// # Errors
/// Returns an [`io::Error`] if standard input is empty or cannot be read.
fn secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("{prompt}: ")).map(Zeroizing::new);
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input is empty"));
    }
    Ok(Zeroizing::new(first_line(&line).to_owned()))
}

/// Removes the line ending and a leading byte order mark, and nothing else.
fn first_line(line: &str) -> &str {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Reads a token: from a prompt without echo on a terminal, otherwise from all of standard input.
/// Quotes, white space and the scheme of a header around the token are removed; the scheme Basic
/// carries the token as its user name.
///
/// # Errors
/// Returns an [`io::Error`] if the input has no token or cannot be read.
pub fn token(prompt: &str) -> io::Result<Text> {
    if io::stdin().is_terminal() {
        return Ok(without_basic(Text::pasted(&secret(prompt)?)));
    }
    let mut all = Zeroizing::new(String::new());
    io::stdin().lock().take(MAX_INPUT_LENGTH).read_to_string(&mut all)?;
    let text = without_basic(Text::pasted(&all));
    if text.expose_secret().is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "standard input contains no token",
        ));
    }
    Ok(text)
}

/// The most that [`token`] reads, in bytes: more than any token and the text around it.
const MAX_INPUT_LENGTH: u64 = 65_536;

/// Reads a new secret, twice on a terminal.
///
/// # Errors
/// Returns an [`io::Error`] if standard input is empty or cannot be read, or if the two inputs
/// differ.
pub fn new_secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    let first = secret(prompt)?;
    if io::stdin().is_terminal()
        && !Digest::of(first.as_bytes()).is_of(secret(&format!("{prompt} again"))?.as_bytes())
    {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two inputs do not match"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_terminal_interprets_are_replaced_and_long_input_is_cut() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{7f}"), "a\u{fffd}[31mb\u{fffd}\u{fffd}");
        assert_eq!(
            printable("ad\u{202e}a\u{2066}b\u{2028}c\u{85}"),
            "ad\u{fffd}a\u{fffd}b\u{fffd}c\u{fffd}"
        );
        assert_eq!(printable("Ölaf 日本 e\u{301}"), "Ölaf 日本 e\u{301}");
        assert_eq!(excerpt("<b>ada</b>"), "<b>ada</b>");
        assert_eq!(excerpt(&"x".repeat(10_000)).chars().count(), 65);
    }

    #[test]
    fn a_piped_line_loses_its_ending_and_nothing_else() {
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
    fn text_is_coloured_only_on_a_terminal_with_colours() {
        let plain = Terminal { json: false, has_colours: false, width: None };
        let coloured = Terminal { json: false, has_colours: true, width: None };
        assert_eq!(plain.paint("ok", Colour::Good), "ok");
        assert_eq!(coloured.paint("ok", Colour::Good), "\u{1b}[32mok\u{1b}[0m");
    }
}
