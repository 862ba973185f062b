//! The witness of every test: it learns each secret that the test creates, receives or sends, and
//! inspects everything that could leak one.
//!
//! | what it learns | what it inspects |
//! |---|---|
//! | tokens in `Authorization`, in forms and in responses that issue one; the `jti` of JWTs | the log of the functions, at TRACE |
//! | passwords in `Authorization` and in forms, and their `Basic` encodings | the messages of panics other than a test's own |
//! | the key of the tests | every response and error of a function, authorizer contexts included |
//! | the cookies of sessions and the links of portal sessions (in sessions and the tables only) | the tables at the end of the test |
//!
//! A token may appear in one response, the one that issues it, which must be a success. The witness
//! reports a secret anywhere else to the next call of any test in the process, which then fails.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use dynoxide::{Database, actions::scan::ScanRequest};
use hallpass_token::{
    Issuer,
    codec::{developer::MARK, inspect::inspect},
};
use serde_json::{Value, json};

use crate::KEYS;

/// The length of the shortest secret that is searched for, in bytes. A shorter one is a test's
/// wrong guess, and part of other words.
const SHORTEST: usize = 7;

/// The length of the end of every token, which contains the secret or the signature.
const SECRET_END: usize = 43;

/// How much of the log is searched again for a new secret, in bytes.
const RECENT: usize = 256 * 1_024;

/// The maximum length of the kept log in bytes: a test under load writes more than anyone reads.
const MAX_LOG_LENGTH: usize = 16 << 20;

/// The prefixes of password hashes.
const HASHES: [&str; 3] = ["$argon2", "$pbkdf2", "$scrypt"];

static WITNESS: Mutex<Option<Witness>> = Mutex::new(None);

struct Witness {
    /// The first two bytes of all secrets: this alone rules out most positions of a text.
    begins: Vec<bool>,
    /// The secrets by their first bytes. A `shown` secret may appear in responses to its holder.
    secrets: HashMap<[u8; SHORTEST], Vec<Secret>>,
    known: HashSet<String>,
    log: String,
    found: Vec<String>,
}

struct Secret {
    text: String,
    shown: bool,
}

/// The tables of one test. When it is dropped, the tables must not contain a secret.
pub struct Tables(Database);

/// The writer of the log.
#[derive(Clone, Copy, Debug)]
pub struct Log;

/// Installs the witness, once per process.
pub fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let mut witness = Witness {
            begins: vec![false; 1 << 16],
            secrets: HashMap::new(),
            known: HashSet::new(),
            log: String::new(),
            found: Vec::new(),
        };
        let key = KEYS.split(r#""key":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        for secret in ["topsecret", "letmein", key] {
            witness.learn(secret, false);
        }
        *lock() = Some(witness);
        let log = hallpass_runtime::log::subscriber(|| Log, Some("tested".to_owned()));
        tracing::subscriber::set_global_default(log).unwrap();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.location().is_some_and(|place| !place.file().starts_with("tests/")) {
                saw("a panic", &panic.to_string());
            }
            before(panic);
        }));
    });
}

/// Returns the log so far.
pub fn log() -> String {
    with(|witness| witness.log.clone())
}

/// Learns the secrets of a header that is about to be sent.
pub fn sends_header(name: &str, value: &str) {
    if !name.eq_ignore_ascii_case("authorization") {
        return;
    }
    let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
    let pair = BASE64_STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match pair
        .as_deref()
        .and_then(|pair| pair.split_once(':'))
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))
    {
        Some((username, password)) if !password.is_empty() && password != username => {
            with(|witness| {
                witness.learn(password, false);
                witness.learn(rest, false);
            });
        }
        Some((token, _)) => with(|witness| witness.learn_tokens(token)),
        None => with(|witness| witness.learn_tokens(rest)),
    }
}

/// Learns the secrets of a body that is about to be sent.
pub fn sends_body(body: &str) {
    let fields: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
    let username = fields.iter().find(|(name, _)| name == "username").map(|(_, value)| value);
    for (name, value) in &fields {
        match name.as_ref() {
            "password" if Some(value) != username => with(|witness| witness.learn(value, false)),
            "token" => with(|witness| witness.learn_tokens(value)),
            _ => {}
        }
    }
}

/// Learns the secrets of an event that is about to be sent to a function.
pub fn sends_event(event: &Value) {
    for headers in ["headers", "multiValueHeaders"] {
        for (name, values) in event[headers].as_object().into_iter().flatten() {
            let many = values.as_array().map(Vec::as_slice).unwrap_or_default().iter();
            for value in many.chain([values]).filter_map(Value::as_str) {
                sends_header(name, value);
            }
        }
    }
    if let Some(value) = event["authorizationToken"].as_str() {
        sends_header("authorization", value);
    }
    if let Some(body) = event["body"].as_str() {
        sends_body(body);
    }
}

/// Inspects the response of a function. A response that is not an HTTP response is for the gateway
/// or the log, and issues nothing.
pub fn got_event(function: &str, response: &Value) {
    let Some(status) = response["statusCode"].as_u64() else {
        saw(function, &response.to_string());
        return;
    };
    let cookies = response["multiValueHeaders"]["set-cookie"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let cookies: Vec<&str> = cookies.iter().filter_map(Value::as_str).collect();
    got(function, u16::try_from(status).unwrap(), &cookies, &response.to_string());
}

/// Inspects a response: its status, cookies and whole text. A successful one may issue tokens,
/// which must be new.
pub fn got(place: &str, status: u16, cookies: &[&str], text: &str) {
    with(|witness| {
        witness.see(place, text, true);
        if status < 400 {
            witness.learn_tokens(text);
        }
        // The link of a portal session holds the user ID in front of the secret.
        let links = text.split("/portal/sign-in?session=").skip(1);
        for secret in links.filter_map(|link| link.split_once('.')?.1.get(..SECRET_END)) {
            witness.learn(secret, true);
        }
        for cookie in cookies {
            let value = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .map_or("", |(_, value)| value);
            witness.learn(value, true);
            // A session cookie holds the user ID in front of the secret.
            witness.learn(value.split_once('.').map_or("", |(_, secret)| secret), true);
        }
    });
    testify();
}

/// Inspects a text that must not contain any secret.
pub fn saw(place: &str, text: &str) {
    with(|witness| witness.see(place, text, false));
}

/// Fails if a secret was found.
pub fn testify() {
    let found = with(|witness| std::mem::take(&mut witness.found));
    assert!(found.is_empty(), "secrets were shown: {found:#?}");
}

impl Tables {
    /// Returns the tables in this engine.
    pub fn of(database: &Database) -> Self {
        Self(database.clone())
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for table in ["Users", "Tokens", "Attempts"] {
            let mut request = json!({"TableName": table});
            // A test may have deleted a table.
            while let Ok(page) =
                self.0.scan(serde_json::from_value::<ScanRequest>(request.clone()).unwrap())
            {
                for item in page.items.unwrap_or_default() {
                    let item = serde_json::to_string(&item).unwrap();
                    with(|witness| {
                        witness.see_bytes(&format!("the table {table}"), item.as_bytes(), false);
                    });
                }
                let Some(next) = page.last_evaluated_key else { break };
                request["ExclusiveStartKey"] = serde_json::to_value(next).unwrap();
            }
        }
        testify();
    }
}

impl Witness {
    /// Learns a secret. A `shown` secret may appear in responses to its holder.
    fn learn(&mut self, text: &str, shown: bool) {
        let Some(start) = text.as_bytes().first_chunk() else { return };
        if is_applied_by_hand(text) || !self.known.insert(text.to_owned()) {
            return;
        }
        self.begins[pair(start)] = true;
        self.secrets.entry(*start).or_default().push(Secret { text: text.to_owned(), shown });
        let from = self.log.floor_char_boundary(self.log.len().saturating_sub(RECENT));
        if self.log[from..].contains(text) {
            self.found.push(format!("the log, before: {text}"));
        }
    }

    /// Learns every token in a text: every word with the shape of one of the three formats, with
    /// any prefix.
    fn learn_tokens(&mut self, text: &str) {
        let issuer = Issuer::new("", "hallpass").unwrap();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        for word in text.split(|c| !is_part(c)).filter(|word| word.len() > SECRET_END) {
            let (rest, sign) = word.split_at(word.len() - SECRET_END);
            // A developer token has its prefix in front of its mark.
            let developer =
                word.get(word.len().saturating_sub(MARK.len() + SECRET_END)..).unwrap_or_default();
            if ![word, developer].iter().any(|text| inspect(&issuer, text).is_some()) {
                continue;
            }
            self.learn(sign, false);
            let claims = rest
                .split('.')
                .nth(1)
                .and_then(|claims| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
            let claims = claims.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
            if let Some(jti) = claims.as_ref().and_then(|claims| claims["jti"].as_str()) {
                self.learn(jti, false);
            }
        }
    }

    fn see(&mut self, place: &str, text: &str, is_answer: bool) {
        if let Some(hash) = HASHES.iter().find(|hash| text.contains(**hash)) {
            self.found.push(format!("{place}: a hash with {hash}: {text}"));
        }
        self.see_bytes(place, text.as_bytes(), is_answer);
    }

    fn see_bytes(&mut self, place: &str, bytes: &[u8], is_answer: bool) {
        let ends = bytes.len().saturating_sub(SHORTEST - 1);
        for at in (0..ends).filter(|at| self.begins[pair(&bytes[*at..])]) {
            let start: &[u8; SHORTEST] = bytes[at..].first_chunk().unwrap();
            for secret in self.secrets.get(start).into_iter().flatten() {
                if bytes[at..].starts_with(secret.text.as_bytes()) && !(is_answer && secret.shown) {
                    let around = &bytes[at.saturating_sub(80)..bytes.len().min(at + 80)];
                    self.found.push(format!(
                        "{place}: {}: {}",
                        secret.text,
                        String::from_utf8_lossy(around)
                    ));
                }
            }
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        with(|witness| {
            witness.see("the log", &line, false);
            if witness.log.len() > MAX_LOG_LENGTH {
                let older = witness.log.floor_char_boundary(MAX_LOG_LENGTH / 2);
                witness.log.drain(..older);
            }
            witness.log.push_str(&line);
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Inspects the files of a data directory, where only the files for secrets may contain one.
pub fn sees_files(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_secret = ["keys.json", "ca-key.pem"].iter().any(|name| path.ends_with(name));
        if path.is_file() && !is_secret {
            let bytes = std::fs::read(&path).unwrap();
            with(|witness| witness.see_bytes(&format!("{}", path.display()), &bytes, false));
        }
    }
    testify();
}

/// Returns whether a text repeats itself every four characters, as base64 of a repeated byte does.
/// Tests write such salts, names and wrong guesses, and the salt of one test is not the secret of
/// another.
fn is_applied_by_hand(text: &str) -> bool {
    text.bytes().zip(text.bytes().skip(4)).all(|(one, other)| one == other)
}

/// Returns the first two bytes as a number.
fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Locks the witness. A failed test does not poison it for the others.
fn lock() -> MutexGuard<'static, Option<Witness>> {
    WITNESS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(say: impl FnOnce(&mut Witness) -> T) -> T {
    watch();
    say(lock().as_mut().unwrap())
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tables")
    }
}
