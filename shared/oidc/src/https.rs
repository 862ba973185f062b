//! Bounded HTTPS requests: in time, in size, and without redirects, which could lead anywhere.

use std::time::Duration;

use hallpass_store::{
    Failure,
    connect::{Trust, https_connector},
};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// A client of the provider.
#[derive(Clone, Debug)]
pub(crate) struct Https(Client<HttpsConnector<HttpConnector>, Full<std::io::Cursor<Vec<u8>>>>);

/// A response: its status and its whole body.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// The time limit of a request. Those of a sign-in are also within the time limit of the function.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// The maximum size of a response: providers with many certificates publish about 100 KB.
const MAX_BYTES: usize = 512 * 1024;

impl Https {
    /// Creates a client that trusts these certificate authorities.
    ///
    /// # Errors
    /// Returns a [`Failure`] if rustls does not support ring, which would fail every start.
    pub(crate) fn new(trust: Trust) -> Result<Self, Failure> {
        let connector = https_connector(trust)
            .map_err(|error| Failure::new("preparing to call the identity provider", error))?;
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there is no response in time, or if its status is not 200.
    pub(crate) async fn get(
        &self,
        doing: &'static str,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = Request::get(url).header(header::ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let response = self.send(doing, request, Vec::new()).await?;
        if response.status != StatusCode::OK {
            return Err(Failure::new(doing, format!("the status is {}", response.status.as_u16())));
        }
        Ok(response.body)
    }

    /// Sends a form.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there is no response in time.
    pub(crate) async fn post(
        &self,
        doing: &'static str,
        url: &str,
        authorization: Option<HeaderValue>,
        form: String,
    ) -> Result<Response, Failure> {
        let mut request = Request::post(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.send(doing, request, form.into_bytes()).await
    }

    async fn send(
        &self,
        doing: &'static str,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Response, Failure> {
        let failed = |error| Failure::new(doing, error);
        let request = request
            .body(Full::new(std::io::Cursor::new(body)))
            .map_err(|error| Failure::new(doing, error))?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| failed(error.into()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
            let body = body.map_err(failed)?.to_bytes().to_vec();
            Ok(Response { status, body })
        };
        let late = |_| Failure::new(doing, "the time limit was reached");
        tokio::time::timeout(TIME_LIMIT, exchange).await.map_err(late)?
    }
}
