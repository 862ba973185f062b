//! Every page in light and dark, wide and narrow, audited by axe-core: no violation of any level,
//! and no sideways scrolling.

use std::{fs, path::Path};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tests::{
    api::{bearer, text},
    pages::WebClient,
    system::System,
};

use crate::browser::{Browser, installed, variable};

/// The forms in which a page is audited: name, dark or not, and width.
const LOOKS: [(&str, bool, u32); 4] = [
    ("light", false, 1280),
    ("dark", true, 1280),
    ("phone", false, 360),
    ("phone-dark", true, 360),
];

/// Runs axe-core with everything on the page unfolded.
const AUDIT: &str = "
    const done = arguments[0];
    for (const it of document.querySelectorAll('main details')) it.open = true;
    axe.run(document, {resultTypes: ['violations']}).then(result => {
        for (const it of document.querySelectorAll('main details')) it.open = false;
        done(result.violations.flatMap(it => it.nodes.map(node => [it.id, node.target.join(' '), node.failureSummary])));
    }, error => done([[String(error)]]));";

/// Returns how far a page reaches beyond the screen.
const BEYOND: &str =
    "return document.scrollingElement.scrollWidth - document.documentElement.clientWidth";

pub(crate) struct Judge<'a> {
    browser: &'a Browser,
    axe: String,
    found: Vec<String>,
}

impl Judge<'_> {
    /// Audits the open page. `theirs` are rules and places of markup from elsewhere.
    pub(crate) async fn look(&mut self, page: &str, foreign: &[(&str, &str)]) {
        self.browser.run(&self.axe).await;
        for (name, dark, width) in LOOKS {
            let scheme = if dark { "dark" } else { "light" };
            let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            self.browser.tell("Emulation.setEmulatedMedia", media).await;
            let metrics = json!({
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500,
            });
            self.browser.tell("Emulation.setDeviceMetricsOverride", metrics).await;
            if let Some(folder) = variable("HALLPASS_TEST_SHOTS") {
                self.keep(Path::new(&folder), &format!("{page}-{name}")).await;
            }
            if variable("HALLPASS_WRITE_DOCS").is_some() && name == "light" {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/images");
                self.keep(&folder, page).await;
            }
            let beyond = self.browser.run(BEYOND).await;
            if beyond != 0 {
                self.found.push(format!("{page} {name}: {beyond} pixels beyond the screen"));
            }
            let grave = self.browser.run_async(AUDIT).await;
            let is_theirs = |finding: &Value| {
                foreign.iter().any(|(rule, at)| {
                    finding[0] == *rule && finding[1].as_str().unwrap_or_default().contains(at)
                })
            };
            let ours = grave.as_array().unwrap().iter().filter(|finding| !is_theirs(finding));
            self.found.extend(ours.map(|finding| format!("{page} {name}: {finding}")));
        }
    }

    async fn keep(&self, folder: &Path, name: &str) {
        let height = self.browser.run("return document.documentElement.scrollHeight").await;
        let clip = json!({
            "x": 0, "y": 0, "width": self.browser.run("return innerWidth").await, "height": height,
            "scale": 1,
        });
        let shot = json!({"captureBeyondViewport": true, "clip": clip});
        let shot =
            self.browser.driver().cdp().send_raw("Page.captureScreenshot", shot).await.unwrap();
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    pub(crate) fn conclude(self) {
        assert!(self.found.is_empty(), "{}", self.found.join("\n"));
    }
}

pub(crate) fn judge(browser: &Browser) -> Option<Judge<'_>> {
    let axe =
        fs::read_to_string(installed("axe-core", "node_modules/axe-core/axe.min.js")?).unwrap();
    Some(Judge { browser, axe, found: Vec::new() })
}

/// Gives the demo user 1 a token in every state.
async fn with_every_state(system: &System) {
    let names = ["ROLE_USER", "reports:read", "reports:write"].map(str::to_owned).to_vec();
    system.set_user("1", "permissions", AttributeValue::Ss(names)).await;
    let mut admin = WebClient::signed_in(system, "admin", "letmein").await;
    let id = async |token: &str| {
        let shown = system.ask("GET", "/tokens/current", &bearer(token)).await.body_of(200);
        shown["id"].as_str().unwrap().to_owned()
    };
    let token = system.token_of("my_username", "topsecret").await;
    let test_token = async |name: &str, more: Value| {
        let mut body = json!({"name": name});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        system.created(&token, &body).await["token"].as_str().unwrap().to_owned()
    };
    test_token("expired", json!({"expires_in": 1})).await;
    let revoked = test_token("revoked", json!({})).await;
    system.ask("DELETE", "/tokens/current", &bearer(&revoked)).await.body_of(200);
    let disabled = test_token("disabled", json!({"scopes": ["reports:read"]})).await;
    let path = format!("/admin/users/1/tokens/{}", id(&disabled).await);
    admin.post(&path, &[("do", "disable")]).await;
    let replaced =
        test_token("nightly report of all regions, created on the server in the cellar", json!({}))
            .await;
    let path = format!("/tokens/{}/rotate", id(&replaced).await);
    system.json("POST", &path, &bearer(&replaced), &json!({})).await.body_of(201);
    test_token(
        "a_name_without_any_space_in_it_that_is_as_long_as_a_name_may_be_____________________________________",
        json!({}),
    )
    .await;
    system.json("POST", "/profile/developer", &bearer(&token), &json!({})).await.body_of(201);
    system.advance(2);
}

#[tokio::test]
async fn the_pages_of_a_user_are_accessible() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    let Some(mut judge) = judge(&browser) else { return };
    browser.open("/sign-in").await;
    judge.look("sign-in", &[]).await;
    browser.sign_in("", "my_username", "wrong").await;
    browser.element("[role=alert]").await;
    judge.look("sign-in-wrong", &[]).await;
    browser.open("/sign-in?done=signed-out").await;
    judge.look("signed-out", &[]).await;
    browser.sign_in("", "my_username", "topsecret").await;
    browser.with_text("h1", "Tokens").await;
    judge.look("developer-empty", &[]).await;
    browser.click_on("main a", "New token").await;
    judge.look("new-token", &[]).await;
    browser.type_into("#name", "laptop").await;
    browser.click("[name=limit][value=all]").await;
    browser.click("[name=until][value=custom]").await;
    // The browser would not send a day before the field's minimum, so skip its validation.
    browser.run("document.getElementById('expires').form.noValidate = true").await;
    browser.run("document.getElementById('expires').value = '2025-01-01'").await;
    browser.click_on("main button", "Create token").await;
    browser.element("[role=alert]").await;
    judge.look("new-token-wrong", &[]).await;
    browser.click("[name=until]").await;
    browser.click_on("main button", "Create token").await;
    browser.element("#new-token").await;
    judge.look("created", &[]).await;
    with_every_state(&system).await;
    browser.open("/profile/developer/?done=revoked").await;
    browser.click(".ended > summary").await;
    browser.with_text("tbody td", "expired").await;
    judge.look("developer-states", &[]).await;
    browser.click_on("tbody a", "laptop").await;
    browser.with_text("h1", "laptop").await;
    judge.look("token", &[]).await;
    browser.open("/profile/developer/?search=nothing&used=never").await;
    browser.with_text(".empty", "No active token matches").await;
    judge.look("developer-filtered", &[]).await;
    browser.open("/nowhere").await;
    browser.with_text("h1", "Not found").await;
    judge.look("not-found", &[]).await;
    browser.open("/admin/users").await;
    judge.look("forbidden", &[]).await;
    system.set_user("1", "status", text("blocked")).await;
    browser.open("/profile/developer/").await;
    browser.with_text("h1", "You are signed out").await;
    judge.look("session-ended", &[]).await;
    judge.conclude();
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn the_pages_of_an_administrator_are_accessible() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    let Some(mut judge) = judge(&browser) else { return };
    with_every_state(&system).await;
    system.set_user("3", "full_name", text("Ada Lovelace, Countess of Lovelace")).await;
    browser.sign_in("", "admin", "letmein").await;
    browser.with_text("h1", "Tokens").await;
    for number in 0..60 {
        system.set_user(&format!("u{number}"), "username", text(&format!("user-{number}"))).await;
    }
    browser.open("/admin/users").await;
    judge.look("users", &[]).await;
    browser.click_on("main a", "Next page").await;
    browser.with_text("main a", "First page").await;
    judge.look("users-last", &[]).await;
    for (name, name_part) in [("users-found", "ld"), ("users-not-found", "unknown")] {
        browser.open(&format!("/admin/users?name={name_part}")).await;
        judge.look(name, &[]).await;
    }
    browser.open("/admin/users/3").await;
    judge.look("user-empty", &[]).await;
    browser.type_into("#name", "sync").await;
    browser.click("[name=limit][value=all]").await;
    browser.click_on("main button", "Issue the key").await;
    browser.element("#new-token").await;
    judge.look("user-made", &[]).await;
    browser.open("/admin/users/1").await;
    judge.look("user-states", &[]).await;
    for (name, summary, field, typed, button, says) in [
        ("user-rename-wrong", "Rename", "#username", ":", "Rename the user", "colon"),
        ("user-password-wrong", "Set a password", "#password", "short", "Set the password", "8"),
    ] {
        browser.click_on("summary", summary).await;
        browser.type_into(field, typed).await;
        browser.click_on("main button", button).await;
        // The page before has another error.
        browser.with_text("[role=alert]", says).await;
        judge.look(name, &[]).await;
    }
    browser.open("/admin/users/1").await;
    for (css, summary) in
        [("summary", "Set a password"), ("summary", "Block"), ("li summary", "Remove")]
    {
        browser.click_on(css, summary).await;
    }
    judge.look("user-confirm", &[]).await;
    browser.open("/admin/users/1").await;
    browser.click_on("summary", "Block").await;
    browser.click_on("button.danger", "Block the user").await;
    browser.with_text("[role=status]", "The user is blocked").await;
    judge.look("user-blocked", &[]).await;
    browser.open("/admin/users/99").await;
    judge.look("user-unknown", &[]).await;
    look_at_tokens(&browser, &mut judge).await;
    look_at_new_user(&browser, &mut judge).await;
    judge.conclude();
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn the_pages_of_offers_accounts_and_portals_are_accessible() {
    let back = "https://app.example.com/account";
    let system = System::start(&[("HALLPASS_PORTAL_RETURN_TO", back)]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    let Some(mut judge) = judge(&browser) else { return };
    let admin = bearer(&system.token_of("admin", "letmein").await);
    for (name, scopes) in [("nightly build", json!(["ROLE_USER"])), ("laptop", json!(null))] {
        let offer = json!({
            "name": name, "description": "Runs at three", "scopes": scopes, "user_id": "1",
            "claim": true,
        });
        system.json("POST", "/tokens", &admin, &offer).await.body_of(202);
    }
    let id = |text: &str| text.parse().unwrap();
    system.store().add_maintainer(&id("4"), &id("1"), &tests::CAUSE).await.unwrap();
    let key = json!({"name": "deployment", "user_id": "4"});
    system.json("POST", "/tokens", &admin, &key).await.body_of(201);

    browser.sign_in("", "my_username", "topsecret").await;
    browser.with_text("h2", "An administrator offers you").await;
    judge.look("offers", &[]).await;
    browser.click_on("main a", "ci-bot").await;
    browser.with_text("h1", "ci-bot").await;
    judge.look("account", &[]).await;
    browser.open("/profile/developer/").await;
    browser.click_on("main button", "Create it").await;
    browser.element("#new-token").await;

    let portal = json!({"user_id": "1", "return_to": back});
    let portal = system.json("POST", "/portal/sessions", &admin, &portal).await.body_of(201);
    let link = portal["url"].as_str().unwrap().split_once("/portal").unwrap().1;
    browser.open(&format!("/portal{link}")).await;
    browser.with_text("main button", "Continue to your tokens").await;
    judge.look("portal", &[]).await;
    browser.click("main button").await;
    browser.with_text("h1", "Tokens").await;
    judge.look("portal-session", &[]).await;
    browser.open(&format!("/portal{link}")).await;
    browser.element("[role=alert]").await;
    judge.look("portal-ended", &[]).await;
    browser.sign_in("", "admin", "letmein").await;
    browser.with_text("h1", "Tokens").await;
    browser.open("/admin/users/1").await;
    browser.with_text("h2", "Offered:").await;
    judge.look("user-offered", &[]).await;
    judge.conclude();
    drop(browser);
    system.stop().await;
}

/// Looks at the tokens of all users.
async fn look_at_tokens(browser: &Browser, judge: &mut Judge<'_>) {
    for (name, query) in [("all-tokens", ""), ("all-tokens-none", "?used=90&permission=x")] {
        browser.open(&format!("/admin/tokens{query}")).await;
        judge.look(name, &[]).await;
    }
}

/// Looks at the form for a new user.
async fn look_at_new_user(browser: &Browser, judge: &mut Judge<'_>) {
    browser.open("/admin/users/new").await;
    judge.look("new-user", &[]).await;
    browser.type_into("#username", "admin").await;
    browser.type_into("#permissions", "ROLE_USER").await;
    browser.click_on("main button", "Add the user").await;
    browser.element("[role=alert]").await;
    judge.look("new-user-wrong", &[]).await;
}

/// The findings in Swagger UI's own markup, which no stylesheet can repair: rule and place. The
/// head of each operation has links and buttons inside a button, and the list of servers has no
/// name.
const SWAGGERS: [(&str, &str); 2] =
    [("nested-interactive", ".opblock-summary-control"), ("select-name", "#servers")];

#[tokio::test]
async fn swagger_is_accessible_except_for_its_own_markup() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    let Some(mut judge) = judge(&browser) else { return };
    browser.open("/docs/swagger-ui/index.html").await;
    browser.element(".opblock").await;
    judge.look("swagger", &SWAGGERS).await;
    judge.conclude();
    drop(browser);
    system.stop().await;
}
