//! Prints the outcome of an import.

use std::{io, path::Path};

use serde_json::{Value, json};

use super::{Import, ImportArgs, Wrong};
use crate::terminal::Terminal;

/// The number of invalid lines that are reported; the rest are counted.
const MAX_COMPLAINTS: usize = 100;

/// Prints the errors, except in JSON, where the summary contains them.
pub(super) fn print_errors(terminal: Terminal, file: &Path, wrong: &[Wrong]) -> io::Result<()> {
    if terminal.is_json() {
        return Ok(());
    }
    for Wrong { line, what } in wrong.iter().take(MAX_COMPLAINTS) {
        terminal.note(&format!("{}:{line}: {what}", file.display()))?;
    }
    match wrong.len().saturating_sub(MAX_COMPLAINTS) {
        0 => Ok(()),
        more => terminal.note(&format!("and {more} more")),
    }
}

/// Returns one line for people.
pub(super) fn progress_of(args: &ImportArgs, import: &Import) -> String {
    let Import { added, updated, present, conflicts, .. } = import;
    let updated = if args.update { format!(", updated: {updated}") } else { String::new() };
    let nothing = if args.dry_run { "nothing was written; " } else { "" };
    format!(
        "{nothing}added: {added}{updated}, already present: {present}, conflicts: {}",
        conflicts.len()
    )
}

pub(super) fn summary(args: &ImportArgs, import: &Import, bad: &[Wrong]) -> Value {
    let lines = |wrong: &[Wrong]| -> Value {
        wrong.iter().map(|Wrong { line, what }| json!({"line": line, "wrong": what})).collect()
    };
    let mut summary = json!({
        "users": import.users,
        "added": import.added,
        "present": import.present,
        "conflicts": lines(&import.conflicts),
        "bad": lines(bad),
    });
    if let Value::Object(members) = &mut summary {
        members.extend(args.update.then(|| ("updated".to_owned(), import.updated.into())));
        members.extend(args.dry_run.then(|| ("dry_run".to_owned(), true.into())));
    }
    summary
}
