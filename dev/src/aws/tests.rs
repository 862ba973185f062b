//! What the tests of the services share: running services and clients of the AWS SDK.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use aws_credential_types::Credentials;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_s3::config::{BehaviorVersion, Region, SharedAsyncSleep, retry::RetryConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use hallpass_store::connect::{SharedHttpClient, Trust, http_client};
use hallpass_token::Timestamp;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

pub(super) const NOW: u64 = 1_800_000_000;

const ACCESS_KEY_ID: &str = "known";

/// Running services and their data directory.
pub(super) struct Running {
    pub(super) aws: Aws,
    pub(super) data: TempDir,
}

impl Running {
    pub(super) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { aws: start(data.path()).await, data }
    }

    /// Stops the services, and starts them again with the same data.
    pub(super) async fn restart(self) -> Self {
        let Self { aws, data } = self;
        drop(aws);
        Self { aws: start(data.path()).await, data }
    }

    pub(super) fn s3(&self) -> aws_sdk_s3::Client {
        self.s3_as(ACCESS_KEY_ID, "secret")
    }

    pub(super) fn s3_as(&self, access_key_id: &str, secret: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(credentials(access_key_id, secret))
            .http_client(client())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(RetryConfig::disabled())
            .force_path_style(true)
            .endpoint_url(self.aws.s3_endpoint());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub(super) fn events(&self) -> aws_sdk_eventbridge::Client {
        self.events_as(ACCESS_KEY_ID)
    }

    fn events_as(&self, access_key_id: &str) -> aws_sdk_eventbridge::Client {
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(credentials(access_key_id, "secret"))
            .http_client(client())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.aws.json_endpoint());
        aws_sdk_eventbridge::Client::from_conf(config.build())
    }

    pub(super) fn kms(&self) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(credentials(ACCESS_KEY_ID, "secret"))
            .http_client(client())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.aws.json_endpoint());
        aws_sdk_kms::Client::from_conf(config.build())
    }
}

async fn start(data: &Path) -> Aws {
    let access =
        Access { access_key_id: ACCESS_KEY_ID.to_owned(), secret_access_key: Text::new("secret") };
    Aws::start(data, &access, Arc::new(|| Timestamp::from_unix(NOW).unwrap())).await.unwrap()
}

fn credentials(access_key_id: &str, secret: &str) -> Credentials {
    Credentials::new(access_key_id, secret, None, None, "test")
}

fn client() -> SharedHttpClient {
    http_client(Trust::amazon().unwrap()).unwrap()
}

/// Returns the permissions of a file.
pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Sends a request with this header to an endpoint, and returns the status line.
async fn status(endpoint: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nconnection: close\r\n{headers}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn browsers_and_foreign_host_names_are_rejected() {
    let running = Running::start().await;
    for endpoint in [running.aws.s3_endpoint(), running.aws.json_endpoint()] {
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
        let foreign = status(&endpoint, "host: evil.example").await;
        assert!(foreign.starts_with("HTTP/1.1 421 "), "{foreign}");
        let browser = status(&endpoint, "host: localhost\r\norigin: https://evil.example").await;
        assert!(browser.starts_with("HTTP/1.1 403 "), "{browser}");
    }
    let unsigned = status(&running.aws.s3_endpoint(), "host: localhost").await;
    assert!(unsigned.starts_with("HTTP/1.1 403 "), "{unsigned}");
}

#[tokio::test]
async fn an_operation_that_is_not_supported_and_an_unknown_access_key_have_their_errors() {
    let running = Running::start().await;
    let error = running.events().list_event_buses().send().await.unwrap_err();
    assert_eq!(error.into_service_error().meta().code(), Some("UnknownOperationException"));
    let error = running.events_as("other").put_events().send().await.unwrap_err();
    assert_eq!(error.into_service_error().meta().code(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_rejected() {
    let running = Running::start().await;
    let detail = "x".repeat(MAX_REQUEST_LENGTH);
    let entry = PutEventsRequestEntry::builder().detail(detail).build();
    let error = running.events().put_events().entries(entry).send().await.unwrap_err();
    assert_eq!(error.into_service_error().meta().code(), Some("InvalidRequestException"));
}

#[tokio::test]
async fn a_stopped_service_accepts_no_connections() {
    let Running { aws, data: _data } = Running::start().await;
    let endpoints = [aws.s3_endpoint(), aws.json_endpoint()];
    drop(aws);
    for endpoint in endpoints {
        // The runtime closes the socket when it drops the aborted task.
        while TcpStream::connect(endpoint.trim_start_matches("http://")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn the_secret_access_key_is_not_printed() {
    let access = Access { access_key_id: "id".to_owned(), secret_access_key: Text::new("hidden") };
    let printed = format!("{access:?}");
    assert!(printed.contains("id") && !printed.contains("hidden"), "{printed}");
}
