//! Words that the style guide (`docs/src/internals/style.md`) replaces. No document, comment,
//! message, test name, template or script uses them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::tidy::everything;

/// Words and phrases that read like a translation, or that have another word here.
const BANNED: [&str; 54] = [
    "whoever",
    "whatever",
    "nobody",
    "somebody",
    "anybody",
    "anew",
    "ours",
    "of before",
    "for ever",
    "beside",
    "is there",
    "are there",
    "stand in",
    "stands in",
    "take back",
    "takes back",
    "taken back",
    "taking back",
    "shut out",
    "shuts out",
    "let in",
    "lets in",
    "has come",
    "have come",
    "makes no sense",
    "cannot be told",
    "as it is",
    "key ring",
    "directory user",
    "directory users",
    "one's own",
    "seal",
    "seals",
    "sealed",
    "mint",
    "mints",
    "minted",
    "remake",
    "remakes",
    "remade",
    "void",
    "voids",
    "voided",
    "forget",
    "forgets",
    "forgot",
    "forgotten",
    "refuse",
    "refuses",
    "refused",
    "refusal",
    "remember",
    "remembers",
    "remembered",
];

/// Phrases that contain a banned word and are right: protocol words, and plain English.
const ALLOWED: [&str; 3] = ["connection refused", "refused to connect", "soon as it is"];

/// The endings of the names of files with prose.
const READ: [&str; 11] =
    [".rs", ".md", ".yaml", ".yml", ".toml", ".html", ".py", ".sh", "/run", "/install", "/invoke"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the comments, messages and test names of Rust code. A string without a space is data,
/// not a message.
fn prose_of_rust(code: &str) -> String {
    let (mut prose, mut rest, mut is_test) = (String::new(), code, false);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let line = rest.lines().next().unwrap();
            prose.push_str(line.trim_start_matches(['/', '!']));
            prose.push('\n');
            line.len()
        } else if let Some(length) = string_length(rest) {
            if rest[..length].contains(' ') {
                prose.extend(["\n", &without_placeholders(&rest[..length]), "\n"]);
            }
            length
        } else if rest.starts_with("b\"") {
            1 + string_length(&rest[1..]).unwrap()
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else {
            is_test |= rest.starts_with("#[test]") || rest.starts_with("#[tokio::test");
            if let Some(name) = rest.strip_prefix("fn ").filter(|_| std::mem::take(&mut is_test)) {
                prose.extend(["\n", &name.split('(').next().unwrap().replace('_', " "), ".\n"]);
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    prose
}

/// Returns the length of the string literal, raw or not, at the beginning of this code.
fn string_length(code: &str) -> Option<usize> {
    let hashes =
        code.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
    if hashes > 0 {
        let inside = code[1 + hashes..].strip_prefix('"')?;
        let end = inside.find(&format!("\"{}", "#".repeat(hashes)))?;
        return Some(code.len() - inside.len() + end + 1 + hashes);
    }
    let mut characters = code.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Returns a string literal without the names of variables in it, and with spaces for escaped line
/// breaks.
fn without_placeholders(string: &str) -> String {
    let string = string.replace("\\n", " ");
    string.split('{').map(|part| part.rsplit('}').next().unwrap()).collect::<Vec<_>>().join(" … ")
}

/// Returns the prose of a file.
fn prose(path: &str, text: &str) -> String {
    if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
        return prose_of_rust(text);
    }
    // The words of a generated part are those of the code.
    let (before, rest) = text.split_once("<!-- begin -->").unwrap_or((text, ""));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_default();
    format!("{before}{after}")
        .lines()
        .map(|line| line.trim_start_matches([' ', '#']))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns a line without the code in backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    if parts.len().is_multiple_of(2) {
        line.to_owned()
    } else {
        parts.into_iter().step_by(2).collect::<Vec<_>>().join(" … ")
    }
}

/// Returns every banned word in this prose, with the words around it. Code in backticks is not
/// prose, and neither is a part of an identifier, an option or a path.
fn banned(prose: &str) -> Vec<String> {
    let lines: Vec<String> = prose.lines().map(without_code).collect();
    let mut text = lines.join(" ").to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    for phrase in ALLOWED {
        text = text.replace(phrase, "…");
    }
    let is_part = |character: char| character.is_alphanumeric() || "_-/=.$[(&".contains(character);
    let mut found = Vec::new();
    for word in BANNED {
        for (at, _) in text.match_indices(word) {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            let ends = after.strip_prefix('.').unwrap_or(after);
            if !before.ends_with(is_part) && !ends.starts_with(is_part) {
                let start = before.char_indices().rev().nth(30).map_or(0, |(at, _)| at);
                found.push(format!(
                    "{word}: …{}{word}{}",
                    &before[start..],
                    after.chars().take(20).collect::<String>()
                ));
            }
        }
    }
    found
}

#[test]
fn no_file_uses_a_banned_word() {
    let files: Vec<String> = everything()
        .into_iter()
        .chain([".ci/run".to_owned()])
        .filter(|path| !path.contains("node_modules/") && !path.starts_with("docs/book/"))
        .filter(|path| READ.iter().any(|end| path.ends_with(end)) && root().join(path).is_file())
        .filter(|path| path != "tests/tests/words.rs")
        .collect();
    assert!(files.len() > 150, "{files:?}");
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        wrong.extend(banned(&prose(&path, &text)).iter().map(|word| format!("{path}: {word}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_banned_word_is_found_in_prose_alone() {
    let code = r##"
        /// The key is ours, and `void` is code.
        fn void() { let _ = ("nobody", "let {nobody} go", b"nobody is here", '"', r#"he said "nobody" twice"#); }
        #[test]
        fn whatever_happens() { assert!(ours == "connection refused", "nobody\n else"); } // As soon as it is. As it is.
    "##;
    let found = banned(&prose("a.rs", code));
    let words: Vec<&str> = found.iter().map(|found| found.split(':').next().unwrap()).collect();
    assert_eq!(words, ["whatever", "nobody", "nobody", "ours", "as it is"], "{found:#?}");
    let script = "# Takes what nobody\n# wants: --remember-me, seal_key, $void\nrefuse=1\n";
    let found = banned(&prose("tests/a/run", script));
    assert!(matches!(&found[..], [word] if word.starts_with("nobody: ")), "{found:?}");
}

#[test]
fn the_readme_stays_short() {
    let words = fs::read_to_string(root().join("README.md")).unwrap().split_whitespace().count();
    assert!(words < 1_000, "README.md has {words} words");
}
