//! What people do: with the mouse, with the keyboard alone, and without scripts.

use serde_json::{Value, json};
use tests::system::System;
use thirtyfour::Key;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::chrome::Chrome;

/// Creates a token with the form, reads it, uses it, and revokes it on the page.
async fn make_use_and_revoke(chrome: &Chrome, system: &System) {
    create(chrome, "laptop").await;
    let token = chrome.text("#new-token").await;
    assert_eq!(system.verdict(&token).await, "allow");
    chrome.click_on("main a", "Done").await;
    chrome.click_on("td summary", "Revoke").await;
    chrome.click_on("td button.danger", "Revoke the token").await;
    chrome.with_text("[role=status]", "The token is revoked and no longer works.").await;
    assert_eq!(system.verdict(&token).await, "revoked");
    chrome.click_on(".ended > summary", "Show 1 inactive token").await;
    chrome.with_text("tbody td", "revoked").await;
}

/// Creates a token with all permissions from the page of the tokens.
async fn create(chrome: &Chrome, name: &str) {
    chrome.click_on("main a", "New token").await;
    chrome.type_into("#name", name).await;
    chrome.click("[name=limit][value=all]").await;
    chrome.click_on("main button", "Create token").await;
}

#[tokio::test]
async fn a_token_is_created_copied_used_and_revoked() {
    let system = System::start(&[]).await;
    let Some(chrome) = Chrome::start(&system).await else { return };
    chrome.tell("Emulation.setTimezoneOverride", json!({"timezoneId": "Asia/Kathmandu"})).await;
    chrome.tell("Emulation.setLocaleOverride", json!({"locale": "en-GB"})).await;
    chrome.sign_in("", "my_username", "wrong").await;
    chrome.with_text("[role=alert]", "The user name or the password is wrong.").await;
    assert_eq!(chrome.value("#username").await, "my_username");
    chrome.type_into("#password", "topsecret").await;
    chrome.click("main form button").await;
    chrome.with_text("h1", "Tokens").await;
    make_use_and_revoke(&chrome, &system).await;

    // The script: copy, and the reader's own time.
    chrome.click_on("main button", "Create the developer token").await;
    let token = chrome.text("#new-token").await;
    let origin = system.url();
    let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    chrome
        .tell("Browser.grantPermissions", json!({"origin": origin, "permissions": permissions}))
        .await;
    chrome.click_on("button[data-copy]", "Copy").await;
    chrome.with_text("button[data-copy]", "Copied").await;
    let read = "const done = arguments[0]; navigator.clipboard.readText().then(done, e => \
                done(String(e)));";
    assert_eq!(chrome.run_async(read).await, token);
    let denied =
        json!({"origin": origin, "permission": {"name": "clipboard-write"}, "setting": "denied"});
    chrome.tell("Browser.setPermission", denied).await;
    chrome.click_on("button[data-copy]", "Copied").await;
    chrome.with_text("#copied", "copy it by hand").await;
    assert_eq!(chrome.run("return String(getSelection())").await, token, "it is selected");

    chrome.click_on("main a", "Done").await;
    chrome.with_text("time", "less than a minute ago").await;
    let first = "const it = document.querySelector('time'); return [it.dateTime, it.title]";
    let here = "return new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'short', \
         timeZone: 'Asia/Kathmandu'}).format(new Date(document.querySelector('time').dateTime))";
    let now = system.now().to_string();
    assert_eq!(chrome.run(first).await, json!([now, chrome.run(here).await]));
    chrome.click("form.who button").await;
    chrome.with_text("[role=status]", "You are signed out.").await;
    drop(chrome);
    system.stop().await;
}

#[tokio::test]
async fn everything_works_without_scripts() {
    let system = System::start_with(&[], |options| options.base_path = "/prod".to_owned()).await;
    let Some(chrome) = Chrome::start_without_scripts(&system).await else { return };
    chrome.sign_in("/prod", "my_username", "topsecret").await;
    chrome.with_text("h1", "Tokens").await;
    create(&chrome, "laptop").await;
    let token = chrome.text("#new-token").await;
    let authorization = format!("Bearer {token}");
    assert_eq!(system.ask("GET", "/prod/rs/profile", &authorization).await.status, 200);
    assert!(
        chrome.driver().source().await.unwrap().contains("data-copy=\"new-token\" hidden"),
        "no script ran"
    );
    chrome.click_on("main a", "Done").await;
    chrome.with_text("time", "less than a minute ago").await;
    chrome.click_on("td summary", "Revoke").await;
    chrome.click_on("td button.danger", "Revoke the token").await;
    chrome.with_text("[role=status]", "The token is revoked and no longer works.").await;
    assert_eq!(system.ask("GET", "/prod/rs/profile", &authorization).await.status, 401);
    drop(chrome);
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_issues_a_key_and_revokes_it() {
    let system = System::start(&[]).await;
    let Some(chrome) = Chrome::start(&system).await else { return };
    chrome.open("/admin/users").await;
    chrome.type_into("#username", "admin").await;
    chrome.type_into("#password", "letmein").await;
    chrome.click("main form button").await;
    chrome.type_into("#find", "LDAP_user").await;
    chrome.click("form.filter button").await;
    chrome.click_on("tbody a", "ldap_user").await;
    chrome.with_text("dd", "person with an external password").await;
    chrome.type_into("#name", "sync").await;
    chrome.click("[name=limit][value=all]").await;
    chrome.click_on("main button", "Issue the key").await;
    let key = chrome.text("#new-token").await;
    assert_eq!(system.verdict(&key).await, "allow");
    chrome.click_on("td button", "Disable").await;
    chrome.with_text("[role=status]", "The key is disabled").await;
    assert_eq!(system.verdict(&key).await, "disabled");
    chrome.click_on("td button", "Enable").await;
    chrome.with_text("[role=status]", "The key is enabled again.").await;
    assert_eq!(system.verdict(&key).await, "allow");
    chrome.click_on("td summary", "Delete").await;
    chrome.click_on("td button.danger", "Delete the key").await;
    chrome.with_text("[role=status]", "The key is deleted and no longer works.").await;
    assert_eq!(system.verdict(&key).await, "revoked");

    let token = system.token_of("my_username", "topsecret").await;
    chrome.open("/admin/users/1").await;
    chrome.click_on("summary", "Block").await;
    chrome.click_on("button.danger", "Block the user").await;
    chrome.with_text("[role=status]", "The user is blocked").await;
    assert_eq!(system.verdict(&token).await, "user_blocked");
    drop(chrome);
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_adds_and_changes_a_user_without_scripts() {
    let system = System::start_with(&[], |options| options.base_path = "/prod".to_owned()).await;
    let Some(chrome) = Chrome::start_without_scripts(&system).await else { return };
    chrome.sign_in("/prod", "admin", "letmein").await;
    chrome.click_on("nav a", "Users").await;
    chrome.click_on("main a", "New user").await;
    for (field, typed) in [
        ("#username", "ada"),
        ("#full-name", "Ada Lovelace"),
        ("#password", "a password of ada"),
        ("#permissions", "ROLE_USER\nreports:read"),
    ] {
        chrome.type_into(field, typed).await;
    }
    chrome.click_on("main button", "Add the user").await;
    chrome.with_text("[role=status]", "The user is added.").await;
    chrome.with_text("dd", "Ada Lovelace").await;
    chrome.click_on("li summary", "Remove").await;
    chrome.with_text("li p", "This takes it from the user and from no active tokens").await;
    chrome.click_on("li button.danger", "Remove the permission").await;
    chrome.with_text("[role=status]", "The permission is removed.").await;
    chrome.type_into("#permission", "reports:write").await;
    chrome.click_on("main button", "Add the permission").await;
    chrome.with_text("[role=status]", "The permission is added.").await;
    chrome.with_text("li", "reports:write").await;
    chrome.click_on("summary", "Rename").await;
    chrome.type_into("#username", "-lovelace").await;
    chrome.click_on("main button", "Rename the user").await;
    chrome.with_text("h1", "ada-lovelace").await;
    chrome.click_on("summary", "Block").await;
    chrome.with_text("details p", "This ends no active tokens, and every session.").await;
    chrome.click_on("button.danger", "Block the user").await;
    chrome.with_text("[role=status]", "The user is blocked").await;
    chrome.open("/prod/admin/users?name=lovel&state=blocked").await;
    chrome.with_text("tbody a", "ada-lovelace").await;
    drop(chrome);
    system.stop().await;
}

/// Everything on the page that can have the focus, by its description; a group of radio buttons is
/// one stop.
const STOPS: &str = "
    const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')];
    const seen = all.filter(it => it.checkVisibility() && !it.disabled && !(it.type === 'radio' && !it.checked));
    return seen.map(it => it.outerHTML);";

/// The focused element, and whether its focus is visible.
const FOCUS: &str = "
    const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
    const keyring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    return [it.outerHTML, keyring && box.width > 0 && box.right > 0 && box.bottom > 0, it.id];";

#[tokio::test]
async fn the_keyboard_alone_reaches_everything_and_the_focus_is_visible() {
    let system = System::start(&[]).await;
    let Some(chrome) = Chrome::start(&system).await else { return };
    chrome.open("/sign-in").await;
    chrome.element("#username:focus").await;
    chrome.press("my_username").await;
    chrome.tab().await;
    chrome.press("topsecret" + Key::Enter).await;
    chrome.with_text("h1", "Tokens").await;
    let stops = chrome.run(STOPS).await;
    let mut left: Vec<&Value> = stops.as_array().unwrap().iter().collect();
    assert!(left.len() >= 8, "{stops}");
    for _ in 0..60 {
        chrome.tab().await;
        let focus = chrome.run(FOCUS).await;
        if focus[0].as_str().unwrap().starts_with("<body") {
            continue;
        }
        assert_eq!(focus[1], true, "the focus is not visible: {focus}");
        left.retain(|stop| **stop != focus[0]);
        if left.is_empty() {
            break;
        }
    }
    assert!(left.is_empty(), "no key reaches {left:?}");

    chrome.open("/profile/developer/new").await;
    for _ in 0..60 {
        chrome.tab().await;
        if chrome.run(FOCUS).await[2] == "name" {
            break;
        }
    }
    chrome.press("by hand").await;
    for _ in 0..60 {
        chrome.tab().await;
        if chrome.run("return document.activeElement.value").await == "some" {
            break;
        }
    }
    chrome.press(Key::Down).await;
    chrome.with_text("#summary", "all permissions, now and later").await;
    chrome.press(Key::Enter).await;
    let token = chrome.text("#new-token").await;
    assert_eq!(system.verdict(&token).await, "allow");
    drop(chrome);
    system.stop().await;
}

/// Serves an empty page on this machine, and returns its origin.
async fn empty_page() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4_096]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n";
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
        }
    });
    (origin, serving)
}

#[tokio::test]
async fn a_script_of_an_allowed_origin_reads_why_the_gateway_rejected_it_and_of_no_other() {
    let (origin, serving) = empty_page().await;
    for (allowed, expected) in [
        (origin.as_str(), json!([401, "malformed", true])),
        ("https://app.example.com", json!("TypeError: Failed to fetch")),
    ] {
        let system = System::start(&[("HALLPASS_CORS_ALLOWED_ORIGINS", allowed)]).await;
        let Some(chrome) = Chrome::start(&system).await else { return };
        chrome.driver().goto(&origin).await.unwrap();
        let fetch = format!(
            "const done = arguments[0]; fetch('{}/api/user/1', {{headers: {{Authorization: 'Bearer \
             nonsense'}}}}).then(async it => done([it.status, (await it.json()).reason, \
             it.headers.get('X-WWW-Authenticate').startsWith('Bearer ')]), e => done(String(e)));",
            system.url()
        );
        assert_eq!(chrome.run_async(&fetch).await, expected, "{allowed}");
        drop(chrome);
        system.stop().await;
    }
    serving.abort();
}
