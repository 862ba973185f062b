//! The body of a request.

use http::{HeaderMap, header::CONTENT_TYPE};
use lambda_http::Body;
use serde_json::{Map, Value};
use token::Text;

use crate::Problem;

/// The members of a JSON object. The handler takes out those it knows with [`Members::take`], and [`Members::done`]
/// refuses what is left, so that a misspelt member is never ignored.
#[derive(Debug)]
pub struct Members(Map<String, Value>);

/// A body that is a JSON object, or empty, which is an empty object.
///
/// # Errors
/// 415 for another media type, 400 for what is no JSON object.
pub fn json_object(headers: &HeaderMap, body: &Body) -> Result<Members, Problem> {
    let bytes = bytes(body);
    if bytes.is_empty() {
        return Ok(Members(Map::new()));
    }
    expect_media_type(headers, "application/json")?;
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(Members(members)),
        Ok(_) => Err(Problem::invalid_request("The body is not a JSON object")),
        Err(error) => {
            let place = format!("The body is not JSON at line {}, column {}", error.line(), error.column());
            Err(Problem::invalid_request(place))
        }
    }
}

/// The bytes of a body.
pub fn bytes(body: &Body) -> &[u8] {
    AsRef::as_ref(body)
}

/// Refuses a body of another media type.
///
/// # Errors
/// 415.
pub fn expect_media_type(headers: &HeaderMap, takes: &str) -> Result<(), Problem> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(takes) { Ok(()) } else { Err(Problem::unsupported_media_type(takes)) }
}

/// The one parameter `token` of a form; others, such as `token_type_hint`, do not matter (RFC 7009 section 2.1).
///
/// # Errors
/// 400 if it is missing or there twice.
pub fn token_parameter(body: &Body) -> Result<Text, Problem> {
    let mut tokens =
        form_urlencoded::parse(bytes(body)).filter(|(name, _)| name == "token").map(|(_, value)| Text::new(value));
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => Err(Problem::invalid_member("token", "it is missing")),
        (Some(_), Some(_)) => Err(Problem::invalid_member("token", "it is there twice")),
    }
}

impl Members {
    /// Members that came as a form and not as JSON.
    pub const fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// Takes a member out. `null` counts as absent.
    pub fn take(&mut self, member: &str) -> Option<Value> {
        self.0.remove(member).filter(|value| !value.is_null())
    }

    /// Takes out a member that must be a string.
    ///
    /// # Errors
    /// 400 naming it.
    pub fn take_text(&mut self, member: &str) -> Result<Option<String>, Problem> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid_member(member, "it must be a string")),
        }
    }

    /// Refuses members that nobody took out.
    ///
    /// # Errors
    /// 400 naming the first of them, if it can be named.
    pub fn done(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((member, _)) => {
                let named: String = member.chars().take(64).collect();
                Err(Problem::invalid_member(&named, "there is no such member"))
            }
        }
    }
}
