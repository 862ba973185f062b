//! Ambiguous requests are rejected, and `HEAD` is served like `GET` where that is safe. Tested over
//! the whole stack, on every route.

use std::{collections::BTreeSet, time::Duration};

use hallpass_http::routes::ROUTES;
use http::header::CONTENT_LENGTH;
use serde_json::json;
use tests::{api::bearer, client::Reply, system::System};

/// The `GET` routes that accept a password or create something. They have no `HEAD`.
const UNSAFE: [&str; 6] = [
    "/rs/authorise",
    "/rs/authorize-implicit",
    "/rs/authorize-implicit/decision",
    "/sign-in/oidc",
    "/sign-in/oidc/callback",
    "/sign-in/oidc/sign-out",
];

const FORM: &str = "application/x-www-form-urlencoded";

/// Returns every route, with values in its path.
fn routes() -> Vec<(&'static str, String, &'static str)> {
    let filled = |path: &str| {
        let file = if path.starts_with("/assets") { "hallpass.css" } else { "index.html" };
        let path = path.replace("{file}", file).replace("{user_id}", "1");
        if path.starts_with("/api/user") {
            path.replace("{id}", "1")
        } else {
            path.replace("{id}", "current")
        }
    };
    ROUTES.iter().map(|route| (route.method, filled(route.path), route.path)).collect()
}

async fn start() -> (System, String) {
    let system = System::start(&[]).await;
    let token = bearer(&system.token_of("admin", "letmein").await);
    (system, token)
}

/// Checks for a 400 that names the member.
fn names(reply: &Reply, member: &str, place: &str) {
    let problem = reply.body_of(400);
    assert_eq!(
        (&problem["member"], &problem["error"]),
        (&json!(member), &json!("invalid_request")),
        "{place}"
    );
}

#[tokio::test]
async fn head_is_served_like_get_without_content_on_every_safe_route_and_no_other() {
    let (system, token) = start().await;
    let mut seen = BTreeSet::new();
    for (_, path, route) in routes().into_iter().filter(|(method, _, _)| *method == "GET") {
        let headers = [("Authorization", token.as_str())];
        let head = system.send("HEAD", &path, &headers, "").await;
        if UNSAFE.contains(&route) {
            let allow = if route.contains("implicit") { "GET, POST" } else { "GET" };
            assert_eq!((head.status, head.header("allow")), (405, allow), "{path}");
            continue;
        }
        let get = system.send("GET", &path, &headers, "").await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert!(get.status != 404 && get.status != 405, "{path} {}", get.status);
        let kept = |reply: &Reply| {
            let own = [
                CONTENT_LENGTH.as_str(),
                "date",
                "set-cookie",
                "x-amzn-requestid",
                "x-amz-apigw-id",
            ];
            let names = reply.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            names.map(|(name, value)| format!("{name}: {value:?}")).collect::<BTreeSet<_>>()
        };
        assert_eq!(kept(&head), kept(&get), "{path}");
        seen.insert(route);
    }
    assert!(seen.len() >= 12, "{seen:?}");
    system.stop().await;
}

#[tokio::test]
async fn without_a_credential_head_is_rejected_as_get_is() {
    let (system, _) = start().await;
    let safe = routes()
        .into_iter()
        .filter(|(method, _, route)| *method == "GET" && !UNSAFE.contains(route));
    for (_, path, _) in safe {
        let (head, get) =
            (system.send("HEAD", &path, &[], "").await, system.send("GET", &path, &[], "").await);
        assert_eq!(head.status, get.status, "{path}");
    }
    system.stop().await;
}

#[tokio::test]
async fn a_repeated_query_parameter_is_rejected_on_every_route() {
    let (system, token) = start().await;
    let mut seen = 0;
    for (method, path, route) in routes() {
        for query in [
            "client_id=a&client_id=a",
            "limit=1&x=1&limit=2",
            "oauthDecision=allow&oauthDecision=deny",
            "a=&a=",
        ] {
            let reply = system
                .send(method, &format!("{path}?{query}"), &[("Authorization", &token)], "")
                .await;
            let place = format!("{method} {route}?{query}");
            assert_eq!(reply.status, 400, "{place} {}", reply.body);
            if method != "HEAD" {
                names(&reply, query.split('=').next().unwrap(), &place);
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
    system.stop().await;
}

#[tokio::test]
async fn a_repeated_form_field_is_rejected_wherever_a_form_is_read() {
    let (system, token) = start().await;
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let headers = [("Authorization", token.as_str()), ("Content-Type", FORM)];
        for (body, member) in [
            ("token=a&token=a", "token"),
            ("token=a&token_type_hint=b&token_type_hint=b", "token_type_hint"),
            ("x=1&token=a&x=2", "x"),
            ("token=a&to%6ben=b", "token"),
            ("token=a&token", "token"),
        ] {
            names(
                &system.send("POST", path, &headers, body).await,
                member,
                &format!("{path} {body}"),
            );
        }
        assert_eq!(
            system.send("POST", path, &headers, "token=a&token_type_hint=b").await.status,
            200,
            "{path}"
        );
    }
    let twice = "username=a&username=b&password=c&csrf=d";
    assert_eq!(system.send("POST", "/sign-in", &[("Content-Type", FORM)], twice).await.status, 400);
    system.stop().await;
}

/// Returns the routes that read JSON, with a valid body for each.
fn json_routes(system: &System) -> [(&'static str, &'static str, String); 5] {
    let expiration = system.now().after(Duration::from_secs(60)).to_string();
    let rarog =
        json!({"name": "r", "expiration": expiration, "authorities": ["ROLE_USER"]}).to_string();
    [
        (
            "POST",
            "/tokens",
            json!({"name": "a", "scopes": ["ROLE_USER"], "expires_in": 60}).to_string(),
        ),
        ("PATCH", "/tokens/current", json!({"disabled": false}).to_string()),
        ("POST", "/rest/pat/1.0/token/user/create", rarog.clone()),
        ("POST", "/rest/pat/1.0/token/app/create", rarog),
        ("POST", "/explain", json!({"token_id": "current"}).to_string()),
    ]
}

#[tokio::test]
async fn a_repeated_json_member_is_rejected_and_named_on_every_route() {
    let (system, token) = start().await;
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    for (method, path, body) in json_routes(&system) {
        let first = body.split('"').nth(1).unwrap();
        let inside = body.strip_prefix('{').unwrap();
        let escaped = format!("\\u{:04x}{}", first.as_bytes()[0], &first[1..]);
        for (body, member) in [
            (format!("{{\"{first}\":true,{inside}"), first),
            (format!("{{\"{escaped}\":true,{inside}"), first),
            (format!("{{\"x\":{{\"y\":1,\"y\":1}},{inside}"), "y"),
            (format!("{{\"x\":[[{{\"z\":1,\"\\u007a\":1}}]],{inside}"), "z"),
        ] {
            names(
                &system.send(method, path, &headers, &body).await,
                member,
                &format!("{method} {path} {body}"),
            );
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn an_encoded_body_is_rejected_on_every_route_that_reads_one() {
    let (system, token) = start().await;
    let json =
        json_routes(&system).map(|(method, path, body)| (method, path, "application/json", body));
    let forms =
        ["/oauth/introspect", "/oauth/revoke", "/sign-in", "/sign-out", "/profile/developer"];
    let forms = forms.map(|path| ("POST", path, FORM, "token=a".to_owned()));
    for (method, path, media_type, body) in json.into_iter().chain(forms) {
        for encoding in ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x", ""] {
            let headers = [
                ("Authorization", &*token),
                ("Content-Type", media_type),
                ("Content-Encoding", encoding),
            ];
            let reply = system.send(method, path, &headers, &body).await;
            assert_eq!(
                (reply.status, reply.header("accept-encoding")),
                (415, "identity"),
                "{method} {path} {encoding}"
            );
        }
        let headers = [
            ("Authorization", &*token),
            ("Content-Type", media_type),
            ("Content-Encoding", "Identity"),
        ];
        assert_ne!(system.send(method, path, &headers, &body).await.status, 415, "{method} {path}");
    }
    system.stop().await;
}

#[tokio::test]
async fn a_media_type_is_compared_whole_and_without_case_and_its_charset_is_utf_8() {
    let (system, token) = start().await;
    let (_, _, body) = json_routes(&system)[1].clone();
    let check =
        async |method: &str, path: &str, body: &str, media_type: &str, is_accepted: bool| {
            let headers = [("Authorization", token.as_str()), ("Content-Type", media_type)];
            let status = system.send(method, path, &headers, body).await.status;
            assert_eq!(status, if is_accepted { 200 } else { 415 }, "{path} {media_type}");
        };
    for (type_, is_accepted) in [
        ("{}", true),
        ("{};charset=utf-8", true),
        ("{} ; charset=\"UTF-8\"", true),
        ("{}; charset=Utf-8; x=y", true),
        ("{}; profile=x", true),
        ("{};charset=iso-8859-1", false),
        ("{}; charset=utf-16", false),
        ("{}; charset=utf-8x", false),
        ("{}x", false),
        ("{}+json", false),
        ("x{}", false),
        ("{}, text/plain", false),
        ("{} x", false),
        ("text/plain; {}", false),
    ] {
        for (name, upper) in [("application/json", false), ("APPLICATION/Json", true)] {
            let media_type = type_.replace("{}", name);
            check("PATCH", "/tokens/current", &body, &media_type, is_accepted).await;
            let form = if upper { FORM.to_uppercase() } else { FORM.to_owned() };
            check("POST", "/oauth/introspect", "token=a", &type_.replace("{}", &form), is_accepted)
                .await;
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn an_instant_has_t_or_a_space_between_date_and_time_in_every_field_that_takes_one() {
    let (system, token) = start().await;
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let at = system.now().after(Duration::from_secs(3_600)).to_string();
    for (separator, is_accepted) in
        [("T", true), ("t", true), (" ", true), ("0", false), ("_", false), ("%", false)]
    {
        let at = at.replacen('T', separator, 1);
        let own = json!({"name": "a", "expires_at": at});
        let rarog = json!({"name": "r", "expiration": at, "authorities": ["ROLE_USER"]});
        for (path, body, member) in [
            ("/tokens", own, "expires_at"),
            ("/rest/pat/1.0/token/user/create", rarog.clone(), "expiration"),
            ("/rest/pat/1.0/token/app/create", rarog, "expiration"),
        ] {
            let reply = system.send("POST", path, &headers, &body.to_string()).await;
            assert_eq!(reply.status < 300, is_accepted, "{path} {at} {}", reply.body);
            if !is_accepted {
                names(&reply, member, path);
            }
        }
    }
    system.stop().await;
}
