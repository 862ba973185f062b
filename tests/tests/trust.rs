//! The certificates that the functions trust: those of Amazon's authorities, or of a configured
//! file, and no others.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_dev::{ca, secrets::Secrets};
use hallpass_runtime::{clock, settings::ConfigError};
use hallpass_service::Service;
use hallpass_store::connect::{AMAZON_ROOTS, Trust};
use hallpass_token::Keyring;
use sha2::{Digest, Sha256};
use tests::{KEYS, World, tap::Tap};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Serves TLS in front of a plain server, with the certificates of this folder.
async fn behind_tls(upstream: &str, folder: &Path) -> String {
    let acceptor = TlsAcceptor::from(ca::server_config(folder, clock::now().unix()).unwrap());
    let upstream = Arc::new(upstream.strip_prefix("http://").unwrap().to_owned());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, upstream) = (acceptor.clone(), Arc::clone(&upstream));
            tokio::spawn(async move {
                // A client that does not trust the certificate aborts the handshake.
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(upstream.as_str()).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

/// The engine and the keyring of a world behind TLS, with the file of their certificate authority.
struct Around {
    world: World,
    _secrets: Secrets,
    folder: tempfile::TempDir,
    _tap: Tap,
    endpoints: [String; 2],
}

impl Around {
    async fn new() -> Self {
        let (world, tap) = World::tapped(&[]).await;
        let secrets =
            Secrets::start("local".to_owned(), &Keyring::parse(KEYS).unwrap(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let endpoints = [
            behind_tls(&tap.endpoint(), folder.path()).await,
            behind_tls(&secrets.endpoint(), folder.path()).await,
        ];
        Self { world, _secrets: secrets, folder, _tap: tap, endpoints }
    }

    fn environment(&self, bundle: &str) -> BTreeMap<&'static str, String> {
        let [dynamodb, secrets] = &self.endpoints;
        let [users, tokens, attempts] =
            ["Users", "Tokens", "Attempts"].map(|name| self.world.table(name));
        [
            ("AWS_REGION", "local"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("HALLPASS_USERS_TABLE", users.as_str()),
            ("HALLPASS_TOKENS_TABLE", &tokens),
            ("HALLPASS_ATTEMPTS_TABLE", &attempts),
            ("HALLPASS_KEYS_SECRET", "KeyRing"),
            ("HALLPASS_DYNAMODB_ENDPOINT", dynamodb),
            ("HALLPASS_SECRETS_ENDPOINT", secrets),
            ("AWS_CA_BUNDLE", bundle),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
    }

    /// Starts a function with this file as `AWS_CA_BUNDLE`.
    async fn start(&self, bundle: &Path) -> Result<(), ConfigError> {
        let environment = self.environment(bundle.to_str().unwrap());
        let lookup = |name: &str| environment.get(name).cloned();
        Service::start(&lookup, self.world.now()).await.map(drop)
    }
}

#[tokio::test]
async fn a_function_trusts_the_file_it_is_given_and_without_one_amazon_alone() {
    let around = Around::new().await;
    let other = tempfile::tempdir().unwrap();
    ca::server_config(other.path(), clock::now().unix()).unwrap();
    assert_eq!(around.start(&around.folder.path().join(ca::CA)).await, Ok(()));
    for bundle in [Path::new(""), &other.path().join(ca::CA)] {
        let error = around.start(bundle).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn an_unusable_certificate_file_fails_the_start_and_is_named() {
    let around = Around::new().await;
    let folder = tempfile::tempdir().unwrap();
    let check = async |content: &str, expected: &str| {
        let file = folder.path().join("bundle.pem");
        fs::write(&file, content).unwrap();
        assert_eq!(
            around.start(&file).await.unwrap_err().to_string(),
            format!("AWS_CA_BUNDLE: {expected}")
        );
    };
    for nothing in ["", "localhost", "-----BEGIN CERTIFICATE-----\n"] {
        check(nothing, "it must contain a PEM certificate").await;
    }
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let six = format!("{}{nonsense}", str::from_utf8(AMAZON_ROOTS).unwrap());
    check(&six, "its certificate 6 cannot be an authority's").await;
    let absent = around.start(&folder.path().join("absent.pem")).await.unwrap_err().to_string();
    assert!(absent.starts_with("AWS_CA_BUNDLE: No such file"), "{absent}");
}

#[test]
fn the_compiled_in_authorities_are_those_that_amazon_publishes() {
    // The fingerprints on https://www.amazontrust.com/repository/.
    let published = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];
    let certificates =
        str::from_utf8(AMAZON_ROOTS).unwrap().split_inclusive("-----END CERTIFICATE-----\n");
    let digests = certificates.map(|pem| {
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        Sha256::digest(BASE64_STANDARD.decode(&base64).unwrap()).to_vec()
    });
    let bytes = published.map(|text| {
        let bytes = text
            .as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16));
        bytes.map(Result::unwrap).collect::<Vec<u8>>()
    });
    assert_eq!(digests.collect::<Vec<_>>(), bytes);
    assert!(Trust::amazon().is_ok());
}
