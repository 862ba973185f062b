//! The reference pages of the documentation: the generated parts are up to date, and the
//! handwritten parts are complete. `HALLPASS_WRITE_DOCS=1` writes the generated parts instead of
//! comparing them.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use hallpass_audit::Kind;
use hallpass_runtime::settings::reference::{AWS_SETTINGS, SETTINGS, Setting};
use hallpass_token::Reason;
use tests::{TEMPLATE, generated};

/// The variables that the command reads in place of options.
const COMMAND_SETTINGS: [(&str, &str); 3] = [
    ("HALLPASS_DATA", "The data directory of the development stack, in place of `--data`."),
    (
        "HALLPASS_STACK",
        "The deployed stack, in place of `--stack`; `--data` on the command line takes precedence.",
    ),
    ("HALLPASS_PROFILE", "The AWS profile, in place of `--profile`."),
];

/// The variables that only tests and their tools read.
const TEST_SETTINGS: [(&str, &str); 7] = [
    ("HALLPASS_LONG", "`1`: runs the long forms of the tests that have one."),
    (
        "HALLPASS_TEST_BROWSER",
        "`required`: fails where there is no browser. `off`: skips the browser tests.",
    ),
    ("HALLPASS_TEST_ENDPOINT", "Runs the tests over the DynamoDB at this URL."),
    ("HALLPASS_TEST_SHOTS", "Keeps screenshots of the pages in this directory."),
    ("HALLPASS_WRITE_DOCS", "`1`: writes the generated pages instead of comparing them."),
    ("HALLPASS_MUTANT", "Selects the mutant in a build of `tools/mutants/run`."),
    ("HALLPASS_MUTANTS_REACHED", "Where such a build lists the mutants that it reached."),
];

const BEGIN: &str = "<!-- begin -->\n";
const END: &str = "<!-- end -->\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/src/reference").join(name)).unwrap()
}

/// Compares the generated part of a page, or writes it.
fn check_generated(name: &str, generated: &str) {
    let text = page(name);
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let whole = format!("{before}{BEGIN}{generated}{END}{after}");
    generated::check(&format!("docs/src/reference/{name}"), &text, &whole);
}

/// A parameter of the template.
#[derive(Default)]
struct Parameter {
    default: String,
    description: String,
}

/// Returns the parameters of the template by name.
fn parameters() -> BTreeMap<&'static str, Parameter> {
    let (_, section) = TEMPLATE.split_once("\nParameters:\n").unwrap();
    let (section, _) = section.split_once("\nRules:\n").unwrap();
    let mut found: BTreeMap<&str, Parameter> = BTreeMap::new();
    let mut current = "";
    for line in section.lines() {
        if let Some(name) = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'))
            && !name.starts_with(' ')
        {
            current = name;
            found.insert(name, Parameter::default());
        } else if let Some(default) = line.strip_prefix("    Default: ") {
            default.trim_matches('"').clone_into(&mut found.get_mut(current).unwrap().default);
        } else if let Some(text) = line.strip_prefix("    Description: ") {
            text.trim_start_matches(">-")
                .clone_into(&mut found.get_mut(current).unwrap().description);
        } else if let Some(more) = line.strip_prefix("      ") {
            let description = &mut found.get_mut(current).unwrap().description;
            *description = [description.as_str(), more].join(" ").trim_start().into();
        }
    }
    found
}

/// Returns the value that the template sets for each variable, such as `!Ref Realm`.
fn assignments() -> BTreeMap<&'static str, &'static str> {
    let lines = TEMPLATE.lines().filter_map(|line| line.trim_start().split_once(": "));
    lines.filter(|(name, value)| name.starts_with("HALLPASS_") && *value != "\"\"").collect()
}

fn parameter_of(setting: &Setting) -> Option<&'static str> {
    let name = assignments().get(setting.name)?.strip_prefix("!Ref ")?;
    parameters().contains_key(name).then_some(name)
}

fn code(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { format!("`{text}`") }
}

fn configuration() -> String {
    let mut page =
        String::from("\n| variable | parameter | default | meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS.into_iter().chain(AWS_SETTINGS) {
        let parameter = match parameter_of(&setting) {
            Some(name) => format!("`{name}`"),
            None if assignments().contains_key(setting.name) => "set by the template".to_owned(),
            None => "none".to_owned(),
        };
        let Setting { name, default, meaning } = setting;
        writeln!(page, "| `{name}` | {parameter} | {} | {meaning} |", code(default)).unwrap();
    }
    page.push_str(
        "\n## Other parameters of the template\n\n| parameter | default | meaning \
                   |\n|---|---|---|\n",
    );
    let used: Vec<_> = SETTINGS.iter().filter_map(parameter_of).collect();
    for (name, Parameter { default, description }) in parameters() {
        if !used.contains(&name) {
            writeln!(page, "| `{name}` | {} | {description} |", code(&default)).unwrap();
        }
    }
    let tables: [(&str, &[(&str, &str)]); 2] =
        [("the command", &COMMAND_SETTINGS), ("the tests", &TEST_SETTINGS)];
    for (of, settings) in tables {
        write!(page, "\n## Variables of {of}\n\n| variable | meaning |\n|---|---|\n").unwrap();
        for (name, meaning) in settings {
            writeln!(page, "| `{name}` | {meaning} |").unwrap();
        }
    }
    page.push('\n');
    page
}

#[test]
fn the_configuration_reference_matches_the_code_and_the_template() {
    check_generated("configuration.md", &configuration());
}

#[test]
fn every_parameter_that_sets_a_variable_is_a_plain_reference() {
    let parameters = parameters();
    assert!(
        parameters.len() > 40
            && parameters.values().all(|parameter| !parameter.description.is_empty())
    );
    let with_parameter = SETTINGS.iter().filter_map(parameter_of).count();
    assert_eq!(
        with_parameter,
        SETTINGS.len()
            - "users tokens attempts secret keys audit-bucket audit-key".split(' ').count()
    );
}

#[test]
fn every_rejection_reason_is_explained_in_the_order_of_the_checks() {
    let text = page("errors.md");
    let mut shown = Reason::ALL.map(Reason::public).to_vec();
    shown.dedup();
    let at: Vec<Option<usize>> =
        shown.iter().map(|reason| text.find(&format!("\n| `{reason}` |"))).collect();
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{shown:?} {at:?}");
}

#[test]
fn every_kind_of_event_is_explained() {
    let page = page("events.md");
    let (_, kinds) = page.split_once("## Kinds").unwrap();
    let (kinds, _) = kinds.split_once("\n## ").unwrap();
    let rows = kinds.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(", "));
    let mut explained: Vec<_> = names.map(|name| name.trim().trim_matches('`')).collect();
    let mut known: Vec<_> = Kind::ALL.into_iter().map(Kind::as_str).collect();
    explained.sort_unstable();
    known.sort_unstable();
    assert_eq!(explained, known);
}

#[test]
fn every_alarm_and_every_metric_of_the_template_is_explained() {
    let text = page("metrics.md");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1));
    let named: Vec<&str> =
        rows.flat_map(|cell| cell.split('`')).filter(|word| word.len() > 2).collect();
    let lines: Vec<&str> = TEMPLATE.lines().map(str::trim).collect();
    let mut checked = 0;
    for (index, line) in lines.iter().enumerate() {
        let alarm = line
            .strip_suffix(':')
            .filter(|_| lines.get(index + 1) == Some(&"Type: AWS::CloudWatch::Alarm"));
        let metric =
            line.strip_prefix("MetricName: ").filter(|_| lines[index - 1] == "Namespace: Hallpass");
        for name in alarm.into_iter().chain(metric) {
            assert!(named.contains(&name), "{name} is not in metrics.md");
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}

#[test]
fn every_path_of_the_api_is_in_the_reference() {
    let text = page("http.md");
    let openapi = fs::read_to_string(root().join("openapi.yaml")).unwrap();
    let paths: Vec<&str> =
        openapi.lines().filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':')).collect();
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        assert!(
            text.contains(&format!("/{path}`")) || text.contains(&format!("/{path}?")),
            "/{path}"
        );
    }
}
