//! Reads the file of users.

use std::{
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

use super::{Format, ImportArgs};
use crate::error::CommandError;

/// Returns the format that is named, or that of the file's name.
pub(super) fn format(args: &ImportArgs) -> Result<Format, CommandError> {
    let by_name = match args.file.extension().and_then(|end| end.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("jsonl" | "ndjson") => Some(Format::Jsonl),
        _ => None,
    };
    args.format.or(by_name).ok_or_else(|| {
        CommandError::Usage(
            "the file name does not end in .csv or .jsonl; pass --format csv or --format jsonl"
                .to_owned(),
        )
    })
}

/// Returns the text of the file, or of standard input.
pub(super) fn text(file: &Path) -> Result<Zeroizing<String>, CommandError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| CommandError::Usage(format!("cannot read {}: {error}", file.display())))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes
            .get(..error.valid_up_to())
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .count();
        CommandError::rejected(format!(
            "nothing was written; {}:{line}: not valid UTF-8",
            file.display()
        ))
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}
