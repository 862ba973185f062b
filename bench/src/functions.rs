//! The measured functions: their commands, environments and events.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hyper::body::Bytes;

use crate::{
    Outcome,
    cloud::{Cloud, PEERS_TABLE, REGION, SECRET_NAME, tables},
};

/// A function that can be started.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name in the tables.
    pub name: &'static str,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The complete environment.
    pub environment: Vec<(String, String)>,
    /// The deployed file or folder, whose size is measured.
    pub artifact: PathBuf,
    /// The case that it must allow.
    pub allowed: Case,
    /// The cases that it must reject.
    pub rejected: Vec<Case>,
}

/// An event, and a part of the expected response.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of the case.
    pub name: &'static str,
    /// The complete event.
    pub event: Bytes,
    /// Text that the response must contain.
    pub expected: &'static str,
}

/// The complete event of a REST API, as API Gateway sends it.
const EVENT: &str = include_str!("../../tests/fixtures/rest_request.json");

const ALLOW: &str = r#""Effect":"Allow""#;
const DENY: &str = r#""Effect":"Deny""#;

impl Case {
    /// Creates the case of a valid token.
    pub fn allowed(token: &str) -> Self {
        Self::new("allowed", token, ALLOW)
    }

    fn new(name: &'static str, token: &str, expected: &'static str) -> Self {
        let event = EVENT.replace("{authorization}", &format!("Bearer {token}"));
        Self { name, event: event.into(), expected }
    }
}

/// The maximum number of keys of a keyring.
pub const KEYS: u8 = 4;

/// Returns all functions, the baseline first. `build` is the folder of the release binaries,
/// `installed` that of the peers.
pub fn all(cloud: &Cloud, build: &Path, installed: &Path) -> Outcome<Vec<Function>> {
    let keyring = cloud.keyring.expose_secret();
    let jwt = Function { name: "verify-authorizer, JWT", ..authorizer(cloud, build, keyring)? };
    let (allowed, rejected) = jwts(cloud);
    let lazy = Function {
        name: "verify-authorizer, connecting at its first call",
        command: vec![text(&build.join("lazy"))?],
        artifact: build.join("lazy"),
        ..authorizer(cloud, build, keyring)?
    };
    Ok(vec![
        empty(cloud, build)?,
        authorizer(cloud, build, keyring)?,
        Function { allowed, rejected, ..jwt },
        lazy,
        fetching(cloud, build)?,
        node(cloud, &installed.join("node"))?,
        python(cloud, &installed.join("python"))?,
    ])
}

/// Returns the baseline.
fn empty(cloud: &Cloud, build: &Path) -> Outcome<Function> {
    let (Case { event, .. }, _) = jwts(cloud);
    Ok(Function {
        name: "empty Rust function",
        command: vec![text(&build.join("empty"))?],
        environment: environment(cloud),
        artifact: build.join("empty"),
        allowed: Case { name: "allowed", event, expected: "null" },
        rejected: Vec::new(),
    })
}

/// Returns the authorizer with a signed token, and with this keyring in its environment.
pub fn authorizer(cloud: &Cloud, build: &Path, keyring: &str) -> Outcome<Function> {
    let tokens = &cloud.tokens;
    let mut environment = own_environment(cloud);
    environment.extend(variables([("HALLPASS_KEYS", keyring), ("HALLPASS_KEYS_SECRET", "")]));
    Ok(Function {
        name: "verify-authorizer",
        command: vec![text(&build.join("verify-authorizer"))?],
        environment,
        artifact: build.join("verify-authorizer"),
        allowed: Case::allowed(tokens.signed.expose_secret()),
        rejected: rejected(
            tokens.signed_forged.expose_secret(),
            tokens.signed_expired.expose_secret(),
        ),
    })
}

/// Returns the authorizer in its deployed form.
fn fetching(cloud: &Cloud, build: &Path) -> Outcome<Function> {
    let mut environment = own_environment(cloud);
    let endpoint = cloud.secrets.endpoint();
    environment.extend(variables([
        ("HALLPASS_KEYS_SECRET", SECRET_NAME),
        ("HALLPASS_SECRETS_ENDPOINT", &endpoint),
    ]));
    let name = "verify-authorizer, keyring from Secrets Manager";
    Ok(Function { name, environment, ..authorizer(cloud, build, "")? })
}

/// Returns prune, invoked by its schedule.
pub fn prune(cloud: &Cloud, build: &Path) -> Outcome<Function> {
    Ok(Function {
        name: "prune",
        command: vec![text(&build.join("prune"))?],
        environment: own_environment(cloud),
        artifact: build.join("prune"),
        allowed: Case { name: "the schedule", event: "{}".into(), expected: "\"finished\":true" },
        rejected: Vec::new(),
    })
}

fn node(cloud: &Cloud, installed: &Path) -> Outcome<Function> {
    let bundle = installed.join("bundle");
    Ok(peer(
        cloud,
        "Node, jose, AWS SDK v3",
        vec!["node".to_owned(), text(&bundle.join("index.mjs"))?],
        bundle,
    ))
}

fn python(cloud: &Cloud, installed: &Path) -> Outcome<Function> {
    let site = installed.join("site");
    let command = ["python3", "-m", "awslambdaric", "authorizer.handler"].map(str::to_owned).into();
    let mut python = peer(cloud, "Python, PyJWT, boto3", command, site.clone());
    python.environment.extend(variables([
        ("PYTHONPATH", text(&site)?.as_str()),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]));
    Ok(python)
}

fn peer(cloud: &Cloud, name: &'static str, command: Vec<String>, artifact: PathBuf) -> Function {
    let mut environment = environment(cloud);
    let endpoint = cloud.dynamodb.endpoint();
    environment.extend(variables([
        ("TABLE", PEERS_TABLE),
        ("JWT_SECRET", cloud.jwt_secret.expose_secret()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
    ]));
    let (allowed, rejected) = jwts(cloud);
    Function { name, command, environment, artifact, allowed, rejected }
}

/// Returns the cases with JWTs, which every function supports.
fn jwts(cloud: &Cloud) -> (Case, Vec<Case>) {
    let tokens = &cloud.tokens;
    let allowed = Case::allowed(tokens.jwt.expose_secret());
    (allowed, rejected(tokens.jwt_forged.expose_secret(), tokens.jwt_expired.expose_secret()))
}

fn rejected(forged: &str, expired: &str) -> Vec<Case> {
    vec![
        Case::new("forged", forged, DENY),
        Case::new("expired", expired, DENY),
        Case::new("malformed", "a.b.c", DENY),
        Case::new("foreign", "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY", DENY),
    ]
}

/// Returns the environment of Hallpass's functions: Lambda's variables and the names of the tables.
fn own_environment(cloud: &Cloud) -> Vec<(String, String)> {
    let mut environment = environment(cloud);
    let endpoint = cloud.dynamodb.endpoint();
    environment.extend(variables([("HALLPASS_DYNAMODB_ENDPOINT", endpoint.as_str())]));
    environment.extend(variables(tables()));
    environment
}

/// Returns Lambda's variables, and those that make each runtime trust the emulators' certificates.
fn environment(cloud: &Cloud) -> Vec<(String, String)> {
    let path = hallpass_runtime::settings::environment("PATH").unwrap_or_default();
    variables([
        ("PATH", path.as_str()),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("AWS_CA_BUNDLE", &cloud.ca),
        ("SSL_CERT_FILE", &cloud.ca),
        ("NODE_EXTRA_CA_CERTS", &cloud.ca),
    ])
}

fn variables<const N: usize>(variables: [(&str, &str); N]) -> Vec<(String, String)> {
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn text(path: &Path) -> Outcome<String> {
    Ok(path.to_str().ok_or("a path is not text")?.to_owned())
}

/// Returns the size of a file, or of all files in a folder, in bytes.
pub fn size(path: &Path) -> Outcome<u64> {
    let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}
