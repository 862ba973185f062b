//! Signing in at an identity provider: `oidc-provider` on Node.js, which is certified by the OpenID
//! Foundation.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use hallpass_store::links::{Identity, Linked};
use tests::system::System;

use crate::{
    chrome::{Chrome, installed},
    looks::judge,
};

/// A running provider. It ends when this is dropped.
struct Provider {
    issuer: String,
    process: Child,
    /// Held open: Node.js would not survive writing to a closed pipe.
    _output: BufReader<ChildStdout>,
}

impl Provider {
    /// Starts a provider, or returns `None` if it is not installed.
    fn start(redirect_uri: &str) -> Option<Self> {
        installed("oidc-provider", "node_modules/oidc-provider/package.json")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/oidc-provider/serve.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .arg(redirect_uri)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is installed together with npm");
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        Some(Self { issuer: line.trim().to_owned(), process, _output: output })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Returns a port for a system whose URL must be known before it starts. No other process takes it
/// by chance, because it is below the ports that systems give to clients.
fn port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

#[tokio::test]
async fn a_user_signs_in_at_the_provider_and_out_again() {
    let port = port();
    let redirect_uri = format!("https://localhost:{port}/sign-in/oidc/callback");
    let Some(provider) = Provider::start(&redirect_uri) else { return };
    let settings = [
        ("HALLPASS_OIDC_ISSUER", provider.issuer.as_str()),
        ("HALLPASS_OIDC_CLIENT_ID", "hallpass"),
        ("HALLPASS_OIDC_REDIRECT_URI", &redirect_uri),
        ("HALLPASS_PASSWORD_SIGN_IN", "off"),
    ];
    let system = System::start_with(&settings, |options| options.port = port).await;
    let Some(chrome) = Chrome::start(&system).await else { return };
    let sign_in = async |name: &str| {
        chrome.type_into("[name=login]", name).await;
        chrome.type_into("[name=password]", "any").await;
        chrome.click_on("[type=submit]", "Sign-in").await;
        chrome.with_text("[type=submit]", "Continue").await;
        // The provider goes by the time of the machine.
        system.catch_up();
        chrome.click("[type=submit]").await;
    };

    let Some(mut judge) = judge(&chrome) else { return };
    // A page that needs a session leads to the provider, and the provider to no session yet.
    chrome.open("/profile/developer/new").await;
    chrome.with_text("main a.button", "Sign in with 127.0.0.1").await;
    judge.look("sign-in-provider", &[]).await;
    chrome.click_on("main a.button", "Sign in with 127.0.0.1").await;
    sign_in("ada@example.com").await;
    chrome.with_text("[role=alert]", "its subject is ada@example.com").await;
    judge.look("sign-in-not-linked", &[]).await;

    // Once the user is linked, the provider still knows the browser.
    let identity = Identity::new(&provider.issuer, "ada@example.com");
    let linked = system.store().link(&"1".parse().unwrap(), &identity).await.unwrap();
    assert_eq!(linked, Linked::Now);
    system.catch_up();
    chrome.click_on("main a.button", "Sign in with 127.0.0.1").await;
    chrome.with_text("h1", "New token").await;
    chrome.click("form.who button").await;
    chrome.with_text("[role=status]", "You are signed out.").await;
    chrome.open("/profile/developer/").await;
    chrome.with_text("h1", "Sign in").await;
    judge.conclude();
    drop(chrome);
    system.stop().await;
}
