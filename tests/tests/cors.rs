//! Scripts of other origins: only those in `HALLPASS_CORS_ALLOWED_ORIGINS` are allowed.

use hallpass_dev::template::Template;
use hallpass_runtime::Settings;
use tests::{TEMPLATE, api::bearer, client::Reply, system::System};

const APP: &str = "https://app.example.com";
const HEADERS: [&str; 5] = [
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-expose-headers",
];

async fn preflight(system: &System, path: &str, origin: &str) -> Reply {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    system.send("OPTIONS", path, &headers, "").await
}

fn paths() -> Vec<String> {
    let mut paths: Vec<String> =
        Template::parse(TEMPLATE).unwrap().routes.into_iter().map(|route| route.path).collect();
    paths.dedup();
    paths.sort();
    paths.dedup();
    paths.retain(|path| path != "/" && path != "/{proxy+}");
    paths.iter().map(|path| path.replace("{id}", "1").replace("{user_id}", "1")).collect()
}

/// Checks that the response has no cross-origin header.
fn is_silent(reply: &Reply, what: &str) {
    for name in HEADERS {
        assert_eq!(reply.header(name), "", "{what} {name}");
    }
}

#[tokio::test]
async fn by_default_other_origins_are_rejected() {
    let system = System::start(&[]).await;
    let token = system.token_of("my_username", "topsecret").await;
    for path in paths() {
        let reply = preflight(&system, &path, APP).await;
        reply.body_of(405);
        is_silent(&reply, &path);
    }
    let authorization = bearer(&token);
    for path in ["/tokens", "/tokens/current", "/api/user/1", "/healthz"] {
        let reply = system
            .send("GET", path, &[("Origin", APP), ("Authorization", &authorization)], "")
            .await;
        reply.body_of(200);
        is_silent(&reply, path);
        assert_eq!(reply.header("vary"), "", "{path}");
    }
    system.stop().await;
}

#[tokio::test]
async fn a_named_origin_can_call_every_route_and_read_the_responses() {
    let settings =
        [("HALLPASS_CORS_ALLOWED_ORIGINS", "https://app.example.com, http://localhost:5173")];
    let system = System::start(&settings).await;
    for origin in [APP, "http://localhost:5173"] {
        for path in paths() {
            let reply = preflight(&system, &path, origin).await;
            assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
            let values = HEADERS.map(|name| reply.header(name));
            assert_eq!(
                values[..4],
                [origin, "GET, POST, PATCH, DELETE", "Authorization, Content-Type, Accept", "600"]
            );
            assert_eq!(
                (reply.header("vary"), reply.header("access-control-allow-credentials")),
                ("Origin", "")
            );
        }
    }
    let token = bearer(&system.token_of("my_username", "topsecret").await);
    let exposed = "WWW-Authenticate, X-WWW-Authenticate, Retry-After, Location, \
                   Hallpass-Effective-At, Hallpass-Token-Expires";
    for (method, path, authorization, status) in [
        ("GET", "/tokens", &*token, 200),
        ("GET", "/api/user/1", &token, 200),
        ("GET", "/tokens", "Bearer nonsense", 401),
        ("GET", "/tokens/nonsense", &token, 404),
        ("PUT", "/tokens", &token, 405),
        ("OPTIONS", "/tokens", &token, 405),
    ] {
        let headers = [("Origin", APP), ("Authorization", authorization)];
        let reply = system.send(method, path, &headers, "").await;
        assert_eq!(reply.status, status, "{method} {path} {}", reply.body);
        let seen = HEADERS.map(|name| reply.header(name));
        assert_eq!(seen, [APP, "", "", "", exposed], "{method} {path}");
        assert_eq!(reply.header("vary"), "Origin", "{method} {path}");
    }
    system.stop().await;
}

#[tokio::test]
async fn what_the_gateway_responds_is_readable_once_an_origin_is_allowed() {
    let seen = async |settings: &[(&str, &str)], authorization: &str| {
        let system = System::start(settings).await;
        let headers = [("Origin", APP), ("Authorization", authorization)];
        let headers = if authorization.is_empty() { &headers[..1] } else { &headers };
        let reply = system.send("GET", "/api/user/1", headers, "").await;
        assert_eq!(reply.status, 401, "{}", reply.body);
        assert_eq!(reply.header("access-control-allow-credentials"), "");
        system.stop().await;
        HEADERS.map(|name| reply.header(name).to_owned())
    };
    let exposed = "WWW-Authenticate, X-WWW-Authenticate, Retry-After";
    for authorization in ["", "Bearer nonsense"] {
        assert_eq!(seen(&[], authorization).await, [""; 5], "{authorization}");
        let settings = [("HALLPASS_CORS_ALLOWED_ORIGINS", APP)];
        assert_eq!(seen(&settings, authorization).await, ["*", "", "", "", exposed]);
    }
}

#[tokio::test]
async fn an_origin_that_differs_from_the_named_ones_is_rejected() {
    let system = System::start(&[("HALLPASS_CORS_ALLOWED_ORIGINS", APP)]).await;
    for origin in [
        "https://example.com",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://app.example.com:443",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com/",
        "null",
        "*",
        "",
    ] {
        let reply = preflight(&system, "/tokens", origin).await;
        reply.body_of(405);
        is_silent(&reply, origin);
        assert_eq!(reply.header("vary"), "Origin", "{origin}");
        let reply = system.send("GET", "/healthz", &[("Origin", origin)], "").await;
        assert_eq!((reply.status, reply.header("vary")), (200, "Origin"), "{origin}");
        is_silent(&reply, origin);
    }
    let reply = system.send("GET", "/healthz", &[], "").await;
    assert_eq!(
        (reply.header("vary"), reply.header(HEADERS[0])),
        ("Origin", ""),
        "a cache must not mix them up"
    );
    system.stop().await;
}

#[test]
fn an_invalid_origin_is_rejected_as_a_setting() {
    let read = |origins: &str| {
        let origins = origins.to_owned();
        Settings::read(&|name| (name == "HALLPASS_CORS_ALLOWED_ORIGINS").then(|| origins.clone()))
    };
    for wrong in [
        "*",
        "null",
        "app.example.com",
        "https://",
        "https://a.example//",
        "https://a.example/b",
        "https://a b",
    ] {
        assert_eq!(read(wrong).unwrap_err().name, "HALLPASS_CORS_ALLOWED_ORIGINS", "{wrong}");
    }
    assert_eq!(read("").unwrap().cors_allowed_origins, Vec::<String>::new());
    assert_eq!(
        read(" https://a.example , ,http://b:1").unwrap().cors_allowed_origins,
        ["https://a.example", "http://b:1"]
    );
    for (written, sent) in [
        ("https://b.example:443", "https://b.example"),
        ("HTTPS://B.Example/", "https://b.example"),
        ("http://b.example:080", "http://b.example"),
        ("http://[0:0::1]:3000/", "http://[::1]:3000"),
    ] {
        assert_eq!(
            read(written).unwrap().cors_allowed_origins,
            [sent],
            "{written} as a browser sends it"
        );
    }
}
