//! The functions that are measured: what starts them, what they are told, and what they are asked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hyper::body::Bytes;

use crate::{
    Outcome,
    cloud::{Cloud, PEERS_TABLE, REGION, SECRET_NAME, tables},
};

/// One function, ready to be started.
#[derive(Clone, Debug)]
pub struct Function {
    /// What the table calls it.
    pub name: &'static str,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// What would be deployed, for its size.
    pub artifact: PathBuf,
    /// What it must let in.
    pub allowed: Case,
    /// What it must not.
    pub rejected: Vec<Case>,
}

/// An event, and what its answer must contain.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is in it.
    pub name: &'static str,
    /// A whole event.
    pub event: Bytes,
    /// A part of the answer.
    pub expected: &'static str,
}

/// The event of a REST API, whole, as API Gateway sends it.
const EVENT: &str = include_str!("../../tests/fixtures/rest_request.json");

const ALLOW: &str = r#""Effect":"Allow""#;
const DENY: &str = r#""Effect":"Deny""#;

impl Case {
    /// A good token.
    pub fn allowed(token: &str) -> Self {
        Self::new("allowed", token, ALLOW)
    }

    fn new(name: &'static str, token: &str, expected: &'static str) -> Self {
        let event = EVENT.replace("{authorization}", &format!("Bearer {token}"));
        Self { name, event: event.into(), expected }
    }
}

/// How many keys a keyring has at the most.
pub const KEYS: u8 = 4;

/// All functions, the floor first. `build` holds the release binaries, `installed` the peers' packages.
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

/// The floor.
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

/// Ours, with a signed token and this keyring in its environment.
pub fn authorizer(cloud: &Cloud, build: &Path, keyring: &str) -> Outcome<Function> {
    let tokens = &cloud.tokens;
    let mut environment = ours(cloud);
    environment.extend(variables([("HALLPASS_KEYS", keyring), ("HALLPASS_KEYS_SECRET", "")]));
    Ok(Function {
        name: "verify-authorizer",
        command: vec![text(&build.join("verify-authorizer"))?],
        environment,
        artifact: build.join("verify-authorizer"),
        allowed: Case::allowed(tokens.signed.expose_secret()),
        rejected: rejected(tokens.signed_forged.expose_secret(), tokens.signed_expired.expose_secret()),
    })
}

/// Ours, as it is deployed.
fn fetching(cloud: &Cloud, build: &Path) -> Outcome<Function> {
    let mut environment = ours(cloud);
    let endpoint = cloud.secrets.endpoint();
    environment.extend(variables([("HALLPASS_KEYS_SECRET", SECRET_NAME), ("HALLPASS_SECRETS_ENDPOINT", &endpoint)]));
    let name = "verify-authorizer, keyring from Secrets Manager";
    Ok(Function { name, environment, ..authorizer(cloud, build, "")? })
}

/// Prune, woken by its schedule.
pub fn prune(cloud: &Cloud, build: &Path) -> Outcome<Function> {
    Ok(Function {
        name: "prune",
        command: vec![text(&build.join("prune"))?],
        environment: ours(cloud),
        artifact: build.join("prune"),
        allowed: Case { name: "the schedule", event: "{}".into(), expected: "\"finished\":true" },
        rejected: Vec::new(),
    })
}

fn node(cloud: &Cloud, installed: &Path) -> Outcome<Function> {
    let bundle = installed.join("bundle");
    Ok(peer(cloud, "Node, jose, AWS SDK v3", vec!["node".to_owned(), text(&bundle.join("index.mjs"))?], bundle))
}

fn python(cloud: &Cloud, installed: &Path) -> Outcome<Function> {
    let site = installed.join("site");
    let command = ["python3", "-m", "awslambdaric", "authorizer.handler"].map(str::to_owned).into();
    let mut python = peer(cloud, "Python, PyJWT, boto3", command, site.clone());
    python.environment.extend(variables([("PYTHONPATH", text(&site)?.as_str()), ("PYTHONDONTWRITEBYTECODE", "1")]));
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

/// The JWTs that every function understands.
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

/// What ours are told: what Lambda puts there, and where the tables are.
fn ours(cloud: &Cloud) -> Vec<(String, String)> {
    let mut environment = environment(cloud);
    let endpoint = cloud.dynamodb.endpoint();
    environment.extend(variables([("HALLPASS_DYNAMODB_ENDPOINT", endpoint.as_str())]));
    environment.extend(variables(tables()));
    environment
}

/// What Lambda itself puts there, and what makes each runtime trust the certificates of this machine.
fn environment(cloud: &Cloud) -> Vec<(String, String)> {
    let path = edge::settings::environment("PATH").unwrap_or_default();
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

/// The bytes of a file, or of all files of a folder.
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
