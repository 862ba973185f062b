//! Which cookies of a request count. Other applications on the same host send cookies under any
//! name, Hallpass's names included, and with any bytes.

use serde_json::{Value, json};
use tests::{
    World, basic,
    pages::{OWN, WebClient},
    system::System,
};

/// Returns values that another application may have stored under one of Hallpass's cookie names.
/// None of them is a valid session or flow.
fn foreign(name: &str) -> Vec<String> {
    let of_our_shape =
        ["1", "2", "no-such-user"].map(|user| format!("{name}={user}.{}", "A".repeat(43)));
    let values = [
        "",
        "x",
        "0",
        "=",
        "1.2",
        "a.b.c",
        "\u{e9}",
        "\u{1f600}",
        "1.\u{e9}",
        "\"quoted\"",
        "a b",
        "a,b",
        "node0abc.node0",
        &"9".repeat(64),
        &format!("1.{}", "0".repeat(64)),
        &"A".repeat(43),
    ];
    values.iter().map(|value| format!("{name}={value}")).chain(of_our_shape).collect()
}

/// Returns cookies of other names, which must not interfere either.
fn of_other_names(name: &str) -> Vec<String> {
    let near =
        [format!("{name}s=1"), format!("x{name}=1"), name.to_lowercase() + "=1", name.to_owned()];
    let odd = [
        "a=\u{e9}",
        "\u{e9}=a",
        "\u{fffd}",
        "=",
        "",
        "a",
        "a==b; ;; c",
        "theme=\"dark; light\"",
        "z=\u{7f}",
    ];
    near.into_iter()
        .filter(|cookie| cookie != &format!("{name}=1"))
        .chain(odd.map(str::to_owned))
        .collect()
}

/// Returns Hallpass's cookies before, after and between the others, in one header and in several.
fn arrangements(ours: &str, other: &str) -> Vec<Vec<String>> {
    vec![
        vec![format!("{ours}; {other}")],
        vec![format!("{other}; {ours}")],
        vec![format!("{other};{ours};{other}")],
        vec![format!("{ours}; {ours}; {other}")],
        vec![ours.to_owned(), other.to_owned()],
        vec![other.to_owned(), ours.to_owned()],
    ]
}

/// Returns whether clients can send these cookies: one that contains DEL is sent by no client and
/// accepted by no server.
fn can_be_sent(cookies: &[String]) -> bool {
    cookies.iter().all(|cookie| !cookie.contains('\u{7f}'))
}

#[tokio::test]
async fn a_session_is_found_among_other_cookies() {
    let system = System::start(&[]).await;
    let web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let name = "__Host-hallpass";
    let ours = format!("{name}={}", web_client.cookies[name]);
    for other in foreign(name).into_iter().chain(of_other_names(name)) {
        for cookies in
            arrangements(&ours, &other).into_iter().filter(|cookies| can_be_sent(cookies))
        {
            let headers: Vec<_> =
                cookies.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
            assert_eq!(system.send("GET", OWN, &headers, "").await.status, 200, "{cookies:?}");
        }
    }
    // Only a cookie with the right name and shape is a session at all; any other is not.
    let alone = |value: String, status: u16| (value, status);
    for (cookie, status) in [
        alone(ours.replace("__Host-", "__Secure-"), 303),
        alone(ours.replace("__Host-", ""), 303),
        alone(format!("{ours}x"), 303),
        alone(ours.replace("=1.", "=2."), 401),
        alone(ours.replace("=1.", "="), 303),
        alone(format!("{name}=1.{}", "A".repeat(43)), 401),
        alone(String::new(), 303),
    ] {
        assert_eq!(
            system.send("GET", OWN, &[("Cookie", &cookie)], "").await.status,
            status,
            "{cookie}"
        );
    }
    system.stop().await;
}

#[tokio::test]
async fn the_form_selects_one_of_two_sessions() {
    let system = System::start(&[]).await;
    let mut one = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let mut two = WebClient::signed_in(&system, "admin", "letmein").await;
    one.get(OWN).await;
    two.get(OWN).await;
    let name = "__Host-hallpass";
    for (web_client, developer) in [(&one, "1."), (&two, "2.")] {
        for (first, second) in [(&one, &two), (&two, &one)] {
            let both = format!("{name}={}; {name}={}", first.cookies[name], second.cookies[name]);
            let headers =
                [("Cookie", both.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
            let mut web_client = web_client.clone();
            web_client.get(OWN).await;
            let form = format!("csrf={}&do=nonsense", web_client.csrf);
            let reply = system.send("POST", OWN, &headers, &form).await;
            assert_eq!(reply.status, 400, "{}", reply.body);
            let own = if developer == "1." { "my_username" } else { "admin" };
            assert!(reply.text().contains(own), "{own}: {}", reply.text());
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn the_cookie_before_signing_in_is_found_among_others() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::new(&system, "");
    web_client.get("/sign-in").await;
    let name = "__Host-hallpass-form";
    let ours = format!("{name}={}", web_client.cookies[name]);
    let form = format!("csrf={}&username=my_username&password=topsecret", web_client.csrf);
    for other in foreign(name).into_iter().chain(of_other_names(name)) {
        for cookies in
            arrangements(&ours, &other).into_iter().filter(|cookies| can_be_sent(cookies)).take(3)
        {
            let mut headers: Vec<_> =
                cookies.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
            // No user can have such a name, so the password is not checked; the form's origin is
            // checked before.
            let wrong = form.replace("my_username", "%01");
            let reply = system.send("POST", "/sign-in", &headers, &wrong).await;
            assert_eq!(reply.status, 401, "{cookies:?}");
        }
    }
    let headers =
        [("Cookie", ours.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(system.send("POST", "/sign-in", &headers, &form).await.status, 303);
    system.stop().await;
}

#[tokio::test]
async fn the_cookie_of_a_log_in_flow_is_found_among_others() {
    let system = System::start(&[]).await;
    for other in foreign("JSESSIONID").into_iter().chain(of_other_names("JSESSIONID")) {
        for (at, _) in arrangements("", &other)
            .into_iter()
            .enumerate()
            .filter(|(_, cookie)| can_be_sent(cookie))
            .take(2)
        {
            let path = "/rs/authorize-implicit?client_id=app&response_type=token";
            system.advance(60);
            let begun = system.ask("GET", path, &basic("my_username", "topsecret")).await;
            let authenticity = begun.body_of(200)["authenticityToken"].as_str().unwrap().to_owned();
            let ours = begun.header("set-cookie").split(';').next().unwrap().to_owned();
            let cookies = &arrangements(&ours, &other)[at];
            let headers: Vec<_> =
                cookies.iter().map(|cookie| ("Cookie", cookie.as_str())).collect();
            let path = format!(
                "/rs/authorize-implicit/decision?client_id=app&oauthDecision=allow&session_authenticity_token={authenticity}"
            );
            assert_eq!(system.send("GET", &path, &headers, "").await.status, 200, "{cookies:?}");
        }
    }
    system.stop().await;
}

/// Returns the event of a page as an HTTP API sends it, with the cookies as a list.
fn http_event(cookies: &[String]) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "GET /profile/developer",
        "rawPath": "/profile/developer",
        "rawQueryString": "",
        "cookies": cookies,
        "headers": {"host": "api.example.org"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.org",
            "domainPrefix": "api",
            "http": {"method": "GET", "path": "/profile/developer", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "id", "routeKey": "GET /profile/developer", "stage": "$default",
            "timeEpoch": 1_800_000_000_000_u64,
        },
        "isBase64Encoded": false,
    })
}

#[tokio::test]
async fn a_session_is_found_in_the_event_of_an_http_api_too() {
    let world = World::new().await;
    let mut web_client =
        tests::web_client::WebClient::signed_in(&world, "my_username", "topsecret").await;
    web_client.open("Console", tests::Request::new("GET", "/profile/developer")).await;
    let ours = web_client.cookie("__Secure-hallpass").replace("__Secure-", "__Host-");
    let name = "__Host-hallpass";
    for other in foreign(name).into_iter().chain(of_other_names(name)) {
        for cookies in [vec![ours.clone(), other.clone()], vec![other.clone(), ours.clone()]] {
            let response = world.invoke("Console", http_event(&cookies)).await.unwrap();
            assert_eq!(response["statusCode"], 200, "{cookies:?}");
        }
    }
    let response = world.invoke("Console", http_event(&[])).await.unwrap();
    assert_eq!(response["statusCode"], 303);
}
