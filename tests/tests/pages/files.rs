//! The files of the pages: style sheets, scripts, and the documentation by Swagger UI.

use tests::{client::Reply, pages::WebClient, system::System};

#[tokio::test]
async fn files_are_cacheable_and_swagger_alone_may_style_itself() {
    let system = System::start(&[]).await;
    for (path, media_type) in [
        ("/assets/hallpass.css", "text/css; charset=utf-8"),
        ("/assets/swagger.css", "text/css; charset=utf-8"),
        ("/assets/hallpass.js", "text/javascript; charset=utf-8"),
        ("/assets/hallpass.svg", "image/svg+xml"),
        ("/docs/swagger-ui/index.html", "text/html; charset=utf-8"),
        ("/docs/swagger-ui/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui/swagger-ui-bundle.js", "text/javascript"),
        ("/docs/swagger-ui/swagger-initializer.js", "text/javascript"),
    ] {
        let reply = system.send("GET", path, &[], "").await;
        let is_page = path.ends_with("index.html");
        assert_eq!((reply.status, reply.header("content-type")), (200, media_type), "{path}");
        assert_eq!(reply.header("cache-control"), "public, max-age=3600", "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("set-cookie"), "", "{path}");
        let policy = reply.header("content-security-policy");
        assert!(
            !is_page || policy.contains("style-src 'self' 'unsafe-inline'; img-src 'self' data:;"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe-eval") && policy.matches("unsafe").count() <= 1,
            "{policy}"
        );
        assert!(!reply.body.contains("https://cdn") && !reply.body.contains("unpkg"), "{path}");
    }
    for path in [
        "/assets/x",
        "/assets/..",
        "/assets/%2e%2e%2fsrc%2flib.rs",
        "/docs/swagger-ui/x",
        "/docs/swagger-ui/%00",
    ] {
        assert_eq!(system.send("GET", path, &[], "").await.status, 404, "{path}");
    }
    // What a script could fetch is the same for every user; no page with user data is.
    assert!(
        !system
            .send("GET", "/sign-in", &[], "")
            .await
            .header("content-security-policy")
            .contains("unsafe")
    );
    system.stop().await;
}

/// Checks that a client that has this version does not get it again.
async fn check_revalidation(system: &System, path: &str, version: &str) {
    let tag = format!("W/\"{version}\"");
    for (known, status) in [
        (tag.clone(), 304),
        (format!("\"{version}\""), 304),
        (format!("\"a\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"a\"".to_owned(), 200),
        (version.to_owned() + "x", 200),
    ] {
        let again = system.send("GET", path, &[("If-None-Match", &known)], "").await;
        assert_eq!((again.status, again.header("etag")), (status, &*tag), "{path} {known}");
        assert_eq!(again.length == 0, status == 304, "{path} {known}");
    }
}

/// Checks that a file of Swagger UI is compressed for clients that accept it, and no other is.
async fn check_compression(system: &System, path: &str, whole: &Reply) {
    let is_packed = path.starts_with("/docs/");
    assert_eq!(whole.header("vary").contains("Accept-Encoding"), is_packed, "{path}");
    for (codings, packs) in [
        ("gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1.0, GZIP;q=0.5", true),
        ("br", false),
        ("gzip;q=0", false),
        ("identity", false),
        ("", false),
    ] {
        let reply = system.send("GET", path, &[("Accept-Encoding", codings)], "").await;
        let expected = if packs && is_packed { "gzip" } else { "" };
        assert_eq!(
            (reply.status, reply.header("content-encoding")),
            (200, expected),
            "{path} {codings}"
        );
        let is_smaller = reply.length < whole.length / 2 || whole.length < 1_000;
        assert!(expected.is_empty() || is_smaller, "{path} {} of {}", reply.length, whole.length);
    }
}

#[tokio::test]
async fn files_are_compressed_cached_for_a_year_by_version_and_revalidated_by_etag() {
    let system = System::start(&[]).await;
    let index = system.send("GET", "/docs/swagger-ui/index.html", &[], "").await;
    let page = WebClient::new(&system, "").get("/sign-in").await;
    let linked = |body: &str, folder: &str| -> Vec<String> {
        let parts = body
            .split('"')
            .filter(|part| part.contains("?v="))
            .map(|part| part.trim_start_matches('/'));
        parts.map(|part| format!("{folder}{part}")).collect()
    };
    let mut paths = linked(&index.body, "/docs/swagger-ui/");
    assert_eq!(paths.len(), 5, "{}", index.body);
    // The stylesheet, the script, and the icon, which is the logo as well.
    paths.extend(linked(&page.body, "/"));
    assert_eq!(paths.len(), 9, "{}", page.body);
    for path in paths {
        let whole = system.send("GET", &path, &[], "").await;
        assert_eq!((whole.status, whole.header("content-encoding")), (200, ""), "{path}");
        assert_eq!(whole.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
        let (bare, version) = path.split_once("?v=").unwrap();
        let tag = format!("W/\"{version}\"");
        assert_eq!(whole.header("etag"), tag, "{path}");
        for other in [bare.to_owned(), format!("{bare}?v=other"), format!("{bare}?w={version}")] {
            let hour = system.send("GET", &other, &[], "").await;
            assert_eq!(
                (hour.header("cache-control"), hour.header("etag")),
                ("public, max-age=3600", &*tag),
                "{other}"
            );
        }
        check_revalidation(&system, &path, version).await;
        check_compression(&system, &path, &whole).await;
    }
    system.stop().await;
}
