//! The command as people use it: the real binary, real HTTPS, a second terminal.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where it fails; clippy's switches for tests miss their helpers"
)]

use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
};

use base64ct::{Base64, Encoding};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// A dev stack in a process of its own.
struct Dev {
    data: TempDir,
    process: Child,
    port: u16,
}

/// An answer: status, head, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Dev {
    async fn start(data: TempDir, arguments: &[&str]) -> Self {
        let mut process = hallpass(data.path())
            .args(["dev", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
            if last.starts_with("ready ") {
                break;
            }
        }
        let port = last.strip_prefix("ready https://localhost:").unwrap().parse().unwrap();
        Self { data, process, port }
    }

    /// Ends it with this signal, and gives its data for the next one.
    async fn stop(mut self, signal: &str) -> TempDir {
        let pid = self.process.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(self.process.wait().await.unwrap().code(), Some(0), "{signal}");
        self.data
    }

    async fn run(&self, arguments: &[&str], input: &str) -> (i32, String) {
        run(self.data.path(), arguments, input).await
    }

    /// Runs a command that must do what it is asked for.
    async fn done(&self, arguments: &[&str], input: &str) -> String {
        let (code, printed) = self.run(arguments, input).await;
        assert_eq!(code, 0, "{arguments:?}: {printed}");
        printed
    }

    async fn send(&self, method: &str, path: &str, username: &str, password: &str) -> Answer {
        let pem = std::fs::read(self.data.path().join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let stream = TcpStream::connect(("localhost", self.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream =
            TlsConnector::from(Arc::new(config.with_no_client_auth())).connect(name, stream).await.unwrap();
        let credential = Base64::encode_string(format!("{username}:{password}").as_bytes());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credential}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn token(&self, name: &str, password: &str) -> String {
        let answer = self.send("POST", "/api/services_token/generate", name, password).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body.split('"').nth(7).unwrap().to_owned()
    }

    /// `allow`, or the reason for which the token is refused.
    async fn verdict(&self, token: &str) -> String {
        let answer = self.send("GET", "/api/user/1", token, "").await;
        if answer.status == 200 {
            return "allow".to_owned();
        }
        assert_eq!(answer.status, 401, "{}", answer.body);
        assert!(answer.head.contains("\r\nwww-authenticate: bearer realm=\"hallpass\", error=\"invalid_token\""));
        assert!(answer.head.contains("\r\nx-www-authenticate: bearer realm=\"hallpass\", error=\"invalid_token\""));
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["reason"].as_str().unwrap().to_owned()
    }
}

fn hallpass(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.arg("--data").arg(data);
    command
}

/// Runs a command with this standard input: its exit status, and all it printed.
async fn run(data: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = hallpass(data);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A command that refuses may be gone before it reads.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let Output { status, stdout, stderr } = process.wait_with_output().await.unwrap();
    (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// Each change makes the token of before answer 401 at the very next request, and the change back revives nothing.
async fn every_change_shuts_out(arguments: &[&str]) {
    let dev = Dev::start(TempDir::new().unwrap(), arguments).await;
    let check = async |change: &[&str], input: &str, reason: &str, back: &[&str], back_input: &str| {
        let token = dev.token("my_username", "topsecret").await;
        assert_eq!(dev.verdict(&token).await, "allow", "{change:?}");
        dev.done(change, input).await;
        assert_eq!(dev.verdict(&token).await, reason, "{change:?}");
        dev.done(back, back_input).await;
        assert_ne!(dev.verdict(&token).await, "allow", "{back:?}");
    };
    let me = "my_username";
    check(&["user", "passwd", me], "other\n", "user_changed", &["user", "passwd", me], "topsecret\n").await;
    check(&["user", "rename", me, "you"], "", "user_changed", &["user", "rename", "you", me], "").await;
    check(&["user", "block", me], "", "user_blocked", &["user", "unblock", me], "").await;
    let again = ["user", "add", me, "--id", "1", "--permission", "ROLE_USER"];
    check(&["user", "remove", me], "", "user_removed", &again, "topsecret\n").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_change_of_the_user_shuts_every_earlier_token_out() {
    every_change_shuts_out(&[]).await;
}

#[tokio::test]
async fn a_change_of_the_user_shuts_every_earlier_token_out_without_prune_too() {
    every_change_shuts_out(&["--no-prune"]).await;
}

#[tokio::test]
async fn data_survives_a_restart_and_not_a_fresh_start() {
    let dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let token = dev.token("my_username", "topsecret").await;
    let dev = Dev::start(dev.stop("-INT").await, &[]).await;
    assert_eq!(dev.verdict(&token).await, "allow");
    let (code, printed) = run(dev.data.path(), &["dev", "--port", "0"], "").await;
    assert_eq!((code, printed.lines().count()), (2, 1), "{printed}");
    let dev = Dev::start(dev.stop("-TERM").await, &["--fresh"]).await;
    assert_eq!(dev.verdict(&token).await, "malformed");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn tokens_are_listed_inspected_and_revoked_and_never_shown() {
    let dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let token = dev.token("my_username", "topsecret").await;
    let seen = dev.done(&["token", "inspect"], &format!("{token}\n")).await;
    let id = seen.lines().find_map(|line| line.strip_prefix("token id")).unwrap().trim().to_owned();
    let listed = dev.done(&["token", "list", "my_username"], "").await;
    assert!(listed.contains(&id), "{listed}");
    dev.done(&["token", "revoke", &id], "").await;
    assert_eq!(dev.verdict(&token).await, "revoked");
    assert!(dev.done(&["token", "list", "my_username"], "").await.contains("revoked"));
    let seal = token.rsplit_once('.').unwrap().1;
    assert!(!seen.contains(seal) && !listed.contains(seal));
    dev.stop("-TERM").await;
    // Inspecting needs no stack.
    let (code, printed) = run(Path::new("/nowhere"), &["token", "inspect"], &format!("{token}\n")).await;
    assert_eq!(code, 0, "{printed}");
    let (code, printed) = run(Path::new("/nowhere"), &["token", "inspect"], "nonsense\n").await;
    assert_eq!((code, printed.lines().count()), (1, 1), "{printed}");
}

#[tokio::test]
async fn users_are_added_listed_shown_and_given_permissions() {
    let dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    dev.done(&["user", "add", "Ada", "--full-name", "Ada L.", "--permission", "ROLE_USER"], "engine\n").await;
    dev.token("ada", "engine").await;
    dev.done(&["user", "grant", "ada", "reports"], "").await;
    assert!(dev.done(&["user", "show", "ada"], "").await.contains("ROLE_USER,reports"));
    dev.done(&["user", "deny", "ada", "reports"], "").await;
    let listed = dev.done(&["user", "list"], "").await;
    assert!(listed.contains("Ada") && !listed.contains("reports"), "{listed}");
    for (arguments, input) in [
        (&["user", "add", "ADA"][..], "x\n"),
        (&["user", "add", "other", "--id", "1"], "x\n"),
        (&["user", "add", "other"], "\n"),
        (&["user", "add", "a:b"], "x\n"),
        (&["user", "show", "nobody"], ""),
        (&["user", "rename", "ada", "admin"], ""),
    ] {
        let (code, printed) = dev.run(arguments, input).await;
        assert_eq!((code, printed.lines().count()), (1, 1), "{arguments:?}: {printed}");
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_rotated_key_verifies_at_once_and_the_old_one_goes_on() {
    let dev = Dev::start(TempDir::new().unwrap(), &[]).await;
    let token = dev.token("my_username", "topsecret").await;
    dev.done(&["key", "rotate"], "").await;
    assert_eq!(dev.verdict(&token).await, "allow");
    let listed = dev.done(&["key", "list"], "").await;
    assert!(listed.contains("signs") && listed.contains("verifies, will sign"), "{listed}");
    let (code, printed) = dev.run(&["key", "retire", "first"], "").await;
    assert_eq!(code, 1, "{printed}");
    let ring = dev.data.path().join("ring.json");
    dev.done(&["key", "new", "--out", ring.to_str().unwrap()], "").await;
    assert!(token::Keyring::parse(&std::fs::read_to_string(ring).unwrap()).is_ok());
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn what_is_in_the_way_is_said_in_one_line() {
    let data = TempDir::new().unwrap();
    let check = async |arguments: &[&str], word: &str| {
        let (code, printed) = run(data.path(), arguments, "").await;
        assert_eq!((code, printed.lines().count()), (2, 1), "{printed}");
        assert!(printed.contains(word) && !printed.contains("panicked"), "{printed}");
    };
    check(&["user", "list"], "no dev stack runs").await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    check(&["dev", "--port", &taken.local_addr().unwrap().port().to_string()], "cannot listen on port").await;
    let mut ring = std::fs::File::create(data.path().join("keys.json")).unwrap();
    ring.write_all(b"[]").unwrap();
    check(&["dev", "--port", "0"], "key ring").await;
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (code, printed) = run(&file, &["dev", "--port", "0"], "").await;
    assert_eq!((code, printed.lines().count()), (2, 1), "{printed}");
}
