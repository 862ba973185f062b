//! Runs a development stack in its own process, and commands against it.

use std::{
    io,
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass::stack::Stack;
use hallpass_store::{Store, connect::Connection};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// A running development stack.
pub(crate) struct Dev {
    pub(crate) data: TempDir,
    /// What it printed until it was ready.
    pub(crate) printed: Vec<String>,
    process: Child,
    port: u16,
}

/// The output of a running development stack.
pub(crate) type Printed = Lines<BufReader<ChildStdout>>;

/// A client that trusts the certificate authority of one stack.
#[derive(Clone)]
pub(crate) struct Client {
    port: u16,
    tls: Arc<ClientConfig>,
}

/// A response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The exit status and the output of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Dev {
    pub(crate) async fn fresh() -> Self {
        Self::start(TempDir::new().unwrap(), &[]).await
    }

    pub(crate) async fn start(data: TempDir, arguments: &[&str]) -> Self {
        Self::start_with_log(data, arguments, Stdio::null()).await
    }

    /// Starts a stack whose standard error goes to `log`.
    pub(crate) async fn start_with_log(data: TempDir, arguments: &[&str], log: Stdio) -> Self {
        let mut command = hallpass(data.path());
        command.args(["dev", "--port", "0"]).args(arguments).stderr(log);
        Self::run_by(command, data).await.0
    }

    /// Starts a stack by this command, and returns it with the rest of the command's output.
    pub(crate) async fn run_by(mut command: Command, data: TempDir) -> (Self, Printed) {
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let is_ready = line.starts_with("ready ");
            printed.push(line);
            if is_ready {
                break;
            }
        }
        let last = printed.last().unwrap().trim_end();
        let port = last.strip_prefix("ready https://localhost:").unwrap().parse().unwrap();
        (Self { data, printed, process, port }, lines)
    }

    /// Stops the stack with this signal, and returns its data directory.
    pub(crate) async fn stop(mut self, signal: &str) -> TempDir {
        let pid = self.process.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
        assert_eq!(self.process.wait().await.unwrap().code(), Some(0), "{signal}");
        self.data
    }

    /// Kills the stack without a clean stop.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> (i32, String) {
        run(self.data.path(), arguments, input).await
    }

    /// Runs a command that must succeed, and returns all of its output.
    pub(crate) async fn done(&self, arguments: &[&str], input: &str) -> String {
        let (code, printed) = self.run(arguments, input).await;
        assert_eq!(code, 0, "{arguments:?}: {printed}");
        printed
    }

    /// Runs a command that must succeed, and returns its standard output.
    pub(crate) async fn out(&self, arguments: &[&str], input: &str) -> String {
        let Ran { code, out, err } = self.ran(arguments, input).await;
        assert_eq!(code, 0, "{arguments:?}: {out} {err}");
        out
    }

    pub(crate) async fn ran(&self, arguments: &[&str], input: &str) -> Ran {
        ran(hallpass(self.data.path()).args(arguments), input).await
    }

    /// Runs a command that must be rejected with one line that contains these words.
    pub(crate) async fn rejected(&self, arguments: &[&str], input: &str, words: &str) {
        let Ran { code, out, err } = self.ran(arguments, input).await;
        assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{arguments:?}: {err}");
        assert!(err.contains(words) && err.len() < 500, "{arguments:?}: {err}");
    }

    /// Runs a command with `--json` that must succeed, and returns its JSON value.
    pub(crate) async fn json(&self, arguments: &[&str], input: &str) -> Value {
        let out = self.out(&[&["--json"], arguments].concat(), input).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// Finds the stack as commands do.
    pub(crate) fn stack(&self) -> Stack {
        Stack::find(self.data.path()).unwrap()
    }

    /// Opens the stack's tables directly.
    pub(crate) fn store(&self) -> Store {
        self.stack().store().unwrap()
    }

    pub(crate) fn connection(&self) -> Connection {
        hallpass_service::service::connection(&self.stack().lookup()).unwrap()
    }

    /// Logs in, and returns the status of the response.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> u16 {
        self.send("POST", "/api/services_token/generate", name, password).await.status
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        username: &str,
        password: &str,
    ) -> Reply {
        self.client().try_send(method, path, username, password).await.unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        self.client_of(self.port)
    }

    /// Returns a client of another port of the stack.
    pub(crate) fn client_of(&self, port: u16) -> Client {
        let pem = std::fs::read(self.data.path().join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config =
            config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        Client { port, tls: Arc::new(config.with_no_client_auth()) }
    }

    pub(crate) async fn token(&self, name: &str, password: &str) -> String {
        let response = self.send("POST", "/api/services_token/generate", name, password).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.body.split('"').nth(7).unwrap().to_owned()
    }

    /// Returns `allow`, or the reason for which the token is rejected.
    pub(crate) async fn verdict(&self, token: &str) -> String {
        let response = self.send("GET", "/api/user/1", token, "").await;
        if response.status == 200 {
            return "allow".to_owned();
        }
        assert_eq!(response.status, 401, "{}", response.body);
        assert!(
            response.head.contains(
                "\r\nwww-authenticate: bearer realm=\"hallpass\", error=\"invalid_token\""
            )
        );
        assert!(response.head.contains(
            "\r\nx-www-authenticate: bearer realm=\"hallpass\", error=\"invalid_token\""
        ));
        let body: Value = serde_json::from_str(&response.body).unwrap();
        body["reason"].as_str().unwrap().to_owned()
    }
}

impl Client {
    /// Sends a request on a new connection. An incomplete response is an error.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        username: &str,
        password: &str,
    ) -> io::Result<Reply> {
        let credential = BASE64_STANDARD.encode(format!("{username}:{password}").as_bytes());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic \
             {credential}\r\nConnection: close\r\n\r\n"
        );
        self.exchange(&head).await
    }

    /// Sends these bytes on a new connection, and reads until its end.
    pub(crate) async fn exchange(&self, sent: &str) -> io::Result<Reply> {
        let stream = TcpStream::connect(("localhost", self.port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        stream.write_all(sent.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Reply { status, head: head.to_lowercase(), body: body.to_owned() })
    }
}

pub(crate) fn hallpass(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.arg("--data").arg(data);
    command
}

/// Runs a command with this standard input, and returns its exit status and all of its output.
pub(crate) async fn run(data: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let Ran { code, out, err } = ran(hallpass(data).args(arguments), input).await;
    (code, out + &err)
}

/// Runs a command with this standard input.
pub(crate) async fn ran(command: &mut Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A rejected command can exit before it reads its input.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let Output { status, stdout, stderr } = process.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) };
    // Standard input can be a secret, so no command prints it.
    for line in input.lines().filter(|line| line.len() > 6) {
        assert!(!ran.err.contains(line) && !ran.out.contains(line), "an input was shown: {ran:?}");
    }
    ran
}
