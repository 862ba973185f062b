//! Gateway responses: the responses that API Gateway generates itself, and their customization in a
//! template
//! ([types](https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html),
//! [customization](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html)).
//!
//! The value of a header is a quoted literal, `context.requestId` or `context.authorizer.x`; a
//! header without a value is left out. In a body, variables are replaced without escaping, and a
//! variable without a value is empty. The template for `application/json` is used regardless of the
//! client's `Accept`.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::json;

use crate::template::{GatewayResponse, TemplateError};

const PLAIN_BODY: &str = r#"{"message":$context.error.messageString}"#;

/// Why the gateway rejects a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    kind: Kind,
    message: Option<&'static str>,
    /// The context of the authorizer's response; empty if no authorizer was called.
    context: BTreeMap<String, String>,
}

/// The types of gateway responses that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AccessDenied,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    /// The request is not valid HTTP/1.1, or its `Host` is not a host (RFC 9112 section 3.2). On
    /// AWS such a request does not reach an API.
    BadRequest,
    /// A function failed or returned an invalid response. AWS documents the status 502 without a
    /// type; measurements show that only `DEFAULT_5XX` changes it.
    BadIntegration,
    /// The path is not in the stage, so that the gateway responses of the API do not apply.
    Forbidden,
    /// Rejected before routing. AWS documents the quota; the response is known only from reports of
    /// its users.
    HeadersTooLarge,
    IntegrationTimeout,
    MissingAuthenticationToken,
    /// According to the important notes, this type cannot be customized.
    RequestTooLarge,
    Unauthorized,
}

/// AWS's defaults of a type: its name, or `None` if templates cannot change it; status, error and
/// message.
type Facts = (Option<&'static str>, StatusCode, &'static str, &'static str);

/// The gateway responses of an API.
pub(super) struct Responses {
    by_type: BTreeMap<String, Custom>,
}

struct Custom {
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, Expression)>,
    body: String,
}

enum Expression {
    Literal(HeaderValue),
    Variable(String),
}

impl Rejection {
    /// Creates a rejection without an authorizer's context.
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, message: None, context: BTreeMap::new() }
    }

    /// Creates a rejection by an authorizer's policy.
    pub(super) fn denied(context: &BTreeMap<String, String>, message: &'static str) -> Self {
        Self { kind: Kind::AccessDenied, message: Some(message), context: context.clone() }
    }

    /// Returns the value of a variable such as `context.authorizer.reason`.
    fn variable(&self, name: &str, id: &str) -> Option<String> {
        let (kind, _, _, message) = self.kind.facts();
        let message = self.message.unwrap_or(message);
        match name.strip_prefix("context.")? {
            "requestId" => Some(id.to_owned()),
            "error.message" => Some(message.to_owned()),
            "error.messageString" => Some(json!(message).to_string()),
            "error.responseType" => kind.map(str::to_owned),
            other => self.context.get(other.strip_prefix("authorizer.")?).cloned(),
        }
    }
}

impl Kind {
    fn facts(self) -> Facts {
        let server = "Internal server error";
        match self {
            Self::AccessDenied => {
                (Some("ACCESS_DENIED"), StatusCode::FORBIDDEN, "AccessDeniedException", "Forbidden")
            }
            Self::AuthorizerConfigurationError => (
                Some("AUTHORIZER_CONFIGURATION_ERROR"),
                StatusCode::INTERNAL_SERVER_ERROR,
                "AuthorizerConfigurationException",
                server,
            ),
            Self::AuthorizerFailure => (
                Some("AUTHORIZER_FAILURE"),
                StatusCode::INTERNAL_SERVER_ERROR,
                "AuthorizerFailureException",
                server,
            ),
            Self::BadRequest => {
                (None, StatusCode::BAD_REQUEST, "BadRequestException", "Bad Request")
            }
            Self::BadIntegration => (
                Some("DEFAULT_5XX"),
                StatusCode::BAD_GATEWAY,
                "InternalServerErrorException",
                server,
            ),
            Self::Forbidden => (None, StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
            Self::HeadersTooLarge => (
                None,
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "BadRequestException",
                "HTTP header is larger than 10240 bytes.",
            ),
            Self::IntegrationTimeout => (
                Some("INTEGRATION_TIMEOUT"),
                StatusCode::GATEWAY_TIMEOUT,
                "InternalServerErrorException",
                "Endpoint request timed out",
            ),
            Self::MissingAuthenticationToken => (
                Some("MISSING_AUTHENTICATION_TOKEN"),
                StatusCode::FORBIDDEN,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ),
            Self::RequestTooLarge => (
                None,
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                "Request Too Long",
            ),
            Self::Unauthorized => (
                Some("UNAUTHORIZED"),
                StatusCode::UNAUTHORIZED,
                "UnauthorizedException",
                "Unauthorized",
            ),
        }
    }
}

impl Responses {
    /// Parses the gateway responses of a template.
    pub(super) fn new(template: &BTreeMap<String, GatewayResponse>) -> Result<Self, TemplateError> {
        let mut by_type = BTreeMap::new();
        for (kind, response) in template {
            by_type.insert(kind.clone(), Custom::read(kind, response)?);
        }
        Ok(Self { by_type })
    }

    /// Builds the response to a rejected request.
    pub(super) fn write(&self, rejection: &Rejection, id: &str) -> Response<Bytes> {
        let (kind, default_status, error, _) = rejection.kind.facts();
        let fallback = if default_status.is_server_error() { "DEFAULT_5XX" } else { "DEFAULT_4XX" };
        let custom =
            kind.and_then(|kind| self.by_type.get(kind).or_else(|| self.by_type.get(fallback)));
        // A status of a default response applies to every type that falls back to it.
        let status = custom.and_then(|custom| custom.status).unwrap_or(default_status);
        let body = substituted(custom.map_or(PLAIN_BODY, |custom| &custom.body), rejection, id);
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error));
        insert_id(headers, id);
        for (name, expression) in custom.into_iter().flat_map(|custom| &custom.headers) {
            let value = match expression {
                Expression::Literal(value) => Some(value.clone()),
                Expression::Variable(variable) => rejection
                    .variable(variable, id)
                    .and_then(|text| HeaderValue::try_from(text).ok()),
            };
            if let Some(value) = value {
                headers.insert(name.clone(), value);
            }
        }
        response
    }
}

impl Custom {
    fn read(kind: &str, response: &GatewayResponse) -> Result<Self, TemplateError> {
        let status = match response.status.map(StatusCode::from_u16) {
            Some(Err(error)) => return Err(TemplateError::shape(kind, error.to_string())),
            Some(Ok(status)) => Some(status),
            None => None,
        };
        let mut headers = Vec::new();
        for (name, text) in &response.headers {
            let wrong = || {
                TemplateError::shape(
                    format!("{kind}.{name}"),
                    format!("the expression {text} is not supported"),
                )
            };
            let expression = Expression::read(text).ok_or_else(wrong)?;
            headers.push((HeaderName::try_from(name).map_err(|_| wrong())?, expression));
        }
        let body = response.body.clone().unwrap_or_else(|| PLAIN_BODY.to_owned());
        Ok(Self { status, headers, body })
    }
}

impl Expression {
    fn read(text: &str) -> Option<Self> {
        if let Some(literal) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return HeaderValue::from_str(literal).ok().map(Self::Literal);
        }
        let known = text == "context.requestId" || text.starts_with("context.authorizer.");
        known.then(|| Self::Variable(text.to_owned()))
    }
}

/// Adds the headers with the request ID, which every response has.
pub(super) fn insert_id(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", value);
    }
    if let Ok(value) = HeaderValue::try_from(format!("{}=", id.replace('-', ""))) {
        headers.insert("x-amz-apigw-id", value);
    }
}

/// Replaces every `$context.x` in a body template. Any other dollar sign is literal.
fn substituted(template: &str, rejection: &Rejection, id: &str) -> String {
    let mut body = String::new();
    let mut parts = template.split("$context.");
    body.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
            .unwrap_or(part.len());
        let (name, rest) = part.split_at_checked(end).unwrap_or((part, ""));
        // A full stop after a name is not part of the name.
        let path = name.trim_end_matches('.');
        body.push_str(&rejection.variable(&format!("context.{path}"), id).unwrap_or_default());
        body.push_str(name.strip_prefix(path).unwrap_or_default());
        body.push_str(rest);
    }
    body
}

#[cfg(test)]
mod tests;
