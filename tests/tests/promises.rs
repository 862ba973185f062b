//! Every promise of SECURITY.md has a test, and the code keeps the rules about secrets that no lint
//! of the compiler checks.

use std::{fs, path::Path};

/// Every type that holds a secret, or a part of one that must not be compared byte by byte.
const SECRETS: [(&str, &str); 10] = [
    ("shared/token/src/secret.rs", "Entropy"),
    ("shared/token/src/secret.rs", "Text"),
    ("shared/token/src/secret.rs", "Digest"),
    ("shared/token/src/credential.rs", "Login"),
    ("shared/token/src/keyring.rs", "Key"),
    ("shared/token/src/keyring.rs", "KeyText"),
    ("shared/token/src/codec.rs", "SignedSecret"),
    ("shared/token/src/codec/jwt.rs", "Claims"),
    ("shared/runtime/src/entropy.rs", "Randomness"),
    ("shared/web/src/form.rs", "Form"),
];

/// Words of a line that handles a secret.
const AT_HAND: [&str; 6] =
    ["expose_secret", "secret(", "password.", "password)", "jti", "self.tag"];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every Rust file of the product.
fn product() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut files, mut folders) = (
        Vec::new(),
        ["shared", "functions", "hallpass", "dev"].map(|folder| root.join(folder)).to_vec(),
    );
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files
}

/// Returns the code of a file, without its tests and comments.
fn code(path: &str) -> Vec<String> {
    let text = read(path);
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    lines.filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect()
}

#[test]
fn no_type_of_a_secret_derives_debug_or_equality() {
    for (path, name) in SECRETS {
        let lines = code(path);
        let declared = |line: &str| {
            let rest = line.split("struct ").nth(1).and_then(|rest| rest.strip_prefix(name));
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
        };
        let at = lines
            .iter()
            .position(|line| declared(line))
            .unwrap_or_else(|| panic!("{path} has no {name}"));
        let derives = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        for derive in derives {
            for bad in ["Debug", "PartialEq", "Hash", "PartialOrd"] {
                assert!(!derive.contains(bad), "{name} derives {bad}");
            }
        }
    }
    for path in product() {
        for line in code(&path) {
            let own = ["PartialEq", "PartialOrd", "Display"]
                .iter()
                .any(|name| line.contains(&format!("{name} for ")));
            let of = SECRETS.iter().find(|(_, name)| line.contains(&format!(" for {name} ")));
            assert!(!own || of.is_none(), "{path}: {line}");
        }
    }
}

#[test]
fn no_secret_is_compared_with_an_operator() {
    let mut seen = 0;
    for path in product() {
        for line in code(&path) {
            let at_hand = AT_HAND.iter().any(|word| line.contains(word));
            seen += usize::from(at_hand);
            assert!(!(at_hand && (line.contains("==") || line.contains("!="))), "{path}: {line}");
        }
    }
    assert!(seen > 30, "the code no longer uses these words: {seen}");
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let text = read("SECURITY.md");
    let mut named = 0;
    for quoted in text.split('`').skip(1).step_by(2) {
        if let Some((path, test)) = quoted.split_once(".rs::") {
            assert!(
                read(&format!("{path}.rs")).contains(&format!("fn {test}(")),
                "{path} has no test {test}"
            );
            named += 1;
        } else if ["tests/", "tools/", "fuzz/", ".ci/", "shared/"]
            .iter()
            .any(|folder| quoted.starts_with(folder))
        {
            read(quoted);
        }
    }
    assert!(named > 60, "SECURITY.md names {named} tests");
    let (_, promises) = text.split_once("\n## Promises\n").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let rows =
        promises.lines().filter(|line| line.starts_with("| ") && *line != "| promise | held by |");
    for row in rows {
        let (_, held_by) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        let is_held = [".rs::", "`fuzz/run`", "/run`"].iter().any(|test| held_by.contains(test));
        assert!(is_held, "no test for: {row}");
    }
}

#[test]
fn the_readme_links_to_the_promises() {
    assert!(read("README.md").contains("](SECURITY.md)"));
}
