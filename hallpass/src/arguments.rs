//! Parses the command line. Error messages never repeat what was typed:
//! `hallpass token revoke "$TOKEN"` and `hallpass user passwd ada PASSWORD` would otherwise show a
//! secret on the terminal, in a log or in a CI job.

use std::ffi::OsString;

use clap::{
    FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};
#[cfg(feature = "dev")]
use hallpass_token::Period;

use crate::{
    cli::{self, Cli},
    pasted,
};

/// Why parsing gave no command to run.
#[derive(Debug)]
pub enum Stop {
    /// The user requested help or the version; clap prints it.
    Help(clap::Error),
    /// The arguments are invalid; holds a one-line explanation.
    Bad(String),
}

/// Parses the arguments. The first one is the name of the program.
///
/// # Errors
/// Returns a [`Stop`] if the user requested help or the version, or if the arguments are invalid.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Stop> {
    let words: Vec<OsString> = words.into_iter().collect();
    let matches = cli::command().try_get_matches_from(&words);
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        let asks_for_help = matches!(
            error.kind(),
            ErrorKind::DisplayHelp
                | ErrorKind::DisplayVersion
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::MissingSubcommand
        );
        if asks_for_help { Stop::Help(error) } else { Stop::Bad(explain(&error, &words)) }
    })
}

/// Describes clap's error without the user's input. It repeats only names that this command
/// defines.
#[expect(clippy::wildcard_enum_match_arm, reason = "clap may grow kinds of errors")]
fn explain(error: &clap::Error, words: &[OsString]) -> String {
    let argument =
        || own(error, ContextKind::InvalidArg).unwrap_or_else(|| "an argument".to_owned());
    let mut line = match error.kind() {
        ErrorKind::UnknownArgument => {
            format!("{} is not expected here", place(error, ContextKind::InvalidArg, words))
        }
        ErrorKind::InvalidSubcommand => {
            format!("{} is not a subcommand", place(error, ContextKind::InvalidSubcommand, words))
        }
        ErrorKind::InvalidValue
            if typed(error, ContextKind::InvalidValue).is_none_or(str::is_empty) =>
        {
            format!("{} needs a value", argument())
        }
        ErrorKind::InvalidValue => match own(error, ContextKind::ValidValue) {
            Some(values) => {
                format!("{}: the value is not one of the possible values: {values}", argument())
            }
            None => format!("{}: invalid value", argument()),
        },
        ErrorKind::ValueValidation => match std::error::Error::source(error) {
            // Every value parser describes the error without the value.
            Some(wrong) => format!("{}: {wrong}", argument()),
            None => format!("{}: invalid value", argument()),
        },
        ErrorKind::MissingRequiredArgument => format!("missing required argument: {}", argument()),
        ErrorKind::ArgumentConflict => match own(error, ContextKind::PriorArg) {
            Some(other) if other == argument() => format!("{other} is given more than once"),
            Some(other) => format!("{} cannot be used with {other}", argument()),
            None => format!("{} cannot be used twice", argument()),
        },
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        _ => "invalid combination of arguments".to_owned(),
    };
    if let Some((place, advice)) = token(error, words) {
        line = format!("{}: {advice}", place.unwrap_or_else(argument));
    }
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        if let Some(name) = own(error, kind) {
            line.push_str("; a similar name exists: ");
            line.push_str(&name);
        }
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = usage.to_string();
        line.push_str("; usage:");
        let words = usage.split_whitespace().filter(|word| *word != "Usage:");
        words.for_each(|word| {
            line.push(' ');
            line.push_str(word);
        });
    }
    line
}

/// Looks for a token among all arguments, also of another error. Returns its place, or `None`
/// if it is the value of the argument that clap names, and what to do with it.
fn token(error: &clap::Error, words: &[OsString]) -> Option<(Option<String>, String)> {
    let is_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    let value = typed(error, ContextKind::InvalidValue).filter(|_| is_value);
    if let Some(advice) = value.and_then(pasted::advice) {
        return Some((None, advice));
    }
    let advice = |(word, number): (&OsString, usize)| {
        Some((Some(format!("argument {number}")), pasted::advice(word.to_str()?)?))
    };
    words.iter().skip(1).zip(1..).find_map(advice)
}

/// Returns names that this command defines.
#[expect(clippy::wildcard_enum_match_arm, reason = "clap may grow kinds of values")]
fn own(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(name) => Some(name.clone()),
        ContextValue::Strings(names) => Some(names.join(", ")),
        _ => None,
    }
}

fn typed(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    if let ContextValue::String(word) = error.get(kind)? { Some(word) } else { None }
}

/// Describes an argument by its position instead of its text.
fn place(error: &clap::Error, kind: ContextKind, words: &[OsString]) -> String {
    let word = typed(error, kind).unwrap_or_default();
    let is_word = |other: &OsString| {
        other.to_str().is_some_and(|other| !word.is_empty() && other.starts_with(word))
    };
    match words.iter().skip(1).position(is_word) {
        Some(index) => format!("argument {}", index.saturating_add(1)),
        None => "an argument".to_owned(),
    }
}

/// Parses a TCP port; 0 selects any free port.
#[cfg(feature = "dev")]
pub(crate) fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "must be a port number from 0 to 65535")
}

/// Parses how long a gateway caches responses, in seconds.
#[cfg(feature = "dev")]
pub(crate) fn cache(text: &str) -> Result<u32, &'static str> {
    let length = text.parse().ok().and_then(Period::fixed);
    let seconds = length.and_then(|length| u32::try_from(length.as_secs()).ok());
    seconds
        .filter(|seconds| *seconds <= 3_600)
        .ok_or("must be a duration of at most an hour, as in API Gateway, such as 0, 300 or 5m")
}

/// Parses a number of rows.
pub(crate) fn count(text: &str) -> Result<usize, &'static str> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or("must be a whole number of at least 1")
}
