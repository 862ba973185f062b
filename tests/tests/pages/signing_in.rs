//! Sessions: who gets one, its cookies, its end, and what it cannot be used for.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_password::password;
use tests::{
    api::{bearer, text},
    basic,
    client::Reply,
    pages::{OWN, WebClient},
    system::System,
};

const SESSION: &str = "__Host-hallpass";

/// Returns a page without what differs from client to client.
fn without(page: &Reply, typed: &str) -> String {
    page.body.replace(&page.field("csrf").unwrap(), "").replace(typed, "")
}

#[tokio::test]
async fn a_rejected_sign_in_does_not_reveal_why() {
    let system = System::start(&[]).await;
    let endless = "n".repeat(10_000);
    let mut pages = Vec::new();
    system.set_user("2", "status", text("blocked")).await;
    for (name, password) in [
        ("my_username", "wrong"),
        ("my_username", ""),
        ("my_username", &"p".repeat(10_000)),
        ("my_username", "top\u{0}secret"),
        ("unknown", "topsecret"),
        ("admin", "letmein"),
        ("ldap_user", "topsecret"),
        ("ci-bot", "topsecret"),
        (&endless, "topsecret"),
        ("my\u{1}user", "topsecret"),
        ("1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU", "x"),
    ] {
        let mut web_client = WebClient::new(&system, "");
        let reply = web_client.sign_in(name, password).await;
        assert_eq!(
            (reply.status, reply.wrong().as_str()),
            (401, "The user name or the password is wrong."),
            "{name}"
        );
        assert_eq!(reply.field("username").unwrap(), name, "the input is kept");
        assert_eq!(reply.field("password").unwrap(), "");
        assert!(!web_client.cookies.contains_key(SESSION));
        pages.push(without(&reply, name));
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
    system.stop().await;
}

#[tokio::test]
async fn a_guesser_waits_and_keeps_the_input() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::new(&system, "");
    for _ in 0..5 {
        assert_eq!(web_client.sign_in("my_username", "wrong").await.status, 401);
    }
    let reply = web_client.sign_in("my_username", "topsecret").await;
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    let unit = if wait == 1 { "second" } else { "seconds" };
    let wrong = format!("Too many attempts. Try again in {wait} {unit}.");
    assert_eq!((reply.status, reply.wrong()), (429, wrong));
    assert_eq!(reply.field("username").unwrap(), "my_username");
    assert!((1..=60).contains(&wait), "{wait}");
    system.advance(wait + 1);
    assert_eq!(web_client.sign_in("my_username", "topsecret").await.status, 303);
    system.stop().await;
}

#[tokio::test]
async fn a_form_from_another_site_begins_no_session() {
    let system = System::start(&[]).await;
    let login = "username=my_username&password=topsecret";
    let mut other = WebClient::new(&system, "");
    other.get("/sign-in").await;
    let check = async |cookie: bool, csrf: &str, expected: u16| {
        let mut web_client = WebClient::new(&system, "");
        web_client.get("/sign-in").await;
        let csrf = csrf.replace("own", &web_client.csrf);
        if !cookie {
            web_client.cookies.clear();
        }
        let reply = web_client.send("POST", "/sign-in", &format!("{login}{csrf}")).await;
        assert_eq!(reply.status, expected, "{csrf}");
        assert_eq!(web_client.cookies.contains_key(SESSION), expected == 303);
        if expected == 403 {
            assert_eq!(reply.field("username").unwrap(), "my_username");
            assert!(
                web_client
                    .post("/sign-in", &[("username", "my_username"), ("password", "topsecret")])
                    .await
                    .status
                    == 303
            );
        }
    };
    check(true, "&csrf=own", 303).await;
    check(true, "", 403).await;
    check(true, "&csrf=", 403).await;
    check(true, &format!("&csrf={}", other.csrf), 403).await;
    check(true, "&csrf=own&csrf=own", 400).await;
    check(false, "&csrf=own", 403).await;
    let json = system.send("POST", "/sign-in", &[("Content-Type", "application/json")], "{}").await;
    assert_eq!(json.status, 415);
    system.stop().await;
}

#[tokio::test]
async fn the_cookies_are_for_this_api_alone_and_for_no_script() {
    for (base, prefix, path) in [("", "__Host-", "/"), ("/prod", "__Secure-", "/prod")] {
        let system =
            System::start_with(&[], |options| base.clone_into(&mut options.base_path)).await;
        let mut web_client = WebClient::new(&system, base);
        let attributes = "HttpOnly; SameSite=Strict; Secure";
        let check = |reply: &Reply, name: &str, length: usize, seconds: u64| {
            let cookie = reply.header("set-cookie");
            let value = cookie.strip_prefix(&format!("{prefix}{name}=")).unwrap();
            let (value, rest) = value.split_at(length);
            assert!(
                value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            );
            assert_eq!(rest, format!("; {attributes}; Path={path}; Max-Age={seconds}"));
            assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 1);
        };
        check(&web_client.get("/sign-in").await, "hallpass-form", 43, 1_800);
        let again = web_client.get("/sign-in").await;
        assert_eq!(
            again.header("set-cookie"),
            "",
            "a second page in the same browser does not spoil the first"
        );
        let signed_in = web_client.sign_in("my_username", "topsecret").await;
        check(&signed_in, "hallpass", "1.".len() + 43, 1_800);
        assert_eq!(signed_in.header("cache-control"), "no-store");
        assert_eq!(web_client.get(OWN).await.status, 200);
        check(&web_client.post("/sign-out", &[]).await, "hallpass", 0, 0);
        system.stop().await;
    }
}

#[tokio::test]
async fn signing_in_leads_to_the_requested_page_and_nowhere_else() {
    let system = System::start(&[]).await;
    for (path, place) in [
        (OWN, OWN),
        ("/profile/developer", OWN),
        ("/admin/users", "/admin/users"),
        ("/admin/users/3", "/admin/users/3"),
        ("/sign-in?next=https://example.org/", OWN),
        ("/sign-in?next=users/..%2F..%2Fx", "/admin/users"),
        ("/sign-in?next=%0d%0aX-Header:%201", OWN),
    ] {
        let mut web_client = WebClient::new(&system, "");
        let mut page = web_client.get(path).await;
        if page.status == 303 {
            let place = page.header("location").to_owned();
            page = web_client.get(&place).await;
        }
        let next = page.field("next").unwrap();
        let fields = [("username", "admin"), ("password", "letmein"), ("next", next.as_str())];
        assert_eq!(web_client.post("/sign-in", &fields).await.header("location"), place, "{path}");
    }
    system.stop().await;
}

/// The ways to end the session of the demo user 1, whose password is `password` at that time.
#[derive(Clone, Copy, Debug)]
enum End {
    SignOut,
    HalfAnHour,
    RevokeAll,
    Block,
    Attribute,
    Rename,
    Password,
    Gone,
}

async fn bring_about(system: &System, web_client: &mut WebClient<'_>, end: End) {
    match end {
        End::SignOut => {
            assert_eq!(
                web_client.post("/sign-out", &[]).await.header("location"),
                "/sign-in?done=signed-out"
            );
        }
        End::HalfAnHour => system.advance(1_800),
        End::RevokeAll => {
            let token = system.token_of("my_username", "topsecret").await;
            assert_eq!(system.ask("DELETE", "/users/1/tokens", &bearer(&token)).await.status, 200);
        }
        End::Block => system.set_user("1", "status", text("blocked")).await,
        End::Attribute => system.set_user("1", "mail", text("new@example.org")).await,
        End::Rename => system.set_user("1", "username", text("My_Username")).await,
        End::Password => {
            let hash = password::hash("topsecret", [9; 16]).unwrap();
            system.set_user("1", "password_hash", text(&hash)).await;
        }
        End::Gone => {
            system.set_user("1", "token_generation", AttributeValue::N("77".to_owned())).await;
        }
    }
}

#[tokio::test]
async fn everything_that_invalidates_tokens_ends_a_session() {
    let system =
        System::start(&[("HALLPASS_INVALIDATE_ON", "username,password_hash,status,mail")]).await;
    for end in [
        End::SignOut,
        End::HalfAnHour,
        End::RevokeAll,
        End::Block,
        End::Attribute,
        End::Rename,
        End::Password,
        End::Gone,
    ] {
        let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
        let before = web_client.clone();
        bring_about(&system, &mut web_client, end).await;
        // The browser may have kept the cookie.
        web_client.cookies = before.cookies;
        web_client.csrf = before.csrf;
        assert_eq!(web_client.get(OWN).await.status, 401, "{end:?}");
        let reply = web_client.post(OWN, &[("do", "regenerate")]).await;
        let message = "Your session has ended. Nothing was changed.";
        assert_eq!((reply.status, reply.wrong().as_str()), (401, message), "{end:?}");
        assert_eq!(web_client.post("/sign-out", &[]).await.status, 401, "{end:?}");
        system.set_user("1", "status", text("active")).await;
    }
    // A moment earlier it was still valid.
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    system.advance(1_799);
    assert_eq!(web_client.get(OWN).await.status, 200);
    system.stop().await;
}

#[tokio::test]
async fn the_secret_of_a_session_is_not_a_token_or_a_password() {
    let system = System::start(&[]).await;
    let web_client = WebClient::signed_in(&system, "admin", "letmein").await;
    let secret = &web_client.cookies[SESSION];
    for credential in [
        bearer(secret),
        format!("Token {secret}"),
        secret.clone(),
        basic(secret, ""),
        basic("admin", secret),
        basic(secret, secret),
    ] {
        for (method, path) in [
            ("GET", "/rs/profile"),
            ("GET", "/api/user/2"),
            ("GET", "/tokens"),
            ("POST", "/tokens"),
            ("GET", "/tokens/current"),
            ("DELETE", "/users/2/tokens"),
            ("POST", "/oauth/introspect"),
            ("POST", "/profile/developer"),
            ("GET", "/rs/authorise"),
            ("POST", "/api/services_token/generate"),
            ("POST", "/rest/pat/1.0/token/user/create"),
            ("GET", "/rest/pat/1.0/token"),
        ] {
            // The rate limit counts the wrong passwords.
            system.advance(3_700);
            assert_eq!(
                system.ask(method, path, &credential).await.status,
                401,
                "{method} {path} {credential}"
            );
        }
    }
    // A session does not count on API routes: the cookie alone authenticates nothing there.
    let cookie = format!("{SESSION}={secret}");
    for (method, path) in [
        ("GET", "/rs/profile"),
        ("GET", "/tokens"),
        ("POST", "/tokens"),
        ("POST", "/oauth/introspect"),
    ] {
        let reply = system.send(method, path, &[("Cookie", &cookie)], "").await;
        assert_eq!(reply.status, 401, "{method} {path}");
    }
    system.stop().await;
}
