//! Identities of an identity provider: `user link` and `user unlink`, and what `doctor` says of the
//! provider.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::dev::Dev;

const LINK: [&str; 6] =
    ["user", "link", "my_username", "--subject", "24400320", "--issuer=https://id.example.com"];

#[tokio::test]
async fn a_user_is_linked_to_one_identity_and_an_identity_to_one_user() {
    let dev = Dev::fresh().await;
    let rejected = async |arguments: &[&str], why: &str| {
        let (code, printed) = dev.run(arguments, "").await;
        assert_eq!(
            (code, printed.trim()),
            (1, format!("hallpass: {why}").as_str()),
            "{arguments:?}"
        );
    };
    rejected(&LINK[..5], "the stack has no identity provider; name its issuer with --issuer").await;
    for subject in ["", "a\tb", &"s".repeat(256)] {
        let form = "a subject has 1 to 255 bytes and no control characters";
        rejected(&["user", "link", "my_username", "--subject", subject, LINK[5]], form).await;
    }
    let linked = "linked: my_username (1) signs in at https://id.example.com";
    assert_eq!(dev.out(&LINK, "").await.trim(), linked);
    assert_eq!(dev.out(&LINK, "").await.trim(), linked, "a repeated call changes nothing");
    assert!(dev.out(&["user", "show", "my_username"], "").await.contains("identity     linked"));
    let other = "my_username is linked to another identity; run `hallpass user unlink` first";
    rejected(&["user", "link", "my_username", "--subject", "2", LINK[5]], other).await;
    let taken = "the user with the ID 1 is linked to this identity";
    rejected(&["user", "link", "admin", "--subject", "24400320", LINK[5]], taken).await;
    assert_eq!(
        dev.out(&["user", "unlink", "my_username"], "").await.trim(),
        "unlinked: my_username (1), and the tokens are invalid"
    );
    rejected(&["user", "unlink", "my_username"], "my_username is not linked to an identity").await;
    rejected(&["user", "unlink", "unknown"], "there is no user unknown").await;
    dev.stop("-TERM").await;
}

/// Serves the metadata and the keys of a provider, and returns its issuer.
async fn provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({
        "issuer": issuer, "authorization_endpoint": issuer, "token_endpoint": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).await.unwrap();
            let is_for_keys = request[..length].starts_with(b"GET /jwks ");
            let body =
                if is_for_keys { json!({"keys": []}).to_string() } else { metadata.to_string() };
            let length = body.len();
            let response = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    issuer
}

#[tokio::test]
async fn doctor_asks_the_provider_for_its_metadata_and_keys() {
    let dev = Dev::fresh().await;
    let note = dev.data.path().join("stack.json");
    let mut stack: Value = serde_json::from_str(&std::fs::read_to_string(&note).unwrap()).unwrap();
    let mut set = |changes: &[(&str, &str)]| {
        for (name, value) in changes {
            stack["environment"][*name] = (*value).into();
        }
        std::fs::write(&note, stack.to_string()).unwrap();
    };
    let check = async |expected: Option<(&str, &str)>| {
        let (_, findings) = dev.doctor().await;
        let found = findings.iter().find(|(of, ..)| of == "identity provider");
        let found = found.map(|(_, verdict, detail)| (verdict.as_str(), detail.as_str()));
        let (verdict, detail) = found.unzip();
        assert_eq!(verdict, expected.map(|(verdict, _)| verdict), "{findings:?}");
        let begins = expected.is_none_or(|(_, wanted)| detail.unwrap().starts_with(wanted));
        assert!(begins, "{findings:?}");
    };
    check(None).await;
    set(&[("HALLPASS_PASSWORD_SIGN_IN", "off")]);
    check(Some(("warning", "no one can sign in to the pages"))).await;
    let issuer = provider().await;
    set(&[("HALLPASS_OIDC_ISSUER", &issuer)]);
    check(Some(("error", "HALLPASS_OIDC_CLIENT_ID: it is not set"))).await;
    let callback = "https://localhost:3443/sign-in/oidc/callback";
    set(&[("HALLPASS_OIDC_CLIENT_ID", "hallpass"), ("HALLPASS_OIDC_REDIRECT_URI", callback)]);
    check(Some(("ok", &issuer))).await;
    set(&[("HALLPASS_OIDC_ISSUER", "http://127.0.0.1:1")]);
    check(Some(("error", "http://127.0.0.1:1: reading the metadata of the identity provider")))
        .await;
    dev.stop("-TERM").await;
}
