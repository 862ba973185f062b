//! `hallpass token scanner-rules`, and what secret scanners find with the rules.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hallpass_runtime::local::RunningStack;
use hallpass_token::{
    Entropy, Issuer, Keyring, Timestamp,
    codec::{developer, signed},
};
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dev::run;

const KEYRING: &str =
    r#"[{"id":"test","key":"tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM","signs_from":0}]"#;

/// The prefixes with which the rules are tested, and whether tokens have a checksum.
const DEPLOYMENTS: [(&str, bool); 5] = [
    ("acme_", false),
    ("acme_", true),
    ("-A-", true),
    ("zq", false),
    ("0123456789_abcdefghi", true),
];

fn issuer(prefix: &str, has_checksum: bool) -> Issuer {
    let issuer = Issuer::new(prefix, "hallpass").unwrap();
    if has_checksum { issuer.with_checksum().unwrap() } else { issuer }
}

/// Tokens of different users, in both formats.
fn issued(issuer: &Issuer) -> Vec<String> {
    let keyring = Keyring::parse(KEYRING).unwrap();
    let now = Timestamp::from_unix(1_800_000_000).unwrap();
    let longest = "a".repeat(64);
    let users =
        ["1", "01JZ8QXV5N3M4K7T9R2W6Y0HBC", "b8f1d2c4-5e6f-4a7b-8c9d-0e1f2a3b4c5d", &longest];
    let both = |(seed, user): (u8, &str)| {
        let user = user.parse().unwrap();
        let secret: [u8; 16] =
            std::array::from_fn(|at| u8::try_from(at * at * 7 % 251).unwrap() ^ (seed * 53));
        let secret = Entropy::new(secret);
        let end = now.after(Duration::from_secs(u64::from(seed) * 86_400));
        [
            signed::sign(&keyring, issuer, now, user, end, &secret).unwrap(),
            developer::sign(&keyring, issuer, now, user, &secret).unwrap(),
        ]
        .map(|issued| issued.text.expose_secret().to_owned())
    };
    (1..).zip(users).flat_map(both).collect()
}

/// A file in which tokens stand as people leave them.
fn leaking(tokens: &[String]) -> String {
    let forms =
        ["TOKEN=@\n", "{\"token\":\"@\"}\n", "curl -H 'Authorization: Bearer @' x\n", "@\n"];
    let line = |(form, token): (&&str, &String)| form.replace('@', token);
    forms.iter().cycle().zip(tokens).map(line).collect()
}

/// Lines that look like a token of this prefix and are none.
fn near_misses(prefix: &str, tokens: &[String]) -> String {
    let secret = "vhZ2k9Q1xX0pTgq3bM7LrJ8sYwCdEfUaNoKiHtRuPlU";
    let mut lines = vec![
        format!("{prefix}1.24LZRCIrYYNTCeRZ6quIqQ is the ID of a token"),
        format!("{prefix}6879-{}", "X".repeat(42) + "A"),
        format!("{prefix}6879-{}", &secret[1..]),
        format!("{prefix}6879-{secret}A"),
        format!("{prefix}6879-{}V", &secret[..42]),
        format!("{prefix}1.6B49D23C.{secret}"),
        format!("{prefix}1.06b49d23c.{secret}"),
        format!("{prefix}1.6b49d23c.{}", &secret[1..]),
        format!("{prefix}.6b49d23c.{secret}"),
        format!("{prefix}<user>.<expiry>.<secret>"),
        format!("the {prefix} of {prefix}corporation, or {prefix}1.2.3 of its software"),
        "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY".to_owned(),
    ];
    lines.extend(tokens.iter().map(|token| token.replacen(prefix, "other:", 1)));
    lines.join("\n")
}

async fn rules(arguments: &[&str]) -> String {
    let arguments = [&["token", "scanner-rules"], arguments].concat();
    let (code, printed) = run(Path::new("/nowhere"), &arguments, "").await;
    assert_eq!(code, 0, "{printed}");
    printed
}

/// The arguments that describe a deployment.
fn described(prefix: &str, has_checksum: bool) -> Vec<String> {
    let checksum = has_checksum.then(|| "--checksum".to_owned());
    [format!("--prefix={prefix}")].into_iter().chain(checksum).collect()
}

async fn rules_of(scanner: &str, prefix: &str, has_checksum: bool) -> String {
    let described = described(prefix, has_checksum);
    let arguments: Vec<&str> =
        [scanner].into_iter().chain(described.iter().map(String::as_str)).collect();
    rules(&arguments).await
}

/// The texts that expressions find, each with one group.
fn found(expressions: &[String], text: &str) -> Vec<String> {
    let find = |expression: &String| -> Vec<String> {
        let expression = Regex::new(expression).unwrap();
        expression.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    let mut found: Vec<_> = expressions.iter().flat_map(find).collect();
    found.sort();
    found
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

#[tokio::test]
async fn the_expressions_for_github_and_trufflehog_find_every_token_and_nothing_else() {
    for (prefix, has_checksum) in DEPLOYMENTS {
        let github = rules_of("--github", prefix, has_checksum).await;
        let github: Vec<String> = github.lines().map(str::to_owned).collect();
        let trufflehog = rules_of("--trufflehog", prefix, has_checksum).await;
        let config: Value = yaml_serde::from_str(&trufflehog).unwrap();
        let detectors = config["detectors"].as_array().unwrap();
        let tokens = issued(&issuer(prefix, has_checksum));
        for detector in detectors {
            assert_eq!(detector["regex"].as_object().unwrap().len(), 1, "all would have to match");
            let keyword = detector["keywords"][0].as_str().unwrap();
            assert!(tokens.iter().any(|token| token.contains(keyword)), "{keyword}");
        }
        let expressions: Vec<String> = detectors
            .iter()
            .map(|detector| detector["regex"]["token"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(github, expressions);
        assert_eq!(found(&github, &leaking(&tokens)), sorted(tokens.clone()), "{prefix}");
        // What is left of a placeholder is below the entropy that the rules ask for.
        let near = near_misses(prefix, &tokens);
        let placeholder = format!("{prefix}6879-{}A", "X".repeat(42));
        assert_eq!(found(&github, &near), [placeholder], "{prefix}");
        assert!(detectors.iter().all(|detector| detector["entropy"] == json!(3)));
    }
}

/// Returns the path of gitleaks, or `None` if it is not installed.
fn gitleaks() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/gitleaks/.installed");
    let path = folder.join("gitleaks");
    if !path.exists() {
        skip("tools/gitleaks/install has not been run");
        return None;
    }
    Some(path)
}

#[expect(
    clippy::explicit_write,
    reason = "the output of the macros is shown only when a test fails"
)]
fn skip(why: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "skipped: {why}").unwrap();
}

/// The texts that gitleaks finds in a file with this text.
fn scanned(gitleaks: &Path, rules: &str, text: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("files")).unwrap();
    fs::write(path("files/notes.txt"), text).unwrap();
    fs::write(path("rules.toml"), rules).unwrap();
    let ran = Command::new(gitleaks)
        .arg("dir")
        .arg(path("files"))
        .args(["--no-banner", "--exit-code=0", "--report-format=json", "--config"])
        .arg(path("rules.toml"))
        .arg("--report-path")
        .arg(path("report.json"))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value =
        serde_json::from_str(&fs::read_to_string(path("report.json")).unwrap()).unwrap();
    let secret = |finding: &Value| finding["Secret"].as_str().unwrap().to_owned();
    sorted(report.as_array().unwrap().iter().map(secret).collect())
}

#[tokio::test]
async fn gitleaks_finds_every_token_and_nothing_else() {
    let Some(gitleaks) = gitleaks() else { return };
    for (prefix, has_checksum) in DEPLOYMENTS {
        let rules = rules_of("--gitleaks", prefix, has_checksum).await;
        let tokens = issued(&issuer(prefix, has_checksum));
        let found = scanned(&gitleaks, &rules, &leaking(&tokens));
        assert_eq!(found, sorted(tokens.clone()), "{prefix} {has_checksum}");
        let near = near_misses(prefix, &tokens);
        assert_eq!(scanned(&gitleaks, &rules, &near), Vec::<String>::new(), "{prefix}");
        if has_checksum {
            // Tokens from before the checksum was switched on are valid as well.
            let before = issued(&issuer(prefix, false));
            assert_eq!(scanned(&gitleaks, &rules, &leaking(&before)), sorted(before.clone()));
        }
    }
}

/// Writes the file of a running stack whose functions have these variables.
fn stack(variables: &[(&str, &str)]) -> TempDir {
    let data = TempDir::new().unwrap();
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: BTreeMap<String, String> = variables.iter().map(pair).collect();
    let running = RunningStack { url: "https://localhost".to_owned(), environment };
    running.write(data.path()).unwrap();
    data
}

#[tokio::test]
async fn the_prefix_is_that_of_the_stack_unless_it_is_among_the_arguments() {
    let check = async |variables: &[(&str, &str)], arguments: &[&str], code: i32, words: &str| {
        let data = stack(variables);
        let arguments = [&["token", "scanner-rules"], arguments].concat();
        let (ended, printed) = run(data.path(), &arguments, "").await;
        assert_eq!(ended, code, "{variables:?} {arguments:?}: {printed}");
        assert!(printed.contains(words), "{variables:?} {arguments:?}: {printed}");
    };
    let (prefix, on) = (("HALLPASS_PREFIX", "acme_"), ("HALLPASS_TOKEN_CHECKSUM", "on"));
    check(&[prefix], &["--github"], 0, r"\b(acme_6879-[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\b")
        .await;
    check(&[prefix, on], &["--github"], 0, "(?:[0-4][0-9A-Za-z]{5})?)\\b\n").await;
    check(&[prefix, on], &["--prefix=b_"], 0, "id = \"hallpass-b-developer-token\"").await;
    check(&[prefix], &[], 0, "keywords = [\"acme_\"]").await;
    check(&[], &[], 1, "set HALLPASS_PREFIX to one of your own").await;
    check(&[], &["--prefix="], 1, "have no prefix").await;
    check(&[], &["--prefix=", "--checksum"], 1, "a checksum needs a prefix").await;
    check(&[], &["--prefix=a b"], 1, "the prefix must have at most 20 characters").await;
    check(&[on], &[], 2, "HALLPASS_TOKEN_CHECKSUM: it needs HALLPASS_PREFIX").await;
    check(&[prefix], &["--checksum"], 2, "--prefix").await;
    check(&[prefix], &["--github", "--gitleaks"], 2, "cannot be used with").await;
    let (code, printed) = run(Path::new("/nowhere"), &["token", "scanner-rules"], "").await;
    assert_eq!(code, 2, "{printed}");
}

#[tokio::test]
async fn the_rules_in_json_are_the_same_for_every_scanner() {
    let all: Vec<Value> = [rules(&["--json", "--prefix=Acme-"]).await]
        .into_iter()
        .chain([rules_of("--json", "Acme-", false).await])
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect();
    assert_eq!(all[0], all[1]);
    assert_eq!(
        all[0]["rules"][1],
        json!({
            "name": "hallpass-Acme-developer-token",
            "format": "developer",
            "keyword": "Acme-6879-",
            "regex": r"\b(Acme-6879-[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\b",
        })
    );
}

#[tokio::test]
async fn a_token_with_a_checksum_in_place_of_a_name_is_recognized_and_not_shown() {
    // Without HALLPASS_PREFIX, prefix and user ID together are read as a user ID.
    let is_short = |token: &String| !token.contains("aaaa");
    for token in issued(&issuer("acme_", true)).into_iter().filter(is_short) {
        let (code, printed) = run(Path::new("/nowhere"), &["user", "show", &token], "").await;
        let (_, end) = token.split_at(token.len() - 49);
        assert!(code == 2 && !printed.contains(end), "{printed}");
        assert!(printed.contains("this is a"), "{printed}");
    }
}

#[tokio::test]
async fn inspect_says_whether_the_checksum_is_right() {
    let inspect = async |input: &str| {
        let arguments = ["--json", "token", "inspect", "--prefix=acme_"];
        let (code, printed) = run(Path::new("/nowhere"), &arguments, input).await;
        assert_eq!(code, 0, "{printed}");
        serde_json::from_str::<Value>(&printed).unwrap()["is_checksum_right"].clone()
    };
    for (plain, checked) in
        issued(&issuer("acme_", false)).iter().zip(issued(&issuer("acme_", true)))
    {
        assert_eq!(inspect(plain).await, Value::Null);
        assert_eq!(inspect(&checked).await, json!(true));
        let (rest, _) = checked.split_at(checked.len() - 6);
        assert_eq!(inspect(&format!("{rest}000000")).await, json!(false));
    }
}
