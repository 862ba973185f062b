//! `hallpass dev --upstream`: an application's own API behind the authorizer.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::dev::{Client, Dev, Ran, Reply, hallpass, ran};

/// A small HTTP API that records the requests it receives.
struct Api {
    url: String,
    received: Arc<Mutex<Vec<String>>>,
}

const RESPONSE: &str = "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Own: 7\r\nServer: \
                        own\r\nContent-Length: 6\r\nConnection: close\r\n\r\nstored";

impl Api {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                let mut buffer = [0; 4096];
                while !is_whole(&request) {
                    let read = stream.read(&mut buffer).await.unwrap();
                    request.push_str(str::from_utf8(&buffer[..read]).unwrap());
                }
                log.lock().unwrap().push(request);
                stream.write_all(RESPONSE.as_bytes()).await.unwrap();
            }
        });
        Self { url, received }
    }

    /// Returns the head, in lower case, and the body of the only request since the last call.
    fn received(&self) -> (String, String) {
        let received = std::mem::take(&mut *self.received.lock().unwrap());
        assert_eq!(received.len(), 1, "{received:?}");
        let (head, body) = received[0].split_once("\r\n\r\n").unwrap();
        (head.to_lowercase() + "\r\n", body.to_owned())
    }

    fn received_nothing(&self) -> bool {
        self.received.lock().unwrap().is_empty()
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.to_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or_default()
}

/// Starts a stack in front of this URL, and returns it with a client of the application's port.
async fn protecting(url: &str, rules: &[&str]) -> (Dev, Client) {
    let mut arguments = vec!["--no-prune", "--upstream", url, "--upstream-port", "0"];
    arguments.extend(rules.iter().flat_map(|rule| ["--protect", rule]));
    let dev = Dev::start(TempDir::new().unwrap(), &arguments).await;
    let begin = format!("Your API {url} is behind the authorizer at https://localhost:");
    let port = dev.printed.iter().find_map(|line| line.strip_prefix(&begin));
    let port = port.unwrap_or_else(|| panic!("{:?}", dev.printed)).trim_end_matches(':');
    let client = dev.client_of(port.parse().unwrap());
    (dev, client)
}

async fn send(client: &Client, line: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let sent = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \
         {length}\r\n{headers}\r\n{body}"
    );
    client.exchange(&sent).await.unwrap()
}

#[tokio::test]
async fn an_api_receives_the_request_and_who_sent_it_from_the_gateway_alone() {
    let api = Api::start().await;
    let (dev, client) = protecting(&api.url, &[]).await;
    let token = dev.json(&["token", "issue", "admin"], "").await;
    let (id, text) = (token["id"].as_str().unwrap(), token["token"].as_str().unwrap());
    let forged = "Hallpass-User-Id: 9\r\nhallpass_user_id: 9\r\nHallpass-Scope-Count: \
                  9\r\nHallpass-New: 9\r\nX-Own: mine\r\n";
    let headers = format!("Authorization: Bearer {text}\r\n{forged}");
    let reply = send(&client, "PUT /a%20b/c;d?x=1&y=%2F&x=2", &headers, "{\"a\":1}").await;
    assert_eq!((reply.status, reply.body.as_str()), (201, "stored"));
    assert!(reply.head.contains("\r\nx-own: 7\r\n"), "{}", reply.head);
    assert!(reply.head.contains("\r\nx-amzn-remapped-server: own\r\n"), "{}", reply.head);
    let (head, body) = api.received();
    assert!(head.starts_with("put /a%20b/c;d?x=1&y=%2f&x=2 http/1.1\r\n"), "{head}");
    assert_eq!(body, "{\"a\":1}");
    let authority = api.url.strip_prefix("http://").unwrap();
    for line in [
        format!("host: {authority}"),
        "x-own: mine".to_owned(),
        "hallpass-user-id: 2".to_owned(),
        "hallpass-name: admin".to_owned(),
        format!("hallpass-token-id: {}", id.to_lowercase()),
        "hallpass-scopes: [\"role_admin\",\"role_user\"]".to_owned(),
        "hallpass-scope: role_admin role_user".to_owned(),
        format!("hallpass-expires-at: {}", token["expires_at"].as_str().unwrap().to_lowercase()),
        "x-forwarded-proto: https".to_owned(),
    ] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line}: {head}");
    }
    assert!(!head.contains(": 9\r\n"), "{head}");
    assert_eq!(head.matches("\r\nhallpass-").count(), 6, "{head}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_request_without_a_live_token_does_not_reach_an_api() {
    let api = Api::start().await;
    let (dev, client) = protecting(&format!("{}/base", api.url), &[]).await;
    let text = dev.out(&["token", "issue", "my_username"], "").await;
    let live = format!("Authorization: Bearer {text}");
    let reply = send(&client, "GET /", "", "").await;
    assert_eq!(reply.status, 401);
    assert!(reply.head.contains("\r\nwww-authenticate: bearer realm=\"hallpass\""));
    assert!(reply.body.contains("An access token is required"), "{}", reply.body);
    let reply =
        send(&client, "GET /", "Authorization: Bearer x\r\nHallpass-User-Id: 1\r\n", "").await;
    assert_eq!(reply.status, 401);
    assert!(api.received_nothing());
    assert_eq!(send(&client, "GET /", &live, "").await.status, 201);
    assert!(api.received().0.starts_with("get /base/ http/1.1\r\n"));
    dev.done(&["user", "block", "my_username"], "").await;
    let reply = send(&client, "GET /", &live, "").await;
    assert!(reply.status == 401 && reply.body.contains("\"reason\":\"user_blocked\""));
    assert!(api.received_nothing());
    // The routes of Hallpass are on its own port alone.
    let admin =
        format!("Authorization: Bearer {}", dev.out(&["token", "issue", "admin"], "").await);
    assert_eq!(send(&client, "GET /tokens", &admin, "").await.status, 201);
    assert!(api.received().0.starts_with("get /base/tokens http/1.1\r\n"));
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_protected_path_needs_its_permission_and_an_unnamed_one_is_denied() {
    let api = Api::start().await;
    let rules = ["/admin/*=ROLE_ADMIN", "GET /reports/*=ROLE_USER", "/status"];
    let (dev, client) = protecting(&api.url, &rules).await;
    let user =
        format!("Authorization: Bearer {}", dev.out(&["token", "issue", "my_username"], "").await);
    let admin =
        format!("Authorization: Bearer {}", dev.out(&["token", "issue", "admin"], "").await);
    for (line, as_user, as_admin) in [
        ("GET /admin/users", 401, 201),
        ("DELETE /admin/users/1", 401, 201),
        ("GET /reports/2026/11", 201, 201),
        ("POST /reports/2026/11", 401, 401),
        ("GET /status", 201, 201),
        ("GET /other", 401, 401),
    ] {
        for (headers, status) in [(&user, as_user), (&admin, as_admin)] {
            let reply = send(&client, line, headers, "").await;
            assert_eq!(reply.status, status, "{line}: {}", reply.body);
            let is_scope = reply.body.contains("\"reason\":\"insufficient_scope\"");
            assert_eq!(is_scope, status == 401, "{line}: {}", reply.body);
        }
    }
    // The rules are those of the API alone, and are printed for the stack on AWS.
    let token = dev.token("my_username", "topsecret").await;
    assert_eq!(dev.verdict(&token).await, "allow");
    let printed = dev.printed.join("\n");
    assert!(printed.contains(r#"{"method":"GET","path":"/reports/*","permission":"ROLE_USER"}"#));
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn an_api_that_does_not_respond_is_a_bad_gateway() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let (dev, client) = protecting(&url, &[]).await;
    let text = dev.out(&["token", "issue", "my_username"], "").await;
    let reply = send(&client, "GET /", &format!("Authorization: Bearer {text}"), "").await;
    assert_eq!(reply.status, 502);
    assert!(reply.body.contains("The service could not answer"), "{}", reply.body);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn invalid_options_of_an_upstream_are_explained() {
    let data = TempDir::new().unwrap();
    let upstream = ["dev", "--port", "0", "--upstream-port", "0", "--upstream", "http://localhost"];
    let check = async |arguments: &[&str], variable: &str, words: &str| {
        let mut command = hallpass(data.path());
        command.args(arguments).env("HALLPASS_ROUTES", variable);
        let Ran { code, err, .. } = ran(&mut command, "").await;
        assert!(code == 2 && err.contains(words), "{arguments:?}: {code} {err}");
    };
    check(&["dev", "--upstream", "localhost:8080"], "", "must be a URL such as").await;
    check(&["dev", "--upstream", "https://localhost"], "", "must be a URL such as").await;
    check(&["dev", "--protect", "/=a"], "", "--upstream").await;
    let with = |rule| [&upstream[..], &["--protect", rule]].concat();
    check(&with("reports"), "", "must be a path that begins with a slash").await;
    check(&with("/a=b,c"), "", "must be the name of a permission").await;
    check(&with("/a//b"), "", "rule 1: path must be").await;
    check(&with("FETCH /a"), "", "rule 1: method must be").await;
    check(&with("/a"), "[]", "--protect cannot be used with HALLPASS_ROUTES").await;
}
