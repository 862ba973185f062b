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
    pub refused: Vec<Case>,
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
    fn new(name: &'static str, token: &str, expected: &'static str) -> Self {
        let event = EVENT.replace("{authorization}", &format!("Bearer {token}"));
        Self { name, event: event.into(), expected }
    }
}

/// All functions, the floor first. `build` holds the release binaries, `installed` the peers' packages.
pub fn all(cloud: &Cloud, build: &Path, installed: &Path) -> Outcome<Vec<Function>> {
    let text = |path: PathBuf| path.to_str().map(str::to_owned).ok_or("a path is not text");
    let path = edge::settings::environment("PATH").unwrap_or_default();
    let tokens = &cloud.tokens;
    let own = |name: &str| text(build.join(name));
    let ours = |name, good: &str, forged: &str, expired: &str, keys: [(&str, String); 2]| -> Outcome<Function> {
        let mut environment = environment(cloud, &path);
        environment.push(("HALLPASS_DYNAMODB_ENDPOINT".to_owned(), cloud.dynamodb.endpoint()));
        environment.extend(tables().map(|(name, table)| (name.to_owned(), table.to_owned())));
        environment.extend(keys.map(|(name, value)| (name.to_owned(), value)));
        Ok(Function {
            name,
            command: vec![own("verify-authorizer")?],
            environment,
            artifact: build.join("verify-authorizer"),
            allowed: Case::new("allowed", good, ALLOW),
            refused: refused(forged, expired),
        })
    };
    let ring = || [("HALLPASS_KEYS", cloud.ring.reveal().to_owned()), ("HALLPASS_KEYS_SECRET", String::new())];
    let fetched =
        [("HALLPASS_KEYS_SECRET", SECRET_NAME.to_owned()), ("HALLPASS_SECRETS_ENDPOINT", cloud.secrets.endpoint())];
    let (signed, signed_forged, signed_expired) =
        (tokens.signed.reveal(), tokens.signed_forged.reveal(), tokens.signed_expired.reveal());
    let (jwt, jwt_forged, jwt_expired) = (tokens.jwt.reveal(), tokens.jwt_forged.reveal(), tokens.jwt_expired.reveal());
    let peer = |name, command: Vec<String>, artifact: PathBuf, more: Vec<(&str, String)>| {
        let mut environment = environment(cloud, &path);
        environment.push(("TABLE".to_owned(), PEERS_TABLE.to_owned()));
        environment.push(("JWT_SECRET".to_owned(), cloud.jwt_secret.reveal().to_owned()));
        environment.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), cloud.dynamodb.endpoint()));
        environment.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let allowed = Case::new("allowed", jwt, ALLOW);
        Function { name, command, environment, artifact, allowed, refused: refused(jwt_forged, jwt_expired) }
    };
    let node = installed.join("node");
    let python = installed.join("python");
    let bundle = text(node.join("bundle").join("index.mjs"))?;
    let handler =
        vec!["python3".to_owned(), "-m".to_owned(), "awslambdaric".to_owned(), "authorizer.handler".to_owned()];
    let site = text(python.join("site"))?;
    let empty = Function {
        name: "empty Rust function",
        command: vec![own("empty")?],
        environment: environment(cloud, &path),
        artifact: build.join("empty"),
        allowed: Case::new("allowed", jwt, "null"),
        refused: Vec::new(),
    };
    Ok(vec![
        empty,
        ours("verify-authorizer", signed, signed_forged, signed_expired, ring())?,
        ours("verify-authorizer, JWT", jwt, jwt_forged, jwt_expired, ring())?,
        ours("verify-authorizer, ring from Secrets Manager", signed, signed_forged, signed_expired, fetched)?,
        peer("Node, jose, AWS SDK v3", vec!["node".to_owned(), bundle], node.join("bundle"), Vec::new()),
        peer(
            "Python, PyJWT, boto3",
            handler,
            python.join("site"),
            vec![("PYTHONPATH", site), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())],
        ),
    ])
}

fn refused(forged: &str, expired: &str) -> Vec<Case> {
    vec![
        Case::new("forged", forged, DENY),
        Case::new("expired", expired, DENY),
        Case::new("malformed", "a.b.c", DENY),
        Case::new("foreign", "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY", DENY),
    ]
}

/// What Lambda itself puts there, and what makes each runtime trust the certificates of this machine.
fn environment(cloud: &Cloud, path: &str) -> Vec<(String, String)> {
    let variables = [
        ("PATH", path),
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
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
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
