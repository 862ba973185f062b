//! The answers that API Gateway gives by itself, and how a template changes them
//! ([types](https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html),
//! [customization](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html)).
//!
//! A header takes a quoted literal, `context.requestId` or `context.authorizer.x`; one without a value is left out. A
//! body takes plain substitution: what is put in is not escaped, a variable without a value is empty. The template for
//! `application/json` is the one that counts, whatever the client accepts.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::json;

use crate::dev::template::{GatewayResponse, TemplateError};

const PLAIN_BODY: &str = r#"{"message":$context.error.messageString}"#;

/// Why a request ends here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    kind: Kind,
    message: Option<&'static str>,
    /// What an authorizer said of the caller, if it was asked.
    context: BTreeMap<String, String>,
}

/// The types of answers that happen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AccessDenied,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    /// The request is not one of HTTP/1.1, or its `Host` is not a host (RFC 9112 section 3.2). In AWS such a request does
    /// not reach any API.
    BadRequest,
    /// A function failed or answered what no HTTP answer can be made of. AWS documents the status 502 without a type;
    /// measured by others, only `DEFAULT_5XX` changes it.
    BadIntegration,
    /// The path is not that of the stage, so that no API is there whose gateway responses could count.
    Forbidden,
    /// Rejected before routing; AWS documents the quota, and only its users the answer.
    HeadersTooLarge,
    IntegrationTimeout,
    MissingAuthenticationToken,
    /// The important notes: customizing this one is not supported.
    RequestTooLarge,
    Unauthorized,
}

/// What AWS has for a type: its name, or `None` for what templates cannot change; status, error and message.
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
    /// A rejection before anything was said of the caller.
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, message: None, context: BTreeMap::new() }
    }

    /// The rejection of a policy.
    pub(super) fn denied(context: &BTreeMap<String, String>, message: &'static str) -> Self {
        Self { kind: Kind::AccessDenied, message: Some(message), context: context.clone() }
    }

    /// The value of a variable such as `context.authorizer.reason`.
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
            Self::AccessDenied => (Some("ACCESS_DENIED"), StatusCode::FORBIDDEN, "AccessDeniedException", "Forbidden"),
            Self::AuthorizerConfigurationError => (
                Some("AUTHORIZER_CONFIGURATION_ERROR"),
                StatusCode::INTERNAL_SERVER_ERROR,
                "AuthorizerConfigurationException",
                server,
            ),
            Self::AuthorizerFailure => {
                (Some("AUTHORIZER_FAILURE"), StatusCode::INTERNAL_SERVER_ERROR, "AuthorizerFailureException", server)
            }
            Self::BadRequest => (None, StatusCode::BAD_REQUEST, "BadRequestException", "Bad Request"),
            Self::BadIntegration => {
                (Some("DEFAULT_5XX"), StatusCode::BAD_GATEWAY, "InternalServerErrorException", server)
            }
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
            Self::RequestTooLarge => {
                (None, StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", "Request Too Long")
            }
            Self::Unauthorized => {
                (Some("UNAUTHORIZED"), StatusCode::UNAUTHORIZED, "UnauthorizedException", "Unauthorized")
            }
        }
    }
}

impl Responses {
    /// The gateway responses of a template.
    pub(super) fn new(template: &BTreeMap<String, GatewayResponse>) -> Result<Self, TemplateError> {
        let mut by_type = BTreeMap::new();
        for (kind, response) in template {
            by_type.insert(kind.clone(), Custom::read(kind, response)?);
        }
        Ok(Self { by_type })
    }

    /// The answer to a rejected request.
    pub(super) fn write(&self, rejection: &Rejection, id: &str) -> Response<Bytes> {
        let (kind, default_status, error, _) = rejection.kind.facts();
        let fallback = if default_status.is_server_error() { "DEFAULT_5XX" } else { "DEFAULT_4XX" };
        let custom = kind.and_then(|kind| self.by_type.get(kind).or_else(|| self.by_type.get(fallback)));
        // The status that a default response changes holds for every type that falls back to it.
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
                Expression::Variable(variable) => {
                    rejection.variable(variable, id).and_then(|text| HeaderValue::try_from(text).ok())
                }
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
            let wrong = || TemplateError::shape(format!("{kind}.{name}"), format!("{text} is not understood"));
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

/// The headers that stand on every answer.
pub(super) fn insert_id(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", value);
    }
    if let Ok(value) = HeaderValue::try_from(format!("{}=", id.replace('-', ""))) {
        headers.insert("x-amz-apigw-id", value);
    }
}

/// A body template with every `$context.x` replaced. A dollar sign before anything else is just that.
fn substituted(template: &str, rejection: &Rejection, id: &str) -> String {
    let mut body = String::new();
    let mut parts = template.split("$context.");
    body.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(part.len());
        let (name, rest) = part.split_at_checked(end).unwrap_or((part, ""));
        // A full stop behind a name ends the sentence, not the name.
        let path = name.trim_end_matches('.');
        body.push_str(&rejection.variable(&format!("context.{path}"), id).unwrap_or_default());
        body.push_str(name.strip_prefix(path).unwrap_or_default());
        body.push_str(rest);
    }
    body
}

#[cfg(test)]
mod tests;
