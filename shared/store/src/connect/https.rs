//! Bounded HTTPS requests to others than AWS: in time, in size, and without redirects, which could
//! lead anywhere.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{Trust, https_connector};
use crate::Failure;

/// A client of servers other than AWS's.
#[derive(Clone, Debug)]
pub struct Https(Client<HttpsConnector<HttpConnector>, Full<std::io::Cursor<Vec<u8>>>>);

/// A response: its status, its headers and its whole body.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// The time limit of a request. Those of a sign-in are also within the time limit of the function.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// The maximum size of a response: identity providers with many certificates publish about 100 KB.
const MAX_BYTES: usize = 512 * 1024;

impl Https {
    /// Creates a client that trusts these certificate authorities.
    ///
    /// # Errors
    /// Returns a [`Failure`] if rustls does not support ring, which would fail every start.
    pub fn new(trust: Trust) -> Result<Self, Failure> {
        let connector = https_connector(trust)
            .map_err(|error| Failure::new("preparing to call another server", error))?;
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there is no response in time, or if its status is not 200.
    pub async fn get(
        &self,
        doing: &'static str,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Vec<u8>, Failure> {
        let mut headers = HeaderMap::new();
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        let response = self.get_with(doing, url, headers).await?;
        if response.status != StatusCode::OK {
            return Err(Failure::new(doing, format!("the status is {}", response.status.as_u16())));
        }
        Ok(response.body)
    }

    /// Fetches a document with these headers. The response can have any status.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there is no response in time.
    pub async fn get_with(
        &self,
        doing: &'static str,
        url: &str,
        headers: HeaderMap,
    ) -> Result<Response, Failure> {
        let mut request = Request::get(url).header(header::ACCEPT, "application/json");
        request.headers_mut().into_iter().for_each(|known| known.extend(headers.clone()));
        self.send(doing, request, Vec::new()).await
    }

    /// Sends a form. The response can have any status.
    ///
    /// # Errors
    /// Returns a [`Failure`] if there is no response in time.
    pub async fn post(
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
        request: ::http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Response, Failure> {
        let failed = |error| Failure::new(doing, error);
        let request = request
            .body(Full::new(std::io::Cursor::new(body)))
            .map_err(|error| Failure::new(doing, error))?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| failed(error.into()))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
            let body = body.map_err(failed)?.to_bytes().to_vec();
            Ok(Response { status, headers, body })
        };
        let late = |_| Failure::new(doing, "the time limit was reached");
        tokio::time::timeout(TIME_LIMIT, exchange).await.map_err(late)?
    }
}
