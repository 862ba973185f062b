//! A development stack exposes only its HTTPS server to other programs, other users and browsers of
//! this machine.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::dev::Dev;

/// Sends a request with this head to an emulator, with a body that lists all users or fetches the
/// keys. Returns the response in lower case.
async fn send(endpoint: &str, head: &str, target: &str, authorization: &str) -> String {
    let authority = endpoint.strip_prefix("http://").unwrap();
    let body = r#"{"TableName":"Users","SecretId":"KeyRing"}"#;
    let head = head.replace("HERE", authority);
    let request = format!(
        "{head}\r\nX-Amz-Target: {target}\r\nContent-Type: \
         application/x-amz-json-1.0\r\nX-Amz-Date: 20270115T080000Z\r\n\
         Authorization: {authorization}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _closed = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap().to_lowercase()
}

fn signed_by(key: &str, service: &str) -> String {
    let scope = format!("Credential={key}/20270115/local/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")
}

#[tokio::test]
async fn web_pages_and_programs_without_the_key_cannot_read_the_emulators() {
    let dev = Dev::fresh().await;
    let lookup = dev.stack();
    let lookup = lookup.lookup();
    let key = lookup("AWS_ACCESS_KEY_ID").unwrap();
    for (endpoint, service, target, secret) in [
        ("HALLPASS_DYNAMODB_ENDPOINT", "dynamodb", "DynamoDB_20120810.Scan", "password_hash"),
        (
            "HALLPASS_SECRETS_ENDPOINT",
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            "signs_from",
        ),
    ] {
        let endpoint = lookup(endpoint).unwrap();
        let known = signed_by(&key, service);
        let check = async |head: &str, authorization: &str, status: &str| {
            let response = send(&endpoint, head, target, authorization).await;
            assert!(
                response.starts_with(&format!("http/1.1 {status} ")),
                "{endpoint} {head:?}: {response}"
            );
            assert!(!response.contains("access-control-"), "{endpoint} {head:?}: {response}");
            assert_eq!(
                response.contains(secret),
                status == "200",
                "{endpoint} {head:?}: {response}"
            );
        };
        check("POST / HTTP/1.1\r\nHost: HERE", &known, "200").await;
        check("POST / HTTP/1.1\r\nHost: HERE", &signed_by("local", service), "400").await;
        check("POST / HTTP/1.1\r\nHost: HERE", "", "400").await;
        check("POST / HTTP/1.1\r\nHost: HERE\r\nOrigin: https://evil.example", &known, "403").await;
        check("OPTIONS / HTTP/1.1\r\nHost: HERE\r\nOrigin: https://evil.example", "", "403").await;
        check("POST / HTTP/1.1\r\nHost: evil.example:8000", &known, "421").await;
    }
    dev.stop("-TERM").await;
}

/// Returns whether only its owner can access the file.
fn is_private(path: &Path) -> bool {
    matches!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600 | 0o700)
}

#[tokio::test]
async fn only_their_owner_can_access_the_files_of_a_stack_and_a_restart_restores_that() {
    let mut dev = Dev::fresh().await;
    for again in [false, true] {
        let data = dev.data.path();
        assert!(is_private(data), "again: {again}");
        let mut seen = Vec::new();
        for file in fs::read_dir(data).unwrap() {
            let (path, name) =
                file.map(|entry| (entry.path(), entry.file_name().into_string().unwrap())).unwrap();
            // Certificates are public.
            assert!(
                is_private(&path) || matches!(name.as_str(), "ca.pem" | "tls.pem"),
                "again: {again}, {name}"
            );
            seen.push(name);
        }
        for name in
            ["dynamodb.sqlite", "dynamodb.sqlite-wal", "keys.json", "stack.json", "ca-key.pem"]
        {
            assert!(seen.iter().any(|other| other == name), "{name} is not in {seen:?}");
        }
        if !again {
            let data = dev.stop("-TERM").await;
            fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["dynamodb.sqlite", "keys.json"] {
                fs::set_permissions(data.path().join(name), fs::Permissions::from_mode(0o644))
                    .unwrap();
            }
            dev = Dev::start(data, &[]).await;
        }
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn both_loopback_addresses_accept_connections() {
    let dev = Dev::fresh().await;
    let port: u16 = dev.stack().url().rsplit(':').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    // A machine without IPv6 does not have this address.
    if tokio::net::TcpListener::bind(("::1", 0)).await.is_ok() {
        assert!(TcpStream::connect(("::1", port)).await.is_ok());
    }
    dev.stop("-TERM").await;
}
