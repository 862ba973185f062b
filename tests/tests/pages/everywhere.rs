//! The rules of every page: no markup from outside, every link below the base path, no page without
//! a session, and none without the database. The other rules are checked on every page that any
//! test opens.

use aws_sdk_dynamodb::types::AttributeValue;
use tests::{
    Request, World,
    api::text,
    pages::{OWN, PAGES, WebClient},
    system::System,
    tap::{ALWAYS, ANY, Fault},
    web_client,
};

/// Input that must remain text.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "{{7*7}}",
    "{% raw %}",
    "&lt;b&gt; &amp; ’ “…” \u{202e}ü\u{1f600}",
    "--><!--",
];

#[tokio::test]
async fn input_is_shown_as_text_and_completely() {
    let system = System::start(&[("HALLPASS_INVALIDATE_ON", "password_hash")]).await;
    let mut web_client = WebClient::signed_in(&system, "admin", "letmein").await;
    for hostile in HOSTILE {
        // The names of users come from the application, and may contain line breaks too.
        let name = format!("{hostile}\n\t");
        system.set_user("2", "full_name", text(&name)).await;
        system.set_user("1", "full_name", text(&name)).await;
        system.set_user("1", "username", text(&name)).await;
        let permissions = AttributeValue::Ss(vec!["<b>'&".to_owned(), hostile.to_owned()]);
        system.set_user("1", "permissions", permissions).await;
        let own = web_client.get(OWN).await;
        assert!(own.text().contains(&name), "{hostile:?} in the head of the page: {}", own.text());
        let other = web_client.get("/admin/users/1").await;
        assert!(other.text().matches(&name).count() >= 3, "{hostile:?}: {}", other.text());
        assert!(other.text().contains("<b>'&"), "{}", other.text());

        // A name with characters that change the direction of text is rejected.
        let typed = hostile.replace('\u{202e}', "");
        web_client.create_token(&[("name", &typed), ("limit", "all")]).await;
        assert!(
            web_client.get(OWN).await.text().contains(&typed),
            "{typed:?} as the name of a token"
        );
        assert!(
            web_client.get("/admin/users/2").await.text().contains(&typed),
            "{typed:?} as the name of a key"
        );
        let rejected =
            web_client.post(OWN, &[("do", "make"), ("name", hostile), ("expires", hostile)]).await;
        assert_eq!(
            (rejected.field("name"), rejected.field("expires")),
            (Some(hostile.into()), Some(hostile.into()))
        );
        let query: String = form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        let searched = web_client.get(&format!("/admin/users?name={query}")).await;
        assert_eq!(searched.field("name").as_deref(), Some(hostile));
        let mut guest = WebClient::new(&system, "");
        let reply = guest.sign_in(hostile, hostile).await;
        assert_eq!((reply.status, reply.field("username").as_deref()), (401, Some(hostile)));
        let odd = guest.get(&format!("/sign-in?next={query}&done={query}")).await;
        assert_eq!((odd.status, odd.field("next").as_deref()), (200, Some("developer")));
    }
    system.stop().await;
}

#[tokio::test]
async fn every_link_stays_below_the_base_path() {
    let base = "/prod";
    let system = System::start_with(&[], |options| options.base_path = format!("{base}/")).await;
    let mut web_client = WebClient::new(&system, base);
    let sent = web_client.get(OWN).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/prod/sign-in?next=developer"));
    assert_eq!(
        web_client.sign_in("admin", "letmein").await.header("location"),
        "/prod/profile/developer/"
    );
    for path in [
        OWN,
        "/profile/developer",
        "/admin/users",
        "/admin/users?name=admin",
        "/admin/users/new",
        "/admin/tokens?state=active",
        "/admin/audit",
        "/admin/users/3",
    ] {
        assert_eq!(web_client.get(path).await.status, 200, "{path}");
    }
    let token = web_client.create_token(&[("name", "x"), ("limit", "all")]).await;
    let shown =
        system.ask("GET", "/prod/tokens/current", &format!("Bearer {token}")).await.body_of(200);
    let path = format!("/profile/developer/tokens/{}", shown["id"].as_str().unwrap());
    let done = web_client.post(&path, &[]).await;
    assert_eq!(done.header("location"), "/prod/profile/developer/?done=revoked");
    web_client.get("/admin/users/3").await;
    let done = web_client.post("/admin/users/3/access", &[("do", "revoke-all")]).await;
    assert_eq!(done.header("location"), "/prod/admin/users/3?done=all-revoked");
    let form = [("do", "full-name"), ("full_name", "Ada")];
    let done = web_client.post("/admin/users/3/profile", &form).await;
    assert_eq!(done.header("location"), "/prod/admin/users/3?done=full-name-set");
    assert_eq!(web_client.get("/admin/users/99").await.status, 404);
    let done = web_client.post("/sign-out", &[]).await;
    assert_eq!(done.header("location"), "/prod/sign-in?done=signed-out");
    system.stop().await;
}

/// Names that would reorder the text after them.
const REORDERING: [&str; 6] = [
    "\u{202e}drow",
    "\u{5e2}\u{5d1}\u{5e8}\u{5d9}\u{5ea} 123",
    "a\u{2069}\u{202e}b",
    "\u{2067}a",
    "a\u{202a}\u{202b}\u{2066}b\u{2069}",
    "a\u{2029}\u{202e}b",
];

/// Returns whether the characters that change the direction of the text end with it.
fn is_balanced(text: &str) -> bool {
    let mut open = 0_i32;
    let kept = text.chars().all(|c| {
        match c {
            '\u{2066}'..='\u{2068}' => open += 1,
            '\u{2069}' => open -= 1,
            _ => {}
        }
        open >= 0 && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}')
    });
    kept && open == 0
}

#[tokio::test]
async fn a_name_is_isolated_from_the_text_around_it() {
    let system = System::start(&[("HALLPASS_INVALIDATE_ON", "password_hash")]).await;
    let mut web_client = WebClient::signed_in(&system, "admin", "letmein").await;
    for name in REORDERING {
        for id in ["1", "2"] {
            system.set_user(id, "full_name", text(name)).await;
            system
                .set_user(
                    id,
                    "permissions",
                    AttributeValue::Ss(vec!["ROLE_ADMIN".to_owned(), name.to_owned()]),
                )
                .await;
        }
        system.set_user("1", "username", text(name)).await;
        web_client.get(OWN).await;
        web_client
            .send("POST", OWN, &format!("csrf={}&do=make&limit=all&name={name}", web_client.csrf))
            .await;
        for path in [OWN, "/admin/users/1", "/admin/users/2", "/admin/users?name=1"] {
            let page = web_client.get(path).await;
            assert_eq!(page.status, 200, "{path}");
            let mut named = 0;
            for element in page.elements() {
                let turns = |c: char| {
                    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                        || matches!(c, '\u{590}'..='\u{5ff}' | '\u{fffd}')
                };
                if !element.text.contains(turns) {
                    continue;
                }
                named += 1;
                assert!(is_balanced(&element.text), "{path} {element:?}");
                let is_isolated =
                    element.text.starts_with('\u{2068}') || element.text.contains(" \u{2068}");
                let place = element.name.as_str();
                assert!(
                    place == "bdi" || (["title", "caption"].contains(&place) && is_isolated),
                    "{path} {element:?}"
                );
            }
            assert!(named >= 1, "{path} shows {name:?} nowhere: {}", page.body);
        }
    }
    system.stop().await;
}

/// Returns whether a page needs a session.
fn is_behind_a_session(path: &str) -> bool {
    let is_open = ["/", "/assets/{file}", "/docs/swagger-ui/{file}"].contains(&path);
    !is_open && !path.starts_with("/sign-in") && !path.starts_with("/portal/")
}

fn function_of(method: &str, path: &str) -> &'static str {
    match (method, path) {
        ("GET", _) => "Console",
        (
            "POST",
            "/sign-in"
            | "/admin/users/new"
            | "/admin/users/{user_id}"
            | "/admin/users/{user_id}/profile"
            | "/profile/developer"
            | "/profile/accounts/{user_id}",
        ) => "Generate",
        _ => "Revoke",
    }
}

fn request(method: &str, path: &str) -> Request {
    let request = Request::new(method, path)
        .parameter("user_id", "1")
        .parameter("id", &format!("1.{}", "A".repeat(22)));
    if method == "GET" {
        return request;
    }
    request
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("csrf=x&do=block&name=x&limit=all")
}

/// Returns every page and form, with the one that is a route of the API as well.
fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES
        .into_iter()
        .chain([("POST", "/profile/developer")])
        .filter(|(_, path)| is_behind_a_session(path))
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in() {
    let world = World::new().await;
    let before = world.dump("Users").await;
    for (method, path) in routes() {
        let response = world.send(function_of(method, path), request(method, path)).await;
        if method == "GET" {
            let next = match path {
                "/profile/developer" => "developer",
                "/profile/developer/new" => "new-token",
                "/profile/developer/tokens/{id}" => "tokens/1.AAAAAAAAAAAAAAAAAAAAAA",
                "/profile/accounts/{user_id}" => "accounts/1",
                "/admin/users" => "users",
                "/admin/users/new" => "new-user",
                "/admin/tokens" => "all-tokens",
                "/admin/audit" => "audit",
                _ => "users/1",
            };
            assert_eq!(
                (response.status, response.header("location")),
                (303, &*format!("/v1/sign-in?next={next}")),
                "{path}"
            );
            assert_eq!(response.header("cache-control"), "no-store", "{path}");
        } else {
            assert_eq!(
                (response.status, response.header("content-type")),
                (401, "text/html; charset=utf-8"),
                "{path}"
            );
            assert!(
                response.body.contains("Your session has ended. Nothing was changed."),
                "{path}"
            );
            assert!(
                response.header("www-authenticate").starts_with("Bearer realm="),
                "no password prompt of the browser"
            );
        }
    }
    assert_eq!(world.dump("Users").await, before);
    assert!(world.dump("Tokens").await.is_empty());
}

#[tokio::test]
async fn without_the_database_a_page_says_so() {
    let (world, tap) = World::tapped(&[]).await;
    let cookie = format!("__Secure-hallpass=1.{}", "A".repeat(43));
    for fault in [Fault::Reject(400, "ResourceNotFoundException"), Fault::Halve] {
        for (method, path) in routes() {
            tap.inject(ANY, 0, ALWAYS, fault);
            let sent = request(method, path).header("Cookie", &cookie);
            let answer = world.send(function_of(method, path), sent).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (503, "text/html; charset=utf-8"),
                "{path}"
            );
            assert!(
                answer.body.contains("The service is temporarily unavailable. Try again later."),
                "{}",
                answer.body
            );
            assert!(
                answer.header("content-security-policy").starts_with("default-src 'none';"),
                "{path}"
            );
            tap.heal();
            let sent = request(method, path).header("Cookie", &cookie);
            assert_eq!(
                world.send(function_of(method, path), sent).await.status,
                401,
                "no such session exists"
            );
        }
    }
}

#[tokio::test]
async fn signing_in_without_the_database_keeps_the_name_and_begins_no_session() {
    let (world, tap) = World::tapped(&[]).await;
    let page = world.send("Console", Request::new("GET", "/sign-in")).await;
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = format!("csrf={csrf}&username=my_username&password=topsecret");
    for operation in ["UpdateItem", "Query", "GetItem", "PutItem"] {
        tap.inject(operation, 0, ALWAYS, Fault::Reject(400, "ResourceNotFoundException"));
        let sent = Request::new("POST", "/sign-in").header("Cookie", &cookie).body(&form);
        let response = world
            .send("Generate", sent.header("Content-Type", "application/x-www-form-urlencoded"))
            .await;
        assert_eq!((response.status, response.header("set-cookie")), (503, ""), "{operation}");
        assert!(
            response.body.contains("value=\"my_username\"") && !response.body.contains("topsecret"),
            "{operation}"
        );
        tap.heal();
    }
}

#[tokio::test]
async fn the_root_leads_to_the_tokens_and_an_unknown_path_shows_a_page_to_a_browser() {
    let world = World::new().await;
    let home = world.send("Console", Request::new("GET", "/")).await;
    assert_eq!((home.status, home.header("location")), (303, "/v1/profile/developer/"));
    let nowhere = || Request::new("GET", "/{proxy+}").parameter("proxy", "nowhere");
    for (accept, authorization, media_type) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "text/html; charset=utf-8"),
        ("text/html", "Bearer x", "application/problem+json"),
        ("*/*", "", "application/problem+json"),
        ("application/json", "", "application/problem+json"),
    ] {
        let mut request = nowhere().header("Accept", accept);
        if !authorization.is_empty() {
            request = request.header("Authorization", authorization);
        }
        let response = world.send("Console", request).await;
        assert_eq!((response.status, response.header("content-type")), (404, media_type));
    }
}

#[tokio::test]
async fn signing_in_again_leads_back_to_the_page_and_a_live_session_needs_none() {
    let world = World::new().await;
    let mut browser = web_client::WebClient::signed_in(&world, "admin", "letmein").await;
    let shown = browser.open("Console", Request::new("GET", "/sign-in")).await;
    assert!(shown.body.contains("You are signed in as <bdi>admin</bdi>."), "{}", shown.body);
    world.set_user("2", "password_hash", Some(text("another"))).await;
    let user = Request::new("GET", "/admin/users/{user_id}").parameter("user_id", "1");
    let ended = browser.open("Console", user).await;
    assert_eq!(ended.status, 401, "{}", ended.body);
    assert!(ended.body.contains("/sign-in?next=users/1\""), "{}", ended.body);
}
