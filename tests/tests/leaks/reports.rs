//! Reports of leaked tokens by GitHub's secret scanning: signed requests, with the keys served
//! over HTTP as GitHub serves them.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING as ES256, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tests::{
    api::bearer,
    capability::{Capability, lacks},
    client::Reply,
    system::System,
};
use tokio::{net::TcpListener, task::AbortHandle};

/// The `SubjectPublicKeyInfo` of a key on P-256 before its point (RFC 5480 section 2).
const FRONT: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// GitHub's part: a key, and a server of its public half.
struct GitHub {
    url: String,
    key: EcdsaKeyPair,
    is_down: Arc<AtomicBool>,
    fetched: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl GitHub {
    async fn start() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ES256, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ES256, document.as_ref(), &random).unwrap();
        let point = key.public_key().as_ref();
        let pem = BASE64_STANDARD.encode([&FRONT, point].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        let key_of_github = json!({"key_identifier": "k1", "key": pem, "is_current": true});
        let keys = json!({"public_keys": [key_of_github]}).to_string();
        let (is_down, fetched) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (down, count) = (Arc::clone(&is_down), Arc::clone(&fetched));
        let serve = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (keys, down, count) = (keys.clone(), Arc::clone(&down), Arc::clone(&count));
                let service = service_fn(move |_request| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let mut response = Response::new(Full::new(Bytes::from(keys.clone())));
                    if down.load(Ordering::SeqCst) {
                        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    }
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        };
        let task = tokio::spawn(serve).abort_handle();
        Self { url, key, is_down, fetched, task }
    }

    fn sign(&self, body: &str) -> String {
        BASE64_STANDARD.encode(self.key.sign(&SystemRandom::new(), body.as_bytes()).unwrap())
    }

    /// Sends a report with the signature of `signed`, or without one.
    async fn send(&self, system: &System, body: &str, signed: Option<&str>) -> Reply {
        let signature = signed.map(|signed| self.sign(signed));
        let headers = signature.iter().flat_map(|signature| {
            [
                ("Github-Public-Key-Identifier", "k1"),
                ("Github-Public-Key-Signature", signature.as_str()),
            ]
        });
        let headers: Vec<_> = headers.chain([("Content-Type", "application/json")]).collect();
        system.send("POST", "/leaks/github", &headers, body).await
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn report(tokens: &[&str]) -> String {
    let leak = |token: &&str| {
        json!({
            "token": token, "type": "acme_token", "url": "https://example.com/a", "source": "commit"
        })
    };
    Value::from(tokens.iter().map(leak).collect::<Vec<_>>()).to_string()
}

async fn start() -> (GitHub, System) {
    let github = GitHub::start().await;
    let settings = [("HALLPASS_PREFIX", "acme_"), ("HALLPASS_LEAK_KEYS_URL", github.url.as_str())];
    let system = System::start(&settings).await;
    (github, system)
}

#[tokio::test]
async fn a_signed_report_revokes_every_token_in_it_as_leaked() {
    let (github, system) = start().await;
    let admin = bearer(&system.token_of("admin", "letmein").await);
    let mut leaked = Vec::new();
    for body in [json!({"name": "a"}), json!({"name": "b", "user_id": "1", "format": "jwt"})] {
        let token = system.json("POST", "/tokens", &admin, &body).await.body_of(201);
        leaked.push(token["token"].as_str().unwrap().to_owned());
    }
    let developer = system.ask("POST", "/profile/developer", &admin).await.body_of(201);
    leaked.push(developer["token"].as_str().unwrap().to_owned());
    let kept = system.token_of("my_username", "topsecret").await;
    let foreign = kept.replace("acme_1.", "acme_2.");
    let texts: Vec<&str> =
        leaked.iter().map(String::as_str).chain([&*foreign, "acme_nonsense"]).collect();
    let body = report(&texts);
    // GitHub reports a token again wherever it finds it.
    for _ in 0..2 {
        let reply = github.send(&system, &body, Some(&body)).await;
        let labels = reply.body_of(200);
        let labels: Vec<_> =
            labels.as_array().unwrap().iter().map(|leak| leak["label"].as_str().unwrap()).collect();
        let (yes, no) = ("true_positive", "false_positive");
        assert_eq!(labels, [yes, yes, yes, no, no]);
    }
    for token in &leaked {
        assert_eq!(system.verdict(token).await, "leaked");
    }
    assert_eq!(system.verdict(&kept).await, "allow");
    assert_eq!(github.fetched.load(Ordering::SeqCst), 1);
    if lacks(Capability::DevStack, "the stream of the stack's own engine").await {
        return;
    }
    system.drain_tokens().await;
    let events = system.events();
    let leaks: Vec<_> = events.iter().filter(|event| event["kind"] == "token.leaked").collect();
    assert_eq!(leaks.len(), leaked.len(), "{events:?}");
    for leak in leaks {
        assert_eq!((&leak["actor"], &leak["because"]), (&json!("system"), &json!("leaked")));
    }
}

#[tokio::test]
async fn a_report_that_github_did_not_sign_revokes_nothing() {
    let (github, system) = start().await;
    let token = system.token_of("my_username", "topsecret").await;
    let body = report(&[&token]);
    let other = report(&["acme_other"]);
    let large = report(&vec!["x"; 20_000]);
    for (what, body, signed, status) in [
        ("no signature", &body, None, 401),
        ("the signature of another report", &body, Some(&other), 401),
        ("a report of another form", &"{}".to_owned(), Some(&"{}".to_owned()), 400),
        ("a report that is too large", &large, Some(&large), 413),
    ] {
        let reply = github.send(&system, body, signed.map(String::as_str)).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.body);
    }
    assert_eq!(system.verdict(&token).await, "allow");
}

#[tokio::test]
async fn a_report_is_answered_when_the_keys_can_be_fetched_again() {
    let (github, system) = start().await;
    let token = system.token_of("my_username", "topsecret").await;
    let body = report(&[&token]);
    github.is_down.store(true, Ordering::SeqCst);
    assert_eq!(github.send(&system, &body, Some(&body)).await.status, 503);
    assert_eq!(system.verdict(&token).await, "allow");
    github.is_down.store(false, Ordering::SeqCst);
    system.advance(301);
    assert_eq!(github.send(&system, &body, Some(&body)).await.status, 200);
    assert_eq!(system.verdict(&token).await, "leaked");
}
