//! Basic next to Bearer: clients that wait for a challenge receive one, and no page of another site
//! can use it.

use std::process::{Command, Output};

use serde_json::json;
use tests::{Request, World, api::bearer, basic, system::System};

const GENERATE: &str = "/api/services_token/generate";

/// Runs a client and returns its output, or `None` if it is not installed.
async fn run(client: &'static str, arguments: Vec<String>) -> Option<Output> {
    let run = move || Command::new(client).args(&arguments).output();
    match tokio::task::spawn_blocking(run).await.unwrap() {
        Ok(output) => Some(output),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{client}");
            None
        }
    }
}

const PYTHON: &str = "
import ssl, sys, urllib.request
url, ca, token = sys.argv[1:]
passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
passwords.add_password(None, url, token, '')
context = ssl.create_default_context(cafile=ca)
handlers = urllib.request.HTTPSHandler(context=context), urllib.request.HTTPBasicAuthHandler(passwords)
print(urllib.request.build_opener(*handlers).open(url).read().decode())
";

#[tokio::test]
async fn clients_that_wait_for_a_challenge_send_their_token() {
    let system = System::start(&[("HALLPASS_REALM", "My Drupal")]).await;
    let token = system.token_of("my_username", "topsecret").await;
    let (url, ca) = (format!("{}/api/user/1", system.url()), system.authority());
    let ca = ca.to_str().unwrap();
    let text = |arguments: &[&str]| {
        arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>()
    };
    for (client, arguments) in [
        ("curl", text(&["-s", "--cacert", ca, "--anyauth", "-u", &format!("{token}:"), &url])),
        (
            "wget",
            text(&[
                "-q",
                "-O",
                "-",
                "--ca-certificate",
                ca,
                "--user",
                &token,
                "--password",
                "",
                &url,
            ]),
        ),
        ("python3", text(&["-c", PYTHON, &url, ca, &token])),
    ] {
        if let Some(output) = run(client, arguments).await {
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(
                output.status.success() && out.contains(r#""name":"my_username""#),
                "{client}: {out} {err}"
            );
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn the_gateway_and_the_functions_offer_basic_behind_bearer_in_one_line() {
    for (settings, is_offered) in
        [(vec![], true), (vec![("HALLPASS_BASIC_CHALLENGE", "off")], false)]
    {
        let settings = [vec![("HALLPASS_REALM", "our realm")], settings].concat();
        let system = System::start(&settings).await;
        let old = bearer(&system.token_of("my_username", "topsecret").await);
        assert_eq!(system.ask("DELETE", "/tokens/current", &old).await.status, 200);
        let revoked =
            r#", error="invalid_token", error_description="The access token was revoked""#;
        for (method, path, authorization, name, error) in [
            ("GET", "/api/user/1", "", "www-authenticate", ""),
            ("GET", "/api/user/1", old.as_str(), "www-authenticate", revoked),
            ("GET", "/tokens", "", "x-amzn-remapped-www-authenticate", ""),
            ("GET", "/tokens", old.as_str(), "x-amzn-remapped-www-authenticate", revoked),
            ("POST", GENERATE, "", "x-amzn-remapped-www-authenticate", ""),
            ("GET", "/rs/authorise", "", "x-amzn-remapped-www-authenticate", ""),
        ] {
            let headers = if authorization.is_empty() {
                vec![]
            } else {
                vec![("Authorization", authorization)]
            };
            let reply = system.send(method, path, &headers, "").await;
            let challenge = format!(r#"Bearer realm="our realm"{error}"#);
            assert_eq!(
                (reply.status, reply.header("x-www-authenticate")),
                (401, challenge.as_str()),
                "{path}"
            );
            assert_eq!(reply.headers.get_all(name).iter().count(), 1, "{path}");
            assert_eq!(reply.header(name), tests::with_basic(&challenge, is_offered), "{path}");
        }
        system.stop().await;
    }
}

#[tokio::test]
async fn pages_offer_no_basic_and_swagger_omits_credentials() {
    let world = World::new().await;
    for (function, route) in [("Console", "/profile/developer"), ("Console", "/admin/users")] {
        let response = world.send(function, Request::new("GET", route)).await;
        let challenges =
            [response.header("www-authenticate"), response.header("x-www-authenticate")];
        assert!(
            challenges.iter().all(|challenge| !challenge.contains("Basic")),
            "{route} {challenges:?}"
        );
    }
    let form = Request::new("POST", "/profile/developer").body("do=revoke&id=1.a");
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    assert!(!world.send("Generate", form).await.header("www-authenticate").contains("Basic"));
    let script =
        Request::new("GET", "/docs/swagger-ui/{file}").parameter("file", "swagger-initializer.js");
    let script = world.send("Console", script).await.body;
    assert!(script.contains(r#"Object.assign(request, { credentials: "omit" })"#), "{script}");
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_with_basic() {
    const FRIEND: &str = "https://friend.example";
    let world = World::with(&[("HALLPASS_CORS_ALLOWED_ORIGINS", FRIEND)]).await;
    let token = world.token().await;
    let (by_token, by_password) = (basic(&token, ""), basic("my_username", "topsecret"));
    let check = async |site: &str, origin: &str, authorization: &str, rejected: bool| {
        for (function, method, route) in [
            ("Generate", "POST", GENERATE),
            ("Generate", "POST", "/tokens"),
            ("Generate", "GET", "/rs/authorise"),
            ("Generate", "GET", "/rs/authorize-implicit"),
            ("Generate", "POST", "/rs/authorize-implicit"),
            ("Revoke", "DELETE", "/users/{user_id}/tokens"),
            ("Revoke", "PATCH", "/tokens/{id}"),
            ("Console", "POST", "/oauth/introspect"),
            ("Console", "POST", "/explain"),
        ] {
            let request =
                Request::new(method, route).parameter("user_id", "1").parameter("id", "current");
            let request = request
                .authorization(authorization)
                .header("Sec-Fetch-Site", site)
                .header("Origin", origin);
            let response = world.send(function, request.body("")).await;
            let is_rejected = response.body.contains("A page of another site");
            assert_eq!(
                (is_rejected, response.status == 403 && is_rejected),
                (rejected, rejected),
                "{site} {origin} {route}"
            );
        }
    };
    let tokens = world.dump("Tokens").await.len();
    for authorization in [&by_token, &by_password, &by_password.replace("Basic", "bAsIc")] {
        check("cross-site", "https://evil.example", authorization, true).await;
        check("Cross-Site", "null", authorization, true).await;
    }
    assert_eq!(world.dump("Tokens").await.len(), tokens);
    let ask = async |site: &str, origin: &str, authorization: &str| {
        let request =
            Request::new("POST", GENERATE).authorization(authorization).header("Origin", origin);
        world.send("Generate", request.header("Sec-Fetch-Site", site)).await.status
    };
    assert_eq!(ask("cross-site", FRIEND, &by_password).await, 200);
    assert_eq!(ask("same-origin", "https://evil.example", &by_token).await, 200);
    assert_eq!(ask("none", "", &by_token).await, 200);
    assert_eq!(
        ask("cross-site", "https://evil.example", &bearer(&token)).await,
        200,
        "no browser adds Bearer itself"
    );
}

#[tokio::test]
async fn the_implicit_flow_accepts_forms_as_cxf_sends_them() {
    let system = System::start(&[]).await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let by_password = basic("my_username", "topsecret");
    let begin = async |path: &str, body: &str| {
        system.send("POST", path, &[form, ("Authorization", &by_password)], body).await
    };
    let path = "/rs/authorize-implicit";
    for (query, body) in
        [("", "client_id=c&response_type=token"), ("?client_id=c&response_type=token", "")]
    {
        let response = begin(&format!("{path}{query}"), body).await;
        let session = response.header("set-cookie").split(';').next().unwrap().to_owned();
        let authenticity = response.body_of(200)["authenticityToken"].as_str().unwrap().to_owned();
        let body =
            format!("client_id=c&oauthDecision=allow&session_authenticity_token={authenticity}");
        let headers = [form, ("Cookie", session.as_str())];
        let decided =
            system.send("POST", &format!("{path}/decision"), &headers, &body).await.body_of(200);
        let jwt = bearer(decided["accessToken"].as_str().unwrap());
        assert_eq!(system.ask("GET", "/rs/profile", &jwt).await.status, 200);
    }
    assert_eq!(
        begin(&format!("{path}?client_id=c"), "client_id=d&response_type=token").await.status,
        400
    );
    assert_eq!(begin(path, "client_id=c&client_id=c&response_type=token").await.status, 400);
    assert_eq!(begin(path, "client_id=c").await.status, 400);
    let json = ("Content-Type", "application/json");
    let other = system
        .send("POST", path, &[json, ("Authorization", &by_password)], &json!({}).to_string())
        .await;
    assert_eq!(other.status, 415);
    system.stop().await;
}
