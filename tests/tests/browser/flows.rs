//! What people do: with the mouse, with the keyboard alone, and without scripts.

use serde_json::{Value, json};
use tests::system::System;
use thirtyfour::Key;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::browser::Browser;

/// Creates a token with the form, reads it, uses it, and revokes it on the page.
async fn make_use_and_revoke(browser: &Browser, system: &System) {
    create(browser, "laptop").await;
    let token = browser.text("#new-token").await;
    assert_eq!(system.verdict(&token).await, "allow");
    browser.click_on("main a", "Done").await;
    browser.click_on("td summary", "Revoke").await;
    browser.click_on("td button.danger", "Revoke the token").await;
    browser.with_text("[role=status]", "The token is revoked and no longer works.").await;
    assert_eq!(system.verdict(&token).await, "revoked");
    browser.click_on(".ended > summary", "Show 1 inactive token").await;
    browser.with_text("tbody td", "revoked").await;
}

/// Creates a token with all permissions from the page of the tokens.
async fn create(browser: &Browser, name: &str) {
    browser.click_on("main a", "New token").await;
    browser.type_into("#name", name).await;
    browser.click("[name=limit][value=all]").await;
    browser.click_on("main button", "Create token").await;
}

#[tokio::test]
async fn a_token_is_created_used_and_revoked_in_firefox() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::firefox(&system).await else { return };
    browser.sign_in("", "my_username", "wrong").await;
    browser.with_text("[role=alert]", "The user name or the password is wrong.").await;
    browser.type_into("#password", "topsecret").await;
    browser.click("main form button").await;
    browser.with_text("h1", "Tokens").await;
    make_use_and_revoke(&browser, &system).await;
    browser.click("form.who button").await;
    browser.with_text("[role=status]", "You are signed out.").await;
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn a_token_is_created_copied_used_and_revoked() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    browser.tell("Emulation.setTimezoneOverride", json!({"timezoneId": "Asia/Kathmandu"})).await;
    browser.tell("Emulation.setLocaleOverride", json!({"locale": "en-GB"})).await;
    browser.sign_in("", "my_username", "wrong").await;
    browser.with_text("[role=alert]", "The user name or the password is wrong.").await;
    assert_eq!(browser.value("#username").await, "my_username");
    browser.type_into("#password", "topsecret").await;
    browser.click("main form button").await;
    browser.with_text("h1", "Tokens").await;
    make_use_and_revoke(&browser, &system).await;

    // The script: copy, and the reader's own time.
    browser.click_on("main button", "Create the developer token").await;
    let token = browser.text("#new-token").await;
    let origin = system.url();
    let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    browser
        .tell("Browser.grantPermissions", json!({"origin": origin, "permissions": permissions}))
        .await;
    browser.click_on("button[data-copy]", "Copy").await;
    browser.with_text("button[data-copy]", "Copied").await;
    let read = "const done = arguments[0]; navigator.clipboard.readText().then(done, e => \
                done(String(e)));";
    assert_eq!(browser.run_async(read).await, token);
    let denied =
        json!({"origin": origin, "permission": {"name": "clipboard-write"}, "setting": "denied"});
    browser.tell("Browser.setPermission", denied).await;
    browser.click_on("button[data-copy]", "Copied").await;
    browser.with_text("#copied", "copy it by hand").await;
    assert_eq!(browser.run("return String(getSelection())").await, token, "it is selected");

    browser.click_on("main a", "Done").await;
    browser.with_text("time", "less than a minute ago").await;
    let first = "const it = document.querySelector('time'); return [it.dateTime, it.title]";
    let here = "return new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'short', \
         timeZone: 'Asia/Kathmandu'}).format(new Date(document.querySelector('time').dateTime))";
    let now = system.now().to_string();
    assert_eq!(browser.run(first).await, json!([now, browser.run(here).await]));
    browser.click("form.who button").await;
    browser.with_text("[role=status]", "You are signed out.").await;
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn everything_works_without_scripts() {
    let system = System::start_with(&[], |options| options.base_path = "/prod".to_owned()).await;
    let Some(browser) = Browser::start_without_scripts(&system).await else { return };
    browser.sign_in("/prod", "my_username", "topsecret").await;
    browser.with_text("h1", "Tokens").await;
    create(&browser, "laptop").await;
    let token = browser.text("#new-token").await;
    let authorization = format!("Bearer {token}");
    assert_eq!(system.ask("GET", "/prod/rs/profile", &authorization).await.status, 200);
    assert!(
        browser.driver().source().await.unwrap().contains("data-copy=\"new-token\" hidden"),
        "no script ran"
    );
    browser.click_on("main a", "Done").await;
    browser.with_text("time", "less than a minute ago").await;
    browser.click_on("td summary", "Revoke").await;
    browser.click_on("td button.danger", "Revoke the token").await;
    browser.with_text("[role=status]", "The token is revoked and no longer works.").await;
    assert_eq!(system.ask("GET", "/prod/rs/profile", &authorization).await.status, 401);
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_issues_a_key_and_revokes_it() {
    let system = System::start(&[]).await;
    let Some(browser) = Browser::start(&system).await else { return };
    browser.open("/admin/users").await;
    browser.type_into("#username", "admin").await;
    browser.type_into("#password", "letmein").await;
    browser.click("main form button").await;
    browser.type_into("#find", "LDAP_user").await;
    browser.click("form.filter button").await;
    browser.click_on("tbody a", "ldap_user").await;
    browser.with_text("dd", "person with an external password").await;
    browser.type_into("#name", "sync").await;
    browser.click("[name=limit][value=all]").await;
    browser.click_on("main button", "Issue the key").await;
    let key = browser.text("#new-token").await;
    assert_eq!(system.verdict(&key).await, "allow");
    browser.click_on("td button", "Disable").await;
    browser.with_text("[role=status]", "The key is disabled").await;
    assert_eq!(system.verdict(&key).await, "disabled");
    browser.click_on("td button", "Enable").await;
    browser.with_text("[role=status]", "The key is enabled again.").await;
    assert_eq!(system.verdict(&key).await, "allow");
    browser.click_on("td summary", "Delete").await;
    browser.click_on("td button.danger", "Delete the key").await;
    browser.with_text("[role=status]", "The key is deleted and no longer works.").await;
    assert_eq!(system.verdict(&key).await, "revoked");

    let token = system.token_of("my_username", "topsecret").await;
    browser.open("/admin/users/1").await;
    browser.click_on("summary", "Block").await;
    browser.click_on("button.danger", "Block the user").await;
    browser.with_text("[role=status]", "The user is blocked").await;
    assert_eq!(system.verdict(&token).await, "user_blocked");
    drop(browser);
    system.stop().await;
}

#[tokio::test]
async fn an_administrator_adds_and_changes_a_user_without_scripts() {
    let system = System::start_with(&[], |options| options.base_path = "/prod".to_owned()).await;
    let Some(browser) = Browser::start_without_scripts(&system).await else { return };
    browser.sign_in("/prod", "admin", "letmein").await;
    browser.click_on("nav a", "Users").await;
    browser.click_on("main a", "New user").await;
    for (field, typed) in [
        ("#username", "ada"),
        ("#full-name", "Ada Lovelace"),
        ("#password", "a password of ada"),
        ("#permissions", "ROLE_USER\nreports:read"),
    ] {
        browser.type_into(field, typed).await;
    }
    browser.click_on("main button", "Add the user").await;
    browser.with_text("[role=status]", "The user is added.").await;
    browser.with_text("dd", "Ada Lovelace").await;
    browser.click_on("li summary", "Remove").await;
    browser.with_text("li p", "This takes it from the user and from no active tokens").await;
    browser.click_on("li button.danger", "Remove the permission").await;
    browser.with_text("[role=status]", "The permission is removed.").await;
    browser.type_into("#permission", "reports:write").await;
    browser.click_on("main button", "Add the permission").await;
    browser.with_text("[role=status]", "The permission is added.").await;
    browser.with_text("li", "reports:write").await;
    browser.click_on("summary", "Rename").await;
    browser.type_into("#username", "-lovelace").await;
    browser.click_on("main button", "Rename the user").await;
    browser.with_text("h1", "ada-lovelace").await;
    browser.click_on("summary", "Block").await;
    browser.with_text("details p", "This ends no active tokens, and every session.").await;
    browser.click_on("button.danger", "Block the user").await;
    browser.with_text("[role=status]", "The user is blocked").await;
    browser.open("/prod/admin/users?name=lovel&state=blocked").await;
    browser.with_text("tbody a", "ada-lovelace").await;
    drop(browser);
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
    let Some(browser) = Browser::start(&system).await else { return };
    browser.open("/sign-in").await;
    browser.element("#username:focus").await;
    browser.press("my_username").await;
    browser.tab().await;
    browser.press("topsecret" + Key::Enter).await;
    browser.with_text("h1", "Tokens").await;
    let stops = browser.run(STOPS).await;
    let mut left: Vec<&Value> = stops.as_array().unwrap().iter().collect();
    assert!(left.len() >= 8, "{stops}");
    for _ in 0..60 {
        browser.tab().await;
        let focus = browser.run(FOCUS).await;
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

    browser.open("/profile/developer/new").await;
    for _ in 0..60 {
        browser.tab().await;
        if browser.run(FOCUS).await[2] == "name" {
            break;
        }
    }
    browser.press("by hand").await;
    for _ in 0..60 {
        browser.tab().await;
        if browser.run("return document.activeElement.value").await == "some" {
            break;
        }
    }
    browser.press(Key::Down).await;
    browser.with_text("#summary", "all permissions, now and later").await;
    browser.press(Key::Enter).await;
    let token = browser.text("#new-token").await;
    assert_eq!(system.verdict(&token).await, "allow");
    drop(browser);
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
        let Some(browser) = Browser::start(&system).await else { return };
        browser.driver().goto(&origin).await.unwrap();
        let fetch = format!(
            "const done = arguments[0]; fetch('{}/api/user/1', {{headers: {{Authorization: 'Bearer \
             nonsense'}}}}).then(async it => done([it.status, (await it.json()).reason, \
             it.headers.get('X-WWW-Authenticate').startsWith('Bearer ')]), e => done(String(e)));",
            system.url()
        );
        assert_eq!(browser.run_async(&fetch).await, expected, "{allowed}");
        drop(browser);
        system.stop().await;
    }
    serving.abort();
}
