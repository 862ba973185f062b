//! The bounds on a request before its contents are read, and the headers of every response for
//! browsers, on all routes.

use hallpass_dev::template::Template;
use tests::{Request, TEMPLATE, World, client::Reply, system::System};

const FORM: &str = "application/x-www-form-urlencoded";

/// The maximum body sizes in bytes: of any route, of JSON, of a form with a token.
const LIMITS: (usize, usize, usize) = (262_144, 65_536, 16_384);

/// Returns every route of the template with every method.
fn routes() -> Vec<(&'static str, String)> {
    let template = Template::parse(TEMPLATE).unwrap();
    let methods = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"];
    let mut paths: Vec<String> =
        template.routes.iter().map(|route| concrete(&route.path)).collect();
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 20, "{paths:?}");
    paths.iter().flat_map(|path| methods.map(|method| (method, path.clone()))).collect()
}

fn concrete(path: &str) -> String {
    let id = format!("1.{}", "A".repeat(22));
    let path =
        path.replace("{id}", &id).replace("{user_id}", "1").replace("{file}", "hallpass.css");
    path.replace("{proxy+}", "no/such/path")
}

/// Checks the headers for browsers. A development stack must not pin HTTPS: that would hold for
/// every port of `localhost`.
fn is_safe_for_browsers(reply: &Reply, place: &str) {
    assert_eq!(
        reply.headers.get_all("strict-transport-security").iter().count(),
        0,
        "{place} {}",
        reply.status
    );
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{place} {}", reply.status);
    assert_eq!(reply.headers.get_all("x-content-type-options").iter().count(), 1, "{place}");
}

#[tokio::test]
async fn every_response_of_a_deployed_stack_pins_https_and_forbids_sniffing() {
    let world = World::with(&[("HALLPASS_CORS_ALLOWED_ORIGINS", "https://app.example")]).await;
    let template = Template::parse(TEMPLATE).unwrap();
    for route in &template.routes {
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"] {
            for host in ["api.example", "localhost", "127.0.0.1:3443"] {
                let request = Request::new(method, &route.path)
                    .header("Host", host)
                    .parameter("file", "hallpass.css");
                let request =
                    request.parameter("id", "1").parameter("user_id", "1").parameter("proxy", "x");
                let response = world.send(&route.function, request).await;
                let place = format!("{method} {} {}", route.path, response.status);
                assert_eq!(
                    response.header("strict-transport-security"),
                    "max-age=31536000",
                    "{place}"
                );
                assert_eq!(response.header("x-content-type-options"), "nosniff", "{place}");
            }
        }
    }
    let responses = TEMPLATE.split("GatewayResponses:").nth(1).unwrap();
    let count = |text: &str| responses.matches(text).count();
    assert_eq!(
        count("Strict-Transport-Security: \"'max-age=31536000'\""),
        count("ResponseTemplates:")
    );
    assert!(count("ResponseTemplates:") >= 4);
}

#[tokio::test]
async fn every_response_of_a_development_stack_forbids_sniffing_without_pinning_https() {
    let system = System::start(&[("HALLPASS_CORS_ALLOWED_ORIGINS", "https://app.example")]).await;
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")];
    for (method, path) in routes() {
        for headers in
            [&[][..], &[("Authorization", "Bearer x")], &[("Accept", "text/html")], &preflight]
        {
            let reply = system.send(method, &path, headers, "").await;
            is_safe_for_browsers(&reply, &format!("{method} {path} {headers:?}"));
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn a_body_is_bounded_on_every_route_before_it_is_read() {
    let system = System::start(&[]).await;
    let endless = "a&".repeat(LIMITS.0 / 2) + "a";
    for (method, path) in routes() {
        for media_type in [FORM, "application/json", "text/plain"] {
            let headers = [("Content-Type", media_type), ("Authorization", "Bearer x")];
            let reply = system.send(method, &path, &headers, &endless).await;
            let place = format!("{method} {path} {media_type}");
            // Some are rejected before they reach a function.
            let is_rejected =
                (400..500).contains(&reply.status) || (method == "OPTIONS" && reply.status == 204);
            assert!(is_rejected, "{place} {}", reply.status);
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn each_kind_of_body_has_its_limit_and_smaller_ones_are_read() {
    let system = System::start(&[]).await;
    let token = system.token_of("admin", "letmein").await;
    let authorization = format!("Bearer {token}");
    let check = async |method: &str, path: &str, media_type: &str, body: String, status: u16| {
        let headers = [("Content-Type", media_type), ("Authorization", authorization.as_str())];
        let reply = system.send(method, path, &headers, &body).await;
        assert_eq!(reply.status, status, "{method} {path} {} bytes: {}", body.len(), reply.body);
    };
    let padded = |text: &str, length: usize, filler: &str| {
        format!("{text}{}", filler.repeat(length - text.len()))
    };
    for (method, path) in [
        ("POST", "/tokens"),
        ("PATCH", "/tokens/current"),
        ("POST", "/rest/pat/1.0/token/user/create"),
        ("POST", "/rest/pat/1.0/token/app/create"),
        ("POST", "/explain"),
    ] {
        check(method, path, "application/json", padded("{}", LIMITS.1, " "), 400).await;
        check(method, path, "application/json", padded("{}", LIMITS.1 + 1, " "), 413).await;
        check(method, path, "application/json", "[".repeat(LIMITS.1), 400).await;
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        check("POST", path, FORM, padded("token=x&y=", LIMITS.2, "z"), 200).await;
        check("POST", path, FORM, padded("token=x&y=", LIMITS.2 + 1, "z"), 413).await;
        let many = (0..63).map(|number| format!("&p{number}=1")).collect::<Vec<_>>().concat();
        check("POST", path, FORM, format!("token=x{many}"), 200).await;
        check("POST", path, FORM, format!("token=x{many}&one_more=1"), 400).await;
    }
    let headers = [("Content-Type", FORM)];
    for path in
        ["/sign-in", "/sign-out", "/profile/developer/", "/admin/users/1", "/admin/users/1/access"]
    {
        let within = system.send("POST", path, &headers, &padded("csrf=", LIMITS.0, "z")).await;
        assert!([401, 403].contains(&within.status), "{path} {}", within.status);
        assert_eq!(
            system.send("POST", path, &headers, &padded("csrf=", LIMITS.0 + 1, "z")).await.status,
            413,
            "{path}"
        );
    }
    let query = (0..65).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
    let reply = system.send("GET", &format!("/healthz?{query}"), &[], "").await;
    assert_eq!(reply.body_of(400)["detail"], "The query has too many parameters");
    system.stop().await;
}

#[tokio::test]
async fn six_megabytes_of_parameters_cost_next_to_nothing() {
    // Bypasses the witness, which reads every form for secrets.
    let (invoke, tap) = World::new().await.tapped_once_more().await;
    let body = "a&".repeat(3 << 20);
    for (function, route) in [
        ("Revoke", "/oauth/revoke"),
        ("Console", "/oauth/introspect"),
        ("Generate", "/sign-in"),
        ("Generate", "/profile/developer"),
        ("Revoke", "/sign-out"),
    ] {
        let request = Request::new("POST", route).header("Content-Type", FORM).body(&body);
        let event = request.event();
        tap.seen();
        let response = invoke(function, event).await.unwrap();
        assert_eq!(response["statusCode"], 413, "{route}");
        assert_eq!(tap.operations(), Vec::<String>::new(), "{route}");
    }
}
