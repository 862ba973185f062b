//! Signing in at identity providers: `oidc-provider` on Node.js and the example of `zitadel/oidc`
//! for Go, both certified by the OpenID Foundation.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
};

use hallpass_store::links::{Identity, Linked};
use tests::system::System;

use crate::{
    browser::{Browser, installed},
    looks::judge,
};

/// A running provider. It ends when this is dropped.
struct Provider {
    process: Child,
    /// Read to its end, because a full or closed pipe would stop the provider.
    output: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts `oidc-provider`, or returns `None` if it is not installed. It trusts the certificate
    /// authority in this file.
    fn node(port: u16, redirect_uri: &str, authority: &Path) -> Option<Self> {
        installed("oidc-provider", "node_modules/oidc-provider/package.json")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/oidc-provider/serve.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(redirect_uri).arg(port.to_string());
        Some(Self::start(command.env("NODE_EXTRA_CA_CERTS", authority), "http://"))
    }

    /// Starts the example of `zitadel/oidc`, or returns `None` if it is not installed. Where there
    /// is no Go, it cannot be, and `.ci/run` says so.
    fn go(port: u16, redirect_uri: &str) -> Option<Self> {
        Command::new("go").arg("version").stdout(Stdio::null()).status().ok()?;
        let mut command = Command::new(installed("zitadel-oidc", "server")?);
        command.env("PORT", port.to_string()).env("REDIRECT_URI", redirect_uri);
        Some(Self::start(&mut command, "server listening"))
    }

    /// Starts a program, and waits until it prints this text.
    fn start(command: &mut Command, until: &str) -> Self {
        let (read, write) = std::io::pipe().unwrap();
        command.stdout(write.try_clone().unwrap()).stderr(write);
        let process = command.spawn().unwrap();
        // The command holds the other end of the pipe, which ends with the process.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut lines = BufReader::new(read).lines();
        let text = lines.by_ref().map(Result::unwrap).find(|line| line.contains(until));
        assert!(text.is_some(), "the provider does not start");
        let output = thread::spawn(move || lines.for_each(drop));
        Self { process, output: Some(output) }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
        let _ended = self.output.take().map(JoinHandle::join);
    }
}

/// Returns a port for a program whose URL must be known before it starts. No other process takes it
/// by chance, because it is below the ports that systems give to clients. Each program has its own
/// number.
fn port(number: u16) -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap() + number * 50;
    (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Starts a system that signs users in at a provider with these settings besides.
async fn system(port: u16, redirect_uri: &str, settings: &[(&str, &str)]) -> System {
    let mut all =
        vec![("HALLPASS_OIDC_REDIRECT_URI", redirect_uri), ("HALLPASS_PASSWORD_SIGN_IN", "off")];
    all.extend(settings);
    System::start_with(&all, |options| options.port = port).await
}

fn redirect_uri(port: u16) -> String {
    format!("https://localhost:{port}/sign-in/oidc/callback")
}

#[tokio::test]
async fn a_user_signs_in_at_the_provider_and_out_again() {
    let (port, at) = (port(0), port(1));
    let (redirect_uri, issuer) = (redirect_uri(port), format!("http://127.0.0.1:{at}"));
    let settings =
        [("HALLPASS_OIDC_ISSUER", issuer.as_str()), ("HALLPASS_OIDC_CLIENT_ID", "hallpass")];
    let system = system(port, &redirect_uri, &settings).await;
    let Some(_provider) = Provider::node(at, &redirect_uri, &system.authority()) else { return };
    let Some(browser) = Browser::start(&system).await else { return };
    let sign_in = async |name: &str| {
        browser.type_into("[name=login]", name).await;
        browser.type_into("[name=password]", "any").await;
        browser.click_on("[type=submit]", "Sign-in").await;
        browser.with_text("[type=submit]", "Continue").await;
        // The provider goes by the time of the machine.
        system.catch_up();
        browser.click("[type=submit]").await;
    };

    let Some(mut judge) = judge(&browser) else { return };
    // A page that needs a session leads to the provider, and the provider to no session yet.
    browser.open("/profile/developer/new").await;
    browser.with_text("main a.button", "Sign in with 127.0.0.1").await;
    judge.look("sign-in-provider", &[]).await;
    browser.click_on("main a.button", "Sign in with 127.0.0.1").await;
    sign_in("ada@example.com").await;
    browser.with_text("[role=alert]", "its subject is ada@example.com").await;
    judge.look("sign-in-not-linked", &[]).await;

    // Once the user is linked, the provider still knows the browser.
    let identity = Identity::new(&issuer, "ada@example.com");
    let linked =
        system.store().link(&"1".parse().unwrap(), &identity, &tests::CAUSE).await.unwrap();
    assert_eq!(linked, Linked::Now);
    system.catch_up();
    browser.click_on("main a.button", "Sign in with 127.0.0.1").await;
    browser.with_text("h1", "New token").await;
    browser.click("form.who button").await;
    browser.with_text("[role=status]", "You are signed out of Hallpass.").await;
    judge.look("signed-out-here", &[]).await;
    // The provider still knows the browser, until the user signs out there. It ends a session that
    // began meanwhile.
    browser.click_on("main a.button", "Sign in with 127.0.0.1").await;
    browser.with_text("h1", "Tokens").await;
    browser.open("/sign-in/oidc/sign-out").await;
    browser.with_text("button[autofocus]", "Yes, sign me out").await;
    system.catch_up();
    browser.click("button[autofocus]").await;
    browser.with_text("h1", "Sign in").await;
    browser.open("/profile/developer/").await;
    browser.with_text("[role=alert]", "Your session has ended").await;
    browser.open("/sign-in").await;
    browser.click_on("main a.button", "Sign in with 127.0.0.1").await;
    browser.with_text("[type=submit]", "Sign-in").await;
    judge.conclude();
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn a_new_person_signs_in_at_another_provider() {
    let (port, at) = (port(2), port(3));
    let (redirect_uri, issuer) = (redirect_uri(port), format!("http://localhost:{at}/"));
    let settings = [
        ("HALLPASS_OIDC_ISSUER", issuer.as_str()),
        ("HALLPASS_OIDC_CLIENT_ID", "native"),
        ("HALLPASS_OIDC_SCOPES", "openid profile"),
        ("HALLPASS_OIDC_PROVISION", "on"),
        ("HALLPASS_OIDC_PERMISSIONS", "locale,de=orders:read"),
    ];
    let system = system(port, &redirect_uri, &settings).await;
    let Some(_provider) = Provider::go(at, &redirect_uri) else { return };
    let Some(browser) = Browser::start(&system).await else { return };
    browser.open("/profile/developer/").await;
    browser.click_on("main a.button", "Sign in with localhost").await;
    browser.type_into("#username", "test-user@localhost").await;
    browser.type_into("#password", "verysecure").await;
    // The provider goes by the time of the machine.
    system.catch_up();
    browser.click_on("[type=submit]", "Login").await;
    browser.with_text("h1", "Tokens").await;
    let id = Identity::new(&issuer, "id1").new_user_id().unwrap();
    let user = system.store().user(&id).await.unwrap().unwrap();
    assert_eq!(user.username, "test-user@localhost");
    assert_eq!(user.permissions.to_string(), "orders:read");
    drop(browser);
    system.stop().await;
}
