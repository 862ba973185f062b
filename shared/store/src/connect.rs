//! The clients: one TLS stack (rustls on keyring), time limits that leave the authorizer time to answer, bounded
//! retries.

use std::time::Duration;

use aws_credential_types::Credentials;
pub use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::{
    AppName, BehaviorVersion, Region, SharedAsyncSleep, StalledStreamProtectionConfig, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use token::Text;

mod attempts;
mod date;
mod http;
mod plain;
mod trust;

pub(crate) use attempts::Attempts;
pub(crate) use date::Date;
pub use http::http_client;
pub use trust::{AMAZON_ROOTS, BundleError, Trust};

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

/// The limit of one attempt of one call, connecting included.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(900);

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
            .retry_config(retries())
            // It guards bodies that trickle in. The limit of an attempt holds for the whole of ours.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(plain::Plain);
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
            .retry_config(retries())
            // It guards bodies that trickle in. The limit of an attempt holds for the whole of ours.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_app_name(AppName::new("hallpass").ok());
        config.set_endpoint_url(self.secrets_endpoint.clone());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(
            &self.access_key_id,
            self.secret_access_key.expose_secret(),
            self.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
            None,
            "environment",
        )
    }
}

fn time_limits(times: u32) -> TimeoutConfig {
    TimeoutConfig::builder()
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
