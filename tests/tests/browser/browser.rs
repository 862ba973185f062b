//! A browser with its own profile.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Once,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::system::System;
use thirtyfour::{
    Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, Key, TypingData, WebDriver,
    WebElement, prelude::*,
};
use tokio::sync::{Mutex, MutexGuard};

/// A running browser. It quits when this is dropped, even by a test that fails.
pub(crate) struct Browser {
    driver: Option<WebDriver>,
    process: Child,
    port: u16,
    /// The request with which the driver stops the browser: method and path.
    quit: String,
    url: String,
    /// Held open: a driver would not survive writing to a closed pipe.
    _output: BufReader<ChildStdout>,
    _home: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// The maximum wait for an element of a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// The interval between look-ups of an element.
const LOOK: Duration = Duration::from_millis(50);

/// One browser at a time: a machine of two cores has no room for more.
static TURN: Mutex<()> = Mutex::const_new(());

/// Returns an environment variable of the tests.
#[expect(
    clippy::disallowed_methods,
    reason = "it is about the machine that tests run on, and no setting of a function"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Returns the path of a file that no package provides and this tool of `tools` installs.
pub(crate) fn installed(tool: &str, path: &str) -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools").join(tool);
    let path = tools.join(".installed").join(path);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("tools/{tool}/install has not been run"));
    None
}

#[expect(
    clippy::explicit_write,
    reason = "the output of the macros is shown only when a test fails"
)]
fn skip(why: &str) {
    static SAID: Once = Once::new();
    assert!(
        variable("HALLPASS_TEST_BROWSER").as_deref() != Some("required"),
        "HALLPASS_TEST_BROWSER=required: {why}"
    );
    SAID.call_once(|| {
        writeln!(std::io::stderr(), "the tests with a browser are skipped: {why}").unwrap();
    });
}

/// Returns the origin of a system, without the path at which its API is mounted.
pub(crate) fn origin(system: &System) -> &str {
    let url = system.url();
    let path = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    &url[..path]
}

impl Browser {
    /// Starts a browser that trusts this system, or returns `None` and writes a line to standard
    /// error if none is installed.
    pub(crate) async fn start(system: &System) -> Option<Self> {
        Self::start_with(system, &json!({})).await
    }

    /// Starts a browser in which scripts are switched off.
    pub(crate) async fn start_without_scripts(system: &System) -> Option<Self> {
        Self::start_with(system, &json!({"profile.managed_default_content_settings.javascript": 2}))
            .await
    }

    async fn start_with(system: &System, preferences: &Value) -> Option<Self> {
        if variable("HALLPASS_TEST_BROWSER").as_deref() == Some("off") {
            skip("HALLPASS_TEST_BROWSER=off");
            return None;
        }
        let turn = TURN.lock().await;
        let home = TempDir::new().unwrap();
        let database = home.path().join(".pki/nssdb");
        std::fs::create_dir_all(&database).unwrap();
        let database = format!("sql:{}", database.display());
        let authority = system.data().join("ca.pem").display().to_string();
        for arguments in [
            &["-N", "--empty-password", "-d", &database][..],
            &["-A", "-d", &database, "-n", "hallpass", "-t", "C,,", "-i", &authority],
        ] {
            let Ok(done) = Command::new("certutil").args(arguments).status() else {
                skip("certutil is not installed (Debian: libnss3-tools)");
                return None;
            };
            assert!(done.success(), "certutil {arguments:?}");
        }
        let Some(mut browser) =
            Self::drive("chromedriver", "successfully on port ", system, home, turn)
        else {
            skip("chromedriver is not installed (Debian: chromium and chromium-driver)");
            return None;
        };
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            // The page of a provider loads fonts from elsewhere.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        ] {
            wanted.add_arg(argument).unwrap();
        }
        wanted.add_experimental_option("prefs", preferences).unwrap();
        browser.open_session(wanted).await;
        // ChromeDriver stops its browsers if it is asked to quit, but not if it is killed.
        "GET /shutdown".clone_into(&mut browser.quit);
        Some(browser)
    }

    /// Starts Firefox, or returns `None` and writes a line to standard error if it or geckodriver
    /// is not installed. It takes any certificate.
    pub(crate) async fn firefox(system: &System) -> Option<Self> {
        if variable("HALLPASS_TEST_BROWSER").as_deref() == Some("off") {
            skip("HALLPASS_TEST_BROWSER=off");
            return None;
        }
        let turn = TURN.lock().await;
        let home = TempDir::new().unwrap();
        let Some(mut browser) =
            Self::drive("geckodriver", "Listening on 127.0.0.1:", system, home, turn)
        else {
            skip("geckodriver is not installed (`cargo install geckodriver`)");
            return None;
        };
        let mut wanted = DesiredCapabilities::firefox();
        wanted.set_headless().unwrap();
        wanted.accept_insecure_certs(true).unwrap();
        browser.open_session(wanted).await;
        // Firefox outlives a geckodriver that is killed.
        let session = browser.driver().session_id().to_string();
        browser.quit = format!("DELETE /session/{session}");
        Some(browser)
    }

    /// Starts a driver that says on which port it listens. Returns `None` if it is not installed.
    fn drive(
        program: &str,
        before_port: &str,
        system: &System,
        home: TempDir,
        turn: MutexGuard<'static, ()>,
    ) -> Option<Self> {
        let mut command = Command::new(program);
        command
            .args(["--port=0"])
            .env("HOME", home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().ok()?;
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split(before_port).nth(1)?.trim_end_matches('.').parse().ok());
        let port = port.unwrap_or_else(|| panic!("{program} says on which port it listens"));
        Some(Self {
            driver: None,
            process,
            port,
            quit: String::new(),
            url: origin(system).to_owned(),
            _output: output,
            _home: home,
            _turn: turn,
        })
    }

    async fn open_session(&mut self, wanted: impl Into<Capabilities>) {
        let driver = format!("http://127.0.0.1:{}", self.port);
        self.driver = Some(WebDriver::new(driver, wanted).await.unwrap());
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    /// Opens a page of the API.
    pub(crate) async fn open(&self, path: &str) {
        self.driver().goto(format!("{}{path}", self.url)).await.unwrap();
    }

    /// Returns the first visible element, as soon as it is visible.
    pub(crate) async fn element(&self, css: &str) -> WebElement {
        // An element of the page before can go while it is looked at.
        let is_displayed =
            async |element: WebElement| Ok(element.is_displayed().await.is_ok_and(|is| is));
        let query =
            self.driver().query(By::Css(css)).wait(PATIENCE, LOOK).with_filter(is_displayed);
        match query.first().await {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}\n{}", self.shown().await),
        }
    }

    /// Returns the first element with this text, as soon as it is visible.
    pub(crate) async fn with_text(&self, css: &str, text: &str) -> WebElement {
        let text = text.to_owned();
        let has_text = move |element: WebElement| {
            let text = text.clone();
            async move { Ok(element.text().await.is_ok_and(|content| content.contains(&text))) }
        };
        let query = self.driver().query(By::Css(css)).wait(PATIENCE, LOOK).with_filter(has_text);
        match query.first().await {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}\n{}", self.shown().await),
        }
    }

    /// Returns the URL and the text of the open page.
    async fn shown(&self) -> String {
        let text = self.run("return location.href + '\\n' + document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Clicks on the element with this text.
    pub(crate) async fn click_on(&self, css: &str, text: &str) {
        self.with_text(css, text)
            .await
            .click()
            .await
            .unwrap_or_else(|error| panic!("{css} {text}: {error}"));
    }

    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        self.element(css).await.send_keys(text).await.unwrap();
    }

    /// Returns the text of an element.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    /// Returns the value of a field.
    pub(crate) async fn value(&self, css: &str) -> String {
        self.element(css).await.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        self.driver().action_chain().send_keys(keys).perform().await.unwrap();
    }

    pub(crate) async fn tab(&self) {
        self.press(Key::Tab).await;
    }

    /// Runs a script and returns its result. The page's own policy does not apply to it.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver().execute(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Runs a script and returns what it passes to its last argument.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        self.driver().execute_async(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub(crate) async fn tell(&self, command: &str, parameters: Value) {
        self.driver().cdp().send_raw(command, parameters).await.unwrap();
    }

    pub(crate) async fn sign_in(&self, base: &str, name: &str, password: &str) {
        self.open(&format!("{base}/sign-in")).await;
        self.type_into("#username", name).await;
        self.type_into("#password", password).await;
        self.click("main form button").await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _sent = stream.set_read_timeout(Some(PATIENCE));
            let (quit, port) = (&self.quit, self.port);
            let host = format!("Host: 127.0.0.1:{port}\r\nConnection: close");
            let _sent = write!(stream, "{quit} HTTP/1.1\r\n{host}\r\n\r\n");
            let _read = stream.read_to_string(&mut String::new());
        }
        let _gone = self.process.kill();
        let _gone = self.process.wait();
        if let Some(driver) = self.driver.take() {
            let _gone = driver.leak();
        }
    }
}
