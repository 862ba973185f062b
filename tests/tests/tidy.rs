//! The house rules: the dependencies between crates, the form of every file, and the agreement of
//! template, code and documents.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hallpass_dev::template::Template;
use hallpass_http::routes::ROUTES;
use hallpass_runtime::settings::names;
use tests::{Request, TEMPLATE, World};

mod layers;

use layers::{ARROWS, UNREACHABLE};

/// The maximum number of lines of a file.
const MAX_FILE_LENGTH: usize = 400;

/// Names that say nothing about the contents.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "common", "models", "helpers", "misc", "mod"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every folder and file of the workspace except those of builds and of Git, by its path
/// from the root.
pub(crate) fn everything() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path().strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<String> {
    everything()
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Returns the lines of a section of a manifest, such as `dependencies`.
fn section(manifest: &str, name: &str) -> Vec<String> {
    let lines =
        manifest.lines().map(str::trim).skip_while(|line| *line != format!("[{name}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn dependencies(folder: &str) -> BTreeSet<String> {
    let lines = section(&read(&format!("{folder}/Cargo.toml")), "dependencies");
    lines.iter().map(|line| line.split(['.', '=', ' ']).next().unwrap().to_owned()).collect()
}

/// Returns every package of the lock file, as `name version`, with its dependencies. Workspace
/// crates include those of their tests.
fn locked() -> BTreeMap<String, Vec<String>> {
    let lock = read("Cargo.lock");
    let value = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let package = |block: &str| {
        let listed = block
            .lines()
            .filter(|line| line.starts_with(" \""))
            .map(|line| line.trim_matches([' ', '"', ',']));
        (
            format!("{} {}", value(block, "name"), value(block, "version")),
            listed.map(str::to_owned).collect(),
        )
    };
    lock.split("[[package]]").skip(1).map(package).collect()
}

/// Returns all packages that can be reached from this one.
fn reachable(locked: &BTreeMap<String, Vec<String>>, from: &str) -> BTreeSet<String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = next.pop() {
        // The lock file names a version only where several exist.
        let matching = locked
            .iter()
            .filter(|(package, _)| **package == name || package.starts_with(&format!("{name} ")));
        for (package, dependencies) in matching {
            if seen.insert(package.clone()) {
                next.extend(dependencies.iter().cloned());
            }
        }
    }
    seen
}

#[test]
fn no_crate_depends_on_more_workspace_crates_than_allowed() {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _, _)| *name).collect();
    for (name, folder, allowed) in ARROWS {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        assert!(
            section(&manifest, "package").contains(&format!("name = \"{name}\"")),
            "{folder} is not {name}"
        );
        for dependency in
            dependencies(folder).iter().filter(|dependency| ours.contains(dependency.as_str()))
        {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
    let manifests = everything().into_iter().filter(|path| path.ends_with("/Cargo.toml")).count();
    assert_eq!(manifests, ARROWS.len(), "a crate is missing in the table of arrows");
}

#[test]
fn forbidden_packages_are_unreachable() {
    let locked = locked();
    assert!(
        locked.len() > 100
            && reachable(&locked, "hallpass-store").iter().any(|name| name.starts_with("tokio "))
    );
    for (from, forbidden) in UNREACHABLE {
        for package in reachable(&locked, from) {
            let bad = forbidden.iter().find(|bad| package.starts_with(**bad));
            assert_eq!(bad, None, "{from} reaches {package}");
        }
    }
}

/// Returns the names of files in backquotes in a document.
fn named_files(text: &str) -> Vec<&str> {
    let is_file = |name: &&str| {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        extension.is_some_and(|extension| ["rs", "md", "py", "toml"].contains(&extension))
            && name.chars().all(allowed)
    };
    text.split('`').skip(1).step_by(2).filter(is_file).collect()
}

#[test]
fn every_file_that_a_document_names_exists() {
    let files = everything();
    let is_document = |path: &str| {
        path != "CHANGELOG.md" && Path::new(path).extension().is_some_and(|it| it == "md")
    };
    let mut checked = 0;
    for document in files.iter().filter(|path| is_document(path)) {
        for name in named_files(&read(document)) {
            let name = name.trim_start_matches("../").trim_start_matches("./");
            // A name that no file may have.
            let exists = name == "mod.rs"
                || files.iter().any(|file| file == name || file.ends_with(&format!("/{name}")));
            assert!(exists, "{document} names {name}, which does not exist");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn every_crate_uses_the_lints_of_the_workspace() {
    let forbidden = "unsafe_code = \"forbid\"".to_owned();
    assert!(section(&read("Cargo.toml"), "workspace.lints.rust").contains(&forbidden));
    for (name, folder, _) in ARROWS {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        // Benchmarks and tests may panic, and a fuzz target has no other way to report a failure.
        if ["tests", "fuzz", "bench", "opening"].contains(&name) {
            assert!(section(&manifest, "lints.rust").contains(&forbidden), "{name}");
        } else {
            assert_eq!(section(&manifest, "lints"), ["workspace = true"], "{name}");
        }
    }
}

#[test]
fn every_file_has_a_description_and_a_bounded_length() {
    for path in rust_files() {
        let text = read(&path);
        assert!(text.starts_with("//! "), "{path} does not begin with a description");
        let lines = text.lines().count();
        assert!(lines < MAX_FILE_LENGTH, "{path} has {lines} lines");
    }
}

#[test]
fn no_file_has_an_empty_name() {
    for path in everything() {
        let stem = Path::new(&path).file_stem().unwrap().to_str().unwrap();
        assert!(!EMPTY_NAMES.contains(&stem), "{path}");
    }
}

/// Returns the words of a text that begin with `HALLPASS_`.
fn variables(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| {
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let words = text.split("HALLPASS_").skip(1).map(word).filter(|word| !word.is_empty());
    words.map(|word| format!("HALLPASS_{word}")).collect()
}

#[test]
fn the_reference_lists_every_variable_and_no_other() {
    let known = names::SETTINGS.into_iter().chain(names::OF_COMMAND).chain(names::OF_TESTS);
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    let reference = read("docs/src/reference/configuration.md");
    let rows =
        reference.lines().filter_map(|line| line.strip_prefix("| `HALLPASS_")?.split('`').next());
    let listed: BTreeSet<String> = rows.map(|name| format!("HALLPASS_{name}")).collect();
    let missing: Vec<_> = known.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&known).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not in the reference: {missing:?}; only there: {stale:?}"
    );
}

/// A variable that is read but not on the list would be reported as unknown at the start.
#[test]
fn every_variable_that_is_read_is_on_the_list_of_known_ones() {
    let lists =
        ["shared/runtime/src/settings/names.rs", "shared/runtime/src/settings/reference.rs"];
    let ours = rust_files()
        .into_iter()
        .filter(|path| !path.contains("tests") && !lists.contains(&path.as_str()));
    let mut used: BTreeSet<String> = ours.flat_map(|path| variables(&read(&path))).collect();
    used.extend(variables(TEMPLATE));
    let known = names::SETTINGS.into_iter().chain(names::OF_COMMAND);
    assert_eq!(known.map(str::to_owned).collect::<BTreeSet<String>>(), used);
}

#[test]
fn every_path_has_a_response_for_every_method() {
    let routes = Template::parse(TEMPLATE).unwrap().routes;
    let any: BTreeSet<&str> =
        routes.iter().filter(|route| route.method == "ANY").map(|route| &*route.path).collect();
    for route in &routes {
        assert!(any.contains(route.path.as_str()), "{} has no ANY", route.path);
    }
    assert!(any.contains("/") && any.contains("/{proxy+}"));
}

#[test]
fn no_gateway_response_repeats_what_the_client_sent() {
    let responses = Template::parse(TEMPLATE).unwrap().gateway_responses;
    for kind in ["ACCESS_DENIED", "UNAUTHORIZED", "DEFAULT_4XX", "DEFAULT_5XX"] {
        assert!(responses.contains_key(kind), "{kind}");
    }
    for (kind, response) in responses {
        let body = response.body.unwrap_or_default();
        for text in response.headers.values().chain([&body]) {
            for variable in text.split("context.").skip(1) {
                assert!(
                    variable.starts_with("authorizer."),
                    "{kind} responds with context.{variable}"
                );
            }
            assert!(!text.contains("$input") && !text.contains("method.request"), "{kind} {text}");
        }
    }
}

#[tokio::test]
async fn the_functions_serve_their_routes_and_no_others() {
    // Leaks are reported only if tokens have a prefix.
    let world = World::with(&[("HALLPASS_PREFIX", "acme_")]).await;
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for route in ROUTES {
        methods.entry(route.path).or_default().insert(route.method);
        if route.has_head() {
            methods.entry(route.path).or_default().insert("HEAD");
        }
        let file = if route.path.starts_with("/assets") { "hallpass.css" } else { "index.html" };
        let request = Request::new(route.method, route.path).parameter("file", file);
        let answer = world.send(route.function.as_str(), request).await;
        assert!(
            ![404, 405].contains(&answer.status),
            "{} {} {}",
            route.method,
            route.path,
            answer.status
        );
    }
    for route in
        Template::parse(TEMPLATE).unwrap().routes.iter().filter(|route| route.method == "ANY")
    {
        let answer = world.send(&route.function, Request::new("PURGE", &route.path)).await;
        let allowed: BTreeSet<&str> =
            answer.header("allow").split(", ").filter(|name| !name.is_empty()).collect();
        assert_eq!(
            allowed,
            methods.get(route.path.as_str()).cloned().unwrap_or_default(),
            "{}",
            route.path
        );
        assert_eq!(answer.status, if allowed.is_empty() { 404 } else { 405 }, "{}", route.path);
    }
}
