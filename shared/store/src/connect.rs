//! The clients: one TLS stack (rustls on ring), time limits that leave the authorizer time to answer, bounded retries.
//!
//! A function trusts the authorities that sign for AWS, and no other: they are compiled in, so that no start reads and
//! parses the hundreds that a system comes with.

use std::{fmt, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{
    AppName, BehaviorVersion, Region, SharedAsyncSleep, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use token::Text;

/// Where AWS is and who calls it. On Lambda all of it stands in the environment.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The region, `AWS_REGION`.
    pub region: String,
    /// Instead of the region's own endpoint of DynamoDB, this URL.
    pub dynamodb_endpoint: Option<String>,
    /// Instead of the region's own endpoint of Secrets Manager, this URL.
    pub secrets_endpoint: Option<String>,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Text,
    /// `AWS_SESSION_TOKEN`, which temporary credentials have.
    pub session_token: Option<Text>,
    /// What [`http_client`] made. All clients share it, with its certificates and its connections.
    pub http: SharedHttpClient,
}

/// Whose certificates are good.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those of [`AMAZON_ROOTS`]: what a function needs to reach AWS.
    Amazon,
    /// Those that this machine trusts: for somebody at a terminal, whose way to AWS may lead through a proxy.
    System,
    /// Those in this PEM text, which [`Trust::only`] has looked at, and no other: `AWS_CA_BUNDLE`.
    Only(Vec<u8>),
}

/// A text holds no certificates that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadBundle {
    /// It is not PEM, or has no certificate.
    NoCertificate,
    /// One of them, counted from one, cannot be an authority's.
    Unusable(usize),
}

/// The roots of Amazon Trust Services, which sign for every endpoint of AWS (<https://www.amazontrust.com/repository/>).
/// The first of them ends in December 2037.
pub const AMAZON_ROOTS: [&str; 5] = [
    include_str!("roots/amazon-root-ca-1.pem"),
    include_str!("roots/amazon-root-ca-2.pem"),
    include_str!("roots/amazon-root-ca-3.pem"),
    include_str!("roots/amazon-root-ca-4.pem"),
    include_str!("roots/starfield-services-root-ca-g2.pem"),
];

/// The limit of one attempt of one call, connecting included.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(900);

/// The limit of connecting.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// The limit of one call with its retries; [`crate::verify`] holds the limit of several calls together.
const OPERATION_LIMIT: Duration = Duration::from_millis(2_500);

/// How many times as long as a function a person waits.
const PATIENCE: u32 = 10;

impl Connection {
    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_within(time_limits(1))
    }

    /// A client of DynamoDB for somebody at a terminal, who may be far from it and would rather wait than begin again.
    pub fn patient_dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_within(time_limits(PATIENCE))
    }

    fn dynamodb_within(&self, limits: TimeoutConfig) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(self.http.clone())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(limits)
            .retry_config(retries());
        config.set_app_name(AppName::new("hallpass").ok());
        config.set_endpoint_url(self.dynamodb_endpoint.clone());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of Secrets Manager.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let mut config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(self.http.clone())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(time_limits(1))
            .retry_config(retries());
        config.set_app_name(AppName::new("hallpass").ok());
        config.set_endpoint_url(self.secrets_endpoint.clone());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(
            &self.access_key_id,
            self.secret_access_key.reveal(),
            self.session_token.as_ref().map(|token| token.reveal().to_owned()),
            None,
            "environment",
        )
    }
}

impl Trust {
    /// Trust in the certificates of a PEM text and no other.
    ///
    /// # Errors
    /// When there is none, or one that could not be trusted: the HTTP client would panic on it.
    pub fn only(pem: Vec<u8>) -> Result<Self, BadBundle> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
            let unusable = BadBundle::Unusable(index.saturating_add(1));
            roots.add(certificate.map_err(|_| BadBundle::NoCertificate)?).map_err(|_| unusable)?;
        }
        if roots.is_empty() { Err(BadBundle::NoCertificate) } else { Ok(Self::Only(pem)) }
    }

    fn store(&self) -> TrustStore {
        match self {
            Self::Amazon => AMAZON_ROOTS.into_iter().fold(TrustStore::empty(), TrustStore::with_pem_certificate),
            Self::System => TrustStore::default(),
            Self::Only(pem) => TrustStore::empty().with_pem_certificate(pem.as_slice()),
        }
    }
}

/// The one way to speak HTTPS: rustls on ring.
pub fn http_client(trust: &Trust) -> SharedHttpClient {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trust.store()).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        // It never fails today. Should it one day, nobody is trusted: this one speaks plain HTTP alone.
        Err(_) => Builder::new().build_http(),
    }
}

fn time_limits(times: u32) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT.saturating_mul(times))
        .read_timeout(ATTEMPT_LIMIT.saturating_mul(times))
        .operation_attempt_timeout(ATTEMPT_LIMIT.saturating_mul(times))
        .operation_timeout(OPERATION_LIMIT.saturating_mul(times))
        .build()
}

/// Three attempts; the SDK waits a random part of 25, then 50 milliseconds in between.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(25))
        .with_max_backoff(Duration::from_millis(200))
}

impl fmt::Display for BadBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("it holds no PEM certificate"),
            Self::Unusable(index) => write!(f, "its certificate {index} cannot be used"),
        }
    }
}

impl std::error::Error for BadBundle {}
