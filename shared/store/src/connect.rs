//! The AWS clients: one TLS stack (rustls with ring), time limits that leave the authorizer time to
//! respond, bounded retries.

use std::time::Duration;

use aws_credential_types::Credentials;
pub use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::{
    AppName, BehaviorVersion, Region, SharedAsyncSleep, SharedCredentialsProvider,
    StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use hallpass_token::Text;

mod attempts;
mod date;
mod http;
mod https;
mod plain;
mod trust;

pub(crate) use attempts::Attempts;
pub(crate) use date::Date;
pub use http::{http_client, https_connector};
pub use https::{Https, Response};
pub use trust::{AMAZON_ROOTS, BundleError, Trust};

/// The region, the endpoints and the credentials of the AWS clients. On Lambda all of them come
/// from the environment.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The region, `AWS_REGION`.
    pub region: String,
    /// The URL of DynamoDB, in place of the region's endpoint.
    pub dynamodb_endpoint: Option<String>,
    /// The URL of Secrets Manager, in place of the region's endpoint.
    pub secrets_endpoint: Option<String>,
    /// Whether to use the endpoints with FIPS 140 cryptography, `AWS_USE_FIPS_ENDPOINT`.
    pub use_fips: bool,
    /// Whether to use the endpoints with IPv6, `AWS_USE_DUALSTACK_ENDPOINT`.
    pub use_dual_stack: bool,
    /// The access key ID, `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// The secret access key, `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Text,
    /// The session token of temporary credentials, `AWS_SESSION_TOKEN`.
    pub session_token: Option<Text>,
    /// The HTTP client from [`http_client`]. All AWS clients share it, with its certificates and
    /// its connections.
    pub http: SharedHttpClient,
}

/// The time limit of one attempt of a call, connecting included.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(900);

/// The time limit of a call with its retries. [`crate::verify`] limits several calls together.
const OPERATION_LIMIT: Duration = Duration::from_millis(2_500);

/// The factor by which the time limits are longer at a terminal.
const PATIENCE: u32 = 10;

impl Connection {
    /// Creates a client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_within(time_limits(1))
    }

    /// Creates a client of DynamoDB with longer time limits, for use at a terminal, which can be
    /// far from the region.
    pub fn patient_dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_within(time_limits(PATIENCE))
    }

    fn dynamodb_within(&self, limits: TimeoutConfig) -> aws_sdk_dynamodb::Client {
        let shared = self.shared(self.dynamodb_endpoint.clone(), limits);
        let config =
            aws_sdk_dynamodb::config::Builder::from(&shared).interceptor(plain::Plain).build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// Returns the configuration of a client of another service, with the longer time limits.
    /// `endpoint` takes the place of the region's.
    pub fn patient(&self, endpoint: Option<String>) -> SdkConfig {
        self.shared(endpoint, time_limits(PATIENCE))
    }

    /// Returns what all clients have in common.
    fn shared(&self, endpoint: Option<String>, limits: TimeoutConfig) -> SdkConfig {
        let credentials = SharedCredentialsProvider::new(self.credentials());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .credentials_provider(credentials)
            .http_client(self.http.clone())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(limits)
            .retry_config(retries())
            // Not needed: the limit of an attempt includes the whole response.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(endpoint);
        config.build()
    }

    /// Creates a client of Secrets Manager.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let shared = self.shared(self.secrets_endpoint.clone(), time_limits(1));
        let mut config = aws_sdk_secretsmanager::config::Builder::from(&shared);
        config.set_app_name(AppName::new("hallpass").ok());
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

/// Three attempts. In between the SDK waits a random part of 25, then of 50 milliseconds.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(25))
        .with_max_backoff(Duration::from_millis(200))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_dynamodb::error::ConnectorError;
    use aws_smithy_runtime_api::client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpRequest,
    };

    use super::*;

    /// Notes which hosts are called, and reaches none.
    #[derive(Clone, Debug, Default)]
    struct Hosts(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Hosts {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.0.lock().unwrap().push(request.uri().to_owned());
            HttpConnectorFuture::ready(Err(ConnectorError::user("no network".into())))
        }
    }

    #[tokio::test]
    async fn every_partition_and_variant_of_an_endpoint_is_called() {
        let check = async |region: &str, use_fips, use_dual_stack, expected: [&str; 2]| {
            let hosts = Hosts::default();
            let connector = SharedHttpConnector::new(hosts.clone());
            let connection = Connection {
                region: region.to_owned(),
                dynamodb_endpoint: None,
                secrets_endpoint: None,
                use_fips,
                use_dual_stack,
                access_key_id: "a".to_owned(),
                secret_access_key: Text::new("b".to_owned()),
                session_token: None,
                http: SharedHttpClient::new(http_client_fn(move |_, _| connector.clone())),
            };
            connection.dynamodb().list_tables().send().await.unwrap_err();
            connection.secrets().list_secrets().send().await.unwrap_err();
            let expected = expected.map(|host| format!("https://{host}/"));
            assert_eq!(*hosts.0.lock().unwrap(), expected, "{region} {use_fips} {use_dual_stack}");
        };
        let commercial =
            ["dynamodb.eu-west-1.amazonaws.com", "secretsmanager.eu-west-1.amazonaws.com"];
        check("eu-west-1", false, false, commercial).await;
        let fips = [
            "dynamodb-fips.us-east-1.amazonaws.com",
            "secretsmanager-fips.us-east-1.amazonaws.com",
        ];
        check("us-east-1", true, false, fips).await;
        // Secrets Manager has IPv6 at its usual names.
        let dual = ["dynamodb.us-east-1.api.aws", "secretsmanager.us-east-1.amazonaws.com"];
        check("us-east-1", false, true, dual).await;
        let both =
            ["dynamodb-fips.us-east-1.api.aws", "secretsmanager-fips.us-east-1.amazonaws.com"];
        check("us-east-1", true, true, both).await;
        let government = [
            "dynamodb.us-gov-west-1.amazonaws.com",
            "secretsmanager-fips.us-gov-west-1.amazonaws.com",
        ];
        check("us-gov-west-1", true, false, government).await;
        let china =
            ["dynamodb.cn-north-1.amazonaws.com.cn", "secretsmanager.cn-north-1.amazonaws.com.cn"];
        check("cn-north-1", false, false, china).await;
    }
}
