//! The one way to speak HTTPS: HTTP/1.1 over rustls on keyring, with connections that stay open.
//!
//! The SDK's own connector does this too, and HTTP/2 and proxies besides, for which a function has no use: without them
//! the authorizer is smaller by 1.3 MB, which are read at every cold start (`bench/README.md`).

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

/// Connections to whoever holds a certificate of these authorities. The SDK's limit of an attempt is that of connecting
/// too.
///
/// # Errors
/// When rustls does not work with keyring, which would show at every start.
pub fn http_client(trust: Trust) -> Result<SharedHttpClient, rustls::Error> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trust.0)
        .with_no_client_auth();
    let mut tcp = connect::HttpConnector::new();
    tcp.enforce_http(false);
    // A request is written at once, and nothing is gained by holding its end back.
    tcp.set_nodelay(true);
    // Local engines speak plain HTTP.
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https);
    let connector = SharedHttpConnector::new(Https(client));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Who calls, as the logs of AWS show it.
const HALLPASS: HeaderValue = HeaderValue::from_static(concat!("hallpass/", env!("CARGO_PKG_VERSION")));

#[derive(Debug)]
struct Https(Client<HttpsConnector<connect::HttpConnector>, SdkBody>);

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        request.headers_mut().entry(USER_AGENT).or_insert(HALLPASS);
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            // Whatever keeps an answer from coming may pass, and every call of ours may be made again.
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            let answer = answer.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
