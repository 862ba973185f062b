//! The words that documents do not use (`docs/src/internals/style.md`).

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Words and phrases that read like a translation, or that have another word here.
const BANNED: [&str; 23] = [
    "whoever",
    "whatever",
    "nobody",
    "somebody",
    "anew",
    "of ours",
    "of before",
    "for ever",
    "beside",
    "is there",
    "stands in",
    "take back",
    "taken back",
    "shut out",
    "shuts out",
    "let in",
    "lets in",
    "has come",
    "makes no sense",
    "cannot be told",
    "as it is",
    "key ring",
    "directory user",
];

/// The documents that are read as a whole.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"].map(|name| root.join(name)).into();
    let mut folders = vec![root.join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The text in lower case, with one space between words and none of its punctuation.
fn plain(text: &str) -> String {
    let letters: String =
        text.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    format!(" {} ", letters.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A document without its generated part, whose words are those of the code.
fn by_hand(text: &str) -> String {
    let (before, rest) = text.split_once("<!-- begin -->").unwrap_or((text, ""));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_default();
    format!("{before}{after}")
}

#[test]
fn no_document_uses_a_banned_word() {
    let documents = documents();
    assert!(documents.len() > 25, "{documents:?}");
    for path in documents {
        let text = plain(&by_hand(&fs::read_to_string(&path).unwrap()));
        for word in BANNED {
            assert!(!text.contains(&format!(" {word} ")), "{}: {word}", path.display());
        }
    }
}

#[test]
fn the_readme_stays_short() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md")).unwrap();
    let words = readme.split_whitespace().count();
    assert!(words < 1_000, "README.md has {words} words");
}
