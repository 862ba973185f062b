//! The HTTPS client: HTTP/1.1 over rustls with ring, with persistent connections.
//!
//! The SDK's own connector also supports HTTP/2 and proxies, which functions do not need. Without
//! it the authorizer is 1.3 MB smaller, and every cold start reads the whole binary
//! (`bench/README.md`).

use std::sync::Arc;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::{HeaderValue, header::USER_AGENT};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, crypto::ring};

use super::Trust;

/// Creates an HTTP client for AWS that trusts these certificate authorities. The SDK's time limit
/// of an attempt includes connecting.
///
/// # Errors
/// Returns a [`rustls::Error`] if rustls does not support ring, which would fail every start.
pub fn http_client(trust: Trust) -> Result<SharedHttpClient, rustls::Error> {
    let https = https_connector(trust)?;
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https);
    let connector = SharedHttpConnector::new(Https(client));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Creates what connects an HTTP client, to `https` and to plain `http`, which local servers use.
///
/// # Errors
/// Returns a [`rustls::Error`] if rustls does not support ring, which would fail every start.
pub fn https_connector(
    trust: Trust,
) -> Result<HttpsConnector<connect::HttpConnector>, rustls::Error> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trust.0)
        .with_no_client_auth();
    let mut tcp = connect::HttpConnector::new();
    tcp.enforce_http(false);
    // Requests are written whole, so delaying the last segment gains nothing.
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    Ok(https.wrap_connector(tcp))
}

/// The `User-Agent`, which the logs of AWS show.
const HALLPASS: HeaderValue =
    HeaderValue::from_static(concat!("hallpass/", env!("CARGO_PKG_VERSION")));

#[derive(Debug)]
struct Https(Client<HttpsConnector<connect::HttpConnector>, SdkBody>);

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        request.headers_mut().entry(USER_AGENT).or_insert(HALLPASS);
        let response = self.0.request(request);
        HttpConnectorFuture::new(async move {
            // Every error without a response is treated as transient, because every call can be
            // repeated.
            let response = response.await.map_err(|error| ConnectorError::io(error.into()))?;
            let response = response.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
